// Package wait waits until a look answers as wanted.
package wait

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/isacloud/ha-manager/pkg/spec"
	"github.com/isacloud/ha-manager/services/executor/driver"
	"github.com/isacloud/ha-manager/services/executor/driver/look"
)

const defaultEvery = 200 * time.Millisecond

// Kind is the driver.
func Kind() driver.Kind {
	return driver.Kind{
		Name:    "wait",
		Summary: "looks again and again until the answer is the wanted one, or the step's time is over",
		Example: `{"until": {"http": "http://198.51.100.10:8080/alive", "timeout_ns": 300000000, "want": "up"}, "every_ns": 200000000}`,
		Guarantee: driver.Guarantee{
			Fences: "nothing", FailsClosedWithin: "never", HoldsEpoch: false,
			LateEffect:      "none: it changes nothing",
			LeavesToAPerson: "what never answers as wanted",
		},
		New: open,
	}
}

type waiting struct {
	eye   *look.Eye
	every time.Duration
}

var _ driver.Driver = (*waiting)(nil)

func open(with json.RawMessage) (driver.Driver, error) {
	var args spec.WaitArgs
	if err := driver.Decode(with, &args); err != nil {
		return nil, err
	}
	eye, err := look.New("until", args.Until)
	if err != nil {
		return nil, err
	}
	every := cmp.Or(args.Every, defaultEvery)
	if every < 10*time.Millisecond || every > time.Hour {
		return nil, driver.Wrong("every_ns", "a time from 10ms to 1h, not %s", every)
	}
	return &waiting{eye: eye, every: every}, nil
}

// Look looks once. What cannot be looked at is not there yet, be it up or down that is waited for.
func (w *waiting) Look(ctx context.Context, in driver.Input) (driver.Sight, error) {
	seen := w.eye.Look(ctx, in)
	if ctx.Err() != nil && !seen.Asked {
		return driver.Sight{}, driver.Unasked("%w", context.Cause(ctx))
	}
	sight := driver.Sight{Found: seen.String(), Wanted: w.eye.Target() + " is " + w.eye.Wanted(), Done: driver.No}
	if seen.Asked && w.eye.Holds(seen) {
		sight.Done = driver.Yes
	}
	return sight, nil
}

// Do waits. The first look after the engine's own is made quickly: most of what is waited for is nearly there.
func (w *waiting) Do(ctx context.Context, in driver.Input) (driver.Deed, error) {
	pause := min(w.every, 20*time.Millisecond)
	var last look.Seen
	for looks := 1; ; looks++ {
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			if last.Asked {
				return driver.Deed{}, driver.Refused("%s, after %d looks: %s is still %s", context.Cause(ctx), looks, w.eye.Target(), last)
			}
			return driver.Deed{}, driver.Unasked("%w, after %d looks: %s: %s", context.Cause(ctx), looks, w.eye.Target(), last)
		}
		last = w.eye.Look(ctx, in)
		if last.Asked && w.eye.Holds(last) {
			return driver.Deed{Evidence: fmt.Sprintf("after %d looks: %s", looks, last)}, nil
		}
		pause = min(2*pause, w.every)
	}
}
