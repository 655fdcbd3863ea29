package schedule

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/services/prober/check"
)

var (
	up      = check.Result{Answer: message.Up}
	soft    = check.Result{Answer: message.Down}
	hard    = check.Result{Answer: message.Down, Hard: true}
	unknown = check.Result{Answer: message.Unknown}
)

// looker is a check whose looks the test writes.
type looker struct {
	look   func(ctx context.Context) check.Result
	closed chan struct{}
}

func (l *looker) Look(ctx context.Context) check.Result { return l.look(ctx) }
func (l *looker) Close()                                { close(l.closed) }

// log notes when each look began, relative to the start.
type log struct {
	mu    sync.Mutex
	start time.Time
	seen  []Observation
}

func (l *log) done(_ context.Context, o Observation) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.seen = append(l.seen, o)
}

func (l *log) began() []time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []time.Duration
	for _, o := range l.seen {
		out = append(out, o.Began.Sub(l.start))
	}
	return out
}

func (l *log) early() []bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []bool
	for _, o := range l.seen {
		out = append(out, o.Early)
	}
	return out
}

func (l *log) latest() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	var late time.Duration
	for _, o := range l.seen {
		late = max(late, o.Late)
	}
	return late
}

// run starts a job without jitter. It stops with the bubble's test.
func run(t *testing.T, task Task, look func(ctx context.Context) check.Result) (*Job, *log) {
	t.Helper()
	l := &log{start: time.Now()}
	if task.Fall == nil {
		task.Fall = func() int { return 3 }
	}
	if task.Done == nil {
		task.Done = l.done
	}
	task.Jitter = func(time.Time) float64 { return 0 }
	task.Looker = &looker{look, make(chan struct{})}
	j := NewJob()
	j.Start(task)
	t.Cleanup(func() { j.Stop(); <-j.Ended() })
	return j, l
}

func always(r check.Result) func(context.Context) check.Result {
	return func(context.Context) check.Result { return r }
}

// hang looks like a target that never answers.
func hang(ctx context.Context) check.Result {
	<-ctx.Done()
	return check.Result{Answer: message.Down, Silent: true}
}

func ms(n ...int) []time.Duration {
	out := make([]time.Duration, len(n))
	for i := range n {
		out[i] = time.Duration(n[i]) * time.Millisecond
	}
	return out
}

func TestLooksInItsSlots(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		_, l := run(t, Task{Every: time.Second, Timeout: 300 * time.Millisecond, Place: 0.125}, always(up))
		time.Sleep(3500 * time.Millisecond)
		require.Equal(t, ms(250, 1250, 2250, 3250), l.began())
		require.Zero(t, l.latest())
	})
}

// Looks of one place are made at the same moments, also of other intervals, and whenever they were begun.
func TestSlotsOfOnePlaceFallTogether(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		origin := time.Now()
		_, half := run(t, Task{Every: 500 * time.Millisecond, Timeout: 100 * time.Millisecond, Place: 0.7, Origin: origin}, always(up))
		time.Sleep(1230 * time.Millisecond)
		_, second := run(t, Task{Every: time.Second, Timeout: 100 * time.Millisecond, Place: 0.7, Origin: origin}, always(up))
		_, quarters := run(t, Task{Every: 750 * time.Millisecond, Timeout: 100 * time.Millisecond, Place: 0.7, Origin: origin}, always(up))
		time.Sleep(1770 * time.Millisecond)
		require.Equal(t, ms(400, 900, 1400, 1900, 2400, 2900), half.began())
		require.Equal(t, ms(170, 1170), second.began(), "from 1 230 ms on")
		require.Equal(t, ms(170, 920, 1670), quarters.began(), "from 1 230 ms on: the same slots where they can be")
	})
}

// Nobody waits an hour for the first word of a check that looks once an hour.
func TestFirstLookComesSoon(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		_, l := run(t, Task{Every: time.Hour, Timeout: time.Second, Place: 0.5}, always(up))
		time.Sleep(2 * time.Hour)
		require.Equal(t, []time.Duration{time.Second, 30 * time.Minute, 90 * time.Minute}, l.began())
	})
}

// Silence is certain after fall time-outs, not fall intervals; afterwards the slots are enough.
func TestSilenceIsRepeatedAtOnceUntilItIsCertain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		_, l := run(t, Task{Every: time.Second, Timeout: 100 * time.Millisecond}, hang)
		time.Sleep(2500 * time.Millisecond)
		require.Equal(t, ms(0, 100, 200, 1000, 2000), l.began())
		require.Zero(t, l.latest())
	})
}

// A refusal to serve that comes at once is repeated a time-out later: a short fault must not count three times.
func TestQuickSoftDownIsRepeatedATimeoutLater(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		answers := []check.Result{up, soft, soft, up, soft, unknown, up}
		n := 0
		_, l := run(t, Task{Every: time.Second, Timeout: 100 * time.Millisecond}, func(context.Context) check.Result {
			r := answers[min(n, len(answers)-1)]
			n++
			return r
		})
		time.Sleep(4500 * time.Millisecond)
		require.Equal(t, ms(0, 1000, 1100, 1200, 2000, 2100, 3000, 4000), l.began())
	})
}

func TestHardDownNeedsNoRepetition(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		_, l := run(t, Task{Every: time.Second, Timeout: 100 * time.Millisecond}, always(hard))
		time.Sleep(2500 * time.Millisecond)
		require.Equal(t, ms(0, 1000, 2000), l.began())
	})
}

// However often it fails and recovers, a target brings at most fall looks an interval.
func TestRetriesAreBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := 0
		_, l := run(t, Task{Every: time.Second, Timeout: 10 * time.Millisecond}, func(context.Context) check.Result {
			if n++; n%3 == 0 {
				return up
			}
			return soft
		})
		time.Sleep(100*time.Second + 500*time.Millisecond)
		require.LessOrEqual(t, len(l.began()), 3*101)
	})
}

// A look that is as long as the interval, or longer, is followed by the next one at once, and nobody calls that late.
func TestSlowTargetDoesNotMakeTheProberLate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		_, l := run(t, Task{Every: 50 * time.Millisecond, Timeout: 120 * time.Millisecond}, hang)
		time.Sleep(1190 * time.Millisecond)
		require.Len(t, l.began(), 9)
		require.Zero(t, l.latest())
	})
}

// A hung target never delays another's check, however many hang.
func TestHungTargetsDelayNobody(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		deaf := make(chan struct{}) // these do not even heed their deadline
		for range 200 {
			run(t, Task{Every: time.Second, Timeout: time.Second}, hang)
			run(t, Task{Every: time.Second, Timeout: time.Second}, func(context.Context) check.Result { <-deaf; return unknown })
		}
		_, l := run(t, Task{Every: time.Second, Timeout: 100 * time.Millisecond, Place: 0.25}, always(up))
		time.Sleep(10 * time.Second)
		close(deaf)
		require.Len(t, l.began(), 10)
		require.Zero(t, l.latest(), "it began late")
	})
}

// The same in real time, where a lock or a pool that they share would show as well.
func TestHungTargetsHoldNothingShared(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	defer close(release)
	for range 100 {
		run(t, Task{Every: time.Millisecond, Timeout: time.Hour}, func(context.Context) check.Result { <-release; return unknown })
	}
	looked := make(chan struct{}, 1000)
	run(t, Task{Every: 5 * time.Millisecond, Timeout: time.Second, Place: 0.5, Done: func(context.Context, Observation) { looked <- struct{}{} }}, always(up))
	patience := time.After(10 * time.Second)
	for range 20 {
		select {
		case <-looked:
		case <-patience:
			t.Fatal("a check waits for the hung ones")
		}
	}
}

func TestWakeBringsALookAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		j, l := run(t, Task{Every: time.Second, Timeout: 100 * time.Millisecond}, always(up))
		time.Sleep(300 * time.Millisecond)
		j.Wake()
		synctest.Wait()
		require.Equal(t, ms(0, 300), l.began())
		require.Equal(t, []bool{false, true}, l.early())
		time.Sleep(2 * time.Second)
		require.Equal(t, ms(0, 300, 1000, 2000), l.began(), "the slots stay where they are")
	})
}

// A connection that ends while the look is still under way must bring another look: nothing is watched any more.
func TestWakeWhileLookingIsNotLost(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var j *Job
		first := true
		started := make(chan struct{})
		job, l := run(t, Task{Every: time.Second, Timeout: 100 * time.Millisecond}, func(context.Context) check.Result {
			if first {
				first = false
				<-started
				j.Wake()
			}
			return up
		})
		j = job
		close(started)
		time.Sleep(500 * time.Millisecond)
		require.Equal(t, ms(0, 2), l.began())
	})
}

// A server that ends every connection without a word would ask for looks for ever.
func TestServerThatAlwaysClosesCausesNoStorm(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var j *Job
		started := make(chan struct{})
		job, l := run(t, Task{Every: time.Second, Timeout: 100 * time.Millisecond}, func(context.Context) check.Result {
			<-started
			j.Wake()
			return up
		})
		j = job
		close(started)
		time.Sleep(100*time.Second + 500*time.Millisecond)
		require.LessOrEqual(t, len(l.began()), 101+12)
		require.GreaterOrEqual(t, len(l.began()), 101)
	})
}

// After the storm, one connection that lasted from slot to slot restores the quick reaction.
func TestCalmRestoresTheQuickReaction(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		j, l := run(t, Task{Every: time.Second, Timeout: 100 * time.Millisecond}, always(up))
		for range 2000 {
			time.Sleep(time.Millisecond)
			j.Wake()
		}
		require.LessOrEqual(t, len(l.began()), 3+12)
		time.Sleep(2500 * time.Millisecond)
		before := len(l.began())
		j.Wake()
		synctest.Wait()
		require.Len(t, l.began(), before+1)
	})
}

func TestHastenKeepsItsGap(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		j, l := run(t, Task{Every: time.Second, Timeout: 100 * time.Millisecond}, always(up))
		for range 400 {
			time.Sleep(time.Millisecond)
			j.Hasten(50 * time.Millisecond)
		}
		synctest.Wait()
		require.Equal(t, ms(0, 50, 100, 150, 200, 250, 300, 350, 400), l.began())
	})
}

// Who asks while a look is under way wants one that begins later than that.
func TestHastenWhileLookingIsNotLost(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		j, l := run(t, Task{Every: time.Second, Timeout: 100 * time.Millisecond}, func(ctx context.Context) check.Result {
			hang(ctx)
			return up
		})
		time.Sleep(30 * time.Millisecond)
		j.Hasten(50 * time.Millisecond)
		time.Sleep(500 * time.Millisecond)
		require.Equal(t, ms(0, 100), l.began())
	})
}

// A look that ends long after its deadline was slept through: the prober was late, whatever it saw.
func TestOversleptLookIsLate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		_, l := run(t, Task{Every: time.Second, Timeout: 100 * time.Millisecond}, func(context.Context) check.Result {
			time.Sleep(700 * time.Millisecond) // a process that was stopped cannot heed its deadline
			return soft
		})
		time.Sleep(800 * time.Millisecond)
		synctest.Wait()
		require.Equal(t, 600*time.Millisecond, l.latest())
		require.Equal(t, 600*time.Millisecond, l.seen[0].Stood)
	})
}

func TestWhoRunsOnTimeHasNotStoodStill(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		_, l := run(t, Task{Every: time.Second, Timeout: 100 * time.Millisecond}, hang)
		time.Sleep(5 * time.Second)
		synctest.Wait()
		for _, o := range l.seen {
			require.Zero(t, o.Stood)
		}
	})
}

func TestDoubtComesAtHalfTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var doubts []time.Duration
		start := time.Now()
		n := 0
		run(t, Task{Every: time.Second, Timeout: 100 * time.Millisecond, Doubt: func() { doubts = append(doubts, time.Since(start)) }}, func(ctx context.Context) check.Result {
			if n++; n == 1 {
				return up
			}
			return hang(ctx)
		})
		time.Sleep(1080 * time.Millisecond)
		synctest.Wait()
		require.Equal(t, ms(1050), doubts)
	})
}

func TestStopThrowsTheLookAway(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		j, l := run(t, Task{Every: time.Second, Timeout: time.Hour}, hang)
		time.Sleep(time.Millisecond)
		j.Stop()
		<-j.Ended()
		j.Wake()
		j.Hasten(0)
		j.Stop()
		time.Sleep(time.Minute)
		require.Empty(t, l.began())
		<-j.task.Looker.(*looker).closed
	})
}

func TestStopBeforeStartClosesTheLooker(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		j := NewJob()
		j.Wake() // a kind may call it before anything is started
		j.Stop()
		l := &looker{always(up), make(chan struct{})}
		j.Start(Task{Every: time.Second, Timeout: time.Second, Looker: l})
		<-l.closed
		<-j.Ended()
	})
}
