package embedded

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

const (
	watchEvery = 2 * time.Second
	// roomForRestart is what the disk must take before streams are opened again, in bytes: more than recovery itself writes.
	roomForRestart = 256 << 10
)

// watch restarts the server after the disk could not be written. nats-server closes a stream for good at the first write that
// fails: it answers no publish any more, not even with an error, also when there is room again. So that freeing space is all that a person has to do, it is started anew as soon as the
// disk takes writes; clients reconnect by themselves. What was acknowledged before is there; what was not may be asked again.
func (s *Server) watch(ctx context.Context) {
	t := time.NewTicker(watchEvery)
	defer t.Stop()
	told := false
	for {
		select {
		case <-ctx.Done():
			return
		case d := <-s.away:
			s.log.Warn("the server goes away, as it was told", "for", d)
			if err := s.restart(ctx, d); err != nil && ctx.Err() == nil {
				s.log.Error("the server did not come back", "error", err)
			}
			continue
		case <-t.C:
		}
		problem := writeProblem(s.current())
		if problem == "" {
			told = false
			continue
		}
		if err := s.tryWrite(); err != nil {
			if !told {
				told = true
				s.log.Error("the disk cannot be written: nothing is stored and nothing can be decided until there is room; free space, the server then goes on by itself",
					"store", s.opts.StoreDir, "problem", problem, "error", err)
			}
			continue
		}
		s.log.Warn("the disk takes writes again: restarting the server to open its streams", "store", s.opts.StoreDir, "problem", problem)
		if err := s.restart(ctx, 0); err != nil {
			s.log.Error("the server did not come back, trying again", "error", err)
			continue
		}
		s.log.Info("the server is back")
	}
}

// writeProblem says which stream was closed by a write that failed, or "".
func writeProblem(srv *server.Server) string {
	for _, e := range srv.Healthz(&server.HealthzOptions{Details: true}).Errors {
		if e.Type == server.HealthzErrorStream && strings.Contains(e.Error, "write error") {
			return e.Error
		}
	}
	return ""
}

// tryWrite writes and removes a file of some size.
func (s *Server) tryWrite() error {
	path := filepath.Join(s.opts.StoreDir, "ham.room")
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(path) }()
	_, err = f.Write(make([]byte, roomForRestart))
	if err == nil {
		err = f.Sync()
	}
	if e := f.Close(); err == nil {
		err = e
	}
	return err
}

// Away takes the server away for d, as a host that is switched off and on again: for rehearsals of what happens without it. It returns
// at once; what was acknowledged is there when it is back. False: it is on its way out already.
func (s *Server) Away(d time.Duration) bool {
	select {
	case s.away <- d:
		return true
	default:
		return false
	}
}

// restart shuts the server down, and boots it again after pause.
func (s *Server) restart(ctx context.Context, pause time.Duration) error {
	old := s.current()
	old.Shutdown()
	old.WaitForShutdown()
	if pause > 0 {
		wait := time.NewTimer(pause)
		defer wait.Stop()
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-wait.C:
		}
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for {
		srv, err := s.boot(ctx)
		if err == nil {
			s.mu.Lock()
			s.srv = srv
			s.mu.Unlock()
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w (gave up: %w)", err, context.Cause(ctx))
		case <-time.After(time.Second):
		}
	}
}
