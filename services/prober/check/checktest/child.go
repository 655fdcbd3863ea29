package checktest

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// childRole names what a test binary is to be when it is started as a child.
const childRole = "CHECKTEST_CHILD"

// Role is what a child process does with its listener, until it is killed.
type Role func(net.Listener)

// Main is a TestMain: it runs the tests, or, in a process that [Start] has started, the role.
func Main(m *testing.M, roles map[string]Role) {
	name := os.Getenv(childRole)
	if name == "" {
		os.Exit(m.Run())
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(l.Addr())
	roles[name](l)
}

// Child is a real process of its own, so that it can die as processes die.
type Child struct {
	// Addr is host:port where it listens.
	Addr string
	cmd  *exec.Cmd
}

// Start starts this test binary again in a role. It ends with the test, or with the test's process.
func Start(t testing.TB, role string, env ...string) *Child {
	t.Helper()
	exe, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), childRole+"="+role)
	cmd.Env = append(cmd.Env, env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	c := &Child{cmd: cmd}
	t.Cleanup(c.Kill)
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err, "the child did not say where it listens")
	c.Addr = strings.TrimSpace(line)
	go func() { _, _ = io.Copy(io.Discard, out) }()
	return c
}

// Kill ends it with SIGKILL and waits until it is gone.
func (c *Child) Kill() {
	_ = c.cmd.Process.Kill()
	_ = c.cmd.Wait()
}

// Pid is its process id.
func (c *Child) Pid() int { return c.cmd.Process.Pid }

// Freeze stops it with SIGSTOP and waits until it stands still: it neither answers nor closes anything.
func (c *Child) Freeze(t testing.TB) {
	t.Helper()
	require.NoError(t, c.cmd.Process.Signal(syscall.SIGSTOP))
	var status syscall.WaitStatus
	_, err := syscall.Wait4(c.Pid(), &status, syscall.WUNTRACED, nil)
	require.NoError(t, err)
	require.True(t, status.Stopped())
}

// Thaw lets a frozen one go on.
func (c *Child) Thaw(t testing.TB) {
	t.Helper()
	require.NoError(t, c.cmd.Process.Signal(syscall.SIGCONT))
}
