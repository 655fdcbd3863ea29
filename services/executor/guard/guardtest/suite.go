package guardtest

import (
	"errors"
	"testing"
	"time"

	"github.com/isacloud/ha-manager/services/executor/guard"
)

// Subject is a guard to be tried, not installed yet, and the world around it.
type Subject struct {
	Guard guard.Guard
	// Now is the clock of the guard; Pass lets that much time pass.
	Now  func() time.Duration
	Pass func(time.Duration)
	// LetsIn says whether a client is let in and answered.
	LetsIn func() bool
	// Lose takes the guard away behind its back.
	Lose func()
	// Freeze makes Arm and Renew call f between reading the clock and writing; nil: no longer.
	Freeze func(f func())
	// Again is the guard as the next life of the process finds it; nil: it has no other life.
	Again func() guard.Guard
}

const (
	long  = 20 * time.Second       // it does not end within a case, however slow the machine
	short = 300 * time.Millisecond // it ends within a case
)

// Run runs the suite. Open makes a new subject.
func Run(t *testing.T, open func(t *testing.T) Subject) {
	for _, c := range []struct {
		name string
		try  func(*testing.T, Subject)
	}{
		{"is open to all until it is installed, then shut", installed},
		{"opens until the deadline and shuts by itself", deadline},
		{"stays open when it is prepared again", preparedAgain},
		{"is renewed", renewed},
		{"is never renewed once it has shut", lapsed},
		{"arms downwards", downwards},
		{"shuts at once", shut},
		{"does not open for a deadline that has passed", passed},
		{"does not open for ever where hardly anything is left", hardly},
		{"is not lengthened by a writer that froze", frozen},
		{"is not opened again by a writer that froze past the deadline", frozenPast},
		{"says that it was taken away, and is put back shut", lost},
		{"is removed", removed},
		{"outlives its process", outlives},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.try(t, open(t))
		})
	}
}

func (s Subject) must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (s Subject) says(t *testing.T, err error, want ...error) {
	t.Helper()
	for _, w := range want {
		if !errors.Is(err, w) {
			t.Errorf("it says %v, want %v", err, w)
		}
	}
}

// is checks that clients and Open agree on whether it is open.
func (s Subject) is(t *testing.T, open bool) {
	t.Helper()
	if s.LetsIn() != open {
		t.Errorf("clients are let in: %t, want %t", !open, open)
	}
	_, said, err := s.Guard.Open()
	if err != nil || said != open {
		t.Errorf("it says that it is open: %t, %v; want %t", said, err, open)
	}
}

// until checks the deadline that Open tells: not later than it was set, but for what is allowed, and near it.
func (s Subject) until(t *testing.T, want time.Duration) {
	t.Helper()
	got, open, err := s.Guard.Open()
	if err != nil || !open {
		t.Fatalf("open %t, %v", open, err)
	}
	if got > want+guard.Late || got < want-time.Second {
		t.Errorf("it is open until %v, want %v", got, want)
	}
}

// shutBy lets time pass until the deadline and what a guard may be late.
func (s Subject) shutBy(t *testing.T, deadline time.Duration) {
	t.Helper()
	if left := deadline + guard.Late - s.Now(); left > 0 {
		s.Pass(left)
	}
	s.is(t, false)
}

func (s Subject) prepared(t *testing.T) {
	t.Helper()
	s.must(t, s.Guard.Prepare())
}

func installed(t *testing.T, s Subject) {
	if !s.LetsIn() {
		t.Fatal("nobody is let in before it is installed: the subject is wrong")
	}
	_, _, err := s.Guard.Open()
	s.says(t, err, guard.ErrAbsent)
	s.says(t, s.Guard.Arm(s.Now()+long), guard.ErrAbsent)
	s.prepared(t)
	s.is(t, false)
	s.says(t, s.Guard.Renew(s.Now()+long), guard.ErrLapsed)
	s.is(t, false)
}

func deadline(t *testing.T, s Subject) {
	s.prepared(t)
	d := s.Now() + long
	s.must(t, s.Guard.Arm(d))
	s.is(t, true)
	s.until(t, d)
	d = s.Now() + short
	s.must(t, s.Guard.Arm(d))
	s.shutBy(t, d)
}

func preparedAgain(t *testing.T, s Subject) {
	s.prepared(t)
	d := s.Now() + long
	s.must(t, s.Guard.Arm(d))
	s.prepared(t)
	s.is(t, true)
	s.until(t, d)
	s.must(t, s.Guard.Renew(d))
}

func renewed(t *testing.T, s Subject) {
	s.prepared(t)
	first := s.Now() + 2*time.Second
	s.must(t, s.Guard.Arm(first))
	for range 5 {
		d := s.Now() + long
		s.must(t, s.Guard.Renew(d))
		s.until(t, d)
	}
	s.Pass(first + guard.Late - s.Now())
	s.is(t, true)
	d := s.Now() + short // a renewal shortens, too
	s.must(t, s.Guard.Renew(d))
	s.shutBy(t, d)
}

func lapsed(t *testing.T, s Subject) {
	s.prepared(t)
	d := s.Now() + short
	s.must(t, s.Guard.Arm(d))
	s.shutBy(t, d)
	for range 3 {
		s.says(t, s.Guard.Renew(s.Now()+long), guard.ErrLapsed)
		s.is(t, false)
	}
	s.must(t, s.Guard.Arm(s.Now()+long)) // a newer epoch
	s.is(t, true)
}

func downwards(t *testing.T, s Subject) {
	s.prepared(t)
	s.must(t, s.Guard.Arm(s.Now()+2*long))
	d := s.Now() + short
	s.must(t, s.Guard.Arm(d))
	if got, open, err := s.Guard.Open(); err != nil || open && got > d+guard.Late {
		t.Errorf("armed until %v it is open until %v (%t, %v)", d, got, open, err)
	}
	s.shutBy(t, d)
}

func shut(t *testing.T, s Subject) {
	s.prepared(t)
	s.must(t, s.Guard.Shut())
	s.must(t, s.Guard.Arm(s.Now()+long))
	s.must(t, s.Guard.Shut())
	s.is(t, false)
	s.says(t, s.Guard.Renew(s.Now()+long), guard.ErrLapsed)
	s.is(t, false)
	s.must(t, s.Guard.Shut())
}

func passed(t *testing.T, s Subject) {
	s.prepared(t)
	for what, call := range map[string]func(time.Duration) error{"arm": s.Guard.Arm, "renew": s.Guard.Renew} {
		for _, ago := range []time.Duration{0, time.Millisecond, time.Hour} {
			s.must(t, s.Guard.Arm(s.Now()+long))
			if err := call(s.Now() - ago); !errors.Is(err, guard.ErrLapsed) {
				t.Errorf("%s until %v ago: %v", what, ago, err)
			}
			s.is(t, false)
		}
	}
}

func hardly(t *testing.T, s Subject) {
	s.prepared(t)
	for what, call := range map[string]func(time.Duration) error{"arm": s.Guard.Arm, "renew": s.Guard.Renew} {
		for _, left := range []time.Duration{time.Nanosecond, 500 * time.Microsecond, time.Millisecond, 3 * time.Millisecond, 10 * time.Millisecond} {
			s.must(t, s.Guard.Arm(s.Now()+long))
			d := s.Now() + left
			if err := call(d); err != nil && !errors.Is(err, guard.ErrLapsed) {
				t.Errorf("%s until in %v: %v", what, left, err)
			}
			s.shutBy(t, d)
		}
	}
}

func frozen(t *testing.T, s Subject) {
	s.prepared(t)
	const freeze = 200 * time.Millisecond
	for what, call := range map[string]func(time.Duration) error{"arm": s.Guard.Arm, "renew": s.Guard.Renew} {
		before := s.Now() + long
		s.must(t, s.Guard.Arm(before))
		s.Freeze(func() { s.Pass(freeze) })
		d := s.Now() + 2*long
		err := call(d)
		s.Freeze(nil)
		got, open, looked := s.Guard.Open()
		if looked != nil || !open {
			t.Fatalf("%s: open %t, %v", what, open, looked)
		}
		if err != nil {
			d = before // refused: it is as it was
		}
		if got > d+guard.Late {
			t.Errorf("%s, frozen for %v: %v; open until %v, that is %v too long", what, freeze, err, got, got-d)
		}
		if err != nil && errors.Is(err, guard.ErrLapsed) {
			t.Errorf("%s: it says that it lapsed, and it is open", what)
		}
	}
}

func frozenPast(t *testing.T, s Subject) {
	s.prepared(t)
	s.must(t, s.Guard.Arm(s.Now()+short))
	s.Freeze(func() { s.Pass(short + guard.Late) })
	s.says(t, s.Guard.Renew(s.Now()+long), guard.ErrLapsed)
	s.is(t, false)
	if err := s.Guard.Arm(s.Now() + short); err == nil {
		t.Error("armed until a deadline that passed on the way")
	}
	s.is(t, false)
}

func lost(t *testing.T, s Subject) {
	s.prepared(t)
	s.must(t, s.Guard.Arm(s.Now()+long))
	s.Lose()
	_, _, err := s.Guard.Open()
	s.says(t, err, guard.ErrAbsent)
	s.says(t, s.Guard.Renew(s.Now()+long), guard.ErrLapsed, guard.ErrAbsent)
	s.says(t, s.Guard.Arm(s.Now()+long), guard.ErrAbsent)
	if !s.LetsIn() {
		t.Error("it is gone, and nobody is let in")
	}
	s.must(t, s.Guard.Shut())
	s.is(t, false)
}

func removed(t *testing.T, s Subject) {
	s.prepared(t)
	for range 2 {
		s.must(t, s.Guard.Remove())
		if !s.LetsIn() {
			t.Error("it was removed, and nobody is let in")
		}
	}
	s.prepared(t)
	s.is(t, false)
}

func outlives(t *testing.T, s Subject) {
	if s.Again == nil {
		return
	}
	s.prepared(t)
	d := s.Now() + long
	s.must(t, s.Guard.Arm(d))
	s.must(t, s.Guard.Close())
	s.Guard = s.Again()
	s.prepared(t)
	s.is(t, true)
	s.until(t, d)
	d = s.Now() + short
	s.must(t, s.Guard.Renew(d))
	s.must(t, s.Guard.Close())
	s.Guard = s.Again()
	s.shutBy(t, d)
	s.says(t, s.Guard.Renew(s.Now()+long), guard.ErrLapsed)
}
