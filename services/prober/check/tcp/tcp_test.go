package tcp

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/isacloud/ha-manager/pkg/certtest"
	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/porttest"
	"github.com/isacloud/ha-manager/pkg/spec"
	"github.com/isacloud/ha-manager/services/prober/check"
	"github.com/isacloud/ha-manager/services/prober/check/checktest"
)

func TestMain(m *testing.M) {
	checktest.Main(m, map[string]checktest.Role{"greeter": func(l net.Listener) {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			fmt.Fprintln(c, "220 ready") // and it stays open
		}
	}})
}

const ample = 20 * time.Second

func at(address string, edit ...func(*spec.TCPCheck)) spec.Check {
	c := &spec.TCPCheck{Address: address}
	for _, f := range edit {
		f(c)
	}
	return spec.Check{Name: "port", Timeout: ample, TCP: c}
}

func expect(send, want string) func(*spec.TCPCheck) {
	return func(c *spec.TCPCheck) { c.Send, c.Expect = send, regexp.MustCompile(want) }
}

func hold(c *spec.TCPCheck) { c.Hold = true }

// lines answers each line with what say returns.
func lines(t *testing.T, say func(string) string) string {
	t.Helper()
	return checktest.Listen(t, func(c net.Conn) {
		for r := bufio.NewReader(c); ; {
			line, err := r.ReadString('\n')
			if err != nil {
				return
			}
			_, _ = io.WriteString(c, say(strings.TrimSpace(line)))
		}
	})
}

func TestSuite(t *testing.T) {
	pong := expect("PING\n", `^\+PONG`)
	checktest.Run(t, checktest.Suite{
		Kind: Kind,
		Up: func(t *testing.T) spec.Check {
			return at(lines(t, func(string) string { return "+PONG\r\n" }), pong, hold)
		},
		SaysNo: func(t *testing.T) spec.Check {
			return at(checktest.Listen(t, func(c net.Conn) { fmt.Fprintln(c, "-LOADING") }), expect("", `^\+PONG`))
		},
		CannotAsk: func(t *testing.T) spec.Check {
			return at(checktest.Silent(t), func(c *spec.TCPCheck) { c.TLS = &spec.TLS{CAFile: "/nonexistent/ca.pem"} })
		},
		Hangs: func(t *testing.T) spec.Check { return at(checktest.Silent(t), pong, hold) },
		Gone:  func(t *testing.T) spec.Check { return at(checktest.Nobody(t)) },
		Floods: func(t *testing.T) spec.Check {
			return at(checktest.Listen(t, func(c net.Conn) {
				var err error
				for err == nil {
					_, err = io.WriteString(c, strings.Repeat("x", 4000))
				}
			}), expect("", `^\+PONG`))
		},
	})
}

func looking(t *testing.T, c spec.Check) (look func() check.Result, woken <-chan struct{}) {
	t.Helper()
	wakes := make(chan struct{}, 64)
	l, err := Kind.Open(check.Target{Check: c, Wake: func() { wakes <- struct{}{} }})
	require.NoError(t, err)
	t.Cleanup(l.Close)
	return func() check.Result {
		ctx, cancel := context.WithTimeout(t.Context(), c.Timeout)
		defer cancel()
		return l.Look(ctx)
	}, wakes
}

func TestEvidence(t *testing.T) {
	t.Parallel()
	says := func(what string) string {
		return checktest.Listen(t, func(c net.Conn) { _, _ = io.WriteString(c, what) })
	}
	busy, mute := says("421 too busy\r\n"), says("")
	look, _ := looking(t, at(busy, expect("", "^220")))
	require.Equal(t, check.Result{Answer: message.Down, Evidence: busy + `: answered "421 too busy\r\n", want a match of ^220`}, look())
	look, _ = looking(t, at(mute, expect("", "^220")))
	require.Equal(t, check.Result{Answer: message.Down, Evidence: mute + `: closed without a whole answer`}, look())
	nobody := checktest.Nobody(t)
	look, _ = looking(t, at(nobody))
	require.Equal(t, check.Result{Answer: message.Down, Hard: true, Evidence: "connect " + nobody + ": connection refused"}, look())

	half := checktest.Listen(t, func(c net.Conn) { _, _ = io.WriteString(c, "22"); _, _ = io.Copy(io.Discard, c) })
	c := at(half, expect("", "^220"))
	c.Timeout = ample / 100
	look, _ = looking(t, c)
	require.Equal(t, check.Result{Answer: message.Down, Evidence: half + `: answered "22", then no answer within 200ms`}, look(), "it is not silent: it said something")
}

func TestAnswerMayComeInPieces(t *testing.T) {
	t.Parallel()
	address := checktest.Listen(t, func(c net.Conn) {
		for _, piece := range []string{strings.Repeat("x", 1000), "2", "20 re", "ady"} {
			_, _ = io.WriteString(c, piece)
		}
		_, _ = io.Copy(io.Discard, c)
	})
	look, _ := looking(t, at(address, expect("", "220 ready")))
	require.Equal(t, message.Up, look().Answer)
}

func TestNoAddressIsAnError(t *testing.T) {
	t.Parallel()
	for _, address := range []string{"", "host", ":80", "host:"} {
		_, err := Kind.Open(check.Target{Check: at(address), Wake: func() {}})
		require.Error(t, err, address)
	}
}

func TestTLS(t *testing.T) {
	t.Parallel()
	ours := certtest.New(t)
	pair, _, _ := ours.Issue(t, "db.example")
	address := checktest.Listen(t, func(c net.Conn) {
		s := tls.Server(c, &tls.Config{Certificates: []tls.Certificate{pair}})
		_, _ = io.WriteString(s, "220 ready\r\n")
		_, _ = io.Copy(io.Discard, s)
	})
	secured := func(declared spec.TLS) func(*spec.TCPCheck) { return func(c *spec.TCPCheck) { c.TLS = &declared } }
	look, woken := looking(t, at(address, hold, expect("", "^220"), secured(spec.TLS{CAFile: ours.CAFile, ServerName: "db.example"})))
	for range 3 {
		r := look()
		require.Equal(t, message.Up, r.Answer, r.Evidence)
	}
	require.Empty(t, woken)
	look, _ = looking(t, at(address, secured(spec.TLS{CAFile: certtest.New(t).CAFile})))
	r := look()
	require.Equal(t, message.Down, r.Answer)
	require.False(t, r.Hard)
	require.Contains(t, r.Evidence, "an authority that is not trusted here")
}

func TestKilledProcessWakesAndIsHardDown(t *testing.T) {
	t.Parallel()
	site := checktest.Start(t, "greeter")
	look, woken := looking(t, at(site.Addr, hold, expect("", "^220")))
	for range 3 { // each look replaces the connection that is held; that wakes nobody, nor does the greeting
		require.Equal(t, message.Up, look().Answer)
	}
	require.Empty(t, woken)
	site.Kill()
	<-woken
	r := look()
	require.Equal(t, message.Down, r.Answer)
	require.True(t, r.Hard, r.Evidence)
}

func TestWithoutHoldNothingStaysOpen(t *testing.T) {
	t.Parallel()
	ended := make(chan struct{}, 1)
	address := checktest.Listen(t, func(c net.Conn) {
		_, _ = io.Copy(io.Discard, c)
		ended <- struct{}{}
	})
	look, woken := looking(t, at(address))
	require.Equal(t, message.Up, look().Answer)
	<-ended
	require.Empty(t, woken)
}

// A target that talks without end on a held connection must not cost the prober anything for ever.
func TestChatterOnAHeldConnectionIsBounded(t *testing.T) {
	t.Parallel()
	address := checktest.Listen(t, func(c net.Conn) {
		var err error
		for err == nil {
			_, err = io.WriteString(c, strings.Repeat("x", 4000))
		}
	})
	look, woken := looking(t, at(address, hold))
	require.Equal(t, message.Up, look().Answer)
	<-woken
}

func TestFullQueueIsSilence(t *testing.T) {
	t.Parallel()
	c := at(checktest.Blackhole(t))
	c.Timeout = ample / 100
	look, _ := looking(t, c)
	r := look()
	require.Equal(t, check.Result{Answer: message.Down, Silent: true, Evidence: "connect " + c.TCP.Address + ": no answer within 200ms"}, r)
}

func TestARefusalIsSoftWhereThatIsDeclared(t *testing.T) {
	t.Parallel()
	address := porttest.Hold(t)
	look, _ := looking(t, at(address, func(c *spec.TCPCheck) { c.Soft = true }))
	r := look()
	require.Equal(t, message.Down, r.Answer)
	require.False(t, r.Hard, r.Evidence)
}
