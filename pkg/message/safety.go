package message

import "cmp"

// State of a step or of a run.
type State string

const (
	StateStarted    State = "started"    // entered in the journal, not yet known to be done
	StateDone       State = "done"       // done, or found done
	StateFailed     State = "failed"     // failed, will be retried, or the plan goes on
	StateSkipped    State = "skipped"    // skipped by a person or by the plan
	StatePaused     State = "paused"     // waits for a person: retry, skip or abort
	StateWaiting    State = "waiting"    // step only: an approval step waits for a person: approve or reject
	StateHeld       State = "held"       // run only: `held` is written, the swap only goes forward
	StateEnded      State = "ended"      // run only: a look step found that the swap is no longer right; nothing was applied
	StateAborted    State = "aborted"    // run only: by a person or by the plan
	StateSuperseded State = "superseded" // run only: a newer command took its place
)

// StepResult is what became of one step, once for each change of its state.
type StepResult struct {
	ID       string `json:"id" validate:"required,max=192,id"`
	Group    string `json:"group" validate:"required,name"`
	Epoch    uint64 `json:"epoch" validate:"min=1"`
	Command  string `json:"command" validate:"required,max=128"`
	Incident string `json:"incident,omitempty" validate:"max=128"`
	Step     string `json:"step" validate:"required,name"`
	Driver   string `json:"driver" validate:"required,name"`
	State    State  `json:"state" validate:"required,oneof=started done failed skipped paused waiting"`
	Attempt  int    `json:"attempt" validate:"min=1"`
	// Executor tells it. Holder is the executor that held the attempt; it is another one where that one did not come to telling.
	Executor string `json:"executor" validate:"required,name"`
	Holder   string `json:"holder,omitempty" validate:"omitempty,name"`
	DryRun   bool   `json:"dry_run,omitempty"`
	// Found is what was there before, Wanted what shall be: the difference that dry run prints.
	Found  string `json:"found,omitempty" validate:"max=2048"`
	Wanted string `json:"wanted,omitempty" validate:"max=2048"`
	// Applied says that the driver changed something; false where it was found done.
	Applied bool `json:"applied,omitempty"`
	// Evidence is what the driver saw or printed, secrets masked.
	Evidence string `json:"evidence,omitempty" validate:"max=8192"`
	Problem  string `json:"problem,omitempty" validate:"max=2048"`
	// TookMicros is the time from started to this state, on the executor's monotonic clock.
	TookMicros int64 `json:"took_us,omitempty" validate:"min=0"`
	At         int64 `json:"at_us" validate:"min=0"`
}

// By is the executor that did it: the one that held the attempt, where that is told.
func (m *StepResult) By() string { return cmp.Or(m.Holder, m.Executor) }

// RunResult is what became of a command as a whole, once for each change of its state.
type RunResult struct {
	ID       string `json:"id" validate:"required,max=192,id"`
	Group    string `json:"group" validate:"required,name"`
	Epoch    uint64 `json:"epoch" validate:"min=1"`
	Command  string `json:"command" validate:"required,max=128"`
	Kind     Kind   `json:"kind" validate:"required,oneof=adopt failover switchover resume reconfigure remedy"`
	Primary  string `json:"primary" validate:"required,name"`
	Incident string `json:"incident,omitempty" validate:"max=128"`
	State    State  `json:"state" validate:"required,oneof=started held paused done ended aborted superseded"`
	// Step is the one that a pause, an end or an abort is about.
	Step     string `json:"step,omitempty" validate:"omitempty,name"`
	Executor string `json:"executor" validate:"required,name"`
	DryRun   bool   `json:"dry_run,omitempty"`
	Sentence string `json:"sentence" validate:"required,max=2048"`
	// Drill is that of the command: set where it is part of a rehearsal.
	Drill *Drill `json:"drill,omitempty"`
	// ExecuteMicros is the time from the command's arrival to the last act step, VerifyMicros from there to the end of the last
	// verify step, on the executor's monotonic clock. Set when done.
	ExecuteMicros int64 `json:"execute_us,omitempty" validate:"min=0"`
	VerifyMicros  int64 `json:"verify_us,omitempty" validate:"min=0"`
	At            int64 `json:"at_us" validate:"min=0"`
}

// Instruction tells the executors what a person wants with a step that is paused, or waits for approval. Written by a decider.
// It counts only for that attempt, so that hearing it twice does nothing.
type Instruction struct {
	ID      string `json:"id" validate:"required,max=192,id"`
	Group   string `json:"group" validate:"required,name"`
	Epoch   uint64 `json:"epoch" validate:"min=1"`
	Step    string `json:"step" validate:"required,name"`
	Attempt int    `json:"attempt" validate:"min=1"`
	Verb    Verb   `json:"verb" validate:"required,oneof=retry skip approve reject"`
	Actor   string `json:"actor" validate:"required,name"`
	Reason  string `json:"reason,omitempty" validate:"max=1024"`
	Request string `json:"request,omitempty" validate:"max=128"`
	Decider string `json:"decider" validate:"required,name"`
	At      int64  `json:"at_us" validate:"min=0"`
}
