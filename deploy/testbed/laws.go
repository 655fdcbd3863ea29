//go:build linux

package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/subject"
)

// A law is something that holds for every record, whatever was broken. All processes of a bed read one clock, that of the machine, so what several of them
// wrote down can be put in order by it: more than they could know of each other.
type law struct {
	name  string
	says  string
	check func(*story, accuse)
}

// accuse reports a breach, and where it stands.
type accuse func(at place, format string, args ...any)

// place is a line of the record, and when it was written.
type place struct {
	line string
	at   time.Time
}

// laws are all of them. The numbers are those of docs/promises.md; "one" is the first row there.
var laws = []law{
	{"chain", "1: epochs grow by one, each has one command and at most one held, never after a later command, by the executor beside its primary", chainLaw},
	{"succession", "1: a swap begins at a held epoch and names one of its members; what is no swap keeps the primary of the last one that was held", successionLaw},
	{"terms", "a reconfigure changes one thing, after held", termsLaw},
	{"promotable", "one: nobody is promoted who might lack a write: the promotable set is the new primary alone, and grows by who is known to be synchronous", promotableLaw},
	{"tenure", "one: a member acknowledges only while the newest held epoch is its own", tenureLaw},
	{"fenced", "one: who said that it is fenced neither holds nor acknowledges up to that epoch", fencedLaw},
	{"paused", "4: no swap is decided while the group is paused", pausedLaw},
	{"order", "2: no step is begun once one of a later epoch was", orderLaw},
	{"held-first", "2: what changes something is begun after held", heldFirstLaw},
	{"once", "3: what is done is not begun again", onceLaw},
	{"ended", "every run came to an end, with nothing half way", endedLaw},
	{"told", "no silence: each command, end of a step, run, word of being fenced and mark has its event, and each failover its verdict", toldLaw},
	{"asked", "6: each request that was stored or answered has its outcome, each refusal a reason, each acceptance its effect", askedLaw},
	{"incidents", "every incident is closed and said to be", incidentsLaw},
	{"bus-away", "7: losing the bus swaps nothing, and the primary goes on", busAwayLaw},
	{"letters", "nothing was invalid or given up", lettersLaw},
	{"crashes", "no program shouts", func(s *story, bad accuse) {
		for _, l := range s.Crashes {
			bad(place{"log", s.Ended}, "%s", l)
		}
	}},
}

// breaches holds the record to every law.
func (r *record) breaches() []string {
	var out []string
	s, err := r.story()
	if err != nil {
		return []string{"the record cannot be read: " + err.Error()}
	}
	for _, l := range laws {
		n := 0
		l.check(s, func(at place, format string, args ...any) {
			if at.at.Before(r.Since) { // of a sequence that was judged before, on the same bed
				return
			}
			if n++; n <= 5 {
				out = append(out, fmt.Sprintf("%s: %s (%s)", l.name, fmt.Sprintf(format, args...), at.line))
			}
		})
		if n > 5 {
			out = append(out, fmt.Sprintf("%s: and %d more", l.name, n-5))
		}
	}
	return out
}

// story is a record, read.
type story struct {
	*record
	chain     []link
	safety    []said
	events    []said
	requests  []said
	incidents []said
	letters   []said
	journal   []revision
}

// said is one message where it stands.
type said struct {
	entry
	m message.Message
}

func (x entry) line() string { return fmt.Sprintf("%s %d", x.Stream, x.Seq) }

func (x entry) place() place { return place{x.line(), x.At} }

// link is an entry of the chain: one of the three is set.
type link struct {
	entry
	cmd  *message.Command
	held *message.Held
	mark *message.Mark
}

// revision is one version of a run in the journal.
type revision struct {
	entry
	Epoch uint64                 `json:"epoch"`
	State message.State          `json:"state"`
	Steps map[string]journalStep `json:"steps"`
}

type journalStep struct {
	State   message.State `json:"state"`
	Attempt int           `json:"attempt"`
	Take    int           `json:"take"`
	Applied bool          `json:"applied"`
}

func (r *record) story() (*story, error) {
	s := &story{record: r}
	for _, e := range r.Entries {
		if e.Stream == "KV_"+subject.BucketJournal {
			v := revision{entry: e}
			if len(e.Body) == 0 {
				continue
			}
			if err := json.Unmarshal(e.Body, &v); err != nil {
				return nil, fmt.Errorf("%s: %w", e.line(), err)
			}
			s.journal = append(s.journal, v)
			continue
		}
		if e.Stream == "KV_"+subject.BucketSpec {
			continue
		}
		m, err := message.Decode(message.Header{message.HeaderType: {e.Type}}, e.Body)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", e.line(), err)
		}
		x := said{e, m}
		switch e.Stream {
		case subject.StreamCommands:
			l := link{entry: e}
			switch m := m.(type) {
			case *message.Command:
				l.cmd = m
			case *message.Held:
				l.held = m
			case *message.Mark:
				l.mark = m
			default:
				return nil, fmt.Errorf("%s: a %s in the chain", e.line(), message.NameOf(m))
			}
			s.chain = append(s.chain, l)
		case subject.StreamSafety:
			s.safety = append(s.safety, x)
		case subject.StreamEvents:
			s.events = append(s.events, x)
		case subject.StreamRequests:
			s.requests = append(s.requests, x)
		case subject.StreamDeadLetter:
			s.letters = append(s.letters, x)
		case "KV_" + subject.BucketIncident:
			s.incidents = append(s.incidents, x)
		}
	}
	return s, nil
}

// walk goes through the chain: f gets each entry with the newest command before it, and the newest one before it that was held.
func (s *story) walk(f func(l link, last, held *message.Command)) {
	var last, held *message.Command
	for _, l := range s.chain {
		f(l, last, held)
		switch {
		case l.cmd != nil:
			last = l.cmd
		case l.held != nil && last != nil && l.held.Epoch == last.Epoch:
			held = last
		}
	}
}

func isSwap(k message.Kind) bool { return k == message.KindFailover || k == message.KindSwitchover }

func chainLaw(s *story, bad accuse) {
	var heldOf uint64
	for i, l := range s.chain {
		if want := uint64(i + 1); l.Seq != want {
			bad(l.place(), "the entry before it is gone: sequence %d, want %d", l.Seq, want)
			return
		}
	}
	s.walk(func(l link, last, _ *message.Command) {
		newest := uint64(0)
		if last != nil {
			newest = last.Epoch
		}
		switch {
		case l.cmd != nil && l.cmd.Epoch != newest+1:
			bad(l.place(), "epoch %d follows epoch %d", l.cmd.Epoch, newest)
		case l.held == nil:
		case l.held.Epoch != newest:
			bad(l.place(), "held of epoch %d stands after the command of epoch %d", l.held.Epoch, newest)
		case heldOf == l.held.Epoch:
			bad(l.place(), "epoch %d is held twice", heldOf)
		case l.held.Primary != last.Primary || l.held.Command != last.ID:
			bad(l.place(), "held by %s of command %s, and the command %s names %s", l.held.Primary, l.held.Command, last.ID, last.Primary)
		default:
			heldOf = l.held.Epoch
			if last.Lease == nil {
				bad(l.place(), "epoch %d has no lease", last.Epoch)
			} else if b, ok := last.Lease.Of(l.held.Primary); !ok || b.Executor != l.held.Executor {
				bad(l.place(), "held is written by %s, and beside %s is %q", l.held.Executor, l.held.Primary, b.Executor)
			}
		}
	})
}

func successionLaw(s *story, bad accuse) {
	s.walk(func(l link, last, held *message.Command) {
		if l.cmd == nil {
			return
		}
		c := l.cmd
		switch {
		case last == nil:
			if c.Kind != message.KindAdopt {
				bad(l.place(), "the first command is a %s", c.Kind)
			}
		case isSwap(c.Kind):
			switch {
			case held != last && !abandoned(c, last, held):
				bad(l.place(), "%s at epoch %d, and epoch %d is not held", c.Kind, c.Epoch, last.Epoch)
			case !slices.Contains(last.Members, c.Primary):
				bad(l.place(), "%s to %s, and the members of epoch %d are %v", c.Kind, c.Primary, last.Epoch, last.Members)
			case c.From != last.Primary || c.Primary == last.Primary:
				bad(l.place(), "%s from %s to %s, and the primary of epoch %d is %s", c.Kind, c.From, c.Primary, last.Epoch, last.Primary)
			case c.Kind == message.KindFailover && c.Request == "" && !last.Lease.Armed:
				bad(l.place(), "an automatic failover, and epoch %d is not armed", last.Epoch)
			}
		case held == nil:
			if c.Primary != last.Primary {
				bad(l.place(), "%s of %s before anything was held, and epoch %d names %s", c.Kind, c.Primary, last.Epoch, last.Primary)
			}
		case c.Primary != held.Primary:
			bad(l.place(), "%s of %s, and the last that held is %s (epoch %d)", c.Kind, c.Primary, held.Primary, held.Epoch)
		}
	})
}

// abandoned says that a failover may follow a command that was not held: one that leaves the roles as they were. Its primary may be gone for good, and
// what it would have changed is abandoned with it.
func abandoned(c, last, held *message.Command) bool {
	return c.Kind == message.KindFailover && (last.Kind == message.KindResume || last.Kind == message.KindReconfigure) &&
		held != nil && last.Primary == held.Primary && slices.Contains(held.Members, c.Primary)
}

func termsLaw(s *story, bad accuse) {
	s.walk(func(l link, last, held *message.Command) {
		if l.cmd == nil || l.cmd.Kind != message.KindReconfigure || last == nil {
			return
		}
		if held != last {
			bad(l.place(), "a reconfigure at epoch %d, and epoch %d is not held", l.cmd.Epoch, last.Epoch)
			return
		}
		was, is := last.Lease, l.cmd.Lease
		if was == nil || is == nil {
			bad(l.place(), "epoch %d has no lease", l.cmd.Epoch)
			return
		}
		var changes []string
		if n := differ(last.Members, l.cmd.Members); n > 0 {
			changes = append(changes, "members")
		}
		n := differ(was.Deciders, is.Deciders)
		if n > 0 {
			changes = append(changes, "deciders")
		}
		if was.TTL != is.TTL {
			changes = append(changes, "ttl")
		}
		if was.Armed != is.Armed {
			changes = append(changes, "armed")
		}
		if len(changes) > 1 || n > 1 {
			bad(l.place(), "one reconfigure changes %s (%d deciders)", strings.Join(changes, ", "), n)
		}
	})
}

// differ is how many names are in one list alone.
func differ(a, b []string) int {
	n := 0
	for _, x := range a {
		if !slices.Contains(b, x) {
			n++
		}
	}
	for _, x := range b {
		if !slices.Contains(a, x) {
			n++
		}
	}
	return n
}

func promotableLaw(s *story, bad accuse) {
	s.walk(func(l link, last, held *message.Command) {
		c := l.cmd
		if c == nil || c.Lease == nil || c.Lease.Durability != message.NeverLose || last == nil {
			return
		}
		switch {
		case isSwap(c.Kind):
			if held == nil || !slices.Contains(held.Members, c.Primary) || !slices.Contains(last.Members, c.Primary) {
				bad(l.place(), "%s to %s, which is not promotable", c.Kind, c.Primary)
			}
			if !slices.Equal(c.Members, []string{c.Primary}) {
				bad(l.place(), "after the %s %v are promotable, and nobody but %s can be known to have every write", c.Kind, c.Members, c.Primary)
			}
			return
		case c.Kind == message.KindResume:
			for _, m := range c.Members {
				if held != nil && !slices.Contains(held.Members, m) {
					bad(l.place(), "the resume makes %s promotable, which was not so at epoch %d", m, held.Epoch)
				}
			}
			return
		}
		for _, m := range c.Members {
			if slices.Contains(last.Members, m) || m == c.Primary {
				continue
			}
			if word := s.wordOf(c, m); word == nil || word.State != message.StandbySynchronous {
				bad(l.place(), "%s becomes promotable at epoch %d, and the primary's last word was %s", m, c.Epoch, wordText(word))
			}
		}
	})
}

// wordOf is what the primary's executor had said last of the standby, by what the command's decider had read.
func (s *story) wordOf(c *message.Command, standby string) (word *message.Standby) {
	var newest *message.Replication
	for _, x := range s.safety {
		r, ok := x.m.(*message.Replication)
		if !ok || x.Seq > c.Positions["safety"] || r.Primary != c.Primary || newest != nil && (r.Epoch < newest.Epoch || r.Executor == newest.Executor && r.Seq < newest.Seq) {
			continue
		}
		newest = r
	}
	if newest == nil {
		return nil
	}
	for i := range newest.Standbys {
		if newest.Standbys[i].Member == standby {
			return &newest.Standbys[i]
		}
	}
	return nil
}

func wordText(w *message.Standby) string {
	if w == nil {
		return "none"
	}
	return w.State
}

// term is from when a member was held.
type term struct {
	link
	from time.Time
}

func (s *story) terms() []term {
	var out []term
	for _, l := range s.chain {
		if l.held != nil {
			out = append(out, term{l, l.At})
		}
	}
	return out
}

func tenureLaw(s *story, bad accuse) {
	terms := s.terms()
	for _, w := range s.Tried {
		// Whoever was the last that was held at some instant between call and return may have acknowledged.
		i, _ := slices.BinarySearchFunc(terms, w.Call, func(t term, at time.Time) int {
			if t.from.After(at) {
				return 1
			}
			return -1
		})
		i--
		if i < 0 {
			bad(place{"client", w.Return}, "%s acknowledged a write at %s, before anything was held", w.Node, clock(w.Return))
			continue
		}
		may := terms[i].held.Primary == w.Node
		for j := i + 1; j < len(terms) && !terms[j].from.After(w.Return); j++ {
			may = may || terms[j].held.Primary == w.Node
		}
		if !may {
			bad(place{terms[i].line(), w.Return}, "%s acknowledged a write that was sent at %s and answered at %s, and %s held epoch %d since %s",
				w.Node, clock(w.Call), clock(w.Return), terms[i].held.Primary, terms[i].held.Epoch, clock(terms[i].from))
		}
	}
}

func clock(t time.Time) string { return t.Format("15:04:05.000") }

func fencedLaw(s *story, bad accuse) {
	type word struct {
		said
		f *message.Fenced
	}
	var words []word
	for _, x := range s.safety {
		f, ok := x.m.(*message.Fenced)
		if !ok {
			continue
		}
		words = append(words, word{x, f})
		newest := uint64(0)
		for _, l := range s.chain {
			if l.cmd != nil && !l.At.After(x.At) {
				newest = l.cmd.Epoch
			}
		}
		if f.Epoch > newest {
			bad(x.place(), "%s says that it is fenced up to epoch %d, and the newest is %d", f.Member, f.Epoch, newest)
		}
	}
	terms := s.terms()
	for _, t := range terms {
		for _, w := range words {
			if w.f.Member == t.held.Primary && w.f.Epoch >= t.held.Epoch && w.At.Before(t.At) {
				bad(t.place(), "%s holds epoch %d, and was fenced up to epoch %d before (%s)", t.held.Primary, t.held.Epoch, w.f.Epoch, w.line())
			}
		}
	}
	for _, x := range s.Tried {
		for _, w := range words {
			if w.f.Member != x.Node || !x.Call.After(w.At) {
				continue
			}
			if !slices.ContainsFunc(terms, func(t term) bool {
				return t.held.Primary == x.Node && t.held.Epoch > w.f.Epoch && !t.from.After(x.Return)
			}) {
				bad(place{w.line(), x.Return}, "%s acknowledged a write that was sent at %s, after it had said at %s that it is fenced up to epoch %d", x.Node, clock(x.Call), clock(w.At), w.f.Epoch)
			}
		}
	}
}

func pausedLaw(s *story, bad accuse) {
	var paused *link
	for i, l := range s.chain {
		switch {
		case l.mark != nil && l.mark.Paused:
			paused = &s.chain[i]
		case l.mark != nil:
			paused = nil
		case l.cmd != nil && isSwap(l.cmd.Kind) && paused != nil && (paused.mark.For == 0 || l.At.Before(paused.At.Add(paused.mark.For.Std()))):
			bad(l.place(), "%s at epoch %d, and the group is paused (%s)", l.cmd.Kind, l.cmd.Epoch, paused.line())
		}
	}
}

// begun is the first that is known of an attempt at a step.
type begun struct {
	entry
	epoch uint64
	step  string
}

// begins are all attempts at steps, in the order in which the journal has them.
func (s *story) begins() []begun {
	type try struct {
		epoch         uint64
		step          string
		attempt, take int
	}
	known := map[try]bool{}
	var out []begun
	for _, v := range s.journal {
		var names []string
		for name := range v.Steps {
			names = append(names, name)
		}
		slices.Sort(names)
		for _, name := range names {
			x := v.Steps[name]
			k := try{v.Epoch, name, x.Attempt, x.Take}
			if x.State == message.StateSkipped || x.State == "" || known[k] {
				continue
			}
			known[k] = true
			out = append(out, begun{v.entry, v.Epoch, name})
		}
	}
	return out
}

func orderLaw(s *story, bad accuse) {
	var newest begun
	for _, b := range s.begins() {
		if b.epoch < newest.epoch {
			bad(b.place(), "step %s of epoch %d is begun after step %s of epoch %d was (%s)", b.step, b.epoch, newest.step, newest.epoch, newest.line())
			continue
		}
		newest = b
	}
	// By the clock that all of them share, too: the journal says in which order steps were entered, this when.
	type started struct {
		x said
		m *message.StepResult
	}
	var all []started
	for _, x := range s.safety {
		if m, ok := x.m.(*message.StepResult); ok && m.State == message.StateStarted {
			all = append(all, started{x, m})
		}
	}
	slices.SortStableFunc(all, func(a, b started) int { return cmp.Compare(a.m.At, b.m.At) })
	var last started
	for _, x := range all {
		if last.m != nil && x.m.Epoch < last.m.Epoch {
			bad(x.x.place(), "step %s of epoch %d was begun at %s, after step %s of epoch %d (%s)",
				x.m.Step, x.m.Epoch, clock(time.UnixMicro(x.m.At).UTC()), last.m.Step, last.m.Epoch, last.x.line())
			continue
		}
		last = x
	}
}

func heldFirstLaw(s *story, bad accuse) {
	held := map[uint64]link{}
	phases := map[uint64]map[string]message.Phase{}
	for _, l := range s.chain {
		if l.held != nil {
			held[l.held.Epoch] = l
		}
		if l.cmd != nil {
			phases[l.cmd.Epoch] = map[string]message.Phase{}
			for _, step := range l.cmd.Plan.Steps {
				phases[l.cmd.Epoch][step.Name] = step.Phase
			}
		}
	}
	for _, b := range s.begins() {
		phase, known := phases[b.epoch][b.step]
		switch {
		case !known:
			bad(b.place(), "step %s is not in the plan of epoch %d", b.step, b.epoch)
		case phase == message.PhaseLook || phase == message.PhaseRelease:
		case held[b.epoch].held == nil:
			bad(b.place(), "step %s of epoch %d is begun, and the epoch was never held", b.step, b.epoch)
		case b.At.Before(held[b.epoch].At):
			bad(b.place(), "step %s of epoch %d is begun at %s, before it was held (%s)", b.step, b.epoch, clock(b.At), held[b.epoch].line())
		}
	}
}

// over says that a run goes no further.
func over(s message.State) bool {
	return s == message.StateDone || s == message.StateEnded || s == message.StateAborted || s == message.StateSuperseded
}

func onceLaw(s *story, bad accuse) {
	type which struct {
		epoch uint64
		step  string
	}
	done := map[which]revision{}
	ended := map[uint64]revision{}
	for _, v := range s.journal {
		if e, ok := ended[v.Epoch]; ok && e.State != v.State {
			bad(v.place(), "the run of epoch %d is %s, and was %s (%s)", v.Epoch, v.State, e.State, e.line())
		}
		for name, x := range v.Steps {
			p := which{v.Epoch, name}
			if was, ok := done[p]; ok && (x.State != message.StateDone || x.Attempt != was.Steps[name].Attempt || x.Take != was.Steps[name].Take) {
				bad(v.place(), "step %s of epoch %d is %s (attempt %d), and was done (%s)", name, v.Epoch, x.State, x.Attempt, was.line())
			}
			if e, ok := ended[v.Epoch]; ok { // what was begun before may end after
				was, known := e.Steps[name]
				if !known || was.Attempt != x.Attempt || was.Take != x.Take || was.State != message.StateStarted && was.State != x.State {
					bad(v.place(), "step %s of epoch %d becomes %s (attempt %d), and the run was %s already (%s)", name, v.Epoch, x.State, x.Attempt, e.State, e.line())
				}
			}
			if x.State == message.StateDone {
				done[p] = v
			}
		}
		if over(v.State) {
			if _, ok := ended[v.Epoch]; !ok {
				ended[v.Epoch] = v
			}
		}
	}
}

func endedLaw(s *story, bad accuse) {
	newest := map[uint64]revision{}
	for _, v := range s.journal {
		newest[v.Epoch] = v
	}
	runs := map[uint64]message.State{}
	for _, x := range s.safety {
		if m, ok := x.m.(*message.RunResult); ok && (over(m.State) || !over(runs[m.Epoch])) {
			runs[m.Epoch] = m.State
		}
	}
	for _, l := range s.chain {
		if l.cmd == nil {
			continue
		}
		v, known := newest[l.cmd.Epoch]
		switch {
		case !known:
			bad(l.place(), "the journal knows nothing of epoch %d (%s)", l.cmd.Epoch, l.cmd.Kind)
		case !over(v.State):
			bad(v.place(), "the %s of epoch %d is %s", l.cmd.Kind, l.cmd.Epoch, v.State)
		case !over(runs[l.cmd.Epoch]):
			bad(v.place(), "the %s of epoch %d is %s, and the last that was told of it is %q", l.cmd.Kind, l.cmd.Epoch, v.State, runs[l.cmd.Epoch])
		case v.State == message.StateDone:
			for _, step := range l.cmd.Plan.Steps {
				x := v.Steps[step.Name]
				if x.State != message.StateDone && x.State != message.StateSkipped && (x.State != message.StateFailed || step.OnFailure != message.FailGoOn) {
					bad(v.place(), "the %s of epoch %d is done, and its step %s is %q", l.cmd.Kind, l.cmd.Epoch, step.Name, x.State)
				}
			}
		}
	}
}

func toldLaw(s *story, bad accuse) {
	events := map[string]bool{}
	for _, x := range s.events {
		events[x.m.MessageID()] = true
	}
	want := func(x entry, id, what string) {
		if !events[id] {
			bad(x.place(), "%s has no event %s", what, id)
		}
	}
	for _, l := range s.chain {
		switch {
		case l.cmd != nil:
			want(l.entry, "decision."+l.cmd.ID, "the "+string(l.cmd.Kind)+" of epoch "+strconv.FormatUint(l.cmd.Epoch, 10))
		case l.mark != nil:
			want(l.entry, "mode."+l.mark.ID, "the mark")
		}
		if l.cmd == nil || l.cmd.Kind != message.KindFailover || l.cmd.Rule != "R240" {
			continue
		}
		if !slices.ContainsFunc(s.events, func(x said) bool {
			e := x.m.(*message.Event)
			return e.Kind == message.EventVerdict && e.Member == l.cmd.From && e.Verdict != nil && e.Verdict.To == message.VerdictDown && (e.At <= l.cmd.At || e.Epoch+1 == l.cmd.Epoch)
		}) {
			bad(l.place(), "the failover from %s has no verdict", l.cmd.From)
		}
	}
	held := map[uint64]bool{}
	for _, x := range s.safety {
		switch m := x.m.(type) {
		case *message.StepResult:
			if m.State != message.StateStarted {
				want(x.entry, "ev."+m.ID, "step "+m.Step+" of epoch "+strconv.FormatUint(m.Epoch, 10))
			}
		case *message.RunResult:
			want(x.entry, "ev."+m.ID, "the run of epoch "+strconv.FormatUint(m.Epoch, 10))
			held[m.Epoch] = held[m.Epoch] || m.State == message.StateHeld
		case *message.Fenced:
			want(x.entry, "ev."+m.ID, "that "+m.Member+" is fenced up to epoch "+strconv.FormatUint(m.Epoch, 10))
		}
	}
	for _, l := range s.chain {
		if l.held != nil && !held[l.held.Epoch] {
			bad(l.place(), "that epoch %d is held is not told", l.held.Epoch)
		}
	}
}

func askedLaw(s *story, bad accuse) {
	outcomes := map[string]*message.Outcome{}
	for _, x := range s.events {
		e := x.m.(*message.Event)
		if e.Kind != message.EventOutcome || e.Outcome == nil {
			continue
		}
		o := e.Outcome
		if was := outcomes[o.Request]; was != nil && was.Accepted != o.Accepted {
			bad(x.place(), "request %s was accepted and refused", o.Request)
		}
		outcomes[o.Request] = o
		if !o.Accepted && (len(o.Reasons) == 0 || slices.ContainsFunc(o.Reasons, func(r message.Reason) bool { return r.Sentence == "" || r.Code == "" })) {
			bad(x.place(), "request %s was refused without a reason", o.Request)
		}
	}
	stored := map[string]bool{}
	for _, x := range s.requests {
		stored[x.m.MessageID()] = true
		if outcomes[x.m.MessageID()] == nil {
			bad(x.place(), "request %s has no outcome", x.m.MessageID())
		}
	}
	effect := map[string]uint64{} // of a request, the epoch of its command; 0: a mark
	for _, l := range s.chain {
		id := ""
		switch {
		case l.cmd != nil && l.cmd.Request != "":
			id, effect[l.cmd.Request] = l.cmd.Request, l.cmd.Epoch
		case l.mark != nil && l.mark.Request != "":
			id, effect[l.mark.Request] = l.mark.Request, 0
		default:
			continue
		}
		if !stored[id] {
			bad(l.place(), "it is because of request %s, which is not stored", id)
		}
		if o := outcomes[id]; o != nil && !o.Accepted {
			bad(l.place(), "it is because of request %s, which was refused", id)
		}
	}
	for _, a := range s.Asked {
		if a.Answer == nil {
			continue
		}
		o, line := a.Answer, place{"answer to " + a.Reason, a.At}
		switch told := outcomes[o.Request]; {
		case told == nil:
			bad(line, "request %s was answered (accepted: %t), and has no outcome", o.Request, o.Accepted)
			continue
		case told.Accepted != o.Accepted:
			bad(line, "request %s was answered (accepted: %t), and its outcome says otherwise", o.Request, o.Accepted)
		}
		if !o.Accepted {
			continue
		}
		epoch, known := effect[o.Request]
		if !known && (isSwap(message.Kind(o.Verb)) || o.Verb == message.VerbPause || o.Verb == message.VerbResume || o.Verb == message.VerbAbort) {
			bad(line, "request %s (%s) was accepted, and nothing stands in the chain for it", o.Request, o.Verb)
		} else if known && epoch != 0 && epoch != o.Epoch {
			bad(line, "request %s was accepted as epoch %d, and is epoch %d", o.Request, o.Epoch, epoch)
		}
	}
}

func incidentsLaw(s *story, bad accuse) {
	newest := map[string]said{}
	for _, x := range s.incidents {
		newest[x.Subject] = x
	}
	for _, x := range newest {
		if i := x.m.(*message.Incident); i.Open {
			bad(x.place(), "incident %s-%d is open: %s", i.Group, i.N, i.Sentence)
		}
	}
	closed := map[string]bool{}
	for _, x := range s.events {
		if e := x.m.(*message.Event); e.Kind == message.EventIncident && e.Opened != nil && !*e.Opened {
			closed[e.Incident] = true
		}
	}
	for _, x := range s.events {
		if e := x.m.(*message.Event); e.Kind == message.EventIncident && e.Opened != nil && *e.Opened && !closed[e.Incident] {
			bad(x.place(), "incident %s was opened, and nobody said that it is over", e.Incident)
		}
	}
}

// A cut of the bus is judged where nothing else was broken for so long before and after it.
const (
	quietBefore = 10 * time.Second
	quietAfter  = 500 * time.Millisecond
	// longestGap is how long a primary may pause when it goes over from the deciders to its peers: it should not at all, but the machine may be busy.
	longestGap = time.Second
)

func busAwayLaw(s *story, bad accuse) {
	for _, x := range s.Acts {
		if x.What != "bus" || x.Until.IsZero() || slices.ContainsFunc(s.Acts, func(y deed) bool {
			until := y.Until
			if until.IsZero() {
				until = y.From
			}
			return y != x && y.From.Before(x.Until.Add(quietAfter)) && until.After(x.From.Add(-quietBefore))
		}) {
			continue
		}
		line := "bus away from " + clock(x.From) + " to " + clock(x.Until)
		for _, l := range s.chain {
			if l.cmd != nil && l.cmd.Request == "" && isSwap(l.cmd.Kind) && l.At.After(x.From) && l.At.Before(x.Until.Add(quietAfter)) {
				bad(l.place(), "%s at epoch %d though nothing but the bus was gone (%s)", l.cmd.Kind, l.cmd.Epoch, line)
			}
		}
		before := x.From
		var acks []time.Time
		for _, w := range s.Tried {
			if w.Return.After(x.From) && w.Return.Before(x.Until) {
				acks = append(acks, w.Return)
			}
		}
		slices.SortFunc(acks, time.Time.Compare)
		for _, at := range append(acks, x.Until) {
			if gap := at.Sub(before); gap > longestGap {
				bad(place{"client", at}, "nobody was served for %.1f s until %s though nothing but the bus was gone (%s)", gap.Seconds(), clock(at), line)
			}
			before = at
		}
	}
}

func lettersLaw(s *story, bad accuse) {
	for _, x := range s.letters {
		if m, ok := x.m.(*message.DeadLetter); ok {
			bad(x.place(), "dead letter of %s: %s", m.Subject, tail(m.Reason, 200))
		}
	}
}
