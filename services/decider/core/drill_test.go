package core

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/isacloud/ha-manager/pkg/message"
)

// auditDrills holds every way back of a drill to the chain as it was when it was written, without asking any decider.
func (w *world) auditDrills(bad complain) {
	done := map[string]int64{} // command: when an executor had carried it through
	for _, in := range w.log {
		if in, ok := in.(SafetyRead); ok {
			if r, ok := in.Message.(*message.RunResult); ok && r.State == message.StateDone {
				done[r.Command] = in.Stored
			}
		}
	}
	var (
		there, back *message.Command // of the drill that runs; back is its newest try
		tries       int
		primary     string // while it runs
	)
	for _, e := range w.chain {
		switch m := e.m.(type) {
		case *message.Held:
			if back != nil && m.Command == back.ID {
				primary = back.Primary
			}
		case *message.DrillEnd:
			if there != nil && m.Drill == there.Drill.ID {
				there, back = nil, nil
			}
		case *message.Command:
			if back != nil && done[back.ID] > 0 && done[back.ID] <= e.stored {
				there, back = nil, nil // it was over
			}
			switch {
			case m.Drill != nil && m.Drill.Way == message.WayThere:
				if there != nil {
					bad("epoch %d begins a drill while %s runs", m.Epoch, there.Drill.ID)
				}
				there, back, tries, primary = m, nil, 0, m.Primary
			case m.Drill != nil:
				switch {
				case there == nil || there.Drill.ID != m.Drill.ID:
					bad("epoch %d goes back with %s, which does not run any more", m.Epoch, m.Drill.ID)
					continue
				case m.From != there.Primary || m.Primary != there.From:
					bad("epoch %d goes back from %s to %s, and the way there was from %s to %s", m.Epoch, m.From, m.Primary, there.From, there.Primary)
				case done[there.ID] == 0 || done[there.ID] > e.stored:
					bad("epoch %d goes back before the way there was done", m.Epoch)
				case m.Request != "":
				case tries == 0 && m.Rule != ruleHalted && e.stored-done[there.ID] < m.Drill.Hold.Std().Microseconds():
					bad("epoch %d goes back %s after the way there was done, and the hold is %s", m.Epoch, time.Duration(e.stored-done[there.ID])*time.Microsecond, m.Drill.Hold)
				case tries >= drillTries:
					bad("epoch %d is try %d to go back", m.Epoch, tries+1)
				}
				tries, back = tries+1, m
			case there == nil:
			case m.Request == "" && m.Primary == primary && (m.Kind == message.KindReconfigure || m.Kind == message.KindResume && m.Rule != "R222"):
			default:
				there, back = nil, nil // interrupted
			}
		}
	}
}

// TestADrillNeedsNoRequest: whatever else begins a drill hands it to command, and all that follows is the same.
func TestADrillNeedsNoRequest(t *testing.T) {
	w := newWorld(pair())
	d := w.start("d1")
	w.route("front", "tcp://192.0.2.2:9999", "a")
	w.run(19 * time.Second)
	q := question{
		who: drillAsked, kind: message.KindSwitchover, from: "a", to: "b",
		drill: &message.Drill{Way: message.WayThere, Home: "a", Hold: message.Duration(5 * time.Second), Actor: "calendar", Why: "every month"},
	}
	require.Empty(t, d.s.refusals(d.time(), q))
	rule := requestRules[10].Rule
	require.Equal(t, "R411", rule.Code)
	d.s.command(d.time(), q, &rule, words{"actor": "calendar", "from": "a", "to": "b", "hold": "5s", "reason": ""}, nil)
	d.feed(Tick{}) // which hands it out
	w.run(20 * time.Second)
	_, c := w.newest()
	require.Equal(t, &message.Drill{ID: "web-drill-2", Way: message.WayThere, Home: "a", Hold: message.Duration(5 * time.Second), Actor: "calendar", Why: "every month"}, c.Drill)
	require.Equal(t, "calendar", c.Actor)
	require.NotEmpty(t, d.s.refusals(d.time(), q), "while it runs")
	w.run(60 * time.Second)
	_, c = w.newest()
	require.Equal(t, message.WayBack, c.Drill.Way)
	require.Equal(t, "a", c.Primary)
	require.Equal(t, message.DrillDone, d.s.drill.how)
	require.Empty(t, audit(w))
}

// TestSimulationsRehearse: an oracle that never sees a drill, a try of a ladder or a step that waits for approval holds nothing to anything.
func TestSimulationsRehearse(t *testing.T) {
	there, back, over, tries, waits := 0, 0, 0, 0, 0
	for seed := range uint64(8) {
		w := simulateWith(seed, withSteps(seed), func(*world) {})
		for _, in := range w.log {
			if read, ok := in.(SafetyRead); ok {
				if r, ok := read.Message.(*message.StepResult); ok && r.State == message.StateWaiting {
					waits++
				}
			}
		}
		for _, e := range w.chain {
			switch m := e.m.(type) {
			case *message.Command:
				if m.Remedy != nil && m.Remedy.Over == "" {
					tries++
				}
				if m.Drill != nil && m.Drill.Way == message.WayThere {
					there++
				} else if m.Drill != nil {
					back++
				}
			case *message.DrillEnd:
				over++
			}
		}
	}
	require.True(t, there > 2 && back > 0, "%d drills, %d ways back, %d ended where they were", there, back, over)
	require.True(t, tries > 2 && waits > 2, "%d tries of ladders, %d steps that waited for approval", tries, waits)
	t.Logf("%d drills, %d ways back, %d ended where they were; %d tries, %d approvals", there, back, over, tries, waits)
}
