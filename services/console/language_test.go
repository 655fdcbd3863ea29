package console_test

import (
	"bufio"
	"context"
	"html"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/words/wordstest"
)

// portuguese loads a page as a browser does whose owner reads Portuguese.
func (w *world) portuguese(path string) page {
	w.t.Helper()
	return w.portugueseBut(path, nil)
}

// portugueseBut is the same for a page that says of a part that it is English.
func (w *world) portugueseBut(path string, english *regexp.Regexp) page {
	w.t.Helper()
	r, err := http.NewRequest(http.MethodGet, w.base+path, nil)
	require.NoError(w.t, err)
	r.Header.Set("Accept-Language", "pt-BR,pt;q=0.9,en;q=0.8")
	p := w.do(r)
	require.Contains(w.t, p.body, `<html lang="pt-BR">`, path)
	body := p.body
	if english != nil {
		body = english.ReplaceAllString(body, "")
	}
	wordstest.Portuguese(w.t, path, body)
	return p
}

// busy is a leased group in which everything stands that a page can show at once.
func busy(group string) *message.GroupStatus {
	s, now := healthy(group), time.Now()
	s.Sentence = "If a died now: nobody takes over, because b would lose too much: it was 39.1 KiB, 4s behind, 320ms ago, and the objective is 500ms."
	s.Mode, s.Paused, s.PausedBy, s.PausedUntil, s.PauseReason = "manual", true, "ana", now.Add(time.Hour).UnixMicro(), "manutenção do kernel"
	s.Incident = group + "-1"
	s.Refusals = []message.Reason{
		{Code: "R307", Sentence: "the mode of web is manual: ask for it with ham failover web"},
		{Code: "R322", Sentence: "b is not ready: it has been steady for 2.5s of 10s"},
	}
	b := &s.Members[1]
	b.Ready, b.Verdict = false, message.VerdictDisputed
	b.Reasons = []message.Reason{{Code: "R322", Sentence: "b is not ready: it has been steady for 2.5s of 10s"}}
	b.Views = append(b.Views, message.View{Member: "b", Vantage: "rj", Check: "alive", Says: "down", Hard: true, InARow: 3, AgoMS: 14000, Evidence: "no answer within 300ms"},
		message.View{Member: "b", Vantage: "wit", Check: "alive", Says: "silent", AgoMS: 200000})
	s.Routes = []message.RouteSeen{{Route: "front", Proxy: "px1", Reachable: true, Serves: []string{"a"}}, {Route: "front", Proxy: "px2"}, {Route: "front", Proxy: "px3", Reachable: true}}
	s.Lease = &message.LeaseStatus{
		Armed: true, Durability: message.NeverStop, Deciders: []string{"d1", "d2"}, TTL: message.Duration(1500 * time.Millisecond), Wait: message.Duration(1705 * time.Millisecond), Holder: "a", HolderEpoch: 3,
		Left: message.Duration(900 * time.Millisecond), Protection: "not protected: b was 39.1 KiB, 4s behind, 320ms ago, and that much would be lost",
		Standbys: []message.StandbyStatus{{Member: "b", State: message.StandbyStreaming, Lag: true, LagBytes: 40_040, LagMicros: 4_000_000, LagAgeMS: 320}},
		Fenced:   []message.FencedStatus{{Member: "b", Epoch: 2, Now: true, How: "guard"}},
	}
	s.Approvals = waiting(group).Approvals
	s.Approvals[0].Reason = "disco novo"
	s.Drill = &message.DrillStatus{ID: "web-drill-3", Stage: message.DrillHolds, Home: "a", Away: "b", Actor: "ana", BackAt: now.Add(90 * time.Second).UnixMicro(), Why: "ensaio do mês"}
	hold := message.Duration(2 * time.Minute)
	s.Agenda = []message.AgendaEntry{{Verb: message.VerbDrill, At: now.Add(26 * time.Hour).UnixMicro(), Hold: &hold, Actor: "ana", Name: "web-at-x"}}
	s.DrilledAt = now.Add(-50 * time.Hour).UnixMicro()
	s.Swap = &message.SwapStatus{Command: "web.9", Epoch: 9, Kind: message.KindFailover, From: "a", To: "b", State: message.StatePaused, Steps: []message.StepStatus{
		{Name: "route-front", Says: "send clients of web to b (server s2) on 1 proxy", State: message.StatePaused, Attempt: 2, Executor: "x1", Problem: "no answer within 300ms"},
	}}
	return s
}

// refusing is a plan that is refused, by figures.
func refusing(r *message.Request) *message.Preview {
	p := previewOf(r)
	p.Accepted, p.Plan.Graceful = false, false
	p.Sentence = "refused: b is not ready: it has been steady for 2.5s of 10s"
	p.Reasons = []message.Reason{{Code: "R322", Sentence: "b is not ready: it has been steady for 2.5s of 10s", Overridable: true}, {Code: "R317", Sentence: "web is paused by ana"}}
	p.Reasons[1] = message.Reason{Code: "R307", Sentence: "the mode of web is manual: ask for it with ham failover web"}
	p.WayBack = ""
	return p
}

// Nothing of a Portuguese page is English: not when all is well, not when nothing is, not what comes by the stream.
func TestEveryPageIsInPortuguese(t *testing.T) {
	w := begin(t, false, "web", "orders")
	pages := []string{"/", "/g/web", "/g/orders", "/g/web/swap", "/g/web/swap?verb=drill", "/g/web/swap?verb=failover&to=b", "/incidents", "/drills", "/shadow", "/g/none", "/nothing", "/g/web/swap?verb=adopt"}
	w.until("/", "All is well: 2 groups.")
	w.set(func() {
		w.preview = func(r *message.Request) *message.Preview {
			p := previewOf(r)
			p.Sentence, p.WayBack = "ana asked for a switchover of web from a to b", "ham failback web moves it back to a once that has been up for 10s"
			return p
		}
	})
	for _, path := range pages {
		w.portuguese(path)
	}

	opened, closed := true, false
	c := &message.Command{ID: "web.9", Group: "web", Epoch: 9, Kind: message.KindFailover, Primary: "b", From: "a", Members: []string{"a", "b"}, Rule: "R401", Decider: "d1", SpecRevision: 1,
		Incident: "web-1", Sentence: "b takes over from a: a is down: 2 of 3 seeing vantages say so by check alive, rj and sp (connection refused); the quorum is 2; wit is silent",
		Plan: message.Plan{Hash: "055e51b70905a500", Steps: []message.Step{{Name: "route-front", Phase: message.PhaseAct, Driver: "haproxy", On: "any", Timeout: message.Duration(time.Second), OnFailure: message.FailPause,
			Says: "send clients of web to b (server s2) on 1 proxy"}}}}
	w.tell(&message.Event{ID: "i1", Group: "web", Kind: message.EventIncident, Severity: message.Warning, Incident: "web-1", Opened: &opened,
		Sentence: "incident web-1: a is suspect: check alive fails from rj, sp and wit (no answer within 300ms); 1 of a quorum of 2 say down"})
	w.tell(&message.Event{ID: "c9", Group: "web", Kind: message.EventDecision, Incident: "web-1", Sentence: c.Sentence, Command: c})
	w.tell(&message.Event{ID: "r1", Group: "web", Kind: message.EventRefused, Incident: "web-1", Sentence: "a is down and nobody takes over, because b is not ready: b is suspect",
		Reasons: []message.Reason{{Code: "R322", Sentence: "b is not ready: b is suspect"}}})
	w.tell(&message.Event{ID: "d1", Group: "web", Kind: message.EventDrill, Sentence: "ana ended the drill of web: b stays primary", Drill: &message.DrillStatus{ID: "web-drill-2", Stage: message.DrillOver, How: message.DrillHalted, Home: "a", Away: "b", Actor: "ana", OverAt: 1}})
	w.tell(&message.Event{ID: "i2", Group: "orders", Kind: message.EventIncident, Severity: message.Notice, Incident: "orders-1", Opened: &opened, Sentence: "incident orders-1: a is suspect: check alive fails from rj (no answer within 300ms); 0 of a quorum of 2 say down"})
	w.tell(&message.Event{ID: "i3", Group: "orders", Kind: message.EventIncident, Severity: message.Notice, Incident: "orders-1", Opened: &closed,
		Sentence: "incident orders-1 is over: a is primary (epoch 3) and has been up for 10s; it began with: a is suspect: check alive fails from rj (no answer within 300ms); 0 of a quorum of 2 say down"})
	w.gathered(&message.Gathered{Group: "web", Incident: "web-1", When: message.GatherStep, Executor: "x1", Site: "sp", LeftOut: 2, Clues: []message.Clue{{Name: "host", Text: "4711", Cut: true, Err: "4712"}}})
	w.set(func() { w.status, w.preview = busy, refusing })
	w.until("/g/web", "It waits for you", "fenced up to epoch 2", "/i/web-1")
	w.until("/incidents", "web-1", "orders-1")
	for _, path := range append(pages, "/i/web-1", "/i/orders-1", "/i/web-1/plots", "/i/web-1/gathered", "/i/orders-1/gathered", "/i/web-1/postmortem.html", "/i/none-1") {
		w.portuguese(path)
	}
	require.Contains(t, w.portuguese("/").body, "precisam de você.")
	require.Contains(t, w.portuguese("/g/web").body, "atraso de 40 kB, 4,00 s")

	w.clock.Store(int64(time.Hour)) // what is known is old now
	w.srv.Stop()
	require.Contains(t, w.portuguese("/").body, "Isto não é como está, e sim como estava.")
	w.portuguese("/g/web")
	w.portuguese("/g/web/swap")
}

// The stream speaks the page's language, also where it begins anew after another page chose another one.
func TestTheStreamKeepsThePagesLanguage(t *testing.T) {
	w := begin(t, false, "web")
	w.until("/", "All is well.")
	live := regexp.MustCompile(`data-live="([^"]*)"`).FindStringSubmatch(w.get("/?lang=pt-BR").body)
	require.NotNil(t, live)
	w.get("/?lang=en")
	ctx, stop := context.WithTimeout(context.Background(), patience)
	defer stop()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, w.base+html.UnescapeString(live[1]), nil)
	require.NoError(t, err)
	resp, err := w.client.Do(r)
	require.NoError(t, err)
	defer resp.Body.Close()
	read := bufio.NewScanner(resp.Body)
	read.Buffer(nil, 4<<20)
	for read.Scan() {
		require.NotContains(t, read.Text(), "Covered")
		if strings.Contains(read.Text(), "Coberto") {
			return
		}
	}
	t.Fatal("the group's card never came")
}

// What somebody chose goes before what their browser asks for, and stays; what is no language is none.
func TestTheLanguageIsChosenOnAnyPage(t *testing.T) {
	w := begin(t, false, "web")
	p := w.until("/g/web", "Covered", `<html lang="en">`, `href="?lang=pt-BR"`)
	require.Contains(t, w.get("/g/web/swap?verb=drill").body, `href="?lang=pt-BR&amp;verb=drill"`, "the same page, in the other language")
	p = w.get("/g/web?lang=pt")
	require.Contains(t, p.body, "Coberto")
	require.Regexp(t, `^ham_lang=pt-BR; Path=/; Max-Age=\d+; HttpOnly; SameSite=Lax$`, p.header.Get("Set-Cookie"))
	require.Contains(t, w.get("/incidents").body, `<html lang="pt-BR">`)
	for _, odd := range []string{"tlh", "../../x", "%00", "en%0d%0aX:1", strings.Repeat("x", 1000)} {
		p = w.get("/incidents?lang=" + odd)
		require.Contains(t, p.body, `<html lang="pt-BR">`, odd)
		require.Empty(t, p.header.Get("Set-Cookie"), odd)
	}
	w.get("/?lang=en")
	r, err := http.NewRequest(http.MethodGet, w.base+"/incidents", nil)
	require.NoError(t, err)
	r.Header.Set("Accept-Language", "pt-BR")
	require.Contains(t, w.do(r).body, `<html lang="en">`)
}
