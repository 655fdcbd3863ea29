package replay

import (
	"testing"

	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/services/decider/core"
)

// A drill goes back as soon as the proxy serves the right member again: the word that allowed it and the command have one time by the bus's clock.
func TestWhatAProxyDoesComesBeforeTheDecisionThatRestsOnIt(t *testing.T) {
	d := &Decision{Command: &message.Command{Positions: map[string]uint64{"events": 7}}}
	older := &Decision{Command: &message.Command{Positions: map[string]uint64{"commands": 3}}}
	for _, c := range []struct {
		d              *Decision
		seq            uint64
		taken, certain bool
	}{{d, 7, true, true}, {d, 8, false, true}, {older, 7, false, false}} {
		taken, certain := c.d.had(&held{in: core.RouteRead{Seq: c.seq}, seq: c.seq}, nil, true)
		if certain != c.certain || certain && taken != c.taken {
			t.Errorf("word %d of a decision that read %v: taken %t, certain %t", c.seq, c.d.Command.Positions, taken, certain)
		}
	}
}
