// Package measure is what the checks that measure share: how they say their figures, and what a failed look means.
//
// Such a check says up with its figures, or unknown with the reason why it could not measure. It never says down: a
// figure is no verdict.
package measure

import (
	"context"
	"errors"
	"io/fs"
	"strings"
	"time"

	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec"
	"github.com/isacloud/ha-manager/services/prober/check"
	"github.com/isacloud/ha-manager/services/prober/check/reach"
)

// Says tells the figures that are there, in the order of the bounds: "cpu 12%, disk / 40.1%".
func Says(bounds []spec.Bound, perf map[string]float64) string {
	var out []string
	for _, b := range bounds {
		if v, ok := perf[b.Figure]; ok {
			out = append(out, b.Figure+" "+b.Unit.Show(v))
		}
	}
	return strings.Join(out, ", ")
}

// Late says how a look ended that did not come to its end.
func Late(ctx context.Context, otherwise string) string {
	if errors.Is(ctx.Err(), context.Canceled) {
		return "the look was stopped"
	}
	if otherwise == "" {
		return "cannot measure: the time-out has passed"
	}
	return otherwise
}

// Unable is the answer where reaching the target failed: unknown, whatever the reason.
func Unable(mask *check.Mask, what string, err error, within time.Duration) check.Result {
	r := reach.Judge(err, within, true)
	return check.Result{Answer: message.Unknown, Evidence: mask.Clean("cannot measure " + what + ": " + r.Evidence)}
}

// Bare is the error without the path that the caller names.
func Bare(err error) string {
	var p *fs.PathError
	if errors.As(err, &p) {
		err = p.Err
	}
	return err.Error()
}
