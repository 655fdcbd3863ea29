package reconcile

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/isacloud/ha-manager/pkg/client/haproxy"
)

// proxy is one runtime API with all that is watched on it, over one connection: HAProxy allows few.
type proxy struct {
	r      *Reconciler
	addr   string
	client *haproxy.Client
	stop   context.CancelFunc
	look   chan struct{} // holds one token: look now

	mu      sync.Mutex
	watches []*watch
}

// set replaces what is watched; what is watched already goes on with what it knows.
func (p *proxy) set(watches []*watch) {
	p.mu.Lock()
	defer p.mu.Unlock()
	watches = slices.Clone(watches) // the one before may be in use by the look that is under way
	for i, w := range watches {
		for _, old := range p.watches {
			if old.same(w) {
				watches[i] = old
			}
		}
	}
	p.watches = watches
	select {
	case p.look <- struct{}{}:
	default:
	}
}

func (p *proxy) all() []*watch {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.watches
}

// run looks for as long as ctx lasts, and dials again whenever the connection is lost.
func (p *proxy) run(ctx context.Context) {
	defer p.stop()
	keepUp(ctx, p.r.opts.Every, func(ctx context.Context) error {
		conn, err := p.client.Dial(ctx)
		if err != nil {
			return err
		}
		return p.over(ctx, conn)
	}, func(err error) {
		for _, w := range p.all() {
			w.lost(err)
		}
	})
}

// Pauses between two attempts to reach a proxy that is away.
const (
	firstPause = 10 * time.Millisecond
	lastPause  = 250 * time.Millisecond
)

// keepUp makes one session after the other until ctx ends. A session ends when its connection is lost, or could not be made, with why.
func keepUp(ctx context.Context, every time.Duration, session func(context.Context) error, lost func(error)) {
	pause := firstPause
	for ctx.Err() == nil {
		began := time.Now()
		err := session(ctx)
		if ctx.Err() != nil {
			return
		}
		if time.Since(began) > every {
			pause = 0 // it stood: the first attempt to come back is made at once
		}
		lost(err)
		if pause > 0 && !sleep(ctx, pause/2+rand.N(pause/2)) {
			return
		}
		pause = min(max(2*pause, firstPause), lastPause)
	}
}

// over looks over one connection until it is lost, and says why.
func (p *proxy) over(ctx context.Context, conn *haproxy.Conn) error {
	defer conn.Close()
	ticker := time.NewTicker(p.r.opts.Every)
	defer ticker.Stop()
	for fresh := true; ; fresh = false {
		for _, w := range p.all() {
			snapshot, err := conn.Snapshot(ctx, w.route.Backend)
			if lost := conn.Err(); lost != nil {
				return lost
			}
			w.saw(ctx, conn, snapshot, err, fresh)
		}
		select {
		case <-ticker.C:
		case <-p.look:
		case <-conn.Lost():
			return conn.Err()
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
