package engine

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// alive gives work the context of its claim: it ends when the journal has not answered for so long that another executor may be
// about to take over. A bus that is away for everybody lasts shorter than that, as a rule: the step at hand is then finished.
type alive struct {
	parent context.Context
	limit  time.Duration

	mu    sync.Mutex
	ctx   context.Context
	cut   context.CancelCauseFunc
	timer *time.Timer
}

func newAlive(parent context.Context, limit time.Duration) *alive {
	a := &alive{parent: parent, limit: limit}
	a.ctx, a.cut = context.WithCancelCause(parent)
	a.timer = time.AfterFunc(limit, a.expire)
	return a
}

// errForgotten is the cause with which a look ends that nobody needs any more.
var errForgotten = errors.New("not needed any more")

// errLapsed is the cause with which a claim ends that another executor may be about to take over.
var errLapsed = errors.New("cut short: the journal did not answer")

func (a *alive) expire() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.cut(fmt.Errorf("%w for %s, and another executor may take over", errLapsed, a.limit))
}

// heard says that the journal answered now.
func (a *alive) heard() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.timer.Reset(a.limit)
	if a.ctx.Err() != nil && a.parent.Err() == nil {
		a.ctx, a.cut = context.WithCancelCause(a.parent)
	}
}

// claim is the context of work begun now.
func (a *alive) claim() context.Context {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.ctx
}

func (a *alive) stop() {
	a.timer.Stop()
	a.mu.Lock()
	defer a.mu.Unlock()
	a.cut(nil)
}
