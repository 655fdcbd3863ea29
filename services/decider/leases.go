package decider

import (
	"log/slog"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"

	"github.com/isacloud/ha-manager/pkg/bus"
	"github.com/isacloud/ha-manager/pkg/lease"
	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec"
	"github.com/isacloud/ha-manager/pkg/subject"
)

// longestWait is what a decider that has just started waits before it grants: an earlier life of it may have granted for so long. It is that
// of the longest ttl that any spec may declare, not of those in the chain: a chain that is read at the start may be seconds old on a
// replica that was cut off, and a grant at a command that is not in it yet would be forgotten. One decider of three that waits costs nothing;
// where all of them start anew, a primary that acts goes on by the promises of the other members.
var longestWait = lease.Wait(spec.LongestTTL, spec.GuardLate)

// mostGroups bounds what requests about made-up groups can cost.
const mostGroups = 4096

// leases is this decider's share of every group's lease. It has a lock, a subscription and a goroutine of its own, so that nothing that is
// decided, read or stored delays an answer: a primary whose renewals wait stops.
type leases struct {
	name    string
	log     *slog.Logger
	metrics *metrics
	began   time.Time

	mu     sync.Mutex
	groups map[string]*share
	// read is when the chains were first read to their end by this life, as the bus's clock shows it in Unix microseconds; 0: not yet.
	read int64
}

// share is one group's.
type share struct {
	grants *lease.Grants
	newest uint64
	// told is each member's last answer that was logged.
	told map[string]string
}

func newLeases(name string, log *slog.Logger, m *metrics, began time.Time) *leases {
	return &leases{name: name, log: log, metrics: m, began: began, groups: map[string]*share{}}
}

// group returns the group's share; nil: there are too many. The caller holds the lock.
func (l *leases) group(name string) *share {
	s := l.groups[name]
	if s == nil && len(l.groups) < mostGroups {
		s = &share{grants: lease.NewGrants(0, longestWait), told: map[string]string{}}
		l.groups[name] = s
	}
	return s
}

// saw takes in a command of the chain, from whichever reader is first.
func (l *leases) saw(c *message.Command, stored time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.group(c.Group)
	if s == nil {
		return
	}
	// Nothing can have been granted before the group's first command was stored. Where this life had read all chains to their ends before
	// that, no earlier life granted anything, and there is nothing to wait for. That it was read is not enough on its own, nor is the time of
	// storing, since clocks of servers differ: both together err only where a stale replica and a wrong clock meet.
	if c.Epoch == 1 && s.newest == 0 && l.read > 0 && stored.UnixMicro() > l.read {
		s.grants.Fresh()
	}
	s.newest = max(s.newest, c.Epoch)
	s.grants.Saw(s.newest)
}

// chainsRead says that this life has read every chain to its end for the first time, at this time of the bus's clock.
func (l *leases) chainsRead(at int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.read == 0 {
		l.read = at
	}
}

// fenced takes in a stored word that a member is fenced.
func (l *leases) fenced(f *message.Fenced) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if s := l.groups[f.Group]; s != nil {
		s.grants.Fenced(f.Member, f.Epoch)
	}
}

// answer grants or refuses a request that was received at the time given.
func (l *leases) answer(at time.Time, r *message.LeaseRequest) *message.LeaseAnswer {
	a := &message.LeaseAnswer{Group: r.Group, Decider: l.name, Epoch: r.Epoch}
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.group(r.Group)
	if s == nil {
		a.Reason = "this decider knows of " + strconv.Itoa(mostGroups) + " groups already"
		return a
	}
	now := at.Sub(l.began)
	if r.Fenced > 0 {
		s.grants.Fenced(r.Member, r.Fenced)
	}
	if r.Fenced >= r.Epoch { // it only tells; to grant it would keep the next one waiting
		a.Reason = r.Member + " is fenced up to epoch " + strconv.FormatUint(r.Fenced, 10)
		return a
	}
	got := s.grants.Ask(now, lease.Request{Member: r.Member, Epoch: r.Epoch, Wait: lease.Wait(r.TTL.Std(), spec.GuardLate)})
	a.Granted, a.Newest, a.Retry, a.Reason = got.Granted, got.Newest, message.Duration(got.Retry), got.Reason
	l.tell(s, r, a)
	return a
}

// tell logs an answer that is another than the member's last one.
func (l *leases) tell(s *share, r *message.LeaseRequest, a *message.LeaseAnswer) {
	result := "granted"
	if !a.Granted {
		result = "refused"
	}
	l.metrics.leases.WithLabelValues(result).Inc()
	now := result + " " + strconv.FormatUint(r.Epoch, 10) + " " + a.Reason
	if s.told[r.Member] == now {
		return
	}
	if len(s.told) >= 64 {
		clear(s.told)
	}
	s.told[r.Member] = now
	if a.Granted {
		l.log.Info("lease granted", "group", r.Group, "member", r.Member, "epoch", r.Epoch, "ttl", r.TTL.Std(), "executor", r.Executor)
		return
	}
	l.log.Info("lease refused", "group", r.Group, "member", r.Member, "epoch", r.Epoch, "newest", a.Newest, "reason", a.Reason, "retry", a.Retry.Std(), "executor", r.Executor)
}

// holdersAt are those that this decider grants to at that time, by group.
func (l *leases) holdersAt(at time.Time) map[string]holder {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := at.Sub(l.began)
	out := map[string]holder{}
	for name, s := range l.groups {
		if member, epoch, left, ok := s.grants.Holder(now); ok {
			out[name] = holder{member, epoch, left}
		}
	}
	return out
}

// holder is a live grant.
type holder struct {
	member string
	epoch  uint64
	left   time.Duration
}

// serve answers until the returned function is called.
func (l *leases) serve(b *bus.Bus) (stop func(), err error) {
	sub, err := b.Conn().Subscribe(subject.LeasesOf(l.name), func(msg *nats.Msg) {
		at := time.Now()
		h, body := l.reply(b, at, msg)
		// An answer that is lost costs the asker one renewal of several in a ttl.
		if err := b.Conn().PublishMsg(&nats.Msg{Subject: msg.Reply, Header: nats.Header(h), Data: body}); err != nil {
			l.log.Debug("an answer about a lease was not sent", "error", err)
		}
		l.metrics.leaseSeconds.Observe(time.Since(at).Seconds())
	})
	if err != nil {
		return nil, err
	}
	return func() { _ = sub.Unsubscribe() }, nil // fails only where the link is gone for good
}

func (l *leases) reply(b *bus.Bus, at time.Time, msg *nats.Msg) (message.Header, []byte) {
	r := new(message.LeaseRequest)
	err := message.DecodeAs(message.Header(msg.Header), msg.Data, r)
	if p, bad := subject.Parse(msg.Subject); err == nil && (bad != nil || p.Group != r.Group) {
		err = &message.Invalid{Type: message.NameOf(r), Got: "group " + r.Group + " on " + msg.Subject, Want: "the group that the subject names"}
	}
	if err == nil {
		h, body, bad := message.Encode(l.answer(at, r), b.Source(), at)
		if bad == nil {
			return h, body
		}
		err = bad
	}
	l.metrics.leases.WithLabelValues("invalid").Inc()
	return message.Header{micro.ErrorHeader: {err.Error()}, micro.ErrorCodeHeader: {"400"}}, nil
}
