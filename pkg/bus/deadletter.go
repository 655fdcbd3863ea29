package bus

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/subject"
)

// Dead is what goes to the dead letters: what was invalid or given up, as it came.
type Dead struct {
	Stream  string // "" for what was in no stream
	Subject string
	Seq     uint64
	Header  message.Header
	Body    []byte
	Reason  string
}

const (
	// maxDeadBody keeps a dead letter below the size limit of a message: its body is base64 in JSON.
	maxDeadBody = 512 << 10
	// maxDeadHeaders bounds the headers kept, in bytes.
	maxDeadHeaders = 32 << 10
	// deadDedupe is the window in which HAM_DEADLETTER drops a second letter of one id; eventDedupe that of the other streams.
	deadDedupe  = 24 * time.Hour
	eventDedupe = 10 * time.Minute
)

// DeadLetter keeps a message whole with the reason, and tells it by an event of kind deadletter. The letter's id is made of
// stream and sequence: whoever else gives the same message up writes the same letter, and the stream keeps one. Errors as of [Bus.Publish].
func (b *Bus) DeadLetter(ctx context.Context, d Dead) error {
	letter := b.letter(d)
	ack, err := b.Publish(ctx, subject.DeadLetter(letter.Stream, b.opts.Name), letter)
	if err != nil {
		return fmt.Errorf("dead letter %s: %w", letter.ID, err)
	}
	if ack.Duplicate {
		// Somebody wrote it before, and tells it too, unless it died in between: so it is told again while the events' own
		// window drops the second copy.
		old, err := b.rawGet(ctx, subject.StreamDeadLetter, map[string]any{"seq": ack.Seq}, letter.ID)
		if err != nil && !errors.Is(err, ErrNone) {
			return fmt.Errorf("dead letter %s: %w", letter.ID, err)
		}
		if err != nil || b.opts.Now().Sub(old.Time) > eventDedupe/2 {
			return nil
		}
	}
	group := subject.NoGroup
	if p, err := subject.Parse(d.Subject); err == nil && p.Group != "" {
		group = p.Group
	}
	e := &message.Event{
		ID: "deadletter." + letter.ID, Group: group, Kind: message.EventDeadLetter, Severity: message.Warning,
		Sentence: cut(fmt.Sprintf("A message on %s was put to the dead letters (%s, sequence %d): %s.", letter.Subject, letter.Stream, d.Seq, letter.Reason), 2048),
		Writer:   b.opts.Name, At: letter.At,
	}
	if _, err := b.Publish(ctx, subject.Event(group, message.EventDeadLetter, b.opts.Name), e); err != nil {
		return fmt.Errorf("event of dead letter %s: %w", letter.ID, err)
	}
	return nil
}

// letter fits whatever came into a message that is valid and small enough.
func (b *Bus) letter(d Dead) *message.DeadLetter {
	now := b.opts.Now()
	stream := d.Stream
	if !message.IsName(stream) {
		stream = "core"
	}
	l := &message.DeadLetter{
		ID: deadID(stream, d.Seq), Stream: stream, Subject: cut(d.Subject, 512), Seq: d.Seq, Reason: d.Reason,
		Headers: cutHeader(d.Header), Body: d.Body, Writer: b.opts.Name, At: now.UnixMicro(),
	}
	if d.Seq == 0 {
		l.ID = "dl." + stream + "." + b.opts.Name + "." + strconv.FormatInt(now.UnixNano(), 36)
	}
	if len(d.Body) > maxDeadBody {
		l.Reason = fmt.Sprintf("%s (of %d bytes of body the first %d are kept)", l.Reason, len(d.Body), maxDeadBody)
		l.Body = d.Body[:maxDeadBody]
	}
	if l.Subject == "" {
		l.Subject = "?"
	}
	if l.Reason = cut(l.Reason, 2048); l.Reason == "" {
		l.Reason = "no reason was given"
	}
	return l
}

func deadID(stream string, seq uint64) string {
	return "dl." + stream + "." + strconv.FormatUint(seq, 10)
}

// reject puts an invalid message that a flow met to the dead letters, without stopping the flow. stored is when its stream stored it.
func (b *Bus) reject(ctx context.Context, d Dead, stored time.Time) {
	b.stats.invalid.Add(1)
	ctx = context.WithoutCancel(ctx) // what was begun is finished, within Options.Timeout
	if b.opts.Now().Sub(stored) > deadDedupe/2 {
		// A flow that reads an old stream again meets old ones again; the stream does not drop their second letters any more.
		if known, err := b.dead.has(ctx, b, d.Stream, deadID(d.Stream, d.Seq)); known || err != nil {
			if err != nil {
				b.log.Error("dead letters cannot be read; the message stays in its stream", "stream", d.Stream, "seq", d.Seq, "error", err)
			}
			return
		}
	}
	b.log.Warn("invalid message", "stream", d.Stream, "subject", d.Subject, "seq", d.Seq, "reason", d.Reason)
	if err := b.DeadLetter(ctx, d); err != nil {
		b.log.Error("dead letter not written; the message stays in its stream", "stream", d.Stream, "seq", d.Seq, "error", err)
	}
}

// deadIDs are the ids of the letters that were there when the first old invalid message of a stream was met.
type deadIDs struct {
	mu       sync.Mutex
	byStream map[string]map[string]struct{}
}

func (k *deadIDs) has(ctx context.Context, b *Bus, stream, id string) (bool, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	ids := k.byStream[stream]
	if ids == nil {
		ids = map[string]struct{}{}
		ctx, cancel := b.bound(ctx)
		defer cancel()
		ctx, done := context.WithCancelCause(ctx)
		f := flow{
			bus: b, stream: subject.StreamDeadLetter, subjects: []string{subject.Root + ".deadletter." + stream + ".*"}, headersOnly: true,
			handle: func(m *nats.Msg, _ position) { ids[m.Header.Get(message.HeaderMsgID)] = struct{}{} }, caughtUp: func() { done(errCaughtUp) },
		}
		if err := f.run(ctx); err != nil {
			return false, err
		}
		if cause := context.Cause(ctx); !errors.Is(cause, errCaughtUp) {
			return false, cause
		}
		if k.byStream == nil {
			k.byStream = map[string]map[string]struct{}{}
		}
		k.byStream[stream] = ids
	}
	_, known := ids[id]
	ids[id] = struct{}{} // it is about to be written
	return known, nil
}

// errCaughtUp ends a flow that was only to bring what is there.
var errCaughtUp = errors.New("caught up")
