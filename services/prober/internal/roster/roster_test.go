package roster

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec"
	"github.com/isacloud/ha-manager/services/prober/check"
	"github.com/isacloud/ha-manager/services/prober/internal/schedule"
	"github.com/isacloud/ha-manager/services/prober/internal/sight"
)

// bench is a roster whose targets the test plays.
type bench struct {
	*Roster
	t *testing.T

	mu     sync.Mutex
	opened []check.Target
	closed []string
	beats  []*message.Heartbeat
	// answer is what a look says; it may wait.
	answer func(ctx context.Context, t check.Target) check.Result
}

type played struct {
	*bench
	target check.Target
}

func (p played) Look(ctx context.Context) check.Result { return p.answer(ctx, p.target) }
func (p played) Close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.bench.closed = append(p.bench.closed, p.target.Vantage+"/"+p.target.Member+"/"+p.target.Check.Name)
}

func newBench(t *testing.T, o Options) *bench {
	b := &bench{t: t, answer: func(context.Context, check.Target) check.Result { return check.Result{Answer: message.Up} }}
	o.Open = func(target check.Target) check.Looker {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.opened = append(b.opened, target)
		return played{b, target}
	}
	o.Boot = "boot1"
	if o.Vantages == nil {
		o.Vantages = []string{"sp"}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Sight == nil {
		o.Sight = sight.New(0, func() {})
	}
	o.ConfirmWithin = time.Second
	o.Seen = func(schedule.Observation) {}
	o.Offer = func(hb *message.Heartbeat) {
		require.NoError(t, message.Validate(hb))
		b.mu.Lock()
		defer b.mu.Unlock()
		b.beats = append(b.beats, hb)
	}
	b.Roster = New(o)
	t.Cleanup(b.Roster.Close)
	return b
}

func (b *bench) take() []*message.Heartbeat {
	synctest.Wait()
	b.mu.Lock()
	defer b.mu.Unlock()
	out := b.beats
	b.beats = nil
	return out
}

func (b *bench) openedNames() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var out []string
	for _, t := range b.opened {
		out = append(out, t.Vantage+"/"+t.Member+"/"+t.Check.Name)
	}
	b.opened = nil
	return out
}

func pair(checks ...spec.Check) *spec.Group {
	return &spec.Group{
		Name: "web", Policy: spec.DefaultPolicy(), Checks: checks,
		Members: []spec.Member{{Name: "a", Site: "sp", URL: "http://192.0.2.10:8080"}, {Name: "b", Site: "rj", URL: "http://198.51.100.10:8080"}},
	}
}

func httpCheck(name, path string, from ...string) spec.Check {
	return spec.Check{
		Name: name, Kind: spec.CheckHTTP, Effect: spec.EffectDown, Every: time.Second, Timeout: 300 * time.Millisecond, From: from,
		HTTP: &spec.HTTPCheck{URL: path},
	}
}

func TestEachVantageLooksItself(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, Options{Vantages: []string{"rj", "sp"}})
		only := httpCheck("disk", "/disk", "sp")
		only.Members = []string{"b"}
		b.Apply("web", pair(httpCheck("alive", "/alive", "sp", "rj", "witness"), only, httpCheck("far", "/far", "witness")), 7)
		require.ElementsMatch(t, []string{"rj/a/alive", "sp/a/alive", "rj/b/alive", "sp/b/alive", "sp/b/disk"}, b.openedNames())
		time.Sleep(2 * time.Second)
		count := map[string]int{}
		for _, hb := range b.take() {
			count[hb.Vantage+"/"+hb.Member+"/"+hb.Check]++
			require.EqualValues(t, count[hb.Vantage+"/"+hb.Member+"/"+hb.Check], hb.Seq, "each counts for itself, from 1")
			require.EqualValues(t, 7, hb.SpecRevision)
			require.EqualValues(t, 1_000_000, hb.EveryMicros)
			require.Equal(t, "boot1", hb.Boot)
		}
		require.Equal(t, map[string]int{"rj/a/alive": 2, "sp/a/alive": 2, "rj/b/alive": 2, "sp/b/alive": 2, "sp/b/disk": 2}, count)
	})
}

func TestOnlyChangedChecksAreRestarted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, Options{})
		alive, ready := httpCheck("alive", "/alive", "sp"), httpCheck("ready", "/ready", "sp")
		b.Apply("web", pair(alive, ready), 1)
		require.Len(t, b.openedNames(), 4)
		time.Sleep(1500 * time.Millisecond)
		b.take()

		g := pair(alive, ready)
		g.Policy.Fall, g.Mode, g.Checks[1].Effect, g.Checks[0].From = 1, spec.Auto, spec.EffectReady, []string{"sp", "rj"}
		b.Apply("web", g, 2)
		require.Empty(t, b.openedNames(), "nothing of this changes how a look is made")
		time.Sleep(time.Second)
		for _, hb := range b.take() {
			require.EqualValues(t, 2, hb.SpecRevision)
		}

		g = pair(alive, ready)
		g.Checks[1].HTTP = &spec.HTTPCheck{URL: "/ready2"}
		g.Members[0].Vars = map[string]string{"unused": "x"}
		b.Apply("web", g, 3)
		require.ElementsMatch(t, []string{"sp/a/ready", "sp/b/ready"}, b.openedNames())
		synctest.Wait()
		require.ElementsMatch(t, []string{"sp/a/ready", "sp/b/ready"}, b.closed)
		time.Sleep(time.Second)
		for _, hb := range b.take() {
			require.Greater(t, hb.Seq, uint64(2), "a number of the same run never goes back: %s", hb.Check)
			require.EqualValues(t, 3, hb.SpecRevision)
		}

		b.Apply("web", nil, 4)
		synctest.Wait()
		require.Len(t, b.closed, 6)
		require.Empty(t, b.Looks())
		b.take()
		time.Sleep(time.Minute)
		require.Empty(t, b.take())

		b.Apply("web", pair(alive), 5)
		time.Sleep(time.Second)
		for _, hb := range b.take() {
			require.Greater(t, hb.Seq, uint64(3), "not even after the group had gone")
		}
	})
}

// What a check that was replaced still sees must not be told after its successor has begun.
func TestReplacedCheckIsSilent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, Options{})
		b.answer = func(ctx context.Context, target check.Target) check.Result {
			if target.Check.HTTP.URL[len(target.Check.HTTP.URL)-4:] == "slow" {
				<-ctx.Done()
				time.Sleep(time.Second) // it does not heed it at once
				return check.Result{Answer: message.Down, Evidence: "old"}
			}
			return check.Result{Answer: message.Up}
		}
		b.Apply("web", pair(httpCheck("alive", "/slow", "sp")), 1)
		time.Sleep(time.Second)
		b.take()
		b.Apply("web", pair(httpCheck("alive", "/quick", "sp")), 2)
		time.Sleep(10 * time.Second)
		for _, hb := range b.take() {
			require.Equal(t, message.Up, hb.Answer)
		}
	})
}

// The wall clock is for people: when it jumps, looks go on in their rhythm, and no message becomes invalid.
func TestWallClockJumpChangesNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var jump time.Duration
		b := newBench(t, Options{Now: func() time.Time {
			mu.Lock()
			defer mu.Unlock()
			return time.Now().Add(jump)
		}})
		b.Apply("web", pair(httpCheck("alive", "/alive", "sp")), 1)
		for _, j := range []time.Duration{0, 30 * time.Hour, -100 * 365 * 24 * time.Hour, time.Hour} {
			mu.Lock()
			jump = j
			mu.Unlock()
			time.Sleep(10 * time.Second)
			beats := b.take()
			require.Len(t, beats, 20, "two members, once a second, jump %s", j)
			for _, hb := range beats {
				require.Zero(t, hb.LateMicros)
			}
		}
	})
}

func TestAnswersAreToldAsTheyAre(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, Options{})
		all := []check.Result{
			{Answer: message.Up, Perf: map[string]float64{"load": 1}},
			{Answer: message.Degraded, Evidence: "slow"},
			{Answer: message.Down, Evidence: "503"},
			{Answer: message.Down, Silent: true, Evidence: "no answer"},
			{Answer: message.Down, Hard: true, Evidence: "refused"},
			{Answer: message.Unknown, Evidence: "no descriptors"},
		}
		n := 0 // of member a alone, whose looks follow each other
		b.answer = func(_ context.Context, target check.Target) check.Result {
			if target.Member == "b" {
				return all[0]
			}
			r := all[n%len(all)]
			n++
			return r
		}
		g := pair(httpCheck("alive", "/alive", "sp"))
		g.Policy.Fall = 1
		b.Apply("web", g, 1)
		time.Sleep(5900 * time.Millisecond)
		i := 0
		for _, hb := range b.take() {
			if hb.Member == "a" {
				r := all[i]
				i++
				require.Equal(t, fmt.Sprint(r.Answer, r.Hard, r.Evidence, r.Perf), fmt.Sprint(hb.Answer, hb.Hard, hb.Evidence, hb.Perf))
			}
		}
		require.Equal(t, len(all), i)
		l := b.Looks()
		require.Len(t, l, 2)
		require.Equal(t, message.Unknown, l[0].Answer)
		require.EqualValues(t, 1, l[0].InARow)
		require.EqualValues(t, 6, l[1].InARow)
		require.Equal(t, "b", l[1].Member)
	})
}

// A prober that sees none of its references says so in every heartbeat, whatever it saw.
func TestBlindProberSaysSo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := sight.New(1, func() {})
		b := newBench(t, Options{Sight: s})
		var answer atomic.Pointer[check.Result]
		b.answer = func(context.Context, check.Target) check.Result { return *answer.Load() }
		answer.Store(&check.Result{Answer: message.Up})
		b.Apply("web", pair(httpCheck("alive", "/alive", "sp")), 1)
		for _, step := range []struct {
			look   bool // at the reference, before
			seen   bool
			answer check.Result
			blind  bool
		}{
			{answer: check.Result{Answer: message.Up}, blind: true}, // it starts blind
			{look: true, seen: true, answer: check.Result{Answer: message.Up}},
			{answer: check.Result{Answer: message.Down, Evidence: "503"}},
			{look: true, answer: check.Result{Answer: message.Down, Evidence: "503"}, blind: true},
			{answer: check.Result{Answer: message.Down, Hard: true}, blind: true},
			{answer: check.Result{Answer: message.Up}, blind: true},
			{look: true, seen: true, answer: check.Result{Answer: message.Down, Hard: true}},
		} {
			if step.look {
				s.Observe(0, time.Now(), time.Now(), step.seen, "")
			}
			answer.Store(&step.answer)
			b.take()
			time.Sleep(time.Second)
			beats := b.take()
			require.NotEmpty(t, beats)
			for _, hb := range beats {
				require.Equal(t, step.blind, hb.Blind, "%+v", step)
			}
		}
	})
}

// Silence is told as seen only if a reference has answered since that look began. A reference that was well a moment
// ago proves nothing: the cable may have been pulled since.
func TestSilenceOfABlindProberNeverCounts(t *testing.T) {
	t.Parallel()
	for _, reference := range []string{"answers", "is silent too"} {
		t.Run(reference, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var s *sight.Sight
				var asked atomic.Int64
				s = sight.New(1, func() {
					if asked.Add(1); reference == "answers" {
						s.Observe(0, time.Now(), time.Now(), true, "")
					}
				})
				b := newBench(t, Options{Sight: s})
				var silent atomic.Bool
				b.answer = func(ctx context.Context, _ check.Target) check.Result {
					if !silent.Load() {
						return check.Result{Answer: message.Up}
					}
					<-ctx.Done()
					return check.Result{Answer: message.Down, Silent: true}
				}
				s.Observe(0, time.Now(), time.Now(), true, "")
				b.Apply("web", pair(httpCheck("alive", "/alive", "sp")), 1)
				time.Sleep(2 * time.Second)
				for _, hb := range b.take() {
					require.False(t, hb.Blind)
				}
				require.Zero(t, asked.Load())
				silent.Store(true)
				time.Sleep(10 * time.Second)
				beats := b.take()
				require.NotEmpty(t, beats)
				for _, hb := range beats {
					require.Equal(t, message.Down, hb.Answer)
					require.Equal(t, reference != "answers", hb.Blind)
				}
			})
		})
	}
}

// A prober that stood still cannot tell the target's silence from its own. What it heard, it heard.
func TestStandingStillIsNotTheTargetsSilence(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, Options{})
		var stands atomic.Int64
		b.answer = func(ctx context.Context, target check.Target) check.Result {
			<-ctx.Done()
			time.Sleep(time.Duration(stands.Load())) // a process that stands still comes late to its deadline
			return check.Result{Answer: message.Down, Silent: target.Member == "a", Evidence: "no answer"}
		}
		g := pair(httpCheck("alive", "/alive", "sp"))
		g.Policy.Fall = 1
		b.Apply("web", g, 1)
		for _, c := range []struct {
			stands time.Duration
			want   message.Answer
		}{{0, message.Down}, {75 * time.Millisecond, message.Down}, {76 * time.Millisecond, message.Unknown}, {time.Minute, message.Unknown}} {
			stands.Store(int64(c.stands))
			time.Sleep(2*time.Second + c.stands)
			b.take()
			time.Sleep(2*time.Second + c.stands)
			beats := b.take()
			require.NotEmpty(t, beats)
			for _, hb := range beats {
				want := c.want
				if hb.Member == "b" {
					want = message.Down
				}
				require.Equal(t, want, hb.Answer, "%s: stood still for %s", hb.Member, c.stands)
				require.Contains(t, hb.Evidence, "no answer")
				require.Equal(t, c.stands.Microseconds(), hb.LateMicros)
			}
		}
	})
}

func TestCheckWithoutLimitsGetsSome(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, Options{})
		c := httpCheck("alive", "/alive", "sp")
		c.Timeout = 0
		g := pair(c)
		g.Policy.Fall = 0
		b.Apply("web", g, 1)
		time.Sleep(time.Second)
		require.Len(t, b.take(), 2)
		require.Equal(t, c.Every, b.opened[0].Check.Timeout)
	})
}

// The few looks of a group are made in one go, each vantage's at a moment of its own; those of a large one are spread.
func TestLooksOfAGroupAreMadeTogether(t *testing.T) {
	t.Parallel()
	places := func(members int) map[string]map[float64]bool {
		g := &spec.Group{Name: "web"}
		for i := range members {
			g.Members = append(g.Members, spec.Member{Name: fmt.Sprint("m", i)})
		}
		from := []string{"sp", "rj"}
		g.Checks = []spec.Check{{Name: "alive", From: from}, {Name: "executor", From: from}}
		out := map[string]map[float64]bool{"sp": {}, "rj": {}}
		for _, m := range g.Members {
			for _, c := range g.Checks {
				for _, v := range from {
					e := entry{key: key{g.Name, m.Name, c.Name, v}}
					out[v][e.place(bunches(g, from))] = true
				}
			}
		}
		return out
	}
	small := places(2)
	require.Len(t, small["sp"], 1)
	require.Len(t, small["rj"], 1)
	require.NotEqual(t, small["sp"], small["rj"])
	require.Greater(t, len(places(400)["sp"]), 50, "800 looks of one vantage")
}
