package core

import (
	"time"

	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec"
)

// Time is when an input came, on three clocks, each for its own purpose.
type Time struct {
	// Mono is the decider's own monotonic clock since it started: silence, rows of looks, stability, limits.
	Mono time.Duration
	// Stream is the bus's clock in Unix microseconds, as well as the decider knows it: cool-down, budget, pause, undo window.
	Stream int64
	// Wall is the decider's wall clock in Unix microseconds. It is written into messages and compared with nothing.
	Wall int64
}

// Input is one thing that happened.
type Input interface{ input() }

// HeartbeatSeen is an observation that came in, always as a pointer: the caller may use it again for the next one, as Step keeps nothing of
// it. The same look may come twice, heard and from the stream: the earlier copy counts.
type HeartbeatSeen struct {
	Heartbeat *message.Heartbeat
	// Seq and Stored (Unix microseconds) are the stream's; 0 where it was heard before it was stored.
	Seq    uint64
	Stored int64
}

// RequestReceived is something that a person or a program asks for. Each stays with the decider that was given it until its Answer.
type RequestReceived struct {
	Request *message.Request
	// Stored is when the stream took it, in Unix microseconds.
	Stored int64
}

// ChainRead is an entry of the group's chain, as the stream holds it.
type ChainRead struct {
	// Entry is a *message.Command, *message.Held or *message.Mark; nil for a message that is none: it holds a place in the chain and nothing else.
	Entry message.Message
	Seq   uint64
	// Stored is the stream's timestamp in Unix microseconds.
	Stored int64
	// InOrder says that it comes from a reader that leaves nothing out. Otherwise Prev is the sequence of the entry before it, and the
	// entry is passed over unless that one was read: the reader in order will bring it.
	InOrder bool
	Prev    uint64
}

// SafetyRead is a result, an instruction, or a word about a lease: a *message.StepResult, *message.RunResult, *message.Instruction,
// *message.Fenced or *message.Replication.
type SafetyRead struct {
	Message message.Message
	Seq     uint64
	Stored  int64
}

// SpecChanged is what the operator declares from now on; nil: the group is gone.
type SpecChanged struct{ Spec *spec.Group }

// RouteRead is what an executor saw of one proxy.
type RouteRead struct {
	Route *message.RouteSeen
	Seq   uint64 // of the event that told it
	// Executor is who saw it: of several, one may be cut off from a proxy that another reaches.
	Executor string
}

// IncidentRead is the group's newest incident, as the table holds it.
type IncidentRead struct {
	Incident *message.Incident
	Revision uint64
	Stored   int64
}

// ThresholdsRead is what was told of the group's figures, as the table holds it.
type ThresholdsRead struct {
	Thresholds *message.Thresholds
	Revision   uint64
}

// OutcomeRead is the outcome of a request, from whichever decider.
type OutcomeRead struct{ Outcome *message.Outcome }

// ShadowRead is a swap that was recorded in dry run, from whichever decider.
type ShadowRead struct{ Command *message.Command }

// JudgedRead is what a person said of an entry of the shadow ledger, stored in Unix microseconds.
type JudgedRead struct {
	Judgement *message.Judgement
	Stored    int64
}

// ClientsRead is what some decider told of what clients lost: an outage that began, or is over.
type ClientsRead struct{ Outage *message.ClientsOutage }

// LinkChanged says whether the bus is there. Up is fed once the chain and the safety messages were read to their end.
type LinkChanged struct{ Up bool }

// RecordChanged says whether the bus answers for the stream of decisions. The link may be there, heartbeats may pass, and a majority of the servers
// that keep the record be gone all the same: then nothing can be decided.
type RecordChanged struct{ Answers bool }

// ProposalResolved is what became of a [Propose].
type ProposalResolved struct {
	ID string
	// Seq is that of the entry which took the place in the chain, own or another's; 0: unknown, or surely not stored.
	Seq uint64
}

// ExecutorsSeen are those that answered when they were last called. See [State] for how long an executor may be unheard of.
type ExecutorsSeen struct{ Names []string }

// SteadyTold says for how long members had been steady that are up: what a record says of the moment of a decision. Replay alone feeds it, at that
// moment; a member that is not up there is not helped by it.
type SteadyTold struct{ For map[string]time.Duration }

// Tick says only that time has passed. The shell sends one every 50 ms or so: see [StallLimit].
type Tick struct{}

func (*HeartbeatSeen) input()   {}
func (RequestReceived) input()  {}
func (ChainRead) input()        {}
func (SafetyRead) input()       {}
func (SpecChanged) input()      {}
func (RouteRead) input()        {}
func (IncidentRead) input()     {}
func (ThresholdsRead) input()   {}
func (OutcomeRead) input()      {}
func (ShadowRead) input()       {}
func (JudgedRead) input()       {}
func (ClientsRead) input()      {}
func (LinkChanged) input()      {}
func (RecordChanged) input()    {}
func (ProposalResolved) input() {}
func (ExecutorsSeen) input()    {}
func (SteadyTold) input()       {}
func (Tick) input()             {}
