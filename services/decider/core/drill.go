package core

import (
	"strconv"
	"strings"
	"time"

	"github.com/isacloud/ha-manager/pkg/message"
)

// A drill is a planned swap, a hold, and the swap back. All that says how far it is stands in the chain and in what executors tell of its two
// commands: whichever decider reads them goes on with it, also after a restart. The way back is an ordinary switchover with all its guards;
// what the drill adds is that nobody has to ask for it.

const (
	// drillPatience is how long a way back that is refused is tried for, from when it was time.
	drillPatience = 10 * time.Minute
	// drillTries is how often a way back may come to nothing, and drillPause the wait before the next try.
	drillTries = 3
	drillPause = 30 * time.Second
	// drillGrace is how long a way back is refused before that is told: a standby that has just come back is ready in a moment.
	drillGrace = 5 * time.Second
)

// drill is the newest that the chain tells of; without an id there was none.
type drill struct {
	message.Drill
	away        string
	there, back leg // back is the newest try
	tries       int
	tried       moment // first try of the way back
	failed      moment // when the newest try came to nothing
	// how it was over, "" while it runs; by says who or what interrupted or ended it.
	how, by string
	over    moment
	// waitsSince is since when the way back is refused although it is time; waitsTold: that was told.
	waitsSince time.Duration
	waitsTold  bool
	// halted is what unhealthy thing showed during the hold, seen at haltedAt; "": none.
	halted   string
	haltedAt moment
}

// leg is one of the two swaps.
type leg struct {
	epoch           uint64
	command         string
	rule            string
	at              moment // the command
	held            bool
	nothing         bool // it came to nothing
	done            bool
	doneAt          moment
	execute, verify int64
}

// finished is a swap that an executor carried through, kept until its command is read.
type finished struct {
	command         string
	at              moment
	execute, verify int64
}

// running says that the drill is not over.
func (d *drill) running() bool { return d.ID != "" && d.how == "" }

// holding says that the swap there is done, and no way back is under way.
func (d *drill) holding() bool {
	return d.running() && d.there.done && (d.tries == 0 || d.back.nothing)
}

// overdue is for how long it has been time to go back; negative: the hold goes on for that long. It is of use only while holding.
func (d *drill) overdue(at Time) time.Duration {
	if d.halted != "" && d.tries == 0 {
		return at.since(d.haltedAt)
	}
	if d.tries > 0 {
		return at.since(d.tried)
	}
	return at.since(d.there.doneAt) - d.Hold.Std()
}

// primary is who is primary as far as the drill knows.
func (d *drill) primary() string {
	if d.back.held {
		return d.Home
	}
	return d.away
}

// drillRead follows the chain: an entry of it was just read.
//
// Invariant: whatever moves roles besides the drill itself ends it, and then nothing goes back by itself.
func (s *State) drillRead(at Time, in ChainRead, retell bool) {
	d, now := &s.drill, moment{in.Stored, at.Mono}
	switch e := in.Entry.(type) {
	case *message.Command:
		switch {
		case e.Drill != nil && e.Drill.Way == message.WayThere:
			s.drillOver(at, now, message.DrillInterrupted, "epoch "+epoch(e.Epoch)+": "+e.Sentence, retell)
			s.drill = drill{Drill: *e.Drill, away: e.Primary, there: leg{epoch: e.Epoch, command: e.ID, at: now}, waitsSince: never}
			s.drillFinished(at, retell)
			if retell {
				s.tellDrill(at, message.DrillThere, "", s.drillWords("{id} of {group}: {actor} has {away} take over from {home}{why}; {away} is primary for {hold}, then {home} again"))
			}
		case !d.running():
		case e.Drill != nil && e.Drill.ID == d.ID:
			if d.tries++; d.tries == 1 {
				d.tried = now
			}
			d.back = leg{epoch: e.Epoch, command: e.ID, rule: e.Rule, at: now}
			s.drillFinished(at, retell)
			if retell {
				s.tellDrill(at, message.DrillBack, "."+epoch(e.Epoch), s.drillWords("{id} of {group}: {home} takes back over from {away}, which was primary for {held}"))
			}
		case e.Request == "" && e.Primary == d.primary() && (e.Kind == message.KindReconfigure || e.Kind == message.KindResume && e.Rule != ruleAbortedLate):
			if d.tries > 0 && !d.back.held && !d.back.nothing {
				d.back.nothing, d.failed = true, now
			}
		default:
			by := "epoch " + epoch(e.Epoch) + ": " + e.Sentence
			s.drillOver(at, now, message.DrillInterrupted, by, retell)
		}
	case *message.Held:
		switch {
		case e.Command == d.there.command:
			d.there.held = true
		case e.Command == d.back.command:
			d.back.held = true
		}
	case *message.DrillEnd:
		if e.Drill == d.ID {
			s.drillOver(at, now, e.How, e.Sentence, retell)
		}
	}
}

// drillFinish takes in that an executor has carried a swap through. Its command may be read later: the two travel in different streams.
func (s *State) drillFinish(at Time, m *message.RunResult, in SafetyRead) {
	s.finished = remember(s.finished, finished{m.Command, moment{in.Stored, at.Mono}, m.ExecuteMicros, m.VerifyMicros})
	s.drillFinished(at, at.since(moment{in.Stored, at.Mono}) < retellLimit)
}

// drillFinished follows what was carried through.
func (s *State) drillFinished(at Time, retell bool) {
	d := &s.drill
	take := func(l *leg) bool {
		if l.done || l.command == "" {
			return false
		}
		for _, f := range s.finished {
			if f.command == l.command {
				l.done, l.doneAt, l.execute, l.verify = true, f.at, f.execute, f.verify
			}
		}
		return l.done
	}
	if take(&d.there) && retell && d.running() {
		s.tellDrill(at, message.DrillHolds, "", s.drillWords(
			"{id} of {group}: {away} took over from {home} {there}, epoch {epoch}; it goes back in {hold}: at once with ham drill {group} --back, not at all with --stay"))
	}
	if !take(&d.back) {
		return
	}
	if d.how == message.DrillInterrupted && d.over.stream >= d.back.doneAt.stream {
		d.how = "" // it was done before that, only read later
	}
	s.drillOver(at, d.back.doneAt, message.DrillDone, "", retell)
}

// drillOver ends the drill that runs, if one does.
func (s *State) drillOver(at Time, now moment, how, by string, retell bool) {
	d := &s.drill
	if !d.running() {
		return
	}
	if how == message.DrillDone && d.back.rule == ruleHalted { // which the chain tells, also who has not lived through it
		how = message.DrillHalted
	}
	d.how, d.by, d.over = how, by, now
	last := *d
	s.lastDrill = &last
	if how == message.DrillDone {
		s.drilled = &last.over
	}
	if !retell {
		return
	}
	says := map[string]string{
		message.DrillDone:        "{id} of {group} is over: {away} took over from {home} {there}, was primary for {held}, and {home} took back over {back}{objectives}",
		message.DrillHalted:      "{id} of {group} was halted: {home} took back over {back} after {held}",
		message.DrillInterrupted: "{id} of {group} is over before its way back, interrupted by {by}; nothing goes back by itself: see ham status {group}",
		message.DrillStayed:      "{id} of {group} is over: {by}",
		message.DrillGivenUp:     "{id} of {group} is over before its way back: {by}",
	}[how]
	s.tellDrill(at, message.DrillOver, "", s.drillWords(says))
}

// drillWords fills in what is known of the drill.
func (s *State) drillWords(says string) string {
	d := &s.drill
	took := func(l leg) string {
		if !l.done {
			return "in a time that is not known"
		}
		part := func(micros int64) string { return span(time.Duration(micros) * time.Microsecond) }
		return "in " + part(l.execute+l.verify) + " (execute " + part(l.execute) + ", verify " + part(l.verify) + ")"
	}
	var met []string
	rto, rpo := s.drillObjectives(d)
	if rto != nil {
		met = append(met, metWords("recovery", rto))
	}
	if rpo != nil {
		met = append(met, metWords("loss", rpo))
	}
	objectives := ""
	if met != nil {
		objectives = "; " + strings.Join(met, ", ")
	}
	return fill(says, words{
		"group": s.group, "id": "drill " + d.ID, "home": d.Home, "away": d.away, "actor": d.Actor, "why": because(d.Why), "hold": span(d.Hold.Std()),
		"held": span(time.Duration(d.held()) * time.Microsecond), "epoch": epoch(d.there.epoch), "there": took(d.there), "back": took(d.back),
		"by": clip(d.by, 600), "objectives": objectives,
	})
}

func metWords(of string, o *message.DrillObjective) string {
	if o.Met {
		return "the " + of + " objective of " + span(o.Objective.Std()) + " is met"
	}
	return "the " + of + " objective of " + span(o.Objective.Std()) + " is MISSED (" + span(o.Achieved.Std()) + ")"
}

// drillHeld is how long the other member was primary, in microseconds of the stream's clock; 0 before it goes back.
func (d *drill) held() int64 {
	if d.there.done && d.tries > 0 {
		return max(0, d.back.at.stream-d.there.doneAt.stream)
	}
	return 0
}

// drillObjectives are the objectives beside what the drill achieved, where both are known. A switchover loses nothing where executors see to what
// a standby has; elsewhere nobody measures it.
func (s *State) drillObjectives(d *drill) (rto, rpo *message.DrillObjective) {
	if s.spec == nil || d.how != message.DrillDone || !d.there.done || !d.back.done {
		return nil, nil
	}
	if o := &s.spec.Objectives; o.RTO > 0 {
		slower := time.Duration(max(d.there.execute+d.there.verify, d.back.execute+d.back.verify)) * time.Microsecond
		rto = &message.DrillObjective{Objective: message.Duration(o.RTO), Achieved: message.Duration(slower), Met: slower <= o.RTO}
	}
	if o := &s.spec.Objectives; o.HasRPO && s.durability() != "" {
		rpo = &message.DrillObjective{Objective: message.Duration(o.RPO), Met: true}
	}
	return rto, rpo
}

// tellDrill tells how far the drill is, once for each stage.
func (s *State) tellDrill(at Time, stage message.DrillStage, again, sentence string) {
	d := &s.drill
	st := s.drillStatus(at)
	st.Stage = stage
	e := message.Event{
		ID: d.ID + "." + string(stage) + again, Kind: message.EventDrill, Severity: message.Notice, Epoch: s.chain.epoch(), Member: d.primary(),
		Sentence: sentence, Actor: d.Actor, Drill: st, Reasons: st.Waits,
	}
	missed := func(o *message.DrillObjective) bool { return o != nil && !o.Met }
	if stage == message.DrillWaits || d.how == message.DrillInterrupted || d.how == message.DrillGivenUp || missed(st.RTO) || missed(st.RPO) {
		e.Severity = message.Warning
	}
	s.tell(at, e)
}

// drillStatus is what is known of the drill; nil where there was none.
func (s *State) drillStatus(at Time) *message.DrillStatus {
	return s.statusOf(at, &s.drill)
}

func (s *State) statusOf(at Time, d *drill) *message.DrillStatus {
	if d.ID == "" {
		return nil
	}
	swapOf := func(l leg) *message.DrillSwap {
		if l.command == "" {
			return nil
		}
		return &message.DrillSwap{Epoch: l.epoch, Command: l.command, Done: l.done, ExecuteMicros: l.execute, VerifyMicros: l.verify}
	}
	st := &message.DrillStatus{
		ID: d.ID, Stage: message.DrillThere, How: d.how, Home: d.Home, Away: d.away, Hold: d.Hold, Actor: d.Actor, Why: d.Why,
		There: swapOf(d.there), Back: swapOf(d.back), HeldMicros: d.held(),
	}
	if d.there.done {
		st.BackAt = d.there.doneAt.stream + d.Hold.Std().Microseconds()
	}
	switch {
	case !d.running():
		st.Stage = message.DrillOver
		st.RTO, st.RPO = s.drillObjectives(d)
		st.OverAt = d.over.stream
	case d.tries > 0 && !d.back.nothing:
		st.Stage = message.DrillBack
	case d.holding() && d.overdue(at) >= 0:
		st.Stage, st.Waits = message.DrillWaits, s.refusals(at, s.wayBack())
	case d.holding():
		st.Stage = message.DrillHolds
	}
	return st
}

// wayBack is the question whether the drill may go back by itself.
func (s *State) wayBack() question {
	d := &s.drill
	back := d.Drill
	back.Way = message.WayBack
	return question{who: drillBack, kind: message.KindSwitchover, from: s.chain.primary(), to: d.Home, drill: &back}
}

// keepDrill tells that the way back is refused although it is time, once.
func (s *State) keepDrill(at Time) {
	d := &s.drill
	if d.holding() && d.halted == "" && d.tries == 0 && s.judging(at) && d.overdue(at) < 0 {
		if d.halted = s.unhealthy(at); d.halted != "" {
			d.haltedAt = moment{at.Stream, at.Mono}
		}
	}
	if !d.holding() || !s.judging(at) || s.underWay() || !s.chain.held || d.overdue(at) < 0 {
		d.waitsSince = never
		return
	}
	if d.waitsTold {
		return
	}
	reasons := s.refusals(at, s.wayBack())
	switch {
	case len(reasons) == 0:
		d.waitsSince = never
	case d.waitsSince == never:
		d.waitsSince = at.Mono
	case at.Mono-d.waitsSince >= drillGrace:
		d.waitsTold = true
		s.tellDrill(at, message.DrillWaits, "", s.drillWords("{id} of {group}: it is time to go back to {home}, and that waits, because ")+sentences(reasons)+
			s.drillWords("; it is tried until "+span(drillPatience)+" have passed: end the drill with ham drill {group} --stay if {away} is to remain primary"))
	}
}

// ruleHalted is the code of the way back that does not wait for the end of the hold.
const ruleHalted = "R254"

// unhealthy says what must not be while a drill holds; "": all is well. One look that failed is no reason.
func (s *State) unhealthy(at Time) string {
	d := &s.drill
	away := s.member(d.away)
	if away == nil || s.chain.primary() != d.away {
		return ""
	}
	switch away.verdict {
	case message.VerdictDown, message.VerdictDisputed:
		return away.sentence(at)
	case message.VerdictSuspect:
		if away.worst != nil && away.worst.tally.downs > 0 {
			return away.sentence(at)
		}
	}
	if o := &s.spec.Objectives; o.HasRPO && s.durability() != "" {
		if l, known := s.lag(at, d.away, d.Home); known && l.behind > o.RPO && l.behind > driftGrace {
			return d.Home + " " + l.words() + ", and the objective is " + span(o.RPO)
		}
	}
	return ""
}

// --- the rows of the table

func drillHalts(s *State, at Time) words {
	if s.drill.halted == "" || s.drill.tries > 0 {
		return nil
	}
	w := drillReturns(s, at)
	if w != nil {
		w["why"] = clip(s.drill.halted, 500)
	}
	return w
}

func drillUnreturned(s *State, at Time) words {
	d := &s.drill
	if !d.holding() || d.overdue(at) < drillPatience && d.tries < drillTries {
		return nil
	}
	why := sentences(s.refusals(at, s.wayBack()))
	if d.tries > 0 {
		why = strings.TrimSuffix(strconv.Itoa(d.tries)+" tries came to nothing; "+why, "; ")
	}
	if why == "" {
		why = "nobody could judge it"
	}
	return words{"home": d.Home, "away": d.away, "drill": d.ID, "why": clip(why, 500)}
}

func drillReturns(s *State, at Time) words {
	d := &s.drill
	if !d.holding() || d.overdue(at) < 0 || d.tries > 0 && at.since(d.failed) < drillPause || len(s.refusals(at, s.wayBack())) > 0 {
		return nil
	}
	return words{"home": d.Home, "away": d.away, "drill": d.ID, "actor": d.Actor, "held": span(at.since(d.there.doneAt))}
}

func drillReturnWaits(s *State, at Time) words {
	d := &s.drill
	if !d.holding() || d.overdue(at) < 0 {
		return nil
	}
	why := sentences(s.refusals(at, s.wayBack()))
	if why == "" {
		why = "the last try came to nothing " + span(at.since(d.failed)) + " ago"
	}
	return words{"home": d.Home, "drill": d.ID, "why": why}
}

func drillHolds(s *State, at Time) words {
	d := &s.drill
	if !d.holding() {
		return nil
	}
	return words{"home": d.Home, "away": d.away, "drill": d.ID, "left": span(-d.overdue(at))}
}

// goBack is the one place where a drill moves roles without anybody asking anew.
//
// Invariant: it happens only while the drill runs, after its hold, and with everything that a switchover rests on.
func (s *State) goBack(at Time, r *situationRule, w words) {
	s.command(at, s.wayBack(), &r.Rule, w, nil)
}

func (s *State) giveDrillUp(at Time, r *situationRule, w words) {
	s.endDrill(at, message.DrillGivenUp, &r.Rule, w, nil)
}

// endDrill proposes that the drill is over where the roles are now.
func (s *State) endDrill(at Time, how string, rule *Rule, w words, r *message.Request) {
	e := &message.DrillEnd{
		Group: s.group, Drill: s.drill.ID, How: how, Rule: rule.Code, Sentence: clip(fill(rule.Says, w), 1000), Decider: s.decider, At: at.Wall,
	}
	if r != nil {
		e.Actor, e.Reason, e.Request = r.Actor, r.Reason, r.ID
	}
	e.ID = s.group + ".drillend." + hash(s.decider, epoch(s.chain.seq), e.Drill, how, e.Request)
	s.propose(at, e)
}

// --- what is asked

// drillOf is the drill that a request would begin. Whatever else is to begin one makes it likewise, and hands it to command.
func drillOf(r *message.Request, home string) *message.Drill {
	hold := message.DefaultHold
	if r.Hold != nil {
		hold = *r.Hold
	}
	return &message.Drill{Way: message.WayThere, Home: home, Hold: hold, Actor: r.Actor, Why: r.Reason}
}

func (s *State) askedStay(at Time, a *ask, q question, rule *requestRule) {
	w := s.words(a, q)
	a.sentence = "accepted: " + fill(rule.Says, w)
	s.endDrill(at, message.DrillStayed, &rule.Rule, w, a.request)
}

func drillRuns(s *State, at Time, _ question) words {
	d := &s.drill
	if !d.running() {
		return nil
	}
	return words{"drill": d.ID, "home": d.Home, "away": d.away}
}

func noDrill(s *State, _ Time, _ question) words {
	if s.drill.running() {
		return nil
	}
	return yes()
}
