package render

import (
	"slices"
	"time"

	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/words"
)

// Stage is how far an incident is, as far as its events told.
type Stage string

// Stages, in the order in which an incident usually goes through them.
const (
	StageOpen     Stage = "open"
	StageRefused  Stage = "open, no automatic swap"
	StageWould    Stage = "open, a swap would have happened"
	StageSwapping Stage = "swapping"
	StagePaused   Stage = "waits for a person"
	StageStopped  Stage = "swap stopped"
	StageSwapped  Stage = "swapped"
	StageClosed   Stage = "closed"
)

// Summary is what the one message of an incident shows: it is kept current while the incident goes on.
// The zero value knows nothing; Apply takes in the incident's events in their order.
type Summary struct {
	Group    string `json:"group"`
	Incident string `json:"incident"`
	Stage    Stage  `json:"stage"`
	// Severity is that of the most urgent event so far.
	Severity message.Severity `json:"severity"`
	// Began is how the incident began, Now what holds since the newest event that said something lasting.
	Began string `json:"began"`
	Now   string `json:"now"`
	Epoch uint64 `json:"epoch,omitempty"`
	Rule  string `json:"rule,omitempty"`
	// Since and Until are Unix microseconds, by the clocks of who told; Until is 0 while it is open.
	Since  int64     `json:"since_us"`
	Until  int64     `json:"until_us,omitempty"`
	DryRun bool      `json:"dry_run,omitempty"`
	Do     []Command `json:"do,omitempty"`

	speaker *words.Speaker
}

// In returns the summary in a language. It is for showing: what is kept stays English.
func (s Summary) In(lang words.Lang) Summary {
	sp := words.Of(lang)
	s.Began, s.Now, s.speaker = sp.Say(s.Began), sp.Say(s.Now), sp
	s.Do = slices.Clone(s.Do)
	for i := range s.Do {
		s.Do[i].Says = sp.T(s.Do[i].Says)
	}
	return s
}

// T says a word of the frame around the summary in its language.
func (s Summary) T(text string, args ...any) string { return Text{speaker: s.speaker}.T(text, args...) }

// Apply returns the summary after e. Events that say nothing lasting leave it as it was.
func (s Summary) Apply(e *message.Event) Summary {
	t := Event(e)
	if s.Incident == "" {
		s = Summary{Group: t.Group, Incident: t.Incident, Stage: StageOpen, Severity: e.Severity, Began: t.What, Since: e.At}
	}
	if e.Severity.AtLeast(s.Severity) {
		s.Severity = e.Severity
	}
	switch {
	case t.DryRun:
		s.DryRun = true
	case e.Kind == message.EventDecision, e.Kind == message.EventRun, e.Kind == message.EventStep:
		// The mode may change within an incident: what is real now must not stay marked as a rehearsal.
		s.DryRun = false
	}
	stage := s.stageAfter(e)
	// A step that goes as planned, a look that says the same: of these the thread tells, not the card.
	if stage == s.Stage && !e.Severity.AtLeast(message.Notice) && s.Now != "" {
		return s
	}
	s.Stage, s.Now = stage, t.What
	s.Do = t.Do
	if t.Epoch > 0 {
		s.Epoch = t.Epoch
	}
	if t.Code != "" {
		s.Rule = t.Code
	}
	s.Until = 0
	if stage == StageClosed {
		s.Until = e.At
	}
	return s
}

func (s Summary) stageAfter(e *message.Event) Stage {
	switch e.Kind {
	case message.EventIncident:
		if e.Opened != nil && !*e.Opened {
			return StageClosed
		}
		return StageOpen
	case message.EventDecision:
		return StageSwapping
	case message.EventShadow:
		return StageWould
	case message.EventRefused:
		if s.Stage == StageOpen || s.Stage == StageRefused {
			return StageRefused
		}
	case message.EventStep:
		if e.Step != nil && e.Step.State == message.StatePaused {
			return StagePaused
		}
		// A step that moves on again says that the person answered.
		if e.Step != nil && s.Stage == StagePaused && (e.Step.State == message.StateDone || e.Step.State == message.StateSkipped) {
			return StageSwapping
		}
	case message.EventRun:
		if e.Run == nil {
			return s.Stage
		}
		switch e.Run.State {
		case message.StateStarted, message.StateHeld:
			if e.Run.DryRun {
				return StageWould
			}
			return StageSwapping
		case message.StatePaused:
			return StagePaused
		case message.StateDone:
			if e.Run.DryRun {
				return StageWould
			}
			return StageSwapped
		case message.StateEnded, message.StateAborted, message.StateSuperseded:
			return StageStopped
		}
	}
	return s.Stage
}

// Head is the card's first line: "web-14: swapping".
func (s Summary) Head() string {
	h := s.Incident + ": " + s.T(string(s.Stage))
	if s.DryRun {
		h = s.T(DryRunMark) + ": " + h
	}
	return h
}

// Times says since when, and for how long where it is over.
func (s Summary) Times() string {
	from := time.UnixMicro(s.Since).UTC()
	out := s.T("since %s", from.Format("2006-01-02 15:04:05 UTC"))
	if s.Until > 0 {
		out += s.T(", over after %s", round(max(0, time.UnixMicro(s.Until).Sub(from))))
	}
	return out
}
