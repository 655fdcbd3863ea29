package bus

import (
	"bytes"
	"context"
	"errors"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nuid"

	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/subject"
)

// WriterOptions bound a HeartbeatWriter. Zero values take the default.
type WriterOptions struct {
	// MaxInFlight is how many heartbeats may be sent and not yet acknowledged. Default 2048.
	MaxInFlight int
	// MaxKeys is how many (group, member, check, vantage) may wait. Beyond it the longest waiting is dropped. Default 100 000.
	MaxKeys int
	// Spread is the time over which the newest of each is sent when the bus is back. Default 1 s.
	Spread time.Duration
	// AckTimeout is after how long an unanswered heartbeat counts as not stored. Default 2 s.
	AckTimeout time.Duration
	// Linger is how long a heartbeat that found its member up may wait for others, to be sent with them. What says anything else is sent at once, and
	// what waits goes before it. Default 0: nothing waits.
	Linger time.Duration
}

// HeartbeatWriter sends heartbeats without ever making the prober wait. While the bus is away, or slower than the prober, it
// keeps the newest heartbeat of each (group, member, check, vantage) and counts the ones it dropped for it. When the bus is back, one heartbeat
// tries whether the stream answers, then those kept are sent over Options.Spread, never all at once.
//
// While the link is up and only the stream does not answer, each heartbeat that is offered is also said: published once, at once, without
// asking for an acknowledgement. Who listens hears it, whatever becomes of the stream. It is kept to be stored all the same, so that readers
// may get it twice; (Boot, Seq) tells. Safe for concurrent use.
type HeartbeatWriter struct {
	bus   *Bus
	o     WriterOptions
	inbox string // reply subjects are inbox + a number

	mu      sync.Mutex
	form    *message.HeartbeatForm
	msg     nats.Msg // used for each one in turn
	queue   waiting
	fresh   []*outgoing          // offered since the last step; those still waiting then may have to be said
	flights map[uint64]*outgoing // sent, not yet acknowledged, by number
	oldest  uint64               // no flight has a lower number
	next    uint64
	state   writerState
	silent  bool      // the stream did not answer, or said no, and has not yet taken what waits
	hold    time.Time // probing: not before
	quota   int       // recovering: how many waited when the bus came back
	due     int       // recovering: how many may be sent now
	counts  WriterStats
	wake    chan struct{}
	lingers bool // a heartbeat waits for others, and later will wake
	later   *time.Timer
}

type writerState int

const (
	flowing    writerState = iota // send as they come
	probing                       // the bus is or was away: one at a time
	recovering                    // it answers again: those kept go out slowly
)

// WriterStats counts heartbeats.
type WriterStats struct {
	Offered uint64
	Stored  uint64 // acknowledged by the stream
	Dropped uint64 // a newer one of the same key took its place, or there were too many keys
	Invalid uint64 // refused by Offer: never sent
	Said    uint64 // published without asking for an acknowledgement, because the stream did not answer
	Waiting int    // kept, not yet sent
}

const (
	// pace is how often a recovering writer sends a portion.
	pace = 10 * time.Millisecond
	// stalled is after how long without an answer the stream is taken for one that is away, not slow.
	stalled = 250 * time.Millisecond
)

// NewHeartbeatWriter returns a writer; nothing is sent before Run.
func (b *Bus) NewHeartbeatWriter(o WriterOptions) *HeartbeatWriter {
	if o.MaxInFlight <= 0 {
		o.MaxInFlight = 2048
	}
	if o.MaxKeys <= 0 {
		o.MaxKeys = 100_000
	}
	if o.Spread <= 0 {
		o.Spread = time.Second
	}
	if o.AckTimeout <= 0 {
		o.AckTimeout = 2 * time.Second
	}
	w := &HeartbeatWriter{
		bus: b, o: o, inbox: InboxPrefix(b.opts.Service) + "." + nuid.Next() + ".", next: 1, oldest: 1,
		queue: waiting{by: map[hbKey]*outgoing{}}, flights: map[uint64]*outgoing{}, wake: make(chan struct{}, 1), state: probing,
		form: message.NewHeartbeatForm(b.source),
	}
	w.later = time.AfterFunc(time.Hour, w.poke)
	w.later.Stop()
	return w
}

// Offer encodes hb and returns at once; hb is the caller's again. An invalid one is refused with a [*message.Invalid].
func (w *HeartbeatWriter) Offer(hb *message.Heartbeat) error {
	body, err := message.Body(hb)
	w.mu.Lock()
	if err != nil {
		w.counts.Invalid++
		w.mu.Unlock()
		return err
	}
	w.counts.Offered++
	w.keep(&outgoing{key: hbKey{hb.Group, hb.Member, hb.Check, hb.Vantage}, id: hb.MessageID(), at: w.bus.opts.Now(), body: body}, true)
	waits := w.o.Linger > 0 && hb.Answer == message.Up && !hb.Blind
	if waits && !w.lingers {
		w.lingers = true
		w.later.Reset(w.o.Linger)
	}
	w.mu.Unlock()
	if !waits {
		w.poke()
	}
	return nil
}

func (w *HeartbeatWriter) poke() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// keep enters out. A fresh one takes the place of an older one of its key; one that was sent before goes to the front, unless a newer
// one of its key waits. The caller holds mu.
func (w *HeartbeatWriter) keep(out *outgoing, fresh bool) {
	if old := w.queue.by[out.key]; old != nil {
		w.counts.Dropped++
		if fresh {
			old.id, old.at, old.body = out.id, out.at, out.body
			w.offered(old)
		}
		return
	}
	if len(w.queue.by) >= w.o.MaxKeys {
		w.queue.pop()
		w.counts.Dropped++
	}
	if fresh {
		w.queue.push(out)
		w.offered(out)
	} else {
		w.queue.pushFront(out)
	}
	w.due++
}

func (w *HeartbeatWriter) offered(out *outgoing) {
	if !out.fresh && len(w.fresh) < w.o.MaxKeys {
		out.fresh = true
		w.fresh = append(w.fresh, out)
	}
}

// Dropped is how many heartbeats were given up for newer ones.
func (w *HeartbeatWriter) Dropped() uint64 { return w.Stats().Dropped }

// Stats returns the counters.
func (w *HeartbeatWriter) Stats() WriterStats {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := w.counts
	s.Waiting = len(w.queue.by)
	return s
}

// Run sends until ctx ends (nil) or the Bus is closed ([ErrClosed]).
func (w *HeartbeatWriter) Run(ctx context.Context) error {
	ctx, cancel := w.bus.with(ctx)
	defer cancel()
	sub, err := w.bus.nc.Subscribe(w.inbox+"*", w.answered)
	if err != nil {
		return err
	}
	defer func() { _ = sub.Unsubscribe() }()
	defer w.later.Stop()
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		up, changed := w.bus.Link()
		if next := w.step(up, time.Now()); next > 0 {
			timer.Reset(next)
		} else {
			timer.Stop()
		}
		select {
		case <-ctx.Done():
			if errors.Is(context.Cause(ctx), ErrClosed) {
				return ErrClosed
			}
			return nil
		case <-changed:
		case <-w.wake:
		case <-timer.C:
		}
	}
}

// step sends what may be sent now and says when to come again; 0: when something happens.
func (w *HeartbeatWriter) step(up bool, now time.Time) time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lingers = false
	if !up {
		w.fail(now, 0)
		w.silent = false
		w.say(false)
		return 0
	}
	defer w.sayFresh(now)
	for ; w.oldest < w.next; w.oldest++ {
		if f := w.flights[w.oldest]; f != nil {
			if now.Sub(f.sent) < w.o.AckTimeout {
				break
			}
			w.silent = true
			w.fail(now, jitter(100*time.Millisecond, 200*time.Millisecond))
			break
		}
	}
	switch w.state {
	case probing:
		if wait := w.hold.Sub(now); wait > 0 {
			return wait
		}
		if len(w.flights) == 0 {
			w.send(1, now)
		}
	case recovering:
		if wait := w.hold.Sub(now); wait > 0 {
			return wait
		}
		// What comes in goes out, and of what had waited a share: the backlog is gone after Spread, whatever the rate.
		share := (int64(w.quota)*int64(pace) + int64(w.o.Spread) - 1) / int64(w.o.Spread)
		w.due += int(share)
		w.due -= w.send(w.due, now)
		if w.state != recovering {
			return w.hold.Sub(now) // sending failed
		}
		w.hold = now.Add(pace)
		if w.queue.first != nil {
			return pace
		}
		w.state = flowing
	case flowing:
		w.send(w.o.MaxInFlight, now)
	}
	if len(w.flights) > 0 {
		return w.o.AckTimeout / 4
	}
	return 0
}

// sayFresh says what was offered since the last step and could not be sent, where the stream does not answer. The caller holds mu.
func (w *HeartbeatWriter) sayFresh(now time.Time) {
	first := w.flights[w.oldest]
	if first != nil && now.Sub(first.sent) >= stalled && (w.state == probing || len(w.flights) >= w.o.MaxInFlight) {
		w.silent = true
	}
	switch {
	case w.state == flowing && len(w.flights) < w.o.MaxInFlight:
		w.silent = false // all was sent
	case w.state == probing && !w.silent:
		return // a moment more for the answer
	}
	w.say(w.silent)
}

// say goes through what was offered lately. Where aloud, those that still wait are published for who listens: as they came in, each once, so
// that whatever the stream does, its server gets no more than on a good day. The caller holds mu.
func (w *HeartbeatWriter) say(aloud bool) {
	for i, out := range w.fresh {
		w.fresh[i] = nil
		if !out.fresh {
			continue // it was sent
		}
		out.fresh = false
		if !aloud || w.queue.by[out.key] != out {
			continue
		}
		w.address(out, "")
		if err := w.bus.nc.PublishMsg(&w.msg); err != nil {
			aloud = false // the link went this moment
			continue
		}
		w.counts.Said++
	}
	w.fresh = w.fresh[:0]
}

// address makes the message of out.
func (w *HeartbeatWriter) address(out *outgoing, reply string) {
	w.msg.Subject = subject.Heartbeat(out.key.group, out.key.member, out.key.vantage)
	w.msg.Reply = reply
	w.msg.Header = nats.Header(w.form.Header(out.id, out.key.group, out.at))
	w.msg.Data = out.body
}

// send sends up to n of those that waited longest and says how many.
func (w *HeartbeatWriter) send(n int, now time.Time) (sent int) {
	for ; sent < n && w.queue.first != nil && len(w.flights) < w.o.MaxInFlight; sent++ {
		out := w.queue.pop()
		out.sent, out.fresh = now, false
		w.address(out, w.inbox+strconv.FormatUint(w.next, 36))
		if err := w.bus.nc.PublishMsg(&w.msg); err != nil { // it copies the message
			w.keep(out, false)
			w.fail(now, jitter(pace, 10*pace))
			return sent
		}
		w.flights[w.next] = out
		w.next++
	}
	return sent
}

// fail takes back what was not acknowledged and waits for a while. The caller holds mu.
func (w *HeartbeatWriter) fail(now time.Time, hold time.Duration) {
	for n := w.next - 1; n >= w.oldest; n-- { // the newest first: it replaces older ones of its key
		if f := w.flights[n]; f != nil {
			delete(w.flights, n)
			w.keep(f, false)
		}
	}
	w.oldest = w.next
	w.state, w.hold = probing, now.Add(hold)
}

// answered takes the stream's acknowledgement.
func (w *HeartbeatWriter) answered(m *nats.Msg) {
	n, err := strconv.ParseUint(m.Subject[len(w.inbox):], 36, 64)
	if err != nil {
		return
	}
	bad := len(m.Data) == 0 || bytes.Contains(m.Data, []byte(`"error"`))
	w.mu.Lock()
	defer w.mu.Unlock()
	f := w.flights[n]
	if f == nil {
		return
	}
	if bad {
		w.silent = true
		w.fail(time.Now(), jitter(100*time.Millisecond, 200*time.Millisecond))
		w.poke()
		return
	}
	delete(w.flights, n)
	w.counts.Stored++
	if w.state == probing {
		w.state, w.quota, w.due, w.hold = recovering, len(w.queue.by), 0, time.Time{}
	}
	if w.queue.first != nil && !w.lingers || w.state == recovering {
		w.poke()
	}
}
