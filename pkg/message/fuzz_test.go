package message_test

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/isacloud/ha-manager/pkg/message"
)

// FuzzDecode: whatever comes in, nothing panics; what is refused is refused for one of three reasons, and what is accepted can be
// written again and then reads the same.
func FuzzDecode(f *testing.F) {
	for _, m := range message.All() {
		for _, path := range goldens(f)[message.NameOf(m)] {
			f.Add(message.TypeOf(m), read(f, path))
		}
	}
	f.Add("io.isacloud.ham.v2.held", []byte("{}"))
	f.Add("", []byte(`{"id":"\u0000"}`))
	f.Fuzz(func(t *testing.T, ceType string, body []byte) {
		h := message.Header{message.HeaderType: {ceType}}
		m, err := message.Decode(h, body)
		if err != nil {
			if !errors.Is(err, message.ErrUnknownType) && !errors.Is(err, message.ErrUnknownVersion) && !errors.Is(err, message.ErrInvalid) {
				t.Fatalf("refused for no reason of the contract: %v", err)
			}
			if m != nil || len(err.Error()) > 2048 {
				t.Fatalf("refused, but %v, %d bytes of reason", m, len(err.Error()))
			}
			return
		}
		if message.TypeOf(m) != ceType {
			t.Fatalf("%s was read as %s", ceType, message.TypeOf(m))
		}
		h, out, err := message.Encode(m, "/ham/fuzz/f1", time.Unix(0, 0))
		if err != nil {
			// JSON may write a text longer than it was read; the limit holds both ways.
			if len(body) > message.MaxBody/8 {
				return
			}
			t.Fatalf("was accepted, but cannot be written: %v", err)
		}
		again, err := message.Decode(h, out)
		if err != nil {
			t.Fatalf("was written, but cannot be read: %v", err)
		}
		_, twice, err := message.Encode(again, "/ham/fuzz/f1", time.Unix(0, 0))
		if err != nil || string(twice) != string(out) {
			t.Fatalf("reads differently once written: %v\n%s\n%s", err, out, twice)
		}
	})
}

// FuzzDecodeRequest: requests come from anybody.
func FuzzDecodeRequest(f *testing.F) {
	for _, path := range goldens(f)["request"] {
		f.Add(read(f, path), "web", "failover", "ana")
	}
	f.Add([]byte(""), "web", "failover", "")
	f.Add([]byte(" \n"), "", "", "")
	f.Fuzz(func(t *testing.T, body []byte, group, verb, actor string) {
		known := message.Request{Group: group, Verb: message.Verb(verb), Actor: actor}
		m, err := message.DecodeRequest(nil, body, known, "rq-fresh")
		if err != nil {
			if !errors.Is(err, message.ErrInvalid) {
				t.Fatalf("refused for no reason of the contract: %v", err)
			}
			return
		}
		if group != "" && m.Group != group || verb != "" && string(m.Verb) != verb || actor != "" && m.Actor != actor {
			t.Fatalf("%+v speaks in the name of another than its subject: %+v", m, known)
		}
		if err := message.Validate(m); err != nil {
			t.Fatalf("accepted, but %v", err)
		}
	})
}

// TestDecodeRequest: what the body leaves out comes from the subject, and never against it.
func TestDecodeRequest(t *testing.T) {
	known := message.Request{Group: "web", Verb: message.VerbFailover}
	m, err := message.DecodeRequest(nil, nil, known, "rq-1")
	require.NoError(t, err)
	require.Equal(t, &message.Request{ID: "rq-1", Group: "web", Verb: message.VerbFailover, Actor: "anonymous"}, m)

	known.Actor = "ana"
	m, err = message.DecodeRequest(message.Header{message.HeaderMsgID: {"mine"}}, []byte(`{"target":"b"}`), known, "rq-1")
	require.NoError(t, err)
	require.Equal(t, &message.Request{ID: "mine", Group: "web", Verb: message.VerbFailover, Actor: "ana", Target: "b"}, m)

	for body, want := range map[string]string{
		`{"actor":"rui"}`:    `invalid message: request.actor: got "rui", want "ana", as the subject says`,
		`{"group":"db"}`:     `invalid message: request.group: got "db", want "web", as the subject says`,
		`{"verb":"abort"}`:   `invalid message: request.verb: got "abort", want "failover", as the subject says`,
		`{"target":"b.c"}`:   `invalid message: request.target: got "b.c", want 1 to 63 letters, digits, '-' or '_'`,
		`{"expect_epcoh":7}`: `invalid message: request.expect_epcoh: want one of target, reason, expect_epoch, plan_hash, override, epoch, step, for, hold, end, of, item, judge`,
		`{} {}`:              `invalid message: request: want one JSON object and nothing after it`,
		`now!`:               `invalid message: request: got invalid character 'o' in literal null (expecting 'u'), want one JSON object`,
		`{"id":"a\r\nb:c"}`:  `invalid message: request.id: got "a\r\nb:c", want an id without white space`,
	} {
		_, err := message.DecodeRequest(nil, []byte(body), known, "rq-1")
		require.EqualError(t, err, want)
	}
	// A program that says which type it writes may be newer than this one.
	_, err = message.DecodeRequest(message.Header{message.HeaderType: {"io.isacloud.ham.v1.request"}}, []byte(`{"later":1}`), known, "rq-1")
	require.NoError(t, err)
	_, err = message.DecodeRequest(message.Header{message.HeaderType: {"io.isacloud.ham.v1.mark"}}, nil, known, "rq-1")
	require.EqualError(t, err, "invalid message: request: got a mark, want a request")
	_, err = message.DecodeRequest(message.Header{message.HeaderType: {"io.isacloud.ham.v2.request"}}, nil, known, "rq-1")
	require.ErrorIs(t, err, message.ErrUnknownVersion)
}

// TestNames: a name is one token of a subject and one part of a key, in every system that it passes.
func TestNames(t *testing.T) {
	for _, good := range []string{"a", "web", "Web-2_x", "0", "_", string(make63('x'))} {
		require.True(t, message.IsName(good), good)
	}
	for _, bad := range []string{"", "a.b", ".", "*", ">", "a b", " a", "a\n", "é", "a/b", "a=b", "$a", string(make63('x')) + "x", "\x00", "\xff"} {
		require.False(t, message.IsName(bad), "%q", bad)
	}
}

func make63(c byte) []byte {
	b := make([]byte, message.MaxName)
	for i := range b {
		b[i] = c
	}
	return b
}

// TestSeverity: what nobody understands must not be hidden.
func TestSeverity(t *testing.T) {
	order := []message.Severity{message.Debug, message.Info, message.Notice, message.Warning, message.Critical, "apocalyptic"}
	for i, s := range order {
		for k, least := range order {
			require.Equal(t, i >= k, s.AtLeast(least), "%s at least %s", s, least)
		}
	}
}

// TestDurationsCarryTheirUnit on the wire, both ways.
func TestDurationsCarryTheirUnit(t *testing.T) {
	for _, d := range []time.Duration{0, 1, 300 * time.Millisecond, 90 * time.Second, 25 * time.Hour, -time.Second} {
		b, err := json.Marshal(message.Duration(d))
		require.NoError(t, err)
		var back message.Duration
		require.NoError(t, json.Unmarshal(b, &back))
		require.Equal(t, d, back.Std(), string(b))
	}
}
