package story

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/isacloud/ha-manager/pkg/bus"
	"github.com/isacloud/ha-manager/pkg/bus/embedded/bustest"
	"github.com/isacloud/ha-manager/pkg/subject"
)

// The disk takes no more writes. Nobody is told that something was stored which was not; the chain can still be read; and when there is
// room again everything goes on without anybody restarting anything, each proposal with its one true outcome.
func TestADiskThatCannotBeWrittenLosesNothingAndHealsWhenThereIsRoom(t *testing.T) {
	t.Parallel()
	srv := bustest.StartChild(t)
	b := bustest.Dial(t, bus.Options{Name: "d1", URLs: []string{srv.URL()}})
	bustest.Provision(t, b)
	after := uint64(0)
	propose := func(i int, d time.Duration) error {
		m := mark(fmt.Sprint("m", i), "web")
		m.Reason = strings.Repeat("why ", 250)
		r, err := b.Propose(within(t, d), subject.Command("web"), m, after)
		if err == nil {
			if !r.Won {
				t.Fatalf("%s lost to %s, though nobody else writes", m.ID, r.Entry.ID())
			}
			after = r.Entry.Seq
		}
		return err
	}
	won := 0
	srv.LimitFiles(8000)
	var err error
	for ; err == nil; won++ {
		if won > 100 {
			t.Fatal("the disk takes everything: this shows nothing")
		}
		err = propose(won, time.Second)
	}
	won--
	if !errors.Is(err, bus.ErrUnknownOutcome) && !errors.Is(err, bus.ErrUnavailable) {
		t.Fatalf("with a full disk: %v", err)
	}
	if es := chain(t, b, "web"); len(es) != won {
		t.Fatalf("the chain has %d entries, %d were acknowledged", len(es), won)
	}
	srv.LimitFiles(0)
	if err := propose(won, time.Minute); err != nil { // the same one again, as an unknown outcome demands
		t.Fatalf("with room again: %v", err)
	}
	if err := propose(won+1, time.Minute); err != nil {
		t.Fatal(err)
	}
	want := ""
	for i := range won + 2 {
		want += fmt.Sprintf("m%d ", i)
	}
	if got := ids(chain(t, b, "web")); got != want {
		t.Fatalf("the chain is %s, want %s", got, want)
	}
}
