package haproxy_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/isacloud/ha-manager/pkg/client/haproxy"
)

// listen runs something that is not HAProxy; serve gets each connection, which is closed when it returns.
func listen(t *testing.T, serve func(net.Conn)) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	t.Cleanup(func() { l.Close(); <-ended })
	go func() {
		defer close(ended)
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			go func() { defer nc.Close(); serve(nc) }()
		}
	}()
	return "tcp://" + l.Addr().String()
}

// says answers the first line with text, whatever it is, and hangs up.
func says(text string) func(net.Conn) {
	return func(nc net.Conn) {
		if _, err := bufio.NewReader(nc).ReadString('\n'); err == nil {
			io.WriteString(nc, text)
		}
	}
}

func TestSilentListenerIsAnErrorAtTheDeadline(t *testing.T) {
	t.Parallel()
	addr := listen(t, func(nc net.Conn) { io.Copy(io.Discard, nc) })
	c := newClient(t, addr, haproxy.Options{Timeout: 50 * time.Millisecond})
	began := time.Now()
	err := c.SetState(context.Background(), "web", "s1", haproxy.Maint)
	took := time.Since(began)
	wantReason(t, err, haproxy.ErrUnreachable)
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v does not wrap DeadlineExceeded", err)
	}
	if want := "haproxy " + addr + `: "set server web/s1 state maint": unreachable: no answer within 50ms: context deadline exceeded`; err.Error() != want {
		t.Errorf("error reads\n%s, want\n%s", err, want)
	}
	if took < 50*time.Millisecond || took > 5*time.Second {
		t.Errorf("it took %v", took)
	}
	_, err = c.Dial(context.Background())
	wantReason(t, err, haproxy.ErrUnreachable)
}

func TestCancelEndsACall(t *testing.T) {
	t.Parallel()
	asked := make(chan struct{})
	addr := listen(t, func(nc net.Conn) {
		bufio.NewReader(nc).ReadString('\n')
		close(asked)
		io.Copy(io.Discard, nc)
	})
	ctx, cancel := context.WithCancelCause(within(t))
	changedMind := errors.New("changed my mind")
	go func() { <-asked; cancel(changedMind) }()
	_, err := newClient(t, addr, haproxy.Options{Timeout: time.Minute}).ShowInfo(ctx)
	wantReason(t, err, haproxy.ErrUnreachable)
	if !errors.Is(err, changedMind) {
		t.Errorf("error %v does not tell the cause", err)
	}
}

func TestNobodyListens(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	for addr, want := range map[string]string{
		"tcp://" + l.Addr().String(): "connection refused",
		t.TempDir() + "/none.sock":   "no such file or directory",
	} {
		c := newClient(t, addr, haproxy.Options{})
		_, err := c.ShowInfo(within(t))
		wantReason(t, err, haproxy.ErrUnreachable)
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q in it", addr, err, want)
		}
		if n := strings.Count(err.Error(), c.Addr().String()); n != 1 {
			t.Errorf("the error names the address %d times: %v", n, err)
		}
	}
}

func TestWhatIsNotHAProxyIsAProtocolError(t *testing.T) {
	t.Parallel()
	const ok = "\n" // the answer to askSeverity
	for name, test := range map[string]struct {
		says string
		want error
	}{
		"web server":              {"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\nBad Request", haproxy.ErrProtocol},
		"master's socket":         {"Unknown command, but maybe one of the following ones is a better match:\n  @!<pid>\n\n", haproxy.ErrProtocol},
		"greeting":                {"220 mail ready\r\n", haproxy.ErrProtocol},
		"binary":                  {"\x00\xff\xfe\n\n", haproxy.ErrProtocol},
		"garbage after greeting":  {ok + "what?\n\n", haproxy.ErrProtocol},
		"nothing asked for":       {ok + "\n", haproxy.ErrProtocol},
		"an answer too many":      {ok + "Version: 1\nPid: 1\nUptime_sec: 1\n\nmore\n\n", haproxy.ErrProtocol},
		"negative pid":            {ok + "Version: 1\nPid: -1\nUptime_sec: 1\n\n", haproxy.ErrProtocol},
		"hangs up":                {"", haproxy.ErrUnreachable},
		"hangs up in the middle":  {ok + "Version: 1\nPid: 1", haproxy.ErrUnreachable},
		"hangs up before the end": {ok + "Version: 1\nPid: 1\n", haproxy.ErrUnreachable},
		"refuses":                 {ok + "[3]: Permission denied\n\n", haproxy.ErrPermission},
		"refuses otherwise":       {ok + "[3]: Not today.\n\n", haproxy.ErrRefused},
		"does not know":           {ok + "[6]: Unknown command.\n\n", haproxy.ErrRefused},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newClient(t, listen(t, says(test.says)), haproxy.Options{})
			_, err := c.ShowInfo(within(t))
			wantReason(t, err, test.want)
			for _, other := range []error{haproxy.ErrProtocol, haproxy.ErrUnreachable, haproxy.ErrPermission, haproxy.ErrRefused} {
				if other != test.want && errors.Is(err, other) {
					t.Errorf("error %v is also %v", err, other)
				}
			}
			if len(err.Error()) > 500 {
				t.Errorf("an error of %d bytes", len(err.Error()))
			}
		})
	}
	for name, text := range map[string]string{
		"web server":         "HTTP/1.1 400 Bad Request\r\n\r\n",
		"no prompt":          "\n\n",
		"speaks after hello": "\n> \n> and now?",
	} {
		t.Run("standing/"+name, func(t *testing.T) {
			t.Parallel()
			_, err := newClient(t, listen(t, says(text)), haproxy.Options{}).Dial(within(t))
			wantReason(t, err, haproxy.ErrProtocol)
		})
	}
}

func TestAnswersAreBounded(t *testing.T) {
	t.Parallel()
	endless := func(unit string) func(net.Conn) {
		return func(nc net.Conn) {
			io.WriteString(nc, "\n")
			for {
				if _, err := io.WriteString(nc, strings.Repeat(unit, 1000)); err != nil {
					return
				}
			}
		}
	}
	for name, unit := range map[string]string{"many lines": "line: 1\n", "one line": "x"} {
		c := newClient(t, listen(t, endless(unit)), haproxy.Options{MaxAnswer: 100_000, Timeout: 10 * time.Second})
		_, err := c.ShowInfo(within(t))
		wantReason(t, err, haproxy.ErrProtocol)
		if !strings.Contains(err.Error(), "longer than") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// talk plays HAProxy's part of the greeting and of one more line, then does as told.
func talk(t *testing.T, then func(nc net.Conn, r *bufio.Reader)) string {
	return listen(t, func(nc net.Conn) {
		r := bufio.NewReader(nc)
		for _, answer := range []string{"\n> \n> ", "\n> Version: 2.6\nPid: 7\nUptime_sec: 1\nStopping: 0\n\n> "} {
			if _, err := r.ReadString('\n'); err != nil {
				return
			}
			io.WriteString(nc, answer)
		}
		then(nc, r)
	})
}

func TestConnThatSpeaksUnaskedIsLost(t *testing.T) {
	t.Parallel()
	speak := make(chan struct{})
	addr := talk(t, func(nc net.Conn, _ *bufio.Reader) {
		<-speak
		io.WriteString(nc, "surprise\n")
		io.Copy(io.Discard, nc)
	})
	conn := dial(t, newClient(t, addr, haproxy.Options{}))
	if conn.Info().Pid != 7 {
		t.Errorf("info %+v", conn.Info())
	}
	close(speak)
	awaitLost(t, conn, haproxy.ErrProtocol)
}

func TestConnCutWhileIdleAndWhileAsking(t *testing.T) {
	t.Parallel()
	reset := func(nc net.Conn) {
		nc.(*net.TCPConn).SetLinger(0) // a reset, not an end
		nc.Close()
	}
	idle := dial(t, newClient(t, talk(t, func(nc net.Conn, _ *bufio.Reader) { reset(nc) }), haproxy.Options{}))
	awaitLost(t, idle, haproxy.ErrUnreachable)

	asking := dial(t, newClient(t, talk(t, func(nc net.Conn, r *bufio.Reader) { r.ReadString('\n'); reset(nc) }), haproxy.Options{}))
	_, err := asking.Do(within(t), haproxy.SetState("web", "s1", haproxy.Ready))
	wantReason(t, err, haproxy.ErrUnreachable)
	awaitLost(t, asking, haproxy.ErrUnreachable)
}

func TestConnRefusesAProcessThatIsLeaving(t *testing.T) {
	t.Parallel()
	addr := listen(t, func(nc net.Conn) {
		r := bufio.NewReader(nc)
		for _, answer := range []string{"\n> \n> ", "\n> Version: 2.6\nPid: 7\nUptime_sec: 1\nStopping: 1\n\n> "} {
			r.ReadString('\n')
			io.WriteString(nc, answer)
		}
		io.Copy(io.Discard, nc)
	})
	_, err := newClient(t, addr, haproxy.Options{}).Dial(within(t))
	wantReason(t, err, haproxy.ErrStopped)
}

func TestACallThatWaitsForItsTurnDoesNotCostTheConnection(t *testing.T) {
	t.Parallel()
	asked, answer := make(chan struct{}), make(chan struct{})
	addr := talk(t, func(nc net.Conn, r *bufio.Reader) {
		r.ReadString('\n')
		close(asked)
		<-answer
		io.WriteString(nc, "\n> ")
		io.Copy(io.Discard, nc)
	})
	conn := dial(t, newClient(t, addr, haproxy.Options{Timeout: time.Minute}))
	first := make(chan error, 1)
	go func() {
		_, err := conn.Do(within(t), haproxy.SetState("web", "s1", haproxy.Ready))
		first <- err
	}()
	<-asked
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := conn.Do(ctx, haproxy.SetState("web", "s1", haproxy.Maint))
	wantReason(t, err, haproxy.ErrUnreachable)
	close(answer)
	if err := <-first; err != nil {
		t.Errorf("the call whose turn it was: %v", err)
	}
	if err := conn.Err(); err != nil {
		t.Errorf("the connection was lost: %v", err)
	}
}
