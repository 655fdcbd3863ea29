// Package assert goes on only while a look answers as wanted.
package assert

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/isacloud/ha-manager/pkg/spec"
	"github.com/isacloud/ha-manager/services/executor/driver"
	"github.com/isacloud/ha-manager/services/executor/driver/look"
)

// Kind is the driver.
func Kind() driver.Kind {
	return driver.Kind{
		Name:    "assert",
		Summary: "looks once and goes on only if the answer is the wanted one; may end the swap before anything was changed",
		Example: `{"that": {"http": "http://192.0.2.10:8080/alive", "timeout_ns": 300000000, "want": "down"}, "ends": true}`,
		Guarantee: driver.Guarantee{
			Fences: "nothing", FailsClosedWithin: "never", HoldsEpoch: false,
			LateEffect:      "none: it changes nothing",
			LeavesToAPerson: "nothing: what cannot be looked at counts as not seen up",
		},
		New: open,
	}
}

type assertion struct {
	eye  *look.Eye
	ends bool
}

var _ driver.Driver = (*assertion)(nil)

func open(with json.RawMessage) (driver.Driver, error) {
	var args spec.AssertArgs
	if err := driver.Decode(with, &args); err != nil {
		return nil, err
	}
	eye, err := look.New("that", args.That)
	if err != nil {
		return nil, err
	}
	return &assertion{eye: eye, ends: args.Ends}, nil
}

// Look answers it all. Where up is wanted and nobody could look, the target was not asked: that is an error. Where down is
// wanted it is not: what the vantages saw stands, and only a sign of life would speak against it.
func (a *assertion) Look(ctx context.Context, in driver.Input) (driver.Sight, error) {
	seen := a.eye.Look(ctx, in)
	sight := driver.Sight{Found: seen.String(), Wanted: a.eye.Target() + " is " + a.eye.Wanted(), Done: driver.No}
	switch {
	case ctx.Err() != nil && !seen.Asked:
		return sight, driver.Unasked("%w", context.Cause(ctx))
	case !seen.Asked && a.eye.Wanted() == "up":
		return sight, driver.Unasked("%s: %s", a.eye.Target(), seen)
	case a.eye.Holds(seen):
		sight.Done = driver.Yes
	default:
		sight.Ends = a.ends
	}
	return sight, nil
}

// Do is reached only where the assertion did not hold and does not end the swap.
func (a *assertion) Do(ctx context.Context, in driver.Input) (driver.Deed, error) {
	sight, err := a.Look(ctx, in)
	switch {
	case err != nil:
		return driver.Deed{}, err
	case sight.Done == driver.Yes:
		return driver.Deed{}, nil
	}
	return driver.Deed{}, driver.Refused("%s", fmt.Sprintf("wanted %s, found %s", sight.Wanted, sight.Found))
}
