package plan

import (
	"maps"

	"github.com/isacloud/ha-manager/pkg/message"
)

// Record is what is known of a run: one entry of the journal. It holds every step, so that a claim, an outcome and the end of
// the run are one compare-and-set each, and an executor that has not heard of a newer epoch cannot begin a step of this one
// after that epoch has closed it.
type Record struct {
	Group   string `json:"group"`
	Epoch   uint64 `json:"epoch"`
	Command string `json:"command"`
	DryRun  bool   `json:"dry_run,omitempty"`
	// State is started, held, done, ended, aborted or superseded. Step is what an end or an abort is about.
	State    message.State   `json:"state"`
	Step     string          `json:"step,omitempty"`
	Sentence string          `json:"sentence,omitempty"`
	Steps    map[string]Step `json:"steps,omitempty"`
	// Executor wrote this version.
	Executor string `json:"executor"`
	// ElapsedMicros is the time from the command's arrival to this version; ExecuteMicros to the end of the last act step.
	ElapsedMicros int64 `json:"elapsed_us,omitempty"`
	ExecuteMicros int64 `json:"execute_us,omitempty"`
	// At is the writer's wall clock, for people.
	At int64 `json:"at_us"`
	// Told: everything up to the end was told on the bus.
	Told bool `json:"told,omitempty"`

	dirty bool
}

// Step is what is known of one step.
type Step struct {
	// State is started, done, failed, skipped, paused or waiting; "" stands for not begun.
	State   message.State `json:"state"`
	Attempt int           `json:"attempt"`
	// Executor and Boot hold the attempt: which executor, and which life of it. Take counts those that held it before.
	Executor string `json:"executor"`
	Boot     uint64 `json:"boot"`
	Take     int    `json:"take,omitempty"`
	// Beat grows while the holder works: a claim that stands still for long was left behind.
	Beat uint64 `json:"beat,omitempty"`
	// Doubt: an earlier try may have been applied, and nobody has seen since whether it was.
	Doubt bool `json:"doubt,omitempty"`
	// SinceMicros is when an approval step began to wait, in the run's time as ElapsedMicros counts it.
	SinceMicros int64 `json:"since_us,omitempty"`
	// Again: a person asked for another attempt. Final: failed, and the plan goes on or is over.
	Again bool `json:"again,omitempty"`
	Final bool `json:"final,omitempty"`

	Applied    bool   `json:"applied,omitempty"`
	Found      string `json:"found,omitempty"`
	Wanted     string `json:"wanted,omitempty"`
	Evidence   string `json:"evidence,omitempty"`
	Problem    string `json:"problem,omitempty"`
	TookMicros int64  `json:"took_us,omitempty"`
	At         int64  `json:"at_us,omitempty"`
}

// Over says that the run has come to its end, whatever that was.
func (r *Record) Over() bool {
	switch r.State {
	case message.StateDone, message.StateEnded, message.StateAborted, message.StateSuperseded:
		return true
	}
	return false
}

// Exists is false for the record of a run that nobody has begun.
func (r *Record) Exists() bool { return r.State != "" }

func (r *Record) clone() Record {
	c := *r
	c.Steps, c.dirty = maps.Clone(r.Steps), false
	if c.Steps == nil {
		c.Steps = map[string]Step{}
	}
	return c
}

func (r *Record) set(name string, s Step) {
	r.Steps[name] = s
	r.dirty = true
}

func (r *Record) finish(state message.State, step, sentence string) {
	r.State, r.Step, r.Sentence, r.dirty = state, step, sentence, true
}

// Has says that the executor has a part in the record.
func (r *Record) Has(executor string) bool {
	for _, s := range r.Steps {
		if s.Executor == executor {
			return true
		}
	}
	return r.Executor == executor
}

// TakenOver says that an attempt has another holder than in the version before.
func (r *Record) TakenOver(before Record) bool {
	for name, s := range r.Steps {
		if s.Take > before.Steps[name].Take {
			return true
		}
	}
	return false
}

// Without is the record with only what that executor has told already: its own steps and the run itself. With untold nothing is.
func (r *Record) Without(executor string, untold bool) Record {
	if untold {
		return Record{}
	}
	c := r.clone()
	for name, s := range c.Steps {
		if s.Executor != executor {
			delete(c.Steps, name)
		}
	}
	return c
}

// settled: nothing more will happen to the step.
func (s Step) settled() bool {
	switch s.State {
	case message.StateDone, message.StateSkipped:
		return true
	case message.StateFailed:
		return s.Final
	}
	return false
}

// maxText bounds each text of a step in the record, in bytes: 256 steps of four texts stay far below what one entry may hold.
const maxText = 400
