package message

// Evaluation is what an executor found when it had the drivers of a plan look, without anybody having asked for a swap: what would stand in the way now.
// It is told when it changes, and again every few minutes; one that is older than EvaluationLife says nothing any more.
type Evaluation struct {
	ID    string `json:"id" validate:"required,max=192,id"`
	Group string `json:"group" validate:"required,name"`
	// Epoch and SpecRevision are those that the plan was made for: from Primary to To.
	Epoch        uint64 `json:"epoch" validate:"min=1"`
	SpecRevision uint64 `json:"spec_revision"`
	Primary      string `json:"primary" validate:"required,name"`
	To           string `json:"to" validate:"required,name"`
	Executor     string `json:"executor" validate:"required,name"`
	// Problems are the steps that would fail; empty: none of those that this executor may run.
	Problems []StepProblem `json:"problems" validate:"max=64,dive"`
	At       int64         `json:"at_us" validate:"min=0"`
}

// StepProblem is a step that would fail now.
type StepProblem struct {
	// Kind is that of the swap: failover or switchover.
	Kind    Kind   `json:"kind" validate:"required,oneof=failover switchover"`
	Step    string `json:"step" validate:"required,name"`
	Problem string `json:"problem" validate:"required,max=512"`
	// Mends says that it keeps nobody from taking over: something could not be asked, which may be over by itself, or the plan goes on where the step fails.
	// The rest is declared or set up wrongly.
	Mends bool `json:"mends,omitempty"`
}

func (m *Evaluation) MessageID() string    { return m.ID }
func (m *Evaluation) MessageGroup() string { return m.Group }
