package message

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"time"
)

// Header names of CloudEvents binary mode, and the one that JetStream deduplicates by.
const (
	HeaderSpecVersion = "ce-specversion"
	HeaderType        = "ce-type"
	HeaderSource      = "ce-source"
	HeaderID          = "ce-id"
	HeaderTime        = "ce-time"
	HeaderSubject     = "ce-subject"
	HeaderContentType = "content-type"
	HeaderMsgID       = "Nats-Msg-Id"
)

const (
	typePrefix  = "io.isacloud.ham."
	specVersion = "1.0"
	contentType = "application/json"
	// MaxBody is the largest body that is read, in bytes. It lies below the bus's own limit of 1 MiB.
	MaxBody = 900 << 10
)

// Header has the form of nats.Header without its import. Keys are written and read as they stand here.
type Header map[string][]string

// Get returns the first value of key, or "".
func (h Header) Get(key string) string {
	if v := h[key]; len(v) > 0 {
		return v[0]
	}
	return ""
}

// Message is any message of the contract, always as a pointer to its struct.
type Message interface {
	// MessageID is unique per happening: a repetition of the same message has the same id.
	MessageID() string
	// MessageGroup is the group that it is about.
	MessageGroup() string
}

// kind describes one type of the contract.
type kind struct {
	name    string // also the version's owner: "heartbeat" stands for io.isacloud.ham.v1.heartbeat
	version int
	make    func() Message
}

// kinds is the whole contract: each type once, in the order of the loop. Adding a message is one line here.
var kinds = []kind{
	{"heartbeat", 1, func() Message { return new(Heartbeat) }},
	{"request", 1, func() Message { return new(Request) }},
	{"outcome", 1, func() Message { return new(Outcome) }},
	{"command", 1, func() Message { return new(Command) }},
	{"held", 1, func() Message { return new(Held) }},
	{"mark", 1, func() Message { return new(Mark) }},
	{"drillend", 1, func() Message { return new(DrillEnd) }},
	{"approval", 1, func() Message { return new(Approval) }},
	{"planned", 1, func() Message { return new(Planned) }},
	{"maintenance", 1, func() Message { return new(Maintenance) }},
	{"step", 1, func() Message { return new(StepResult) }},
	{"run", 1, func() Message { return new(RunResult) }},
	{"instruction", 1, func() Message { return new(Instruction) }},
	{"event", 1, func() Message { return new(Event) }},
	{"link", 1, func() Message { return new(Link) }},
	{"deadletter", 1, func() Message { return new(DeadLetter) }},
	{"spec", 1, func() Message { return new(Spec) }},
	{"incident", 1, func() Message { return new(Incident) }},
	{"thresholds", 1, func() Message { return new(Thresholds) }},
	{"expiries", 1, func() Message { return new(Expiries) }},
	{"status", 1, func() Message { return new(GroupStatus) }},
	{"preview", 1, func() Message { return new(Preview) }},
	{"looked", 1, func() Message { return new(Looked) }},
	{"fenced", 1, func() Message { return new(Fenced) }},
	{"replication", 1, func() Message { return new(Replication) }},
	{"evaluation", 1, func() Message { return new(Evaluation) }},
	{"lease", 1, func() Message { return new(LeaseRequest) }},
	{"grant", 1, func() Message { return new(LeaseAnswer) }},
	{"gathered", 1, func() Message { return new(Gathered) }},
}

// All returns a new, empty message of each type of the contract, in the order of the loop.
func All() []Message {
	all := make([]Message, len(kinds))
	for i, k := range kinds {
		all[i] = k.make()
	}
	return all
}

// TypeOf returns the ce-type of m: "io.isacloud.ham.v1.heartbeat". It panics for a type that is not in
// the contract, which is a mistake in the program.
func TypeOf(m Message) string {
	k := kindOf(m)
	return fmt.Sprintf("%sv%d.%s", typePrefix, k.version, k.name)
}

// NameOf returns the short name of m's type: "heartbeat".
func NameOf(m Message) string { return kindOf(m).name }

func kindOf(m Message) kind {
	name := ""
	switch m.(type) {
	case *Heartbeat:
		name = "heartbeat"
	case *Request:
		name = "request"
	case *Outcome:
		name = "outcome"
	case *Command:
		name = "command"
	case *Held:
		name = "held"
	case *Mark:
		name = "mark"
	case *DrillEnd:
		name = "drillend"
	case *Approval:
		name = "approval"
	case *Planned:
		name = "planned"
	case *Maintenance:
		name = "maintenance"
	case *StepResult:
		name = "step"
	case *RunResult:
		name = "run"
	case *Instruction:
		name = "instruction"
	case *Event:
		name = "event"
	case *Link:
		name = "link"
	case *DeadLetter:
		name = "deadletter"
	case *Spec:
		name = "spec"
	case *Incident:
		name = "incident"
	case *Thresholds:
		name = "thresholds"
	case *Expiries:
		name = "expiries"
	case *GroupStatus:
		name = "status"
	case *Preview:
		name = "preview"
	case *Looked:
		name = "looked"
	case *Fenced:
		name = "fenced"
	case *Replication:
		name = "replication"
	case *Evaluation:
		name = "evaluation"
	case *LeaseRequest:
		name = "lease"
	case *LeaseAnswer:
		name = "grant"
	case *Gathered:
		name = "gathered"
	}
	for _, k := range kinds {
		if k.name == name {
			return k
		}
	}
	panic(fmt.Sprintf("message: %T is not in the contract", m))
}

// Encode validates m and returns it in binary mode. Source is "/ham/<service>/<instance>"; now is the writer's wall clock.
func Encode(m Message, source string, now time.Time) (Header, []byte, error) {
	body, err := Body(m)
	if err != nil {
		return nil, nil, err
	}
	id := m.MessageID()
	return Header{
		HeaderSpecVersion: {specVersion},
		HeaderType:        {TypeOf(m)},
		HeaderSource:      {source},
		HeaderID:          {id},
		HeaderTime:        {now.UTC().Format(time.RFC3339Nano)},
		HeaderSubject:     {m.MessageGroup()},
		HeaderContentType: {contentType},
		HeaderMsgID:       {id},
	}, body, nil
}

// Body validates m and returns the body alone: for a writer that has the headers already.
func Body(m Message) ([]byte, error) {
	if err := Validate(m); err != nil {
		return nil, err
	}
	body, err := marshal(m)
	if err != nil {
		return nil, &Invalid{Type: NameOf(m), Want: "something JSON can hold: " + err.Error()}
	}
	if len(body) > MaxBody {
		return nil, &Invalid{Type: NameOf(m), Got: fmt.Sprintf("%d bytes", len(body)), Want: fmt.Sprintf("at most %d bytes", MaxBody)}
	}
	return body, nil
}

func marshal(m Message) ([]byte, error) {
	if hb, ok := m.(*Heartbeat); ok {
		if body, ok := hb.appendJSON(make([]byte, 0, 384)); ok {
			return body, nil
		}
	}
	return json.Marshal(m)
}

// Decode returns the message that header and body hold. Errors are [ErrUnknownType], [ErrUnknownVersion] or
// an [*Invalid]. It never panics, whatever the bytes.
func Decode(header Header, body []byte) (Message, error) {
	k, err := lookup(header.Get(HeaderType))
	if err != nil {
		return nil, err
	}
	m := k.make()
	if err := decodeInto(k.name, body, m); err != nil {
		return nil, err
	}
	return m, nil
}

// DecodeAs is Decode for a reader that takes one type only, without an allocation for the message: it fills m.
// A header without a type counts as m's own type, so that stock clients may leave it out.
func DecodeAs(header Header, body []byte, m Message) error {
	want := kindOf(m)
	if t := header.Get(HeaderType); t != "" {
		k, err := lookup(t)
		if err != nil {
			return err
		}
		if k.name != want.name {
			return &Invalid{Type: want.name, Got: "a " + k.name, Want: "a " + want.name}
		}
	}
	return decodeInto(want.name, body, m)
}

func decodeInto(name string, body []byte, m Message) error {
	if len(body) > MaxBody {
		return &Invalid{Type: name, Got: fmt.Sprintf("%d bytes", len(body)), Want: fmt.Sprintf("at most %d bytes", MaxBody)}
	}
	if err := json.Unmarshal(body, m); err != nil {
		return invalidJSON(name, err)
	}
	return Validate(m)
}

func lookup(ceType string) (kind, error) {
	rest, ok := strings.CutPrefix(ceType, typePrefix)
	version, name, ok2 := strings.Cut(rest, ".")
	if !ok || !ok2 {
		return kind{}, fmt.Errorf("%w: %s is %q, want %sv1.<name>", ErrUnknownType, HeaderType, clip(ceType, 80), typePrefix)
	}
	for _, k := range kinds {
		if k.name != name {
			continue
		}
		if version != fmt.Sprintf("v%d", k.version) {
			return kind{}, fmt.Errorf("%w: %s is %q, this program knows v%d of %s", ErrUnknownVersion, HeaderType, clip(ceType, 80), k.version, name)
		}
		return k, nil
	}
	return kind{}, fmt.Errorf("%w: %q", ErrUnknownType, clip(ceType, 80))
}

func invalidJSON(name string, err error) error {
	var typeErr *json.UnmarshalTypeError
	if errors.As(err, &typeErr) {
		want := "one JSON object"
		if typeErr.Field != "" {
			want = jsonWord(typeErr.Type)
		}
		return &Invalid{Type: name, Field: typeErr.Field, Got: article(typeErr.Value), Want: want}
	}
	var notBase64 base64.CorruptInputError
	if errors.As(err, &notBase64) {
		return &Invalid{Type: name, Got: notBase64.Error(), Want: "bytes in base64"}
	}
	var d noDuration
	if errors.As(err, &d) {
		return &Invalid{Type: name, Got: string(d), Want: wantDuration}
	}
	return &Invalid{Type: name, Got: clip(err.Error(), 200), Want: "one JSON object"}
}

// article makes what encoding/json calls a value ("array", "number -1") into words.
func article(value string) string {
	switch {
	case value == "array":
		return "a list"
	case value == "object":
		return "an object"
	case value == "bool":
		return "true or false"
	case strings.HasPrefix(value, "number "):
		return strings.TrimPrefix(value, "number ")
	}
	return "a " + value
}

// jsonWord says what a field of that type holds in JSON.
func jsonWord(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.String:
		return "a string"
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return "a whole number that is not negative"
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return "a whole number"
	case reflect.Float32, reflect.Float64:
		return "a number"
	case reflect.Slice, reflect.Array:
		return "a list"
	}
	return "an object"
}

func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "") + "…"
}
