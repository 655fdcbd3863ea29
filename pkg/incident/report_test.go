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
