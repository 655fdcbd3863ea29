package message

// Looked is what the steps of a plan would find now: an executor's answer on ham.v1.look.<executor> to a Preview with a
// plan in the body. Nothing was changed.
type Looked struct {
	Group    string `json:"group" validate:"required,name"`
	Executor string `json:"executor" validate:"required,name"`
	// Steps are those of the plan, in its order: done where it is so already, skipped where this executor may not run it, failed where it
	// could not look, and started where it would have something to do. Found and Wanted are the difference.
	Steps []StepResult `json:"steps" validate:"max=256,dive"`
}

func (m *Looked) MessageID() string    { return "looked." + m.Group + "." + m.Executor }
func (m *Looked) MessageGroup() string { return m.Group }
