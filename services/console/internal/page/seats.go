package page

import "sync"

// seats are the places of those who follow. The zero value is empty and ready; safe for concurrent use.
type seats struct {
	mu  sync.Mutex
	all int
	of  map[string]int
}

// take gives a seat to a person, if there is one for them; "" is nobody in particular.
func (s *seats) take(name string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.all >= Streams || name != "" && s.of[name] >= streamsOfOne {
		return false
	}
	if s.of == nil {
		s.of = map[string]int{}
	}
	s.all++
	s.of[name]++
	return true
}

func (s *seats) leave(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all--
	if s.of[name]--; s.of[name] == 0 {
		delete(s.of, name)
	}
}
