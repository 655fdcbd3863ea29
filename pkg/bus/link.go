package bus

import "sync"

// link keeps whether the connection is up and tells those who watch it, in order, one call at a time.
type link struct {
	order    sync.Mutex // held while watchers are called
	mu       sync.Mutex
	up       bool
	stopped  bool
	changed  chan struct{} // closed and replaced at each change
	watchers map[*watcher]struct{}
}

type watcher struct{ f func(up bool) }

func newLink() *link {
	return &link{changed: make(chan struct{}), watchers: map[*watcher]struct{}{}}
}

func (l *link) set(up bool) {
	l.order.Lock()
	defer l.order.Unlock()
	l.mu.Lock()
	if l.up == up || l.stopped {
		l.mu.Unlock()
		return
	}
	l.up = up
	close(l.changed)
	l.changed = make(chan struct{})
	told := make([]*watcher, 0, len(l.watchers))
	for w := range l.watchers {
		told = append(told, w)
	}
	l.mu.Unlock()
	for _, w := range told {
		w.f(up)
	}
}

func (l *link) stop() {
	l.set(false)
	l.mu.Lock()
	l.stopped = true
	l.mu.Unlock()
}

// Link says whether the link is up, and gives a channel that is closed when that changes.
func (b *Bus) Link() (up bool, changed <-chan struct{}) {
	b.link.mu.Lock()
	defer b.link.mu.Unlock()
	return b.link.up, b.link.changed
}

// OnLink calls f at once with the state, and then at each change, one call at a time, until the returned function is called. f
// must not block, and must not call OnLink. At [Bus.Close] it is told false once more.
func (b *Bus) OnLink(f func(up bool)) (cancel func()) {
	w := &watcher{f: f}
	b.link.order.Lock()
	defer b.link.order.Unlock()
	b.link.mu.Lock()
	b.link.watchers[w] = struct{}{}
	up := b.link.up
	b.link.mu.Unlock()
	f(up)
	return func() {
		b.link.mu.Lock()
		defer b.link.mu.Unlock()
		delete(b.link.watchers, w)
	}
}
