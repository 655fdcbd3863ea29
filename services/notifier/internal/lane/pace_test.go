package lane

import (
	"testing"
	"time"

	"github.com/isacloud/ha-manager/services/notifier/channel"
)

func TestPace(t *testing.T) {
	t.Parallel()
	p := newPace(channel.Limit{Burst: 3, Every: time.Second})
	now := time.Unix(0, 0)
	var went []time.Duration
	for len(went) < 6 {
		wait := p.take(now)
		if wait == 0 {
			went = append(went, now.Sub(time.Unix(0, 0)).Round(time.Millisecond))
			continue
		}
		now = now.Add(wait)
	}
	for i, want := range []time.Duration{0, 0, 0, time.Second, 2 * time.Second, 3 * time.Second} {
		if went[i] != want {
			t.Errorf("number %d went at %s, want %s", i, went[i], want)
		}
	}
	// A long silence is worth a burst, no more.
	now = now.Add(time.Hour)
	n := 0
	for p.take(now) == 0 {
		n++
	}
	if n != 3 {
		t.Errorf("after a silence %d at once, want 3", n)
	}
	free := newPace(channel.Limit{})
	for range 1000 {
		if free.take(now) != 0 {
			t.Fatal("no limit, and it waits")
		}
	}
}

func TestBackoff(t *testing.T) {
	t.Parallel()
	var b backoff
	differ := map[time.Duration]bool{}
	for i := range 40 {
		wait := b.next(0)
		top := min(maxWait, firstWait<<min(i, 10))
		if wait < top/2 || wait >= top {
			t.Errorf("wait %d is %s, want %s to %s", i, wait, top/2, top)
		}
		differ[wait] = true
	}
	if len(differ) < 30 {
		t.Error("no jitter")
	}
	for range 100 {
		if wait := b.next(20 * time.Second); wait < 20*time.Second || wait > 23*time.Second {
			t.Errorf("asked for 20s, waits %s", wait)
		}
	}
	b.reset()
	if wait := b.next(0); wait >= firstWait {
		t.Errorf("after a success it waits %s", wait)
	}
}
