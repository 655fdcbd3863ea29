package core

import (
	"testing"

	"github.com/isacloud/ha-manager/pkg/message"
)

// The audit log knows of each press who, how and from where, whether it was accepted or refused.
func TestAnOutcomeSaysWhoAskedFromWhere(t *testing.T) {
	s, at := gone(message.StateDone, true, false)
	r := &message.Request{ID: "rq-1", Group: "web", Verb: message.VerbPause, Actor: "ana", Via: "console", From: "192.0.2.7:4711"}
	for _, out := range s.Step(at, RequestReceived{Request: r, Stored: at.Stream}) {
		if a, ok := out.(Answer); ok {
			if e := a.Event; e.Actor != "ana" || e.Via != "console" || e.From != "192.0.2.7:4711" {
				t.Errorf("the outcome says %q by %q from %q", e.Actor, e.Via, e.From)
			}
			return
		}
	}
	t.Error("no outcome")
}
