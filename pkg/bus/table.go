package bus

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nuid"

	"github.com/isacloud/ha-manager/pkg/message"
)

// Table is a bucket of keys. All reads go through the stream's leader, all conditional writes are compare-and-set on the
// revision. Safe for concurrent use.
type Table struct {
	bus    *Bus
	bucket string
	stream string
}

// Record is one revision of a key.
type Record struct {
	Key      string
	Revision uint64
	Time     time.Time
	Header   message.Header
	Value    []byte
	// Deleted: the key was deleted at this revision.
	Deleted bool
}

// Into decodes the value into v, a pointer, and leaves nothing of what v held: a message is validated, anything else is read as JSON.
func (r Record) Into(v any) error {
	p := reflect.ValueOf(v)
	if p.Kind() != reflect.Pointer || p.IsNil() {
		return fmt.Errorf("key %s: want a pointer to decode into, got %T", r.Key, v)
	}
	p.Elem().SetZero()
	if m, ok := v.(message.Message); ok {
		return message.DecodeAs(r.Header, r.Value, m)
	}
	if err := json.Unmarshal(r.Value, v); err != nil {
		return fmt.Errorf("key %s revision %d: %w", r.Key, r.Revision, err)
	}
	return nil
}

// Table opens a bucket of pkg/subject. Nothing is asked of the server.
func (b *Bus) Table(bucket string) *Table {
	return &Table{bus: b, bucket: bucket, stream: "KV_" + bucket}
}

var validKey = regexp.MustCompile(`^[-_=a-zA-Z0-9]+(\.[-_=a-zA-Z0-9]+)*$`)

func (t *Table) subject(key string) (string, error) {
	if !validKey.MatchString(key) || len(key) > 512 {
		return "", fmt.Errorf("bucket %s: key %q: want names joined by dots", t.bucket, cut(key, 80))
	}
	return "$KV." + t.bucket + "." + key, nil
}

// Get returns the newest revision of key, or [ErrNotFound].
func (t *Table) Get(ctx context.Context, key string) (Record, error) {
	subj, err := t.subject(key)
	if err != nil {
		return Record{}, err
	}
	s, err := t.bus.rawGet(ctx, t.stream, map[string]any{"last_by_subj": subj}, key)
	if errors.Is(err, ErrNone) {
		return Record{}, fmt.Errorf("%w: %s in %s", ErrNotFound, key, t.bucket)
	}
	if err != nil {
		return Record{}, err
	}
	r := t.record(s.Subject, s.Seq, s.Time, s.Header, s.Body)
	if r.Deleted {
		return r, fmt.Errorf("%w: %s in %s was deleted", ErrNotFound, key, t.bucket)
	}
	return r, nil
}

func (t *Table) record(subj string, seq uint64, at time.Time, h message.Header, body []byte) Record {
	op := h.Get("KV-Operation")
	return Record{
		Key: strings.TrimPrefix(subj, "$KV."+t.bucket+"."), Revision: seq, Time: at, Header: h, Value: body,
		Deleted: op == "DEL" || op == "PURGE" || h.Get("Nats-Marker-Reason") != "",
	}
}

// Create writes key if it does not exist or was deleted, and returns its revision. Otherwise [ErrConflict].
// v is a message (validated), raw bytes of JSON, or anything encoding/json takes.
func (t *Table) Create(ctx context.Context, key string, v any) (uint64, error) {
	rev, err := t.write(ctx, key, v, new(uint64), "")
	if !errors.Is(err, ErrConflict) {
		return rev, err
	}
	old, getErr := t.Get(ctx, key)
	if !errors.Is(getErr, ErrNotFound) || !old.Deleted {
		return 0, err
	}
	return t.write(ctx, key, v, &old.Revision, "")
}

// Update writes key if its revision is still rev. Otherwise [ErrConflict].
func (t *Table) Update(ctx context.Context, key string, v any, rev uint64) (uint64, error) {
	return t.write(ctx, key, v, &rev, "")
}

// Put writes key whatever it holds.
func (t *Table) Put(ctx context.Context, key string, v any) (uint64, error) {
	return t.write(ctx, key, v, nil, "")
}

// Delete marks key as deleted if its revision is still rev; 0: whatever it holds.
func (t *Table) Delete(ctx context.Context, key string, rev uint64) error {
	var expect *uint64
	if rev > 0 {
		expect = &rev
	}
	_, err := t.write(ctx, key, []byte(nil), expect, "DEL")
	return err
}

func (t *Table) encode(v any) (message.Header, []byte, error) {
	switch v := v.(type) {
	case message.Message:
		return message.Encode(v, t.bus.source, t.bus.opts.Now())
	case []byte:
		return message.Header{}, v, nil
	case json.RawMessage:
		return message.Header{}, v, nil
	}
	body, err := json.Marshal(v)
	return message.Header{}, body, err
}

// write resolves unknown outcomes as Propose does: it repeats the same publish under the same id.
func (t *Table) write(ctx context.Context, key string, v any, expect *uint64, op string) (uint64, error) {
	subj, err := t.subject(key)
	if err != nil {
		return 0, err
	}
	h, body, err := t.encode(v)
	if err != nil {
		return 0, fmt.Errorf("key %s: %w", key, err)
	}
	msg := &nats.Msg{Subject: subj, Header: nats.Header(h), Data: body}
	// One id per write, not per content: writing the same message to a key twice is two writes.
	id := "kv." + nuid.Next()
	msg.Header[message.HeaderMsgID] = []string{id}
	if op != "" {
		msg.Header["KV-Operation"] = []string{op}
	}
	if expect != nil {
		msg.Header[headerExpectLast] = []string{strconv.FormatUint(*expect, 10)}
	}
	ctx, cancel := t.bus.bound(ctx)
	defer cancel()
	open := false
	full := 0
	what := "key " + key + " in " + t.bucket
	for try := 0; ; try++ {
		ack, err := t.bus.send(ctx, msg)
		switch code := apiCode(err); {
		case err == nil:
			return ack.Seq, nil
		case code == codeWrongLast && !open:
			return 0, fmt.Errorf("%w: %s", ErrConflict, what)
		case code == codeWrongLast:
			rev, mine, readErr := t.whose(ctx, subj, id, *expect)
			if readErr == nil && mine {
				return rev, nil
			}
			if readErr == nil {
				return 0, fmt.Errorf("%w: %s", ErrConflict, what)
			}
			if errors.Is(readErr, ErrUnknownOutcome) {
				return 0, readErr
			}
			err = readErr
		case code == codeWrongLastInFlight, code == codeNotReady:
		case code == codeDuplicateInFlight:
			open = true
		case code == codeNoResources && full < fullTries:
			full++
		case !transient(err):
			if open {
				return 0, fmt.Errorf("%w: %s: %w", ErrUnknownOutcome, what, err)
			}
			if errors.Is(err, ErrPermission) {
				return 0, err
			}
			return 0, fmt.Errorf("%w; it was not stored", refused(what, err))
		case errors.Is(err, nats.ErrReconnectBufExceeded), errors.Is(err, nats.ErrNoResponders):
		default:
			open = true
		}
		t.bus.stats.retried.Add(1)
		if !sleep(ctx, backoff(try)) {
			if open {
				return 0, fmt.Errorf("%w: %s: %w", ErrUnknownOutcome, what, err)
			}
			return 0, fmt.Errorf("%w; it was not stored", gaveUp(ctx, "write "+what, try+1, err))
		}
	}
}

// whose reads who wrote the revision that follows expect.
func (t *Table) whose(ctx context.Context, subj, id string, expect uint64) (uint64, bool, error) {
	s, err := t.bus.rawGet(ctx, t.stream, map[string]any{"seq": expect + 1, "next_by_subj": subj}, subj)
	if err != nil {
		return 0, false, err
	}
	if s.Header.Get(message.HeaderMsgID) == id {
		return s.Seq, true, nil
	}
	if s.Header.Get(headerExpectLast) != strconv.FormatUint(expect, 10) {
		return 0, false, fmt.Errorf("%w: the revision after %d was overwritten since", ErrUnknownOutcome, expect)
	}
	return s.Seq, false, nil
}

// Keys returns the keys that match pattern (">" or "" for all; "web.>" or "web.*" for some), in the order of their newest revision, deleted ones left out.
func (t *Table) Keys(ctx context.Context, pattern string) ([]string, error) {
	var out []string
	err := t.Range(ctx, pattern, func(r Record) { out = append(out, r.Key) })
	return out, err
}

// Range calls f for the newest revision of each key that matches pattern, deleted ones left out, and returns.
func (t *Table) Range(ctx context.Context, pattern string, f func(Record)) error {
	ctx, cancel := t.bus.bound(ctx)
	defer cancel()
	ctx, done := context.WithCancelCause(ctx)
	err := t.Watch(ctx, pattern, func(r Record) {
		if !r.Deleted && context.Cause(ctx) == nil {
			f(r)
		}
	}, func() { done(errCaughtUp) })
	if err == nil && !errors.Is(context.Cause(ctx), errCaughtUp) {
		return fmt.Errorf("%w: list %s in %s: %w", ErrUnavailable, cmp.Or(pattern, "all"), t.bucket, context.Cause(ctx))
	}
	return err
}

// Watch calls f for the newest revision of each key that matches pattern, then for every change (Deleted included), in order, until ctx ends; it survives
// lost links. caughtUp (may be nil) is called once, after what was there at the start. Values are not validated: see [Record.Into].
func (t *Table) Watch(ctx context.Context, pattern string, f func(Record), caughtUp func()) error {
	if pattern == "" {
		pattern = ">"
	}
	w := flow{bus: t.bus, stream: t.stream, subjects: []string{"$KV." + t.bucket + "." + pattern}, from: FromLast(), caughtUp: caughtUp}
	w.handle = func(msg *nats.Msg, at position) {
		f(t.record(msg.Subject, at.Seq, at.Time(), message.Header(msg.Header), msg.Data))
	}
	return w.run(ctx)
}
