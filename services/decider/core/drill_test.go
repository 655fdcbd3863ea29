package core

import (
	"time"

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
				case tries == 0 && e.stored-done[there.ID] < m.Drill.Hold.Std().Microseconds():
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
