package incident_test

import (
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/isacloud/ha-manager/pkg/incident"
	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/subject"
	"github.com/isacloud/ha-manager/pkg/words"
)

var rewrite = flag.Bool("rewrite", false, "write the golden files anew")

// recorder makes records with stream timestamps a few milliseconds apart.
type recorder struct {
	at  time.Time
	seq uint64
	all []incident.Record
}

func (r *recorder) add(after time.Duration, stream string, m message.Message) {
	r.at = r.at.Add(after)
	r.seq++
	r.all = append(r.all, incident.Record{Stream: stream, Seq: r.seq, Time: r.at, Message: m})
}

func failover() []incident.Record {
	r := &recorder{at: time.Date(2026, 3, 4, 3, 11, 7, 0, time.UTC)}
	opened, closed := true, false
	r.add(0, subject.StreamEvents, &message.Event{ID: "web-3/open", Group: "web", Kind: message.EventIncident, Severity: message.Warning, Incident: "web-3",
		Sentence: "incident web-3 opened: a is suspect", Opened: &opened, Writer: "d1"})
	r.add(time.Millisecond, subject.StreamEvents, &message.Event{ID: "web-3/refused/1", Group: "web", Kind: message.EventRefused, Severity: message.Warning, Incident: "web-3",
		Sentence: "a is down, and no swap happened", Writer: "d1",
		Reasons: []message.Reason{{Code: "R312", Sentence: "b is not ready: up for 12s of 1m0s"}}})
	command := &message.Command{ID: "c9", Group: "web", Epoch: 9, Kind: message.KindFailover, Primary: "b", From: "a", Members: []string{"a", "b"},
		Rule: "R210", Sentence: "a is down: 2 of 3 vantages say so, none contradicts", Incident: "web-3", Decider: "d1", SpecRevision: 4,
		DetectMicros: 1850, DecideMicros: 910,
		Evidence: []message.View{{Member: "a", Vantage: "sp", Check: "alive", Says: "down", Hard: true, InARow: 1, AgoMS: 2, Evidence: "connect 192.0.2.10:8080: connection refused | <script>"}},
		Plan: message.Plan{Hash: "5be0c1", Steps: []message.Step{
			{Name: "look-again", Says: "look again: end the failover if a is up after all", Driver: "assert"},
			{Name: "route-front", Says: "send clients of web to b (server s2) on 1 proxies", Driver: "haproxy"},
			{Name: "verify", Says: "wait until b answers as it should", Driver: "wait"}}}}
	r.add(2*time.Millisecond, subject.StreamCommands, command)
	step := func(after time.Duration, name string, state message.State, took int64, found, wanted, evidence string, applied bool) {
		r.add(after, subject.StreamSafety, &message.StepResult{ID: name + string(state), Group: "web", Epoch: 9, Command: "c9", Incident: "web-3", Step: name, Driver: "x",
			State: state, Attempt: 1, Executor: "rj1", Found: found, Wanted: wanted, Evidence: evidence, Applied: applied, TookMicros: took})
	}
	step(time.Millisecond, "look-again", message.StateDone, 420, "", "", "http://192.0.2.10:8080/alive: connection refused", false)
	r.add(time.Millisecond, subject.StreamCommands, &message.Held{ID: "h9", Group: "web", Epoch: 9, Primary: "b", Command: "c9", Executor: "rj1"})
	step(2*time.Millisecond, "route-front", message.StateDone, 1310, "s1 ready, s2 maint", "s1 maint, s2 ready", "read back on 1 of 1", true)
	step(time.Millisecond, "verify", message.StateDone, 700, "", "", "200 OK", false)
	// What clients lost was noticed before the incident was opened, and told after the swap.
	lost := &message.ClientsOutage{ID: "web.clients.1", Target: "https://www.example.org/alive", From: r.at.Add(-15 * time.Millisecond).UnixMicro(),
		Vantages: []message.ClientsLoss{{Vantage: "outside", From: r.at.Add(-15 * time.Millisecond).UnixMicro(), Looks: 1, Failed: 1, Boot: "b1", Seq: 7, Evidence: "503 | <script>"}}}
	r.all = append(r.all, incident.Record{Stream: subject.StreamEvents, Seq: 90, Time: r.at.Add(-12 * time.Millisecond), Message: &message.Event{
		ID: "web.clients.1.begins", Group: "web", Kind: message.EventClients, Severity: message.Warning, Sentence: "clients of web are not served, asked from outside (503)", Writer: "d1", Clients: lost}})
	over := *lost
	over.Until = r.at.Add(3 * time.Millisecond).UnixMicro()
	over.Vantages = []message.ClientsLoss{lost.Vantages[0]}
	over.Vantages[0].Until, over.Vantages[0].Looks, over.Vantages[0].Failed = over.Until, 9, 8
	r.all = append(r.all, incident.Record{Stream: subject.StreamEvents, Seq: 91, Time: r.at.Add(2 * time.Second), Message: &message.Event{
		ID: "web.clients.1.over", Group: "web", Kind: message.EventClients, Severity: message.Warning, Incident: "web-3",
		Sentence: "clients of web are served again: 8 of 9 looks failed within 18ms, asked from outside", Writer: "d1", Clients: &over}})
	// Nor does what clients of another group, or at another time, lost.
	other := over
	other.ID = "db.clients.1"
	r.all = append(r.all, incident.Record{Stream: subject.StreamEvents, Seq: 92, Time: r.at, Message: &message.Event{ID: "x", Group: "db", Kind: message.EventClients,
		Severity: message.Warning, Sentence: "x", Writer: "d1", Clients: &other}})
	before := over
	before.ID, before.From, before.Until = "web.clients.0", over.From-3_600_000_000, over.Until-3_600_000_000
	r.all = append(r.all, incident.Record{Stream: subject.StreamEvents, Seq: 93, Time: r.at.Add(-time.Hour), Message: &message.Event{ID: "y", Group: "web", Kind: message.EventClients,
		Severity: message.Warning, Sentence: "y", Writer: "d1", Clients: &before}})
	// Told twice: the second copy must not stand in the report.
	r.all = append(r.all, r.all[len(r.all)-1])
	r.add(time.Millisecond, subject.StreamSafety, &message.RunResult{ID: "r9", Group: "web", Epoch: 9, Command: "c9", Kind: message.KindFailover, Primary: "b", Incident: "web-3",
		State: message.StateDone, Executor: "rj1", Sentence: "b took over from a", ExecuteMicros: 4100, VerifyMicros: 900})
	r.add(4*time.Second, subject.StreamEvents, &message.Event{ID: "web-3/closed", Group: "web", Kind: message.EventIncident, Severity: message.Notice, Incident: "web-3",
		Sentence: "incident web-3 closed: b is up and primary", Opened: &closed, Writer: "d1"})
	// Another incident's records never mix in.
	r.add(time.Hour, subject.StreamEvents, &message.Event{ID: "web-4/open", Group: "web", Kind: message.EventIncident, Severity: message.Warning, Incident: "web-4", Sentence: "incident web-4 opened", Opened: &opened, Writer: "d1"})
	return r.all
}

func TestAFailoverReadsAsItHappened(t *testing.T) {
	r := incident.Build("web-3", 5*time.Second, failover())
	require.False(t, r.Open)
	require.Len(t, r.Swaps, 1)
	require.Equal(t, incident.Times{Detect: 1850 * time.Microsecond, Decide: 910 * time.Microsecond, Execute: 4100 * time.Microsecond, Verify: 900 * time.Microsecond}, r.Swaps[0].Times)
	require.Len(t, r.Refused, 1)

	golden := filepath.Join("testdata", "failover.md")
	if *rewrite {
		require.NoError(t, os.WriteFile(golden, []byte(r.Markdown()), 0o600))
	}
	want, err := os.ReadFile(golden)
	require.NoError(t, err)
	require.Equal(t, string(want), r.Markdown())
	require.NotContains(t, r.Markdown(), "<script>", "evidence is somebody else's text")
}

func TestTheOrderOfTheRecordsDoesNotMatter(t *testing.T) {
	records := failover()
	want := incident.Build("web-3", 0, records)
	for i, j := 0, len(records)-1; i < j; i, j = i+1, j-1 {
		records[i], records[j] = records[j], records[i]
	}
	require.Equal(t, want, incident.Build("web-3", 0, records))
}

func TestIDsAreTakenApart(t *testing.T) {
	group, ok := incident.GroupOf("web-eu-14")
	require.True(t, ok)
	require.Equal(t, "web-eu", group)
	for _, id := range []string{"", "web", "web-", "-3", "web-x", "a b-3"} {
		_, ok := incident.GroupOf(id)
		require.False(t, ok, id)
	}
	require.Equal(t, []string{"web-3", "web-4"}, incident.IDs(failover()))
}

// A rehearsal and the real swap of the same epoch fell into one incident: the mode was changed while it was open.
func TestARehearsalDoesNotHideARealSwap(t *testing.T) {
	records := failover()
	rehearsed := *records[2].Message.(*message.Command)
	rehearsed.ID, rehearsed.DryRun = "shadow.web.1", true
	early := incident.Record{Stream: subject.StreamEvents, Seq: 90, Time: records[0].Time.Add(500 * time.Microsecond), Message: &message.Event{
		ID: rehearsed.ID, Group: "web", Kind: message.EventShadow, Severity: message.Critical, Incident: "web-3", DryRun: true, Command: &rehearsed,
		Sentence: "dry run: nothing was done", Writer: "d1"}}
	r := incident.Build("web-3", 0, append([]incident.Record{early}, records...))
	require.False(t, r.DryRun)
	require.Len(t, r.Swaps, 2)
	require.True(t, r.Swaps[0].DryRun)
	require.Empty(t, r.Swaps[0].State, "what was done is the real one's")
	require.Equal(t, message.StateDone, r.Swaps[1].State)
	require.NotContains(t, r.Markdown(), "**DRY RUN.**")
	require.Contains(t, r.Summary, "b took over from a in 7.8ms")
	require.Contains(t, r.Markdown(), "(dry run: only rehearsed)")
}

// A try to mend a member is over after milliseconds, also where it was in vain: the objective is about what served clients again.
func TestATryToMendMeetsNoObjective(t *testing.T) {
	records := failover()
	for i, rec := range records {
		if m, ok := rec.Message.(*message.Command); ok {
			try := *m
			try.Kind = message.KindRemedy
			try.Remedy = &message.Remedy{Member: "a"}
			records[i].Message = &try
		}
	}
	for objective, says := range map[time.Duration]string{time.Hour: "met (1h", time.Microsecond: "**missed**"} {
		require.Contains(t, incident.Build("web-3", objective, failover()).Markdown(), says)
		tried := incident.Build("web-3", objective, records)
		require.NotContains(t, tried.Markdown(), says)
		require.NotContains(t, tried.HTML(words.English), `class="missed"`)
	}
}

func TestAnAbortedSwapIsNotToldAsASuccess(t *testing.T) {
	records := failover()
	for i, rec := range records {
		if m, ok := rec.Message.(*message.RunResult); ok {
			aborted := *m
			aborted.State = message.StateAborted
			records[i].Message = &aborted
		}
	}
	last := records[len(records)-1]
	resume := &message.Command{ID: "c10", Group: "web", Epoch: 10, Kind: message.KindResume, Primary: "b", Members: []string{"a", "b"}, Rule: "R222",
		Sentence: "b stays primary: failover was aborted after it took effect", Incident: "web-3", Decider: "d1", Plan: message.Plan{Hash: "x"}}
	records = append(records, incident.Record{Stream: subject.StreamCommands, Seq: 100, Time: last.Time, Message: resume},
		incident.Record{Stream: subject.StreamSafety, Seq: 101, Time: last.Time.Add(time.Millisecond), Message: &message.RunResult{ID: "r10", Group: "web", Epoch: 10,
			Command: "c10", Kind: message.KindResume, Primary: "b", Incident: "web-3", State: message.StateDone, Executor: "rj1", Sentence: "b is primary"}})
	r := incident.Build("web-3", 0, records)
	require.Contains(t, r.Summary, "b is primary again as of epoch 10, rule R222")
	require.Contains(t, r.Summary, "What was tried before did not complete")

	alone := incident.Build("web-3", 0, records[len(records)-2:])
	require.Contains(t, alone.Summary, "b is primary again as of epoch 10, rule R222")
	require.NotContains(t, alone.Summary, "tried before", "nothing was")
}

// After a swap of a pair its standby is recorded as promotable again: the incident is about the swap all the same.
func TestSummaryIsAboutTheSwap(t *testing.T) {
	records := failover()
	after := records[len(records)-1].Time.Add(time.Second)
	done := func(id string, epoch uint64, kind message.Kind, sentence string) {
		c := &message.Command{ID: id, Group: "web", Epoch: epoch, Kind: kind, Primary: "b", From: "b", Members: []string{"a", "b"}, Rule: "R231", Sentence: sentence, Incident: "web-3", Decider: "d1"}
		records = append(records, incident.Record{Stream: subject.StreamCommands, Seq: 100 + epoch, Time: after, Message: c}, incident.Record{
			Stream: subject.StreamSafety, Seq: 200 + epoch, Time: after, Message: &message.RunResult{
				ID: "r" + id, Group: "web", Epoch: epoch, Command: id, Kind: kind, Primary: "b", Incident: "web-3", State: message.StateDone, Executor: "rj1", Sentence: sentence,
			},
		})
	}
	want := incident.Build("web-3", 0, records).Summary
	done("c10", 10, message.KindReconfigure, "a is promotable")
	require.Equal(t, want, incident.Build("web-3", 0, records).Summary)
	require.Contains(t, want, "b")
	only := incident.Build("web-3", 0, records[len(records)-2:]).Summary
	require.NotEqual(t, want, only, "with nothing else, the change is what there is to say")
}

// rehearsal is a drill that went back, with a change of members in between, told by two deciders.
func rehearsal() []incident.Record {
	r := &recorder{at: time.Date(2026, 3, 4, 10, 0, 0, 0, time.UTC)}
	opened := true
	r.add(0, subject.StreamEvents, &message.Event{ID: "web-5/open", Group: "web", Kind: message.EventIncident, Severity: message.Warning, Incident: "web-5", Sentence: "incident web-5: ana asked for a drill of web", Opened: &opened, Writer: "d1"})
	d := message.DrillStatus{ID: "web-drill-9", Stage: message.DrillThere, Home: "a", Away: "b", Hold: message.DefaultHold, Actor: "ana", Why: "every month | <b>",
		There: &message.DrillSwap{Epoch: 9, Command: "c9"}}
	tell := func(after time.Duration, d message.DrillStatus) {
		for _, writer := range []string{"d1", "d2"} {
			r.add(after, subject.StreamEvents, &message.Event{ID: d.ID + "." + string(d.Stage), Group: "web", Kind: message.EventDrill, Severity: message.Notice, Incident: "web-5",
				Sentence: "drill web-drill-9 of web: " + string(d.Stage), Writer: writer, Drill: &d})
		}
	}
	swap := func(after time.Duration, id string, epoch uint64, kind message.Kind, from, to string, drill *message.Drill, took int64) {
		r.add(after, subject.StreamCommands, &message.Command{ID: id, Group: "web", Epoch: epoch, Kind: kind, Primary: to, From: from, Members: []string{"a", "b"},
			Rule: "R411", Sentence: "as the drill says", Incident: "web-5", Decider: "d1", Drill: drill, Plan: message.Plan{Hash: "x"}})
		r.add(time.Millisecond, subject.StreamSafety, &message.RunResult{ID: "r" + id, Group: "web", Epoch: epoch, Command: id, Kind: kind, Primary: to, Incident: "web-5",
			State: message.StateDone, Executor: "rj1", Sentence: to + " is primary", ExecuteMicros: took, VerifyMicros: 900})
	}
	of := message.Drill{ID: d.ID, Way: message.WayThere, Home: "a", Hold: d.Hold, Actor: "ana"}
	swap(time.Millisecond, "c9", 9, message.KindSwitchover, "a", "b", &of, 4100)
	tell(time.Millisecond, d)
	d.Stage, d.There = message.DrillHolds, &message.DrillSwap{Epoch: 9, Command: "c9", Done: true, ExecuteMicros: 4100, VerifyMicros: 900}
	tell(time.Millisecond, d)
	swap(time.Second, "c10", 10, message.KindReconfigure, "b", "b", nil, 0)
	back := of
	back.Way = message.WayBack
	swap(2*time.Minute, "c11", 11, message.KindSwitchover, "b", "a", &back, 5_200_000)
	d.Stage, d.How, d.HeldMicros = message.DrillOver, message.DrillDone, 120_004_000
	d.Back = &message.DrillSwap{Epoch: 11, Command: "c11", Done: true, ExecuteMicros: 5_200_000, VerifyMicros: 900}
	d.RTO = &message.DrillObjective{Objective: message.Duration(5 * time.Second), Achieved: message.Duration(5_200_900 * time.Microsecond)}
	d.RPO = &message.DrillObjective{Objective: message.Duration(time.Second), Met: true}
	tell(time.Millisecond, d)
	swap(time.Second, "c12", 12, message.KindReconfigure, "a", "a", nil, 0)
	return r.all
}

func TestADrillReadsAsADrill(t *testing.T) {
	r := incident.Build("web-5", 5*time.Second, rehearsal())
	require.Len(t, r.Drills, 1)
	require.Equal(t, message.DrillDone, r.Drills[0].How)
	require.Equal(t, "A drill by ana: b took over from a in 5ms, was primary for 2m0.004s, and a took back over in 5.201s. The recovery objective was missed.", r.Summary)
	golden := filepath.Join("testdata", "drill.md")
	if *rewrite {
		require.NoError(t, os.WriteFile(golden, []byte(r.Markdown()), 0o600))
	}
	want, err := os.ReadFile(golden)
	require.NoError(t, err)
	require.Equal(t, string(want), r.Markdown())
	require.NotContains(t, r.Markdown(), "<b>", "a reason is somebody else's text")
}

// A failover during the hold is what happened, not the drill.
func TestAnInterruptedDrillIsToldByWhatInterruptedIt(t *testing.T) {
	records := rehearsal()[:7]
	last := records[len(records)-1].Time
	failed := &message.Command{ID: "c10", Group: "web", Epoch: 10, Kind: message.KindFailover, Primary: "a", From: "b", Members: []string{"a", "b"}, Rule: "R240",
		Sentence: "b is down", Incident: "web-5", Decider: "d1", Plan: message.Plan{Hash: "x"}}
	records = append(records, incident.Record{Stream: subject.StreamCommands, Seq: 100, Time: last, Message: failed},
		incident.Record{Stream: subject.StreamSafety, Seq: 101, Time: last.Add(time.Millisecond), Message: &message.RunResult{ID: "r10", Group: "web", Epoch: 10,
			Command: "c10", Kind: message.KindFailover, Primary: "a", Incident: "web-5", State: message.StateDone, Executor: "sp1", Sentence: "a is primary", ExecuteMicros: 1000}})
	r := incident.Build("web-5", 0, records)
	require.Contains(t, r.Summary, "a took over from b")
	require.Contains(t, r.Markdown(), "## Drill web-drill-9: a → b → a")
	require.Contains(t, r.Markdown(), "not over yet: holds", "its last word is not in these records")
}
