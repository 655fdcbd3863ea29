package core

import (
	"testing"
	"time"

	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec"
)

// The bus went away under a request, for long. Its outcome is what the chain says when it is back: an entry may have been stored whose
// acknowledgement was lost.
func TestARequestIsNotRefusedForABusThatIsAway(t *testing.T) {
	s, at := New("web", "d1"), Time{Stream: 1e12, Wall: 1e12}
	in := func(in Input) (proposed message.Message, answer *message.Outcome) {
		at.Mono += time.Millisecond
		for _, out := range s.Step(at, in) {
			switch out := out.(type) {
			case Propose:
				proposed = out.Entry
			case Answer:
				answer = out.Event.Outcome
			}
		}
		return proposed, answer
	}
	in(LinkChanged{Up: true})
	in(SpecChanged{Spec: &spec.Group{Name: "web", Mode: spec.Auto, Members: []spec.Member{{Name: "a"}, {Name: "b"}}}})
	mark, _ := in(RequestReceived{Request: &message.Request{ID: "r1", Group: "web", Verb: message.VerbPause, Actor: "ana"}, Stored: at.Stream})
	if mark == nil {
		t.Fatal("nothing was proposed")
	}
	in(LinkChanged{})
	in(ProposalResolved{ID: mark.MessageID()}) // nobody knows
	for range 60 {
		at.Mono += time.Second
		if _, o := in(Tick{}); o != nil {
			t.Fatalf("answered while the bus is away: %+v", o)
		}
	}
	if _, o := in(ChainRead{Entry: mark, Seq: 1, Stored: at.Stream, InOrder: true}); o == nil || !o.Accepted {
		t.Fatalf("outcome %+v, want it accepted: it stands in the chain", o)
	}
}
