package core

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec"
)

// audit looks at what became of a world, knowing what nobody in it knows: how things really were. It returns what should
// never have happened.
func audit(w *world) (wrong []string) {
	if w.keepers != nil {
		return auditLeased(w)
	}
	bad := func(format string, args ...any) { wrong = append(wrong, fmt.Sprintf(format, args...)) }
	var (
		command *message.Command // the newest
		held    bool
		holder  *swap // the last swap that was held, and when
		pending *swap
		mark    *message.Mark
		marked  int64
		auto    []int64          // when the automatic ones were stored
		stays   *message.Command // the last that was held, while what came since leaves the roles as they are
		since   int64            // when the newest command was stored
		tries   = map[string][]try{}
	)
	for _, e := range w.chain {
		switch m := e.m.(type) {
		case *message.Mark:
			mark, marked = m, e.stored
		case *message.Held:
			// Invariant 2: at most one held an epoch, never after a later command.
			if command == nil || m.Epoch != command.Epoch || held {
				bad("held %d stands where it must not", m.Epoch)
			}
			held, stays = true, command
			if pending != nil && pending.epoch == m.Epoch {
				pending.at.stream = e.stored
				holder = pending
			}
		case *message.Command:
			before := command
			command = m
			// Invariant 2: epochs grow by one.
			if before == nil && m.Epoch != 1 || before != nil && m.Epoch != before.Epoch+1 {
				bad("epoch %d follows %v", m.Epoch, before)
			}
			for i, o := range m.Evidence {
				if slices.ContainsFunc(m.Evidence[:i], func(p message.View) bool { return p.Member == o.Member && p.Check == o.Check && p.Vantage == o.Vantage }) {
					bad("epoch %d names what %s sees of %s by %s twice", m.Epoch, o.Vantage, o.Member, o.Check)
				}
			}
			wasHeld := held
			held = false
			if m.Kind == message.KindRemedy {
				w.auditTry(bad, m, e.stored, tries, mark, marked)
			}
			if m.Kind == message.KindFailover || m.Kind == message.KindSwitchover {
				// A try of a ladder, and a resume that had its time, leave the roles as they are and may go unheld.
				passed := m.Kind == message.KindFailover && !wasHeld && before != nil && stays != nil && before.Primary == stays.Primary &&
					(before.Kind == message.KindRemedy || before.Kind == message.KindResume && e.stored-since >= (resumePatience-slack).Microseconds())
				w.auditSwap(bad, m, e.stored, before, wasHeld || passed, mark, marked)
				if m.Request == "" && m.Drill == nil {
					w.auditAutomatic(bad, m, e.stored, holder, auto)
				}
				if pending = nil; m.Drill == nil { // a drill starts no cool-down
					pending = &swap{epoch: m.Epoch, from: m.From, to: m.Primary}
				}
			}
			if m.Request == "" && (m.Kind == message.KindFailover || m.Rule == ruleOverdue) {
				auto = append(auto, e.stored)
			}
			since = e.stored
		}
	}
	w.auditOutcomes(bad)
	w.auditDrills(bad)
	return wrong
}

type complain func(format string, args ...any)

// auditSwap: what holds of every swap, asked or not.
func (w *world) auditSwap(bad complain, m *message.Command, stored int64, before *message.Command, wasHeld bool, mark *message.Mark, marked int64) {
	if before == nil || !wasHeld {
		bad("epoch %d is a %s, and the epoch before was not held", m.Epoch, m.Kind)
		return
	}
	if !slices.Contains(before.Members, m.Primary) || m.From != before.Primary {
		bad("epoch %d moves from %s to %s, of %v", m.Epoch, m.From, m.Primary, before.Members)
	}
	// Invariant 5: nothing while paused, nothing in dry run.
	if mark != nil && mark.Paused && (mark.For == 0 || stored-marked < mark.For.Std().Microseconds()) {
		bad("epoch %d was decided while paused", m.Epoch)
	}
	if !w.everWas(stored, func(g *spec.Group) bool { return g.Mode != spec.DryRun }) {
		bad("epoch %d was decided in dry run", m.Epoch)
	}
}

// try is one try of a ladder, or its end.
type try struct {
	rung int
	over bool
	at   int64
}

// auditTry: a ladder makes each of its tries once, one after the other, before it begins anew, none after its end, none while paused, in dry run or on a
// member that is well, and roles stay as they are.
func (w *world) auditTry(bad complain, m *message.Command, stored int64, all map[string][]try, mark *message.Mark, marked int64) {
	r := m.Remedy
	if m.From != m.Primary || m.Request != "" {
		bad("epoch %d mends %s and moves %s to %s, asked by %q", m.Epoch, r.Member, m.From, m.Primary, m.Request)
	}
	tries := all[r.Member]
	if n := len(tries); n > 0 && stored-tries[n-1].at >= w.spec.RemedyReset.Microseconds() {
		tries = nil
	}
	made := 0
	for _, t := range tries {
		if t.over {
			bad("epoch %d mends %s, whose ladder is over", m.Epoch, r.Member)
		}
		if t.rung == r.Rung && !t.over {
			made++
		}
	}
	all[r.Member] = append(tries, try{r.Rung, r.Over != "", stored})
	if r.Over != "" {
		return
	}
	if r.Rung > len(w.spec.Remedy) || made >= w.spec.Remedy[r.Rung-1].Times || r.Try != made+1 {
		bad("epoch %d is try %d on rung %d of %s, of which %d were made", m.Epoch, r.Try, r.Rung, r.Member, made)
	}
	if mark != nil && mark.Paused && (mark.For == 0 || stored-marked < mark.For.Std().Microseconds()) {
		bad("epoch %d mends %s while paused", m.Epoch, r.Member)
	}
	if !w.everWas(stored, func(g *spec.Group) bool { return g.Mode != spec.DryRun }) {
		bad("epoch %d mends %s in dry run", m.Epoch, r.Member)
	}
	at := time.Duration(stored-epochStart.UnixMicro()) * time.Microsecond
	if w.sayDown(r.Member, at) == 0 {
		bad("epoch %d mends %s, which nobody saw down", m.Epoch, r.Member)
	}
}

// unsaid lets time pass in which nothing more goes wrong and nobody answers anything, and says whether a primary that a quorum sees dead all the while is
// passed over in silence: nobody takes over, and no critical event of the open incident says so.
func (w *world) unsaid() (wrong []string) {
	if w.keepers != nil {
		return nil
	}
	w.chaos = false
	w.run(w.now + 6*time.Second) // whoever is frozen thaws
	primary := func() string {
		for _, e := range slices.Backward(w.chain) {
			if h, ok := e.m.(*message.Held); ok {
				return h.Primary
			}
		}
		return ""
	}
	dead, began := primary(), w.now
	w.run(w.now + 45*time.Second)
	if dead == "" || primary() != dead || w.sayDown(dead, w.now) < w.spec.Policy.Quorum {
		return nil
	}
	for t := began + slack; t < w.now; t += time.Second {
		if w.stillDown(dead, t) < w.spec.Policy.Quorum || w.dissents(dead, t) != "" {
			return nil
		}
	}
	for _, d := range w.deciders {
		if !d.up || !d.linked {
			continue
		}
		id := d.s.incident.id("web")
		said := slices.ContainsFunc(w.critical, func(e *message.Event) bool { return e.Incident == id })
		if id == "" || !said {
			now, _, _ := strings.Cut(d.s.WhyNot(d.time(), ""), "\n")
			wrong = append(wrong, fmt.Sprintf("%s is dead, and %s says nothing of it at %s, incident %q: %s (%s)", dead, d.name, w.now, id, now, d.s.Sentence(d.time())))
		}
	}
	return wrong
}

// auditAutomatic: invariants 6 and 8. Nothing that refuses held, and a quorum really saw the primary down.
func (w *world) auditAutomatic(bad complain, m *message.Command, stored int64, holder *swap, auto []int64) {
	p := &w.spec.Policy
	if m.Kind != message.KindFailover {
		bad("epoch %d is a %s that nobody asked for", m.Epoch, m.Kind)
	}
	if !w.everWas(stored, func(g *spec.Group) bool { return g.Mode == spec.Auto }) {
		bad("epoch %d was decided by itself in mode %s", m.Epoch, w.spec.Mode)
	}
	if holder != nil && stored-holder.at.stream < p.Cooldown.Microseconds() {
		bad("epoch %d moves %dus after epoch %d was held: cooling down", m.Epoch, stored-holder.at.stream, holder.epoch)
	}
	n := 0
	for _, at := range auto {
		if stored-at < p.BudgetWindow.Microseconds() {
			n++
		}
	}
	if n >= p.Budget {
		bad("epoch %d is number %d of a budget of %d", m.Epoch, n+1, p.Budget)
	}
	at := time.Duration(stored-epochStart.UnixMicro()) * time.Microsecond
	if w.keepers != nil && w.proven(m.From, w.heldBefore(m.Epoch), stored) {
		return // whatever the vantages see
	}
	if n := w.sayDown(m.From, at); n < p.Quorum {
		bad("epoch %d at %s moves away from %s, which %d vantages saw down", m.Epoch, at, m.From, n)
	}
	if v := w.dissents(m.From, at); v != "" {
		bad("epoch %d at %s moves away from %s, which %s saw up all the time", m.Epoch, at, m.From, v)
	}
	if down := w.lastDown(m.Primary, at); down > 0 {
		bad("epoch %d at %s moves to %s, which was down at %s", m.Epoch, at, m.Primary, down)
	}
}

// everWas says whether the spec was so within the time that a proposal may have been on its way.
func (w *world) everWas(stored int64, so func(*spec.Group) bool) bool {
	at := time.Duration(stored-epochStart.UnixMicro()) * time.Microsecond
	for i, s := range w.specs {
		until := at
		if i+1 < len(w.specs) {
			until = w.specs[i+1].at
		}
		if s.at <= at && until >= at-2*time.Second && so(s.spec) {
			return true
		}
	}
	return false
}

// slack is how long a look may be on its way, twice delayed.
const slack = time.Second

// sayDown counts the vantages that in the last moments took `fall` looks in a row that found the member down, or a hard one.
func (w *world) sayDown(member string, at time.Duration) int {
	p := &w.spec.Policy
	c := w.spec.Checks[0]
	window := time.Duration(p.Fall)*c.Every + 2*c.Every + c.Timeout + slack
	if w.keepers != nil {
		// A primary that was fenced comes back without a cool-down: who said down before may not have seen it up often enough since.
		window += time.Duration(p.Rise)*c.Every + 2*slack
	}
	n := 0
	for _, v := range w.vantages {
		row, says := 0, false
		for _, l := range w.looks {
			if l.vantage != v.name || l.member != member || l.at < at-window || l.at > at {
				continue
			}
			switch {
			case l.counts && l.answer == message.Down:
				row++
				says = says || l.hard || row >= p.Fall
			default:
				row = 0
			}
		}
		if says {
			n++
		}
	}
	return n
}

// lastDown is when, within stable_for before, two vantages saw the member down for long enough for every decider to have noticed; 0: never.
func (w *world) lastDown(member string, at time.Duration) time.Duration {
	c := w.spec.Checks[0]
	for t := at - 2*slack; t > 0 && t > at-w.spec.Policy.StableFor; t -= c.Every {
		if w.stillDown(member, t) >= 2 && w.stillDown(member, t-slack/2) >= 2 {
			return t
		}
	}
	return 0
}

// stillDown counts the vantages that had said down by then and whose newest look was down.
func (w *world) stillDown(member string, at time.Duration) int {
	n := 0
	for _, v := range w.vantages {
		row := 0
		for _, l := range w.looks {
			if l.vantage != v.name || l.member != member || l.at > at {
				continue
			}
			if !l.counts || l.answer != message.Down {
				row = 0
			} else if row++; l.hard {
				row += w.spec.Policy.Fall
			}
		}
		if row >= w.spec.Policy.Fall {
			n++
		}
	}
	return n
}

// dissents names a vantage that has seen the member up all the time while another one said down: those who can see it disagree.
func (w *world) dissents(member string, at time.Duration) string {
	const long = 5 * slack / 2
	for t := at - long; t <= at; t += w.spec.Checks[0].Every / 2 {
		if w.stillDown(member, t) == 0 {
			return ""
		}
	}
	for _, v := range w.vantages {
		n := 0
		for _, l := range w.looks {
			if l.vantage != v.name || l.member != member || l.at < at-long || l.at > at {
				continue
			}
			if n++; !l.counts || l.answer != message.Up {
				n = -1000
			}
		}
		if n >= int(long/w.spec.Checks[0].Every)-1 {
			return v.name
		}
	}
	return ""
}

// auditOutcomes: a request has one outcome, whoever tells it, and a refused one led to nothing.
func (w *world) auditOutcomes(bad complain) {
	first := map[string]*message.Outcome{}
	for _, in := range w.log {
		o, ok := in.(OutcomeRead)
		if !ok {
			continue
		}
		was := first[o.Outcome.Request]
		if was == nil {
			first[o.Outcome.Request] = o.Outcome
			continue
		}
		if was.Accepted != o.Outcome.Accepted || was.Command != o.Outcome.Command {
			bad("request %s was answered twice: %s; %s", o.Outcome.Request, was.Sentence, o.Outcome.Sentence)
		}
	}
	for _, e := range w.chain {
		request := ""
		switch m := e.m.(type) {
		case *message.Command:
			request = m.Request
		case *message.Mark:
			request = m.Request
		}
		if o := first[request]; request != "" && o != nil && !o.Accepted && codes(o.Reasons) != "R357" {
			bad("request %s was refused, and stands in the chain: %s", request, o.Sentence)
		}
	}
}
