package server

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"
)

// StartStandby starts the server as a standby, which standby.signal in the data directory makes it (ErrSignal: it is not there, see
// [Server.MakeStandby]), and returns when it takes connections. If ctx ends first, it goes on starting. ErrHalf: the data directory must be
// replaced first.
func (s *Server) StartStandby(ctx context.Context) error {
	if !isFile(s.in("standby.signal")) {
		return fmt.Errorf("%w: it is not in %s, and without it the server would start as a primary", ErrSignal, s.o.Data)
	}
	return s.start(ctx)
}

// StartPrimary starts the server as a primary, for a caller that knows that it holds the lease; it returns when it takes connections.
// ErrSignal: standby.signal or recovery.signal is there. ErrHalf: the data directory must be replaced.
func (s *Server) StartPrimary(ctx context.Context) error {
	for _, name := range []string{"standby.signal", "recovery.signal"} {
		if exists(s.in(name)) {
			return fmt.Errorf("%w: %s is in %s, so it would not start as a primary", ErrSignal, name, s.o.Data)
		}
	}
	return s.start(ctx)
}

func (s *Server) start(ctx context.Context) error {
	work, done, err := s.ops.begin(ctx)
	if err != nil {
		return err
	}
	defer done()
	if err := s.Unfinished(); err != nil {
		return err
	}
	if _, err := s.Running(); err == nil {
		return s.ready(work, nil)
	} else if !errors.Is(err, ErrNotRunning) {
		return err
	}
	if _, err := s.Gone(); err != nil {
		return fmt.Errorf("start: processes of an earlier server are left: %w", err)
	}
	if s.service.kind == "pg_ctl" {
		ended, err := s.launch()
		if err != nil {
			return fmt.Errorf("start: %w", err)
		}
		return s.ready(work, ended)
	}
	// The manager returns when the server takes connections, which may be long after it could be seen to.
	managed := make(chan error, 1)
	go func() { managed <- s.manage(work); close(managed) }()
	if err := s.ready(work, managed); err == nil || work.Err() == nil {
		return err // the manager has ended, or only waits for what is there
	}
	<-managed // Kill relies on it: when this has returned, nothing is started any more
	return context.Cause(work)
}

// manage asks the service manager.
func (s *Server) manage(ctx context.Context) error {
	// It ends by itself when the server is up, or was killed; it is not cut short, because what it was about to start would be started after all.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), managerPatience)
	defer cancel()
	if s.service.kind == "cluster" {
		return s.manager(ctx, "pg_ctlcluster", s.service.version, s.service.name, "start")
	}
	// A unit whose server was killed is "failed", and systemd counts how often; both are over with this.
	if err := s.manager(ctx, "systemctl", "reset-failed", s.service.unit); err != nil && !strings.Contains(err.Error(), "not loaded") {
		s.o.Log.Debug("reset a failed unit", "unit", s.service.unit, "err", err)
	}
	return s.manager(ctx, "systemctl", "start", s.service.unit)
}

// managerPatience is how long a service manager may take to start a server, crash recovery included, before it is given up.
const managerPatience = 15 * time.Minute

// launch starts postgres as pg_ctl does: in a session of its own, its words in a log file, outliving this process.
func (s *Server) launch() (ended <-chan error, err error) {
	a, err := s.account()
	if err != nil {
		return nil, err
	}
	program, err := s.bin("postgres")
	if err != nil {
		return nil, err
	}
	if err := s.makeBeside(a); err != nil {
		return nil, err
	}
	log, err := os.OpenFile(s.logFile(), os.O_CREATE|os.O_WRONLY|os.O_APPEND|noFollow, 0o600)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	if err := a.own(log.Name()); err != nil {
		return nil, err
	}
	argv := []string{"-D", s.o.Data}
	if config := s.configFile(); config != "" {
		argv = append(argv, "-c", "config_file="+config)
	}
	cmd := exec.Command(program, argv...)
	cmd.Env, cmd.Dir, cmd.Stdout, cmd.Stderr = environment(), "/", log, log
	session(cmd, a)
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	over := make(chan error, 1)
	go func() { over <- cmd.Wait() }() // for as long as it runs and this process lives: else it would stay a zombie
	return over, nil
}

// logFile is where the server's words go before its own logging takes over.
func (s *Server) logFile() string { return s.beside("server.log") }

// ready waits until the server takes connections. starting tells of the end of what starts it; nil: it was started before.
func (s *Server) ready(ctx context.Context, starting <-chan error) error {
	tick := time.NewTicker(readyEvery)
	defer tick.Stop()
	for {
		p, err := s.Running()
		switch {
		case err == nil && p.Status == StatusReady:
			return nil
		case starting == nil && errors.Is(err, ErrNotRunning):
			return fmt.Errorf("start: the server has ended: %s", s.lastWords())
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case err := <-starting:
			if s.service.kind == "pg_ctl" {
				return fmt.Errorf("start: the server has ended: %w: %s", err, s.lastWords())
			} else if err != nil {
				return fmt.Errorf("start: %w", err)
			}
			starting = nil // the manager is content: it is up, or about to be
		case <-tick.C:
		}
	}
}

// readyEvery is how often the status line of a starting server is read: it is one small file.
const readyEvery = 2 * time.Millisecond

// lastWords are the last lines of the log, for the reason of a failed start.
func (s *Server) lastWords() string {
	b, err := os.ReadFile(s.logFile())
	if err != nil || s.service.kind != "pg_ctl" {
		return "see its log"
	}
	lines := strings.Split(strings.TrimSpace(string(b)), "\n")
	return strings.Join(lines[max(0, len(lines)-5):], " | ")
}
