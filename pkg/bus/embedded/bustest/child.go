package bustest

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/isacloud/ha-manager/pkg/bus/embedded"
	"github.com/isacloud/ha-manager/pkg/porttest"
)

// childEnv holds the options of a server that this test binary is to run instead of its tests.
const childEnv = "HAM_BUSTEST_CHILD"

// Main is what a package's TestMain calls when its tests use [StartChild].
func Main(m *testing.M) {
	if o := os.Getenv(childEnv); o != "" {
		if err := runChild(o); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

func runChild(text string) error {
	var o childOptions
	if err := json.Unmarshal([]byte(text), &o); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	s, err := embedded.Start(ctx, embedded.Options{Name: "child", StoreDir: o.StoreDir, Listen: o.Listen, MaxStore: 2 << 30})
	if err != nil {
		return err
	}
	fmt.Println(s.ClientURL())
	select {} // until it is killed: by the test, or by the kernel with its parent
}

// childOptions are what the child is told.
type childOptions struct{ StoreDir, Listen string }

// Child is a server in a process of its own.
type Child struct {
	t   testing.TB
	o   childOptions
	cmd *exec.Cmd
	url string
}

// StartChild runs a synced, listening server in a process of its own, that can be killed. The package needs a TestMain that calls [Main].
func StartChild(t testing.TB) *Child {
	t.Helper()
	c := &Child{t: t, o: childOptions{StoreDir: t.TempDir(), Listen: porttest.Hold(t)}}
	c.Start()
	t.Cleanup(c.Kill)
	return c
}

// URL is where it listens, the same after a restart.
func (c *Child) URL() string { return c.url }

// Start starts it again after Kill, and returns when it takes connections.
func (c *Child) Start() {
	c.t.Helper()
	text, err := json.Marshal(c.o)
	if err != nil {
		c.t.Fatal(err)
	}
	c.cmd = exec.Command(os.Args[0])
	c.cmd.Env = append(os.Environ(), childEnv+"="+string(text))
	c.cmd.Stderr = os.Stderr
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		c.t.Fatal(err)
	}
	if err := c.cmd.Start(); err != nil {
		c.t.Fatalf("start the server's process: %v", err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		c.Kill()
		c.t.Fatalf("the server's process said nothing: %v", err)
	}
	c.url = strings.TrimSpace(line)
}

// Kill ends it at once, as a power cut of the process would (SIGKILL).
func (c *Child) Kill() {
	if c.cmd == nil {
		return
	}
	_ = c.cmd.Process.Signal(syscall.SIGKILL)
	_ = c.cmd.Wait()
	c.cmd = nil
}

// Pause and Resume freeze and thaw it (SIGSTOP, SIGCONT).
func (c *Child) Pause() { _ = c.cmd.Process.Signal(syscall.SIGSTOP) }

// Resume ends Pause.
func (c *Child) Resume() { _ = c.cmd.Process.Signal(syscall.SIGCONT) }

// LimitFiles lets it write no file beyond so many bytes, as a disk that is full; 0 lifts the limit.
func (c *Child) LimitFiles(bytes uint64) {
	c.t.Helper()
	limit := unix.Rlimit{Cur: bytes, Max: unix.RLIM_INFINITY}
	if bytes == 0 {
		limit.Cur = unix.RLIM_INFINITY
	}
	if err := unix.Prlimit(c.cmd.Process.Pid, unix.RLIMIT_FSIZE, &limit, nil); err != nil {
		c.t.Fatalf("limit the server's files: %v", err)
	}
}
