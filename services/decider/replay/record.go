package replay

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/isacloud/ha-manager/pkg/bus"
	"github.com/isacloud/ha-manager/pkg/evidence"
	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec"
	"github.com/isacloud/ha-manager/pkg/spec/file"
	"github.com/isacloud/ha-manager/pkg/subject"
)

// Source is a record that can be read more than once, each time the same.
type Source struct {
	// Group is whose record it is.
	Group string
	// Each hands over the messages in the order in which they were stored; without heartbeats, these may be left out. A Record is the
	// receiver's own until it returns; its error ends the reading and is returned.
	Each func(ctx context.Context, heartbeats bool, yield func(*evidence.Record) error) error
	// First is when the first heartbeat was stored, zero where there is none. It is asked after Each has left them out.
	First func(ctx context.Context) (time.Time, error)
}

// FromPack reads an evidence pack, from its beginning each time. The first reading checks hashes and signature, those after it do not.
func FromPack(f io.ReadSeeker) (Source, evidence.Head, error) {
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return Source{}, evidence.Head{}, err
	}
	r, err := evidence.NewReader(f)
	if err != nil {
		return Source{}, evidence.Head{}, err
	}
	head := r.Head()
	if !message.IsName(head.Group) {
		return Source{}, head, fmt.Errorf("the pack is of group %q, which is no name", head.Group)
	}
	checked := false
	var first time.Time
	return Source{Group: head.Group, First: func(context.Context) (time.Time, error) { return first, nil }, Each: func(ctx context.Context, heartbeats bool, yield func(*evidence.Record) error) error {
		if _, err := f.Seek(0, io.SeekStart); err != nil {
			return err
		}
		begin := evidence.NewReader
		if checked {
			begin = evidence.Again
		}
		r, err := begin(f)
		if err != nil {
			return err
		}
		for n := 0; ; n++ {
			rec, err := r.Next()
			if errors.Is(err, io.EOF) {
				checked = true
				return nil
			}
			if err != nil {
				return err
			}
			if !heartbeats && rec.Stream == subject.StreamHeartbeats {
				first = rec.At()
				r.PassOver(rec.Stream) // the other ones are only held against their hashes
				continue
			}
			if err := yield(rec); err != nil {
				return err
			}
			if n&0xfff == 0 && ctx.Err() != nil {
				return context.Cause(ctx)
			}
		}
	}}, head, nil
}

// FromBus reads what the bus holds of the group now: heartbeats and requests between two moments, and what else decisions rest on from its beginning.
func FromBus(b *bus.Bus, group string, since, until time.Time) Source {
	first := func(ctx context.Context) (at time.Time, err error) {
		err = evidence.ReadBus(ctx, b, []evidence.Part{evidence.Heartbeats(group, since, until)}, func(r *evidence.Record) error {
			at = r.At()
			return errFound
		})
		if errors.Is(err, errFound) {
			err = nil
		}
		return at, err
	}
	return Source{Group: group, First: first, Each: func(ctx context.Context, heartbeats bool, yield func(*evidence.Record) error) error {
		parts := append(evidence.Rests(group, until), evidence.Requests(group, since, until), evidence.Part{
			Stream: subject.StreamEvents, Subject: subject.EventsOfKind(group, message.EventRefused), Since: since, Until: until,
		})
		if heartbeats {
			parts = append(parts, evidence.Heartbeats(group, since, until))
		}
		return evidence.ReadBus(ctx, b, parts, yield)
	}}
}

var errFound = errors.New("found")

// item is one record, decoded.
type item struct {
	at  int64 // when it was stored, in Unix microseconds
	seq uint64
	// At most one of these is set.
	heartbeat *message.Heartbeat
	chain     message.Message
	safety    message.Message
	event     *message.Event
	request   *message.Request
	spec      *declaredSpec
}

// declaredSpec is one revision of the group's spec.
type declaredSpec struct {
	revision uint64
	text     string
	group    *spec.Group // nil: the group was deleted
}

// decoder makes items of records.
type decoder struct {
	group   string
	reader  message.HeartbeatReader
	hb      message.Heartbeat
	header  message.Header
	kind    []string
	types   map[string]string
	invalid uint64
	first   string // what was wrong with the first of them
}

func newDecoder(group string) *decoder {
	d := &decoder{group: group, kind: []string{""}, types: map[string]string{}}
	d.header = message.Header{message.HeaderType: d.kind}
	return d
}

const beats = subject.Root + ".heartbeat."

// decode says false for what no decider reads: of another group, invalid, or of no stream that it follows. A heartbeat is valid until the next call.
func (d *decoder) decode(r *evidence.Record, it *item) bool {
	*it = item{at: r.Time / 1000, seq: r.Seq}
	if err := d.into(r, it); err != nil {
		if d.invalid++; d.first == "" {
			d.first = fmt.Sprintf("%s %d: %v", r.Stream, r.Seq, err)
		}
		return false
	}
	return it.heartbeat != nil || it.chain != nil || it.safety != nil || it.event != nil || it.request != nil || it.spec != nil
}

func (d *decoder) into(r *evidence.Record, it *item) error {
	typ := r.Type()
	if known, ok := d.types[string(typ)]; ok { // no allocation
		d.kind[0] = known
	} else {
		d.kind[0] = string(typ)
		if len(d.types) < 64 {
			d.types[d.kind[0]] = d.kind[0]
		}
	}
	if strings.HasPrefix(r.Subject, beats) {
		if err := d.reader.Read(d.header, r.Body, &d.hb); err != nil {
			return err
		}
		if !subject.IsHeartbeat(r.Subject, d.hb.Group, d.hb.Member, d.hb.Vantage) {
			return fmt.Errorf("it does not say what its subject says")
		}
		if d.hb.Group == d.group {
			it.heartbeat = &d.hb
		}
		return nil
	}
	switch r.Stream {
	case bus.StreamOf(subject.BucketSpec):
		return d.declared(r, it)
	case subject.StreamRequests:
		return d.request(r, it)
	case subject.StreamCommands, subject.StreamSafety, subject.StreamEvents:
	default:
		return nil
	}
	m, err := message.Decode(d.header, r.Body)
	if err != nil {
		if r.Stream == subject.StreamCommands {
			it.chain = unread{} // it holds a place in the chain and nothing else
			return nil
		}
		return err
	}
	if m.MessageGroup() != d.group {
		return nil
	}
	switch r.Stream {
	case subject.StreamCommands:
		switch m.(type) {
		case *message.Command, *message.Held, *message.Mark, *message.DrillEnd, *message.Approval, *message.Planned, *message.Maintenance:
			it.chain = m
		default:
			it.chain = unread{}
		}
	case subject.StreamSafety:
		it.safety = m
	case subject.StreamEvents:
		it.event, _ = m.(*message.Event)
	}
	return nil
}

// unread is an entry of the chain that says nothing.
type unread struct{}

func (unread) MessageID() string    { return "" }
func (unread) MessageGroup() string { return "" }

func (d *decoder) declared(r *evidence.Record, it *item) error {
	h, err := r.Headers()
	if err != nil {
		return err
	}
	if op := h.Get("KV-Operation"); op == "DEL" || op == "PURGE" {
		it.spec = &declaredSpec{revision: r.Seq}
		return nil
	}
	m := new(message.Spec)
	if err := message.DecodeAs(d.header, r.Body, m); err != nil {
		return err
	}
	if m.Group != d.group {
		return nil
	}
	g, err := file.ParseGroup("revision "+fmt.Sprint(r.Seq), m.Text)
	if err != nil {
		return err // as in a decider: what was in force stays in force
	}
	g.Revision = r.Seq
	it.spec = &declaredSpec{revision: r.Seq, text: m.Text, group: g}
	return nil
}

func (d *decoder) request(r *evidence.Record, it *item) error {
	parts, err := subject.Parse(r.Subject)
	if err != nil {
		return err
	}
	h, err := r.Headers()
	if err != nil {
		return err
	}
	m, err := bus.DecodeRequest(parts, h, r.Body, bus.FreshRequestID(r.Seq, r.At()))
	if err != nil {
		return err
	}
	if m.Group == d.group {
		it.request = m
	}
	return nil
}
