package render_test

import (
	"testing"

	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/services/notifier/render"
	"github.com/isacloud/ha-manager/services/notifier/render/rendertest"
)

// The card tells how far the incident is after each event.
func TestSummaryFollowsTheIncident(t *testing.T) {
	t.Parallel()
	byName := map[string]*message.Event{}
	for _, s := range rendertest.Samples() {
		byName[s.Name] = s.Event
	}
	var s render.Summary
	for _, step := range []struct {
		event string
		want  render.Stage
	}{
		{"verdict-down", render.StageOpen},
		{"incident-opened", render.StageOpen},
		{"refused", render.StageRefused},
		{"decision", render.StageSwapping},
		{"run-started", render.StageSwapping},
		{"step-paused", render.StagePaused},
		{"note", render.StagePaused},
		{"step-done", render.StageSwapping},
		{"run-held", render.StageSwapping},
		{"run-done", render.StageSwapped},
		{"refused", render.StageSwapped},
		{"run-aborted", render.StageStopped},
		{"incident-closed", render.StageClosed},
	} {
		s = s.Apply(byName[step.event])
		if s.Stage != step.want {
			t.Errorf("after %s: %q, want %q", step.event, s.Stage, step.want)
		}
	}
	if s.Severity != message.Critical || s.Epoch != 7 || s.Began != byName["verdict-down"].Sentence || s.Until <= s.Since {
		t.Errorf("at the end: %+v", s)
	}
	if s.DryRun {
		t.Error("a real incident is marked as a dry run")
	}
}

// What was rehearsed is marked; what then really happened in the same incident must not be.
func TestSummaryDryRunEndsWithTheFirstRealSwap(t *testing.T) {
	t.Parallel()
	var s render.Summary
	for _, sample := range rendertest.Samples() {
		switch sample.Name {
		case "shadow":
			if s = s.Apply(sample.Event); !s.DryRun {
				t.Error("a shadow did not mark the card")
			}
		case "note":
			s = s.Apply(sample.Event)
		}
	}
	for _, sample := range rendertest.Samples() {
		if sample.Name == "decision" {
			if s = s.Apply(sample.Event); s.DryRun {
				t.Error("a real decision is shown as a dry run")
			}
		}
	}
}

func TestSummaryStaysWhereNothingLastingWasSaid(t *testing.T) {
	t.Parallel()
	var s render.Summary
	for _, sample := range rendertest.Samples() {
		switch sample.Name {
		case "decision":
			s = s.Apply(sample.Event)
		case "step-done":
			before := s.Now
			if s = s.Apply(sample.Event); s.Now != before {
				t.Errorf("a step that went as planned changed the card to %q", s.Now)
			}
		}
	}
}
