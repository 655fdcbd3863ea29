package desk

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/words"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func at(d time.Duration) int64 { return noon.Add(d).UnixMicro() }

// TestClients: what clients lose now, and lost last, in both languages.
func TestClients(t *testing.T) {
	require.Empty(t, Clients(&message.GroupStatus{}))
	c := &message.ClientsStatus{
		Sentence: "clients of web are not served: 3 of 3 looks failed within 600ms, asked from outside; inside is blind", Outage: &message.ClientsOutage{},
		Past: []message.ClientsOutage{{From: at(0), Until: at(1_800_400 * time.Microsecond), Vantages: []message.ClientsLoss{{Vantage: "outside", Looks: 9, Failed: 9}, {Vantage: "inside", Looks: 3, Failed: 2}}}},
	}
	lines := Clients(&message.GroupStatus{Clients: c})
	require.Equal(t, []Line{
		{Tone: Warn, Text: c.Sentence}, {Tone: Faint, Text: "what clients lost last: 11 of 12 looks failed within 1.8s, until 2026-03-01 12:00:01 UTC"},
	}, lines)
	c.Outage, c.Past[0].Unseen = nil, true
	lines = append(lines, Clients(&message.GroupStatus{Clients: c})...)
	require.Equal(t, Plain, lines[2].Tone)
	for _, l := range lines {
		require.Empty(t, words.Of(words.Portuguese).Missing(l.Text), l.Text)
	}
}

// TestLines: what waits for people, in both languages.
func TestLines(t *testing.T) {
	s := &message.GroupStatus{
		Group: "web", At: at(0),
		Approvals: []message.ApprovalStatus{{Request: "rq-1", Until: at(8 * time.Minute), Sentence: "ana asked for a switchover of web from a to b"},
			{Request: "step.web.7.backup", Step: "backup", Until: at(9 * time.Minute), Sentence: "step backup of the switchover of web from a to b asks: is it there"}},
		Agenda: []message.AgendaEntry{
			{Verb: message.VerbDrill, At: at(26 * time.Hour), Target: "b", Refusals: []message.Reason{{Code: "R305", Sentence: "web was paused by ana, until somebody resumes it: say ham resume web first"}}},
			{Verb: message.VerbDrill, At: at(30 * time.Hour)}, // of the calendar: one is enough
			{Verb: message.VerbSwitchover, At: at(50 * time.Hour), Actor: "ana", Name: "web-at-20260303-140000", Blocked: "office hours"},
		},
		Blocked: []message.BlockedWindow{{From: at(-time.Hour), Until: at(time.Hour), Why: "lunch"}, {From: at(23 * time.Hour), Until: at(32 * time.Hour), Why: "tea"}, {From: at(50 * time.Hour), Until: at(52 * time.Hour), Why: "later"}, {From: at(90 * time.Hour), Until: at(99 * time.Hour), Why: "audit", Freeze: true}},
		Ledger:  &message.LedgerStatus{Entries: 3, Right: 1, Wrong: 1, Open: 1, Missed: 1, Precision: 0.5, Recall: 0.5},
	}
	s.Refusals = []message.Reason{{Code: "R366", Sentence: "web is not trusted to swap by itself yet: 1 of 2 judged shadows were right, and 95% of at least 5 must be; ham shadow web shows them"}}
	var got []string
	pt := words.Of(words.Portuguese)
	for _, l := range slices.Concat(Waits(s), Drills(s, s.At), Ledger(s)) {
		got = append(got, l.Code+"|"+l.Text)
		require.Empty(t, pt.Missing(l.Text), l.Text)
	}
	require.Equal(t, []string{
		"|waits for a second person until 12:08:00 UTC: ana asked for a switchover of web from a to b",
		"|waits for a person until 12:09:00 UTC: step backup of the switchover of web from a to b asks: is it there",
		"|next drill at 2026-03-02 14:00:00 UTC, in 1d2h, to b",
		"R305|it would be refused now: web was paused by ana, until somebody resumes it: say ham resume web first",
		"|switchover at 2026-03-03 14:00:00 UTC, in 2d2h, planned by ana as web-at-20260303-140000",
		"|it would be refused then: office hours",
		"|nothing planned begins until 2026-03-01 13:00:00 UTC: lunch",
		"|nothing planned begins from 2026-03-02 11:00:00 to 2026-03-02 20:00:00 UTC: tea",
		"|changes are frozen from 2026-03-05 06:00:00 to 2026-03-05 15:00:00 UTC: audit",
		"|no drill ever went there and back",
		"|shadow ledger: 1 right, 1 wrong, 1 not judged, 1 missed; precision 50%; recall 50%",
		"R366|web is not trusted to swap by itself yet: 1 of 2 judged shadows were right, and 95% of at least 5 must be; ham shadow web shows them",
	}, got)

	s = &message.GroupStatus{Group: "web", At: at(0), DrilledAt: at(-91 * 24 * time.Hour)}
	require.Equal(t, []Line{{Tone: Plain, Text: "the last drill that went there and back ended 91d ago"}}, Drills(s, s.At))
	require.Empty(t, pt.Missing(Drills(s, s.At)[0].Text))
	require.Empty(t, Drills(&message.GroupStatus{Group: "web"}, at(0)), "a group that drills nothing says nothing of it")
}

// What went too far is always shown, what is well where it is little.
func TestFigures(t *testing.T) {
	status := &message.GroupStatus{Thresholds: []message.ThresholdStatus{
		{Condition: message.ThresholdOver, Sentence: "cpu of a: 97%"}, {Condition: message.ThresholdWell, Sentence: "cpu of b: 3%"},
		{Condition: message.ThresholdUnmeasured, Sentence: "queue of b is not watched"},
	}}
	require.Equal(t, []Line{{Tone: Warn, Text: "cpu of a: 97%"}, {Tone: Faint, Text: "cpu of b: 3%"}, {Tone: Warn, Text: "queue of b is not watched"}}, Figures(status))
	for range 8 {
		status.Thresholds = append(status.Thresholds, message.ThresholdStatus{Condition: message.ThresholdWell, Sentence: "load of a: 1"})
	}
	require.Equal(t, []Line{{Tone: Warn, Text: "cpu of a: 97%"}, {Tone: Warn, Text: "queue of b is not watched"}, {Tone: Faint, Text: "9 more figures are well"}}, Figures(status))
}
