package core

import (
	"cmp"
	"slices"
	"strconv"
	"time"

	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec"
)

// This file is about figures that are measured: it warns and resolves. Nothing in it is read by what makes a verdict, a readiness or a swap, and
// nothing of it stands in a member.

// figureRule is what is concluded of a figure, and told once it was read back from the table: see keepThresholds.
type figureRule struct {
	Rule
	condition message.ThresholdCondition
}

var figureRules = []*figureRule{figureOver, figureShort, figureWell, figureUnmeasured, figureSilent}

var (
	figureOver = &figureRule{Rule{"R490", "a figure was at its bound or beyond it, at every look for as long as declared", "warn, never swap",
		"{what} of {member} is at {value}, the bound is {max} (check {check}, from {vantage}); it resolves at {clear}"}, message.ThresholdOver}
	figureShort = &figureRule{Rule{"R491", "a certificate ends in fewer days than its bound", "warn, never swap",
		"the certificate of {member} ends in {value}, the bound is {max} (check {check}, from {vantage}): {evidence}; renew it"}, message.ThresholdOver}
	figureWell = &figureRule{Rule{"R492", "a figure that was told of is on its safe side, at every look for as long as declared and for three looks", "tell that it is over",
		"{what} of {member} is well again: {value} (check {check}, from {vantage})"}, message.ThresholdWell}
	figureUnmeasured = &figureRule{Rule{"R493", "nobody can measure a figure, at every look for as long as declared, a minute and three looks at least", "warn, never swap",
		"{what} of {member} is not watched: check {check} from {vantage}: {evidence}"}, message.ThresholdUnmeasured}
	figureSilent = &figureRule{Rule{"R498", "nobody was heard of a figure, for as long as declared, five minutes and five looks at least", "warn, never swap",
		"{what} of {member} has no value since {at}: nobody measures it from {vantages} (check {check}); look at the probers"}, message.ThresholdUnmeasured}
)

const (
	// resolveLooks is how many looks in a row at least say that all is well again, or that nothing can be measured.
	resolveLooks = 3
	// unmeasuredFor is for how long at least nothing could be measured: a server that restarts is not told.
	unmeasuredFor = time.Minute
	// silentFor and silentLimits are for how long at least nobody was heard: a prober that is replaced, or its machine that starts anew, is not told.
	silentFor    = 5 * time.Minute
	silentLimits = 5
	// maxStates bounds what the table holds.
	maxStates = 512
	// keepAgain is the wait before the table is asked again.
	keepAgain = time.Second
)

// gauge is one figure of one member.
type gauge struct {
	member, check, figure string
	bound                 spec.Bound
	readings              []*reading // by vantage, sorted
}

// reading is what one vantage has measured.
type reading struct {
	vantage string
	// limit is the silence after which a row is none any more.
	limit time.Duration
	// from is since when its silence counts: it is declared since then, or people were told of its figure then.
	from time.Duration

	boot  string
	seq   uint64
	gone  [3]string
	heard bool
	// heardAt is when the newest look was heard, measuredAt when the newest that had the figure.
	heardAt, measuredAt time.Duration
	measured            bool
	value               float64
	evidence            string

	// over and well: it was at its bound, at clear. safe: it was not at its bound. blind: it could not be measured.
	over, well, safe, blind row
}

// row is how many looks in a row said the same, and since when.
type row struct {
	n     int
	since time.Duration
}

func (r *row) count(holds bool, at time.Duration) {
	switch {
	case !holds:
		*r = row{}
	case r.n == 0:
		*r = row{1, at}
	default:
		r.n++
	}
}

// lasts says that the row has at least n looks, the first of them at least d before the newest.
func (r row) lasts(newest, d time.Duration, n int) bool { return r.n >= n && newest-r.since >= d }

// thresholds are the figures of a group and what was told of them.
type thresholds struct {
	gauges []*gauge // sorted by member, check, figure
	by     map[sightKey][]gaugeReading
	// record and revision are the newest that were read; wrote is when the table was last asked, asked: it does not show that yet.
	record   message.Thresholds
	revision uint64
	asked    bool
	wrote    time.Duration
}

type gaugeReading struct {
	*gauge
	*reading
}

// arrangeThresholds makes the gauges of a new spec, taking over what was measured by those that stay.
func (s *State) arrangeThresholds(at Time, g *spec.Group) {
	type key struct{ member, check, figure, vantage string }
	old := map[key]*reading{}
	for _, g := range s.thresholds.gauges {
		for _, r := range g.readings {
			old[key{g.member, g.check, g.figure, r.vantage}] = r
		}
	}
	s.thresholds.gauges, s.thresholds.by = nil, map[sightKey][]gaugeReading{}
	for _, m := range g.Members {
		for i := range g.Checks {
			c := &g.Checks[i]
			if !c.Looks(m.Name) {
				continue
			}
			for _, b := range c.Bounds() {
				one := &gauge{member: m.Name, check: c.Name, figure: b.Figure, bound: b}
				for _, vantage := range slices.Compact(slices.Sorted(slices.Values(c.VantagesOf(m)))) {
					r := old[key{m.Name, c.Name, b.Figure, vantage}]
					if r == nil {
						r = &reading{vantage: vantage, from: at.Mono}
					}
					r.limit = 2*c.Every + c.Timeout
					one.readings = append(one.readings, r)
					k := sightKey{m.Name, c.Name, vantage}
					s.thresholds.by[k] = append(s.thresholds.by[k], gaugeReading{one, r})
				}
				s.thresholds.gauges = append(s.thresholds.gauges, one)
			}
		}
	}
	slices.SortFunc(s.thresholds.gauges, func(a, b *gauge) int {
		return cmp.Or(cmp.Compare(a.member, b.member), cmp.Compare(a.check, b.check), cmp.Compare(a.figure, b.figure))
	})
}

// measured takes a look into account, and says whether that may change what is to be told.
func (s *State) measured(at Time, in *HeartbeatSeen) bool {
	hb := in.Heartbeat
	when := at.Mono
	if age := time.Duration(at.Stream-in.Stored) * time.Microsecond; in.Stored > 0 && age > 0 {
		when -= age // what was read back is as old as it is
	}
	changed := false
	for _, g := range s.thresholds.by[sightKey{hb.Member, hb.Check, hb.Vantage}] {
		if !g.take(when, hb, g.bound) {
			continue
		}
		if now, _ := g.concludes(at.Mono, s.heardFrom(), s.thresholds.told(g.gauge)); now != nil {
			changed = true
		}
	}
	return changed
}

// take counts one look. Late, blind and answers of other kinds do not matter: what was measured was measured.
func (r *reading) take(at time.Duration, hb *message.Heartbeat, b spec.Bound) bool {
	if hb.Boot == r.boot && hb.Seq <= r.seq || slices.Contains(r.gone[:], hb.Boot) {
		return false // this look, or a newer one, was taken before
	}
	if hb.Boot != r.boot {
		r.gone = [3]string{r.boot, r.gone[0], r.gone[1]}
	}
	if r.heard {
		at = max(at, r.heardAt)
	}
	if r.heard && at-r.heardAt > r.limit {
		r.over, r.well, r.safe, r.blind = row{}, row{}, row{}, row{} // nobody knows what was in between
	}
	r.boot, r.seq, r.heard, r.heardAt, r.evidence = hb.Boot, hb.Seq, true, at, hb.Evidence
	value, has := hb.Perf[b.Figure]
	if !has && hb.Answer != message.Unknown {
		return false // the first look of a figure that needs two
	}
	if has {
		r.value, r.measured, r.measuredAt = value, true, at
	}
	r.over.count(has && b.Over(value), at)
	r.well.count(has && b.Well(value), at)
	r.safe.count(has && !b.Over(value), at)
	r.blind.count(!has, at)
	return true
}

func (r *reading) silent(at time.Duration) bool { return !r.heard || at-r.heardAt > r.limit }

// concludes says what becomes of a figure of which told was told last, and whose word that rests on; nil: nothing changes.
//
// One vantage that measures too much is enough to warn: a measured figure is no matter of opinion. All that are there must find it well to resolve.
// From is since when this decider would have heard of it.
func (g *gauge) concludes(at, from time.Duration, told message.ThresholdCondition) (*figureRule, *reading) {
	var over, well, safe, blind *reading
	fresh, wells, safes, blinds := 0, 0, 0, 0
	for _, r := range g.readings {
		if r.silent(at) {
			continue
		}
		fresh++
		if r.over.lasts(r.heardAt, g.bound.For, 1) && (over == nil || g.worse(r.value, over.value)) {
			over = r
		}
		if r.well.lasts(r.heardAt, g.bound.For, resolveLooks) {
			if wells++; well == nil || g.worse(r.value, well.value) {
				well = r
			}
		}
		if r.blind.lasts(r.heardAt, max(g.bound.For, unmeasuredFor), resolveLooks) {
			blinds, blind = blinds+1, r
		}
		if r.safe.lasts(r.heardAt, g.bound.For, resolveLooks) {
			if safes++; safe == nil || g.worse(r.value, safe.value) {
				safe = r
			}
		}
	}
	switch {
	case told != message.ThresholdOver && over != nil:
		if g.bound.Unit == spec.Days {
			return figureShort, over
		}
		return figureOver, over
	case told == message.ThresholdWell && blind != nil && blinds == fresh:
		return figureUnmeasured, blind
	case told == message.ThresholdWell && fresh == 0 && len(g.readings) > 0 && g.quiet(at, from):
		return figureSilent, g.newest()
	case told == message.ThresholdOver && well != nil && wells == fresh:
		return figureWell, well
	case told == message.ThresholdUnmeasured && safe != nil && safes == fresh:
		return figureWell, safe
	}
	return nil, nil
}

// quiet says that nobody was heard for so long that people are told.
func (g *gauge) quiet(at, from time.Duration) bool {
	wait := max(silentFor, g.bound.For)
	for _, r := range g.readings {
		from, wait = max(from, r.from), max(wait, silentLimits*r.limit)
		if r.heard {
			from = max(from, r.heardAt)
		}
	}
	return at-from >= wait
}

// newest is the reading that was heard last; the first where none was.
func (g *gauge) newest() *reading {
	out := g.readings[0]
	for _, r := range g.readings {
		if r.heard && (!out.heard || r.heardAt > out.heardAt) {
			out = r
		}
	}
	return out
}

// heardFrom is since when this decider would have heard whatever was measured: the bus is there since, and stores.
func (s *State) heardFrom() time.Duration { return max(s.watchFrom, s.muteSince) }

func (g *gauge) worse(a, b float64) bool {
	if g.bound.Below {
		return a < b
	}
	return a > b
}

// state is what the table holds of a figure, or nil.
func (t *thresholds) state(g *gauge) *message.ThresholdState {
	for i := range t.record.States {
		if st := &t.record.States[i]; st.Member == g.member && st.Check == g.check && st.Figure == g.figure {
			return st
		}
	}
	return nil
}

// told is what was told of a figure last.
func (t *thresholds) told(g *gauge) message.ThresholdCondition {
	if st := t.state(g); st != nil {
		return st.Condition
	}
	return message.ThresholdWell
}

// keepThresholds writes down what changed, and tells what was written down. The table takes one of the writes of several deciders; who tells does not matter, for the
// event's id is made of the write. Only once the events are stored is it written down that people were told.
func (s *State) keepThresholds(at Time) {
	t := &s.thresholds
	if !s.linked || s.mute || t.asked && at.Mono-t.wrote < keepAgain {
		return
	}
	next := t.record
	next.Group, next.Decider, next.At = s.group, s.decider, at.Wall
	if t.record.Told < t.record.N {
		next.Told = next.N
		s.keep(at, &next, s.thresholdEvents(at))
		return
	}
	next.N++
	next.States = nil
	var changed []message.ThresholdState
	for _, g := range t.gauges {
		before := t.state(g)
		if rule, r := g.concludes(at.Mono, s.heardFrom(), t.told(g)); rule != nil && len(changed) < maxStates/2 {
			changed = append(changed, message.ThresholdState{
				Member: g.member, Check: g.check, Figure: g.figure, Condition: rule.condition, N: next.N, At: at.Wall,
				Code: rule.Code, Sentence: clip(fill(rule.Says, g.words(at, r)), 2000),
			})
			continue
		}
		if before != nil && before.Condition != message.ThresholdWell && len(next.States) < maxStates {
			next.States = append(next.States, *before)
		}
	}
	forgotten := slices.ContainsFunc(t.record.States, func(st message.ThresholdState) bool {
		return st.Condition != message.ThresholdWell && s.spec != nil && !t.declares(st)
	})
	if len(changed) == 0 && !forgotten {
		return
	}
	if len(changed) == 0 {
		next.Told = next.N // what is measured no more is nothing to tell of
	}
	next.States = append(next.States, changed...)
	s.keep(at, &next, nil)
}

func (t *thresholds) declares(st message.ThresholdState) bool {
	return slices.ContainsFunc(t.gauges, func(g *gauge) bool { return g.member == st.Member && g.check == st.Check && g.figure == st.Figure })
}

func (s *State) keep(at Time, next *message.Thresholds, tell []*message.Event) {
	s.thresholds.asked, s.thresholds.wrote = true, at.Mono
	s.emit(Keep{Thresholds: next, Revision: s.thresholds.revision, Tell: tell})
}

// thresholdEvents are those of the newest write.
func (s *State) thresholdEvents(at Time) []*message.Event {
	var out []*message.Event
	record := s.thresholds.record
	for i := range record.States {
		st := record.States[i]
		if st.N != record.N {
			continue
		}
		severity := message.Warning
		if st.Condition == message.ThresholdWell {
			severity = message.Notice
		}
		out = append(out, s.event(at, message.Event{
			ID:   "threshold." + s.group + "." + strconv.FormatUint(st.N, 10) + "." + hash(st.Member, st.Check, st.Figure),
			Kind: message.EventThreshold, Severity: severity, Member: st.Member, Code: st.Code, Sentence: st.Sentence, Threshold: &st,
		}))
	}
	return out
}

// thresholdsRead takes what the table holds.
func (s *State) thresholdsRead(at Time, in ThresholdsRead) {
	t := &s.thresholds
	if in.Revision <= t.revision {
		return
	}
	t.record, t.revision, t.asked = *in.Thresholds, in.Revision, false
	// Whoever wrote heard something of it: another decider does not answer at once that it hears nothing.
	for _, g := range t.gauges {
		if st := t.state(g); st != nil && st.N == in.Thresholds.N {
			for _, r := range g.readings {
				r.from = at.Mono
			}
		}
	}
}

// words fill the sentence of a rule.
func (g *gauge) words(at Time, r *reading) words {
	value, since := r.value, r.from
	if r.heard {
		since = r.heardAt
	}
	var vantages []string
	for _, r := range g.readings {
		vantages = append(vantages, r.vantage)
	}
	if g.bound.Unit == spec.Days {
		value = max(0, value)
	}
	return words{
		"what": g.what(), "member": g.member, "check": g.check, "vantage": r.vantage, "value": g.bound.Unit.Show(value),
		"max": g.bound.Unit.Show(g.bound.Max), "clear": g.bound.Unit.Show(g.bound.Clear), "evidence": clip(r.evidence, 400),
		"at": stamp(at.Wall - (at.Mono - since).Microseconds()), "vantages": list(vantages),
	}
}

// Thresholds is every figure as it is known now, sorted by member, check and figure. It changes nothing.
func (s *State) Thresholds(at Time) []message.ThresholdStatus {
	var out []message.ThresholdStatus
	for _, g := range s.thresholds.gauges {
		b := g.bound
		one := message.ThresholdStatus{
			Member: g.member, Check: g.check, Figure: g.figure, Unit: string(b.Unit), Max: b.Max, Clear: b.Clear, Below: b.Below,
			For: message.Duration(b.For), Condition: s.thresholds.told(g),
		}
		if st := s.thresholds.state(g); st != nil {
			one.Since = st.At
		}
		var newest *reading
		for _, r := range g.readings {
			if !r.heard {
				continue
			}
			if newest == nil || r.heardAt > newest.heardAt {
				newest = r
			}
			fresh := at.Mono-r.measuredAt <= r.limit
			if r.measured && (!one.Measured || fresh && g.worse(r.value, one.Value)) {
				one.Value, one.Measured, one.AgeMS = r.value, true, max(0, (at.Mono-r.measuredAt).Milliseconds())
			}
		}
		if newest != nil {
			one.Evidence = clip(newest.evidence, 500)
		}
		one.Sentence = clip(g.sentence(at, &one), 2000)
		out = append(out, one)
	}
	return out
}

// sentence says how the figure is now.
func (g *gauge) sentence(at Time, now *message.ThresholdStatus) string {
	unit, since := g.bound.Unit, stamp(now.Since)
	head := g.what() + " of " + g.member
	tail := ", the bound is " + unit.Show(g.bound.Max) + " (check " + g.check + ")"
	switch {
	case now.Condition == message.ThresholdUnmeasured && g.silent(at.Mono):
		if now.Measured {
			since = stamp(at.Wall - now.AgeMS*1000)
		}
		return head + " has no value since " + since + " (check " + g.check + "): nobody measures it; look at the probers"
	case now.Condition == message.ThresholdUnmeasured:
		return head + " is not watched since " + since + " (check " + g.check + "): " + clip(now.Evidence, 400)
	case !now.Measured:
		return head + ": not measured yet" + tail
	}
	out := head + ": " + unit.Show(now.Value) + tail
	if now.Condition == message.ThresholdOver {
		out += ": too far since " + since + ", resolves at " + unit.Show(g.bound.Clear)
	}
	if g.silent(at.Mono) {
		out += "; nobody has measured it for " + span(time.Duration(now.AgeMS)*time.Millisecond)
	}
	return out
}

func (g *gauge) silent(at time.Duration) bool {
	return !slices.ContainsFunc(g.readings, func(r *reading) bool { return !r.silent(at) })
}

// stamp is a time in Unix microseconds, as sentences show it.
func stamp(at int64) string { return time.UnixMicro(at).UTC().Format(time.DateTime) + " UTC" }

// what is the figure in a sentence.
func (g *gauge) what() string {
	switch g.bound.Unit {
	case spec.Entries:
		return "queue"
	case spec.Days:
		return "certificate"
	}
	return g.figure
}
