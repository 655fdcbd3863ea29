package decider_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/services/decider"
)

// A switchover that is planned for a time is carried out once, whichever of the deciders find that it is due, and not by the one that was asked.
func TestAPlannedSwitchoverHappensOnce(t *testing.T) {
	t.Parallel()
	s := newStand(t, "manual")
	d1, stop1 := s.decide("d1")
	s.until(d1, "ready but for the mode", readyButMode)
	for ahead := 2 * time.Second; ; ahead *= 2 { // a machine that does much else may be later than that
		due := time.Now().Add(ahead).Truncate(time.Second)
		o := s.ask("switchover", fmt.Sprintf(`{"actor": "ana", "reason": "kernel", "due_us": %d}`, due.UnixMicro()))
		if o.Accepted {
			require.Contains(t, o.Sentence, "ana planned a switchover of web for")
			break
		}
		require.Equal(t, "R369", o.Reasons[0].Code, o.Sentence)
	}
	require.Len(t, s.commands(), 1, "it is only planned")
	stop1()
	d2, _ := s.decide("d2")
	d3, _ := s.decide("d3")
	for _, d := range []*decider.Decider{d2, d3} {
		s.until(d, "b is primary, and nothing is planned any more", func(st *message.GroupStatus) bool {
			return st.Primary == "b" && st.Held && st.Swap == nil && len(st.Agenda) == 0
		})
	}
	all := s.commands()
	require.Len(t, all, 2)
	require.Equal(t, []any{message.KindSwitchover, message.ActorSchedule, "ana", "planned by ana: kernel"}, []any{all[1].Kind, all[1].Actor, all[1].Planner, all[1].Why})
}
