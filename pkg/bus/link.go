package bus

import (
	"errors"
	"fmt"
	"regexp"
	"sync"

	"github.com/nats-io/nats.go"
)

// link keeps whether the connection is up and tells those who watch it, in order, from one goroutine.
type link struct {
	mu       sync.Mutex
	up       bool
	changed  chan struct{} // closed and replaced at each change
	watchers map[*watcher]struct{}
	stopped  bool
}

type watcher struct{ f func(bool) }

func (l *link) start() {
	l.changed = make(chan struct{})
	l.watchers = map[*watcher]struct{}{}
}

func (l *link) set(up bool) {
	l.mu.Lock()
	if l.up == up || l.stopped {
		l.mu.Unlock()
		return
	}
	l.up = up
	close(l.changed)
	l.changed = make(chan struct{})
	ws := make([]*watcher, 0, len(l.watchers))
	for w := range l.watchers {
		ws = append(ws, w)
	}
	l.mu.Unlock()
	for _, w := range ws {
		w.f(up)
	}
}

func (l *link) stop() {
	l.set(false)
	l.mu.Lock()
	l.stopped = true
	l.mu.Unlock()
}

// now returns the state and a channel that is closed at the next change.
func (l *link) now() (bool, <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.up, l.changed
}

// Link says whether the link is up, and gives a channel that is closed when that changes.
func (b *Bus) Link() (up bool, changed <-chan struct{}) { return b.link.now() }

// OnLink calls f at once with the state, and then at each change, one call at a time. f must not block. The
// returned function ends that.
func (b *Bus) OnLink(f func(up bool)) (cancel func()) {
	w := &watcher{f: f}
	b.link.mu.Lock()
	b.link.watchers[w] = struct{}{}
	up := b.link.up
	b.link.mu.Unlock()
	f(up)
	return func() {
		b.link.mu.Lock()
		delete(b.link.watchers, w)
		b.link.mu.Unlock()
	}
}

// permissions collects what the server refused. NATS says so asynchronously: the publisher itself would only see a time-out.
type permissions struct {
	mu      sync.Mutex
	first   error
	seen    chan struct{}
	waiting map[string]map[chan error]struct{} // by subject
}

// Fatal returns a channel that is closed once the server has refused this identity a subject: the configuration is
// wrong, and no retry will help. [Bus.Err] says which subject.
func (b *Bus) Fatal() <-chan struct{} {
	b.perms.mu.Lock()
	defer b.perms.mu.Unlock()
	return b.perms.channel()
}

func (p *permissions) channel() chan struct{} {
	if p.seen == nil {
		p.seen = make(chan struct{})
	}
	return p.seen
}

// Err is nil, or the first [ErrPermission].
func (b *Bus) Err() error {
	b.perms.mu.Lock()
	defer b.perms.mu.Unlock()
	return b.perms.first
}

var violation = regexp.MustCompile(`(?i)permissions violation for (publish|subscription) to "([^"]*)"`)

func (b *Bus) onError(_ *nats.Conn, sub *nats.Subscription, err error) {
	if !errors.Is(err, nats.ErrPermissionViolation) {
		b.log.Warn("bus error", "error", err)
		return
	}
	verb, subj := "use", ""
	if m := violation.FindStringSubmatch(err.Error()); m != nil {
		subj = m[2]
		verb = map[string]string{"publish": "publish to", "subscription": "subscribe to"}[m[1]]
	}
	full := fmt.Errorf("%w: %s may not %s %q: give the user of this service that permission", ErrPermission, b.source, verb, subj)
	b.log.Error("the server refuses this identity a subject; fix its permissions", "identity", b.source, "may_not", verb, "subject", subj)
	p := &b.perms
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.first == nil {
		p.first = full
		close(p.channel())
	}
	for c := range p.waiting[subj] {
		select {
		case c <- full:
		default:
		}
	}
	_ = sub
}
