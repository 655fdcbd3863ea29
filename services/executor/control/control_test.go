package control_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/isacloud/ha-manager/services/executor/control"
)

func serve(t *testing.T, dir string, promote func(context.Context, control.Promote) control.Promoted) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		done <- control.Serve(ctx, dir, func(ctx context.Context, p control.Promote) control.Promoted {
			if p.Group == "_" {
				return control.Promoted{Problem: "ready"}
			}
			return promote(ctx, p)
		})
	}()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	for {
		if a, err := control.Ask(t.Context(), dir, control.Promote{Group: "_"}); err == nil && a.Problem == "ready" {
			return stop
		}
		select {
		case err := <-done:
			t.Fatal(err)
		case <-time.After(time.Millisecond):
		}
	}
}

func TestWhatIsAskedIsAnsweredByTheOwnUserAlone(t *testing.T) {
	dir := filepath.Join(t.TempDir(), strings.Repeat("a-long-way-down/", 10)) // longer than a socket's path may be
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := control.Ask(t.Context(), dir, control.Promote{Group: "orders"}); !errors.Is(err, control.ErrNobody) {
		t.Errorf("without an executor: %v", err)
	}
	for range 2 { // the second takes the place of the first
		got := make(chan control.Promote, 1)
		stop := serve(t, dir, func(_ context.Context, p control.Promote) control.Promoted {
			got <- p
			return control.Promoted{Want: "words", Done: p.Words == "words"}
		})
		asked := control.Promote{Group: "orders", Words: "words", Actor: "ana"}
		a, err := control.Ask(t.Context(), dir, asked)
		if err != nil || !a.Done || <-got != asked {
			t.Errorf("%+v, %v", a, err)
		}
		if s, err := os.Stat(control.Socket(dir)); err != nil || s.Mode().Perm() != 0o600 {
			t.Errorf("%v, %v", s.Mode(), err)
		}
		stop()
	}
}
