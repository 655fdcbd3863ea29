package bus

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"
)

// flow hands over a stream in order, for ever: it makes an ephemeral consumer without acknowledgements, checks that nothing is
// missing, and after any trouble makes a new one that begins after the last sequence seen.
type flow struct {
	bus      *Bus
	stream   string
	subjects []string
	from     From
	batch    int // messages on their way; default 512
	// forgetful: the stream may lose its newest messages in a crash (PersistMode async). Then the flow goes on from what is left;
	// otherwise it ends with ErrRegressed.
	forgetful   bool
	headersOnly bool
	caughtUp    func()
	lost        func(bool)
	handle      func(*nats.Msg, position)

	last     uint64 // highest sequence handed over
	lastTime int64  // its stream timestamp
	caught   bool
	started  bool
	waits    bool // told that it cannot begin yet
	broken   bool
}

func (f *flow) run(ctx context.Context) error {
	ctx, cancel := f.bus.with(ctx)
	defer cancel()
	if f.batch == 0 {
		f.batch = 512
	}
	for try := 0; ; try++ {
		began := f.last
		err := f.once(ctx)
		switch {
		case errors.Is(context.Cause(ctx), ErrClosed):
			return ErrClosed
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, ErrPermission), errors.Is(err, ErrRegressed):
			return err
		case apiCode(err) != 0 && !transient(err) && apiCode(err) != codeNoResources && !f.started:
			// "No resources" is not final: it is also what a cluster says while the only server that holds the stream is gone.
			return fmt.Errorf("follow %s: %w", f.stream, refused("consumer on "+f.stream, err))
		}
		f.interrupted(err)
		if f.last > began {
			try = 0
		}
		if up, changed := f.bus.Link(); !up {
			select {
			case <-changed: // back at once when the link is
			case <-ctx.Done():
			}
			continue
		}
		sleep(ctx, backoff(try))
	}
}

func (f *flow) interrupted(err error) {
	if !f.started && !f.waits && err != nil {
		f.waits = true
		f.bus.log.Warn("stream cannot be read yet; will begin as soon as it can", "stream", f.stream, "error", err)
	}
	if f.broken || !f.started {
		return
	}
	f.broken = true
	f.bus.log.Warn("stream interrupted; will go on after the last message seen", "stream", f.stream, "after", f.last, "error", err)
	if f.lost != nil {
		f.lost(true)
	}
}

func (f *flow) goesOn() {
	f.started = true
	if !f.broken {
		return
	}
	f.broken = false
	f.bus.log.Info("stream goes on", "stream", f.stream, "after", f.last)
	if f.lost != nil {
		f.lost(false)
	}
}

// once runs one consumer until it fails or ctx ends.
func (f *flow) once(ctx context.Context) error {
	if f.last > 0 {
		if err := f.stillThere(ctx); err != nil {
			return err
		}
	}
	name := f.bus.opts.Name + "-" + nuid.Next()
	info, err := f.consumer(ctx, name)
	if err != nil {
		return err
	}
	p, err := f.bus.pull(ctx, f.stream, name, f.batch, true)
	if err != nil {
		return err
	}
	defer f.forget(name)
	defer p.stop()
	p.idle = f.catch // also when what was there expired before it was handed over
	if f.from.policy == jetstream.DeliverNewPolicy && f.last == 0 {
		// From here on "new" is a sequence: a consumer made anew must not begin with what is new then.
		f.last = info.Delivered.Stream
		f.from = FromSeq(f.last + 1)
	}
	f.goesOn()
	if info.NumPending == 0 {
		f.catch()
	}
	for order := uint64(1); ; order++ {
		msg, err := p.receive()
		if err != nil {
			return err
		}
		at, ok := positionOf(msg.Reply)
		if !ok {
			return fmt.Errorf("message of %s without a position: %q", f.stream, msg.Reply)
		}
		if at.Order != order {
			return fmt.Errorf("message %d of consumer is missing, got %d", order, at.Order)
		}
		if at.Seq <= f.last {
			if at.Timestamp > f.lastTime && f.lastTime > 0 {
				if err := f.wentBack(at.Seq - 1); err != nil {
					return err
				}
			} else {
				continue
			}
		}
		f.handle(msg, at)
		f.last, f.lastTime = at.Seq, at.Timestamp
		if at.Pending == 0 {
			f.catch()
		}
	}
}

func (f *flow) catch() {
	if f.caught {
		return
	}
	f.caught = true
	if f.caughtUp != nil {
		f.caughtUp()
	}
}

// consumer makes the ephemeral one: in memory, one replica, gone half a minute after nobody asks it.
func (f *flow) consumer(ctx context.Context, name string) (*jetstream.ConsumerInfo, error) {
	cfg := jetstream.ConsumerConfig{
		Name: name, DeliverPolicy: f.from.policy, OptStartSeq: f.from.seq, AckPolicy: jetstream.AckNonePolicy, MaxDeliver: 1,
		MemoryStorage: true, Replicas: 1, InactiveThreshold: pullExpires, FilterSubjects: slices.Clone(f.subjects), HeadersOnly: f.headersOnly,
	}
	if f.from.policy == jetstream.DeliverByStartTimePolicy {
		cfg.OptStartTime = &f.from.time
	}
	if f.last > 0 {
		cfg.DeliverPolicy, cfg.OptStartSeq, cfg.OptStartTime = jetstream.DeliverByStartSequencePolicy, f.last+1, nil
	}
	if f.from.policy == jetstream.DeliverLastPerSubjectPolicy && len(f.subjects) == 0 {
		cfg.FilterSubject = ">" // the server wants to be told that all subjects are meant
	}
	subj := "CONSUMER.CREATE." + f.stream + "." + name
	if len(f.subjects) == 1 {
		// The filter stands in the subject, so that a permission can hold it.
		cfg.FilterSubject, cfg.FilterSubjects = f.subjects[0], nil
	}
	if cfg.FilterSubject != "" {
		subj += "." + cfg.FilterSubject
	}
	var info jetstream.ConsumerInfo
	err := f.bus.api(ctx, subj, map[string]any{"stream_name": f.stream, "config": cfg, "action": "create"}, &info)
	return &info, err
}

// forget removes the consumer; if that fails the server does so by itself after a while.
func (f *flow) forget(name string) {
	_ = f.bus.nc.Publish("$JS.API.CONSUMER.DELETE."+f.stream+"."+name, nil)
}

// deposedFor is how long a leader that was cut off may take itself for one, and answer with what it knew then: a server looks every 10 s whether
// it lost its quorum, and means one that it has not heard for 10 s. What only such a leader says has not happened.
const deposedFor = 25 * time.Second

// stillThere says whether the stream still has what was seen. A consumer that begins after its end would wait in silence.
func (f *flow) stillThere(ctx context.Context) error {
	var last error
	for began := time.Now(); last == nil || time.Since(began) < deposedFor; {
		var info struct {
			State struct {
				LastSeq uint64 `json:"last_seq"`
			} `json:"state"`
		}
		err := f.bus.api(ctx, "STREAM.INFO."+f.stream, nil, &info)
		if err != nil {
			return err
		}
		if info.State.LastSeq >= f.last {
			return nil
		}
		if f.forgetful {
			return f.wentBack(info.State.LastSeq)
		}
		last = f.wentBack(info.State.LastSeq)
		if !sleep(ctx, jitter(200*time.Millisecond, 400*time.Millisecond)) {
			return ctx.Err()
		}
	}
	return last
}

// wentBack: the stream's newest message is now to, below what was seen.
func (f *flow) wentBack(to uint64) error {
	if f.forgetful {
		f.bus.log.Warn("stream lost its newest messages in a crash; going on from what is left", "stream", f.stream, "seen", f.last, "now", to)
		f.last, f.lastTime = to, 0
		f.from = FromSeq(to + 1)
		return nil
	}
	return fmt.Errorf("%w: %s ends at %d, but %d was seen: it was recreated or restored from an older state; look at it, then restart this service", ErrRegressed, f.stream, to, f.last)
}
