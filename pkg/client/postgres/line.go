package postgres

import (
	"errors"
	"net"
	"sync"
	"time"
)

// errTooMuch ends a connection whose other end says more than any answer has.
var errTooMuch = errors.New("it said more than 1 MiB, which no PostgreSQL answers here")

// line is a network connection that is read also while nobody asks, so that its end is noticed when it happens. What comes in
// meanwhile (a changed setting, the reason why the session is ended) is kept for the next reader.
type line struct {
	net.Conn
	lost func() // nil: nobody is told

	mu       sync.Mutex
	early    []byte // read by the watcher
	broken   error  // what the watcher's read ended with
	watching bool
	asked    bool          // the watcher is asked to stop
	closed   bool          // by us
	stopped  chan struct{} // closed when the watcher has ended
	said     int           // bytes since the last call began
}

func newLine(conn net.Conn, lost func()) *line { return &line{Conn: conn, lost: lost} }

var past = time.Unix(1, 0)

// watch begins to read. Nobody else may use the line until unwatch.
func (l *line) watch() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.watching || l.broken != nil {
		return
	}
	l.watching, l.asked, l.stopped = true, false, make(chan struct{})
	if err := l.SetDeadline(time.Time{}); err != nil {
		l.watching, l.broken = false, err
		return
	}
	go l.listen(l.stopped)
}

// unwatch stops reading, and returns whether the line still stands.
func (l *line) unwatch() error {
	l.mu.Lock()
	if l.watching {
		stopped := l.stopped
		l.asked = true
		_ = l.SetReadDeadline(past)
		l.mu.Unlock()
		<-stopped
		l.mu.Lock()
	}
	defer l.mu.Unlock()
	l.said = 0
	if l.broken != nil {
		return l.broken
	}
	return l.SetDeadline(time.Time{})
}

func (l *line) listen(stopped chan struct{}) {
	defer close(stopped)
	buf := make([]byte, 512)
	for {
		n, err := l.Conn.Read(buf)
		l.mu.Lock()
		l.early = append(l.early, buf[:n]...)
		if err == nil && len(l.early) > mostSaid {
			err = errTooMuch
		}
		var timeout net.Error
		switch {
		case l.asked && errors.As(err, &timeout) && timeout.Timeout():
			l.watching = false
			l.mu.Unlock()
			return
		case err == nil:
			l.mu.Unlock()
			continue
		}
		l.watching, l.broken = false, err
		unasked := !l.asked && !l.closed
		l.mu.Unlock()
		if unasked && l.lost != nil {
			l.lost()
		}
		return
	}
}

// Close is our own end, of which nobody has to be told.
func (l *line) Close() error {
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	return l.Conn.Close()
}

// Read gives what the watcher has read before what comes.
func (l *line) Read(b []byte) (int, error) {
	l.mu.Lock()
	if n := copy(b, l.early); n > 0 {
		l.early = l.early[n:]
		l.said += n
		l.mu.Unlock()
		return n, nil
	}
	said, broken := l.said, l.broken
	l.mu.Unlock()
	if broken != nil {
		return 0, broken
	}
	if said > mostSaid {
		return 0, errTooMuch
	}
	n, err := l.Conn.Read(b)
	l.mu.Lock()
	l.said += n
	l.mu.Unlock()
	return n, err
}

// heard is how many bytes have come since the last call began.
func (l *line) heard() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.said
}
