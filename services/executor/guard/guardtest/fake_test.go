package guardtest_test

import (
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/isacloud/ha-manager/services/executor/guard"
	"github.com/isacloud/ha-manager/services/executor/guard/guardtest"
)

// hand is time that a test hands in.
type hand struct {
	mu  sync.Mutex
	now time.Duration
}

func (h *hand) read() time.Duration {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.now
}

func (h *hand) pass(d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.now += d
}

func TestTheFakeIsAGuard(t *testing.T) {
	guardtest.Run(t, func(*testing.T) guardtest.Subject {
		h := hand{now: time.Hour}
		f := guardtest.NewFake(h.read)
		return guardtest.Subject{Guard: f, Now: h.read, Pass: h.pass, LetsIn: f.LetsIn, Lose: f.Lose, Freeze: f.Freeze,
			Again: func() guard.Guard { return f }}
	})
}

func TestTheFakeFailsAndTells(t *testing.T) {
	var h hand
	f := guardtest.NewFake(h.read)
	broken := errors.New("broken")
	if err := errors.Join(f.Prepare(), f.Arm(time.Second)); err != nil {
		t.Fatal(err)
	}
	f.Fail(broken)
	_, _, opened := f.Open()
	for what, err := range map[string]error{"prepare": f.Prepare(), "arm": f.Arm(time.Hour), "renew": f.Renew(time.Hour), "shut": f.Shut(), "open": opened, "remove": f.Remove()} {
		if !errors.Is(err, broken) {
			t.Errorf("%s: %v", what, err)
		}
	}
	f.Fail(nil)
	if err := errors.Join(f.Renew(2*time.Second), f.Shut()); err != nil {
		t.Fatal(err)
	}
	if got, want := f.Calls(), []string{"prepare", "arm 1s", "renew 2s", "shut"}; !slices.Equal(got, want) {
		t.Errorf("calls %q, want %q", got, want)
	}
}
