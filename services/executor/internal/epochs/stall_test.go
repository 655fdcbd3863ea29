package epochs

import (
	"testing"
	"time"
)

// stalled is a file that the disk does not take a write of until it is let.
type stalled struct {
	slots
	began, let chan struct{}
}

func (s stalled) WriteAt(b []byte, at int64) (int, error) {
	close(s.began)
	<-s.let
	return s.slots.WriteAt(b, at)
}

// One number that the disk is slow to take: everything can be read, everything else written, and it is not read before it is on disk.
func TestAStalledWriteHoldsUpNothingElse(t *testing.T) {
	s, err := Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.PrepareMember("web"); err != nil {
		t.Fatal(err)
	}
	slow := stalled{s.files[fenced+"-web"].file, make(chan struct{}), make(chan struct{})}
	s.files[fenced+"-web"].file = slow
	written, others := make(chan error, 1), make(chan struct{})
	go func() { written <- s.Fence("web", 3) }()
	<-slow.began
	go func() {
		defer close(others)
		if n := s.Fenced("web"); n != 0 {
			t.Errorf("%d is read, and is not on disk", n)
		}
		if _, err := s.Saw("web", 4); err != nil || s.Newest("web") != 4 {
			t.Errorf("%d, %v", s.Newest("web"), err)
		}
		if err := s.PrepareMember("db"); err != nil {
			t.Error(err)
		}
		if err := s.Fence("db", 1); err != nil || s.Fenced("db") != 1 {
			t.Errorf("%d, %v", s.Fenced("db"), err)
		}
	}()
	select {
	case <-others:
	case <-time.After(20 * time.Second):
		t.Error("what has nothing to do with it waits for the disk")
	}
	close(slow.let)
	if err := <-written; err != nil || s.Fenced("web") != 3 {
		t.Errorf("%d, %v", s.Fenced("web"), err)
	}
	<-others
}
