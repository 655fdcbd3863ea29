// Package guardtest has a guard for the tests of those who use one, and the suite that every guard passes.
package guardtest

import (
	"fmt"
	"sync"
	"time"

	"github.com/isacloud/ha-manager/services/executor/guard"
)

// Fake is a guard on handed-in time: it lets clients in exactly until its deadline. Safe for concurrent use.
type Fake struct {
	clock func() time.Duration

	mu        sync.Mutex
	installed bool
	deadline  time.Duration // of an armed guard; it may have passed
	armed     bool
	failing   error
	calls     []string
	frozen    func()
}

var _ guard.Guard = (*Fake)(nil)

// NewFake makes one that is not installed: clients are let in, as after a boot.
func NewFake(clock func() time.Duration) *Fake { return &Fake{clock: clock, frozen: func() {}} }

// LetsIn says whether a client would be let in now, and answers would get out.
func (f *Fake) LetsIn() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return !f.installed || f.open()
}

// Fail makes each call fail with err from now on, and change nothing; nil: they work again. Close and LetsIn never fail.
func (f *Fake) Fail(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.failing = err
}

// Lose takes the guard away, as somebody does who flushes the packet filter: clients are let in.
func (f *Fake) Lose() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.installed, f.armed = false, false
}

// Freeze makes Arm and Renew call f between reading the clock and writing; it may let time pass. Nil: no longer.
func (f *Fake) Freeze(frozen func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.frozen = frozen; frozen == nil {
		f.frozen = func() {}
	}
}

// Calls are all calls so far that worked, in their order: "prepare", "arm 1.5s", "renew 1.9s", "shut", "remove". Open and Close are no such calls.
func (f *Fake) Calls() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]string(nil), f.calls...)
}

func (f *Fake) open() bool { return f.armed && f.clock() < f.deadline }

func (f *Fake) did(format string, args ...any) error {
	f.calls = append(f.calls, fmt.Sprintf(format, args...))
	return nil
}

// Prepare does what guard.Guard says.
func (f *Fake) Prepare() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.failing != nil {
		return f.failing
	}
	f.installed = true
	return f.did("prepare")
}

// Arm does what guard.Guard says.
func (f *Fake) Arm(deadline time.Duration) error { return f.write("arm", deadline, false) }

// Renew does what guard.Guard says.
func (f *Fake) Renew(deadline time.Duration) error { return f.write("renew", deadline, true) }

func (f *Fake) write(what string, deadline time.Duration, renewal bool) error {
	f.mu.Lock()
	frozen := f.frozen
	if f.failing != nil {
		defer f.mu.Unlock()
		return f.failing
	}
	f.mu.Unlock()
	frozen()
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case !f.installed && renewal:
		return fmt.Errorf("%s: %w: %w", what, guard.ErrLapsed, guard.ErrAbsent)
	case !f.installed:
		return fmt.Errorf("%s: %w", what, guard.ErrAbsent)
	case renewal && !f.open():
		return fmt.Errorf("%s: %w", what, guard.ErrLapsed)
	case deadline <= f.clock():
		f.armed = false
		return fmt.Errorf("%s: %w", what, guard.ErrLapsed)
	}
	f.armed, f.deadline = true, deadline
	return f.did("%s %v", what, deadline)
}

// Shut does what guard.Guard says.
func (f *Fake) Shut() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.failing != nil {
		return f.failing
	}
	f.installed, f.armed = true, false
	return f.did("shut")
}

// Open does what guard.Guard says.
func (f *Fake) Open() (time.Duration, bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.failing != nil:
		return 0, false, f.failing
	case !f.installed:
		return 0, false, guard.ErrAbsent
	case !f.open():
		return 0, false, nil
	}
	return f.deadline, true, nil
}

// Remove does what guard.Guard says.
func (f *Fake) Remove() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.failing != nil {
		return f.failing
	}
	f.installed, f.armed = false, false
	return f.did("remove")
}

// Close does what guard.Guard says.
func (f *Fake) Close() error { return nil }
