package executor

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/isacloud/ha-manager/pkg/bus"
	"github.com/isacloud/ha-manager/pkg/lease"
	"github.com/isacloud/ha-manager/pkg/lifecycle"
	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec"
	"github.com/isacloud/ha-manager/pkg/subject"
	"github.com/isacloud/ha-manager/services/executor/driver"
	"github.com/isacloud/ha-manager/services/executor/driver/vip"
	"github.com/isacloud/ha-manager/services/executor/guard"
	"github.com/isacloud/ha-manager/services/executor/internal/agent"
	"github.com/isacloud/ha-manager/services/executor/internal/boottime"
	"github.com/isacloud/ha-manager/services/executor/internal/keeper"
	"github.com/isacloud/ha-manager/services/executor/internal/outbox"
	"github.com/isacloud/ha-manager/services/executor/internal/peer"
	"github.com/isacloud/ha-manager/services/executor/resource"
)

// keep keeps this executor's own member of a group with a lease, from when its spec is first seen.
func (x *Executor) keep(group string, g *spec.Group) {
	if g == nil || g.Lease == nil {
		return
	}
	x.mu.Lock()
	k := x.keepers[group]
	x.mu.Unlock()
	if k != nil {
		k.Spec(g)
		return
	}
	i := slices.IndexFunc(g.Members, func(m spec.Member) bool { return m.Executor == x.name })
	if i < 0 {
		return
	}
	k, err := x.newKeeper(g, g.Members[i])
	if err != nil {
		x.opts.Log.Error("a member cannot be kept: it must not become primary", "group", group, "member", g.Members[i].Name, "error", err)
		x.tell(&message.Event{
			ID: fmt.Sprintf("%s.%s.keeper.%d", group, x.name, x.epochs.Boot()), Group: group, Kind: message.EventDrift, Severity: message.Critical, Member: g.Members[i].Name,
			Sentence: cut(fmt.Sprintf("executor %s cannot keep %s, which cannot become primary: %v", x.name, g.Members[i].Name, err)), Writer: x.name, At: time.Now().UnixMicro(),
		})
		return
	}
	k.Spec(g)
	x.mu.Lock()
	x.keepers[group] = k
	if c := x.awaited[group]; c != nil {
		close(c)
	}
	x.mu.Unlock()
	x.running.Go(func() { _ = k.Run(x.ctx) }) // ends with x.ctx only
	if a := g.Members[i].Agent; a != "" {
		x.running.Go(func() { x.serveAgent(k, group, a) })
	}
	x.desk(group).Keep(k)
}

func (x *Executor) newKeeper(g *spec.Group, m spec.Member) (*keeper.Keeper, error) {
	group := g.Name
	gd, err := x.opts.Guard(g, m)
	if err != nil {
		return nil, err
	}
	log := x.opts.Log.With("group", group, "member", m.Name)
	var k *keeper.Keeper // made last; nobody asks before it runs
	var res resource.Resource
	for _, kind := range x.opts.Resources {
		if !kind.Holds(m) {
			continue
		}
		res, err = kind.New(resource.Options{
			Group: group, Member: m, Secrets: x.opts.Secrets, Log: log,
			Armed:    func() bool { return k.Armed() },
			Progress: func(sentence string) { log.Info(sentence) },
		})
		if err != nil {
			return nil, fmt.Errorf("%s: %w", kind.Name, err)
		}
	}
	drop, lead := floating(g, m, log)
	k, err = keeper.New(keeper.Options{
		Drop: drop, Lead: lead, Weak: g.Lease.Guard == spec.GuardNone,
		Group: group, Executor: x.name, Member: m, Store: x.epochs, Guard: gd, Late: guard.Late, Longest: lease.Wait(spec.LongestTTL, guard.Late),
		Resource: res, Ask: x.askDecider, Peers: x.peers, Publish: x.publishSafety, Tell: x.tell, Now: boottime.Now, Wall: time.Now, Log: x.opts.Log,
	})
	return k, err
}

// floating takes the group's floating addresses away from the member, and lets the kernel keep them for as long as the lease lasts, so that a
// host whose executor has died lets them go by itself.
func floating(g *spec.Group, m spec.Member, log *slog.Logger) (drop func(context.Context) error, lead func(time.Duration)) {
	var routes []*spec.VIPRoute
	for _, r := range g.Routes {
		if r.VIP != nil {
			routes = append(routes, r.VIP)
		}
	}
	if len(routes) == 0 {
		return nil, nil
	}
	drop = func(ctx context.Context) error {
		var errs []error
		for _, r := range routes {
			errs = append(errs, vip.Drop(ctx, r.Address, r.Interfaces[m.Name]))
		}
		return errors.Join(errs...)
	}
	lead = func(left time.Duration) {
		for _, r := range routes {
			if err := vip.Keep(context.Background(), r.Address, r.Interfaces[m.Name], left); err != nil && !errors.Is(err, vip.ErrNotThere) {
				log.Warn("the floating address may outlive the lease", "address", r.Address, "error", err)
			}
		}
	}
	return drop, lead
}

// serveAgent answers HAProxy's agent checks of the own member, for as long as the executor runs.
func (x *Executor) serveAgent(k *keeper.Keeper, group, address string) {
	log := x.opts.Log.With("group", group)
	for x.ctx.Err() == nil {
		l, err := agent.Listen(x.ctx, address)
		if err == nil {
			err = agent.New(k.Lasts, log).Serve(x.ctx, l)
		}
		if err == nil {
			return
		}
		log.Error("HAProxy's agent checks are not answered, so that it takes the member for down", "error", err)
		select {
		case <-time.After(time.Second + rand.N(time.Second)):
		case <-x.ctx.Done():
		}
	}
}

// keeper returns who keeps the own member of the group, or nil.
func (x *Executor) keeper(group string) *keeper.Keeper {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.keepers[group]
}

// kept is closed once this executor keeps its own member of the group.
func (x *Executor) kept(group string) <-chan struct{} {
	x.mu.Lock()
	defer x.mu.Unlock()
	c := x.awaited[group]
	if c == nil {
		c = make(chan struct{})
		x.awaited[group] = c
		if x.keepers[group] != nil {
			close(c)
		}
	}
	return c
}

// lease is what drivers may do about the lease of the own member.
func (x *Executor) lease(group string) driver.Lease {
	if k := x.keeper(group); k != nil {
		return k
	}
	return nil
}

// askDecider asks one decider for its share of a lease.
func (x *Executor) askDecider(ctx context.Context, decider string, r *message.LeaseRequest) (*message.LeaseAnswer, error) {
	h, body, err := message.Encode(r, x.bus.Source(), time.Now())
	if err != nil {
		return nil, err
	}
	reply, err := x.bus.Conn().RequestMsgWithContext(ctx, &nats.Msg{Subject: subject.Lease(r.Group, decider), Header: nats.Header(h), Data: body})
	if err != nil {
		return nil, err
	}
	var a message.LeaseAnswer
	if err := message.DecodeAs(message.Header(reply.Header), reply.Data, &a); err != nil {
		return nil, err
	}
	return &a, nil
}

func (x *Executor) publishSafety(ctx context.Context, m message.Message) error {
	kind := subject.SafetyReplication
	if _, ok := m.(*message.Fenced); ok {
		kind = subject.SafetyFenced
	}
	_, err := x.bus.Publish(ctx, subject.Safety(m.MessageGroup(), kind, x.name), m)
	return err
}

// tellFenced tells people that a member does not act any more, when that is read in the stream and not when it is stored: an executor that is killed
// between the two would leave them without a word. Whoever stored it tells at once, also in its next life; every other executor a while later, since that
// one may be gone for good. What was vouched for is said again and again, and has an event of its own.
func (x *Executor) tellFenced(f *message.Fenced, stored time.Time) {
	if f.How == message.FencedVouch || x.now().Sub(stored) > outbox.Again {
		return
	}
	tell := func() {
		x.tell(&message.Event{
			ID: "ev." + f.ID, Group: f.Group, Kind: message.EventDrift, Severity: message.Notice, Epoch: f.Epoch, Member: f.Member, Sentence: f.Sentence,
			Writer: x.name, At: f.At,
		})
	}
	if f.Executor == x.name {
		tell()
		return
	}
	x.running.Go(func() {
		timer := time.NewTimer(x.opts.TakeOver)
		defer timer.Stop()
		select {
		case <-timer.C:
			tell()
		case <-x.ctx.Done():
		}
	})
}

// sayFenced stores that a fence agent has confirmed that a member cannot act.
func (x *Executor) sayFenced(ctx context.Context, cmd *message.Command, member, evidence string) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	return x.publishSafety(ctx, &message.Fenced{
		ID: fmt.Sprintf("fenced.%s.%s.%d.agent", cmd.Group, member, cmd.Epoch), Group: cmd.Group, Member: member, Epoch: cmd.Epoch, How: message.FencedAgent,
		Executor: x.name, Sentence: cut(fmt.Sprintf("a fence agent confirms that %s cannot act: %s", member, evidence)), At: time.Now().UnixMicro(),
	})
}

const fencedSubjects = subject.Root + ".safety.*." + subject.SafetyFenced + ".*"

// followFenced hears who is fenced, also what was said while this executor was away.
func (x *Executor) followFenced(ctx context.Context) error {
	return x.bus.Follow(ctx, bus.FollowOptions{Stream: subject.StreamSafety, From: bus.FromAll(), Subjects: []string{fencedSubjects}}, func(d bus.Delivery) {
		x.hear(d)
		if f, ok := d.Message.(*message.Fenced); ok {
			x.tellFenced(f, d.Time)
		}
	})
}

// servePeers answers the executors beside other members.
func (x *Executor) servePeers() (lifecycle.Part, error) {
	l, err := peer.Listen(x.opts.Peer, x.opts.PeerSecret)
	if err != nil {
		return lifecycle.Part{}, err
	}
	return x.part("peers", func(ctx context.Context) error {
		return peer.Serve(ctx, l, x.opts.PeerSecret, func(w keeper.Wish) (keeper.Answer, bool) {
			k := x.keeper(w.Group)
			if k == nil {
				return keeper.Answer{}, false
			}
			return k.Promise(w), true
		})
	}), nil
}
