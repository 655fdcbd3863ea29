package reach

import (
	"net"
	"sync"
	"time"
)

// chatter is how much a target may say on a held connection that nobody asked, in bytes.
const chatter = 64 << 10

// Line keeps one connection open from Keep to Take and watches it: when the peer ends it meanwhile, Wake is called once.
type Line struct {
	// Wake is called from the watching goroutine, with no lock held. It must not block.
	Wake func()
	// Chatty allows the peer to speak unasked (a greeting). Otherwise that ends the connection, as an answer
	// without a question would be taken for the next one's.
	Chatty bool

	mu      sync.Mutex
	conn    net.Conn // nil: none is kept
	taken   bool     // the watcher is asked to stop
	stopped chan struct{}
}

// past is a deadline that ends a read at once.
var past = time.Unix(1, 0)

// Keep takes conn over and watches it. What was kept before must have been taken. If conn cannot be kept it is closed.
func (l *Line) Keep(conn net.Conn) {
	if conn.SetDeadline(time.Time{}) != nil {
		_ = conn.Close()
		l.Wake()
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.conn, l.taken, l.stopped = conn, false, make(chan struct{})
	go l.watch(conn, l.stopped)
}

// Take gives the connection back to its user, or nil if there is none any more. It returns when the watcher has ended.
func (l *Line) Take() net.Conn {
	l.mu.Lock()
	conn, stopped := l.conn, l.stopped
	if conn == nil {
		l.mu.Unlock()
		return nil
	}
	l.taken = true
	_ = conn.SetReadDeadline(past) // an error means that it is closed, which the watcher sees too
	l.mu.Unlock()
	<-stopped
	l.mu.Lock()
	defer l.mu.Unlock()
	conn = l.conn // nil if it ended before the watcher heard us
	l.conn = nil
	return conn
}

// Close ends what is kept.
func (l *Line) Close() {
	if conn := l.Take(); conn != nil {
		_ = conn.Close()
	}
}

func (l *Line) watch(conn net.Conn, stopped chan struct{}) {
	defer close(stopped)
	var buf [64]byte
	for said := 0; ; {
		n, err := conn.Read(buf[:])
		said += n
		l.mu.Lock()
		if l.taken && n == 0 && timedOut(err) {
			l.mu.Unlock()
			return
		}
		if err == nil && l.Chatty && said <= chatter {
			l.mu.Unlock()
			continue
		}
		l.conn = nil
		asked := l.taken
		l.mu.Unlock()
		_ = conn.Close()
		if !asked {
			l.Wake()
		}
		return
	}
}
