package core

import "github.com/isacloud/ha-manager/pkg/message"

// Output is one thing to do. Outputs of one group are carried out in their order.
type Output interface{ output() }

// Propose asks for a place in the chain, right after the entry with sequence After (0: the chain is empty): compare-and-set. What
// becomes of it comes back as [ProposalResolved], the entry itself as [ChainRead].
type Propose struct {
	Entry message.Message
	After uint64
}

// Tell is an event to be stored. Its id is the same whichever decider tells it.
type Tell struct{ Event *message.Event }

// Answer is the outcome of a request: store the event (of kind outcome), then the request is done.
type Answer struct{ Event *message.Event }

// Send stores a request that is due by the calendar. Whichever deciders send it, it has the same id.
type Send struct{ Request *message.Request }

// Instruct is what a person wants with a paused step, to be stored with what safety rests on. It comes back as [SafetyRead].
type Instruct struct{ Instruction *message.Instruction }

// Record writes the group's incident if the table still holds Revision (0: nothing yet). It comes back as [IncidentRead].
type Record struct {
	Incident *message.Incident
	Revision uint64
}

// Keep stores the events of Tell, and then writes what was told of the group's figures if the table still holds Revision (0: nothing yet). It comes
// back as [ThresholdsRead].
type Keep struct {
	Tell       []*message.Event
	Thresholds *message.Thresholds
	Revision   uint64
}

// Reject puts an entry of the chain that contradicts it to the dead letters. It stays where it is and changes nothing.
type Reject struct {
	Seq    uint64
	Entry  message.Message
	Reason string
}

func (Propose) output()  {}
func (Tell) output()     {}
func (Answer) output()   {}
func (Send) output()     {}
func (Instruct) output() {}
func (Keep) output()     {}
func (Record) output()   {}
func (Reject) output()   {}
