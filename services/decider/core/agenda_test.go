package core

import (
	"testing"
	"time"

	"github.com/isacloud/ha-manager/pkg/message"
)

// TestDueByAnothersClock: the decider that sends what is due and the one that decides it read the stream's clock over different ways. A few
// milliseconds between them do not cancel the drill; what comes long before its time or long after it is refused.
func TestDueByAnothersClock(t *testing.T) {
	due := time.Date(2026, 11, 22, 3, 0, 0, 0, time.UTC)
	q := question{who: drillAsked, request: &message.Request{Verb: message.VerbDrill, Due: due.UnixMicro()}}
	for ago, missed := range map[time.Duration]bool{
		-time.Hour: true, -3 * time.Second: true, -clocksApart: false, -3 * time.Millisecond: false, 0: false, MaxRequestAge: false, MaxRequestAge + time.Second: true,
	} {
		if w := wasMissed(nil, Time{Stream: due.Add(ago).UnixMicro()}, q); (w != nil) != missed {
			t.Errorf("%s after it was due: refused is %v, want %v", ago, w != nil, missed)
		}
	}
}
