package evidence

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/isacloud/ha-manager/pkg/bus"
	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/subject"
)

// Part is one share of what is read of a bus: some subjects of one stream.
type Part struct {
	Stream  string
	Subject string
	// Since and Until bound when the stream stored it; zero: no bound. Until is the first moment that is left out.
	Since, Until time.Time
}

// Rests are what the decisions of a group rest on but for heartbeats: its chain, what safety rests on, specs, incidents, and some events. All of it reaches back to its beginning.
func Rests(group string, until time.Time) []Part {
	event := func(k message.EventKind) Part {
		return Part{Stream: subject.StreamEvents, Subject: subject.EventsOfKind(group, k), Until: until}
	}
	return []Part{
		{Stream: bus.StreamOf(subject.BucketSpec), Subject: bus.SubjectOf(subject.BucketSpec, group), Until: until},
		{Stream: bus.StreamOf(subject.BucketIncident), Subject: bus.SubjectOf(subject.BucketIncident, group), Until: until},
		{Stream: subject.StreamCommands, Subject: subject.Command(group), Until: until},
		{Stream: subject.StreamSafety, Subject: subject.SafetyOf(group), Until: until},
		event(message.EventRoute), event(message.EventOutcome), event(message.EventShadow), event(message.EventJudged), event(message.EventIncident),
		event(message.EventClients),
	}
}

// Heartbeats are those of the group between two moments.
func Heartbeats(group string, since, until time.Time) Part {
	return Part{Stream: subject.StreamHeartbeats, Subject: subject.HeartbeatsOf(group), Since: since, Until: until}
}

// Requests are what was asked of the group between two moments.
func Requests(group string, since, until time.Time) Part {
	return Part{Stream: subject.StreamRequests, Subject: subject.RequestsOf(group), Since: since, Until: until}
}

// Gathered is what executors found on their hosts and at the routes between two moments.
func Gathered(group string, since, until time.Time) Part {
	return Part{Stream: subject.StreamGathered, Subject: subject.GatheredOf(group), Since: since, Until: until}
}

// gatheredLate is how much later than what it tells of it may be stored: it waits for the end of a swap, and for the bus.
const gatheredLate = 2 * time.Minute

// Around are the parts of an evidence pack: [Rests], and between two moments the heartbeats, the requests, the journal, every event and what was gathered.
func Around(group string, since, until time.Time) []Part {
	parts := Rests(group, until)
	for i := range parts {
		if parts[i].Stream == subject.StreamEvents {
			parts[i].Until = since // from there on every event is read
		}
	}
	return append(parts,
		Part{Stream: subject.StreamEvents, Subject: subject.EventsOf(group), Since: since, Until: until},
		Requests(group, since, until),
		Gathered(group, since, until.Add(gatheredLate)),
		Part{Stream: bus.StreamOf(subject.BucketJournal), Subject: bus.SubjectOf(subject.BucketJournal, group) + ".>", Since: since, Until: until},
		Heartbeats(group, since, until))
}

// ReadBus hands over what the parts hold now, in the order in which it was stored, whichever stream it is in. It takes as much memory as a
// few hundred messages of each part do. Yield gets a Record that is its own until it returns; its error ends the reading and is returned.
func ReadBus(ctx context.Context, b *bus.Bus, parts []Part, yield func(*Record) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	flows := make([]*flow, len(parts))
	for i, p := range parts {
		flows[i] = &flow{part: p, ch: make(chan bus.Raw, 256)}
		go flows[i].read(ctx, b)
	}
	defer func() { // nothing of it goes on after ReadBus has returned
		cancel(nil)
		for _, f := range flows {
			for range f.ch {
			}
		}
	}()
	var rec Record
	for _, f := range flows {
		if err := f.advance(); err != nil {
			return err
		}
	}
	for {
		var first *flow
		for _, f := range flows {
			if f.more && (first == nil || f.head.Time.Before(first.head.Time)) {
				first = f
			}
		}
		if first == nil {
			return context.Cause(ctx)
		}
		if err := first.record(&rec); err != nil {
			return err
		}
		if err := yield(&rec); err != nil {
			return err
		}
		if err := first.advance(); err != nil {
			return err
		}
	}
}

// flow is one part that is being read.
type flow struct {
	part Part
	ch   chan bus.Raw
	err  error // valid once ch is closed
	head bus.Raw
	more bool
}

var errEnough = errors.New("everything was read")

func (f *flow) read(ctx context.Context, b *bus.Bus) {
	defer close(f.ch)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	if f.part.Stream == subject.StreamGathered {
		// A bus that an older ham has provisioned has none, and nothing was gathered.
		if has, err := b.HasStream(ctx, f.part.Stream); err != nil || !has {
			f.err = err
			return
		}
	}
	from := bus.FromAll()
	if !f.part.Since.IsZero() {
		from = bus.FromTime(f.part.Since)
	}
	ended := false
	end := func() { ended = true; cancel(errEnough) }
	err := b.FollowRaw(ctx, bus.FollowOptions{Stream: f.part.Stream, Subjects: []string{f.part.Subject}, From: from, CaughtUp: end}, func(r bus.Raw) {
		if ended || !f.part.Until.IsZero() && !r.Time.Before(f.part.Until) {
			end()
			return
		}
		select {
		case f.ch <- r:
		case <-ctx.Done():
		}
	})
	if err == nil && !ended {
		err = context.Cause(ctx)
	}
	if err != nil {
		f.err = fmt.Errorf("read %s: %w", f.part.Stream, err)
	}
}

// advance waits for the next message.
func (f *flow) advance() error {
	f.head, f.more = <-f.ch
	if !f.more {
		return f.err
	}
	return nil
}

func (f *flow) record(to *Record) error {
	header, err := json.Marshal(f.head.Header)
	if err != nil {
		return err
	}
	if len(f.head.Header) == 0 {
		header = nil
	}
	*to = Record{Stream: f.head.Stream, Subject: f.head.Subject, Seq: f.head.Seq, Time: f.head.Time.UnixNano(), Header: header, Body: f.head.Body}
	return nil
}

// ErrNoIncident says that nothing of an incident is on record.
var ErrNoIncident = errors.New("no such incident is on record")

// Span is when an incident began and when the last word of it was stored. The error is [ErrNoIncident], or the bus's.
func Span(ctx context.Context, b *bus.Bus, group, incident string) (from, until time.Time, err error) {
	epochs := map[uint64]bool{}
	err = ReadBus(ctx, b, []Part{
		{Stream: subject.StreamEvents, Subject: subject.EventsOf(group)}, {Stream: subject.StreamCommands, Subject: subject.Command(group)},
		{Stream: subject.StreamSafety, Subject: subject.SafetyOf(group)},
	}, func(r *Record) error {
		// What is of another version or invalid says nothing here; it is in the pack all the same.
		var said struct {
			Incident string `json:"incident"`
			Epoch    uint64 `json:"epoch"`
		}
		if json.Unmarshal(r.Body, &said) != nil {
			return nil
		}
		if r.Stream == subject.StreamCommands && said.Incident == incident {
			epochs[said.Epoch] = true
		}
		if said.Incident != incident && (r.Stream == subject.StreamEvents || !epochs[said.Epoch]) {
			return nil
		}
		if from.IsZero() {
			from = r.At()
		}
		until = r.At()
		return nil
	})
	if err == nil && from.IsZero() {
		err = fmt.Errorf("%w: %s", ErrNoIncident, incident)
	}
	return from, until, err
}

// Pack adds all that the parts hold to w, with secrets masked, and closes it.
func Pack(ctx context.Context, b *bus.Bus, parts []Part, w *Writer) (End, error) {
	err := ReadBus(ctx, b, parts, func(r *Record) error {
		r.Body, r.Masked = Mask(r.Body)
		return w.Add(r)
	})
	if err != nil {
		return End{}, err
	}
	err = w.Close()
	return w.Written(), err
}
