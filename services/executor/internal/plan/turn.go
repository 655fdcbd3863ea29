package plan

import (
	"cmp"
	"fmt"
	"time"

	"github.com/isacloud/ha-manager/pkg/message"
)

// memory is what this executor saw of a step, on its own clock.
type memory struct {
	state   message.State
	attempt int
	take    int
	since   time.Duration // when it was first seen so
	wait    time.Duration // chosen once: how long to wait from since

	beat   uint64
	looked time.Duration // when the journal was last read
	silent time.Duration // how long the beat stood still while the journal could be read
}

// turn says whether this executor may begin the step, and from when on.
func (r *Run) turn(step *message.Step, s Step, now time.Duration) (at time.Duration, may bool) {
	may, after := r.me.place(step, r.limits.Yield)
	if s.State == message.StateStarted {
		// Own, from before a restart, or never begun; or left behind by another. Saw brings what is new.
		return now, may && (r.me.owns(s) || r.memory[step.Name].silent >= r.limits.TakeOver+after)
	}
	m, ok := r.memory[step.Name]
	if !ok || m.state != s.State || m.attempt != s.Attempt {
		m = memory{state: s.State, attempt: s.Attempt, since: now, wait: after}
		if s.State == message.StateFailed && !s.Again {
			m.wait += r.backoff(step, s.Attempt)
		}
		r.memory[step.Name] = m
	}
	return m.since + m.wait, may
}

// unclaimedAfter is how long a step may wait for an executor before that is told.
const unclaimedAfter = 5 * time.Second

// Unclaimed lists the steps that are ready and that nobody has begun for long: no executor that may run them is there.
func (r *Run) Unclaimed(now time.Duration, see Seen) []*message.Step {
	var out []*message.Step
	if r.stored.Over() || see.Paused {
		return nil
	}
	for i := range r.Command.Plan.Steps {
		step := &r.Command.Plan.Steps[i]
		s := r.stored.Steps[step.Name]
		m, seen := r.memory[step.Name]
		if seen && (s.State == "" || s.State == message.StateFailed && !s.Final) && r.open(&r.stored, step, see) && m.state == s.State && m.attempt == s.Attempt &&
			now-m.since-m.wait > unclaimedAfter {
			out = append(out, step)
		}
	}
	return out
}

// pass settles a step that this executor may not run and that those who may leave alone, where the plan says what is to become of it then: they have not
// begun it for [unclaimedAfter], or have fallen silent over it.
//
// Whoever may run it and begins it at the same moment stores another record: one of the two compare-and-sets fails.
func (r *Run) pass(m *Move, step *message.Step, s Step, now time.Duration, see Seen) {
	seen := r.memory[step.Name]
	if step.Unclaimed == "" {
		return
	}
	if s.State == message.StateStarted {
		if seen.silent < r.limits.TakeOver {
			return
		}
	} else if due := seen.since + unclaimedAfter; now < due {
		m.wake(due)
		return
	}
	s.Executor, s.Boot, s.At = r.me.Name, r.me.Boot, see.Wall
	s.Attempt = max(1, s.Attempt)
	s.Doubt = s.State == message.StateStarted
	s.Problem = fmt.Sprintf("no executor that may run it has begun it for %s: it runs on %s, site %s", unclaimedAfter, step.On, cmp.Or(step.Site, "unknown"))
	if s.State == message.StateStarted {
		s.Problem = fmt.Sprintf("the executor that began it has been silent for %s, and no other may run it", r.limits.TakeOver)
	}
	if step.Unclaimed == message.UnclaimedPause {
		s.State = message.StatePaused
	} else {
		s.State, s.Final = message.StateFailed, true
	}
	m.Record.set(step.Name, s)
}

// maxBackoff bounds the wait between two attempts of a step.
const maxBackoff = time.Minute

// backoff doubles with each attempt and is shortened by chance, up to half.
func (r *Run) backoff(step *message.Step, attempt int) time.Duration {
	d := step.Backoff.Std()
	for i := 1; i < attempt && d < maxBackoff; i++ {
		d *= 2
	}
	return time.Duration(float64(min(d, maxBackoff)) * (1 - r.chance()/2))
}

// Saw takes in that the journal was read now and holds what Observe was told. Only so does a holder's silence grow: while the
// journal cannot be read nobody can tell a holder that is gone from one that is cut off together with us. Every is how often it is read.
func (r *Run) Saw(now, every time.Duration) {
	for name, s := range r.stored.Steps {
		if s.State != message.StateStarted || r.me.owns(s) {
			continue
		}
		m := r.memory[name]
		if m.state != s.State || m.attempt != s.Attempt || m.take != s.Take || m.beat != s.Beat {
			r.memory[name] = memory{state: s.State, attempt: s.Attempt, take: s.Take, beat: s.Beat, since: now, looked: now}
			continue
		}
		if gap := now - m.looked; gap <= 2*every {
			m.silent += gap
		}
		m.looked = now
		r.memory[name] = m
	}
}

// Beat gives the record in which the own steps in flight have grown by one; false where there are none.
func (r *Run) Beat(now time.Duration, wall int64) (Record, bool) {
	rec := r.stored.clone()
	for name := range r.busy {
		if s := rec.Steps[name]; s.State == message.StateStarted && s.Executor == r.me.Name && s.Boot == r.me.Boot {
			s.Beat++
			rec.set(name, s)
		}
	}
	rec.Executor, rec.At, rec.ElapsedMicros = r.me.Name, wall, r.elapsed(now).Microseconds()
	return rec, rec.dirty
}

// Beaten says that what Beat gave is in the journal now.
func (r *Run) Beaten(rec Record) { r.stored = rec.clone() }

// heldStep places the writing of `held`: where the lease is taken with it, by the executor beside the new primary alone.
func (r *Run) heldStep() *message.Step {
	step := r.anyStep(heldWork)
	if l := r.Command.Lease; l != nil {
		if b, ok := l.Of(r.Command.Primary); ok {
			step.Executor = b.Executor
		}
	}
	return step
}

// anyStep places what is done beside the steps like a step that any executor may run.
func (r *Run) anyStep(name string) *message.Step {
	step := &message.Step{Name: name, On: "any"}
	for _, s := range r.Command.Plan.Steps {
		if s.On == "any" {
			step.Site = s.Site
			break
		}
	}
	return step
}
