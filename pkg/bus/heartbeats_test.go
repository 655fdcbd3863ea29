package bus

import (
	"testing"

	"github.com/isacloud/ha-manager/pkg/message"
)

// With the first heartbeat that was stored and not heard, stored copies come as they are stored; once all are heard again they wait for each other.
func TestUnheardHeartbeatsAreReadAtOnce(t *testing.T) {
	r := hbReader{copies: map[hbKey]*hbCopies{}}
	came := func(boot string, seq uint64, heard bool) {
		r.hb = message.Heartbeat{Group: "web", Member: "a", Check: "alive", Vantage: "p1", Boot: boot, Seq: seq}
		r.copied(HeartbeatMeta{Heard: heard})
	}
	want := func(paused bool, when string) {
		t.Helper()
		if got := r.pause() > 0; got != paused {
			t.Errorf("%s: paused %t", when, got)
		}
	}
	want(true, "nothing came")
	came("one", 7, true)
	came("one", 7, false)
	want(true, "both copies came")
	came("one", 8, true)
	want(true, "heard, and not fetched yet")
	came("one", 9, false)
	want(false, "stored, and not heard")
	want(true, "nothing else since")
	came("two", 1, false)
	want(false, "a new run of the prober that is not heard")
	came("two", 2, true)
	came("two", 2, false)
	want(true, "it is heard again")
}
