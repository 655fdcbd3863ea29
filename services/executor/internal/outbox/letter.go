package outbox

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/subject"
)

// letter is one message on its way to one subject.
type letter struct {
	subject string
	message message.Message
}

// letters says what goes where. What a real run came to, safety rests on, and the events get a copy for people; what a rehearsal came to is an
// event and nothing else. That a step was begun is no event: its end is.
func (o *Outbox) letters(m message.Message) []letter {
	switch m := m.(type) {
	case *message.StepResult:
		copied := letter{message: &message.Event{
			ID: "ev." + m.ID, Group: m.Group, Kind: message.EventStep, Severity: stepSeverity(m), Sentence: stepSentence(m), Incident: m.Incident,
			Epoch: m.Epoch, DryRun: m.DryRun, Writer: o.writer, At: m.At, Step: m,
		}}
		copied.subject = subject.Event(m.Group, message.EventStep, o.writer)
		switch {
		case m.DryRun:
			return []letter{copied}
		case m.State == message.StateStarted:
			return []letter{{subject.Safety(m.Group, subject.SafetyStep, o.writer), m}}
		}
		return []letter{{subject.Safety(m.Group, subject.SafetyStep, o.writer), m}, copied}
	case *message.RunResult:
		copied := letter{message: &message.Event{
			ID: "ev." + m.ID, Group: m.Group, Kind: message.EventRun, Severity: runSeverity(m), Sentence: m.Sentence, Incident: m.Incident,
			Epoch: m.Epoch, Member: m.Primary, DryRun: m.DryRun, Writer: o.writer, At: m.At, Run: m,
		}}
		copied.subject = subject.Event(m.Group, message.EventRun, o.writer)
		if m.DryRun {
			return []letter{copied}
		}
		return []letter{{subject.Safety(m.Group, subject.SafetyRun, o.writer), m}, copied}
	case *message.Event:
		return []letter{{subject.Event(m.Group, m.Kind, o.writer), m}}
	}
	return nil
}

func stepSeverity(m *message.StepResult) message.Severity {
	switch {
	case m.DryRun || m.State == message.StateStarted:
		return message.Debug
	case m.State == message.StatePaused:
		return message.Critical
	case m.State == message.StateFailed:
		return message.Warning
	case m.State == message.StateSkipped:
		return message.Notice
	}
	return message.Info
}

func runSeverity(m *message.RunResult) message.Severity {
	switch m.State {
	case message.StatePaused, message.StateAborted:
		if !m.DryRun {
			return message.Critical
		}
	case message.StateEnded, message.StateSuperseded:
		if !m.DryRun {
			return message.Warning
		}
	case message.StateDone:
		return message.Notice
	}
	return message.Info
}

func stepSentence(m *message.StepResult) string {
	took := time.Duration(m.TookMicros) * time.Microsecond
	s := fmt.Sprintf("step %s, attempt %d, is %s", m.Step, m.Attempt, m.State)
	switch m.State {
	case message.StateDone:
		s = fmt.Sprintf("step %s was found done: %s", m.Step, cmp.Or(m.Found, m.Evidence, "nothing was to do"))
		if m.Applied {
			s = fmt.Sprintf("step %s is done after %s: %s", m.Step, took, cmp.Or(m.Evidence, m.Wanted, "it was applied"))
		}
		if m.DryRun {
			s = fmt.Sprintf("step %s would make it: %s; found: %s", m.Step, cmp.Or(m.Wanted, "as the plan says"), cmp.Or(m.Found, "not known"))
		}
	case message.StateFailed:
		s = fmt.Sprintf("step %s failed, attempt %d: %s", m.Step, m.Attempt, cmp.Or(m.Problem, "no reason was told"))
	case message.StatePaused:
		s = fmt.Sprintf("step %s waits for a person after attempt %d: %s", m.Step, m.Attempt, cmp.Or(m.Problem, "no reason was told"))
	case message.StateSkipped:
		s = fmt.Sprintf("step %s: %s", m.Step, cmp.Or(m.Evidence, "skipped"))
	}
	if m.DryRun {
		s = "dry run: " + s
	}
	if len(s) > 2000 {
		s = strings.ToValidUTF8(s[:2000], "") + "…"
	}
	return s
}
