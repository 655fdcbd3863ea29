package console_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/who"
	"github.com/isacloud/ha-manager/services/console"
)

func TestTheOverviewSaysHowItIs(t *testing.T) {
	w := begin(t, false, "web", "orders")
	p := w.until("/", "All is well: 2 groups.", "If a died now: b takes over")
	require.Contains(t, p.body, `href="/g/orders"`)
	w.set(func() {
		w.status = func(g string) *message.GroupStatus {
			s := healthy(g)
			if g == "web" {
				s.Members[0].Verdict = message.VerdictDown
			}
			return s
		}
	})
	w.until("/", "web needs you.", "Primary down")
}

func TestThePressFiresThePlanThatWasShown(t *testing.T) {
	w := begin(t, false, "web")
	w.until("/g/web", "Covered")
	f := w.form("/g/web/swap")
	f.Set("reason", "kernel update")
	p := w.post("/g/web/fire", f)
	require.Equal(t, http.StatusSeeOther, p.code, p.body)
	all := w.requests()
	require.Len(t, all, 1)
	r := all[0]
	require.Equal(t, message.VerbSwitchover, r.Verb)
	require.Equal(t, "055e51b70905a500", r.PlanHash)
	require.NotNil(t, r.ExpectEpoch)
	require.EqualValues(t, 3, *r.ExpectEpoch)
	require.Equal(t, []string{"ana", "console", "192.0.2.7:4711", "kernel update"}, []string{r.Actor, r.Via, r.From, r.Reason})
	require.Equal(t, "/g/web?rq="+r.ID, p.header.Get("Location"))
	require.Equal(t, f.Get("rq"), r.ID, "pressed twice it is one request")

	w.until("/g/web?rq="+r.ID, "What became of it is not told yet")
	w.tell(&message.Event{ID: "o1", Group: "web", Kind: message.EventOutcome, Sentence: "x", Request: r.ID, Outcome: accepted(r)})
	w.until("/g/web?rq="+r.ID, "accepted, epoch 4: as asked")
}

func TestARefusedPressSaysWhatChanged(t *testing.T) {
	w := begin(t, false, "web")
	w.until("/g/web", "Covered")
	w.set(func() {
		w.answer = func(r *message.Request) *message.Outcome {
			return &message.Outcome{Request: r.ID, Group: r.Group, Verb: r.Verb, Sentence: "refused: the plan has changed", Reasons: []message.Reason{{Code: "R334", Sentence: "the plan has changed since it was shown: now mode manual"}}}
		}
	})
	f := w.form("/g/web/swap")
	p := w.post("/g/web/fire", f)
	require.Equal(t, http.StatusConflict, p.code)
	require.Contains(t, p.body, "Nothing was moved.")
	require.Contains(t, p.body, "now mode manual")
	require.NotContains(t, p.body, f.Get("rq"), "the next press is another request")
}

func TestAButtonThatWasNotArmedAndHeldAsksNothing(t *testing.T) {
	w := begin(t, false, "web")
	w.until("/g/web", "Covered")
	for name, edit := range map[string]func(url.Values){
		"not armed": func(f url.Values) { f.Del("armed") }, "not held": func(f url.Values) { f.Del("held") },
		"another name typed": func(f url.Values) { f.Del("held"); f.Set("typed", "orders") },
		"without a plan":     func(f url.Values) { f.Del("plan") }, "without an epoch": func(f url.Values) { f.Del("epoch") },
		"a verb that moves nothing": func(f url.Values) { f.Set("verb", "adopt") }, "a member that cannot be": func(f url.Values) { f.Set("to", "b.>") },
		"a request of somebody else's": func(f url.Values) { f.Set("rq", "web.1") },
		"a word too long":              func(f url.Values) { f.Set("reason", strings.Repeat("x", 1025)) },
		"a form too long":              func(f url.Values) { f.Set("reason", strings.Repeat("x", 70<<10)) },
	} {
		t.Run(name, func(t *testing.T) {
			f := w.form("/g/web/swap")
			edit(f)
			p := w.post("/g/web/fire", f)
			require.GreaterOrEqual(t, p.code, 400, p.body)
			require.Contains(t, p.body, "othing was asked")
			require.Empty(t, w.requests())
		})
	}
	f := w.form("/g/web/swap")
	f.Del("held")
	f.Set("typed", "web") // without the script
	require.Equal(t, http.StatusSeeOther, w.post("/g/web/fire", f).code)
	require.Len(t, w.requests(), 1)
}

func TestWhoMayPress(t *testing.T) {
	w := begin(t, false, "web", "orders")
	w.until("/", "All is well: 2 groups.")
	good := w.form("/g/web/swap")
	w.as("vic", map[string]who.Role{"web": who.Viewer})
	require.NotContains(t, w.get("/").body, "orders", "what somebody may not see is not there")
	require.Equal(t, http.StatusNotFound, w.get("/g/orders").code)
	require.Equal(t, http.StatusNotFound, w.get("/live?at=group&g=orders").code)
	require.Equal(t, http.StatusNotFound, w.get("/i/orders-1").code)
	seen := w.get("/g/web/swap") // what it would do, and no button
	require.Equal(t, http.StatusOK, seen.code)
	require.Contains(t, seen.body, "send clients of web to b")
	require.NotContains(t, seen.body, `id="fire"`)
	require.NotContains(t, seen.body, "data-live")
	require.NotContains(t, w.get("/g/web").body, "/g/web/do", "no button that is refused")
	require.Equal(t, http.StatusForbidden, w.post("/g/web/fire", good).code)
	for _, verb := range []string{"pause", "resume", "retry", "skip", "abort", "note", "adopt", "drill", "approve"} {
		require.Equal(t, http.StatusForbidden, w.post("/g/web/do", url.Values{"verb": {verb}, "reason": {"x"}, "to": {"b"}, "end": {"back"}}).code, verb)
	}
	w.as("olga", map[string]who.Role{"web": who.Operator})
	require.Equal(t, http.StatusForbidden, w.post("/g/web/do", url.Values{"verb": {"adopt"}, "to": {"b"}}).code, "adopting is an administrator's")
	set := url.Values{}
	for k, v := range good {
		set[k] = v
	}
	set["override"], set["reason"] = []string{"R322"}, []string{"I know"}
	require.Equal(t, http.StatusForbidden, w.post("/g/web/fire", set).code, "setting aside is an administrator's")
	require.Empty(t, w.requests())
	w.as("adele", map[string]who.Role{"web": who.Admin})
	set["reason"] = nil
	p := w.post("/g/web/fire", set)
	require.Equal(t, http.StatusConflict, p.code, "without a reason")
	require.Empty(t, w.requests())
	set["reason"] = []string{"I know"}
	require.Equal(t, http.StatusSeeOther, w.post("/g/web/fire", set).code)
	require.Equal(t, []string{"R322"}, w.requests()[0].Override)
}

func TestWhatWouldUndoTheLastSwapHasToBeMeant(t *testing.T) {
	w := begin(t, false, "web")
	w.until("/g/web", "Covered")
	w.set(func() {
		w.preview = func(r *message.Request) *message.Preview {
			p := previewOf(r)
			if r.PlanHash == "" && r.ExpectEpoch == nil { // as the deciders have it
				p.Accepted, p.Reasons = false, []message.Reason{{Code: "R335", Sentence: "web was moved 2s ago, and this would undo it"}}
			}
			return p
		}
	})
	f := w.form("/g/web/swap")
	require.Equal(t, http.StatusConflict, w.post("/g/web/fire", f).code)
	require.Empty(t, w.requests())
	f.Set("mean", "R335")
	require.Equal(t, http.StatusSeeOther, w.post("/g/web/fire", f).code)
	require.Len(t, w.requests(), 1)
}

func TestRefusalsStandOnTheButton(t *testing.T) {
	w := begin(t, false, "web")
	w.until("/g/web", "Covered")
	w.set(func() {
		w.preview = func(r *message.Request) *message.Preview {
			p := previewOf(r)
			p.Accepted, p.Reasons = false, []message.Reason{{Code: "R322", Sentence: "b is not ready", Overridable: true}, {Code: "R317", Sentence: "web is not armed"}}
			return p
		}
	})
	p := w.get("/g/web/swap").body
	require.Contains(t, p, "b is not ready")
	require.Contains(t, p, "Nobody can set this aside.")
	require.NotContains(t, p, `id="red"`, "what cannot be set aside leaves no button")
	w.as("olga", map[string]who.Role{"web": who.Operator})
	require.Contains(t, w.get("/g/web/swap").body, "An administrator may set this aside, with a reason.")
}

func TestDryRunIsUnmistakable(t *testing.T) {
	w := begin(t, false, "web")
	w.set(func() {
		w.status = func(g string) *message.GroupStatus { s := healthy(g); s.Mode = "dry-run"; return s }
		w.preview = func(r *message.Request) *message.Preview { p := previewOf(r); p.DryRun = true; return p }
	})
	w.until("/g/web", "Dry run: nothing is applied.")
	p := w.get("/g/web/swap").body
	require.Contains(t, p, "DRY RUN. Nothing will be changed")
	require.Contains(t, p, "Hold to rehearse")
	require.NotContains(t, p, "Hold to switchover")
}

func TestAStoppedStepIsAnswered(t *testing.T) {
	w := begin(t, false, "web")
	w.set(func() {
		w.status = func(g string) *message.GroupStatus {
			s := healthy(g)
			s.Swap = &message.SwapStatus{Command: "c4", Epoch: 4, Kind: message.KindSwitchover, From: "a", To: "b", State: message.StatePaused,
				Steps: []message.StepStatus{{Name: "route-front", Says: "send clients to b", State: message.StatePaused, Attempt: 2, Problem: "the proxy does not answer"}}}
			return s
		}
	})
	p := w.until("/g/web", "It waits for you", "the proxy does not answer")
	require.Contains(t, w.get("/").body, "web needs you.")
	require.Contains(t, p.body, `value="retry"`)
	for _, verb := range []string{"retry", "skip", "abort"} {
		require.Equal(t, http.StatusSeeOther, w.post("/g/web/do", url.Values{"verb": {verb}, "epoch": {"4"}, "step": {"route-front"}, "reason": {"it is back"}}).code)
		r := w.requests()[0]
		require.Equal(t, message.Verb(verb), r.Verb)
		require.EqualValues(t, 4, *r.ExpectEpoch, "an answer is about the swap that was shown")
		if verb != "abort" {
			require.Equal(t, "route-front", r.Step)
		}
	}
}

// A wrong green is worse than no page.
func TestWhatIsOldIsNeverShownAsWhatIs(t *testing.T) {
	w := begin(t, false, "web")
	w.until("/", "All is well.")
	w.decider.Stop()
	w.clock.Add(int64(20 * time.Second)) // the answer that it has is twenty seconds old
	for _, path := range []string{"/", "/g/web"} {
		p := w.until(path, "This is not how it is, but how it was.", "no decider answers", "Not known")
		require.NotContains(t, p.body, `class="mark ok"`, "something is still green on %s", path)
		require.NotContains(t, p.body, "All is well")
		require.NotContains(t, p.body, "nothing stands against it", "it still says that it would move by itself")
	}
	require.Contains(t, w.get("/").body, "Nothing is known of web.")
	p := w.get("/g/web/swap")
	require.Equal(t, http.StatusServiceUnavailable, p.code)
	require.Contains(t, p.body, "Nothing was asked")
	w.decide()
	w.until("/", "All is well.")
}

func TestTheBusBeingAwayIsSaid(t *testing.T) {
	w := begin(t, false, "web")
	w.until("/", "All is well.")
	w.srv.Stop()
	w.until("/", "Nothing is known now: the bus is away.")
	w.clock.Add(int64(10 * time.Second))
	p := w.until("/g/web", "This is not how it is, but how it was.")
	require.NotContains(t, p.body, `class="mark ok"`)
	w.srv.Start()
	w.decide()
	w.until("/", "All is well.")
}

const hostile = `<script>alert(1)</script><img src=x onerror=alert(2)>" onmouseover="alert(3)' ` + "\u202e\x1b[31m" + `{{.}} javascript:alert(4)`

// What a check saw, what somebody wrote and what a server calls itself is text of others.
func TestTextOfOthersIsNeverMarkup(t *testing.T) {
	w := begin(t, false, "web")
	w.set(func() {
		w.status = func(g string) *message.GroupStatus {
			s := healthy(g)
			s.Sentence, s.Mode, s.PauseReason, s.Paused = hostile, "auto", hostile, true
			s.Refusals = []message.Reason{{Code: "R322", Sentence: hostile}}
			s.Members[1].Reasons, s.Members[1].Ready = s.Refusals, false
			s.Members[0].Views[0].Evidence, s.Members[0].Views[0].Says = hostile, "down"
			s.Routes = []message.RouteSeen{{Route: "front", Proxy: hostile, Problem: hostile}}
			s.Swap = &message.SwapStatus{Command: "c", Epoch: 4, Kind: message.KindFailover, To: "b", State: message.StatePaused, Steps: []message.StepStatus{{Name: "x", Says: hostile, State: message.StatePaused, Problem: hostile}}}
			return s
		}
		w.preview = func(r *message.Request) *message.Preview {
			p := previewOf(r)
			p.Sentence, p.WayBack, p.Plan.Steps[0].Says = hostile, hostile, hostile
			p.Reasons = []message.Reason{{Code: "R322", Sentence: hostile, Overridable: true}}
			return p
		}
	})
	opened, done := true, false
	at := message.Command{ID: "c9", Group: "web", Epoch: 9, Kind: message.KindFailover, Primary: "b", From: "a", Members: []string{"a", "b"}, Rule: "R240", Sentence: hostile, Why: hostile, Actor: "ana", Incident: "web-1", Decider: "d1", DryRun: true,
		Evidence: []message.View{{Member: "a", Vantage: "sp", Check: "alive", Says: "down", Evidence: hostile}}, Plan: message.Plan{Hash: "x", Steps: []message.Step{{Name: "s1", Phase: message.PhaseAct, Driver: "exec", On: "any", Timeout: 1, OnFailure: message.FailPause, Says: hostile}}}}
	w.tell(&message.Event{ID: "i1", Group: "web", Kind: message.EventIncident, Sentence: hostile, Incident: "web-1", Opened: &opened})
	w.tell(&message.Event{ID: "s1", Group: "web", Kind: message.EventShadow, Sentence: hostile, Incident: "web-1", DryRun: true, Command: &at})
	w.tell(&message.Event{ID: "st1", Group: "web", Kind: message.EventStep, Sentence: hostile, Incident: "web-1", Severity: message.Warning, DryRun: true,
		Step: &message.StepResult{ID: "r1", Group: "web", Epoch: 9, Command: "c9", Incident: "web-1", Step: "s1", Driver: "exec", State: message.StateFailed, Attempt: 1, Executor: "e1", DryRun: true, Evidence: hostile, Problem: hostile, Found: hostile, At: 1}})
	w.tell(&message.Event{ID: "n1", Group: "web", Kind: message.EventNote, Sentence: hostile, Incident: "web-1", Actor: "ana"})
	w.tell(&message.Event{ID: "i2", Group: "web", Kind: message.EventIncident, Sentence: hostile, Incident: "web-1", Opened: &done})
	w.gathered(&message.Gathered{Group: "web", Incident: "web-1", When: message.GatherOpened, Executor: "x1", Clues: []message.Clue{{Name: hostile, What: hostile, Text: "</pre></details>" + hostile, Err: hostile}}})
	w.until("/incidents", "web-1")
	w.until("/g/web", "It waits for you")
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	pieces := make(chan string, 64)
	w.stream(ctx, "/g/web", func(_, html string) { pieces <- html })
	texts := map[string]string{"a live element": <-pieces + <-pieces + <-pieces + <-pieces}
	for _, path := range []string{"/", "/g/web", "/g/web/swap", "/incidents", "/drills", "/i/web-1", "/i/web-1/plots", "/i/web-1/gathered", "/i/web-1/postmortem.html", "/g/web?rq=" + url.QueryEscape(hostile), "/i/" + url.PathEscape(hostile), "/g/" + url.PathEscape(hostile), "/g/web/swap?verb=" + url.QueryEscape(hostile)} {
		texts[path] = w.get(path).body
	}
	for path, body := range texts {
		for _, bad := range []string{"<script>alert", "<img src=x", "\u202e", "\x1b"} {
			if i := strings.Index(body, bad); i >= 0 {
				t.Fatalf("%s holds %q: %s", path, bad, body[max(0, i-300):min(len(body), i+60)])
			}
		}
		nothingInline(t, path, body)
	}
	require.Contains(t, texts["/i/web-1/postmortem.html"], "&lt;script&gt;alert(1)", "it is shown, as text")
	require.Contains(t, texts["/i/web-1/gathered"], "&lt;/pre&gt;&lt;/details&gt;", "it is shown, as text")
	md := w.get("/i/web-1/postmortem.md")
	require.Contains(t, md.header.Get("Content-Type"), "text/markdown")
	before, fenced, _ := strings.Cut(md.body, "```")
	require.NotContains(t, before, "<script>")
	require.NotContains(t, fenced, "\x1b")
}

var inline = []*regexp.Regexp{
	regexp.MustCompile(`<script(?:>|\s+[^>]*>)[^<]`), regexp.MustCompile(`<[a-z][^>]*\sstyle=`), regexp.MustCompile(`<[a-z][^>"]*(?:"[^"]*"[^>"]*)*\son[a-z]+=`), regexp.MustCompile(`(?:href|src|action)="javascript:`),
}

func nothingInline(t *testing.T, path, body string) {
	t.Helper()
	for _, bad := range inline {
		require.Empty(t, bad.FindString(body), path)
	}
}

func TestEveryAnswerCarriesItsPolicy(t *testing.T) {
	w := begin(t, false, "web")
	w.until("/", "All is well.")
	for _, path := range []string{"/", "/g/web", "/g/web/swap", "/incidents", "/drills", "/nothing", "/assets/app.js", "/assets/nothing", "/g/none"} {
		p := w.get(path)
		require.Equal(t, "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'", p.header.Get("Content-Security-Policy"), path)
		require.Equal(t, "nosniff", p.header.Get("X-Content-Type-Options"), path)
		require.Equal(t, "DENY", p.header.Get("X-Frame-Options"), path)
		for _, m := range regexp.MustCompile(`(?:src|href|action)="([^"]*)"`).FindAllStringSubmatch(p.body, -1) {
			require.Regexp(t, `^[/#?]`, m[1], "%s loads or leads to another host", path)
			require.NotRegexp(t, `^//`, m[1], path)
		}
		nothingInline(t, path, p.body)
	}
}

// The post-mortem is one file: its style stands in it, and nothing else may.
func TestThePostMortemStandsAlone(t *testing.T) {
	w := begin(t, false, "web")
	opened := true
	w.tell(&message.Event{ID: "i1", Group: "web", Kind: message.EventIncident, Sentence: "a is down", Incident: "web-1", Opened: &opened})
	w.until("/incidents", "web-1")
	p := w.get("/i/web-1/postmortem.html")
	require.Equal(t, http.StatusOK, p.code)
	style := regexp.MustCompile(`(?s)<style>(.*)</style>`).FindStringSubmatch(p.body)
	require.NotNil(t, style)
	sum := sha256.Sum256([]byte(style[1]))
	require.Contains(t, p.header.Get("Content-Security-Policy"), "style-src 'sha256-"+base64.StdEncoding.EncodeToString(sum[:])+"'")
	require.NotRegexp(t, `(src|href)="[^#]`, p.body)
}

func TestPathGames(t *testing.T) {
	w := begin(t, false, "web")
	w.until("/", "All is well.")
	addr := strings.TrimPrefix(w.base, "http://")
	for _, path := range []string{
		"//evil.example/", "/assets/../../go.mod", "/assets/%2e%2e/%2e%2e/go.mod", "/assets/..%2f..%2fgo.mod", "/assets/templates/layout.html", "/assets//style.css", "/i/../g/web/fire", "/i/web-1%2f..%2f..", "/i/%00",
		"/g/%2e%2e/", "/g/web%2f..%2forders", "/g/*", "/g/web.>", "/i/web.>-1", "/i/-1", `/g/web\..\..`, "/live?at=group&g=*", "/live?at=incident&id=../x-1", "/live?at=swap&g=web.%3E&verb=failover", "/live?at=nothing", "/\\evil.example",
	} {
		conn, err := net.DialTimeout("tcp", addr, patience) // a client that cleans no path
		require.NoError(t, err)
		_ = conn.SetDeadline(time.Now().Add(patience))
		_, err = fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", path, addr)
		require.NoError(t, err)
		all, err := io.ReadAll(conn)
		require.NoError(t, err)
		conn.Close()
		answer := string(all)
		require.Regexp(t, `^HTTP/1.1 (30[178]|40[04])`, answer, path)
		require.NotContains(t, answer, "module github.com", path)
		if to := regexp.MustCompile(`(?m)^Location: (.*)\r$`).FindStringSubmatch(answer); to != nil {
			require.Regexp(t, `^/[^/\\]*`, to[1], path)
			require.NotRegexp(t, `^(//|/\\|[a-z]+:)`, to[1], "%s leads to another host", path)
		}
	}
	// A note goes back to its own group, whatever the form says.
	for _, to := range []string{"//evil.example", "https://evil.example/", "orders-1", "../x", "web-1/../../x"} {
		p := w.post("/g/web/do", url.Values{"verb": {"note"}, "reason": {"x"}, "incident": {to}, "back": {to}})
		require.Equal(t, http.StatusSeeOther, p.code)
		require.Regexp(t, `^/g/web\?rq=rq-`, p.header.Get("Location"), to)
	}
	// Nothing that only reads is changed by a GET of what presses, and nothing is pressed by it.
	w.requests()
	for _, path := range []string{"/g/web/fire?armed=yes&held=yes&plan=055e51b70905a500&verb=failover&epoch=3&rq=rq-abcdefghijkl", "/g/web/do?verb=pause", "/fault/kill-a"} {
		require.GreaterOrEqual(t, w.get(path).code, 400, path)
	}
	// What stands in the address of a POST is no form.
	require.GreaterOrEqual(t, w.post("/g/web/do?verb=pause", url.Values{}).code, 400)
	require.Empty(t, w.requests())
}

// Without a door only this machine is served, and only its own pages press.
func TestWithoutADoor(t *testing.T) {
	w := begin(t, true, "web")
	p := w.until("/g/web", "Covered", "Nobody has to sign in here")
	token := regexp.MustCompile(`name="csrf" value="([^"]+)"`).FindStringSubmatch(p.body)
	require.NotNil(t, token)
	press := func(edit func(*http.Request, url.Values)) page {
		f := url.Values{"verb": {"pause"}, "csrf": {token[1]}}
		r, err := http.NewRequest(http.MethodPost, w.base+"/g/web/do", nil)
		require.NoError(t, err)
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		edit(r, f)
		r.Body = io.NopCloser(strings.NewReader(f.Encode()))
		return w.do(r)
	}
	for name, edit := range map[string]func(*http.Request, url.Values){
		"no token":           func(_ *http.Request, f url.Values) { f.Del("csrf") },
		"another token":      func(_ *http.Request, f url.Values) { f.Set("csrf", strings.Repeat("x", len(token[1]))) },
		"from another site":  func(r *http.Request, _ url.Values) { r.Header.Set("Sec-Fetch-Site", "cross-site") },
		"of another origin":  func(r *http.Request, _ url.Values) { r.Header.Set("Origin", "https://evil.example") },
		"under another name": func(r *http.Request, _ url.Values) { r.Host = "evil.example" },
	} {
		require.GreaterOrEqual(t, press(edit).code, 400, name)
	}
	require.Empty(t, w.requests())
	require.Equal(t, http.StatusSeeOther, press(func(*http.Request, url.Values) {}).code)
	require.Len(t, w.requests(), 1)
	r, err := http.NewRequest(http.MethodGet, w.base+"/", nil)
	require.NoError(t, err)
	r.Host = "rebound.example:80" // a name that somebody made lead to this machine
	require.Equal(t, http.StatusMisdirectedRequest, w.do(r).code)

	beyond, err := net.Listen("tcp", "0.0.0.0:0")
	require.NoError(t, err)
	defer beyond.Close()
	_, err = console.New(console.Options{Bus: w.bus, Listener: beyond})
	require.ErrorIs(t, err, console.ErrOptions)
}

func TestFaultsAreTheDemosAlone(t *testing.T) {
	w := begin(t, false, "web")
	w.until("/", "All is well.")
	require.NotContains(t, w.get("/").body, "Break something")
	require.Equal(t, http.StatusNotFound, w.post("/fault/kill-a", url.Values{}).code)
}

// The page follows by itself: an element that changed is sent, one that did not is not.
func TestThePageFollows(t *testing.T) {
	w := begin(t, false, "web", "orders")
	w.until("/", "All is well: 2 groups.")
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	type put struct{ id, html string }
	puts := make(chan put, 1024)
	w.stream(ctx, "/", func(id, html string) { puts <- put{id, html} })
	w.set(func() {
		w.status = func(g string) *message.GroupStatus {
			s := healthy(g)
			if g == "web" {
				s.Sentence = "If a died now: nobody takes over, because b sleeps."
			}
			return s
		}
	})
	var seen []string
	for end := time.After(patience); ; {
		select {
		case p := <-puts:
			seen = append(seen, p.id)
			if p.id == "g-web" && strings.Contains(p.html, "because b sleeps") {
				n := len(slices.DeleteFunc(slices.Clone(seen), func(id string) bool { return id != "g-orders" }))
				require.LessOrEqual(t, n, 1, "what did not change was sent again")
				return
			}
		case <-end:
			t.Fatalf("the change never came: %q", seen)
		}
	}
}

// TestAPageThatDoesNotFollowIsNotLive: a page that hears nothing more once it is loaded says as of when it is, and does not call itself live.
func TestAPageThatDoesNotFollowIsNotLive(t *testing.T) {
	w := begin(t, false, "web")
	const live = "</svg>live</span>"
	require.Contains(t, w.until("/", "All is well").body, live)
	require.Contains(t, w.get("/g/web/swap").body, live)
	w.as("vic", map[string]who.Role{"web": who.Viewer}) // who may not press gets the plan as it was
	for _, path := range []string{"/g/web/swap", "/nothing"} {
		p := w.get(path)
		require.NotContains(t, p.body, live, path)
		require.Contains(t, p.body, "as it was at 20", path)
	}
}
