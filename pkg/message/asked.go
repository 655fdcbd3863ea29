package message

import (
	"bytes"
	"encoding/json"
	"io"
	"strconv"
	"strings"
)

// DecodeRequest reads a request whose group, verb and perhaps actor are known from its subject. An empty body is a valid
// request; what the body leaves out is taken from known, and what it says must agree with it. An id that neither body nor headers
// give is fresh; an actor that nobody names is "anonymous". Errors as of [Decode].
func DecodeRequest(header Header, body []byte, known Request, fresh string) (*Request, error) {
	if t := header.Get(HeaderType); t != "" {
		k, err := lookup(t)
		if err != nil {
			return nil, err
		}
		if k.name != "request" {
			return nil, &Invalid{Type: "request", Got: "a " + k.name, Want: "a request"}
		}
	}
	m := new(Request)
	if len(bytes.TrimSpace(body)) > 0 {
		if len(body) > MaxBody {
			return nil, &Invalid{Type: "request", Got: strconv.Itoa(len(body)) + " bytes", Want: "at most " + strconv.Itoa(MaxBody) + " bytes"}
		}
		read := json.NewDecoder(bytes.NewReader(body))
		if header.Get(HeaderType) == "" {
			// Nobody says that a program wrote it, so a person typed it: a misspelt expect_epoch must not become a swap without a guard.
			read.DisallowUnknownFields()
		}
		if err := read.Decode(m); err != nil {
			if field, unknown := strings.CutPrefix(err.Error(), "json: unknown field "); unknown {
				return nil, &Invalid{Type: "request", Field: strings.Trim(field, `"`), Want: "one of target, reason, expect_epoch, plan_hash, override, epoch, step, for, hold, end, of, item, judge"}
			}
			return nil, invalidJSON("request", err)
		}
		if _, err := read.Token(); err != io.EOF {
			return nil, &Invalid{Type: "request", Want: "one JSON object and nothing after it"}
		}
	}
	for _, f := range []struct {
		name       string
		said, know string
		set        func(string)
	}{
		{"group", m.Group, known.Group, func(s string) { m.Group = s }},
		{"verb", string(m.Verb), string(known.Verb), func(s string) { m.Verb = Verb(s) }},
		{"actor", m.Actor, known.Actor, func(s string) { m.Actor = s }},
	} {
		switch {
		case f.know == "":
		case f.said == "":
			f.set(f.know)
		case f.said != f.know:
			return nil, &Invalid{Type: "request", Field: f.name, Got: strconv.Quote(clip(f.said, 80)), Want: strconv.Quote(f.know) + ", as the subject says"}
		}
	}
	if m.Actor == "" {
		m.Actor = ActorAnonymous
	}
	for _, id := range []string{header.Get(HeaderID), header.Get(HeaderMsgID), fresh} {
		if m.ID == "" {
			m.ID = id
		}
	}
	if err := Validate(m); err != nil {
		return nil, err
	}
	return m, nil
}
