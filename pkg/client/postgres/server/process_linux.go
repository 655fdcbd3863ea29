package server

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/isacloud/ha-manager/pkg/client/postgres"

	"golang.org/x/sys/unix"
)

// held is one process that cannot be mistaken for another: a pidfd.
type held struct{ pid, fd int }

func (h *held) close() { _ = unix.Close(h.fd) } // it was only looked through

// hold takes hold of a process if it belongs to the cluster; nil: it does not, or is gone.
func (s *Server) hold(pid int) (*held, error) {
	fd, err := unix.PidfdOpen(pid, 0)
	switch {
	case errors.Is(err, unix.ESRCH), errors.Is(err, unix.EINVAL): // EINVAL: a thread, or no number of a process
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("hold process %d: pidfd_open: %w", pid, err)
	}
	h := &held{pid: pid, fd: fd}
	// It is looked at after it was taken hold of: what is seen now is it, unless it has ended meanwhile.
	ours, err := s.belongs(pid)
	if err == nil && ours && !h.ended() {
		return h, nil
	}
	h.close()
	return nil, err
}

// ended says that it has. A zombie has ended.
func (h *held) ended() bool {
	p := []unix.PollFd{{Fd: int32(h.fd), Events: unix.POLLIN}}
	for {
		n, err := unix.Poll(p, 0)
		if !errors.Is(err, unix.EINTR) {
			return err == nil && n > 0
		}
	}
}

// wait returns nil when it has ended.
func (h *held) wait(ctx context.Context) error {
	if h.ended() {
		return nil
	}
	var pipe [2]int
	if err := unix.Pipe2(pipe[:], unix.O_CLOEXEC); err != nil {
		return fmt.Errorf("wait for process %d: %w", h.pid, err)
	}
	defer unix.Close(pipe[0])
	closeWriter := sync.OnceFunc(func() { _ = unix.Close(pipe[1]) })
	defer closeWriter()
	defer context.AfterFunc(ctx, closeWriter)() // that the writer is closed ends the poll
	for !h.ended() {
		if err := context.Cause(ctx); err != nil {
			return err
		}
		p := []unix.PollFd{{Fd: int32(h.fd), Events: unix.POLLIN}, {Fd: int32(pipe[0]), Events: unix.POLLIN}}
		if _, err := unix.Poll(p, -1); err != nil && !errors.Is(err, unix.EINTR) {
			return fmt.Errorf("wait for process %d: %w", h.pid, err)
		}
	}
	return nil
}

func (h *held) signal(sig syscall.Signal) error {
	err := unix.PidfdSendSignal(h.fd, sig, nil, 0)
	if errors.Is(err, unix.ESRCH) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("signal process %d: %w", h.pid, err)
	}
	return nil
}

// belongs says whether a process is one of the cluster's: a program named postgres that works in the data directory, or was just started
// for it and is not there yet.
func (s *Server) belongs(pid int) (bool, error) {
	proc := "/proc/" + strconv.Itoa(pid)
	exe, err := os.Readlink(proc + "/exe")
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, unix.ESRCH):
		// Gone, a zombie, or a thread of the kernel; or it is ending: its program is gone first, then its memory, which another server could not
		// start beside, then its sockets, and its directory last.
		name, err := os.ReadFile(proc + "/comm")
		if err != nil || strings.TrimSpace(string(name)) != "postgres" {
			return false, nil
		}
		cwd, err := os.Stat(proc + "/cwd")
		if err != nil {
			return false, nil
		}
		data, err := os.Stat(s.o.Data)
		return err == nil && os.SameFile(cwd, data), nil
	case errors.Is(err, fs.ErrPermission):
		return s.hidden(proc)
	case err != nil:
		return false, fmt.Errorf("look at process %d: %w", pid, err)
	}
	// A package that was upgraded under a running server leaves it with a program that is no longer there.
	if name := strings.TrimSuffix(filepath.Base(exe), " (deleted)"); name != "postgres" && name != "postmaster" {
		return false, nil
	}
	cwd, err := os.Stat(proc + "/cwd")
	data, dataErr := os.Stat(s.o.Data)
	switch {
	case err == nil && dataErr == nil && os.SameFile(cwd, data):
		return true, nil
	case err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, unix.ESRCH):
		return false, fmt.Errorf("look at process %d: %w", pid, err)
	}
	line, err := os.ReadFile(proc + "/cmdline")
	if err != nil {
		return false, nil // gone meanwhile
	}
	return slices.ContainsFunc(bytes.Split(line, []byte{0}), func(arg []byte) bool {
		a := strings.TrimPrefix(strings.TrimPrefix(string(arg), "--data-directory="), "-D")
		return filepath.IsAbs(a) && filepath.Clean(a) == s.o.Data
	}), nil
}

// hidden judges a process that may not be looked at: it matters only if it runs as the server's user.
func (s *Server) hidden(proc string) (bool, error) {
	info, err := os.Stat(proc)
	if err != nil {
		return false, nil // gone
	}
	data, err := os.Stat(s.o.Data)
	if err != nil {
		return false, nil
	}
	its, ok1 := info.Sys().(*syscall.Stat_t)
	owner, ok2 := data.Sys().(*syscall.Stat_t)
	if ok1 && ok2 && its.Uid != owner.Uid {
		return false, nil
	}
	name, err := os.ReadFile(proc + "/comm")
	if err != nil || strings.TrimSpace(string(name)) != "postgres" {
		return false, nil
	}
	return false, fmt.Errorf("%w: process %s is a postgres of the server's user, and this process may not look at it: run the executor as that user, or as root",
		ErrNotProven, strings.TrimPrefix(proc, "/proc/"))
}

// family takes hold of all processes of the cluster. The caller closes them.
func (s *Server) family() ([]*held, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, fmt.Errorf("list the processes: %w", err)
	}
	var all []*held
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		// Looked at first without holding: holding every process of the machine would cost more.
		if ours, err := s.belongs(pid); err == nil && !ours {
			continue
		}
		h, err := s.hold(pid)
		if err != nil {
			release(all)
			return nil, err
		}
		if h != nil {
			all = append(all, h)
		}
	}
	return all, nil
}

func release(all []*held) {
	for _, h := range all {
		h.close()
	}
}

// Kill ends every process of the cluster by SIGKILL, and everything else that this process is doing to the cluster, and returns when all
// are gone, with what proves it in words. ErrNotProven: some may be left; the error says why.
func (s *Server) Kill(ctx context.Context) (proof string, err error) {
	began := time.Now()
	end := s.ops.kill()
	defer end()
	told := make(chan error, 1)
	if s.service.kind == "systemd" {
		// What systemd is starting, or would start again, it shall not. The processes do not wait for that.
		go func() { told <- s.manager(ctx, "systemctl", "stop", "--no-block", s.service.unit) }()
	} else {
		told <- nil
	}
	killed := map[int]bool{}
	for {
		idle := s.ops.idleNow() // before the look: what has ended by then starts nothing after it
		left, err := s.sweep(ctx, killed)
		switch {
		case err != nil:
			return "", fmt.Errorf("%w: %w", ErrNotProven, err)
		case left == 0 && idle && told == nil:
			return s.proof(killed, time.Since(began)), nil
		case left == 0 && idle:
			if err := <-told; err != nil {
				return "", fmt.Errorf("%w: systemd was not told, and might start %s again: %w", ErrNotProven, s.service.unit, err)
			}
			told = nil // and one look more: it may have started something until it was
		case left == 0:
			pause(ctx, time.Millisecond) // something is being ended: it has no process here yet, or its last one is gone
		}
		if ctx.Err() != nil {
			return "", fmt.Errorf("%w: out of time with %d processes left: %w", ErrNotProven, left, context.Cause(ctx))
		}
	}
}

// sweep kills the processes that there are, and waits for their end. It says how many there were.
func (s *Server) sweep(ctx context.Context, killed map[int]bool) (int, error) {
	all, err := s.family()
	if err != nil {
		return 0, err
	}
	defer release(all)
	for _, h := range all {
		if err := h.signal(syscall.SIGKILL); err != nil {
			return len(all), err
		}
		killed[h.pid] = true
	}
	for _, h := range all {
		if err := h.wait(ctx); err != nil {
			return len(all), fmt.Errorf("process %d was killed and has not ended, it hangs in the kernel: %w", h.pid, err)
		}
	}
	return len(all), nil
}

func (s *Server) proof(killed map[int]bool, took time.Duration) string {
	if len(killed) == 0 {
		return fmt.Sprintf("no process of %s runs", s.o.Data)
	}
	return fmt.Sprintf("%s killed and gone within %s; no process of %s is left", count(len(killed), "process", "processes"), took.Round(time.Millisecond), s.o.Data)
}

func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.Itoa(n) + " " + many
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// Gone proves that no process of the cluster runs. ErrRunning: some do.
func (s *Server) Gone() (proof string, err error) {
	all, err := s.family()
	if err != nil {
		return "", err
	}
	defer release(all)
	if len(all) > 0 {
		return "", fmt.Errorf("%w: %s of %s, such as %d", ErrRunning, count(len(all), "process", "processes"), s.o.Data, all[0].pid)
	}
	return s.proof(nil, 0), nil
}

// WatchExit returns when the running postmaster has ended, within milliseconds of it, with what was seen; or when ctx has.
// ErrNotRunning: there is none to watch.
func (s *Server) WatchExit(ctx context.Context) (evidence string, err error) {
	p, err := s.pidFile()
	if err != nil {
		return "", err
	}
	h, err := s.hold(p.PID)
	if err != nil {
		return "", err
	}
	if h == nil {
		return "", fmt.Errorf("%w: process %d is gone or not a server of %s", ErrNotRunning, p.PID, s.o.Data)
	}
	defer h.close()
	if err := h.wait(ctx); err != nil {
		return "", err
	}
	return fmt.Sprintf("postmaster %d of %s has ended", p.PID, s.o.Data), nil
}

// Stop ends the server cleanly, as pg_ctl stop -m fast does: clients are cut, a primary sends all it has to the standbys that stream. It returns
// when every process is gone. If ctx ends first, the server may still be stopping.
func (s *Server) Stop(ctx context.Context) error {
	work, done, err := s.ops.begin(ctx)
	if err != nil {
		return err
	}
	defer done()
	return s.stop(work)
}

func (s *Server) stop(ctx context.Context) error {
	all, err := s.family()
	if err != nil {
		return fmt.Errorf("stop: %w", err)
	}
	defer release(all)
	if s.service.kind == "systemd" {
		// Systemd is told also where nothing runs: it might be about to start it.
		if err := s.manager(ctx, "systemctl", "stop", s.service.unit); err != nil {
			return fmt.Errorf("stop: %w", err)
		}
	} else if p, err := s.pidFile(); err == nil {
		for _, h := range all {
			if h.pid == p.PID {
				if err := h.signal(syscall.SIGINT); err != nil {
					return fmt.Errorf("stop: %w", err)
				}
			}
		}
	} else if !errors.Is(err, ErrNotRunning) {
		return fmt.Errorf("stop: %w", err)
	}
	for _, h := range all {
		if err := h.wait(ctx); err != nil {
			return fmt.Errorf("stop: process %d has not ended: %w", h.pid, err)
		}
	}
	if _, err := s.Gone(); err != nil {
		return fmt.Errorf("stop: %w", err)
	}
	return nil
}

// Promote tells a running standby to become a primary as pg_ctl promote does, without a session: for a server that has no connection left. It does
// not wait: read [Server.Control] until it is in production. ErrSignal: it is no standby.
func (s *Server) Promote() error {
	p, err := s.pidFile()
	if err != nil {
		return err
	}
	if !s.IsStandby() {
		return fmt.Errorf("%w: it is not in %s, so this is no standby", ErrSignal, s.o.Data)
	}
	h, err := s.hold(p.PID)
	if err != nil {
		return err
	}
	if h == nil {
		return fmt.Errorf("%w: process %d is gone or not a server of %s", ErrNotRunning, p.PID, s.o.Data)
	}
	defer h.close()
	a, err := s.account()
	if err != nil {
		return err
	}
	if err := s.write(a, s.in("promote"), ""); err != nil {
		return err
	}
	return h.signal(syscall.SIGUSR1)
}

// Startup is what the startup process of a standby does, as its title tells.
type Startup struct {
	// Waits: it waits for the segment; else it replays it, or waits for the rest of it.
	Waits    bool
	Timeline uint32
	Segment  postgres.LSN // where it begins
}

// Startup looks at it; ok is false where none runs. Segment is the size of one, in bytes.
func (s *Server) Startup(segment uint64) (is Startup, ok bool, err error) {
	all, err := s.family()
	if err != nil {
		return is, false, err
	}
	defer release(all)
	for _, h := range all {
		title, err := os.ReadFile("/proc/" + strconv.Itoa(h.pid) + "/cmdline")
		if err != nil {
			continue // gone meanwhile
		}
		if m := startupTitle.FindSubmatch(title); m != nil {
			timeline, err1 := strconv.ParseUint(string(m[2]), 16, 32)
			high, err2 := strconv.ParseUint(string(m[3]), 16, 32)
			low, err3 := strconv.ParseUint(string(m[4]), 16, 32)
			is = Startup{Waits: string(m[1]) == "waiting for", Timeline: uint32(timeline), Segment: postgres.LSN(high<<32 + low*segment)}
			return is, errors.Join(err1, err2, err3) == nil, nil
		}
	}
	return is, false, nil
}

var startupTitle = regexp.MustCompile(`startup +(waiting for|recovering) ([0-9A-F]{8})([0-9A-F]{8})([0-9A-F]{8})`)
