package bus

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync"

	"github.com/nats-io/nats.go"
)

// permissions collects what the server refused. NATS tells it asynchronously, by connection: the publisher itself would only see a time-out.
type permissions struct {
	mu      sync.Mutex
	first   error
	seen    chan struct{}
	waiting map[string]map[*waiter]struct{} // by subject
}

type waiter struct {
	stop context.CancelCauseFunc
	// asking: this only asks whether it may; a "no" is an answer, not a mistake in the configuration.
	asking bool
}

func newPermissions() *permissions {
	return &permissions{seen: make(chan struct{}), waiting: map[string]map[*waiter]struct{}{}}
}

// Fatal returns a channel that is closed once the server has refused this identity a subject: the configuration is
// wrong, and no retry will help. [Bus.Err] says which subject.
func (b *Bus) Fatal() <-chan struct{} { return b.perms.seen }

// Err is nil, or the first [ErrPermission].
func (b *Bus) Err() error {
	b.perms.mu.Lock()
	defer b.perms.mu.Unlock()
	return b.perms.first
}

// watch has stop called if the server refuses subj before the returned function is called.
func (p *permissions) watch(subj string, stop context.CancelCauseFunc) (done func()) {
	return p.enter(subj, &waiter{stop: stop})
}

func (p *permissions) enter(subj string, w *waiter) (done func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.waiting[subj] == nil {
		p.waiting[subj] = map[*waiter]struct{}{}
	}
	p.waiting[subj][w] = struct{}{}
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.waiting[subj], w)
		if len(p.waiting[subj]) == 0 {
			delete(p.waiting, subj)
		}
	}
}

// The server says: Permissions Violation for Publish to "x", … for Subscription to "x" [using queue "q"].
var violation = regexp.MustCompile(`(?i)permissions violation for (publish|subscription) to "([^"]*)"`)

// onError is what nats.go calls for everything that no caller waits for.
func (b *Bus) onError(_ *nats.Conn, sub *nats.Subscription, err error) {
	if !errors.Is(err, nats.ErrPermissionViolation) {
		what := ""
		if sub != nil {
			what = sub.Subject
		}
		b.log.Warn("bus error", "error", err, "subscription", what)
		return
	}
	verb, subj := "use", ""
	if m := violation.FindStringSubmatch(err.Error()); m != nil {
		subj = m[2]
		verb = "publish to"
		if strings.EqualFold(m[1], "subscription") {
			verb = "subscribe to"
		}
	}
	full := fmt.Errorf("%w: %s may not %s %q: give this identity that permission on the server", ErrPermission, b.source, verb, subj)
	p := b.perms
	p.mu.Lock()
	defer p.mu.Unlock()
	asking := false
	for w := range p.waiting[subj] {
		asking = asking || w.asking
		w.stop(full)
	}
	if asking {
		return
	}
	b.log.Error("the server refuses this identity a subject; give it the permission", "identity", b.source, "may_not", verb, "subject", subj)
	if p.first == nil {
		p.first = full
		close(p.seen)
	}
}
