package incident_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/isacloud/ha-manager/pkg/incident"
	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/subject"
	"github.com/isacloud/ha-manager/pkg/words"
)

// told is the failover with all that people add: a request that was answered, a note, the spec in force, ham's version.
func told() incident.Report {
	records := failover()
	at := func(i int) time.Time { return records[i].Time.Add(100 * time.Microsecond) }
	records = append(records,
		incident.Record{Stream: subject.StreamEvents, Seq: 101, Time: at(1), Message: &message.Event{ID: "o1", Group: "web", Kind: message.EventOutcome, Severity: message.Notice, Incident: "web-3",
			Request: "r1", Actor: "ana", Via: "console", From: "192.0.2.7", Sentence: "ana asked for switchover of web: refused: a switchover needs both sides, and a is down", Writer: "d1",
			Outcome: &message.Outcome{Request: "r1", Group: "web", Verb: message.VerbSwitchover, Incident: "web-3", Sentence: "refused: a switchover needs both sides, and a is down: move with ham failover web"}}},
		incident.Record{Stream: subject.StreamEvents, Seq: 103, Time: records[len(records)-1].Time.Add(time.Hour), Message: &message.Link{ID: "link.1", Group: "web", Incident: "web-3", What: message.LinkThread,
			Name: "slack", URL: "https://example.slack.com/archives/C0OPS0001/p1795312800000001", Writer: "n1"}},
		incident.Record{Stream: subject.StreamEvents, Seq: 104, Message: &message.Link{ID: "link.2", Group: "web", Incident: "web-4", What: message.LinkThread, Name: "slack", URL: "https://example.org/other", Writer: "n1"}},
		incident.Record{Stream: subject.StreamEvents, Seq: 102, Time: at(2), Message: &message.Event{ID: "n1", Group: "web", Kind: message.EventNote, Severity: message.Info, Incident: "web-3",
			Actor: "ana", Sentence: "ana notes: <b>power</b> is gone in rack 7 | see ![x](http://198.51.100.1/x.png)", Writer: "d1"}})
	r := incident.Build("web-3", 5*time.Second, records)
	found := func(seq uint64, at time.Time, m message.Gathered) incident.Record {
		m.Group, m.Incident, m.At = "web", "web-3", at.Add(-300*time.Millisecond).UnixMicro()
		return incident.Record{Stream: subject.StreamGathered, Seq: seq, Time: at, Message: &m}
	}
	var log strings.Builder
	for i := range 50 {
		fmt.Fprintf(&log, "line %d of a log\n", i)
	}
	ended := found(2, at(3).Add(time.Second), message.Gathered{When: message.GatherEnded, Executor: "x2", LeftOut: 3, Clues: []message.Clue{{Name: "host", Text: "load: 0.10\n"}}})
	r.Gather([]incident.Record{
		ended, ended, // told twice
		found(1, at(0), message.Gathered{When: message.GatherOpened, Executor: "x1", Site: "sp", Clues: []message.Clue{
			{Name: "host", What: "load, memory, disks, clock", Text: "load: 17.2\ndisk of /: 0 MiB free of 100 MiB\n"},
			{Name: "log of app at a", What: "/var/log/app.log", Text: log.String(), Cut: true},
			{Name: "redis a | ![x](http://198.51.100.1/x.png)", Err: "connection refused <b>\n\x1b[31mred"},
			{Name: "attack", Text: "```\n</pre><script>alert(1)</script>\n\x1b]0;title\x07\u202egpj.exe"},
		}}),
		{Stream: subject.StreamGathered, Seq: 3, Time: at(0), Message: &message.Gathered{Group: "web", Incident: "web-9", When: message.GatherOpened, Executor: "x9"}},
	})
	r.InForce([]incident.Spec{
		{Revision: 3, At: records[0].Time.Add(-time.Hour), Actor: "bia", Text: "ham: older\n"},
		{Revision: 4, At: records[0].Time.Add(-time.Minute), Actor: "ana", Reason: "quicker", Text: "group: web\nnote: |\n  ```\n  </pre><script>alert(1)</script>\n"},
	}, "v1.2.3")
	return r
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *rewrite {
		require.NoError(t, os.WriteFile(path, []byte(got), 0o600))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, string(want), got)
}

func TestPostMortemsInBothLanguages(t *testing.T) {
	zone := time.FixedZone("America/Sao_Paulo", -3*60*60)
	drill := incident.Build("web-5", 5*time.Second, rehearsal())
	for _, lang := range words.Langs() {
		golden(t, "told."+string(lang)+".md", told().MarkdownIn(lang, nil))
		golden(t, "told."+string(lang)+".html", told().HTML(lang))
		golden(t, "drill."+string(lang)+".html", drill.HTML(lang))
	}
	golden(t, "drill.pt-BR.md", drill.MarkdownIn(words.Portuguese, zone))
	require.Contains(t, drill.HTMLIn(words.Portuguese, zone), "04/03/2026 07:00:00,000")
}

// What the report says by itself has its translation, and so has every text of its page.
func TestEveryTextOfAReportIsTranslated(t *testing.T) {
	pt := words.Of(words.Portuguese)
	for _, name := range []string{"report.html", "markdown.go", "html.go", "gathered.go"} {
		source, err := os.ReadFile(name)
		require.NoError(t, err)
		for _, m := range regexp.MustCompile(`(?:\{\{t|\(t|\.T\(|heading\() ?"([^"]+)"`).FindAllSubmatch(source, -1) {
			require.True(t, pt.Known(string(m[1])), "%s: no translation of %q in pkg/words", name, m[1])
		}
	}
	drill := incident.Build("web-5", 5*time.Second, rehearsal())
	for _, r := range []incident.Report{told(), drill} {
		require.Empty(t, pt.Missing(r.Summary))
		for _, l := range r.Timeline {
			require.True(t, pt.Known(l.What), "no translation of %q", l.What)
			require.True(t, pt.Known(string(l.Severity)), "no translation of %q", l.Severity)
			if l.What == "held" || strings.HasPrefix(l.What, "step ") {
				require.Empty(t, pt.Missing(l.Sentence), "of %q", l.Sentence)
			}
		}
	}
	for _, when := range []string{message.GatherOpened, message.GatherStep, message.GatherEnded, message.GatherAsked} {
		require.True(t, pt.Known(incident.Gathered{When: when}.Heading()), "no translation of %q", when)
	}
	for _, k := range message.EventKinds {
		require.True(t, pt.Known(string(k)), "no translation of %q", k)
	}
	for _, v := range message.Verbs {
		require.True(t, pt.Known(string(v)), "no translation of %q", v)
	}
	for _, s := range []message.State{message.StateStarted, message.StateHeld, message.StateDone, message.StateFailed, message.StatePaused, message.StateSkipped, message.StateEnded, message.StateAborted, message.StateSuperseded} {
		for _, what := range []string{string(s), "step " + string(s), "run " + string(s)} {
			require.True(t, pt.Known(what), "no translation of %q", what)
		}
	}
}

// The page needs nothing else and runs nothing, whatever the record holds.
func TestThePageIsAloneAndHarmless(t *testing.T) {
	r := told()
	hostile := `"><script>alert(1)</script><img src=http://198.51.100.1/x onerror=alert(1)>'` + "\x00\u202e`"
	r.ID, r.Group, r.Summary, r.Version = hostile, hostile, hostile, hostile
	r.Swaps[0].Sentence, r.Swaps[0].Executor = hostile, hostile
	for i := range r.Swaps[0].Steps {
		s := &r.Swaps[0].Steps[i]
		s.Name, s.Says, s.State, s.Executor, s.Found, s.Wanted, s.Evidence, s.Problem = hostile, hostile, message.State(hostile), hostile, hostile, hostile, hostile, hostile
	}
	for i := range r.Timeline {
		r.Timeline[i].Sentence, r.Timeline[i].What, r.Timeline[i].Writer = hostile, hostile, hostile
	}
	for i := range r.Asked {
		r.Asked[i] = incident.Asked{Actor: hostile, Via: hostile, From: hostile, Verb: message.Verb(hostile), Sentence: hostile}
	}
	r.Links = []incident.Link{{Name: hostile, URL: hostile}, {Name: "x](javascript:alert(1))", URL: "javascript:alert(1)"}}
	for i := range r.Gathered {
		g := &r.Gathered[i]
		g.When, g.Executor, g.Site = hostile, hostile, hostile
		for k := range g.Clues {
			g.Clues[k] = message.Clue{Name: hostile, What: hostile, Text: "</pre></details>" + hostile + "\n```\n" + hostile, Err: hostile}
		}
	}
	r.Notes[0].Sentence, r.Specs[0].Text, r.Specs[0].Actor, r.Specs[0].Reason = hostile, "</pre>"+hostile, hostile, hostile
	for _, lang := range words.Langs() {
		html := r.HTML(lang)
		require.NotRegexp(t, `(?i)<script|<img|<link|<iframe|<object|<base|\son[a-z]+\s*=\s*[^a-z]*alert\(1\)>'[^&]|url\(|@import`, strings.ReplaceAll(html, "&lt;", "‹"))
		require.NotContains(t, html, `src=http://198.51.100.1/x onerror=alert(1)>`, "a tag was closed")
		require.Equal(t, 1, strings.Count(html, "<style>"))
		require.Contains(t, html, `http-equiv="Content-Security-Policy"`)
		md := r.MarkdownIn(lang, nil)
		require.NotContains(t, strings.Split(md, "```")[0], "<script>")
	}
}

func TestOnlyTheSpecsInForceAreShown(t *testing.T) {
	r := told()
	require.Len(t, r.Specs, 1)
	require.Equal(t, uint64(4), r.Specs[0].Revision)
	r.Swaps = nil
	r.InForce([]incident.Spec{{Revision: 3, At: r.From.Add(-time.Hour)}, {Revision: 4, At: r.From}, {Revision: 9, At: r.Until.Add(time.Second)}}, "")
	require.Len(t, r.Specs, 1)
	require.Equal(t, uint64(4), r.Specs[0].Revision, "nothing was decided: the newest before the end")
}
