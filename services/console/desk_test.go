package console_test

import (
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/subject"
	"github.com/isacloud/ha-manager/pkg/who"
)

// waiting is a group in which ben's switchover waits for a second person.
func waiting(group string) *message.GroupStatus {
	s, now := healthy(group), time.Now()
	s.Approvals = []message.ApprovalStatus{{
		Request: "rq-of-ben", State: message.ApprovalWaits, Verb: message.VerbSwitchover, From: "a", Target: "b", Actor: "ben", Via: "chat", Reason: "host a needs a new disk",
		PlanHash: "055e51b70905a500", Sentence: "ben asked for a switchover of web from a to b", Since: now.UnixMicro(), Until: now.Add(8 * time.Minute).UnixMicro(),
	}}
	return s
}

// Everybody sees what waits, who asked and until when; another person may approve exactly that, who asked may take it back alone.
func TestASwapWaitsForASecondPerson(t *testing.T) {
	w := begin(t, false, "web")
	w.set(func() { w.status = waiting })
	w.until("/", "web needs you.", "ben asked for a switchover", `href="/g/web#w-rq-of-ben"`)
	p := w.until("/g/web", "Waits for a second person", "host a needs a new disk", "055e51b70905a500", `name="of" value="rq-of-ben"`, `value="approve"`, `value="reject"`)
	require.Contains(t, p.body, "ben, chat")

	w.requests()
	f := url.Values{"verb": {"approve"}, "of": {"rq-of-ben"}, "reason": {"seen it"}}
	require.Equal(t, http.StatusBadRequest, w.post("/g/web/do", f).code, "nobody said that it was read")
	f.Set("armed", "yes")
	require.Equal(t, http.StatusBadRequest, w.post("/g/web/do", url.Values{"verb": {"approve"}, "armed": {"yes"}}).code, "which one?")
	require.Equal(t, http.StatusBadRequest, w.post("/g/web/do", url.Values{"verb": {"reject"}}).code, "which one?")
	require.Equal(t, http.StatusBadRequest, w.post("/g/web/do", url.Values{"verb": {"reject"}, "of": {"two words"}}).code)
	require.Empty(t, w.requests())
	require.Equal(t, http.StatusSeeOther, w.post("/g/web/do", f).code)
	asked := w.requests()
	require.Len(t, asked, 1)
	require.Equal(t, []any{message.VerbApprove, "rq-of-ben", "ana", "console", "seen it"}, []any{asked[0].Verb, asked[0].Of, asked[0].Actor, asked[0].Via, asked[0].Reason})

	w.as("ben", map[string]who.Role{"*": who.Operator})
	p = w.get("/g/web")
	require.Contains(t, p.body, "another person has to approve it")
	require.NotContains(t, p.body, `value="approve"`)
	require.Contains(t, p.body, "Withdraw it")
	w.as("eve", map[string]who.Role{"*": who.Viewer})
	p = w.get("/g/web")
	require.Contains(t, p.body, "Waits for a second person")
	require.NotContains(t, p.body, `value="reject"`)
}

// A step of a swap asks a person: everybody sees what it asks, of whose swap, and until when; also who asked for the swap may answer it.
func TestAStepAsksAPerson(t *testing.T) {
	w := begin(t, false, "web")
	w.set(func() {
		w.status = func(g string) *message.GroupStatus {
			s := waiting(g)
			s.Swap = &message.SwapStatus{Command: "c5", Epoch: 5, Kind: message.KindSwitchover, From: "a", To: "b", State: message.StateStarted, Steps: []message.StepStatus{{Name: "backup", State: message.StateWaiting}}}
			a := &s.Approvals[0]
			a.Request, a.Step, a.Actor, a.Via = message.StepApproval(g, 5, "backup"), "backup", "ana", ""
			a.Sentence = "step backup of the switchover of web from a to b asks: the backup of a is from today"
			return s
		}
	})
	w.until("/", "web needs you.", "the backup of a is from today", "Waits for you")
	p := w.until("/g/web", "The step backup waits for a person", "the backup of a is from today", "asked by ana", "Approve: go on", "Reject: end the swap there", `name="of" value="step.web.5.backup"`)
	require.NotContains(t, p.body, "Exactly the plan that was asked for")
	require.NotContains(t, p.body, "Waits for a second person")
	nothingInline(t, "/g/web", p.body)

	w.requests()
	f := url.Values{"verb": {"approve"}, "of": {"step.web.5.backup"}, "reason": {"seen it"}}
	require.Equal(t, http.StatusBadRequest, w.post("/g/web/do", f).code, "nobody said that it was looked at")
	f.Set("armed", "yes")
	require.Equal(t, http.StatusSeeOther, w.post("/g/web/do", f).code)
	require.Equal(t, http.StatusSeeOther, w.post("/g/web/do", url.Values{"verb": {"reject"}, "of": {"step.web.5.backup"}, "reason": {"it is not"}}).code)
	asked := w.requests()
	require.Len(t, asked, 2)
	require.Equal(t, []any{message.VerbApprove, "step.web.5.backup", "ana", "console", "seen it"}, []any{asked[0].Verb, asked[0].Of, asked[0].Actor, asked[0].Via, asked[0].Reason})
	require.Equal(t, []any{message.VerbReject, "step.web.5.backup", "ana", "it is not"}, []any{asked[1].Verb, asked[1].Of, asked[1].Actor, asked[1].Reason})
	w.as("eve", map[string]who.Role{"*": who.Viewer})
	p = w.get("/g/web")
	require.Contains(t, p.body, "The step backup waits for a person")
	require.NotContains(t, p.body, `value="approve"`)
}

// That it waits for a second person is no refusal: who pressed is led to the group's page, where it stands.
func TestPressedAndWaiting(t *testing.T) {
	w := begin(t, false, "web")
	w.until("/g/web", "Covered")
	w.set(func() {
		w.answer = func(r *message.Request) *message.Outcome {
			says := "web wants two persons: another one than you has to approve rq within 10m0s"
			return &message.Outcome{Request: r.ID, Group: r.Group, Verb: r.Verb, Epoch: 3, Sentence: says, Reasons: []message.Reason{{Code: "R360", Sentence: says}}}
		}
	})
	p := w.post("/g/web/fire", w.form("/g/web/swap"))
	require.Equal(t, http.StatusSeeOther, p.code)
	require.Regexp(t, `^/g/web\?rq=rq-`, p.header.Get("Location"))
}

// The agenda: what comes next, what blocks it, what was rehearsed, what was not begun, and the month.
func TestTheAgenda(t *testing.T) {
	w := begin(t, false, "web")
	hold := message.Duration(2 * time.Minute)
	w.set(func() {
		w.status = func(g string) *message.GroupStatus {
			s, soon := healthy(g), time.Now().Add(26*time.Hour)
			s.DrilledAt = time.Now().Add(-50 * time.Hour).UnixMicro()
			s.Agenda = []message.AgendaEntry{
				{Verb: message.VerbDrill, At: soon.UnixMicro(), Hold: &hold, Actor: "ana", Reason: "before the release", Name: "web-at-x"},
				{Verb: message.VerbDrill, At: soon.Add(time.Hour).UnixMicro(), Hold: &hold, Actor: message.ActorSchedule, Blocked: "year end"},
			}
			return s
		}
	})
	w.tell(&message.Event{ID: "d1", Group: "web", Kind: message.EventDrill, Sentence: "over", Drill: &message.DrillStatus{
		ID: "web-drill-2", Stage: message.DrillOver, How: message.DrillHalted, Home: "a", Away: "b", Actor: "ana", OverAt: 1,
	}})
	w.tell(&message.Event{ID: "d2", Group: "web", Kind: message.EventOutcome, Sentence: "refused: it is blocked: year end", Actor: message.ActorSchedule, Outcome: &message.Outcome{
		Request: "agenda.web.1", Group: "web", Verb: message.VerbDrill, Sentence: "refused: it is blocked: year end",
	}})
	p := w.until("/drills", "before the release", "it will be refused:", "year end", "Planned, and not begun", "something unhealthy showed", "2 days")
	require.Contains(t, p.body, time.Now().UTC().Format("January 2006"))
	nothingInline(t, "/drills", p.body)
	p = w.get("/drills?month=2026-02")
	require.Contains(t, p.body, "February 2026")
	require.Contains(t, p.body, "/drills?month=2026-01")
	for _, odd := range []string{"9999-01", "2026-13", "<script>", ""} {
		require.Contains(t, w.get("/drills?month="+url.QueryEscape(odd)).body, time.Now().UTC().Format("January 2006"))
	}
	w.until("/g/web", "before the release", "it will be refused:", "failed", `name="of" value="web-at-x"`)
	w.as("eve", map[string]who.Role{"orders": who.Admin})
	require.NotContains(t, w.get("/drills").body, "before the release", "not hers to see")
}

// A drill is planned for a time, and taken back, from the page.
func TestADrillIsPlanned(t *testing.T) {
	w := begin(t, false, "web")
	w.until("/g/web", "Covered")
	p := w.get("/g/web/swap?verb=drill&hold=10m")
	require.Contains(t, p.body, `name="when"`)
	w.requests()
	for _, when := range []string{"", "tomorrow", "2026-13-01T00:00"} {
		require.Equal(t, http.StatusBadRequest, w.post("/g/web/do", url.Values{"verb": {"drill"}, "when": {when}}).code, when)
	}
	require.Equal(t, http.StatusBadRequest, w.post("/g/web/do", url.Values{"verb": {"drill"}, "end": {"cancel"}}).code)
	require.Equal(t, http.StatusBadRequest, w.post("/g/web/do", url.Values{"verb": {"drill"}, "when": {"2030-01-02T03:04"}, "hold": {"48h"}}).code)
	require.Empty(t, w.requests())
	p = w.post("/g/web/do", url.Values{"verb": {"drill"}, "when": {"2030-01-02T03:04"}, "hold": {"10m"}, "reason": {"before the release"}, "at": {"drills"}})
	require.Equal(t, http.StatusSeeOther, p.code)
	require.Regexp(t, `^/drills\?rq=`, p.header.Get("Location"))
	require.Equal(t, http.StatusSeeOther, w.post("/g/web/do", url.Values{"verb": {"drill"}, "end": {"cancel"}, "of": {"web-at-20300102-0304"}}).code)
	asked := w.requests()
	require.Len(t, asked, 2)
	require.Equal(t, []any{time.Date(2030, 1, 2, 3, 4, 0, 0, time.UTC).UnixMicro(), "10m0s"}, []any{asked[0].Due, asked[0].Hold.Std().String()})
	require.Equal(t, []any{message.EndCancel, "web-at-20300102-0304"}, []any{asked[1].End, asked[1].Of})
}

// A switchover and a failback are planned for a time, from their page; at once they begin by the red button alone, and a failover is never planned.
func TestASwapIsPlanned(t *testing.T) {
	w := begin(t, false, "web")
	w.until("/g/web", "Covered")
	require.Contains(t, w.get("/g/web/swap?verb=switchover").body, `name="when"`)
	require.NotContains(t, w.get("/g/web/swap?verb=failover").body, `name="when"`)
	w.requests()
	for _, f := range []url.Values{
		{"verb": {"switchover"}}, {"verb": {"switchover"}, "when": {"1970-01-01T00:00"}}, {"verb": {"failback"}, "when": {"tomorrow"}}, {"verb": {"failover"}, "when": {"2030-01-02T03:04"}}, {"verb": {"failover"}},
		{"verb": {"switchover"}, "when": {"2030-01-02T03:04"}, "to": {"two words"}},
	} {
		require.Equal(t, http.StatusBadRequest, w.post("/g/web/do", f).code, f)
	}
	require.Empty(t, w.requests(), "nothing moves roles at once, past the plan")
	p := w.post("/g/web/do", url.Values{"verb": {"switchover"}, "when": {"2030-01-02T03:04"}, "to": {"b"}, "reason": {"new kernel"}})
	require.Equal(t, http.StatusSeeOther, p.code)
	require.Regexp(t, `^/g/web\?rq=`, p.header.Get("Location"))
	require.Equal(t, http.StatusSeeOther, w.post("/g/web/do", url.Values{"verb": {"failback"}, "when": {"2030-01-02T05:00"}}).code)
	asked := w.requests()
	require.Len(t, asked, 2)
	require.Equal(t, []any{message.VerbSwitchover, time.Date(2030, 1, 2, 3, 4, 0, 0, time.UTC).UnixMicro(), "b", "new kernel", "ana", "console"},
		[]any{asked[0].Verb, asked[0].Due, asked[0].Target, asked[0].Reason, asked[0].Actor, asked[0].Via})
	require.Equal(t, []any{message.VerbFailback, time.Date(2030, 1, 2, 5, 0, 0, 0, time.UTC).UnixMicro()}, []any{asked[1].Verb, asked[1].Due})
	for _, r := range asked {
		require.Nil(t, r.Hold)
		require.NoError(t, message.Validate(r))
	}
	w.as("eve", map[string]who.Role{"*": who.Viewer})
	require.NotContains(t, w.get("/g/web/swap?verb=switchover").body, `name="when"`)
	require.Equal(t, http.StatusForbidden, w.post("/g/web/do", url.Values{"verb": {"switchover"}, "when": {"2030-01-02T03:04"}}).code)
	require.Empty(t, w.requests())
}

// What would have happened in dry run is judged by people, with a reason, and the page says what the gate still lacks.
func TestTheShadowLedger(t *testing.T) {
	w := begin(t, false, "web")
	w.until("/shadow", "No group rehearses")
	w.set(func() {
		w.status = func(g string) *message.GroupStatus {
			s := healthy(g)
			s.Ledger = &message.LedgerStatus{Entries: 4, Right: 2, Wrong: 1, Open: 1, Missed: 1, Precision: 2.0 / 3, Recall: 2.0 / 3}
			return s
		}
	})
	c := &message.Command{ID: "web.4.x", Group: "web", Epoch: 4, Kind: message.KindFailover, From: "a", Primary: "b", Members: []string{"a", "b"}, Rule: "R240", Sentence: "a is down", Decider: "d1", DryRun: true, At: time.Now().UnixMicro(),
		Plan: message.Plan{Hash: "x", Steps: []message.Step{{Name: "s1", Phase: message.PhaseAct, Driver: "exec", On: "any", Timeout: 1, OnFailure: message.FailPause, Says: "do"}}}}
	w.tell(&message.Event{ID: "s1", Group: "web", Kind: message.EventShadow, Sentence: "would have", DryRun: true, Command: c})
	w.until("/shadow", "67 %", "a → b: a is down", "Judge it", `value="web.4.x"`)
	w.until("/g/web", "Shadow ledger", "67 %")
	w.requests()
	for name, f := range map[string]url.Values{
		"no reason":           {"verb": {"judge"}, "of": {"web.4.x"}, "judge": {"right"}},
		"of nothing":          {"verb": {"judge"}, "judge": {"right"}, "reason": {"x"}},
		"neither":             {"verb": {"judge"}, "of": {"web.4.x"}, "reason": {"x"}},
		"a word of tomorrow":  {"verb": {"judge"}, "of": {"web.4.x"}, "judge": {"fine"}, "reason": {"x"}},
		"a miss of something": {"verb": {"judge"}, "of": {"web.4.x"}, "judge": {"miss"}, "reason": {"x"}},
	} {
		require.Equal(t, http.StatusBadRequest, w.post("/g/web/do", f).code, name)
	}
	require.Empty(t, w.requests())
	p := w.post("/g/web/do", url.Values{"verb": {"judge"}, "of": {"web.4.x"}, "judge": {"right"}, "reason": {"a was really down"}, "at": {"shadow"}})
	require.Equal(t, http.StatusSeeOther, p.code)
	require.Regexp(t, `^/shadow\?rq=rq-`, p.header.Get("Location"))
	w.post("/g/web/do", url.Values{"verb": {"judge"}, "judge": {"miss"}, "reason": {"at 3:00"}, "at": {"//evil.example"}})
	asked := w.requests()
	require.Len(t, asked, 2)
	require.Equal(t, []any{message.VerbJudge, "web.4.x", message.JudgeRight}, []any{asked[0].Verb, asked[0].Of, asked[0].Judge})
	require.Equal(t, []any{"", message.JudgeMiss}, []any{asked[1].Of, asked[1].Judge})
	w.tell(&message.Event{ID: "j1", Group: "web", Kind: message.EventJudged, Sentence: "judged", Actor: "ben", Judged: &message.Judgement{Entry: "web.4.x", Judge: message.JudgeWrong, Actor: "ben", Reason: "it was the probe"}})
	w.until("/shadow", "judged by ben", "it was the probe", "Judge it anew")
}

// Who may what: each verb by each role. What somebody may not is refused before anything is asked.
func TestRoles(t *testing.T) {
	w := begin(t, false, "web")
	w.until("/g/web", "Covered")
	fire := w.form("/g/web/swap")
	override := url.Values{}
	for k, v := range fire {
		override[k] = v
	}
	override.Set("override", "R322")
	override.Set("reason", "seen")
	forms := []struct {
		name, path string
		f          url.Values
		least      who.Role
	}{
		{"the red button", "/g/web/fire", fire, who.Operator},
		{"the red button, with a refusal set aside", "/g/web/fire", override, who.Admin},
		{"retry", "/g/web/do", url.Values{"verb": {"retry"}, "step": {"x"}}, who.Operator},
		{"skip", "/g/web/do", url.Values{"verb": {"skip"}, "step": {"x"}}, who.Operator},
		{"abort", "/g/web/do", url.Values{"verb": {"abort"}}, who.Operator},
		{"pause", "/g/web/do", url.Values{"verb": {"pause"}, "for": {"30m"}}, who.Operator},
		{"resume", "/g/web/do", url.Values{"verb": {"resume"}}, who.Operator},
		{"note", "/g/web/do", url.Values{"verb": {"note"}, "reason": {"x"}}, who.Operator},
		{"the end of a drill", "/g/web/do", url.Values{"verb": {"drill"}, "end": {"back"}}, who.Operator},
		{"approve", "/g/web/do", url.Values{"verb": {"approve"}, "of": {"rq-of-ben"}, "armed": {"yes"}}, who.Operator},
		{"reject", "/g/web/do", url.Values{"verb": {"reject"}, "of": {"rq-of-ben"}}, who.Operator},
		{"judge", "/g/web/do", url.Values{"verb": {"judge"}, "of": {"web.4.x"}, "judge": {"right"}, "reason": {"x"}}, who.Operator},
		{"adopt", "/g/web/do", url.Values{"verb": {"adopt"}, "to": {"a"}}, who.Admin},
	}
	rank := map[who.Role]int{"": 0, who.Viewer: 1, who.Operator: 2, who.Admin: 3}
	for _, x := range forms {
		for role, n := range rank {
			roles := map[string]who.Role{"orders": who.Admin} // a role elsewhere is none here
			if role != "" {
				roles["web"] = role
			}
			w.as("ana", roles)
			w.requests()
			p := w.post(x.path, x.f)
			asked := len(w.requests())
			switch {
			case n == 0:
				require.Equal(t, []int{http.StatusNotFound, 0}, []int{p.code, asked}, "%s as nobody", x.name)
			case n < rank[x.least]:
				require.Equal(t, []int{http.StatusForbidden, 0}, []int{p.code, asked}, "%s as %s", x.name, role)
			default:
				require.Equal(t, []int{http.StatusSeeOther, 1}, []int{p.code, asked}, "%s as %s", x.name, role)
			}
		}
	}
	// A verb that has no button is nobody's.
	for _, verb := range []message.Verb{message.VerbFailover, message.VerbSwitchover, message.VerbFailback, "", "shutdown"} {
		w.as("ana", map[string]who.Role{"*": who.Admin})
		require.Equal(t, http.StatusBadRequest, w.post("/g/web/do", url.Values{"verb": {string(verb)}}).code, verb)
	}
	require.Empty(t, w.requests())
}

// The page of an incident tells what people wrote down and asked for; its post-mortem is had in both languages, to read and to keep.
func TestWhatPeopleDidIsInTheIncident(t *testing.T) {
	w := begin(t, false, "web")
	w.until("/g/web", "Covered")
	opened := true
	w.tell(&message.Event{ID: "i1", Group: "web", Kind: message.EventIncident, Sentence: "a is down", Incident: "web-1", Opened: &opened})
	w.tell(&message.Event{ID: "n1", Group: "web", Kind: message.EventNote, Sentence: "ana notes: I switched its supply", Incident: "web-1", Actor: "ana"})
	w.tell(&message.Event{ID: "o1", Group: "web", Kind: message.EventOutcome, Sentence: "refused: web is paused", Incident: "web-1", Actor: "ben", Via: "chat", From: "U123", Outcome: &message.Outcome{
		Request: "rq-1", Group: "web", Verb: message.VerbFailover, Sentence: "refused: web is paused",
	}})
	_, err := w.bus.Publish(t.Context(), subject.Link("web", w.bus.Name()), &message.Link{
		ID: "k1", Group: "web", Incident: "web-1", What: message.LinkThread, Name: "slack", URL: "https://example.slack.com/archives/C1/p2", Writer: w.bus.Name(),
	})
	require.NoError(t, err)
	p := w.until("/i/web-1", "I switched its supply", "chat, U123", "refused: web is paused", `<a href="https://example.slack.com/archives/C1/p2" rel="noreferrer">slack</a>`)
	require.Contains(t, p.body, "What people wrote down")
	require.Contains(t, p.body, `href="/i/web-1/postmortem.html?download"`)
	w.until("/g/web", "Covered") // the board knows the group, too
	// What is to be done is added and ticked there, also when it is over; it is about this incident alone.
	w.requests()
	for name, f := range map[string]url.Values{
		"of another group": {"verb": {"note"}, "of": {"orders-1"}, "item": {"todo"}, "reason": {"x"}},
		"of nothing":       {"verb": {"note"}, "item": {"todo"}, "reason": {"x"}},
		"done, but what?":  {"verb": {"note"}, "of": {"web-1"}, "item": {"done"}, "reason": {"x"}},
		"neither":          {"verb": {"note"}, "of": {"web-1"}, "item": {"perhaps"}, "reason": {"x"}},
	} {
		require.Equal(t, http.StatusBadRequest, w.post("/g/web/do", f).code, name)
	}
	require.Empty(t, w.requests())
	p = w.post("/g/web/do", url.Values{"verb": {"note"}, "of": {"web-1"}, "incident": {"web-1"}, "item": {"todo"}, "reason": {"a second supply"}})
	require.Equal(t, []any{http.StatusSeeOther, "/i/web-1"}, []any{p.code, p.header.Get("Location")})
	asked := w.requests()
	require.Equal(t, []any{"web-1", message.ItemTodo}, []any{asked[0].Of, asked[0].Item})
	w.tell(&message.Event{ID: "t1", Group: "web", Kind: message.EventNote, Sentence: "ana notes what is to be done: a second supply", Incident: "web-1", Actor: "ana", Item: &message.Item{ID: "web-1.rq-1", State: message.ItemTodo, Text: "a second supply"}})
	w.until("/i/web-1", `name="of" value="web-1.rq-1"`, "It is done")
	w.tell(&message.Event{ID: "t2", Group: "web", Kind: message.EventNote, Sentence: "ben notes what is done: a second supply", Incident: "web-1", Actor: "ben", Item: &message.Item{ID: "web-1.rq-1", State: message.ItemDone, Text: "a second supply"}})
	require.NotContains(t, w.until("/i/web-1", `<span class="dim">ben, `).body, "It is done")
	require.Contains(t, w.get("/i/web-1/postmortem.html?lang=pt-BR").body, `lang="pt-BR"`)
	require.Contains(t, w.get("/i/web-1/postmortem.html?download&lang=en").header.Get("Content-Disposition"), "attachment")
	require.Contains(t, w.get("/i/web-1/postmortem.md?lang=pt-BR").body, "incidente")
}
