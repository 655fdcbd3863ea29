package watch

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/isacloud/ha-manager/cmd/ham/internal/desk"
	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/services/console/glance"
)

// groupLines is the group's page: what matters most first, so that a small screen shows it without scrolling.
func (m Model) groupLines(w int) []line {
	g := m.find(m.group)
	if g == nil {
		if !m.snap.Listed {
			return nil
		}
		return paragraph(warn, "", "There is no group "+m.group+" here: `ham apply FILE` declares one, esc shows those that are.", w)
	}
	v := glance.Of(g, m.now, m.me)
	var out []line
	add := func(l ...line) { out = append(out, l...) }

	k := mark(v.Mark)
	k.tone = map[bool]tone{true: k.tone, false: bad}[v.Mark.Tone != "off"]
	head := row(t(k.tone, strings.ToUpper(k.text)), t(plain, "  mode "+cmp.Or(v.Mode, "not known")))
	if v.DryRun {
		head = append(head, t(warn, " (nothing is ever changed)"))
	}
	switch {
	case v.Pool != nil:
		head = append(head, t(plain, "  "+v.Pool.Says))
	case v.Epoch == 0:
		head = append(head, t(plain, "  nobody is primary yet"))
	case v.Held:
		head = append(head, t(plain, fmt.Sprintf("  epoch %d, %s is primary", v.Epoch, v.Primary)))
	default:
		head = append(head, t(plain, fmt.Sprintf("  epoch %d, %s is becoming primary", v.Epoch, v.Primary)))
	}
	if !v.Fresh && v.Age != "" {
		head = append(head, t(bad, "  as of "+v.Age+" ago"))
	}
	add(head)
	if v.Incident != "" {
		add(row(t(bad, "✗ incident "+v.Incident), t(off, "  ham postmortem "+v.Incident)))
	}
	if v.Sentence != "" {
		was := ""
		if !v.Fresh {
			was = "It was: "
		}
		add(paragraph(strong, "", was+v.Sentence, w)...)
	}
	if g.Status != nil {
		for _, l := range slices.Concat(desk.Clients(g.Status), desk.Figures(g.Status)) {
			add(paragraph(map[desk.Tone]tone{desk.Warn: bad, desk.Faint: off}[l.Tone], "", map[bool]string{true: "! "}[l.Tone == desk.Warn]+l.Text, w)...)
		}
	}
	if v.Paused != "" {
		add(paragraph(warn, "", "‖ paused "+v.Paused, w)...)
	}
	if v.Frozen != "" {
		add(paragraph(warn, "", "‖ changes are frozen until "+v.FrozenUntil+": "+v.Frozen, w)...)
	}
	if x := v.Swap; x != nil {
		add(paragraph(info, "", plannedText(x), w)...)
	}
	add(m.runLines(v, w)...)
	if g.Status != nil {
		for i, l := range desk.Waits(g.Status) {
			k := "  (y approves, x rejects)"
			if i > 0 {
				k = "" // the oldest comes first
			}
			add(paragraph(warn, "", "» "+g.Status.Approvals[i].Request+" "+l.Text+k, w)...)
		}
	}
	if d := v.Drill; d != nil {
		text := fmt.Sprintf("⇄ drill %s of %s: %s, %s → %s", d.ID, d.Actor, d.Stage, d.Home, d.Away)
		if d.Left != "" {
			text += ", back in " + d.Left
		}
		add(paragraph(info, "", text, w)...)
		for _, r := range d.Waits {
			add(hanging(row(t(warn, "  "+r.Code)), 8, plain, r.Sentence, w)...)
		}
	}
	if len(v.Refusals) > 0 {
		add(row(t(strong, "WHY NO AUTOMATIC SWAP")))
		for _, r := range v.Refusals {
			add(hanging(row(t(warn, "  "+r.Code)), 8, plain, r.Sentence, w)...)
		}
	}
	if len(v.Members) > 0 {
		add(row(t(strong, "MEMBERS")))
	}
	for _, b := range v.Members {
		l := row(t(strong, "  "+b.Name), t(off, at(b.Site)), t(plain, "  "+b.Role+"  "), mark(b.Mark))
		if b.Ready != "" {
			l = append(l, t(plain, "  "), mark(b.ReadyMark))
		}
		if b.Lag != "" {
			l = append(l, t(plain, "  lag "+b.Lag), t(off, " ("+b.LagAge+" ago)"))
		}
		add(l)
		if b.Maintenance != "" {
			add(paragraph(warn, "    ", b.Maintenance, w)...)
		}
		for _, text := range b.Drains {
			add(paragraph(off, "    ", text, w)...)
		}
		if b.Mending != "" {
			add(paragraph(warn, "    ", "its ladder: "+b.Mending, w)...)
		}
		if b.LagState != "" {
			add(paragraph(off, "    ", b.LagState, w)...)
		}
		for _, r := range b.Reasons {
			add(hanging(row(t(warn, "    "+r.Code)), 10, plain, r.Sentence, w)...)
		}
		for _, x := range b.Views {
			l := row(t(plain, "    "), cell(plain, x.Vantage, 12), cell(off, x.Check, 12), mark(x.Mark), t(off, fmt.Sprintf(" ×%d  %s ago", x.InARow, x.Age)))
			if x.Hard {
				l = append(l, t(bad, "  proof"))
			}
			if x.Evidence != "" {
				l = append(l, t(off, "  "+x.Evidence))
			}
			add(l)
		}
	}
	add(resourceLines(v, w)...)
	add(ladderLines(v, w)...)
	if x := v.Lease; x != nil {
		add(row(t(strong, "LEASE  "), mark(x.Mark)))
		text := fmt.Sprintf("of %s by %s; a primary that falls silent may act for another %s", x.TTL, x.Deciders, x.Wait)
		if x.Holder != "" {
			text = fmt.Sprintf("%s holds it at epoch %d for another %s; %s", x.Holder, x.Epoch, x.Left, text)
		}
		add(paragraph(plain, "  ", text, w)...)
		if x.Protection != "" {
			add(paragraph(map[bool]tone{true: ok, false: warn}[x.Protected && v.Fresh], "  ", x.Protection, w)...)
		}
		for _, f := range x.Fenced {
			add(paragraph(bad, "  ", "✗ "+f, w)...)
		}
	}
	if len(v.Routes) > 0 {
		add(row(t(strong, "ROUTES")))
	}
	for _, r := range v.Routes {
		add(row(t(plain, "  "+r.Name+" on "+r.Proxy+"  "), mark(r.Mark), t(off, "  "+r.Problem)))
	}
	if s := g.Status; s != nil {
		was := ""
		if !v.Fresh {
			was = ", as of " + v.Age + " ago"
		}
		for _, part := range []struct {
			title string
			lines []desk.Line
		}{{"DRILLS AND PLANS", desk.Drills(s, s.At)}, {"SHADOW LEDGER", desk.Ledger(s)}} {
			if len(part.lines) > 0 {
				add(row(t(strong, part.title), t(off, was)))
			}
			for _, l := range part.lines {
				if has(s.Refusals, l.Code) {
					continue // it stands above
				}
				tn := map[desk.Tone]tone{desk.Warn: warn, desk.Faint: off}[l.Tone]
				if l.Code != "" {
					add(hanging(row(t(warn, "  "+l.Code)), 8, tn, l.Text, w)...)
				} else {
					add(paragraph(tn, "  ", l.Text, w)...)
				}
			}
		}
	}
	f := v.Figures
	if v.Pool == nil {
		add(row(t(strong, "FIGURES")))
	}
	if f.RTO != "" || f.RPO != "" {
		add(paragraph(plain, "  ", "wanted: back within "+cmp.Or(f.RTO, "no declared time")+"; lost at most "+cmp.Or(f.RPO, "not declared"), w)...)
	}
	if f.LastSwap != "" {
		add(paragraph(plain, "  ", "last swap: "+strings.TrimSpace(f.LastSwap+" "+f.LastMet), w)...)
	}
	if v.Pool == nil {
		add(row(t(plain, "  last drill: "+f.LastDrill+"  "), mark(f.DrillMark)))
	}
	if len(v.Promises) > 0 {
		add(row(t(strong, "WHAT HAPPENS WHEN")))
		for _, p := range v.Promises {
			add(paragraph(plain, "  ", p.Fault+": "+p.Outcome, w)...)
			add(paragraph(off, "    ", "shown by "+p.Short(), w)...)
		}
		add(paragraph(off, "  ", v.Vouched, w)...)
	}
	if len(v.Incidents) > 0 {
		add(row(t(strong, "INCIDENTS")))
		for _, i := range v.Incidents[:min(5, len(v.Incidents))] {
			add(row(t(plain, "  "+i.ID+"  "+i.When+"  "+i.Lasted+"  "), t(off, i.Sentence)))
		}
	}
	add(row(t(off, "told by decider "+cmp.Or(v.Decider, "nobody")+", answer "+cmp.Or(v.Age, "–")+" old")))
	return out
}

func plannedText(x *glance.Planned) string {
	text := "⇄ planned: " + x.Verb
	if x.To != "" {
		text += " to " + x.To
	}
	text += " at " + x.When + ", in " + x.In + ", by " + x.Actor
	if x.Blocked != "" {
		text += "; it would be refused then: " + x.Blocked
	}
	return text
}

// resourceLines are what each member holds, in the order in which it comes up.
func resourceLines(v *glance.Group, w int) []line {
	if v.Resources == nil {
		return nil
	}
	out := []line{row(t(strong, "RESOURCES"), t(off, "  they come up in this order"))}
	name := 6
	for _, r := range v.Resources.List {
		name = max(name, min(len(r.Name)+2, 20))
	}
	for _, r := range v.Resources.List {
		l := row(t(off, fmt.Sprintf("  %d ", r.N)), cell(strong, r.Name, name))
		for _, m := range r.At {
			l = append(l, mark(m.Mark), t(plain, " "+m.Member+"  "))
		}
		if len(r.At) == 0 {
			l = append(l, t(off, "no check of its own  "))
		}
		out = append(out, append(l, t(off, r.Says)))
		for _, m := range r.At {
			if m.Why != "" {
				out = append(out, paragraph(bad, "      ", m.Why, w)...)
			}
		}
	}
	return out
}

// ladderLines are what is tried before anybody takes over, and how much of it is used.
func ladderLines(v *glance.Group, w int) []line {
	if v.Ladder == nil {
		return nil
	}
	out := []line{row(t(strong, "TRIED FIRST"), t(off, "  on a member that is down, before anybody takes over"))}
	for _, r := range v.Ladder.Rungs {
		times := "once"
		if r.Times > 1 {
			times = fmt.Sprintf("up to %d times", r.Times)
		}
		out = append(out, row(t(off, fmt.Sprintf("  %d ", r.N)), t(plain, r.Does), t(off, "  "+times+", waits "+r.Wait)))
	}
	for _, m := range v.Ladder.Members {
		l := row(t(plain, "  "), t(strong, m.Member), t(plain, "  "), mark(m.Mark), t(plain, fmt.Sprintf("  %d of %d tries used", m.Tried, m.Tries)))
		if m.Again != "" {
			l = append(l, t(off, ", counted anew from "+m.Again))
		}
		out = append(out, l)
	}
	return out
}

func at(site string) string {
	if site == "" {
		return ""
	}
	return " at " + site
}

// runLines is the newest swap, step by step. One that is over for long stands in the record.
func (m Model) runLines(v *glance.Group, w int) []line {
	r := v.Run
	if r == nil {
		return nil
	}
	kind := r.Kind
	if r.DryRun {
		kind = "DRY RUN of a " + kind
	}
	head := row(t(strong, strings.ToUpper(r.Kind[:min(1, len(r.Kind))])+kind[min(1, len(kind)):]))
	if r.DryRun {
		head = row(t(warn, kind))
	}
	head = append(head, t(plain, fmt.Sprintf("  %s → %s, epoch %d  ", cmp.Or(r.From, "nobody"), r.To, r.Epoch)), mark(r.Mark))
	if r.Over {
		head = append(head, t(off, "  "+r.Ago+" ago"))
		return append([]line{head}, paragraph(off, "  ", r.Sentence, w)...)
	}
	out := []line{head}
	for _, s := range r.Steps {
		k := mark(s.Mark)
		l := row(t(plain, "  "), cell(k.tone, k.text, 18), t(plain, s.Says))
		if s.Took != "" {
			l = append(l, t(off, "  "+s.Took))
		}
		if s.Attempt > 1 {
			l = append(l, t(warn, fmt.Sprintf("  attempt %d", s.Attempt)))
		}
		out = append(out, l)
		switch {
		case s.Problem != "":
			out = append(out, paragraph(bad, strings.Repeat(" ", 20), s.Problem, w)...)
		case s.Detail != "":
			out = append(out, row(t(off, strings.Repeat(" ", 20)+s.Detail)))
		}
	}
	if v.Stopped != nil {
		out = append(out, row(t(loud, " THIS SWAP WAITS FOR YOU "), t(strong, "  r retry   s skip   a abort")))
	}
	return out
}

func has(reasons []message.Reason, code string) bool {
	return slices.ContainsFunc(reasons, func(r message.Reason) bool { return r.Code == code })
}
