package schedule

import (
	"context"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/isacloud/ha-manager/services/prober/check"
)

// Task is what a Job does.
type Task struct {
	// Every is the interval, Timeout bounds one look; both are positive.
	Every, Timeout time.Duration
	// Place is where it looks, 0 to 1: so far into the interval, or into two seconds where the interval is shorter; see [Place]. Intervals are
	// counted from Origin; zero: from Start.
	Place  float64
	Origin time.Time
	// Looker is closed when the job has stopped.
	Looker check.Looker
	// Fall is asked after each look how many downs in a row make a down certain, at least 1.
	Fall func() int
	// Done gets each observation, one at a time. The next look begins after it has returned. ctx ends when the job is stopped.
	Done func(ctx context.Context, o Observation)
	// Doubt, if set, is called when a look has lasted for half of its time. It must not block.
	Doubt func()
	// Jitter returns 0 to 1 for a slot; nil: random.
	Jitter func(slot time.Time) float64
}

// Observation is what one look saw, and how it was made.
type Observation struct {
	check.Result
	// Began has a monotonic reading.
	Began time.Time
	Took  time.Duration
	// Late is how long after its due time the look began, or how long after its deadline it ended, whichever is more: both say
	// that this process was not running when it should have been, and a silence that it slept through is none.
	Late time.Duration
	// Stood is how long this process is known to have stood still during the look, at its half or its end: stopped, or starved of
	// processor time. An answer may have waited in a socket meanwhile.
	Stood time.Duration
	// Early: a wake or a retry brought it, not its slot.
	Early bool
}

// Job looks again and again from Start to Stop. Safe for concurrent use.
type Job struct {
	task   Task
	ctx    context.Context
	cancel context.CancelFunc

	mu      sync.Mutex
	pace    *pace
	timer   *time.Timer
	due     time.Time
	why     why
	began   time.Time // of the last look
	looking bool
	pending bool          // a wake came while looking
	hasten  time.Duration // a Hasten came while looking, with this gap; 0: none
	stopped bool
	ended   chan struct{}
}

// NewJob returns a job that does not look yet. The task's Looker may be set until Start, so that it can be given the
// job's Wake.
func NewJob() *Job {
	j := &Job{ended: make(chan struct{})}
	j.ctx, j.cancel = context.WithCancel(context.Background())
	return j
}

// Start begins to look. It is called once.
func (j *Job) Start(t Task) {
	if t.Jitter == nil {
		t.Jitter = func(time.Time) float64 { return rand.Float64() }
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.task = t
	if j.stopped {
		j.finish()
		return
	}
	now := time.Now()
	if t.Origin.IsZero() {
		t.Origin = now
	}
	var due time.Time
	j.pace, due = begin(now, t.Origin, t.Every, t.Timeout, t.Place)
	j.timer = time.AfterFunc(time.Hour, j.look)
	j.arm(due, bySlot)
}

// Wake asks for a look soon, because a kept connection has ended. It never blocks.
func (j *Job) Wake() {
	j.mu.Lock()
	defer j.mu.Unlock()
	switch {
	case j.stopped || j.pace == nil:
	case j.looking:
		j.pending = true
	default:
		j.sooner(j.pace.wake(time.Now(), j.began), byWake)
	}
}

// Hasten asks for a look that begins from now on, soon, but not less than gap after the last one began. It never blocks.
func (j *Job) Hasten(gap time.Duration) {
	j.mu.Lock()
	defer j.mu.Unlock()
	switch {
	case j.stopped || j.pace == nil:
	case j.looking:
		j.hasten = gap
	default:
		j.sooner(later(time.Now(), j.began.Add(gap)), byHaste)
	}
}

// Stop ends it: a look under way is cancelled and what it says is thrown away. It does not wait; see [Job.Ended].
func (j *Job) Stop() {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.stopped {
		return
	}
	j.stopped = true
	j.cancel()
	if j.timer != nil {
		j.timer.Stop()
		if !j.looking {
			j.finish()
		}
	}
}

// Ended is closed when nothing of the job runs any more.
func (j *Job) Ended() <-chan struct{} { return j.ended }

// finish closes the looker. The caller holds mu.
func (j *Job) finish() {
	looker := j.task.Looker
	go func() { // it may have to wait for its own goroutines, one of which may be about to call Wake
		looker.Close()
		close(j.ended)
	}()
}

// sooner brings the next look forward. The caller holds mu.
func (j *Job) sooner(due time.Time, w why) {
	if due.Before(j.due) {
		j.arm(due, w)
	}
}

// arm sets when the next look begins, and why. The caller holds mu; no look is under way.
func (j *Job) arm(due time.Time, w why) {
	j.due, j.why = due, w
	if wait := time.Until(due); wait > 0 {
		j.timer.Reset(wait)
		return
	}
	j.timer.Stop() // if it has fired already, one of the two finds nothing to do
	go j.look()
}

// look runs in the timer's goroutine, or in one of its own.
func (j *Job) look() {
	j.mu.Lock()
	if j.stopped || j.looking {
		j.mu.Unlock()
		return
	}
	began := time.Now()
	if began.Before(j.due) { // called for an earlier due time, which has been served
		j.mu.Unlock()
		return
	}
	j.looking, j.pending, j.hasten, j.began = true, false, 0, began
	due, w := j.due, j.why
	j.mu.Unlock()

	o := j.once(began)
	o.Late = max(o.Late, began.Sub(due))
	o.Early = w != bySlot
	if j.ctx.Err() == nil {
		j.task.Done(j.ctx, o)
	}

	j.mu.Lock()
	defer j.mu.Unlock()
	j.looking = false
	if j.stopped {
		j.finish()
		return
	}
	free := time.Now()
	j.arm(j.pace.next(look{why: w, began: began, free: free, answer: o.Answer, hard: o.Hard}, j.task.Fall(), j.task.Jitter(j.pace.slotAfter(began))))
	if j.pending {
		j.sooner(j.pace.wake(free, began), byWake)
	}
	if j.hasten > 0 {
		j.sooner(later(free, began.Add(j.hasten)), byHaste)
	}
}

// once looks. At half of its time it also notes whether this process runs on time: who finds the deadline passed may
// have slept through the answer. That costs nothing where the target answers.
func (j *Job) once(began time.Time) Observation {
	half := j.task.Timeout / 2
	deadline := began.Add(j.task.Timeout)
	ctx, cancel := context.WithDeadline(j.ctx, deadline)
	defer cancel()
	var stood atomic.Int64
	stood.Store(-1)
	timer := time.AfterFunc(half, func() {
		stood.Store(int64(time.Since(began) - half))
		if j.task.Doubt != nil {
			j.task.Doubt()
		}
	})
	o := Observation{Result: j.task.Looker.Look(ctx), Began: began}
	ended := time.Now()
	timer.Stop()
	o.Took, o.Late = ended.Sub(began), ended.Sub(deadline)
	if o.Stood = time.Duration(stood.Load()); o.Stood < 0 { // half time was not noticed yet
		o.Stood = o.Took - half
	}
	o.Stood = max(o.Stood, o.Late, 0)
	return o
}
