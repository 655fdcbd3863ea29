package message_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/isacloud/ha-manager/pkg/message"
)

// TestUnknownTypeAndVersion: what this program does not know it never guesses at.
func TestUnknownTypeAndVersion(t *testing.T) {
	body := read(t, "testdata/held.json")
	for ceType, want := range map[string]struct {
		is   error
		text string
	}{
		"io.isacloud.ham.v2.held":   {message.ErrUnknownVersion, `unknown message version: ce-type is "io.isacloud.ham.v2.held", this program knows v1 of held`},
		"io.isacloud.ham.v11.held":  {message.ErrUnknownVersion, `unknown message version: ce-type is "io.isacloud.ham.v11.held", this program knows v1 of held`},
		"io.isacloud.ham.1.held":    {message.ErrUnknownVersion, `unknown message version: ce-type is "io.isacloud.ham.1.held", this program knows v1 of held`},
		"io.isacloud.ham.v1.hold":   {message.ErrUnknownType, `unknown message type: "io.isacloud.ham.v1.hold"`},
		"io.isacloud.ham.v1.held.x": {message.ErrUnknownType, `unknown message type: "io.isacloud.ham.v1.held.x"`},
		"com.example.held":          {message.ErrUnknownType, `unknown message type: ce-type is "com.example.held", want io.isacloud.ham.v1.<name>`},
		"":                          {message.ErrUnknownType, `unknown message type: ce-type is "", want io.isacloud.ham.v1.<name>`},
		"io.isacloud.ham.v1." + strings.Repeat("held", 100): {message.ErrUnknownType, `unknown message type: "io.isacloud.ham.v1.` + strings.Repeat("held", 15) + `h…"`},
	} {
		_, err := message.Decode(message.Header{message.HeaderType: {ceType}}, body)
		require.ErrorIs(t, err, want.is, ceType)
		require.EqualError(t, err, want.text)
		if ceType != "" {
			require.ErrorIs(t, message.DecodeAs(message.Header{message.HeaderType: {ceType}}, body, new(message.Held)), want.is, ceType)
		}
	}
}

// TestDecodeAs takes its own type only, and a header without a type for it.
func TestDecodeAs(t *testing.T) {
	body := read(t, "testdata/held.json")
	var m message.Held
	require.NoError(t, message.DecodeAs(nil, body, &m))
	require.Equal(t, uint64(4), m.Epoch)
	require.EqualError(t, message.DecodeAs(message.Header{message.HeaderType: {"io.isacloud.ham.v1.mark"}}, body, &m), "invalid message: held: got a mark, want a held")
}

// TestWhatIsNoMessage: bodies that are not what their type promises, and what is said of them.
func TestWhatIsNoMessage(t *testing.T) {
	for body, want := range map[string]string{
		``:                                     `invalid message: held: got unexpected end of JSON input, want one JSON object`,
		`null`:                                 `invalid message: held.id: got "", want a value`,
		`[]`:                                   `invalid message: held: got a list, want one JSON object`,
		`{"epoch": "4"}`:                       `invalid message: held.epoch: got a string, want a whole number that is not negative`,
		`{"epoch": -1}`:                        `invalid message: held.epoch: got -1, want a whole number that is not negative`,
		`{"id": "x"`:                           `invalid message: held: got unexpected end of JSON input, want one JSON object`,
		strings.Repeat("[", 1<<5):              `invalid message: held: got unexpected end of JSON input, want one JSON object`,
		strings.Repeat(" ", message.MaxBody+1): `invalid message: held: got 921601 bytes, want at most 921600 bytes`,
	} {
		_, err := message.Decode(header(new(message.Held)), []byte(body))
		require.ErrorIs(t, err, message.ErrInvalid)
		require.EqualError(t, err, want)
	}
	for body, want := range map[string]string{
		`{"id":"x","group":"web","paused":true,"for":1800}`:     `invalid message: mark: got 1800, want a duration in quotes with its unit, such as "300ms", "1.5s", "2m"`,
		`{"id":"x","group":"web","paused":true,"for":"1800"}`:   `invalid message: mark: got "1800", want a duration in quotes with its unit, such as "300ms", "1.5s", "2m"`,
		`{"id":"x","group":"web","paused":true,"for":"30 min"}`: `invalid message: mark: got "30 min", want a duration in quotes with its unit, such as "300ms", "1.5s", "2m"`,
	} {
		_, err := message.Decode(header(new(message.Mark)), []byte(body))
		require.EqualError(t, err, want)
	}
}

// edited is the golden file with some of its fields replaced; a value of nil takes the field out.
func edited(t *testing.T, path string, edit map[string]any) []byte {
	t.Helper()
	var m map[string]any
	require.NoError(t, json.Unmarshal(read(t, path), &m))
	for k, v := range edit {
		at, parts := m, strings.Split(k, ".")
		for _, p := range parts[:len(parts)-1] {
			at = at[p].(map[string]any)
		}
		if v == nil {
			delete(at, parts[len(parts)-1])
		} else {
			at[parts[len(parts)-1]] = v
		}
	}
	b, err := json.Marshal(m)
	require.NoError(t, err)
	return b
}

// TestFieldsThatMustAgree: each rule about several fields has its example.
func TestFieldsThatMustAgree(t *testing.T) {
	type step = map[string]any
	look := step{"name": "look", "phase": "look", "driver": "assert", "on": "any", "timeout": "1s", "on_failure": "pause", "says": "look"}
	act := step{"name": "act", "phase": "act", "driver": "exec", "on": "executor:e1", "after": []string{"look"}, "timeout": "1s", "on_failure": "pause", "says": "act"}
	with := func(s step, k string, v any) step {
		out := step{}
		for key, value := range s {
			out[key] = value
		}
		out[k] = v
		return out
	}
	for _, c := range []struct {
		file string
		m    message.Message
		edit map[string]any
		want string // "": accepted
	}{
		{"request", &message.Request{}, map[string]any{"reason": " "}, `invalid message: request.reason: want a reason: overriding R302 is recorded with one`},
		{"request", &message.Request{}, map[string]any{"reason": "because", "override": []string{"R1"}}, ""},
		{"command", &message.Command{}, map[string]any{"primary": "c"}, `invalid message: command.primary: got "c", want one of members: a, b`},
		{"command", &message.Command{}, map[string]any{"from": nil}, `invalid message: command.from: got "", want the member that is primary now, other than b`},
		{"command", &message.Command{}, map[string]any{"from": "b"}, `invalid message: command.from: got "b", want the member that is primary now, other than b`},
		{"command", &message.Command{}, map[string]any{"from": nil, "kind": "resume", "drill": nil}, ""},
		{"command", &message.Command{}, map[string]any{"kind": "failover"}, `invalid message: command.kind: got "failover", want switchover: a drill moves roles in no other way`},
		{"command", &message.Command{}, map[string]any{"drill.home": "b"}, `invalid message: command.drill.home: got "b", want "a", which is primary before the drill and after it`},
		{"command", &message.Command{}, map[string]any{"drill.way": "back"}, `invalid message: command.drill.home: got "a", want "b", which is primary before the drill and after it`},
		{"command", &message.Command{}, map[string]any{"drill.hold": "24h1s"}, `invalid message: command.drill.hold: got 24h0m1s, want 0s to 24h0m0s`},
		{"command", &message.Command{}, map[string]any{"drill.hold": "24h"}, ""},
		{"request-drill", &message.Request{}, map[string]any{"hold": "-1s"}, `invalid message: request.hold: got -1s, want at least 0ns`},
		{"request-drill", &message.Request{}, map[string]any{"hold": "24h1s"}, `invalid message: request.hold: got 24h0m1s, want 0s to 24h0m0s`},
		{"request-drill", &message.Request{}, map[string]any{"hold": "0s"}, ""},
		{"request-drill", &message.Request{}, map[string]any{"hold": nil}, ""},
		{"request-drill", &message.Request{}, map[string]any{"end": "stay"}, `invalid message: request.hold: got 2m0s, want nothing: the drill is to end`},
		{"request-drill", &message.Request{}, map[string]any{"verb": "switchover"}, `invalid message: request.hold: got 2m0s, want nothing: only a drill holds`},
		{"request-drill-back", &message.Request{}, map[string]any{"verb": "failback"}, `invalid message: request.end: got "back", want nothing: only a drill is ended so`},
		{"request-drain-renew", &message.Request{}, map[string]any{"of": "web.maintenance.1"}, ""},
		{"request-drain-renew", &message.Request{}, map[string]any{"renew": false, "of": "web.maintenance.1"}, `invalid message: request.of: got "web.maintenance.1", want nothing: only a drain that renews a maintenance is about one`},
		{"request-drain-renew", &message.Request{}, map[string]any{"verb": "undrain"}, `invalid message: request.renew: got true, want nothing: only a drain renews a maintenance`},
		{"command", &message.Command{}, map[string]any{"plan.steps": []step{look, act}}, ""},
		{"command", &message.Command{}, map[string]any{"plan.steps": []step{with(act, "after", []string{}), look}}, `invalid message: command.plan.steps[1].phase: got "look", want look steps first, then release, then act, then verify: after act comes no look`},
		{"command", &message.Command{}, map[string]any{"plan.steps": []step{look, with(act, "phase", "verify"), with(act, "name", "late")}}, `invalid message: command.plan.steps[2].phase: got "act", want look steps first, then release, then act, then verify: after verify comes no act`},
		{"command", &message.Command{}, map[string]any{"plan.steps": []step{look, with(act, "name", "look")}}, `invalid message: command.plan.steps[1].name: got "look", want a name that no other step has`},
		{"command", &message.Command{}, map[string]any{"plan.steps": []step{look, with(act, "after", []string{"act"})}}, `invalid message: command.plan.steps[1].after: got "act", want the name of a step that stands before this one`},
		{"command", &message.Command{}, map[string]any{"plan.steps": []step{look, with(act, "on", "executor:")}}, `invalid message: command.plan.steps[1].on: got "executor:", want any, new, old, member or executor:<name>`},
		{"command", &message.Command{}, map[string]any{"plan.steps": []step{look, with(act, "on", "e1")}}, `invalid message: command.plan.steps[1].on: got "e1", want any, new, old, member or executor:<name>`},
		{"event-shadow", &message.Event{}, map[string]any{"command.primary": "c"}, `invalid message: event.command.primary: got "c", want one of members: a, b`},
		{"event-shadow", &message.Event{}, map[string]any{"command.plan.steps": []step{act}}, `invalid message: event.command.plan.steps[0].after: got "look", want the name of a step that stands before this one`},
		{"preview", &message.Preview{}, map[string]any{"plan.steps": []step{act}}, `invalid message: preview.plan.steps[0].after: got "look", want the name of a step that stands before this one`},
		{"preview", &message.Preview{}, map[string]any{"plan": nil}, ""},
	} {
		_, err := message.Decode(header(c.m), edited(t, "testdata/"+c.file+".json", c.edit))
		if c.want == "" {
			require.NoError(t, err, "%s %v", c.file, c.edit)
			continue
		}
		require.EqualError(t, err, c.want)
		require.ErrorIs(t, err, message.ErrInvalid)
	}
}

// TestNothingInvalidLeaves: Encode refuses what Decode would.
func TestNothingInvalidLeaves(t *testing.T) {
	_, _, err := message.Encode(&message.Held{}, "/ham/test/t1", time.Now())
	require.EqualError(t, err, `invalid message: held.id: got "", want a value`)
	var big message.DeadLetter
	require.NoError(t, json.Unmarshal(read(t, "testdata/deadletter.json"), &big))
	big.Body = make([]byte, message.MaxBody)
	_, _, err = message.Encode(&big, "/ham/test/t1", time.Now())
	require.ErrorIs(t, err, message.ErrInvalid)
	require.ErrorContains(t, err, "want at most 921600 bytes")
}
