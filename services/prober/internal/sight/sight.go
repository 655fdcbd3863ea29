// Package sight knows whether this prober can see at all.
//
// A prober whose own network is gone sees every member silent. So it also looks at reference targets, which have nothing
// to do with any group. When it sees none of them it is blind, and says so in every heartbeat; and silence of a member counts only
// if a reference has answered after that look had begun. Without references a prober is never blind.
package sight

import (
	"context"
	"strings"
	"sync"
	"time"
)

// Sight is what the references say. Safe for concurrent use.
type Sight struct {
	// hurry asks for a look at every reference soon.
	hurry func()

	mu       sync.Mutex
	refs     []reference
	answered time.Time     // when a reference answered last
	changed  chan struct{} // closed and replaced at each observation
}

type reference struct {
	began    time.Time // of the latest look; zero: none yet
	seen     bool
	evidence string
}

// New knows n references and has seen none of them yet. Hurry must not block, nor call back before it returns.
func New(n int, hurry func()) *Sight {
	return &Sight{hurry: hurry, refs: make([]reference, n), changed: make(chan struct{})}
}

// Observe takes one look at the reference: when it began and ended, and what was seen.
func (s *Sight) Observe(ref int, began, ended time.Time, seen bool, evidence string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refs[ref] = reference{began, seen, evidence}
	if seen && ended.After(s.answered) {
		s.answered = ended
	}
	close(s.changed)
	s.changed = make(chan struct{})
}

// Now says whether none of the references was seen when last looked at, and gives a channel that is closed at the next
// observation. Before the first looks it is blind.
func (s *Sight) Now() (blind bool, changed <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.blind(), s.changed
}

// blind is for who holds mu.
func (s *Sight) blind() bool {
	for _, r := range s.refs {
		if r.seen {
			return false
		}
	}
	return len(s.refs) > 0
}

// Possible says whether this prober can ever be blind: whether it has references.
func (s *Sight) Possible() bool { return len(s.refs) > 0 }

// Doubt asks for a look at the references: something is silent, and it may be us.
func (s *Sight) Doubt() {
	if s.Possible() {
		s.hurry()
	}
}

// Confirm says whether silence seen by a look that began then is worth nothing: true unless a reference has answered
// since. It waits for that, until every reference was looked at since without an answer, or ctx ends.
func (s *Sight) Confirm(ctx context.Context, began time.Time) (blind bool) {
	for {
		s.mu.Lock()
		done, blind := s.since(began)
		changed := s.changed
		s.mu.Unlock()
		if done {
			return blind
		}
		s.hurry()
		select {
		case <-changed:
		case <-ctx.Done():
			return true
		}
	}
}

// since says what is known of the time after began, and whether that is all there is to know. The caller holds mu.
func (s *Sight) since(began time.Time) (done, blind bool) {
	if len(s.refs) == 0 || !s.answered.Before(began) {
		return true, false
	}
	for _, r := range s.refs {
		if r.began.Before(began) {
			return false, true
		}
	}
	return true, true
}

// Evidence is what the latest looks at the references that were not seen said.
func (s *Sight) Evidence() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []string
	for _, r := range s.refs {
		if !r.seen && r.evidence != "" {
			all = append(all, r.evidence)
		}
	}
	return strings.Join(all, "; ")
}
