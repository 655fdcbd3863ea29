package bus

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/textproto"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/subject"
)

// Entry is one message as a stream holds it.
type Entry struct {
	Stream  string
	Seq     uint64
	Time    time.Time // when the stream stored it; zero where only the acknowledgement was seen
	Subject string
	Header  message.Header
	// Message is nil where Problem says why the bytes are no valid message.
	Message message.Message
	Problem error
}

// ID is the message's id, also of an invalid one that has a header.
func (e Entry) ID() string {
	if e.Message != nil {
		return e.Message.MessageID()
	}
	return e.Header.Get(message.HeaderMsgID)
}

// Last returns the newest message of subj (which may hold wildcards), read through the stream's leader: after an acknowledged publish it is that
// one or a newer one, but for the seconds in which a cut-off leader still takes itself for one. [ErrNone] if there is none.
func (b *Bus) Last(ctx context.Context, stream, subj string) (Entry, error) {
	return b.get(ctx, stream, map[string]any{"last_by_subj": subj}, subj)
}

// Next returns the first message of subj with a sequence of at least seq, read through the stream's leader. [ErrNone] if there is none.
func (b *Bus) Next(ctx context.Context, stream, subj string, seq uint64) (Entry, error) {
	return b.get(ctx, stream, map[string]any{"seq": max(seq, 1), "next_by_subj": subj}, subj)
}

// Since returns the messages of subj with a sequence of at least seq, oldest first, at most limit of them.
func (b *Bus) Since(ctx context.Context, stream, subj string, seq uint64, limit int) ([]Entry, error) {
	var out []Entry
	for len(out) < limit {
		e, err := b.Next(ctx, stream, subj, seq)
		if errors.Is(err, ErrNone) {
			break
		}
		if err != nil {
			return out, err
		}
		out = append(out, e)
		seq = e.Seq + 1
	}
	return out, nil
}

// get asks the stream's leader (STREAM.MSG.GET), not any replica: a direct read may be old without bound.
func (b *Bus) get(ctx context.Context, stream string, req map[string]any, what string) (Entry, error) {
	raw, err := b.rawGet(ctx, stream, req, what)
	if err != nil {
		return Entry{}, err
	}
	e := Entry{Stream: stream, Seq: raw.Seq, Time: raw.Time, Subject: raw.Subject, Header: raw.Header}
	e.Message, _, e.Problem = decode(raw.Subject, raw.Header, raw.Body, raw.Seq, raw.Time)
	return e, nil
}

type stored struct {
	Subject string
	Seq     uint64
	Time    time.Time
	Header  message.Header
	Body    []byte
}

func (b *Bus) rawGet(ctx context.Context, stream string, req map[string]any, what string) (stored, error) {
	ctx, cancel := b.bound(ctx)
	defer cancel()
	var last error
	for try := 0; ; try++ {
		s, err := b.getOnce(ctx, stream, req)
		switch {
		case err == nil:
			return s, nil
		case errors.Is(err, ErrPermission):
			return stored{}, err
		case apiCode(err) == int(jetstream.JSErrCodeMessageNotFound):
			return stored{}, fmt.Errorf("%w on %s in %s", ErrNone, what, stream)
		case apiCode(err) == int(jetstream.JSErrCodeStreamNotFound):
			return stored{}, fmt.Errorf("%w: stream %s does not exist: provision the bus first", ErrUnavailable, stream)
		case !transient(err):
			return stored{}, fmt.Errorf("%w: read %s in %s: %w", ErrUnavailable, what, stream, err)
		}
		if ctx.Err() == nil || last == nil {
			last = err
		}
		if !sleep(ctx, backoff(try)) {
			return stored{}, gaveUp(ctx, "read "+what+" in "+stream, try+1, last)
		}
	}
}

func (b *Bus) getOnce(ctx context.Context, stream string, req map[string]any) (stored, error) {
	var r struct {
		Message struct {
			Subject string    `json:"subject"`
			Seq     uint64    `json:"seq"`
			Time    time.Time `json:"time"`
			Hdrs    []byte    `json:"hdrs"`
			Data    []byte    `json:"data"`
		} `json:"message"`
	}
	if err := b.api(ctx, "STREAM.MSG.GET."+stream, req, &r); err != nil {
		return stored{}, err
	}
	m := r.Message
	if m.Seq == 0 {
		return stored{}, errors.New("answer is no message")
	}
	return stored{m.Subject, m.Seq, m.Time, parseHeader(m.Hdrs), m.Data}, nil
}

// parseHeader reads "NATS/1.0\r\nKey: value\r\n…". Keys stay as written. Broken lines are skipped.
func parseHeader(b []byte) message.Header {
	h := message.Header{}
	r := textproto.NewReader(bufio.NewReader(bytes.NewReader(b)))
	for i := 0; ; i++ {
		line, err := r.ReadLine()
		if err != nil || (line == "" && i > 0) {
			return h
		}
		if k, v, ok := strings.Cut(line, ":"); ok && i > 0 {
			h[k] = append(h[k], strings.TrimSpace(v))
		}
	}
}

// streamOf names the stream that captures subj.
func streamOf(subj string) (string, error) {
	p, err := subject.Parse(subj)
	if err != nil {
		return "", err
	}
	s := map[string]string{
		"heartbeat": subject.StreamHeartbeats, "request": subject.StreamRequests, "command": subject.StreamCommands,
		"safety": subject.StreamSafety, "event": subject.StreamEvents, "deadletter": subject.StreamDeadLetter, "gathered": subject.StreamGathered,
	}[p.What]
	if s == "" || p.Stored {
		return "", fmt.Errorf("subject %q is kept in no stream", subj)
	}
	return s, nil
}
