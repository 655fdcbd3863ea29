package http

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/services/prober/check"
	"github.com/isacloud/ha-manager/services/prober/check/checktest"
)

// counted serves 200 and counts connections.
func counted(t *testing.T, f http.HandlerFunc) (*httptest.Server, *atomic.Int64) {
	t.Helper()
	var n atomic.Int64
	s := httptest.NewUnstartedServer(f)
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			n.Add(1)
		}
	}
	s.Start()
	t.Cleanup(s.Close)
	return s, &n
}

func TestOneConnectionCarriesAllLooks(t *testing.T) {
	t.Parallel()
	s, connections := counted(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "ok") })
	look, woken := looking(t, page(s.URL, body("ok")), nil)
	for range 20 {
		require.Equal(t, message.Up, look().Answer)
	}
	require.EqualValues(t, 1, connections.Load())
	require.Empty(t, woken)
}

// A target that serves the connections it has, and takes no new ones, must not look well for ever.
func TestConnectionIsRenewedNowAndThen(t *testing.T) {
	t.Parallel()
	s, connections := counted(t, func(http.ResponseWriter, *http.Request) {})
	l, err := Kind.Open(check.Target{Check: page(s.URL), Wake: func() { t.Error("nobody is woken by what the prober itself closes") }})
	require.NoError(t, err)
	t.Cleanup(l.Close)
	for n := range 3 {
		for range 3 {
			require.Equal(t, message.Up, l.Look(t.Context()).Answer)
		}
		require.EqualValues(t, n+1, connections.Load())
		l.(*looker).made = l.(*looker).made.Add(-freshEvery)
	}
}

// The death of the process is noticed by the connection that is kept, and then proven by a refusal.
func TestKilledProcessWakesAndIsHardDown(t *testing.T) {
	t.Parallel()
	site := checktest.Start(t, "site")
	look, woken := looking(t, page("http://"+site.Addr+"/"), nil)
	require.Equal(t, message.Up, look().Answer)
	site.Kill()
	<-woken
	r := look()
	require.Equal(t, message.Down, r.Answer)
	require.True(t, r.Hard, r.Evidence)
	require.Contains(t, r.Evidence, "connection refused")
}

// A frozen process keeps its connections: only silence tells, and silence is soft.
func TestFrozenProcessIsSoftDown(t *testing.T) {
	t.Parallel()
	site := checktest.Start(t, "site")
	c := page("http://" + site.Addr + "/")
	look, _ := looking(t, c, nil)
	require.Equal(t, message.Up, look().Answer)
	site.Freeze(t)
	c.Timeout = ample / 100
	frozen, woken := looking(t, c, nil)
	for range 2 {
		r := frozen()
		require.Equal(t, message.Down, r.Answer)
		require.False(t, r.Hard)
		require.True(t, r.Silent)
		require.Contains(t, r.Evidence, "no answer within 200ms")
	}
	require.Empty(t, woken)
}

func TestSilentHostIsSoftDown(t *testing.T) {
	t.Parallel()
	c := page("http://" + checktest.Blackhole(t) + "/")
	c.Timeout = ample / 100
	look, _ := looking(t, c, nil)
	r := look()
	require.Equal(t, message.Down, r.Answer)
	require.False(t, r.Hard)
	require.True(t, r.Silent)
	require.Contains(t, r.Evidence, ": connect ")
	require.Contains(t, r.Evidence, "no answer within 200ms")
}

// A server that says that it will close is no surprise: nobody is woken for it.
func TestAnnouncedCloseDoesNotWake(t *testing.T) {
	t.Parallel()
	s, connections := counted(t, func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Connection", "close") })
	look, woken := looking(t, page(s.URL), nil)
	for range 3 {
		require.Equal(t, message.Up, look().Answer)
	}
	require.EqualValues(t, 3, connections.Load())
	s.Close()
	require.Empty(t, woken)
}

// A server that ends an idle connection without a word is healthy: one early look, and that is up.
func TestIdleCloseWakesOnceAndIsUp(t *testing.T) {
	t.Parallel()
	s, connections := counted(t, func(http.ResponseWriter, *http.Request) {})
	look, woken := looking(t, page(s.URL), nil)
	require.Equal(t, message.Up, look().Answer)
	s.CloseClientConnections()
	<-woken
	require.Equal(t, message.Up, look().Answer)
	require.EqualValues(t, 2, connections.Load())
	require.Empty(t, woken)
}

// The end of a kept connection may cross the next question. The question is put again, and nobody is called down.
func TestConnectionThatEndsUnderTheQuestionIsNoEvidence(t *testing.T) {
	t.Parallel()
	var n atomic.Int64
	url := raw(t, func(_ []string, c net.Conn) {
		if n.Add(1) == 2 {
			_ = c.(*net.TCPConn).SetLinger(0) // a reset, in answer to the second question
			_ = c.Close()
			return
		}
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
	})
	look, _ := looking(t, page(url), nil)
	require.Equal(t, message.Up, look().Answer)
	r := look()
	require.Equal(t, message.Up, r.Answer, r.Evidence)
	require.EqualValues(t, 3, n.Load())
}

// On a connection that is new, a reset is what a dying process does.
func TestResetOfANewConnectionIsHard(t *testing.T) {
	t.Parallel()
	url := raw(t, func(_ []string, c net.Conn) {
		_ = c.(*net.TCPConn).SetLinger(0)
		_ = c.Close()
	})
	look, _ := looking(t, page(url), nil)
	r := look()
	require.Equal(t, message.Down, r.Answer)
	require.True(t, r.Hard, r.Evidence)
	require.Contains(t, r.Evidence, "connection reset by peer")
}

func TestCloseWithoutAnswerIsSoft(t *testing.T) {
	t.Parallel()
	url := raw(t, func(_ []string, c net.Conn) { _ = c.Close() })
	look, _ := looking(t, page(url), nil)
	r := look()
	require.Equal(t, message.Down, r.Answer)
	require.False(t, r.Hard, "it may have closed for many reasons")
	require.Contains(t, r.Evidence, "closed without a whole answer")
}

// What a server says unasked between two looks must not be taken for the answer to the next.
func TestUnaskedAnswerIsNotTakenForTheNext(t *testing.T) {
	t.Parallel()
	ok := "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
	goOn := make(chan struct{})
	url := raw(t, func(_ []string, c net.Conn) {
		_, _ = io.WriteString(c, ok)
		<-goOn
		_, _ = io.WriteString(c, "HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n")
	})
	look, woken := looking(t, page(url), nil)
	require.Equal(t, message.Up, look().Answer)
	close(goOn)
	<-woken
	require.Equal(t, message.Up, look().Answer)
}
