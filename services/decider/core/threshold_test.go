package core

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec"
)

// measuring is the pair of the other tests with a queue, seen from everywhere, and a machine, seen from beside. Wait is for how long it must be so.
func measuring(wait time.Duration) *spec.Group {
	g := pair()
	from := g.Checks[0].From
	b := func(figure string, unit spec.Unit) spec.Bound {
		return spec.Bound{Figure: figure, Unit: unit, Max: 90, Clear: 80, For: wait}
	}
	cpu := b(spec.FigureCPU, spec.Percent)
	g.Checks = append(slices.Clone(g.Checks),
		spec.Check{Name: "backlog", Kind: spec.CheckQueue, Effect: spec.EffectTell, Every: time.Second, Timeout: 300 * time.Millisecond, From: from,
			Queue: &spec.QueueCheck{Address: "192.0.2.1:6379", List: "jobs", Bound: b(spec.FigureLength, spec.Entries)}},
		spec.Check{Name: "machine", Kind: spec.CheckHost, Effect: spec.EffectTell, Every: time.Second, Timeout: 300 * time.Millisecond, From: from,
			Host: &spec.HostCheck{CPU: &cpu}})
	return g
}

var measuredFigures = []string{"backlog/a/length", "backlog/b/length", "machine/a/cpu", "machine/b/cpu"}

// TestThresholdIsToldOnce: three deciders over a bus that loses looks, restarted and cut off at random, while figures wander. What the stream stores of it is,
// for each figure, a row of alternating words: too far, well, too far. Each is one message, whoever tells it.
func TestThresholdIsToldOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(measuring(time.Duration(rapid.IntRange(0, 4).Draw(t, "for")) * time.Second))
		w.net = rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "network"), 7))
		stored := map[string]*message.Event{} // by id, as the stream and the notifier's ledger keep them
		var row []*message.Event
		w.out = func(_ *decider, o Output) {
			if k, ok := o.(Keep); ok {
				for _, e := range k.Tell {
					if before := stored[e.ID]; before != nil {
						require.Equal(t, before.Sentence, e.Sentence, "two words under one id")
						continue
					}
					stored[e.ID] = e
					row = append(row, e)
				}
			}
		}
		for _, f := range measuredFigures {
			w.figures[f] = 10
		}
		for i := range 3 {
			w.start(fmt.Sprintf("d%d", i+1))
		}
		w.run(10 * time.Second)
		for range rapid.IntRange(1, 25).Draw(t, "things") {
			switch d := w.deciders[rapid.IntRange(0, 2).Draw(t, "decider")]; rapid.IntRange(0, 5).Draw(t, "thing") {
			case 0:
				d.stop()
				d.boot()
			case 1:
				d.link(!d.linked)
			case 2:
				v := w.vantages[rapid.IntRange(0, len(w.vantages)-1).Draw(t, "vantage")]
				v.boot++
				v.seq = map[string]uint64{}
			default:
				w.figures[rapid.SampledFrom(measuredFigures).Draw(t, "figure")] = float64(rapid.SampledFrom([]int{10, 79, 80, 85, 89, 90, 91, 99}).Draw(t, "value"))
			}
			w.run(w.now + time.Duration(rapid.IntRange(0, 6000).Draw(t, "ms"))*time.Millisecond)
		}
		for _, d := range w.deciders {
			d.link(true)
		}
		w.run(w.now + 30*time.Second)
		last := map[string]message.ThresholdCondition{}
		for _, e := range row {
			f := e.Threshold.Check + "/" + e.Member + "/" + e.Threshold.Figure
			before, known := last[f]
			require.False(t, !known && e.Threshold.Condition == message.ThresholdWell, "%s: the end of nothing", e.Sentence)
			require.NotEqual(t, before, e.Threshold.Condition, "%s: told twice", e.Sentence)
			last[f] = e.Threshold.Condition
		}
		for _, f := range measuredFigures {
			switch v := w.figures[f]; {
			case v >= 90:
				require.Equal(t, message.ThresholdOver, last[f], "%s stands at %g", f, v)
			case v <= 80:
				require.Contains(t, []message.ThresholdCondition{"", message.ThresholdWell}, last[f], "%s stands at %g", f, v)
			}
		}
	})
}

// TestThresholdsMoveNothing: the same world twice, once without checks that measure. Whatever these say, every verdict, readiness, refusal and decision is the same.
func TestThresholdsMoveNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		type event struct {
			at    time.Duration
			value float64
			what  string
		}
		var plot []event
		for at := 20 * time.Second; len(plot) < rapid.IntRange(1, 15).Draw(t, "things"); {
			at += time.Duration(rapid.IntRange(0, 5000).Draw(t, "ms")) * time.Millisecond
			plot = append(plot, event{at, float64(rapid.IntRange(-1, 120).Draw(t, "value")), rapid.SampledFrom(append([]string{"a refused", "a up", "b failing", "b up"}, measuredFigures...)).Draw(t, "what")})
		}
		lived := func(g *spec.Group) (lines []string) {
			w := newWorld(g)
			w.out = func(_ *decider, o Output) {
				if _, ok := o.(Keep); !ok {
					if line := describe(o); line != "" {
						lines = append(lines, fmt.Sprintf("%s %s", w.now, line))
					}
				}
			}
			d := w.start("d1")
			for _, r := range g.Routes {
				w.route(r.Name, r.HAProxy.Proxies[0], "a")
			}
			show := func() {
				st := d.s.Status(d.time())
				lines = append(lines, fmt.Sprint(w.now, st.Sentence, st.Refusals))
				for _, m := range st.Members {
					lines = append(lines, fmt.Sprint(m.Name, m.Role, m.Verdict, m.Ready, m.Reasons, len(m.Views)))
				}
			}
			for _, e := range plot {
				w.run(e.at)
				switch e.what {
				case "a refused", "b failing", "a up", "b up":
					w.set(e.what[:1], conditions[e.what[2:]])
				default:
					if delete(w.figures, e.what); e.value >= 0 {
						w.figures[e.what] = e.value
					}
				}
				show()
			}
			w.run(w.now + 40*time.Second)
			show()
			return lines
		}
		require.Equal(t, lived(pair()), lived(measuring(time.Second)))
	})
}

// A change of bounds is no reason to watch anew.
func TestAnotherBoundBlindsNobody(t *testing.T) {
	g := measuring(time.Second)
	w := newWorld(g)
	d := w.start("d1")
	w.run(20 * time.Second)
	next := *g
	next.Checks, next.Revision = slices.Clone(g.Checks), g.Revision+1
	cpu := *g.Checks[len(g.Checks)-1].Host.CPU
	cpu.Max = 50
	next.Checks[len(next.Checks)-1].Host = &spec.HostCheck{CPU: &cpu}
	d.feed(SpecChanged{&next})
	require.True(t, d.s.judging(d.time()))
	d.feed(SpecChanged{pair()})
	require.True(t, d.s.judging(d.time()))
	require.Empty(t, d.s.Status(d.time()).Thresholds)
}
