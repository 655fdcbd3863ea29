package cli

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/isacloud/ha-manager/services/executor/control"
)

// TestPromoteByVouching: only the exact words promote, what is missing is said, and the answer has the form that was asked for.
func TestPromoteByVouching(t *testing.T) {
	const want = "I vouch that a is off"
	dir := t.TempDir()
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		done <- control.Serve(ctx, dir, func(_ context.Context, p control.Promote) control.Promoted {
			switch {
			case p.Group != "orders":
				return control.Promoted{Problem: "executor b keeps no member of " + p.Group}
			case p.Words != "" && p.Words != want:
				return control.Promoted{Want: want, Problem: "these are not the words"}
			}
			return control.Promoted{Want: want, Done: p.Words != ""}
		})
	}()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	for _, err := control.Ask(t.Context(), dir, control.Promote{Group: "orders"}); errors.Is(err, control.ErrNobody); {
		time.Sleep(time.Millisecond)
		_, err = control.Ask(t.Context(), dir, control.Promote{Group: "orders"})
	}
	for _, c := range []struct {
		args string
		code int
		says string
	}{
		{"orders", 3, `ham promote orders --vouch "` + want + `"`},
		{"orders|--vouch|", 3, "not promoted: nobody vouched"},
		{"orders|--vouch|  ", 3, "not promoted: nobody vouched"},
		{"orders|--vouch|I vouch", 3, "not promoted: these are not the words"},
		{"shop|--vouch|" + want, 3, "not promoted: executor b keeps no member of shop"},
		{"orders|--vouch| " + want + "\n", 0, "orders has a primary on this host now"},
		{"orders|--output|json", 3, `"problem": "nobody vouched"`},
		{"orders|--output|json|--vouch|" + want, 0, `"done": true`},
	} {
		var out, errs bytes.Buffer
		args := append([]string{"promote", "--executor-state", dir}, strings.Split(c.args, "|")...)
		code := Main(t.Context(), args, IO{In: strings.NewReader(""), Out: &out, Err: &errs, Env: func(string) string { return "" }})
		if code != c.code || !strings.Contains(out.String(), c.says) {
			t.Errorf("%q: exit code %d, want %d; want %q in\n%s%s", c.args, code, c.code, c.says, out.String(), errs.String())
		}
		if strings.Contains(c.args, "json") && !strings.HasPrefix(out.String(), "{") {
			t.Errorf("%q: not JSON alone:\n%s", c.args, out.String())
		}
	}
}
