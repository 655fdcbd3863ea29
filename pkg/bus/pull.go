package bus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
)

// puller asks a consumer for messages and hands them over one by one. It is used by one goroutine. It never heals: any error
// means that a new one has to be made, which is what its users do.
type puller struct {
	bus     *Bus
	next    string // subject to ask on
	inbox   string
	sub     *nats.Subscription
	in      chan *nats.Msg
	batch   int  // how many may be on their way
	asked   int  // how many are
	ahead   bool // ask again before all have come
	ctx     context.Context
	stop    func()
	changed <-chan struct{} // the link
	silence *time.Timer
	idle    func() // called when the consumer says that it has nothing; may be nil
}

const (
	// idleEvery is how often a consumer without news says that it is there; after two and a half of them it is not. A process has a dozen
	// of them, most without news for days, and each word crosses two servers: what must be known sooner is heard as it passes.
	idleEvery   = 2 * time.Second
	idleLimit   = 5 * time.Second
	pullExpires = 30 * time.Second
)

var (
	errSilent = errors.New("consumer is silent")
	errLink   = errors.New("link was lost")
	errGone   = errors.New("consumer is gone")
)

// pull opens a puller on a consumer. batch bounds what is on its way; ahead keeps it filled, else one request follows the other.
func (b *Bus) pull(ctx context.Context, stream, consumer string, batch int, ahead bool) (*puller, error) {
	up, changed := b.Link()
	if !up {
		return nil, errLink
	}
	p := &puller{
		bus: b, next: "$JS.API.CONSUMER.MSG.NEXT." + stream + "." + consumer, inbox: b.nc.NewInbox(),
		// Room for every message asked for and for what the server says in between: a full channel would lose some.
		in: make(chan *nats.Msg, 2*batch+64), batch: batch, ahead: ahead, changed: changed, silence: time.NewTimer(idleLimit),
	}
	sub, err := b.nc.ChanSubscribe(p.inbox, p.in)
	if err != nil {
		return nil, err
	}
	p.sub = sub
	ctx, cancel := context.WithCancelCause(ctx)
	p.ctx = ctx
	unwatch := b.perms.watch(p.next, cancel)
	p.stop = func() {
		unwatch()
		cancel(nil)
		p.silence.Stop()
		_ = sub.Unsubscribe() // the server forgets the request with the interest
	}
	return p, nil
}

func (p *puller) ask(n int) error {
	body, err := json.Marshal(struct {
		Batch   int           `json:"batch"`
		Expires time.Duration `json:"expires"`
		Idle    time.Duration `json:"idle_heartbeat"`
	}{n, pullExpires, idleEvery})
	if err != nil {
		return err
	}
	p.asked += n
	return p.bus.nc.PublishRequest(p.next, p.inbox, body)
}

// receive returns the next message.
func (p *puller) receive() (*nats.Msg, error) {
	for {
		if p.ahead && p.asked <= p.batch/2 || p.asked <= 0 {
			if err := p.ask(p.batch - max(p.asked, 0)); err != nil {
				return nil, err
			}
		}
		var m *nats.Msg
		select {
		case m = <-p.in: // the usual way while there is much to do
		default:
			p.silence.Reset(idleLimit)
			select {
			case m = <-p.in:
			case <-p.silence.C:
				return nil, errSilent
			case <-p.changed:
				return nil, errLink
			case <-p.ctx.Done():
				return nil, context.Cause(p.ctx)
			}
		}
		if m == nil {
			return nil, errGone // unsubscribed
		}
		if strings.HasPrefix(m.Reply, "$JS.ACK.") {
			p.asked--
			return m, nil
		}
		if err := p.said(m); err != nil {
			return nil, err
		}
	}
}

// said takes what the server says instead of a message.
func (p *puller) said(m *nats.Msg) error {
	switch status := m.Header.Get("Status"); status {
	case "100": // there, with nothing to hand over
		if p.idle != nil {
			p.idle()
		}
		return nil
	case "408": // the request ran out, with so many not delivered
		n, err := strconv.Atoi(m.Header.Get("Nats-Pending-Messages"))
		if err != nil {
			n = p.asked
		}
		p.asked -= n
		return nil
	case "503":
		return nats.ErrNoResponders
	default:
		return fmt.Errorf("%w: %s %s", errGone, status, m.Header.Get("Description"))
	}
}

// position is what a delivered message's reply subject says.
type position struct {
	Seq       uint64 // in the stream
	Order     uint64 // in the consumer, from 1 without gaps
	Attempt   uint64
	Pending   uint64 // how many more there are for this consumer now
	Timestamp int64  // Unix nanoseconds, by the stream
}

func (p position) Time() time.Time { return time.Unix(0, p.Timestamp).UTC() }

// positionOf reads $JS.ACK.<stream>.<consumer>.<attempt>.<seq>.<order>.<time>.<pending>, or the longer form with domain and
// account before the stream and a token after.
func positionOf(reply string) (position, bool) {
	rest, ok := strings.CutPrefix(reply, "$JS.ACK.")
	if !ok {
		return position{}, false
	}
	n := strings.Count(rest, ".") + 1
	skip := 2
	if n >= 9 {
		skip = 4
	} else if n != 7 {
		return position{}, false
	}
	for range skip {
		_, rest, _ = strings.Cut(rest, ".")
	}
	var f [5]uint64
	for i := range f {
		var t string
		t, rest, _ = strings.Cut(rest, ".")
		v, err := strconv.ParseUint(t, 10, 64)
		if err != nil {
			return position{}, false
		}
		f[i] = v
	}
	return position{Attempt: f[0], Seq: f[1], Order: f[2], Timestamp: int64(f[3]), Pending: f[4]}, true
}
