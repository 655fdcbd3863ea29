package main_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/isacloud/ha-manager/pkg/client/haproxy/haproxytest"
)

// pane is a terminal of 80×24 that somebody sits at.
type pane struct {
	*world
	socket string
}

// newPane runs a shell command in a terminal: tmux is one that tells what is on its screen.
func (w *world) newPane(command string) *pane {
	w.t.Helper()
	if _, err := exec.LookPath("tmux"); err != nil {
		if os.Getenv("HAM_REQUIRE") == "1" {
			require.Fail(w.t, "tmux is not on PATH (dev/servers.txt names its package)")
		}
		w.t.Skip("tmux is not on PATH")
	}
	p := &pane{w, filepath.Join(w.dir, "tmux")}
	w.start("tmux", "-D", "-S", p.socket, "-f", "/dev/null") // in the foreground: it ends with the test
	w.until("the terminal is there", func() bool { _, err := os.Stat(p.socket); return err == nil })
	p.tmux("-u", "new-session", "-d", "-x", "80", "-y", "24", "-s", "w", "env LC_ALL=C.UTF-8 "+command)
	return p
}

func (p *pane) tmux(args ...string) string {
	p.t.Helper()
	cmd := exec.Command("tmux", append([]string{"-S", p.socket}, args...)...)
	cmd.Env = p.env()
	out, err := cmd.CombinedOutput()
	require.NoError(p.t, err, "%s", out)
	return string(out)
}

func (p *pane) screen() string { return p.tmux("capture-pane", "-p", "-t", "w") }

func (p *pane) keys(keys ...string) { p.tmux(append([]string{"send-keys", "-t", "w"}, keys...)...) }

// shows waits until all of that is on the screen at once.
func (p *pane) shows(texts ...string) {
	p.t.Helper()
	last := ""
	defer func() {
		if p.t.Failed() {
			p.t.Log(last)
		}
	}()
	p.until(strings.Join(texts, ", ")+" on the screen", func() bool {
		last = p.screen()
		for _, s := range texts {
			if !strings.Contains(last, s) {
				return false
			}
		}
		return true
	})
}

// Somebody with nothing but a terminal sees the groups, presses the button, watches the swap, and is told when what is shown is old.
func TestWatchInATerminal(t *testing.T) {
	w := newWorld(t)
	a, b := haproxytest.NewSite(t, "a"), haproxytest.NewSite(t, "b")
	proxy := haproxytest.Start(t, haproxytest.Pair(a.Addr(), b.Addr()))
	path := w.file("web.yaml", w.ownTwoServers("auto", a.Addr(), b.Addr(), proxy.Runtime("admin-tcp"), "{stable_for: 1s, rise: 2, cooldown: 1s}"))
	stop := w.start(ham, "up", "--config", path)
	w.until("nothing stands against a swap", func() bool { s := w.status("web"); return s.Held && s.Swap == nil && len(s.Refusals) == 0 })

	lines := w.lines("watch", "web", "--output", "json")
	require.Equal(t, "Covered", (<-lines).State, "without a terminal: first how it is")

	p := w.newPane(ham + " watch; echo left with $?; stty -a; cat")
	p.shows("> web", "✓ Covered", "If a died now: b takes over", "q leave")
	p.keys("Enter")
	p.shows("epoch 1, a is primary", "MEMBERS", "b at rj  standby  ✓ up  ✓ ready", "×")

	t.Log("the plan, as the executors find it")
	p.keys("m")
	p.shows("switchover  a → b   epoch 1 → 2", "the way back", "STEPS", "is so already: up: 200 OK")
	p.keys("Enter")
	p.keys("-l", "wep")
	p.keys("Enter")
	p.shows("That is not the group's name. Type web.")
	p.keys("BSpace", "b", "Enter")
	p.shows("ARMED", "hold SPACE")

	t.Log("a hold that is too short, another key: it is not armed any more")
	p.keys("Space", "Space", "Space", "x")
	p.shows("Not armed any more.")
	require.Equal(t, uint64(1), w.status("web").Epoch)

	t.Log("held: it fires")
	p.keys("Enter")
	p.keys("-l", "web")
	p.keys("Enter")
	p.shows("ARMED")
	w.until("it has fired", func() bool { p.keys("Space"); return !strings.Contains(p.screen(), "ARMED") })
	p.shows("accepted, epoch 2", "Switchover  a → b, epoch 2  ✓ done", "epoch 2, b is primary")
	require.Equal(t, "b", servedBy(proxy.URL("front")))
	require.Equal(t, uint64(2), w.status("web").Epoch)
	for done := false; !done; { // and the lines have told it, step by step
		s := <-lines
		done = s.What == "event" && s.Event.Kind == "run" && strings.HasPrefix(s.Sentence, "b is primary of web")
	}

	t.Log("a smaller terminal")
	p.tmux("resize-window", "-t", "w", "-x", "44", "-y", "16")
	p.shows("? keys  q leave", "ham watch  web", "Switchover  a → b")
	for _, row := range strings.Split(p.screen(), "\n") {
		require.LessOrEqual(t, len([]rune(row)), 44)
	}
	p.tmux("resize-window", "-t", "w", "-x", "80", "-y", "24")

	t.Log("ham is gone: what is shown is said to be old, and nothing is shown as up")
	stop(syscall.SIGTERM)
	p.shows("OLD: the bus is away", "? NOT KNOWN")
	require.NotContains(t, p.screen(), "✓ up")
	w.start(ham, "up", "--config", path)
	p.shows("✓ COVERED", "epoch 2, b is primary", "✓ up")
	require.NotContains(t, p.screen(), "OLD")

	t.Log("ended from outside: the terminal is as it was")
	shell := strings.TrimSpace(p.tmux("display-message", "-p", "-t", "w", "#{pane_pid}"))
	children, err := os.ReadFile(fmt.Sprintf("/proc/%s/task/%s/children", shell, shell))
	require.NoError(t, err)
	pid, err := strconv.Atoi(strings.TrimSpace(string(children)))
	require.NoError(t, err)
	require.NoError(t, syscall.Kill(pid, syscall.SIGTERM))
	p.shows("left with 0", " icanon", " echo")
	require.NotContains(t, p.screen(), "MEMBERS", "the screen before it is back")
}

// watched is one line of `ham watch --output json`.
type watched struct {
	What, Group, State, Sentence string
	Known                        bool
	Event                        struct{ Kind string }
}

// lines runs a command until the test ends, and hands out what it prints. It ends in order when it is asked to.
func (w *world) lines(args ...string) <-chan watched {
	w.t.Helper()
	cmd := exec.Command(ham, args...)
	cmd.Env, cmd.SysProcAttr = w.env(), &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := cmd.StdoutPipe()
	require.NoError(w.t, err)
	require.NoError(w.t, cmd.Start())
	said := make(chan watched, 4096)
	read := make(chan struct{})
	go func() {
		defer close(read)
		defer close(said)
		for s := bufio.NewScanner(out); s.Scan(); {
			var x watched
			if json.Unmarshal(s.Bytes(), &x) == nil {
				said <- x
			}
		}
	}()
	w.t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		<-read
		if err := cmd.Wait(); err != nil {
			w.t.Errorf("ham %s: %v", strings.Join(args, " "), err)
		}
	})
	return said
}
