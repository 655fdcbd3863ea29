package bus

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/subject"
)

// rejected is what was invalid or given up, as it came.
type rejected struct {
	Stream  string // "" for what was in no stream
	Subject string
	Seq     uint64
	Time    time.Time
	Header  message.Header
	Body    []byte
	Reason  error
}

// Dead is what goes to the dead letters.
type Dead struct {
	Stream  string // "" for what was in no stream
	Subject string
	Seq     uint64
	Header  message.Header
	Body    []byte
	Reason  string
}

// maxDeadBody keeps a dead letter below the size limit of a message: its body is base64 in JSON.
const maxDeadBody = 512 << 10

// DeadLetter keeps a message whole with the reason, and tells it by an event of kind deadletter. Its id is made of stream and sequence: whoever
// else gives the same message up writes the same letter, and the stream keeps one.
func (b *Bus) DeadLetter(ctx context.Context, d Dead) error {
	now := b.opts.Now()
	stream := d.Stream
	if !message.IsName(stream) {
		stream = "core"
	}
	id := "dl." + stream + "." + strconv.FormatUint(d.Seq, 10)
	if d.Seq == 0 {
		id = "dl." + stream + "." + b.opts.Name + "." + strconv.FormatInt(now.UnixNano(), 36)
	}
	reason := d.Reason
	body := d.Body
	if len(body) > maxDeadBody {
		reason = fmt.Sprintf("%s (body cut from %d to %d bytes)", reason, len(body), maxDeadBody)
		body = body[:maxDeadBody]
	}
	letter := &message.DeadLetter{
		ID: id, Stream: stream, Subject: cut(d.Subject, 512), Seq: d.Seq, Reason: cut(reason, 2048),
		Headers: cutHeader(d.Header), Body: body, Writer: b.opts.Name, At: now.UnixMicro(),
	}
	if letter.Subject == "" {
		letter.Subject = "?"
	}
	ack, err := b.Publish(ctx, subject.DeadLetter(stream, b.opts.Name), letter)
	if err != nil {
		return fmt.Errorf("dead letter %s: %w", id, err)
	}
	if ack.Duplicate {
		return nil
	}
	group := subject.NoGroup
	if p, err := subject.Parse(d.Subject); err == nil && p.Group != "" {
		group = p.Group
	}
	e := &message.Event{
		ID: "deadletter." + id, Group: group, Kind: message.EventDeadLetter, Severity: message.Warning,
		Sentence: cut(fmt.Sprintf("A message on %s (%s, sequence %d) was put to the dead letters: %s.", letter.Subject, stream, d.Seq, letter.Reason), 2048),
		Writer:   b.opts.Name, At: now.UnixMicro(),
	}
	if _, err := b.Publish(ctx, subject.Event(group, message.EventDeadLetter, b.opts.Name), e); err != nil {
		return fmt.Errorf("event of dead letter %s: %w", id, err)
	}
	return nil
}

// reject puts an invalid message to the dead letters without stopping whoever met it.
func (b *Bus) reject(ctx context.Context, r rejected) {
	b.stats.invalid.Add(1)
	b.log.Warn("invalid message", "stream", r.Stream, "subject", r.Subject, "seq", r.Seq, "reason", r.Reason)
	err := b.DeadLetter(ctx, Dead{Stream: r.Stream, Subject: r.Subject, Seq: r.Seq, Header: r.Header, Body: r.Body, Reason: r.Reason.Error()})
	if err != nil {
		b.log.Error("dead letter not written; the message stays in its stream", "stream", r.Stream, "seq", r.Seq, "error", err)
	}
}
