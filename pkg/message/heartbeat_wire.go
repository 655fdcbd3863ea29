package message

import (
	"strconv"
	"time"
	"unicode/utf8"
)

// Heartbeats come by the tens of thousands a second, so their usual form has a way of its own through this package. Each function
// here says only what the general way would say as well: what it does not know for sure it leaves to that one, and the fuzz tests hold the two against each other.

// sound says that m is surely valid. False says nothing: Validate finds out, and names the field.
func (m *Heartbeat) sound() bool {
	switch m.Answer {
	case Up, Down, Degraded, Unknown:
	default:
		return false
	}
	return IsName(m.Group) && IsName(m.Member) && IsName(m.Vantage) && IsName(m.Check) &&
		isID(m.Boot) && len(m.Boot) <= 32 && m.Seq >= 1 &&
		(len(m.Evidence) <= 512 || utf8.RuneCountInString(m.Evidence) <= 512) &&
		m.LatencyMicros >= 0 && m.EveryMicros >= 1000 && m.LateMicros >= 0 && m.At >= 0 && len(m.Perf) <= 64
}

// appendJSON writes m as json.Marshal would. It declines what needs escaping, and figures.
func (m *Heartbeat) appendJSON(b []byte) ([]byte, bool) {
	for _, s := range [...]string{m.Group, m.Member, m.Vantage, m.Check, m.Boot, string(m.Answer), m.Evidence} {
		if !plain(s) {
			return nil, false
		}
	}
	if len(m.Perf) > 0 {
		return nil, false
	}
	text := func(key, s string) {
		b = append(b, key...)
		b = append(b, s...)
		b = append(b, '"')
	}
	number := func(key string, n int64) {
		b = append(b, key...)
		b = strconv.AppendInt(b, n, 10)
	}
	text(`{"group":"`, m.Group)
	text(`,"member":"`, m.Member)
	text(`,"vantage":"`, m.Vantage)
	text(`,"check":"`, m.Check)
	text(`,"boot":"`, m.Boot)
	b = append(b, `,"seq":`...)
	b = strconv.AppendUint(b, m.Seq, 10)
	text(`,"answer":"`, string(m.Answer))
	if m.Hard {
		b = append(b, `,"hard":true`...)
	}
	if m.Evidence != "" {
		text(`,"evidence":"`, m.Evidence)
	}
	number(`,"latency_us":`, m.LatencyMicros)
	number(`,"every_us":`, m.EveryMicros)
	if m.LateMicros != 0 {
		number(`,"late_us":`, m.LateMicros)
	}
	if m.Blind {
		b = append(b, `,"blind":true`...)
	}
	if m.SpecRevision != 0 {
		b = append(b, `,"spec_revision":`...)
		b = strconv.AppendUint(b, m.SpecRevision, 10)
	}
	number(`,"at_us":`, m.At)
	return append(b, '}'), true
}

// plain says that JSON holds s as it is: printable ASCII without what is escaped.
func plain(s string) bool {
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c < ' ', c > '~', c == '"', c == '\\', c == '<', c == '>', c == '&':
			return false
		}
	}
	return true
}

// HeartbeatReader reads heartbeats one after the other, almost without allocations: names that it has met before are not
// made anew. The zero value is ready. Not safe for concurrent use.
type HeartbeatReader struct {
	names map[string]string
}

// maxNames bounds what a HeartbeatReader remembers: names come from outside.
const maxNames = 1 << 16

// Read is [DecodeAs] for a heartbeat. It leaves nothing of what m held.
func (r *HeartbeatReader) Read(header Header, body []byte, m *Heartbeat) error {
	if t := header.Get(HeaderType); t == heartbeatType || t == "" {
		if len(body) <= MaxBody && r.parse(body, m) && m.sound() {
			return nil
		}
	}
	*m = Heartbeat{}
	return DecodeAs(header, body, m)
}

const heartbeatType = typePrefix + "v1.heartbeat"

func (r *HeartbeatReader) name(b []byte) string {
	if s, ok := r.names[string(b)]; ok { // no allocation
		return s
	}
	s := string(b)
	if r.names == nil {
		r.names = map[string]string{}
	}
	if len(r.names) < maxNames && len(s) <= MaxName {
		r.names[s] = s
	}
	return s
}

// parse reads one flat object as our own writers write it. It declines anything else: white space, escapes, other keys, figures, odd numbers. Of a key that
// comes twice the last one counts, as everywhere in JSON.
func (r *HeartbeatReader) parse(b []byte, m *Heartbeat) bool {
	*m = Heartbeat{}
	if len(b) < 2 || b[0] != '{' || b[len(b)-1] != '}' {
		return false
	}
	b = b[1:]
	for {
		key, rest, ok := quoted(b)
		if !ok || len(rest) == 0 || rest[0] != ':' {
			return false
		}
		rest = rest[1:]
		switch string(key) {
		case "group":
			rest, ok = r.text(rest, &m.Group)
		case "member":
			rest, ok = r.text(rest, &m.Member)
		case "vantage":
			rest, ok = r.text(rest, &m.Vantage)
		case "check":
			rest, ok = r.text(rest, &m.Check)
		case "boot":
			rest, ok = r.text(rest, &m.Boot)
		case "seq":
			m.Seq, rest, ok = natural(rest)
		case "answer":
			var v []byte
			v, rest, ok = quoted(rest)
			m.Answer = Answer(r.name(v))
		case "hard":
			m.Hard, rest, ok = boolean(rest)
		case "evidence":
			var v []byte
			v, rest, ok = quoted(rest)
			m.Evidence = string(v)
		case "latency_us":
			rest, ok = micros(rest, &m.LatencyMicros)
		case "every_us":
			rest, ok = micros(rest, &m.EveryMicros)
		case "late_us":
			rest, ok = micros(rest, &m.LateMicros)
		case "blind":
			m.Blind, rest, ok = boolean(rest)
		case "spec_revision":
			m.SpecRevision, rest, ok = natural(rest)
		case "at_us":
			rest, ok = micros(rest, &m.At)
		default:
			return false
		}
		if !ok || len(rest) == 0 {
			return false
		}
		switch rest[0] {
		case ',':
			b = rest[1:]
		case '}':
			return len(rest) == 1
		default:
			return false
		}
	}
}

func (r *HeartbeatReader) text(b []byte, to *string) ([]byte, bool) {
	v, rest, ok := quoted(b)
	*to = r.name(v)
	return rest, ok
}

// quoted reads a string of printable ASCII without escapes.
func quoted(b []byte) (v, rest []byte, ok bool) {
	if len(b) == 0 || b[0] != '"' {
		return nil, nil, false
	}
	for i := 1; i < len(b); i++ {
		switch c := b[i]; {
		case c == '"':
			return b[1:i], b[i+1:], true
		case c < ' ', c > '~', c == '\\':
			return nil, nil, false
		}
	}
	return nil, nil, false
}

// natural reads a number without sign, fraction, exponent or leading zeros, below 10^18.
func natural(b []byte) (n uint64, rest []byte, ok bool) {
	i := 0
	for ; i < len(b) && b[i] >= '0' && b[i] <= '9'; i++ {
		n = n*10 + uint64(b[i]-'0')
	}
	if i == 0 || i > 18 || b[0] == '0' && i > 1 {
		return 0, nil, false
	}
	return n, b[i:], true
}

func micros(b []byte, to *int64) ([]byte, bool) {
	n, rest, ok := natural(b)
	*to = int64(n)
	return rest, ok
}

func boolean(b []byte) (v bool, rest []byte, ok bool) {
	switch {
	case len(b) > 4 && string(b[:4]) == "true":
		return true, b[4:], true
	case len(b) > 5 && string(b[:5]) == "false":
		return false, b[5:], true
	}
	return false, nil, false
}

// HeartbeatForm writes heartbeats of one source into the same header again and again: it is valid until the next Write. Not safe for
// concurrent use.
type HeartbeatForm struct {
	source string
	header Header
}

// NewHeartbeatForm is for heartbeats of that source, "/ham/<service>/<instance>".
func NewHeartbeatForm(source string) *HeartbeatForm { return &HeartbeatForm{source: source} }

// Header returns what [Encode] would for a valid heartbeat of that id and group, written at that time.
func (f *HeartbeatForm) Header(id, group string, at time.Time) Header {
	if f.header == nil {
		f.header = Header{
			HeaderSpecVersion: {specVersion}, HeaderType: {heartbeatType}, HeaderSource: {f.source}, HeaderID: {""}, HeaderTime: {""},
			HeaderSubject: {""}, HeaderContentType: {contentType}, HeaderMsgID: {""},
		}
	}
	f.header[HeaderID][0], f.header[HeaderMsgID][0] = id, id
	f.header[HeaderSubject][0] = group
	f.header[HeaderTime][0] = at.UTC().Format(time.RFC3339Nano)
	return f.header
}
