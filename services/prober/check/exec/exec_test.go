package exec

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec"
	"github.com/isacloud/ha-manager/services/prober/check"
	"github.com/isacloud/ha-manager/services/prober/check/checktest"
)

// The plugins of these tests are written for the shell, which every machine has; the checks themselves use none.
func plugin(script string) checktest.Behaviour {
	return func(t *testing.T) spec.Check {
		return spec.Check{Exec: &spec.ExecCheck{
			Command: []string{"/bin/sh", "-c", script},
			Env:     map[string]spec.Secret{"TOKEN": checktest.Secret},
		}}
	}
}

func TestSuite(t *testing.T) {
	checktest.Run(t, checktest.Suite{
		Kind:   Kind,
		Up:     plugin(`echo "OK - fine | load1=0.4"`),
		SaysNo: plugin(`echo "CRITICAL - on fire"; exit 2`),
		CannotAsk: func(*testing.T) spec.Check {
			return spec.Check{Exec: &spec.ExecCheck{Command: []string{"/nonexistent/check_it"}}}
		},
		Hangs:  plugin(`sleep 1000 & wait`),
		Floods: plugin(`i=0; while [ $i -lt 20000 ]; do echo "CRITICAL - line $i of too many, with a long text after it"; i=$((i+1)); done; exit 2`),
		Echoes: plugin(`echo "CRITICAL - login with $TOKEN failed | '$TOKEN'=1 '\"$TOKEN\"'=2"; exit 2`),
		Unresolved: func(*testing.T) spec.Check {
			return spec.Check{Exec: &spec.ExecCheck{Command: []string{"/bin/true"}, Env: map[string]spec.Secret{"TOKEN": checktest.Missing}}}
		},
	})
}

func lookOnce(t *testing.T, script string, within time.Duration) check.Result {
	t.Helper()
	l := opened(t, script, within)
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	return l.Look(ctx)
}

func opened(t *testing.T, script string, within time.Duration) *looker {
	t.Helper()
	l, err := Kind.Open(check.Target{
		Group: "web", Member: "a", Vantage: "sp", Wake: func() {},
		Check: spec.Check{Name: "disk", Timeout: within, Exec: &spec.ExecCheck{Command: []string{"/bin/sh", "-c", script}}},
	})
	require.NoError(t, err)
	return l.(*looker)
}

const ample = 20 * time.Second

func TestExitCodes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		script   string
		answer   message.Answer
		evidence string
	}{
		{`echo "DISK OK"`, message.Up, "sh: DISK OK"},
		{`echo "DISK WARNING"; exit 1`, message.Degraded, "sh: DISK WARNING"},
		{`echo "DISK CRITICAL"; exit 2`, message.Down, "sh: DISK CRITICAL"},
		{`echo "cannot tell"; exit 3`, message.Unknown, "sh: cannot tell"},
		{`echo "what"; exit 4`, message.Unknown, "sh: exit code 4, want 0 to 3: what"},
		{`exit 127`, message.Unknown, "sh: exit code 127, want 0 to 3: "},
		{`exit 2`, message.Down, "sh: exit code 2 and no output"},
		{`echo "no such host" >&2; exit 3`, message.Unknown, "sh: no such host"},
		{`kill -SEGV $$`, message.Unknown, "sh: ended by signal: segmentation fault"},
	} {
		r := lookOnce(t, c.script, ample)
		require.Equal(t, c.answer, r.Answer, c.script)
		require.True(t, strings.HasPrefix(r.Evidence, strings.TrimSpace(c.evidence)), "%s: %q", c.script, r.Evidence)
		require.False(t, r.Hard, "a program's word is never hard")
	}
}

func TestEnvironmentIsSmallAndNamesTheTarget(t *testing.T) {
	t.Setenv("HAM_TEST_PRIVATE", "must not arrive")
	r := lookOnce(t, `echo "$HAM_GROUP/$HAM_MEMBER/$HAM_CHECK from $HAM_VANTAGE in ${HAM_TIMEOUT_MS}ms [$HAM_TEST_PRIVATE]"`, ample)
	require.Equal(t, "sh: web/a/disk from sp in 20000ms []", r.Evidence)
}

// A plugin that starts others and never ends takes them with it at the deadline.
func TestDeadlineKillsTheWholeGroup(t *testing.T) {
	t.Parallel()
	pids := filepath.Join(t.TempDir(), "pids")
	ctx, cancel := context.WithTimeout(t.Context(), ample)
	defer cancel()
	l := opened(t, `sleep 1000 & echo $! >> `+pids+`; sh -c 'sleep 1000 & echo $! >> `+pids+`; echo ready >> `+pids+`; wait'`, time.Second)
	done := make(chan check.Result, 1)
	go func() { done <- l.Look(ctx) }()
	var lines []string
	require.Eventually(t, func() bool {
		b, _ := os.ReadFile(pids)
		lines = strings.Fields(string(b))
		return len(lines) > 0 && lines[len(lines)-1] == "ready"
	}, ample, time.Millisecond)
	cancel() // stopping ends the group just as the deadline does
	r := <-done
	require.Equal(t, message.Unknown, r.Answer)
	for _, pid := range lines[:len(lines)-1] {
		gone(t, pid)
	}
}

// A child left in the background neither holds the look up nor outlives it.
func TestChildLeftBehindIsEnded(t *testing.T) {
	t.Parallel()
	began := time.Now()
	r := lookOnce(t, `sleep 1000 & echo $!`, ample)
	require.Equal(t, message.Up, r.Answer)
	require.Less(t, time.Since(began), ample/2, "the look waited for a child that holds the output open")
	gone(t, strings.TrimPrefix(r.Evidence, "sh: "))
}

// gone waits until the process is no more, or only waits to be buried by whoever adopted it.
func gone(t *testing.T, pid string) {
	t.Helper()
	n, err := strconv.Atoi(pid)
	require.NoError(t, err)
	t.Cleanup(func() { _ = syscall.Kill(n, syscall.SIGKILL) })
	require.Eventually(t, func() bool {
		b, err := os.ReadFile("/proc/" + pid + "/stat")
		if err != nil {
			return true
		}
		_, after, _ := strings.Cut(string(b), ") ")
		return strings.HasPrefix(after, "Z") || strings.HasPrefix(after, "X")
	}, ample, time.Millisecond, "process %s is still there", pid)
}

// A process that even SIGKILL does not end (it waits for a dead disk) must not pile up: no second one is started.
func TestUnkillableIsNotStartedAgain(t *testing.T) {
	t.Parallel()
	l := opened(t, `sleep 1000`, 50*time.Millisecond)
	var pid int
	kills := make(chan int, 8)
	l.kill = func(p int) { kills <- p } // and nothing happens
	short := func() check.Result {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		return l.Look(ctx)
	}
	r := short()
	pid = <-kills
	t.Cleanup(func() { killGroup(pid) })
	require.Equal(t, message.Unknown, r.Answer, "who cannot end a command has not looked: %s", r.Evidence)
	require.Contains(t, r.Evidence, "still is not gone")
	r = short()
	require.Equal(t, message.Unknown, r.Answer)
	require.Contains(t, r.Evidence, "not started")
	require.Empty(t, kills, "nothing was started, so nothing had to be killed")

	killGroup(pid)
	<-l.left
	l.kill = killGroup
	r = short()
	require.Contains(t, r.Evidence, "no answer within 50ms: killed", "once it is gone, looking goes on")
}

func TestEndlessOutputIsBounded(t *testing.T) {
	t.Parallel()
	r := lookOnce(t, `while :; do echo "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"; done`, 300*time.Millisecond)
	require.Equal(t, message.Down, r.Answer)
	require.True(t, r.Silent)
	var o output
	for range 100 {
		n, err := o.Write(make([]byte, 1000))
		require.NoError(t, err)
		require.Equal(t, 1000, n)
	}
	require.Len(t, o.kept, maxOutput)
}
