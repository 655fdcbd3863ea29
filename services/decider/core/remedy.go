package core

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/isacloud/ha-manager/pkg/message"
)

// A ladder is what is tried on a member that is down before anybody takes over from it. Each try is a command of kind remedy: it stands in the chain,
// so that all deciders count the same ones, and the compare-and-set keeps two of them from trying at once. Roles stay as they are.
//
// What a try led to follows from what executors tell of it; whether it made something worse, from what its command says was down before. A ladder that
// is over for a reason that nothing stored shows gets an entry of its own in the chain: a command without steps.
//
// Invariant: a ladder never keeps a failover away once it has nothing more to try, whatever became of its last try. See still.

const (
	// remedyBegin is how long an executor at the member's site may take to begin a try. A host that is gone costs a failover that long.
	remedyBegin = 3 * time.Second
	// remedyEnd is how long after its time-out a try may take to be told: what hangs has to be killed, and an executor that restarts says so in a moment.
	remedyEnd = 6 * time.Second
)

// Rules of the ladder that are referred to elsewhere.
const (
	ruleRemedy     = "R270"
	ruleRemedyOver = "R272"
)

// tried is a command of kind remedy in the chain.
type tried struct {
	message.Remedy
	epoch   uint64
	command string
	at      moment
	// stopped says what came in its place, stoppedAt when.
	stopped   string
	stoppedAt moment
}

// tryEnd is what an executor said of a try.
type tryEnd struct {
	command string
	done    bool // else it failed, or nobody knows
	applied bool
	problem string
	at      moment
}

// remedyTaken takes in a command of the chain: a try, or what came in the place of one.
func (c *chain) remedyTaken(e *message.Command, now moment) {
	if n := len(c.tries); n > 0 && c.command != nil && c.tries[n-1].command == c.command.ID {
		switch t := &c.tries[n-1]; {
		case e.Request != "":
			t.stopped, t.stoppedAt = e.Actor+" asked for something else meanwhile", now
		case e.Kind == message.KindFailover || e.Kind == message.KindSwitchover:
			t.stopped, t.stoppedAt = e.Primary+" took over meanwhile", now
		}
	}
	if e.Remedy != nil {
		c.tries = remember(c.tries, tried{Remedy: *e.Remedy, epoch: e.Epoch, command: e.ID, at: now})
	}
}

// remedyTold takes in what became of the step of a try, of whichever epoch.
func (s *State) remedyTold(at Time, m *message.StepResult, in SafetyRead) {
	if m.Step != message.StepRemedy || m.State == message.StateStarted {
		return
	}
	i := slices.IndexFunc(s.tryEnds, func(e tryEnd) bool { return e.command == m.Command })
	if i >= 0 {
		return // the first word is the last: a try has one attempt
	}
	s.tryEnds = remember(s.tryEnds, tryEnd{m.Command, m.State == message.StateDone, m.Applied, m.Problem, moment{in.Stored, at.Mono}})
}

// ladder is where a member's ladder stands.
type ladder struct {
	m *member
	// tries are those since it last began anew, oldest first; last is the newest of them, end what became of that.
	tries []tried
	last  *tried
	end   *tryEnd
	// trying: the newest try is under way. waits: it is done, and may take that much longer to show.
	trying bool
	waits  time.Duration
	// over says why nothing more is tried; recorded: whoever reads the streams knows that too.
	over     string
	recorded bool
}

// ladder is where the member's ladder stands; nil: none is declared for it.
func (s *State) ladder(at Time, m *member) *ladder {
	if m == nil || s.spec == nil || len(s.spec.Remedy) == 0 || s.spec.Lease != nil || s.chain.command == nil || s.chain.command.Lease != nil {
		return nil
	}
	l := &ladder{m: m}
	for i := len(s.chain.tries) - 1; i >= 0; i-- {
		t := &s.chain.tries[i]
		if t.Member != m.name {
			continue
		}
		gap := at.since(t.at)
		if len(l.tries) > 0 {
			gap = time.Duration(l.tries[len(l.tries)-1].at.stream-t.at.stream) * time.Microsecond
		}
		if gap >= s.spec.RemedyReset {
			break
		}
		l.tries = append(l.tries, *t)
	}
	slices.Reverse(l.tries)
	if n := len(l.tries); n > 0 {
		l.last = &l.tries[n-1]
		s.judgeTry(at, l)
	}
	return l
}

// judgeTry says what became of the newest try, and whether it ends the ladder.
func (s *State) judgeTry(at Time, l *ladder) {
	t := l.last
	if t.Over != "" {
		l.over, l.recorded = t.Over, true
		return
	}
	if i := slices.IndexFunc(s.tryEnds, func(e tryEnd) bool { return e.command == t.command }); i >= 0 {
		l.end = &s.tryEnds[i]
	}
	newest := s.chain.command.ID == t.command
	switch {
	case l.end != nil && !l.end.done:
		l.over, l.recorded = t.Does+" failed: "+clip(cmp.Or(l.end.problem, "its executor does not say why"), 500), true
		return
	case t.stopped != "" && (l.end == nil || t.stoppedAt.stream < l.end.at.stream+t.Wait.Std().Microseconds()):
		l.over, l.recorded = t.stopped, true
		return
	case l.end == nil && newest && !terminal(s.run.state):
		if l.over = s.trySilent(at, t); l.over != "" {
			return
		}
		l.trying = true
	case l.end != nil:
		l.waits = max(0, t.Wait.Std()-at.since(l.end.at))
	default: // cut short by a newer command: nobody knows what it did
		l.waits = max(0, t.Wait.Std()-at.since(t.at))
	}
	if newest && (l.trying || l.waits > 0 || l.m.verdict == message.VerdictDown) {
		l.over = s.madeWorse(at, l)
	}
}

// trySilent says that nobody has begun the try, or ended it, for longer than that may take; "": there is time left. While a group is paused nothing is
// begun, and nothing is held against anybody.
func (s *State) trySilent(at Time, t *tried) string {
	waited := at.since(t.at)
	if m := s.chain.mark; m != nil {
		if _, paused := s.chain.paused(at); paused {
			return ""
		}
		if !m.Paused {
			waited = min(waited, at.since(s.chain.marked))
		} else {
			waited = min(waited, max(0, at.since(s.chain.marked)-m.For.Std()))
		}
	}
	limit := s.tryLimit()
	switch begun := len(s.run.steps) > 0; {
	case !begun && waited >= remedyBegin:
		return "no executor at the site of " + t.Member + " began to " + t.Does + " within " + span(remedyBegin)
	case begun && waited >= remedyBegin+limit+remedyEnd:
		return "nobody has told what became of " + t.Does + " for " + span(limit+remedyEnd)
	}
	return ""
}

// tryLimit is how long the try that is the newest command may take.
func (s *State) tryLimit() time.Duration {
	for _, step := range s.chain.command.Plan.Steps {
		return step.Timeout.Std()
	}
	return 0
}

// downNow lists what is down: checks with effect down or ready, as member/check, sorted.
func (s *State) downNow() []string {
	var out []string
	for _, m := range s.members {
		for _, w := range slices.Concat(m.decides, m.readies) {
			if w.rule != nil && w.rule.verdict == message.VerdictDown {
				out = append(out, m.name+"/"+w.check.Name)
			}
		}
	}
	slices.Sort(out)
	return out
}

// madeWorse says what went down since the try was decided; "": nothing. Another check of the member itself may go down while it starts: that counts only
// once the time has passed in which it was to come up.
func (s *State) madeWorse(at Time, l *ladder) string {
	if !s.judging(at) {
		return ""
	}
	var worse []string
	for _, d := range s.downNow() {
		if own := strings.HasPrefix(d, l.m.name+"/"); slices.Contains(l.last.Down, d) || own && (l.trying || l.waits > 0) {
			continue
		}
		worse = append(worse, d)
	}
	if worse == nil {
		return ""
	}
	return l.last.Does + " made it worse: " + clip(list(worse), 300) + " is down since"
}

// next is the try that comes next; nil: no rung has one left that is for what is down.
func (s *State) next(l *ladder) *message.Remedy {
	made := make([]int, len(s.spec.Remedy))
	for _, t := range l.tries {
		if t.Over == "" && t.Rung <= len(made) {
			made[t.Rung-1]++
		}
	}
	declared, ok := s.spec.Member(l.m.name)
	if !ok {
		return nil
	}
	for i, r := range s.spec.Remedy {
		if made[i] >= r.Times || !l.isFor(r.For) {
			continue
		}
		return &message.Remedy{
			Member: l.m.name, Rung: i + 1, Rungs: len(s.spec.Remedy), Try: made[i] + 1, Times: r.Times, Does: r.Does(declared), Wait: message.Duration(r.Wait),
		}
	}
	return nil
}

// isFor says that one of the checks says down. While the member is up, each of them might.
func (l *ladder) isFor(checks []string) bool {
	if len(checks) == 0 || l.m.verdict != message.VerdictDown {
		return true
	}
	return slices.ContainsFunc(l.m.decides, func(w *watched) bool {
		return w.rule != nil && w.rule.verdict == message.VerdictDown && slices.Contains(checks, w.check.Name)
	})
}

// busy: the ladder has to be waited for.
func (l *ladder) busy() bool { return l != nil && l.over == "" && (l.trying || l.waits > 0) }

// mending is the question whether the member's next try may be made.
func (s *State) mending(l *ladder) question {
	primary := s.chain.primary()
	q := question{who: mender, kind: message.KindRemedy, from: primary, to: primary, ladder: l}
	if q.remedy = s.next(l); q.remedy != nil {
		q.remedy.Down = s.downNow()
		q.remedy.Down = q.remedy.Down[:min(len(q.remedy.Down), 256)]
	}
	return q
}

// giving says whether the newest command, a remedy, keeps no failover away: it is about another member than the primary, or its ladder is over.
func (s *State) giving(at Time) bool {
	c := s.chain.command
	if c == nil || c.Remedy == nil {
		return false
	}
	if c.Remedy.Member != c.Primary {
		return true
	}
	l := s.ladder(at, s.member(c.Primary))
	return l == nil || !l.busy()
}

// due is the try that is to be made on the member now, or shown in dry run.
func (s *State) due(at Time, m *member) (q question, shadow bool) {
	if m == nil || m.verdict != message.VerdictDown {
		return q, false
	}
	l := s.ladder(at, m)
	if l == nil || l.busy() {
		return q, false
	}
	q = s.mending(l)
	reasons := s.refusals(at, q)
	switch {
	case len(reasons) == 0:
		return q, false
	case rehearsed(reasons) && !slices.Contains(s.mendShown, s.shadowOf(m)):
		return q, true
	}
	return question{}, false
}

// shadowOf is what a try in dry run is told once for: this member, down as it is.
func (s *State) shadowOf(m *member) string {
	return "shadow." + s.group + "." + hash("remedy", m.name, m.cause)
}

func (q question) mendWords(at Time) words {
	r := q.remedy
	on := ""
	if r.Rungs > 1 {
		on = " on rung " + strconv.Itoa(r.Rung) + " of " + strconv.Itoa(r.Rungs)
	}
	return words{"member": r.Member, "does": r.Does, "try": strconv.Itoa(r.Try), "times": strconv.Itoa(r.Times), "on": on, "down": q.ladder.m.sentence(at)}
}

// --- the rows of the table

func primaryMendable(s *State, at Time) words {
	return s.mendable(at, func(m *member) bool { return m.name == s.chain.primary() })
}

func standbyMendable(s *State, at Time) words {
	return s.mendable(at, func(m *member) bool { return m.name != s.chain.primary() })
}

func (s *State) mendable(at Time, of func(*member) bool) words {
	for _, m := range s.members {
		if !of(m) {
			continue
		}
		if q, _ := s.due(at, m); q.remedy != nil {
			return q.mendWords(at)
		}
	}
	return nil
}

// primaryMended: the primary is down, and what its ladder tried may yet show.
func primaryMended(s *State, at Time) words {
	m := s.primaryIs(message.VerdictDown)
	if m == nil {
		return nil
	}
	if l := s.ladder(at, m); l.busy() {
		return words{"member": m.name, "how": l.sentence()}
	}
	return nil
}

// ladderOver: a ladder is over, nothing that is stored shows it, and no failover follows that would.
func ladderOver(s *State, at Time) words {
	for _, m := range s.members {
		l := s.ladder(at, m)
		if l == nil || l.over == "" || l.recorded || s.dryRun() {
			continue
		}
		if _, paused := s.chain.paused(at); paused {
			continue
		}
		switch primary := s.primaryIs(message.VerdictDown); {
		case primary != nil && primary != m:
			continue // that comes first
		case primary != nil:
			q := question{who: itself, kind: message.KindFailover, from: m.name, to: s.candidate(at, m.name)}
			if reasons := s.refusing(at, q); len(reasons) == 0 || rehearsed(reasons) {
				continue
			}
		}
		return words{"member": m.name, "why": l.over}
	}
	return nil
}

// mend makes a try, or tells in dry run that it would be made.
func (s *State) mend(at Time, r *situationRule, w words) {
	m := s.member(w["member"])
	q, shadow := s.due(at, m)
	if q.remedy == nil {
		return
	}
	if !shadow {
		s.command(at, q, &r.Rule, w, nil)
		return
	}
	s.mendShown = remember(s.mendShown, s.shadowOf(m))
	w["group"] = s.group
	c, err := s.compose(at, q, &r.Rule, w, nil)
	if err != nil {
		return
	}
	c.ID, c.DryRun = s.shadowOf(m), true
	s.tell(at, message.Event{
		ID: c.ID, Kind: message.EventShadow, Severity: message.Warning, Epoch: c.Epoch, Member: m.name, Code: r.Code, DryRun: true, Command: c,
		Sentence: "dry run: nothing was done; for real, epoch " + epoch(c.Epoch) + " would be decided now: " + c.Sentence,
	})
}

// endLadder writes down that a ladder is over.
func (s *State) endLadder(at Time, r *situationRule, w words) {
	l := s.ladder(at, s.member(w["member"]))
	if l == nil || l.last == nil {
		return
	}
	end := l.last.Remedy
	end.Over, end.Down = clip(l.over, 1000), nil
	primary := s.chain.primary()
	s.command(at, question{who: mender, kind: message.KindRemedy, from: primary, to: primary, remedy: &end, ladder: l}, &r.Rule, w, nil)
}

// --- refusals

func ladderSpent(s *State, at Time, q question) words {
	l := q.ladder
	if l == nil || l.last == nil {
		return nil
	}
	why := l.over
	if why == "" && q.remedy == nil && len(l.tries) > 0 {
		if total := s.spec.RemedyTries(); len(l.tries) >= total {
			why = "all " + strconv.Itoa(total) + " tries were made"
		}
	}
	if why == "" {
		return nil
	}
	return words{"member": l.m.name, "why": why}
}

func noRung(s *State, at Time, q question) words {
	if q.remedy != nil || q.ladder == nil || ladderSpent(s, at, q) != nil {
		return nil
	}
	return words{"member": q.ladder.m.name}
}

// menderGone: the one executor that may mend the member does not answer, so that nobody waits for it.
func menderGone(s *State, at Time, q question) words {
	if q.ladder == nil || !s.executorsTold {
		return nil
	}
	m, ok := s.spec.Member(q.ladder.m.name)
	if !ok || m.Executor == "" {
		return nil
	}
	heard, known := s.executors[m.Executor]
	switch {
	case !known:
		return words{"member": m.Name, "why": "executor " + m.Executor + " was never heard of"}
	case at.Mono-heard > executorSilence:
		return words{"member": m.Name, "why": "executor " + m.Executor + " was last heard of " + span(at.Mono-heard) + " ago"}
	}
	return nil
}

func drillHasIt(s *State, _ Time, q question) words {
	if q.ladder == nil || !s.drill.running() {
		return nil
	}
	return words{"member": q.ladder.m.name, "drill": "drill " + s.drill.ID}
}

// personHasIt: what a person has taken out that person restarts.
func personHasIt(s *State, _ Time, q question) words {
	if q.ladder == nil {
		return nil
	}
	u := s.chain.upkeepOf(q.ladder.m.name)
	if u == nil {
		return nil
	}
	return words{"member": q.ladder.m.name, "who": u.entry.Actor}
}

// mended is what a failover says of the ladder that came before it.
func (s *State) mended(at Time, m *member) string {
	l := s.ladder(at, m)
	if l == nil {
		return ""
	}
	for _, r := range s.refusals(at, s.mending(l)) {
		if r.Code == codeLadder {
			return "; " + r.Sentence
		}
	}
	return ""
}

// --- what is told

// tellRemedies tells that a try helped, or that a ladder is over, once each.
func (s *State) tellRemedies(at Time) {
	if len(s.chain.tries) == 0 || !s.judging(at) {
		return
	}
	for _, m := range s.members {
		l := s.ladder(at, m)
		if l == nil || l.last == nil || at.since(l.last.at) >= retellLimit {
			continue
		}
		t := l.last
		switch {
		case l.over != "":
			s.tellRemedy(at, t, "over", message.Warning, fill("{member} is not mended any more: {why}; its ladder begins anew {again}",
				words{"member": m.name, "why": l.over, "again": s.again(at, l)}))
		case l.end != nil && t.command == s.chain.command.ID && m.verdict == message.VerdictUp && m.since >= l.end.at.heard:
			how := t.Does
			if !l.end.applied {
				how = "nothing was done, since its executor saw it up"
			}
			s.tellRemedy(at, t, "helped", message.Notice, fill("{member} is up again, {after} after try {try} of {times}: {how}",
				words{"member": m.name, "after": span(m.since - l.end.at.heard), "try": strconv.Itoa(t.Try), "times": strconv.Itoa(t.Times), "how": how}))
		}
	}
}

func (s *State) again(at Time, l *ladder) string {
	return "in " + span(max(0, s.spec.RemedyReset-at.since(l.last.at)))
}

func (s *State) tellRemedy(at Time, t *tried, what string, severity message.Severity, sentence string) {
	id := t.command + "." + what
	if t.Over != "" || slices.Contains(s.remedyTolds, id) { // the entry itself is told
		return
	}
	s.remedyTolds = remember(s.remedyTolds, id)
	s.tell(at, message.Event{ID: id, Kind: message.EventRemedy, Severity: severity, Epoch: t.epoch, Member: t.Member, Code: ruleRemedy, Sentence: sentence})
}

// sentence says where a ladder stands that something was tried on.
func (l *ladder) sentence() string {
	t := l.last
	try := " (try " + strconv.Itoa(t.Try) + " of " + strconv.Itoa(t.Times) + ")"
	switch {
	case l.over != "":
		return "its ladder is over: " + l.over
	case l.trying:
		return t.Does + " is under way" + try
	case l.end == nil:
		return t.Does + " was cut short" + try
	case l.waits > 0 && l.m.verdict != message.VerdictUp:
		return t.Does + " was done" + try + ", and it may take another " + span(l.waits) + " to be up"
	}
	return t.Does + " was done last" + try
}

// remedyStatus is the ladder of a member, for people; nil: none is declared.
func (s *State) remedyStatus(at Time, m *member) *message.RemedyStatus {
	l := s.ladder(at, m)
	if l == nil {
		return nil
	}
	st := &message.RemedyStatus{State: message.RemedyReady, Tries: s.spec.RemedyTries()}
	for _, t := range l.tries {
		if t.Over == "" {
			st.Tried++
		}
	}
	show := s.next(l)
	if l.last != nil {
		show = &l.last.Remedy
		st.AgainAt = max(0, l.last.at.stream+s.spec.RemedyReset.Microseconds())
		st.Sentence = l.sentence()
		switch {
		case l.over != "":
			st.State = message.RemedyOver
		case l.trying:
			st.State = message.RemedyTrying
		case l.waits > 0 && m.verdict != message.VerdictUp:
			st.State = message.RemedyWaiting
		case s.next(l) == nil:
			st.State, st.Sentence = message.RemedyOver, "all "+strconv.Itoa(st.Tries)+" tries were made; its ladder begins anew "+s.again(at, l)
		default:
			st.State = message.RemedyTried
		}
	}
	if show != nil {
		st.Rung, st.Rungs, st.Try, st.Times, st.Does = show.Rung, show.Rungs, show.Try, show.Times, show.Does
	}
	switch {
	case st.Sentence != "":
	case show == nil:
		st.Sentence = "no rung of it is for what is down"
	default:
		st.Sentence = "nothing was tried lately; it would begin with: " + st.Does
	}
	st.Sentence = clip(st.Sentence, 2000)
	return st
}

// whyMended says, line by line, where the ladders stand, and why nothing is tried on a member that is down.
func (s *State) whyMended(at Time) []string {
	var lines []string
	for _, m := range s.members {
		l := s.ladder(at, m)
		if l == nil {
			continue
		}
		lines = append(lines, "the ladder of "+m.name+": "+s.remedyStatus(at, m).Sentence)
		if m.verdict == message.VerdictDown && !l.busy() {
			for _, r := range s.refusals(at, s.mending(l)) {
				lines = append(lines, r.Code+" "+r.Sentence)
			}
		}
	}
	return lines
}

// mendsFirst says what is tried before anybody takes over, with how long that may take; "": nothing.
func (s *State) mendsFirst(at Time, from string) (string, time.Duration) {
	l := s.ladder(at, s.member(from))
	if l == nil || l.over != "" {
		return "", 0
	}
	q := s.mending(l)
	if len(s.refusals(at, q)) > 0 {
		return "", 0
	}
	left, tries := time.Duration(0), 0
	made := make([]int, len(s.spec.Remedy))
	for _, t := range l.tries {
		if t.Over == "" && t.Rung <= len(made) {
			made[t.Rung-1]++
		}
	}
	for i, r := range s.spec.Remedy {
		n := max(0, r.Times-made[i])
		left, tries = left+time.Duration(n)*(remedyBegin+r.Timeout+r.Wait), tries+n
	}
	count := "once"
	if tries > 1 {
		count = strconv.Itoa(tries) + " tries"
	}
	return q.remedy.Does + " is tried first (" + count + ", " + span(left) + " at most)", left
}
