package decider

import (
	"testing"

	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/services/decider/core"
)

// An incident that cannot be written is asked for every second. Hours without the bus must not pile it up.
func TestOnlyTheNewestVersionOfAnIncidentWaits(t *testing.T) {
	l := newLane()
	for n := range uint64(10_000) {
		l.put(core.Record{Incident: &message.Incident{N: n}})
	}
	q := l.take()
	if len(q) != 1 || q[0].(core.Record).Incident.N != 9_999 {
		t.Fatalf("%d wait, want the newest alone", len(q))
	}
}

// What others wait for is never left out, nor is its order changed; of events only so many wait.
func TestALaneLeavesOutNothingButEvents(t *testing.T) {
	l := newLane()
	for range 2 * laneLimit {
		l.put(core.Tell{})
	}
	if !l.put(core.Answer{}) || !l.put(core.Propose{After: 1}) || !l.put(core.Propose{After: 2}) {
		t.Fatal("left out")
	}
	q := l.take()
	if len(q) != laneLimit+3 || q[len(q)-2].(core.Propose).After != 1 || q[len(q)-1].(core.Propose).After != 2 {
		t.Fatalf("%d wait", len(q))
	}
}
