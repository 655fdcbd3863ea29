package spec

import (
	"slices"
	"sync"
)

// maxRemembered bounds how many values a Store remembers; the oldest go first. A process reads some dozens.
const maxRemembered = 1024

// Store reads references and remembers what they held, so that it can be taken out of whatever is shown. Safe for concurrent use.
type Store struct {
	lookup Lookup

	mu     sync.Mutex
	values []string
}

// Remember makes a Store of a Lookup.
func Remember(lookup Lookup) *Store { return &Store{lookup: lookup} }

// Lookup is a [Lookup].
func (s *Store) Lookup(kind, name string) (string, error) {
	v, err := s.lookup(kind, name)
	if err != nil || v == "" {
		return v, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !slices.Contains(s.values, v) {
		if s.values = append(s.values, v); len(s.values) > maxRemembered {
			s.values = slices.Delete(s.values, 0, 1)
		}
	}
	return v, nil
}

// Values are what was read so far.
func (s *Store) Values() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.values)
}
