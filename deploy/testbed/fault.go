//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// fault is one way to break the bed, at the host that is primary then.
type fault struct {
	name  string
	means string
	// hold is how long it stays before it is healed by heal; 0: it is not healed, the host is brought back afterwards by revive.
	hold time.Duration
	do   func(ctx context.Context, b *bed, s stack, primary *host) error
	heal func(ctx context.Context, b *bed, s stack, primary *host) error
	// revive brings back what do ended for good, once the clients are served again; nil: the manager does.
	revive func(ctx context.Context, b *bed, s stack, primary *host) error
	// moves: the primary is another one afterwards; else it may be either.
	moves bool
	// returns: the primary is the same one afterwards, though it was another meanwhile.
	returns bool
	// planned: the manager swaps the roles itself.
	planned bool
	// disk is what the primary's data must stand on: "", "small" (a tmpfs that can be filled), "own" (a file system that can be stalled).
	disk string
}

// faults are all of them, in the order of the table.
var faults = []fault{
	{
		name: "kill", means: "SIGKILL to the postmaster, or to Redis; the manager's agent stays",
		do: func(_ context.Context, b *bed, _ stack, h *host) error { return b.db.kill(h) },
	},
	{
		name: "host", means: "the host's link is detached from the bridge (silence, no reset), then every process in it is killed", moves: true,
		do: func(ctx context.Context, b *bed, _ stack, h *host) error {
			if err := b.detach(ctx, h); err != nil {
				return err
			}
			return h.killAll()
		},
		revive: func(ctx context.Context, b *bed, s stack, h *host) error { return b.powerUp(ctx, s, h) },
	},
	{
		name: "part", means: "the link is detached, processes live on; attached again after the hold", moves: true, hold: holdDefault,
		do:   func(ctx context.Context, b *bed, _ stack, h *host) error { return b.detach(ctx, h) },
		heal: func(ctx context.Context, b *bed, _ stack, h *host) error { return b.attach(ctx, h) },
	},
	{
		name: "freeze", means: "SIGSTOP to every process of the host, SIGCONT after the hold", moves: true, hold: holdDefault,
		do:   func(_ context.Context, _ *bed, _ stack, h *host) error { return h.freeze() },
		heal: func(_ context.Context, _ *bed, _ stack, h *host) error { return h.thaw() },
	},
	{
		name: "switch", means: "the manager's own planned switchover, under load", moves: true, planned: true,
		do: func(ctx context.Context, b *bed, s stack, h *host) error { return s.switchover(ctx, h, b.other(h)) },
	},
	{
		name: "drill", means: "the manager's own drill, under load: a planned switchover, 3 s, and the way back", returns: true, planned: true,
		do: func(ctx context.Context, b *bed, s stack, h *host) error {
			r, ok := s.(interface {
				drill(ctx context.Context, to *host) error
			})
			if !ok {
				return errors.New("this manager has no drill")
			}
			return r.drill(ctx, b.other(h))
		},
	},
	{
		name: "oneway", means: "what the host sends reaches nobody, what others send reaches it; healed after the hold", moves: true, hold: holdDefault,
		do:   func(ctx context.Context, b *bed, _ stack, h *host) error { return b.drop(ctx, h, nil) },
		heal: func(ctx context.Context, b *bed, _ stack, _ *host) error { return b.dropNothing(ctx) },
	},
	{
		name: "witness", means: "the host and the witness do not reach each other; all else does; healed after the hold", hold: holdShort,
		do: func(ctx context.Context, b *bed, _ stack, h *host) error {
			return errors.Join(b.drop(ctx, h, b.witness), b.drop(ctx, b.witness, h))
		},
		heal: func(ctx context.Context, b *bed, _ stack, _ *host) error { return b.dropNothing(ctx) },
	},
	{
		name: "pair", means: "the two data hosts do not reach each other; all else does; healed after the hold", hold: holdShort,
		do: func(ctx context.Context, b *bed, _ stack, h *host) error {
			return errors.Join(b.drop(ctx, h, b.other(h)), b.drop(ctx, b.other(h), h))
		},
		heal: func(ctx context.Context, b *bed, _ stack, _ *host) error { return b.dropNothing(ctx) },
	},
	{
		name: "agent", means: "SIGKILL to the manager's agent beside the primary; the database lives on; started again after the hold", hold: holdShort,
		do:   func(_ context.Context, _ *bed, s stack, h *host) error { return s.killAgent(h) },
		heal: func(ctx context.Context, _ *bed, s stack, h *host) error { return s.startAgent(ctx, h) },
	},
	{
		name: "standby", means: "the standby's host is lost, as in host; the primary's clients must go on", hold: holdShort,
		do: func(ctx context.Context, b *bed, _ stack, h *host) error {
			if err := b.detach(ctx, b.other(h)); err != nil {
				return err
			}
			return b.other(h).killAll()
		},
		heal: func(ctx context.Context, b *bed, s stack, h *host) error { return b.powerUp(ctx, s, b.other(h)) },
	},
	{
		name: "bus", means: "what the managers agree through is gone: its ports are filtered on every host; healed after the hold", hold: holdShort,
		do:   func(ctx context.Context, b *bed, s stack, _ *host) error { return b.dropPorts(ctx, s.busPorts()) },
		heal: func(ctx context.Context, b *bed, _ stack, _ *host) error { return b.dropNothing(ctx) },
	},
	{
		name: "full", means: "the file system of the primary's data is filled; space is freed after the hold", disk: "small", hold: holdShort,
		do:   func(_ context.Context, _ *bed, _ stack, h *host) error { return fill(h.path("disk")) },
		heal: func(_ context.Context, _ *bed, _ stack, h *host) error { return os.Remove(h.path("disk", "filler")) },
	},
	{
		name: "stall", means: "the file system of the primary's data takes no write (fsfreeze); it goes on after the hold", disk: "own", hold: holdShort,
		do:   func(ctx context.Context, b *bed, _ stack, h *host) error { return b.stall(ctx, h, true) },
		heal: func(ctx context.Context, b *bed, _ stack, h *host) error { return b.stall(ctx, h, false) },
	},
	{
		name: "slow", means: "the disk of the primary's data takes 4 writes a second (blkio throttle of its loop device, for the server's processes)", disk: "own", hold: holdShort,
		do:   func(_ context.Context, b *bed, _ stack, h *host) error { return throttle(b, h, 4) },
		heal: func(_ context.Context, b *bed, _ stack, h *host) error { return throttle(b, h, 0) },
	},
	{
		name: "clock", means: "the wall clock of the primary's database steps 1 h forward, later back (libfaketime; see README.md)", hold: holdShort,
		do:   func(_ context.Context, _ *bed, _ stack, h *host) error { return stepClock(h, true) },
		heal: func(_ context.Context, _ *bed, _ stack, h *host) error { return stepClock(h, false) },
	},
	{name: "idle", means: "nothing happens; CPU time and memory of the manager's processes are measured, without clients"},
}

// Names of holds, resolved by the options of a run.
const (
	holdDefault = -1 * time.Second
	holdShort   = -2 * time.Second
)

func findFault(name string) (fault, bool) {
	for _, f := range faults {
		if f.name == name {
			return f, true
		}
	}
	return fault{}, false
}

// other is the other data host.
func (b *bed) other(h *host) *host {
	if h == b.sp {
		return b.rj
	}
	return b.sp
}

// detach takes the host's link from the bridge: what it sends is lost without a word, as is what is sent to it.
func (b *bed) detach(ctx context.Context, h *host) error {
	return tool(ctx, "ip", "-n", b.net, "link", "set", h.name, "nomaster")
}

func (b *bed) attach(ctx context.Context, h *host) error {
	return tool(ctx, "ip", "-n", b.net, "link", "set", h.name, "master", "br0")
}

// powerUp brings back a host whose processes were killed: with a link, an empty packet filter, and what its init system starts.
func (b *bed) powerUp(ctx context.Context, s stack, h *host) error {
	if err := tool(ctx, "ip", "netns", "exec", h.ns, "nft", "flush ruleset"); err != nil {
		return err
	}
	if err := b.attach(ctx, h); err != nil {
		return err
	}
	return s.boot(ctx, h)
}

// drop loses what from sends to another host, or to all (to is nil). It is done in the bridge's namespace: nothing on the hosts can undo or notice it.
func (b *bed) drop(ctx context.Context, from, to *host) error {
	rule := "iifname " + from.name
	if to != nil {
		rule += " oifname " + to.name
	}
	return b.nft(ctx, "add rule bridge faults forward "+rule+" drop")
}

// dropPorts loses TCP traffic to and from the ports between all hosts.
func (b *bed) dropPorts(ctx context.Context, ports []int) error {
	var list []string
	for _, p := range ports {
		list = append(list, strconv.Itoa(p))
	}
	set := "{ " + strings.Join(list, ", ") + " }"
	return errors.Join(
		b.nft(ctx, "add rule bridge faults forward ether type ip tcp dport "+set+" drop"),
		b.nft(ctx, "add rule bridge faults forward ether type ip tcp sport "+set+" drop"))
}

// dropNothing ends every drop.
func (b *bed) dropNothing(ctx context.Context) error {
	return b.nft(ctx, "flush chain bridge faults forward")
}

func (b *bed) nft(ctx context.Context, line string) error {
	return tool(ctx, "ip", "netns", "exec", b.net, "nft", line)
}

// postmaster is the server's main process on the host; 0: there is none.
func postmaster(h *host) int {
	text, err := os.ReadFile(filepath.Join(h.data(), "postmaster.pid"))
	if err != nil {
		return 0
	}
	first, _, _ := strings.Cut(string(text), "\n")
	pid, err := strconv.Atoi(first)
	if err != nil || state(pid) == 0 || state(pid) == 'Z' {
		return 0
	}
	return pid
}

func killPostmaster(h *host) error {
	pid := postmaster(h)
	if pid == 0 {
		return fmt.Errorf("%s: no postmaster to kill", h.name)
	}
	return syscall.Kill(pid, syscall.SIGKILL)
}

// fill writes zeros until there is no room.
func fill(dir string) error {
	f, err := os.Create(filepath.Join(dir, "filler"))
	if err != nil {
		return err
	}
	defer f.Close()
	block := make([]byte, 1<<20)
	for len(block) > 0 {
		if _, err := f.Write(block); errors.Is(err, unix.ENOSPC) {
			block = block[:len(block)/2]
		} else if err != nil {
			return err
		}
	}
	return nil
}

// stall lets the file system of the host's data take no write, or go on. What is so already stays so.
func (b *bed) stall(ctx context.Context, h *host, on bool) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.stalled[h.name] == on {
		return nil
	}
	flag := "-u"
	if on {
		flag = "-f"
	}
	if err := tool(ctx, "fsfreeze", flag, h.path("disk")); err != nil {
		return err
	}
	b.stalled[h.name] = on
	return nil
}

// fakeClocks puts the databases that are made from now on under clocks that can be stepped.
func (b *bed) fakeClocks() error {
	b.fakeClock = true
	return errors.Join(stepClock(b.sp, false), stepClock(b.rj, false))
}

// stepClock sets the wall clock of the host's database an hour ahead, or right, where the bed has such clocks. The file is replaced at once: the database reads it all the time.
func stepClock(h *host, ahead bool) error {
	if !h.bed.fakeClock {
		return errors.New("the database of this bed has the machine's clock")
	}
	by := "+0s\n"
	if ahead {
		by = "+3600s\n"
	}
	if err := os.WriteFile(h.path("faketime.new"), []byte(by), 0o644); err != nil {
		return err
	}
	return os.Rename(h.path("faketime.new"), h.path("faketime"))
}

// throttle bounds the writes a second of the host's database processes to its own disk; 0: no bound.
func throttle(b *bed, h *host, writes int) error {
	group := "/sys/fs/cgroup/blkio/ham-testbed-" + b.id
	if err := os.MkdirAll(group, 0o755); err != nil {
		return err
	}
	var st unix.Stat_t
	if err := unix.Stat(h.path("disk"), &st); err != nil {
		return err
	}
	limit := fmt.Sprintf("%d:%d %d", unix.Major(st.Dev), unix.Minor(st.Dev), writes)
	if err := os.WriteFile(filepath.Join(group, "blkio.throttle.write_iops_device"), []byte(limit), 0); err != nil {
		return err
	}
	for _, pid := range h.pids() {
		if !isPostgres(pid) {
			continue
		}
		to := group
		if writes == 0 {
			to = "/sys/fs/cgroup/blkio"
		}
		if err := os.WriteFile(filepath.Join(to, "cgroup.procs"), []byte(strconv.Itoa(pid)), 0); err != nil && state(pid) != 0 {
			return err
		}
	}
	return nil
}

func isPostgres(pid int) bool {
	exe, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid))
	return err == nil && strings.HasPrefix(exe, pgBin)
}
