package control_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
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

// An executor that ends cuts a promotion short and waits for it: nothing of it goes on after Serve.
func TestAPromotionEndsWithItsExecutor(t *testing.T) {
	dir := t.TempDir()
	begun, over := make(chan struct{}), false
	stop := serve(t, dir, func(ctx context.Context, _ control.Promote) control.Promoted {
		close(begun)
		<-ctx.Done()
		over = true
		return control.Promoted{Problem: "cut short"}
	})
	answered := make(chan error, 1)
	go func() {
		_, err := control.Ask(context.WithoutCancel(t.Context()), dir, control.Promote{Group: "orders", Words: "words", Actor: "ana"})
		answered <- err
	}()
	<-begun
	stop()
	if !over {
		t.Error("it goes on after its executor")
	}
	<-answered // whatever it says
}

// Whoever asked and went away does not cut short what was begun.
func TestAPromotionOutlivesWhoeverAsked(t *testing.T) {
	dir := t.TempDir()
	begun, gone, went := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	serve(t, dir, func(ctx context.Context, _ control.Promote) control.Promoted {
		close(begun)
		<-gone
		went <- ctx.Err()
		return control.Promoted{Done: true}
	})
	ctx, leave := context.WithCancel(t.Context())
	asked := make(chan error, 1)
	go func() {
		_, err := control.Ask(ctx, dir, control.Promote{Group: "orders", Words: "words", Actor: "ana"})
		asked <- err
	}()
	<-begun
	leave()
	if err := <-asked; err == nil {
		t.Error("it was answered")
	}
	close(gone)
	if err := <-went; err != nil {
		t.Errorf("it was cut short: %v", err)
	}
}

// What cannot be read is answered by what would be right.
func TestAQuestionThatCannotBeRead(t *testing.T) {
	dir := t.TempDir()
	serve(t, dir, func(context.Context, control.Promote) control.Promoted {
		t.Error("it was asked")
		return control.Promoted{}
	})
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", control.Socket(dir))
	}}}
	for _, body := range []string{"", "promote", `{"group": 7}`, `{"group": "orders"} more`, strings.Repeat("x", 20<<10)} {
		resp, err := client.Post("http://executor/v1/promote", "application/json", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		text, _ := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusBadRequest || !strings.Contains(string(text), "want JSON such as") {
			t.Errorf("%.20q: %d %s", body, resp.StatusCode, text)
		}
	}
}
