package redis_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/isacloud/ha-manager/pkg/client/redis"
	"github.com/isacloud/ha-manager/pkg/client/redis/redistest"
)

const password = `hunter2&"quoted"/x`

func TestLogIn(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t, redistest.Options{Password: password})
	for wrong, code := range map[string]string{"": "NOAUTH", "wrong": "WRONGPASS"} {
		c, err := redis.Dial(t.Context(), s.Addr, wrong)
		if err == nil {
			_, err = c.Info(t.Context())
			c.Close()
		}
		if redis.Code(err) != code {
			t.Errorf("with password %q: %v, want %s", wrong, err, code)
		}
	}
	s.Kill()
	if _, err := redis.Dial(t.Context(), s.Addr, password); !errors.Is(err, syscall.ECONNREFUSED) || strings.Contains(err.Error(), "hunter") {
		t.Errorf("one that is gone: %v", err)
	}
}

func TestPair(t *testing.T) {
	t.Parallel()
	a := redistest.Start(t, redistest.Options{Password: password})
	b := redistest.Start(t, redistest.Options{Password: password, ReplicaOf: a})
	b.AwaitLink()
	a.Do("SET", "k", strings.Repeat("v", 1000))
	a.Await("hear of its replica", func(i redis.Info) bool {
		return len(i.Replicas) == 1 && i.Replicas[0].Online && i.Replicas[0].Offset > 1000
	})
	i := a.Info()
	if !i.Master || i.RunID == "" || i.Loading || i.SaveFailed || i.AppendFailed || i.Replicas[0].Addr != b.Addr || i.Offset < i.Replicas[0].Offset {
		t.Errorf("%+v", i)
	}
	if i := b.Info(); i.Master || i.Upstream != a.Addr || !i.LinkUp || i.Syncing || i.Received < i.Offset || i.Offset < 1000 || i.LastIO < 0 {
		t.Errorf("%+v", i)
	}
	a.Kill()
	b.Await("lose its master", func(i redis.Info) bool { return !i.LinkUp })
}

// The bar holds in either role, through a promotion by hand and a restart, and gives the operator's number back.
func TestBar(t *testing.T) {
	t.Parallel()
	for _, lag := range []string{"10", "0"} {
		s := redistest.Start(t, redistest.Options{Config: []string{"min-replicas-max-lag " + lag}})
		s.Do("CONFIG", "SET", "min-replicas-to-write", "0")
		c := s.Dial()
		if barred, err := c.Barred(t.Context()); err != nil || barred {
			t.Fatalf("barred %t, %v", barred, err)
		}
		for _, want := range []bool{true, false} {
			if changed, err := c.Bar(t.Context()); err != nil || changed != want {
				t.Errorf("bar: changed %t, %v", changed, err)
			}
		}
		refuses := func(what string) {
			t.Helper()
			if _, err := s.Try("SET", "k", "v"); redis.Code(err) != "NOREPLICAS" {
				t.Errorf("%s, lag %s: a write is answered with %v", what, lag, err)
			}
			c := s.Dial()
			if err := c.Probe(t.Context()); redis.Code(err) != "NOREPLICAS" {
				t.Errorf("%s: the probe says %v", what, err)
			}
		}
		refuses("barred")
		s.Do("REPLICAOF", "127.0.0.1", "1")
		s.Do("REPLICAOF", "NO", "ONE")
		refuses("promoted by hand")
		if err := c.Rewrite(t.Context()); err != nil {
			t.Fatal(err)
		}
		s.Kill()
		s.Launch()
		refuses("restarted")
		c = s.Dial()
		for _, want := range []bool{true, false} {
			if changed, err := c.Unbar(t.Context()); err != nil || changed != want {
				t.Errorf("unbar: changed %t, %v", changed, err)
			}
		}
		s.Do("SET", "k", "v")
		if err := c.Probe(t.Context()); err != nil {
			t.Error(err)
		}
	}
	s := redistest.Start(t, redistest.Options{Config: []string{"min-replicas-to-write 2"}})
	c := s.Dial()
	if _, err := c.Bar(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Unbar(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := s.Do("CONFIG", "GET", "min-replicas-to-write").Array[1].Text; got != "2" {
		t.Errorf("the operator asked for 2 replicas, and has %s now", got)
	}
}

func TestProbeChangesNothing(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t, redistest.Options{})
	b := redistest.Start(t, redistest.Options{ReplicaOf: s})
	b.AwaitLink()
	before := s.Do("INFO", "persistence").Text
	c := s.Dial()
	for range 10 {
		if err := c.Probe(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if after := s.Do("INFO", "persistence").Text; line(before, "rdb_changes") != line(after, "rdb_changes") {
		t.Errorf("%s became %s", line(before, "rdb_changes"), line(after, "rdb_changes"))
	}
	r := b.Dial()
	if err := r.Probe(t.Context()); redis.Code(err) != "READONLY" {
		t.Errorf("a replica: %v", err)
	}
}

func line(text, prefix string) string {
	for l := range strings.Lines(text) {
		if strings.HasPrefix(l, prefix) {
			return l
		}
	}
	return ""
}

func TestCutAndPause(t *testing.T) {
	t.Parallel()
	a := redistest.Start(t, redistest.Options{})
	b := redistest.Start(t, redistest.Options{ReplicaOf: a})
	b.AwaitLink()
	client, c := a.Dial(), a.Dial()
	if err := c.Pause(t.Context(), time.Minute); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := client.Probe(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a write in a pause: %v", err)
	}
	client = a.Dial()
	if n, err := c.Cut(t.Context()); err != nil || n < 1 {
		t.Errorf("%d clients were cut, %v", n, err)
	}
	if _, err := client.Do(t.Context(), "PING"); err == nil {
		t.Error("a client that was cut is answered")
	}
	if err := c.Unpause(t.Context()); err != nil {
		t.Error(err)
	}
	if err := a.Dial().Probe(t.Context()); err != nil {
		t.Errorf("a write after the pause: %v", err)
	}
	if !b.Info().LinkUp {
		t.Error("the replica was cut too")
	}
}

// A replica that somebody made writable is not one any more after ReadOnly.
func TestReadOnly(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t, redistest.Options{Config: []string{"replicaof 127.0.0.1 1", "replica-read-only no"}})
	s.Do("SET", "k", "v")
	c := s.Dial()
	for _, want := range []bool{true, false} {
		if changed, err := c.ReadOnly(t.Context()); err != nil || changed != want {
			t.Errorf("changed %t, %v", changed, err)
		}
	}
	if _, err := s.Try("SET", "k", "v"); redis.Code(err) != "READONLY" {
		t.Errorf("a write: %v", err)
	}
}

// answering is a server that answers everything with the same words.
func answering(t testing.TB, words string) *redis.Conn {
	t.Helper()
	ours, theirs := net.Pipe()
	t.Cleanup(func() { _ = ours.Close(); _ = theirs.Close() })
	go func() {
		_, _ = theirs.Read(make([]byte, 1024))
		_, _ = io.WriteString(theirs, words)
		_ = theirs.Close()
	}()
	return redis.NewConn(ours)
}

func TestAnswers(t *testing.T) {
	t.Parallel()
	for words, want := range map[string]string{
		"+PONG\r\n": `{PONG 0 [] <nil>} <nil>`, ":-7\r\n": `{ -7 [] <nil>} <nil>`, "$3\r\na\r\n\r\n": "", "$3\r\na\nb\r\n": "{a\nb 0 [] <nil>} <nil>",
		"$-1\r\n": `{ 0 [] <nil>} <nil>`, "*-1\r\n": `{ 0 [] <nil>} <nil>`, "*2\r\n+a\r\n*1\r\n:1\r\n": `{ 0 [{a 0 [] <nil>} { 0 [{ 1 [] <nil>}] <nil>}] <nil>} <nil>`,
		"-LOADING it reads\r\n": `{ 0 [] LOADING it reads} LOADING it reads`, "": "{ 0 [] <nil>} EOF", "+PO": "{ 0 [] <nil>} EOF",
	} {
		r, err := answering(t, words).Do(t.Context(), "PING")
		if got := fmt.Sprintf("%v %v", r, err); want != "" && got != want {
			t.Errorf("%q: got %s, want %s", words, got, want)
		}
	}
	for _, words := range []string{
		"HTTP/1.1 400 Bad Request\r\n", "\r\n", "+a\n", "$x\r\n", "$99999999999\r\n", "*99999999\r\n", "$1\r\nab\r\n", strings.Repeat("*1\r\n", 20) + "+a\r\n", strings.Repeat("x", 1<<20),
	} {
		if r, err := answering(t, words).Do(t.Context(), "PING"); !errors.Is(err, redis.ErrProtocol) {
			t.Errorf("%.20q: %v, %v", words, r, err)
		}
	}
}

func TestDeadlineAndCancel(t *testing.T) {
	t.Parallel()
	silent := func() net.Conn { // one each: a connection whose question was given up is of no use any more
		ours, theirs := net.Pipe()
		t.Cleanup(func() { _ = theirs.Close() })
		go func() { _, _ = io.Copy(io.Discard, theirs) }()
		return ours
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := redis.NewConn(silent()).Do(ctx, "PING"); !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a deadline: %v", err)
	}
	why := errors.New("no longer wanted")
	ctx2, cancel2 := context.WithCancelCause(t.Context())
	time.AfterFunc(20*time.Millisecond, func() { cancel2(why) })
	if _, err := redis.NewConn(silent()).Do(ctx2, "PING"); !errors.Is(err, why) {
		t.Errorf("a cancel: %v", err)
	}
}

func FuzzAnswer(f *testing.F) {
	f.Add([]byte("*2\r\n$1\r\na\r\n:1\r\n"))
	f.Add([]byte("-ERR no\r\n"))
	f.Fuzz(func(t *testing.T, answer []byte) {
		conn := &readOnly{Reader: bytes.NewReader(answer)}
		_, _ = redis.NewConn(conn).Do(t.Context(), "PING") // it ends, and takes no more memory than it is sent
	})
}

// readOnly is a connection that has been answered already.
type readOnly struct {
	net.Conn
	io.Reader
}

func (r *readOnly) Read(p []byte) (int, error)  { return r.Reader.Read(p) }
func (r *readOnly) Write(p []byte) (int, error) { return len(p), nil }
func (r *readOnly) SetDeadline(time.Time) error { return nil }

func FuzzInfo(f *testing.F) {
	f.Add("role:slave\r\nmaster_host:a\r\nmaster_port:1\r\n")
	f.Add("role:master\r\nslave0:ip=a,port=1,state=online,offset=1,lag=1\r\n")
	f.Fuzz(func(t *testing.T, text string) {
		if i, err := redis.ParseInfo(text); err == nil && i.Master == (i.Upstream != "") {
			t.Errorf("%+v", i)
		}
	})
}
