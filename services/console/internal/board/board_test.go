package board

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/isacloud/ha-manager/pkg/bus"
	"github.com/isacloud/ha-manager/pkg/message"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func (b *Board) put(e *message.Event, after time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if e.Group == "" {
		e.Group = "web"
	}
	b.eventLocked(e, bus.Delivery{Time: noon.Add(after), Seq: uint64(after)})
}

func (b *Board) now(t *testing.T) Group {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	require.NotNil(t, b.groups["web"])
	return b.groups["web"].Group
}

func opened(yes bool) *bool { return &yes }

func command(id string, epoch uint64, kind message.Kind) *message.Command {
	return &message.Command{ID: id, Group: "web", Epoch: epoch, Kind: kind, From: "a", Primary: "b", DetectMicros: 1000, DecideMicros: 2000, Incident: "web-1",
		Plan: message.Plan{Steps: []message.Step{{Name: "open"}, {Name: "verify"}}}}
}

func TestAnIncidentIsPutTogether(t *testing.T) {
	b := New(Options{})
	for range 2 { // two deciders tell the same
		b.put(&message.Event{Kind: message.EventIncident, Incident: "web-1", Opened: opened(true), Sentence: "a is down"}, 0)
		b.put(&message.Event{Kind: message.EventDecision, Command: command("c4", 4, message.KindFailover)}, 1)
	}
	b.put(&message.Event{Kind: message.EventRefused, Incident: "web-1"}, 2)
	b.put(&message.Event{Kind: message.EventStep, Step: &message.StepResult{Command: "c4", Step: "open", State: message.StateStarted, Attempt: 1}}, 3)
	before := b.now(t)
	b.put(&message.Event{Kind: message.EventStep, Step: &message.StepResult{Command: "c4", Step: "open", State: message.StateDone, Attempt: 1, TookMicros: 5000}}, 4)
	b.put(&message.Event{Kind: message.EventStep, Step: &message.StepResult{Command: "other", Step: "open", State: message.StateFailed, Attempt: 9}}, 5)
	for range 2 {
		b.put(&message.Event{Kind: message.EventRun, Run: &message.RunResult{Command: "c4", Epoch: 4, Kind: message.KindFailover, Primary: "b", Incident: "web-1", State: message.StateDone, ExecuteMicros: 30_000, VerifyMicros: 7000}}, time.Second)
	}
	b.put(&message.Event{Kind: message.EventRun, Run: &message.RunResult{Command: "c4", Epoch: 4, Kind: message.KindFailover, Primary: "b", State: message.StateHeld}}, 2*time.Second)
	b.put(&message.Event{Kind: message.EventDecision, Command: command("c5", 5, message.KindReconfigure)}, 3*time.Second)
	b.put(&message.Event{Kind: message.EventIncident, Incident: "web-1", Opened: opened(false), Sentence: "it is over"}, 4*time.Second)

	g := b.now(t)
	require.Len(t, g.Incidents, 1)
	i := g.Incidents[0]
	require.Equal(t, []any{false, 1, 1, 40 * time.Millisecond, "it is over"}, []any{i.Open, i.Swaps, i.Refused, i.Took, i.Sentence})
	require.Len(t, g.Runs, 1)
	require.Equal(t, "c4", g.Run.Command.ID, "what moves no role does not hide the swap")
	require.Equal(t, message.StateDone, g.Run.State, "a word told late changes no end")
	require.Equal(t, message.StateDone, g.Run.Steps["open"].State)
	require.Equal(t, message.StateStarted, before.Run.Steps["open"].State, "what was handed out has changed")
}

func TestADryRunIsNoSwap(t *testing.T) {
	b := New(Options{})
	c := command("c4", 4, message.KindFailover)
	c.DryRun = true
	b.put(&message.Event{Kind: message.EventIncident, Incident: "web-1", Opened: opened(true)}, 0)
	b.put(&message.Event{Kind: message.EventShadow, Command: c}, 1)
	b.put(&message.Event{Kind: message.EventRun, Run: &message.RunResult{Command: "c4", Epoch: 4, Kind: message.KindFailover, Primary: "b", Incident: "web-1", State: message.StateDone, DryRun: true}}, 2)
	g := b.now(t)
	require.Zero(t, g.Incidents[0].Swaps)
	require.True(t, g.Runs[0].DryRun)
}

func TestTheLastWordOnADrillIsThatItIsOver(t *testing.T) {
	b := New(Options{})
	for i, stage := range []message.DrillStage{message.DrillThere, message.DrillHolds, message.DrillOver, message.DrillHolds} {
		b.put(&message.Event{Kind: message.EventDrill, Drill: &message.DrillStatus{ID: "web-drill-4", Stage: stage}}, time.Duration(i))
	}
	require.Len(t, b.now(t).Drills, 1)
	require.Equal(t, message.DrillOver, b.now(t).Drills[0].Status.Stage)
}

func TestAnAnswerGrowsOld(t *testing.T) {
	g := Group{}
	require.True(t, g.Stale(noon), "nothing is known")
	g.Status, g.Answered = &message.GroupStatus{}, noon
	require.False(t, g.Stale(noon.Add(StaleAfter)))
	require.True(t, g.Stale(noon.Add(StaleAfter+1)))
}

// Whatever passes, what is kept stays the same: two hundred thousand events leave no more behind than twenty thousand.
func TestMemoryIsFlat(t *testing.T) {
	b := New(Options{})
	feed := func(from, to int) {
		for i := from; i < to; i++ {
			at, id := time.Duration(i)*time.Millisecond, fmt.Sprintf("web-%d", i/20)
			switch i % 10 {
			case 0:
				b.put(&message.Event{Kind: message.EventIncident, Incident: id, Opened: opened(i%20 == 0), Sentence: "a is down"}, at)
			case 1:
				b.put(&message.Event{Kind: message.EventDecision, Command: command(fmt.Sprint("c", i/10), uint64(i), message.KindFailover)}, at)
			case 2, 3, 4:
				b.put(&message.Event{Kind: message.EventStep, Step: &message.StepResult{Command: fmt.Sprint("c", i/10), Step: "open", State: message.StateDone, Attempt: 1}}, at)
			case 5:
				b.put(&message.Event{Kind: message.EventRun, Run: &message.RunResult{Command: fmt.Sprint("c", i/10), Epoch: uint64(i), Kind: message.KindFailover, Primary: "b", State: message.StateDone}}, at)
			case 6:
				b.put(&message.Event{Kind: message.EventDrill, Drill: &message.DrillStatus{ID: fmt.Sprint("d", i), Stage: message.DrillOver}}, at)
			case 7:
				b.put(&message.Event{Kind: message.EventOutcome, Outcome: &message.Outcome{Request: fmt.Sprint("rq-", i)}}, at)
			default:
				b.put(&message.Event{Kind: message.EventNote, Sentence: fmt.Sprint("note ", i)}, at)
			}
		}
	}
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	feed(0, 20_000)
	before := heap()
	feed(20_000, 220_000)
	after := heap()
	t.Logf("heap after 20 000 events %d kB, after 220 000 events %d kB", before>>10, after>>10)
	require.Less(t, after, before+1<<20)
	g := b.now(t)
	require.LessOrEqual(t, len(g.Lines), maxLines)
	require.LessOrEqual(t, len(g.Incidents), maxIncidents)
	require.LessOrEqual(t, len(g.Runs), maxRuns)
	require.LessOrEqual(t, len(g.Drills), maxDrills)
	require.LessOrEqual(t, len(b.outcomes), maxOutcomes)
}
