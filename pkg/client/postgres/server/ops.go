package server

import (
	"context"
	"path/filepath"
	"sync"
)

// ops are the things being done to one data directory by this process: Kill ends them all.
type ops struct {
	mu      sync.Mutex
	running map[int]context.CancelCauseFunc
	next    int
	killing int           // Kills under way: nothing begins meanwhile
	idle    chan struct{} // closed whenever nothing runs; replaced when something begins
}

var (
	everybody   = map[string]*ops{}
	everybodyMu sync.Mutex
)

func opsOf(data string) *ops {
	if real, err := filepath.EvalSymlinks(data); err == nil {
		data = real
	}
	everybodyMu.Lock()
	defer everybodyMu.Unlock()
	o, ok := everybody[data]
	if !ok {
		o = &ops{running: map[int]context.CancelCauseFunc{}, idle: make(chan struct{})}
		close(o.idle)
		everybody[data] = o
	}
	return o
}

// begin gives a context that Kill ends too; done must be called when the last process of the work has ended.
func (o *ops) begin(ctx context.Context) (work context.Context, done func(), err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.killing > 0 {
		return nil, nil, ErrKilled
	}
	if err := context.Cause(ctx); err != nil {
		return nil, nil, err
	}
	work, cancel := context.WithCancelCause(ctx)
	id := o.next
	o.next++
	if len(o.running) == 0 {
		o.idle = make(chan struct{})
	}
	o.running[id] = cancel
	return work, sync.OnceFunc(func() {
		cancel(nil)
		o.mu.Lock()
		defer o.mu.Unlock()
		delete(o.running, id)
		if len(o.running) == 0 {
			close(o.idle)
		}
	}), nil
}

// kill ends what runs and lets nothing begin until end is called.
func (o *ops) kill() (end func()) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.killing++
	for _, cancel := range o.running {
		cancel(ErrKilled)
	}
	return func() {
		o.mu.Lock()
		defer o.mu.Unlock()
		o.killing--
	}
}

func (o *ops) idleNow() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.running) == 0
}
