package core

import (
	"testing"
	"time"

	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec"
)

// A group whose spec was taken away has a record still. Whatever is asked of it is refused, whatever that record holds: a request that
// ended the decider would be delivered to the next one.
func TestWhateverIsAskedOfAGroupWhoseSpecIsGoneIsRefused(t *testing.T) {
	verbs := []message.Verb{
		message.VerbFailover, message.VerbSwitchover, message.VerbFailback, message.VerbDrill, message.VerbPause, message.VerbResume,
		message.VerbApprove, message.VerbReject, message.VerbRetry, message.VerbSkip, message.VerbAbort, message.VerbAdopt, message.VerbNote,
	}
	for _, run := range []message.State{"", message.StateStarted, message.StateDone, message.StateEnded, message.StateAborted} {
		for _, c := range []struct{ held, leased bool }{{false, false}, {true, false}, {false, true}, {true, true}} {
			held := c.held
			s, at := gone(run, c.held, c.leased)
			s.Status(at)
			for _, verb := range verbs {
				for _, target := range []string{"", "a", "b", "nobody"} {
					zero := uint64(0)
					for i, r := range []*message.Request{
						{}, {ExpectEpoch: &zero}, {PlanHash: "x"}, {Step: "open"}, {Reason: "because"},
					} {
						r.ID, r.Group, r.Verb, r.Target, r.Actor = string(verb)+target+epoch(uint64(i)), "web", verb, target, "ana"
						s.Preview(at, r)
						at.Mono += time.Millisecond
						var refused bool
						for _, out := range s.Step(at, RequestReceived{Request: r, Stored: at.Stream}) {
							if a, ok := out.(Answer); ok && a.Event.Outcome.Request == r.ID {
								refused = !a.Event.Outcome.Accepted
							}
						}
						if !refused {
							t.Errorf("%s of %q with the run %q, held %v: not refused", verb, target, run, held)
						}
					}
				}
			}
		}
	}
}

// gone is a group that was moved to b, and whose spec was then taken away. A leased one has a primary that is fenced.
func gone(state message.State, held, leased bool) (*State, Time) {
	s, at := New("web", "d1"), Time{Stream: 1e12, Wall: 1e12}
	var proposed []string
	in := func(in Input) {
		at.Mono += time.Millisecond
		for _, out := range s.Step(at, in) {
			if p, ok := out.(Propose); ok {
				proposed = append(proposed, p.Entry.MessageID())
			}
		}
	}
	in(LinkChanged{Up: true})
	in(SpecChanged{Spec: &spec.Group{Name: "web", Mode: spec.Auto, Members: []spec.Member{{Name: "a"}, {Name: "b"}}}})
	c := &message.Command{ID: "c1", Group: "web", Epoch: 1, Kind: message.KindFailover, From: "a", Primary: "b", Members: []string{"a", "b"}}
	if leased {
		c.Lease = &message.Lease{Deciders: []string{"d1"}, TTL: 1, Armed: true, Durability: message.NeverStop, Beside: []message.Beside{{Member: "a", Executor: "x"}, {Member: "b", Executor: "y"}}}
		in(SafetyRead{Message: &message.Fenced{Group: "web", Member: "b", Epoch: 1, Able: true}, Seq: 1, Stored: at.Stream})
	}
	in(ChainRead{Entry: c, Seq: 1, Stored: at.Stream, InOrder: true})
	if held {
		in(ChainRead{Entry: &message.Held{ID: "h1", Group: "web", Epoch: 1, Primary: "b", Command: "c1"}, Seq: 2, Stored: at.Stream, InOrder: true})
	}
	if state != "" {
		in(SafetyRead{Message: &message.RunResult{Group: "web", Epoch: 1, Command: "c1", State: state}, Seq: 1, Stored: at.Stream})
	}
	in(SpecChanged{})
	for _, id := range proposed { // none of them came to anything
		in(ProposalResolved{ID: id})
	}
	at.Mono += proposalPause
	return s, at
}
