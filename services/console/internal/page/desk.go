package page

import (
	"fmt"
	"slices"
	"time"

	"github.com/isacloud/ha-manager/pkg/ledger"
	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec"
	"github.com/isacloud/ha-manager/pkg/who"
	"github.com/isacloud/ha-manager/services/console/internal/board"
)

// Waiting is a swap that waits for a second person, or a step of one that waits for a person.
type Waiting struct {
	Request, Verb, From, To  string
	Actor, Via, Reason, Hash string
	Sentence                 string
	Since, Until, Left       string
	Step                     string // the step; empty: a whole swap
	Mine                     bool   // the person who looks asked for it, and may not approve it
}

// Planned is a rehearsal, or a swap that a person planned, that is to come.
type Planned struct {
	Name, Verb, Group, When, In, To, Hold, Actor, Reason string // Name: of one that a person planned
	Refusals                                             []message.Reason
	Blocked                                              string // why it will be refused then; "": nothing is known to stand against it
}

// Window is a time in which nothing planned happens, and in a freeze nothing that a person asks for at the time.
type Window struct {
	Days        []string // of a weekly one
	From, Until string
	Zone, Why   string
	Now, Freeze bool
}

// Agenda is what is planned for a group.
type Agenda struct {
	Next    []Planned
	Windows []Window
	Drilled string // how long ago the last drill went there and back; "": never
	Pool    bool   // of a pool nothing is rehearsed
	Within  string // how long ago it may be for a swap by itself; "": however long
}

// Trust is what the shadow ledger shows, and the gate that it opens.
type Trust struct {
	Entries, Right, Wrong, Open, Missed int
	Precision, Recall                   string // "" where nothing was judged
	Gate                                []Condition
	Armed                               bool // every condition is met
	Rows                                []ShadowRow
}

// Condition is one thing that a swap by itself rests on.
type Condition struct {
	What, Have, Want string
	Met              bool
}

// Mark is how the condition stands.
func (c Condition) Mark() Mark {
	if c.Met {
		return Mark{"met", "ok", "ok"}
	}
	return Mark{"lacks", "warn", "warn"}
}

// ShadowRow is one entry of the shadow ledger.
type ShadowRow struct {
	ID, Group, When, From, To, Rule, Sentence, Incident string
	Missed                                              bool // no swap that would have been, but one that should
	Mark                                                Mark
	By, Why                                             string // who judged it, and what they wrote
}

// waitings are those that wait for a person.
func waitings(s *message.GroupStatus, now time.Time, p *who.Person) []Waiting {
	var out []Waiting
	for _, a := range s.Approvals {
		if a.State != message.ApprovalWaits {
			continue
		}
		until := time.UnixMicro(a.Until)
		out = append(out, Waiting{
			Request: a.Request, Verb: string(a.Verb), From: a.From, To: a.Target, Actor: a.Actor, Via: a.Via, Reason: a.Reason, Hash: a.PlanHash, Sentence: a.Sentence,
			Step:  a.Step,
			Since: clock(time.UnixMicro(a.Since)) + " UTC", Until: clock(until) + " UTC", Left: age(until.Sub(now)), Mine: a.Step == "" && p != nil && p.Name == a.Actor,
		})
	}
	return out
}

// agenda is what is planned for the group; nil: nothing is, and nothing is blocked.
func agenda(g *board.Group, now time.Time) *Agenda {
	a := &Agenda{}
	if s := g.Status; s != nil {
		a.Pool = s.Pool != nil
		for _, e := range s.Agenda {
			a.Next = append(a.Next, planned(g.Name, e, now))
		}
		if s.DrilledAt > 0 {
			a.Drilled = age(now.Sub(time.UnixMicro(s.DrilledAt)))
		}
	}
	if g.Spec != nil {
		if g.Spec.Policy.DrillWithin > 0 {
			a.Within = age(g.Spec.Policy.DrillWithin)
		}
		for i := range g.Spec.Blocked {
			a.Windows = append(a.Windows, window(&g.Spec.Blocked[i], now))
		}
		for i := range g.Spec.Freezes {
			w := window(&g.Spec.Freezes[i], now)
			w.Freeze = true
			a.Windows = append(a.Windows, w)
		}
	}
	return a
}

func planned(group string, e message.AgendaEntry, now time.Time) Planned {
	at := time.UnixMicro(e.At)
	v := Planned{Name: e.Name, Verb: string(e.Verb), Refusals: e.Refusals, Group: group, When: minute(at), In: age(at.Sub(now)), To: e.Target, Actor: e.Actor, Reason: e.Reason, Blocked: e.Blocked}
	if e.Hold != nil {
		v.Hold = age(e.Hold.Std())
	}
	return v
}

func minute(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }

func window(b *spec.Blocked, now time.Time) Window {
	v := Window{Why: b.Why, Now: b.Covers(now)}
	if !b.Weekly() {
		v.From, v.Until = b.From.UTC().Format("2006-01-02 15:04 UTC"), b.Until.UTC().Format("2006-01-02 15:04 UTC")
		return v
	}
	for i := range 7 { // a week begins on Monday
		if day := time.Weekday((i + 1) % 7); b.Days[day] {
			v.Days = append(v.Days, day.String()[:3])
		}
	}
	of := func(d time.Duration) string {
		return fmt.Sprintf("%02d:%02d", d/time.Hour, d%time.Hour/time.Minute)
	}
	v.From, v.Until, v.Zone = of(b.Start), of(b.End), b.Zone.String()
	return v
}

// trust is what the shadow ledger shows; nil where nothing stands in it and nothing is wanted of it.
func trust(g *board.Group, now time.Time) *Trust {
	var score message.LedgerStatus
	if g.Status != nil && g.Status.Ledger != nil {
		score = *g.Status.Ledger
	}
	wants := g.Spec != nil && (g.Spec.Policy.Trust.Swaps > 0 || g.Spec.Mode == spec.DryRun)
	if score.Entries+score.Missed == 0 && len(g.Shadows) == 0 && !wants {
		return nil
	}
	t := &Trust{Entries: score.Entries, Right: score.Right, Wrong: score.Wrong, Open: score.Open, Missed: score.Missed}
	if judged := score.Right + score.Wrong; judged > 0 {
		t.Precision = percent(score.Precision)
	}
	if score.Right+score.Missed > 0 {
		t.Recall = percent(score.Recall)
	}
	t.Gate, t.Armed = gate(g, score, now)
	for _, e := range g.Shadows {
		t.Rows = append(t.Rows, shadowRow(g.Name, e))
	}
	return t
}

func percent(f float64) string { return fmt.Sprintf("%.0f %%", f*100) }

// gate is what `mode: auto` rests on beside what the group's page says of the moment. The deciders decide; this repeats in figures what they hold
// against the spec.
func gate(g *board.Group, score message.LedgerStatus, now time.Time) (out []Condition, armed bool) {
	if g.Spec == nil {
		return nil, false
	}
	p := &g.Spec.Policy
	out = append(out, Condition{What: "mode", Have: string(g.Spec.Mode), Want: string(spec.Auto), Met: g.Spec.Mode == spec.Auto})
	if p.Trust.Swaps > 0 {
		judged := score.Right + score.Wrong
		have := "–"
		if judged > 0 {
			have = percent(score.Precision)
		}
		out = append(out,
			Condition{What: "swaps judged", Have: fmt.Sprint(judged), Want: fmt.Sprint(p.Trust.Swaps), Met: judged >= p.Trust.Swaps},
			Condition{What: "share of them right", Have: have, Want: percent(p.Trust.Precision), Met: judged > 0 && score.Precision >= p.Trust.Precision})
	}
	if p.DrillWithin > 0 {
		c := Condition{What: "age of the last drill", Have: "never", Want: age(p.DrillWithin)}
		if g.Status != nil && g.Status.DrilledAt > 0 {
			ago := now.Sub(time.UnixMicro(g.Status.DrilledAt))
			c.Have, c.Met = age(ago), ago <= p.DrillWithin
		}
		out = append(out, c)
	}
	return out, !slices.ContainsFunc(out, func(c Condition) bool { return !c.Met })
}

func shadowRow(group string, e ledger.Entry) ShadowRow {
	v := ShadowRow{ID: e.ID, Group: group, When: stamp(time.UnixMicro(e.At)), Mark: Mark{"not judged", "ask", "warn"}}
	if c := e.Command; c != nil {
		v.From, v.To, v.Rule, v.Sentence, v.Incident = c.From, c.Primary, c.Rule, c.Sentence, c.Incident
	} else {
		v.Missed, v.Mark = true, Mark{"swap missed", "cross", "bad"}
	}
	if j := e.Judgement; j != nil {
		v.By, v.Why = j.Actor, j.Reason
		switch j.Judge {
		case message.JudgeRight:
			v.Mark = Mark{"right", "ok", "ok"}
		case message.JudgeWrong:
			v.Mark = Mark{"wrong", "cross", "bad"}
		}
	}
	return v
}
