package bus

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/subject"
)

// HeartbeatMeta says how a heartbeat came.
type HeartbeatMeta struct {
	Seq   uint64    // in HAM_HEARTBEATS; 0 where it was heard
	Time  time.Time // when it was stored; zero where it was heard
	Heard bool
}

// HeartbeatOptions say which heartbeats to follow.
type HeartbeatOptions struct {
	// Subjects filter; none: all.
	Subjects []string
	// From is where to begin; the zero value is FromAll. A decider that starts blind takes FromNew.
	From From
	// Hear also listens to them as they pass: the earlier copy comes at once, also while the stream elects a leader. Each heartbeat
	// then comes up to twice; (Boot, Seq) tells.
	Hear     bool
	CaughtUp func()
	Lost     func(lost bool)
}

// FollowHeartbeats is Follow for heartbeats alone, made for tens of thousands a second. handler gets a Heartbeat that is its own only until it
// returns, one call at a time. Invalid ones that were stored go to the dead letters, at most one of each subject in ten
// seconds and 64 in all: the others are counted (Stats.Suppressed). The stream may lose its newest messages when its server crashes; this goes on from what is left.
// Errors as of [Bus.Follow], but for ErrRegressed.
func (b *Bus) FollowHeartbeats(ctx context.Context, o HeartbeatOptions, handler func(*message.Heartbeat, HeartbeatMeta)) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	in := hbReader{bus: b, handler: handler, told: map[string]time.Time{}, telling: make(chan struct{}, 4)}
	subjects := o.Subjects
	if len(subjects) == 0 {
		subjects = []string{subject.AllHeartbeats}
	}
	if o.Hear {
		for _, s := range subjects {
			sub, err := b.nc.Subscribe(s, func(m *nats.Msg) { _ = in.take(m, HeartbeatMeta{Heard: true}) })
			if err != nil {
				return fmt.Errorf("hear %s: %w", s, err)
			}
			defer func() { _ = sub.Unsubscribe() }()
		}
		b.settle()
	}
	f := flow{
		bus: b, stream: subject.StreamHeartbeats, subjects: o.Subjects, from: o.From, last: o.From.seen, caughtUp: o.CaughtUp, lost: o.Lost,
		batch: 4096, forgetful: true,
	}
	f.handle = func(msg *nats.Msg, at position) {
		if err := in.take(msg, HeartbeatMeta{Seq: at.Seq, Time: at.Time()}); err != nil {
			in.reject(ctx, msg, at, err)
		}
	}
	defer in.end()
	return f.run(ctx)
}

// hbReader decodes into one heartbeat that it uses again and again.
type hbReader struct {
	bus     *Bus
	handler func(*message.Heartbeat, HeartbeatMeta)
	mu      sync.Mutex
	ended   bool
	hb      message.Heartbeat
	reader  message.HeartbeatReader
	told    map[string]time.Time // subjects of recent dead letters; used by the flow's goroutine alone
	telling chan struct{}        // dead letters being written: beside the flow, which must not wait for them
	letters sync.WaitGroup
}

func (r *hbReader) take(msg *nats.Msg, meta HeartbeatMeta) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ended {
		return nil
	}
	if err := r.reader.Read(message.Header(msg.Header), msg.Data, &r.hb); err != nil {
		return err
	}
	if !subject.IsHeartbeat(msg.Subject, r.hb.Group, r.hb.Member, r.hb.Vantage) {
		parts, err := subject.Parse(msg.Subject)
		if err != nil {
			return err
		}
		return agrees(parts, &r.hb)
	}
	r.handler(&r.hb, meta)
	return nil
}

func (r *hbReader) end() {
	r.letters.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ended = true
}

const (
	tellEvery = 10 * time.Second
	tellMost  = 64
)

// reject bounds the dead letters: a prober that sends nonsense does so thousands of times a second.
func (r *hbReader) reject(ctx context.Context, msg *nats.Msg, at position, why error) {
	now := r.bus.opts.Now()
	if last, ok := r.told[msg.Subject]; ok && now.Sub(last) < tellEvery {
		r.suppress()
		return
	}
	if len(r.told) >= tellMost {
		for s, last := range r.told {
			if now.Sub(last) >= tellEvery {
				delete(r.told, s)
			}
		}
		if len(r.told) >= tellMost {
			r.suppress()
			return
		}
	}
	select {
	case r.telling <- struct{}{}:
	default:
		r.suppress()
		return
	}
	r.told[msg.Subject] = now
	r.letters.Go(func() {
		defer func() { <-r.telling }()
		r.bus.reject(ctx, Dead{
			Stream: subject.StreamHeartbeats, Subject: msg.Subject, Seq: at.Seq, Header: message.Header(msg.Header), Body: msg.Data, Reason: why.Error(),
		}, at.Time())
	})
}

func (r *hbReader) suppress() {
	r.bus.stats.invalid.Add(1)
	r.bus.stats.suppressed.Add(1)
}
