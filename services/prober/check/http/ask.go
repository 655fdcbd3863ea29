package http

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"
)

const (
	// maxBody is how much of a body is looked at, in bytes.
	maxBody = 64 << 10
	// maxAnswer bounds status line, header and body together.
	maxAnswer = maxBody + 128<<10
	// drain is how long the rest of an answer that nobody looks at may take to come in before the connection is given up for it.
	drain = 50 * time.Millisecond
)

// answer is what came back for one request.
type answer struct {
	url      *url.URL
	code     int
	status   string    // "503 Service Unavailable"
	location string    // of a redirect
	body     []byte    // only where it is looked at
	at       time.Time // when all that is looked at had come in
	// fresh: the connection was made for this request.
	fresh bool
}

// ask sends the request over the kept connection, or a new one if there is none, it is old, or it turns out to be dead:
// a server may end an idle connection at any moment, also in the one in which the request is under way.
func (l *looker) ask(ctx context.Context, header http.Header) (answer, error) {
	req := request(l.method, l.url, header)
	conn := l.line.Take()
	if conn != nil && time.Since(l.made) >= freshEvery {
		_ = conn.Close()
		conn = nil
	}
	if conn != nil {
		a, keep, err := l.exchange(ctx, conn, req)
		if err == nil {
			l.end(conn, keep)
			return a, nil
		}
		_ = conn.Close()
		if !stale(err) || ctx.Err() != nil {
			return a, err
		}
	}
	conn, err := l.dialer.Dial(ctx)
	if err != nil {
		return answer{url: l.url, fresh: true}, err
	}
	l.made = time.Now()
	a, keep, err := l.exchange(ctx, conn, req)
	a.fresh = true
	if err != nil {
		_ = conn.Close()
		return a, err
	}
	l.end(conn, keep)
	return a, nil
}

func (l *looker) end(conn net.Conn, keep bool) {
	if !keep {
		_ = conn.Close()
		return
	}
	l.line.Keep(conn)
}

func request(method string, u *url.URL, header http.Header) *http.Request {
	req := &http.Request{Method: method, URL: u, Host: u.Host, Header: header.Clone(), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1}
	if host := req.Header.Get("Host"); host != "" {
		req.Host = host
	}
	if u.User != nil && req.Header.Get("Authorization") == "" {
		password, _ := u.User.Password()
		req.SetBasicAuth(u.User.Username(), password)
	}
	return req
}

// unanswered wraps what ended the connection before the first byte of an answer.
type unanswered struct{ error }

func (u unanswered) Unwrap() error { return u.error }

// stale says that a kept connection had ended by itself, so that the question is to be put again over a new one. Silence is not
// that: it is the answer.
func stale(err error) bool {
	var none unanswered
	var timeout net.Error
	return errors.As(err, &none) && !(errors.As(err, &timeout) && timeout.Timeout())
}

// readers and writers are pooled: between looks nobody needs their buffers.
var (
	readers = sync.Pool{New: func() any { return bufio.NewReader(nil) }}
	writers = sync.Pool{New: func() any { return bufio.NewWriter(nil) }}
)

// exchange sends req over conn and reads what comes back. Keep says that conn can carry another request; a conn that
// must not be kept is still open.
func (l *looker) exchange(ctx context.Context, conn net.Conn, req *http.Request) (a answer, keep bool, err error) {
	a.url = req.URL
	deadline, _ := ctx.Deadline()
	if err := conn.SetDeadline(deadline); err != nil {
		return a, false, unanswered{err}
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer func() { keep = stop() && keep }() // interrupted in the last moment: the deadline may be spoilt

	if err := send(conn, req); err != nil {
		return a, false, unanswered{err}
	}
	limited := &io.LimitedReader{R: conn, N: maxAnswer}
	r := readers.Get().(*bufio.Reader)
	r.Reset(limited)
	defer func() { r.Reset(nil); readers.Put(r) }()
	if _, err := r.Peek(1); err != nil {
		return a, false, unanswered{err}
	}
	resp, err := final(r, req)
	if err != nil {
		if limited.N <= 0 {
			err = fmt.Errorf("the answer's header is larger than %d bytes", maxAnswer)
		}
		return a, false, err
	}
	a.code, a.status, a.location = resp.StatusCode, resp.Status, location(resp)
	whole, err := l.read(conn, resp, &a, deadline) // the body holds nothing that had to be closed
	if err != nil {
		return a, false, err
	}
	keep = whole && !resp.Close && resp.StatusCode != http.StatusSwitchingProtocols && r.Buffered() == 0
	return a, keep, nil
}

func send(conn net.Conn, req *http.Request) error {
	w := writers.Get().(*bufio.Writer)
	w.Reset(conn)
	defer func() { w.Reset(nil); writers.Put(w) }()
	if err := req.Write(w); err != nil {
		return err
	}
	return w.Flush()
}

// final passes over informational answers. Their number is bounded by the size of an answer.
func final(r *bufio.Reader, req *http.Request) (*http.Response, error) {
	for {
		resp, err := http.ReadResponse(r, req)
		if err != nil || resp.StatusCode >= 200 || resp.StatusCode == http.StatusSwitchingProtocols {
			return resp, err
		}
	}
}

// read takes the body. Whole says that it came to its end.
//
// Where the body is not looked at, the status is the answer: a body that streams for ever does not make the look
// wait, and one that breaks off asks for another look at once instead of making this one wrong.
func (l *looker) read(conn net.Conn, resp *http.Response, a *answer, deadline time.Time) (whole bool, err error) {
	limited := io.LimitReader(resp.Body, maxBody+1)
	if l.page.Body != nil {
		if a.body, err = io.ReadAll(limited); err != nil {
			return false, err
		}
		a.at, whole = time.Now(), len(a.body) <= maxBody
		a.body = a.body[:min(len(a.body), maxBody)]
		return whole, nil
	}
	a.at = time.Now()
	if soon := a.at.Add(drain); soon.Before(deadline) {
		_ = conn.SetReadDeadline(soon) // an error shows itself in the read that follows
	}
	n, err := io.Copy(io.Discard, limited)
	var timeout net.Error
	if err != nil && !(errors.As(err, &timeout) && timeout.Timeout()) {
		l.target.Wake()
	}
	return err == nil && n <= maxBody, nil
}
