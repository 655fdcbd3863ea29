package bus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/isacloud/ha-manager/pkg/message"
)

// Ack says where a message was stored.
type Ack struct {
	Stream string
	Seq    uint64
	// Duplicate: the stream had it already, under this sequence.
	Duplicate bool
}

// Publish validates m, stores it and returns where. It tries again, with jitter, while the stream does not answer, until ctx
// ends (after Options.Timeout where it has no deadline): the same message with the same id, so that the stream keeps one copy.
// Errors: a [*message.Invalid], [ErrRefused], [ErrPermission], [ErrUnavailable] (it may or may not have been stored), [ErrClosed].
func (b *Bus) Publish(ctx context.Context, subj string, m message.Message) (Ack, error) {
	stream, err := streamOf(subj)
	if err != nil {
		return Ack{}, err
	}
	h, body, err := message.Encode(m, b.source, b.opts.Now())
	if err != nil {
		return Ack{}, err
	}
	ctx, cancel := b.bound(ctx)
	defer cancel()
	msg := &nats.Msg{Subject: subj, Header: nats.Header(h), Data: body}
	msg.Header[headerExpectStream] = []string{stream}
	var last error
	full := 0
	for try := 0; ; try++ {
		ack, err := b.send(ctx, msg)
		switch {
		case err == nil:
			b.stats.published.Add(1)
			return ack, nil
		case errors.Is(err, ErrPermission):
			return Ack{}, err
		case apiCode(err) == codeNoResources && full < fullTries:
			full++ // on a cluster another server may take over and have room
		case !transient(err):
			b.stats.refused.Add(1)
			return Ack{}, fmt.Errorf("%w; the message was not stored", refused("publish on "+subj, err))
		}
		if ctx.Err() == nil || last == nil {
			last = err
		}
		b.stats.retried.Add(1)
		if !sleep(ctx, backoff(try)) {
			return Ack{}, gaveUp(ctx, "publish on "+subj, try+1, last)
		}
	}
}

// fullTries is how often a server without room is asked again.
const fullTries = 3

// gaveUp is the error of a call whose context ended while the stream did not answer.
func gaveUp(ctx context.Context, what string, tries int, last error) error {
	if errors.Is(context.Cause(ctx), ErrClosed) {
		return fmt.Errorf("%s: %w", what, ErrClosed)
	}
	if errors.Is(last, nats.ErrNoResponders) {
		last = errors.New("no stream listens there: it is electing a leader, or the bus was not provisioned")
	}
	return fmt.Errorf("%w: %s, %d tries: %w", ErrUnavailable, what, tries, last)
}

const (
	headerExpectStream = "Nats-Expected-Stream"
	headerExpectLast   = "Nats-Expected-Last-Subject-Sequence"
)

// send publishes once and waits for the stream's acknowledgement.
func (b *Bus) send(ctx context.Context, msg *nats.Msg) (Ack, error) {
	resp, err := b.request(ctx, msg)
	if err != nil {
		return Ack{}, err
	}
	return parseAck(resp.Data)
}

func parseAck(data []byte) (Ack, error) {
	var r struct {
		Error     *jetstream.APIError `json:"error"`
		Stream    string              `json:"stream"`
		Seq       uint64              `json:"seq"`
		Duplicate bool                `json:"duplicate"`
	}
	if err := json.Unmarshal(data, &r); err != nil {
		return Ack{}, fmt.Errorf("answer is no acknowledgement: %w", err)
	}
	if r.Error != nil {
		return Ack{}, r.Error
	}
	if r.Stream == "" || r.Seq == 0 {
		return Ack{}, errors.New("answer is no acknowledgement")
	}
	return Ack{Stream: r.Stream, Seq: r.Seq, Duplicate: r.Duplicate}, nil
}
