package engine_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/services/executor/driver"
	"github.com/isacloud/ha-manager/services/executor/internal/engine"
	"github.com/isacloud/ha-manager/services/executor/internal/journal"
	"github.com/isacloud/ha-manager/services/executor/internal/plan"
)

// memory is a journal that all engines of a test share.
type memory struct {
	mu       sync.Mutex
	entries  map[string]journal.Entry
	revision uint64
	away     bool
}

var errAway = errors.New("the bus is away")

func (m *memory) Load(_ context.Context, key string) (journal.Entry, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.away {
		return journal.Entry{}, errAway
	}
	e := m.entries[key]
	e.Record = copied(e.Record)
	return e, nil
}

func (m *memory) Store(_ context.Context, key string, rec plan.Record, revision uint64) (uint64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.away {
		return 0, errAway
	}
	if m.entries[key].Revision != revision {
		return 0, journal.ErrLost
	}
	m.revision++
	m.entries[key] = journal.Entry{Key: key, Record: copied(rec), Revision: m.revision}
	return m.revision, nil
}

func (m *memory) step(key, step string) plan.Step {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.entries[key].Record.Steps[step]
}

func (m *memory) record(key string) plan.Record {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.entries[key].Record
}

func (m *memory) setAway(away bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.away = away
}

// copied sends a record over the wire and back.
func copied(r plan.Record) plan.Record {
	b, err := json.Marshal(r)
	if err != nil {
		panic(err)
	}
	var out plan.Record
	if err := json.Unmarshal(b, &out); err != nil {
		panic(err)
	}
	return out
}

// target counts what was applied to it and behaves as its functions say.
type target struct {
	mu      sync.Mutex
	applied []string
	look    func(step string) (driver.Sight, error)
	do      func(ctx context.Context, step string) error
	given   func(driver.Input) error // what Do is told
}

func (x *target) Look(_ context.Context, in driver.Input) (driver.Sight, error) {
	if x.look != nil {
		return x.look(in.Step.Name)
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if slices.Contains(x.applied, in.Step.Name) {
		return driver.Sight{Done: driver.Yes}, nil
	}
	return driver.Sight{Done: driver.No}, nil
}

func (x *target) Do(ctx context.Context, in driver.Input) (driver.Deed, error) {
	if x.given != nil {
		if err := x.given(in); err != nil {
			return driver.Deed{}, err
		}
	}
	if x.do != nil {
		if err := x.do(ctx, in.Step.Name); err != nil {
			return driver.Deed{}, err
		}
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.applied = append(x.applied, in.Step.Name)
	return driver.Deed{Applied: true}, nil
}

func (x *target) times(step string) int {
	x.mu.Lock()
	defer x.mu.Unlock()
	n := 0
	for _, s := range x.applied {
		if s == step {
			n++
		}
	}
	return n
}

// stage is an engine with what surrounds it.
type stage struct {
	journal *memory
	target  *target
	began   time.Time
	wall    func() time.Time

	mu   sync.Mutex
	told []message.Message
}

func newStage() *stage {
	return &stage{journal: &memory{entries: map[string]journal.Entry{}}, target: &target{}, began: time.Now(), wall: time.Now}
}

func (s *stage) engine(name string, boot uint64) *engine.Engine {
	return &engine.Engine{
		Me: plan.Me{Name: name, Boot: boot}, Limits: plan.Limits{TakeOver: 10 * time.Second, Yield: 300 * time.Millisecond}, Every: time.Second,
		Journal: s.journal, Bind: func(*message.Step) (driver.Driver, error) { return s.target, nil },
		Secrets: func(string, string) (string, error) { return "", errors.New("none") },
		Clock:   engine.Clock{Mono: func() time.Duration { return time.Since(s.began) }, Wall: s.wall},
		Chance:  func() float64 { return 0 }, Log: slog.New(slog.DiscardHandler),
	}
}

func (s *stage) job(cmd *message.Command, news *engine.News) engine.Job {
	return engine.Job{
		Command: cmd, News: news, Hold: func(context.Context) error { news.Held(); return nil },
		Over: func(plan.Record) {}, Told: func(context.Context) error { return nil },
		Tell: func(ms ...message.Message) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.told = append(s.told, ms...)
		},
	}
}

// start starts a run and gives a function that waits for its end, for ten minutes of the bubble's time.
func (s *stage) start(ctx context.Context, e *engine.Engine, j engine.Job) func() error {
	done := make(chan error, 1)
	go func() {
		ctx, cancel := context.WithTimeout(ctx, 10*time.Minute)
		defer cancel()
		done <- e.Run(ctx, j)
	}()
	return func() error { return <-done }
}

func command(epoch uint64, steps ...string) *message.Command {
	c := &message.Command{ID: fmt.Sprintf("c%d", epoch), Group: "web", Epoch: epoch, Kind: message.KindFailover, From: "a", Primary: "b"}
	for i, name := range steps {
		s := message.Step{Name: name, Phase: message.PhaseAct, Driver: "x", On: "any", Timeout: message.Duration(time.Minute), OnFailure: message.FailPause}
		if i > 0 {
			s.After = []string{steps[i-1]}
		}
		c.Plan.Steps = append(c.Plan.Steps, s)
	}
	return c
}

// A step stands in the journal as started, by this executor, when its driver is asked to do it.
func TestEnteredBeforeDone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage()
		s.target.do = func(_ context.Context, step string) error {
			if e := s.journal.step("web.5", step); e.State != message.StateStarted || e.Executor != "x1" || e.Attempt != 1 {
				t.Errorf("step %s is done while the journal says %+v", step, e)
			}
			return nil
		}
		if err := s.start(t.Context(), s.engine("x1", 1), s.job(command(5, "one", "two"), engine.NewNews(5)))(); err != nil {
			t.Fatal(err)
		}
		if got := s.target.applied; !slices.Equal(got, []string{"one", "two"}) {
			t.Errorf("applied %v", got)
		}
	})
}

// While the claim of a step is being stored it is looked at already, and nothing more: not where its claim was lost, and not where another had begun it, who
// may still be at it. What was seen long before the claim was stored is looked at again.
func TestLookedAtWhileItsClaimIsStored(t *testing.T) {
	const quick, slow = 100 * time.Millisecond, time.Second
	for name, c := range map[string]struct {
		store time.Duration // how long it takes
		lost  bool          // another was first, and ended the run
		taken bool          // another had begun the step, and is gone
		want  []string
	}{
		"quick":      {store: quick, want: []string{"look", "stored", "do", "look"}},
		"slow":       {store: slow, want: []string{"look", "stored", "look", "do", "look"}},
		"lost":       {store: quick, lost: true, want: []string{"look", "stored"}},
		"taken over": {store: quick, taken: true, want: []string{"stored", "look", "do", "look"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStage()
				var mu sync.Mutex
				var notes []string
				note := func(what string) {
					mu.Lock()
					defer mu.Unlock()
					notes = append(notes, what)
				}
				cmd := command(5, "one")
				if c.taken {
					s.target.do = func(ctx context.Context, _ string) error { <-ctx.Done(); return driver.InDoubt("dead") }
					ctx, crash := context.WithCancelCause(t.Context())
					wait := s.start(ctx, s.engine("x1", 1), s.job(cmd, engine.NewNews(5)))
					synctest.Wait()
					crash(engine.ErrStopped)
					_ = wait()
				}
				s.target.look = func(string) (driver.Sight, error) {
					note("look")
					mu.Lock()
					defer mu.Unlock()
					if slices.Contains(notes, "do") {
						return driver.Sight{Done: driver.Yes}, nil
					}
					return driver.Sight{Done: driver.No}, nil
				}
				s.target.do = func(context.Context, string) error { note("do"); return nil }
				e := s.engine("x1", 2)
				e.Journal = &slowly{memory: s.journal, first: func() {
					time.Sleep(c.store)
					note("stored")
					if c.lost {
						rec := plan.Superseded(cmd, plan.Record{}, 6, "x2", 1)
						if _, err := s.journal.Store(t.Context(), journal.Key(cmd), rec, 0); err != nil {
							t.Error(err)
						}
					}
				}}
				if err := s.start(t.Context(), e, s.job(cmd, engine.NewNews(5)))(); err != nil {
					t.Fatal(err)
				}
				if !slices.Equal(notes, c.want) {
					t.Errorf("got %q, want %q", notes, c.want)
				}
			})
		})
	}
}

// slowly is a journal whose first write does something before it is made.
type slowly struct {
	*memory
	first func()
	once  sync.Once
}

func (j *slowly) Store(ctx context.Context, key string, rec plan.Record, revision uint64) (uint64, error) {
	j.once.Do(j.first)
	return j.memory.Store(ctx, key, rec, revision)
}

// early is a driver that notes what it is asked, by step.
type early struct {
	*target
	step string
	note func(string)
}

func (d early) Prepare(context.Context, driver.Input) { d.note("prepare " + d.step) }
func (d early) Close()                                { d.note("close " + d.step) }

func (d early) Do(ctx context.Context, in driver.Input) (driver.Deed, error) {
	d.note("do " + d.step)
	return d.target.Do(ctx, in)
}

// What this executor alone does once the new primary holds its lease is made ready while the lease is taken, by the driver that does it; each driver
// is closed, also one whose turn never came.
func TestPreparedBeforeHeld(t *testing.T) {
	for _, over := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			s, e := newStage(), (*engine.Engine)(nil)
			var mu sync.Mutex
			var notes []string
			note := func(what string) {
				mu.Lock()
				defer mu.Unlock()
				notes = append(notes, what)
			}
			e = s.engine("x1", 1)
			e.Bind = func(step *message.Step) (driver.Driver, error) { return early{s.target, step.Name, note}, nil }
			cmd := command(5, "promote", "route")
			cmd.Plan.Steps[0].Executor = "x1"
			news := engine.NewNews(5)
			j := s.job(cmd, news)
			j.Fresh = true
			j.Hold = func(context.Context) error {
				time.Sleep(time.Second)
				note("held")
				if over {
					news.Newer(6)
					return errors.New("a newer command stands in the chain")
				}
				news.Held()
				return nil
			}
			if err := s.start(t.Context(), e, j)(); err != nil {
				t.Fatal(err)
			}
			want := []string{"prepare promote", "held", "do promote", "close promote", "do route", "close route"}
			if over {
				want = []string{"prepare promote", "held", "close promote"}
			}
			if !slices.Equal(notes, want) {
				t.Errorf("got %q, want %q", notes, want)
			}
		})
	}
}

// What the next life of an executor finds done is not done again.
func TestFoundDoneIsNotDoneAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage()
		ctx, crash := context.WithCancelCause(t.Context())
		s.target.do = func(_ context.Context, step string) error {
			s.target.applied = append(s.target.applied, step) // applied, and then the executor dies
			crash(engine.ErrStopped)
			return driver.InDoubt("dead")
		}
		if err := s.start(ctx, s.engine("x1", 1), s.job(command(5, "one"), engine.NewNews(5)))(); !errors.Is(err, engine.ErrStopped) {
			t.Fatal(err)
		}
		s.target.do = nil
		if err := s.start(t.Context(), s.engine("x1", 2), s.job(command(5, "one"), engine.NewNews(5)))(); err != nil {
			t.Fatal(err)
		}
		if s.target.times("one") != 1 || s.journal.record("web.5").State != message.StateDone {
			t.Errorf("applied %v, run %s", s.target.applied, s.journal.record("web.5").State)
		}
	})
}

// An attempt that was left behind, of a driver that cannot tell, waits for a person; nothing is applied meanwhile.
func TestLeftBehindAndBlindPauses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage()
		s.target.look = func(string) (driver.Sight, error) { return driver.Sight{Done: driver.Unknown}, nil }
		ctx, crash := context.WithCancelCause(t.Context())
		s.target.do = func(context.Context, string) error { crash(engine.ErrStopped); return driver.InDoubt("dead") }
		_ = s.start(ctx, s.engine("x1", 1), s.job(command(5, "one"), engine.NewNews(5)))()
		s.target.do = nil
		news := engine.NewNews(5)
		wait := s.start(t.Context(), s.engine("x1", 2), s.job(command(5, "one"), news))
		synctest.Wait()
		if e := s.journal.step("web.5", "one"); e.State != message.StatePaused || !e.Doubt || s.target.times("one") != 0 {
			t.Errorf("%+v, applied %v", e, s.target.applied)
		}
		news.Instruct(&message.Instruction{Epoch: 5, Step: "one", Attempt: 1, Verb: message.VerbRetry, Actor: "ana"})
		if err := wait(); err != nil || s.target.times("one") != 1 {
			t.Errorf("after a retry: applied %v, %v", s.target.applied, err)
		}
	})
}

// Where doing it again does no harm, nobody is asked.
func TestLeftBehindAndHarmlessIsDoneAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage()
		s.target.look = func(string) (driver.Sight, error) { return driver.Sight{Done: driver.Unknown, Repeat: true}, nil }
		ctx, crash := context.WithCancelCause(t.Context())
		s.target.do = func(context.Context, string) error { crash(engine.ErrStopped); return driver.InDoubt("dead") }
		_ = s.start(ctx, s.engine("x1", 1), s.job(command(5, "one"), engine.NewNews(5)))()
		s.target.do = nil
		if err := s.start(t.Context(), s.engine("x1", 2), s.job(command(5, "one"), engine.NewNews(5)))(); err != nil || s.target.times("one") != 1 {
			t.Errorf("applied %v, %v", s.target.applied, err)
		}
		if r := s.journal.record("web.5"); r.State != message.StateDone {
			t.Errorf("%+v", r)
		}
	})
}

// A newer epoch cuts the step in flight short at once, and nothing more is begun.
func TestSupersededAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage()
		s.target.do = func(ctx context.Context, _ string) error {
			<-ctx.Done()
			return driver.InDoubt("%w", context.Cause(ctx))
		}
		news := engine.NewNews(5)
		wait := s.start(t.Context(), s.engine("x1", 1), s.job(command(5, "one", "two"), news))
		synctest.Wait()
		began := time.Now()
		news.Newer(6)
		if err := wait(); err != nil {
			t.Fatal(err)
		}
		if d := time.Since(began); d != 0 {
			t.Errorf("it took %s", d)
		}
		rec := s.journal.record("web.5")
		if rec.State != message.StateSuperseded || rec.Steps["one"].State != message.StateFailed || rec.Steps["two"].State != "" {
			t.Errorf("%+v", rec)
		}
	})
}

// Once a later epoch has begun, an executor that has not heard of it begins no further step of the older one.
func TestNoStepOnceALaterEpochHasBegun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage()
		release := make(chan struct{})
		s.target.do = func(_ context.Context, step string) error {
			if step == "one" {
				<-release
			}
			return nil
		}
		deaf := s.start(t.Context(), s.engine("x1", 1), s.job(command(5, "one", "two"), engine.NewNews(5)))
		synctest.Wait()
		x2 := s.engine("x2", 1)
		next := s.job(command(6, "three"), engine.NewNews(6))
		next.Before = func(ctx context.Context) error {
			_, err := x2.Close(ctx, []*message.Command{command(5, "one", "two")}, 6)
			return err
		}
		if err := s.start(t.Context(), x2, next)(); err != nil {
			t.Fatal(err)
		}
		close(release)
		if err := deaf(); err != nil {
			t.Fatal(err)
		}
		if s.target.times("two") != 0 || s.target.times("three") != 1 {
			t.Errorf("applied %v", s.target.applied)
		}
	})
}

// ends are the states that were told of a run's end.
func (s *stage) ends(epoch uint64) (out []message.State) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range s.told {
		if r, ok := m.(*message.RunResult); ok && r.Epoch == epoch && r.State != message.StateStarted && r.State != message.StateHeld {
			out = append(out, r.State)
		}
	}
	return out
}

// An executor dies when it has closed a run and not yet told of it: the journal says so, and another, or its next life, tells it, once.
func TestAClosedRunIsToldByWhoeverIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage()
		cmd := command(5, "one")
		closed, err := s.engine("x1", 1).Close(t.Context(), []*message.Command{cmd}, 6) // and dies
		if err != nil || len(closed) != 1 || s.journal.record("web.5").Told {
			t.Fatalf("closed %v, %v: %+v", closed, err, s.journal.record("web.5"))
		}
		for _, e := range []*engine.Engine{s.engine("x2", 1), s.engine("x1", 2)} {
			j := s.job(cmd, engine.NewNews(5))
			if err := e.Report(t.Context(), cmd, j.Tell, j.Told); err != nil {
				t.Fatal(err)
			}
			if got := s.ends(5); !slices.Equal(got, []message.State{message.StateSuperseded}) || !s.journal.record("web.5").Told {
				t.Errorf("told %v, %+v", got, s.journal.record("web.5"))
			}
		}
	})
}

// Whoever turns a run that another closed tells how it ended, if that one does not come to it.
func TestWhoWasOvertakenTellsForTheDead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage()
		release := make(chan struct{})
		s.target.do = func(context.Context, string) error { <-release; return nil }
		deaf := s.start(t.Context(), s.engine("x1", 1), s.job(command(5, "one", "two"), engine.NewNews(5)))
		synctest.Wait()
		if _, err := s.engine("x2", 1).Close(t.Context(), []*message.Command{command(5, "one", "two")}, 6); err != nil { // and dies
			t.Fatal(err)
		}
		close(release)
		if err := deaf(); err != nil {
			t.Fatal(err)
		}
		if got := s.ends(5); !slices.Equal(got, []message.State{message.StateSuperseded}) || !s.journal.record("web.5").Told {
			t.Errorf("told %v, %+v", got, s.journal.record("web.5"))
		}
	})
}

// What is changed in a run that is over and told is told as well: it does not count as told before.
func TestWhatComesAfterTheEndIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage()
		release := make(chan struct{})
		s.target.do = func(context.Context, string) error { <-release; return nil }
		x1 := s.engine("x1", 1)
		x1.At = func(point string) {
			if rec := s.journal.record("web.5"); point == "after store" && rec.Over() && rec.Told {
				t.Error("it says that it was told before it is: who dies now leaves people without a word")
			}
		}
		first := s.start(t.Context(), x1, s.job(command(5, "one"), engine.NewNews(5)))
		synctest.Wait()
		x2, j := s.engine("x2", 1), s.job(command(5, "one"), engine.NewNews(5))
		if _, err := x2.Close(t.Context(), []*message.Command{command(5, "one")}, 6); err != nil {
			t.Fatal(err)
		}
		if err := x2.Report(t.Context(), command(5, "one"), j.Tell, j.Told); err != nil {
			t.Fatal(err)
		}
		close(release)
		if err := first(); err != nil {
			t.Fatal(err)
		}
		done := slices.ContainsFunc(s.told, func(m message.Message) bool {
			r, ok := m.(*message.StepResult)
			return ok && r.Step == "one" && r.State == message.StateDone
		})
		if rec := s.journal.record("web.5"); !done || !rec.Told || rec.Steps["one"].State != message.StateDone {
			t.Errorf("told %t, %+v", done, rec)
		}
	})
}

// Whoever dies between closing two runs leaves none open behind one that is over: nobody looks further back than that.
func TestTheOldestRunIsClosedFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage()
		earlier := []*message.Command{command(7), command(6), command(5)}
		e := s.engine("x1", 1)
		e.At = func(point string) {
			if point == "after close" {
				s.journal.setAway(true)
			}
		}
		if closed, err := e.Close(t.Context(), earlier, 8); err == nil || len(closed) != 1 {
			t.Fatalf("closed %d, %v", len(closed), err)
		}
		s.journal.setAway(false)
		closed, err := s.engine("x1", 2).Close(t.Context(), earlier, 8)
		if err != nil || len(closed) != 2 {
			t.Errorf("closed %d, %v", len(closed), err)
		}
		for _, key := range []string{"web.5", "web.6", "web.7"} {
			if rec := s.journal.record(key); rec.State != message.StateSuperseded {
				t.Errorf("%s: %+v", key, rec)
			}
		}
	})
}

// Another executor takes over from one that has died, after it was silent; a living one that works long is left alone.
func TestTakeOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage()
		finish := make(chan struct{})
		s.target.do = func(ctx context.Context, _ string) error {
			select {
			case <-finish:
				return nil
			case <-ctx.Done():
				return driver.InDoubt("dead")
			}
		}
		ctx, kill := context.WithCancelCause(t.Context())
		first := s.start(ctx, s.engine("x1", 1), s.job(command(5, "one"), engine.NewNews(5)))
		synctest.Wait()
		second := s.start(t.Context(), s.engine("x2", 1), s.job(command(5, "one"), engine.NewNews(5)))
		time.Sleep(50 * time.Second) // five times as long as a holder may be silent
		synctest.Wait()
		if e := s.journal.step("web.5", "one"); e.Executor != "x1" || e.Take != 0 {
			t.Fatalf("a living holder lost its claim: %+v", e)
		}
		kill(engine.ErrStopped)
		_ = first()
		died := time.Now()
		for s.journal.step("web.5", "one").Executor != "x2" {
			time.Sleep(100 * time.Millisecond)
			if time.Since(died) > 20*time.Second {
				t.Fatal("nobody took over")
			}
		}
		if d := time.Since(died); d < 9*time.Second || d > 13*time.Second {
			t.Errorf("taken over after %s", d)
		}
		close(finish)
		if err := second(); err != nil || s.target.times("one") != 1 {
			t.Errorf("applied %v, %v", s.target.applied, err)
		}
	})
}

// An executor that the journal does not answer cuts its own work short before another may take it over.
func TestCutOffStopsItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage()
		cut := make(chan time.Time, 1)
		s.target.do = func(ctx context.Context, _ string) error {
			<-ctx.Done()
			cut <- time.Now()
			return driver.InDoubt("%w", context.Cause(ctx))
		}
		wait := s.start(t.Context(), s.engine("x1", 1), s.job(command(5, "one"), engine.NewNews(5)))
		time.Sleep(5 * time.Second)
		away := time.Now()
		s.journal.setAway(true)
		select {
		case at := <-cut:
			if d := at.Sub(away); d < 7*time.Second || d > 9*time.Second {
				t.Errorf("it stopped itself after %s, a holder may be silent for 10s", d)
			}
		case <-time.After(20 * time.Second):
			t.Error("it works on although another may have taken over")
		}
		s.target.do = nil
		time.Sleep(time.Minute)
		s.journal.setAway(false)
		if err := wait(); err != nil || s.target.times("one") != 1 || s.journal.step("web.5", "one").Take != 1 {
			t.Errorf("the bus is back: %v, applied %v, %+v", err, s.target.applied, s.journal.step("web.5", "one"))
		}
	})
}

// While the bus is away for a moment the step at hand is finished and none is begun; then it goes on.
func TestBusAwayForAMoment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage()
		finish := make(chan struct{})
		s.target.do = func(ctx context.Context, step string) error {
			if step == "one" {
				<-finish
			}
			return ctx.Err()
		}
		wait := s.start(t.Context(), s.engine("x1", 1), s.job(command(5, "one", "two"), engine.NewNews(5)))
		synctest.Wait()
		s.journal.setAway(true)
		time.Sleep(3 * time.Second)
		close(finish)
		time.Sleep(3 * time.Second)
		if s.target.times("one") != 1 || s.target.times("two") != 0 {
			t.Errorf("with the bus away: applied %v", s.target.applied)
		}
		s.journal.setAway(false)
		if err := wait(); err != nil || s.target.times("two") != 1 || s.target.times("one") != 1 {
			t.Errorf("afterwards: applied %v, %v", s.target.applied, err)
		}
	})
}

// A wall clock that jumps changes nothing: it is told, and nothing is measured by it.
func TestWallClockJumps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage()
		jumps := []time.Duration{0, 24 * 365 * time.Hour, -24 * 365 * time.Hour, time.Hour, -time.Minute}
		calls := 0
		var mu sync.Mutex
		s.wall = func() time.Time {
			mu.Lock()
			defer mu.Unlock()
			calls++
			return s.began.Add(jumps[calls%len(jumps)]).Add(24 * 365 * time.Hour)
		}
		fails := 0
		s.target.do = func(context.Context, string) error {
			if fails++; fails < 3 {
				return driver.Refused("no")
			}
			return nil
		}
		cmd := command(5, "one")
		cmd.Plan.Steps[0].Retries, cmd.Plan.Steps[0].Backoff = 2, message.Duration(time.Second)
		began := time.Now()
		if err := s.start(t.Context(), s.engine("x1", 1), s.job(cmd, engine.NewNews(5)))(); err != nil {
			t.Fatal(err)
		}
		if d := time.Since(began); d != 3*time.Second {
			t.Errorf("one second and two seconds of waiting took %s", d)
		}
		if rec := s.journal.record("web.5"); rec.ExecuteMicros != (3 * time.Second).Microseconds() {
			t.Errorf("measured %dus", rec.ExecuteMicros)
		}
	})
}

// A driver that hangs or panics holds nobody: the step waits for a person.
func TestDriverThatMisbehaves(t *testing.T) {
	for name, do := range map[string]func(context.Context, string) error{
		"hangs":  func(context.Context, string) error { time.Sleep(time.Hour); return nil },
		"panics": func(context.Context, string) error { panic("a mistake") },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStage()
				s.target.do = do
				s.target.look = func(string) (driver.Sight, error) { return driver.Sight{Done: driver.Unknown}, nil }
				ctx, stop := context.WithCancelCause(t.Context())
				wait := s.start(ctx, s.engine("x1", 1), s.job(command(5, "one"), engine.NewNews(5)))
				time.Sleep(2 * time.Minute)
				if e := s.journal.step("web.5", "one"); e.State != message.StatePaused || e.Problem == "" {
					t.Errorf("%+v", e)
				}
				stop(engine.ErrStopped)
				_ = wait()
				time.Sleep(time.Hour) // the driver that hung returns, so that the bubble can end
			})
		})
	}
}

// A step that no executor may run is told of, once.
func TestNobodyMayRunIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage()
		cmd := command(5, "one")
		cmd.Plan.Steps[0].On = "executor:x9"
		ctx, stop := context.WithCancelCause(t.Context())
		wait := s.start(ctx, s.engine("x1", 1), s.job(cmd, engine.NewNews(5)))
		time.Sleep(time.Minute)
		var events []string
		s.mu.Lock()
		for _, m := range s.told {
			if e, ok := m.(*message.Event); ok {
				events = append(events, e.ID)
			}
		}
		s.mu.Unlock()
		if !slices.Equal(events, []string{"web.5.one.unclaimed"}) {
			t.Errorf("told %v", events)
		}
		stop(engine.ErrStopped)
		_ = wait()
	})
}

// Where the journal has not answered for long, the claim to write held has ended: it is tried again with pauses, and written as soon as it can be.
func TestHeldIsTriedAgainWithPauses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage()
		news := engine.NewNews(5)
		job := s.job(command(5, "one"), news)
		job.Fresh = true // nothing is read at first
		tries := 0
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		job.Hold = func(ctx context.Context) error {
			if tries++; tries > 10_000 {
				stop()
			}
			<-ctx.Done()
			if s.journal.setAway(false); time.Since(s.began) > time.Minute {
				news.Held()
				return nil
			}
			s.journal.setAway(true)
			return context.Cause(ctx)
		}
		s.journal.setAway(true)
		err := s.start(ctx, s.engine("x1", 1), job)()
		if most := int(time.Minute / (50 * time.Millisecond)); err != nil || tries < 2 || tries > most {
			t.Errorf("%d tries in a minute, want 2 to %d: %v", tries, most, err)
		}
	})
}

// lease is one that nothing is done about.
type lease struct{ driver.Lease }

// A step that changes the own member, left behind by an earlier life, is taken up before the spec has come: it waits for that, since its failure would
// abort the swap. It does not wait for longer than the step may take, nor in a run that is over.
func TestAStepWaitsUntilItsMemberIsKept(t *testing.T) {
	for _, c := range []struct {
		name string
		want message.State
	}{{"comes", message.StateDone}, {"never", message.StateAborted}, {"newer", message.StateSuperseded}} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStage()
				s.target.given = func(in driver.Input) error {
					if in.Lease == nil {
						return driver.Unasked("the lease is not kept by this executor")
					}
					return nil
				}
				cmd := command(5, "give-up")
				cmd.Lease = &message.Lease{Beside: []message.Beside{{Member: "a", Executor: "x1"}, {Member: "b", Executor: "x2"}}}
				cmd.Plan.Steps[0].Executor, cmd.Plan.Steps[0].OnFailure = "x1", message.FailAbort
				kept := make(chan struct{})
				e := s.engine("x1", 2)
				e.Kept = func(string) <-chan struct{} { return kept }
				e.Lease = func(string) driver.Lease {
					select {
					case <-kept:
						return lease{}
					default:
						return nil
					}
				}
				news := engine.NewNews(5)
				news.Held()
				wait := s.start(t.Context(), e, s.job(cmd, news))
				time.Sleep(10 * time.Second)
				switch c.name {
				case "comes":
					close(kept)
				case "newer":
					news.Newer(6)
				}
				if err := wait(); err != nil {
					t.Fatal(err)
				}
				if rec := s.journal.record("web.5"); rec.State != c.want {
					t.Errorf("%+v, want %s", rec, c.want)
				}
			})
		})
	}
}
