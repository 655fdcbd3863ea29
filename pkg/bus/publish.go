package bus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/isacloud/ha-manager/pkg/message"
)

// counters are read by [Bus.Stats].
type counters struct {
	published, retried, refused, invalid, suppressed atomic.Uint64
}

// Ack says where a message was stored.
type Ack struct {
	Stream string
	Seq    uint64
	// Duplicate: the stream had it already, under this sequence.
	Duplicate bool
}

// Codes of the server's answers that decide something.
const (
	codeWrongLast         = 10071 // the expected sequence is not the last one: decided
	codeWrongLastInFlight = 10164 // another write on the subject is in flight: not decided
	codeDuplicateInFlight = 10158 // our own Msg-Id is in process: not decided
)

// Publish validates m, stores it and returns where. It tries again, with jitter, while the stream does not answer, until ctx
// ends (after Options.Timeout where it has no deadline): the same message with the same id, so that the stream keeps one copy.
// Errors: a [*message.Invalid], [ErrRefused], [ErrPermission], [ErrUnavailable] (it may or may not have been stored), [ErrClosed].
func (b *Bus) Publish(ctx context.Context, subj string, m message.Message) (Ack, error) {
	h, body, err := message.Encode(m, b.source, b.opts.Now())
	if err != nil {
		return Ack{}, err
	}
	ctx, cancel := b.bound(ctx)
	defer cancel()
	msg := &nats.Msg{Subject: subj, Header: nats.Header(h), Data: body}
	var last error
	for try := 0; ; try++ {
		ack, err := b.send(ctx, msg)
		switch {
		case err == nil:
			b.stats.published.Add(1)
			return ack, nil
		case errors.Is(err, ErrPermission):
			return Ack{}, err
		}
		if code := apiCode(err); code != 0 && !transient(err) {
			b.stats.refused.Add(1)
			return Ack{}, refused(subj, err)
		}
		if ctx.Err() == nil || last == nil {
			last = err
		}
		b.stats.retried.Add(1)
		if !sleep(ctx, backoff(try)) {
			if errors.Is(context.Cause(ctx), ErrClosed) {
				return Ack{}, fmt.Errorf("publish on %s: %w", subj, ErrClosed)
			}
			return Ack{}, fmt.Errorf("%w: publish on %s, %d tries: %w", ErrUnavailable, subj, try+1, last)
		}
	}
}

// backoff grows from 5-25 ms to 100-200 ms: a new stream leader shows up within milliseconds or within seconds.
func backoff(try int) time.Duration {
	if try < 4 {
		return jitter(5*time.Millisecond, 25*time.Millisecond)
	}
	return jitter(100*time.Millisecond, 200*time.Millisecond)
}

// oneTry bounds a single request, so that an answer that got lost is asked for again well before the caller gives up.
const oneTry = 500 * time.Millisecond

// send publishes once and waits for the answer. It ends early when the server says that the subject is not permitted.
func (b *Bus) send(ctx context.Context, msg *nats.Msg) (Ack, error) {
	ctx, cancel := context.WithTimeout(ctx, oneTry)
	defer cancel()
	no, done := b.perms.watch(msg.Subject)
	defer done()
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	go func() {
		select {
		case err := <-no:
			stop(err)
		case <-ctx.Done():
		}
	}()
	resp, err := b.nc.RequestMsgWithContext(ctx, msg)
	if err != nil {
		if cause := context.Cause(ctx); errors.Is(cause, ErrPermission) {
			return Ack{}, cause
		}
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

func (p *permissions) watch(subj string) (<-chan error, func()) {
	c := make(chan error, 1)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.waiting == nil {
		p.waiting = map[string]map[chan error]struct{}{}
	}
	if p.waiting[subj] == nil {
		p.waiting[subj] = map[chan error]struct{}{}
	}
	p.waiting[subj][c] = struct{}{}
	return c, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.waiting[subj], c)
		if len(p.waiting[subj]) == 0 {
			delete(p.waiting, subj)
		}
	}
}

func apiCode(err error) int {
	var api *jetstream.APIError
	if errors.As(err, &api) {
		return int(api.ErrorCode)
	}
	return 0
}

// transient says that the same publish may be accepted in a moment: the stream is electing, or its inbound queue is full.
func transient(err error) bool {
	var api *jetstream.APIError
	if !errors.As(err, &api) {
		return true
	}
	switch int(api.ErrorCode) {
	case codeWrongLastInFlight, codeDuplicateInFlight:
		return true
	}
	return api.Code == 429 || api.Code == 503 && api.ErrorCode != jetstream.JSErrCodeJetStreamNotEnabled
}

func refused(subj string, err error) error {
	var api *jetstream.APIError
	errors.As(err, &api)
	return fmt.Errorf("%w: %s: %s (code %s); it was not stored", ErrRefused, subj, api.Description, strconv.Itoa(int(api.ErrorCode)))
}
