package message

import "encoding/json"

// Kind is what a command does to the group's roles.
type Kind string

const (
	// KindAdopt records the roles that were observed as epoch 1, or a drifted state as a new epoch.
	KindAdopt Kind = "adopt"
	// KindFailover moves the primary without the old one's help.
	KindFailover Kind = "failover"
	// KindSwitchover moves it with both sides healthy. A failback is a switchover.
	KindSwitchover Kind = "switchover"
	// KindResume names the primary of the last held epoch again: after an abort, or after a failover that was ended.
	KindResume Kind = "resume"
	// KindReconfigure changes members, deciders, ttl or armed; the primary stays.
	KindReconfigure Kind = "reconfigure"
)

// Command is what was decided, once per group and epoch. It is an entry of the group's chain.
//
// Invariant: epochs of a group only grow, and each has at most one command. The
// stream holds it: a command is written expecting the sequence of the chain entry before it.
type Command struct {
	ID    string `json:"id" validate:"required,max=128,id"`
	Group string `json:"group" validate:"required,name"`
	Epoch uint64 `json:"epoch" validate:"min=1"`
	Kind  Kind   `json:"kind" validate:"required,oneof=adopt failover switchover resume reconfigure remedy"`
	// Primary is the member that is primary once the epoch is held; From the one before (empty at first).
	Primary string `json:"primary" validate:"required,name"`
	From    string `json:"from,omitempty" validate:"omitempty,name"`
	// Members are those that may be primary in a later epoch, Primary included, sorted.
	Members []string `json:"members" validate:"min=1,max=64,dive,name"`
	// Lease is set where at most one member may act as primary.
	Lease *Lease `json:"lease,omitempty"`

	// Rule is the code of the rule that fired, Sentence what it says here.
	Rule     string   `json:"rule" validate:"required,max=16"`
	Sentence string   `json:"sentence" validate:"required,max=1024"`
	Evidence []View   `json:"evidence,omitempty" validate:"max=256,dive"`
	Reasons  []Reason `json:"reasons,omitempty" validate:"max=64,dive"` // what was overridden
	Incident string   `json:"incident,omitempty" validate:"max=128"`
	Request  string   `json:"request,omitempty" validate:"max=128"`
	Actor    string   `json:"actor,omitempty" validate:"max=64"`
	Why      string   `json:"why,omitempty" validate:"max=1024"` // the asker's reason
	// Approver is the second person, where the group wants two.
	Approver string `json:"approver,omitempty" validate:"max=64"`
	// Planner is who planned it for its time, where the schedule asked for it.
	Planner string `json:"planner,omitempty" validate:"max=64"`
	// Drill is set where the command is part of a rehearsal.
	Drill *Drill `json:"drill,omitempty"`
	// Remedy is set, and only then, where the kind is remedy.
	Remedy *Remedy `json:"remedy,omitempty"`

	// DryRun commands never stand in the chain: they travel as a shadow event and are rehearsed.
	DryRun bool `json:"dry_run,omitempty"`
	Plan   Plan `json:"plan"`

	SpecRevision uint64 `json:"spec_revision"`
	// Positions are the last stream sequences that the decision rests on, so that replay can follow it.
	Positions map[string]uint64 `json:"positions,omitempty" validate:"max=16"`
	// Basis is what the decision rests on that no stream holds.
	Basis   *Basis `json:"basis,omitempty"`
	Decider string `json:"decider" validate:"required,name"`
	// DetectMicros is the time from the first failing observation to the verdict, DecideMicros from there to
	// this command, both on the decider's monotonic clock. Zero for swaps that were asked for.
	DetectMicros int64 `json:"detect_us,omitempty" validate:"min=0"`
	DecideMicros int64 `json:"decide_us,omitempty" validate:"min=0"`
	// At is the decider's wall clock in Unix microseconds, for people.
	At int64 `json:"at_us" validate:"min=0"`
}

// Basis is what only the decider itself knew when it decided: when that was, since when it watched, and which looks it had heard. With it and
// with what the streams hold the decision can be made again, by whoever doubts it.
type Basis struct {
	// Stream is the bus's clock in Unix microseconds, as the decider knew it.
	Stream int64 `json:"stream_us" validate:"min=0"`
	// RunningMicros is for how long the decider had been running, WatchedMicros since when it had watched without a break.
	RunningMicros int64 `json:"running_us" validate:"min=0"`
	WatchedMicros int64 `json:"watched_us" validate:"min=0"`
	// WaitedMicros is for how long the decider had had the request that led to this.
	WaitedMicros int64 `json:"waited_us,omitempty" validate:"min=0"`
	// Looks are the newest look of each vantage that was heard until then: the first MaxLooks of them.
	Looks []HeardLook `json:"looks,omitempty" validate:"max=1024,dive"`
	// Executors are those that had ever answered the decider's call, by name: how many microseconds ago. Absent: it had called none.
	Executors map[string]int64 `json:"executors,omitempty" validate:"max=256"`
	// Heard says of the positions "commands" and "safety" how many microseconds ago the decider had that message: it may lie in its stream for long before
	// a busy decider has it. Absent: not said.
	Heard map[string]int64 `json:"heard_us,omitempty" validate:"max=16"`
	// Steady is for how many microseconds each member that was up had been steady. A decider or a bus without time to spare hears looks, and notices that
	// there were none, at other moments than the streams show.
	Steady map[string]int64 `json:"steady_us,omitempty" validate:"max=64"`
}

// MaxLooks bounds Basis.Looks.
const MaxLooks = 1024

// HeardLook names one heartbeat, and says how long ago it was heard.
type HeardLook struct {
	Member    string `json:"member" validate:"required,name"`
	Check     string `json:"check" validate:"required,name"`
	Vantage   string `json:"vantage" validate:"required,name"`
	Boot      string `json:"boot" validate:"required,max=32,id"`
	Seq       uint64 `json:"seq" validate:"min=1"`
	AgoMicros int64  `json:"ago_us" validate:"min=0"`
	// RowSeq is the look that the present row of failures began with, RowAgoMicros how long ago that was heard; 0: it does not fail.
	RowSeq       uint64 `json:"row_seq,omitempty"`
	RowAgoMicros int64  `json:"row_ago_us,omitempty" validate:"min=0"`
}

// View is what one vantage saw of one member, as evidence of a decision.
type View struct {
	Member   string `json:"member" validate:"required,name"`
	Vantage  string `json:"vantage" validate:"required,name"`
	Check    string `json:"check" validate:"required,name"`
	Says     string `json:"says" validate:"required,max=32"` // up, down, suspect, silent, blind, slow, unknown
	Hard     bool   `json:"hard,omitempty"`
	InARow   int    `json:"in_a_row,omitempty" validate:"min=0"`
	AgoMS    int64  `json:"ago_ms" validate:"min=0"` // age of the observation when the decision was made
	Evidence string `json:"evidence,omitempty" validate:"max=512"`
	Seq      uint64 `json:"seq,omitempty"`
}

// Held is the record that the primary of an epoch has taken over: an entry of the chain,
// written by an executor of that primary. After it the swap only goes forward.
//
// Invariant: at most one per epoch, and none once a newer command stands in the chain.
type Held struct {
	ID       string `json:"id" validate:"required,max=128,id"`
	Group    string `json:"group" validate:"required,name"`
	Epoch    uint64 `json:"epoch" validate:"min=1"`
	Primary  string `json:"primary" validate:"required,name"`
	Command  string `json:"command" validate:"required,max=128"`
	Executor string `json:"executor" validate:"required,name"`
	At       int64  `json:"at_us" validate:"min=0"`
}

// Mark pauses or unpauses a group. It stands in the chain, so that a pause that was
// acknowledged is seen by every decider before it can propose a swap: a proposal that did not
// read the mark fails its compare-and-set.
type Mark struct {
	ID     string `json:"id" validate:"required,max=128,id"`
	Group  string `json:"group" validate:"required,name"`
	Paused bool   `json:"paused"`
	// For is how long the pause lasts from its stream timestamp; zero: until unpaused.
	For     Duration `json:"for,omitempty" validate:"min=0"`
	Actor   string   `json:"actor" validate:"required,name"`
	Reason  string   `json:"reason,omitempty" validate:"max=1024"`
	Request string   `json:"request,omitempty" validate:"max=128"`
	Decider string   `json:"decider" validate:"required,name"`
	At      int64    `json:"at_us" validate:"min=0"`
}

// Plan is the ordered steps of a swap, compiled: an executor needs nothing else.
type Plan struct {
	// Graceful: both sides are expected to help.
	Graceful bool   `json:"graceful,omitempty"`
	Steps    []Step `json:"steps" validate:"max=256,dive"`
	// Hash identifies the steps together with the observations they rest on.
	Hash string `json:"hash" validate:"required,max=64"`
	// PredictedRTO is what this plan is expected to take from command to verified, from past runs; zero: unknown.
	PredictedRTO Duration `json:"predicted_rto,omitempty" validate:"min=0"`
	// Limit supersedes the swap when it has not been held by then.
	Limit Duration `json:"limit" validate:"min=0"`
}

// Phase says on which side of `held` a step stands.
type Phase string

const (
	// PhaseLook steps look and apply nothing; the first says whether the swap is still right.
	PhaseLook Phase = "look"
	// PhaseRelease steps change something before `held`, on the old primary's side: it gives up what the new one then takes.
	PhaseRelease Phase = "release"
	// PhaseAct steps come after `held` and change something.
	PhaseAct Phase = "act"
	// PhaseVerify steps look whether it worked. The swap is done when the last one is.
	PhaseVerify Phase = "verify"
)

// On failure of a step, after its retries.
const (
	FailPause = "pause" // wait for retry, skip or abort by a person (the default)
	FailAbort = "abort" // end the swap here
	FailGoOn  = "go-on" // record it, tell it, go on
)

// What is done about a step that no executor has begun.
const (
	UnclaimedGoOn  = "go-on" // it counts as failed, and the run goes on
	UnclaimedPause = "pause" // it waits for a person
)

// Step is one step of a plan.
type Step struct {
	Name   string `json:"name" validate:"required,name"`
	Phase  Phase  `json:"phase" validate:"required,oneof=look release act verify"`
	Driver string `json:"driver" validate:"required,name"`
	// With is the driver's own configuration; it decodes it strictly. References to secrets stay references.
	With json.RawMessage `json:"with,omitempty"`
	// On says where it runs: "any", "new", "old", "member" (the one that is mended), or "executor:<name>".
	On string `json:"on" validate:"required,max=80"`
	// Site is that of the member that On names; with "any", the site whose executors go first. Empty: unknown, or no matter.
	Site string `json:"site,omitempty" validate:"max=63"`
	// Executor is the only one that may run it: the one beside the member that On names. Empty: whoever serves the site.
	Executor string `json:"executor,omitempty" validate:"omitempty,name"`
	// After names steps that must be done or skipped before.
	After   []string `json:"after,omitempty" validate:"max=64,dive,name"`
	Timeout Duration `json:"timeout" validate:"min=1"`
	// Retries is how many more times it is tried after a failure, each after Backoff.
	Retries   int      `json:"retries,omitempty" validate:"min=0,max=100"`
	Backoff   Duration `json:"backoff,omitempty" validate:"min=0"`
	OnFailure string   `json:"on_failure" validate:"required,oneof=pause abort go-on"`
	// Unclaimed says what is done where no executor that may run it has begun it within some seconds: go-on, or pause for a person. Empty: it waits.
	Unclaimed string `json:"unclaimed,omitempty" validate:"omitempty,oneof=go-on pause"`
	// Unskippable steps cannot be skipped by a person.
	Unskippable bool `json:"unskippable,omitempty"`
	// Says is what the step does, in words: "send clients to b (s2) on tcp://192.0.2.2:9999".
	Says string `json:"says" validate:"required,max=512"`
}
