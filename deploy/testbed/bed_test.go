//go:build linux

package main

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// needBed skips a test where no bed can be made, and fails it where HAM_REQUIRE asks for it.
func needBed(t *testing.T) {
	t.Helper()
	if err := able(nil); err != nil {
		if os.Getenv("HAM_REQUIRE") == "1" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
}

func newTestBed(t *testing.T) *bed {
	t.Helper()
	b, err := newBed(t.Context(), t.TempDir())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, b.Close()) })
	return b
}

// left is what is still there of a bed.
func left(b *bed, inodes map[uint64]bool) []string {
	var out []string
	for _, p := range []string{b.dir, b.statePath(), "/run/netns/" + b.net, "/run/netns/" + b.sp.ns} {
		if exists(p) {
			out = append(out, p)
		}
	}
	for _, pid := range pidsIn(func(i uint64) bool { return inodes[i] }) {
		if state(pid) != 'Z' {
			out = append(out, programOf(pid))
		}
	}
	mounts, _ := os.ReadFile("/proc/mounts")
	if strings.Contains(string(mounts), b.dir) {
		out = append(out, "a mount")
	}
	return out
}

func inodesOf(b *bed) map[uint64]bool {
	out := map[uint64]bool{}
	for _, h := range b.hosts {
		out[h.inode] = true
	}
	return out
}

// TestNothingIsLeft: whatever runs on the hosts, is mounted there or is frozen there goes with them.
func TestNothingIsLeft(t *testing.T) {
	needBed(t)
	b := newTestBed(t)
	inodes := inodesOf(b)
	_, err := b.sp.start(command{argv: []string{"sleep", "1000"}})
	require.NoError(t, err)
	_, err = b.rj.start(command{argv: []string{"sh", "-c", "trap '' TERM; while :; do sleep 1000; done"}, user: "nobody"})
	require.NoError(t, err)
	require.NoError(t, b.sp.freeze())
	_, err = b.rj.mkdir("disk", "", 0o755)
	require.NoError(t, err)
	require.NoError(t, b.mount(t.Context(), b.rj.path("disk"), "-t", "tmpfs", "tmpfs"))
	require.NotEmpty(t, left(b, inodes))
	require.NoError(t, b.Close())
	require.Empty(t, left(b, inodes))
	require.NoError(t, b.Close(), "it may be closed twice")
}

// TestDownAfterACrash: what a killed program left is found by its state file; what a living one uses is left alone.
func TestDownAfterACrash(t *testing.T) {
	needBed(t)
	if logs := os.Getenv("TESTBED_CRASH"); logs != "" {
		b, err := newBed(context.Background(), logs)
		require.NoError(t, err)
		_, err = b.sp.start(command{argv: []string{"sleep", "1000"}})
		require.NoError(t, err)
		_, _ = os.Stdout.WriteString("made " + b.id + "\n")
		select {} // until it is killed
	}
	living := newTestBed(t)
	child := exec.Command(os.Args[0], "-test.run=^TestDownAfterACrash$", "-test.v")
	child.Env = append(os.Environ(), "TESTBED_CRASH="+t.TempDir())
	out, err := child.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, begin(child))
	t.Cleanup(func() { _ = child.Process.Kill() })
	id := ""
	for said := ""; id == ""; {
		part := make([]byte, 4096)
		n, err := out.Read(part)
		require.NoError(t, err, said)
		said += string(part[:n])
		if _, rest, ok := strings.Cut(said, "made "); ok && strings.Contains(rest, "\n") {
			id, _, _ = strings.Cut(rest, "\n")
		}
	}
	require.NoError(t, child.Process.Kill())
	_ = end(child)
	require.FileExists(t, stateDir+"/"+id+".json")
	require.FileExists(t, "/run/netns/hb"+id+"-sp")
	_, err = down(false)
	require.NoError(t, err)
	require.NoFileExists(t, stateDir+"/"+id+".json")
	require.NoFileExists(t, "/run/netns/hb"+id+"-sp")
	require.FileExists(t, living.statePath())
}

// echo answers on a host, on a port, until the bed ends.
func echo(t *testing.T, h *host, port string) {
	t.Helper()
	var l net.Listener
	require.NoError(t, h.inside(func() (err error) {
		l, err = net.Listen("tcp", h.addr+":"+port)
		return err
	}))
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				_, _ = io.Copy(c, c)
			}()
		}
	}()
}

// hears says whether a connection is answered; an answer that is not there in time is silence, and anything else fails the test.
func hears(t *testing.T, from, to *host, port string, patience time.Duration) bool {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	c, err := from.dial(ctx, "tcp", to.addr+":"+port)
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) || err != nil && strings.Contains(err.Error(), "timeout") {
		return false
	}
	require.NoError(t, err)
	defer c.Close()
	require.NoError(t, c.SetDeadline(time.Now().Add(patience)))
	_, err = c.Write([]byte("x"))
	require.NoError(t, err)
	_, err = io.ReadFull(c, make([]byte, 1))
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return false
	}
	require.NoError(t, err)
	return true
}

// TestFaultsOfTheNetwork: each fault cuts what it says, without a word, and nothing else; healing brings it back.
func TestFaultsOfTheNetwork(t *testing.T) {
	needBed(t)
	b := newTestBed(t)
	ctx := t.Context()
	for _, h := range []*host{b.sp, b.rj, b.witness} {
		echo(t, h, "7000")
		echo(t, h, "7001")
	}
	const silence, patience = 300 * time.Millisecond, 10 * time.Second
	yes := func(from, to *host, port string) {
		t.Helper()
		require.True(t, hears(t, from, to, port, patience), "%s is to hear %s", from.name, to.name)
	}
	no := func(from, to *host, port string) {
		t.Helper()
		require.False(t, hears(t, from, to, port, silence), "%s is not to hear %s", from.name, to.name)
	}
	yes(b.sp, b.rj, "7000")
	yes(b.router, b.sp, "7000")

	require.NoError(t, b.detach(ctx, b.sp))
	no(b.router, b.sp, "7000")
	no(b.sp, b.rj, "7000")
	yes(b.router, b.rj, "7000")
	yes(b.sp, b.sp, "7000")
	require.NoError(t, b.attach(ctx, b.sp))
	yes(b.router, b.sp, "7000")

	require.NoError(t, errors.Join(b.drop(ctx, b.sp, b.witness), b.drop(ctx, b.witness, b.sp)))
	no(b.sp, b.witness, "7000")
	yes(b.sp, b.rj, "7000")
	yes(b.rj, b.witness, "7000")
	require.NoError(t, b.dropNothing(ctx))
	yes(b.sp, b.witness, "7000")

	require.NoError(t, b.drop(ctx, b.sp, nil))
	no(b.rj, b.sp, "7000")
	yes(b.rj, b.witness, "7000")
	require.NoError(t, b.dropNothing(ctx))

	require.NoError(t, b.dropPorts(ctx, []int{7001}))
	no(b.rj, b.sp, "7001")
	yes(b.rj, b.sp, "7000")
	require.NoError(t, b.dropNothing(ctx))
	yes(b.rj, b.sp, "7001")
}

// TestFreezeAndKill: every process of a host, also one that forks meanwhile, and none of another host.
func TestFreezeAndKill(t *testing.T) {
	needBed(t)
	b := newTestBed(t)
	for _, h := range []*host{b.sp, b.rj} {
		_, err := h.start(command{argv: []string{"sh", "-c", "while :; do sleep 0.01; done"}})
		require.NoError(t, err)
	}
	require.NoError(t, b.sp.freeze())
	for _, pid := range b.sp.pids() {
		require.Contains(t, []byte{'T', 'D', 'Z', 0}, state(pid))
	}
	for _, pid := range b.rj.pids() {
		require.NotEqual(t, byte('T'), state(pid))
	}
	require.NoError(t, b.sp.thaw())
	require.NoError(t, b.sp.killAll())
	require.NotEmpty(t, b.rj.pids())
}

// What a server that is killed leaves in shared memory is its host's, and goes with it.
func TestSharedMemoryIsTheHosts(t *testing.T) {
	needBed(t)
	b := newTestBed(t)
	segments := func(h *host) string {
		out, err := h.run(t.Context(), command{argv: []string{"cat", "/proc/sysvipc/shm"}})
		require.NoError(t, err)
		return strings.TrimSpace(out)
	}
	none := segments(b.sp)
	require.Equal(t, 1, len(strings.Split(none, "\n")), "a new host has none: %s", none)
	_, err := b.sp.run(t.Context(), command{argv: []string{"ipcmk", "-M", "64"}})
	require.NoError(t, err)
	require.NotEqual(t, none, segments(b.sp))
	require.Equal(t, none, segments(b.rj))
}
