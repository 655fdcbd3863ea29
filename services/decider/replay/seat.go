package replay

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/services/decider/core"
)

const (
	micro = int64(time.Microsecond)
	// slack is how much later than a decider heard it a message may be stored, and the other way round.
	slack = 3 * int64(time.Second) / micro
	// history is how far back a decider reads heartbeats when it begins.
	history = 90 * int64(time.Second) / micro
	// tick and quietTick are how often a decider's shell says that time passes.
	tick      = 50 * int64(time.Millisecond) / micro
	quietTick = 250 * int64(time.Millisecond) / micro
	// callEvery is how often it calls the executors.
	callEvery = 5 * int64(time.Second) / micro
	// unresolved is how long a proposal that the record knows nothing of is waited for.
	unresolved = int64(time.Second) / micro
	// mostHeld bounds the messages that are put into order at once, mostTogether the decisions.
	mostHeld     = 1 << 17
	mostTogether = 16
)

// made is what a core decided in the replay.
type made struct {
	at      int64
	after   uint64
	command *message.Command
	matched bool
}

// seat is a core in the place of one decider, for one of its lives. All times are the bus's clock in Unix microseconds.
type seat struct {
	name  string
	core  *core.State
	start int64
	// ups are when it began to watch anew, the first one included.
	ups []int64
	// waits are the decisions that it made in the record, in their order; windows where messages are put into order.
	waits   []*Decision
	windows []window
	held    []held
	// calls says which executors are heard at a moment; nil: nobody knows of any.
	calls func(at int64) []string

	now      int64
	nextTick int64
	nextCall int64
	linked   bool
	ended    bool
	missing  int // looks that a decision rests on and the record does not hold
	cut      int // decisions that rest on more looks than they name
	// alone: the incidents of the record are not its own, and it keeps some for itself.
	alone    bool
	revision uint64 // of the newest incident that it read
	made     []*made
	pending  *pending
	// decided is told of each command that the core decides, instead of its being kept; told of each event. May be nil.
	decided func(*made)
	told    func(at int64, e *message.Event)
}

// pending is a proposal of the core that nothing has become of yet.
type pending struct {
	id        string
	after     uint64
	at        int64
	patiently bool // until somebody else resolves it
}

// window is a stretch of time around decisions that stand close together.
type window struct {
	from, until int64
	decisions   []*Decision
}

// held is a message that waits for its place.
type held struct {
	at    int64 // when the decider had it, as far as is known
	order int
	in    core.Input
	d     *Decision // the moment of a decision: nothing but time passes
	seq   uint64
	look  *message.Heartbeat
	known known // how well at is known
}

// known is how well it is known when a decider had a message.
type known int

const (
	stored    known = iota // when the stream had it
	estimated              // that, and by how much earlier the decider had others of the same vantage
	exact                  // the decider says so
)

// newSeat is for a life that began at start, in a record whose heartbeats begin at first: long before them nobody watches.
func newSeat(group, name string, start, first int64, waits []*Decision) *seat {
	s := &seat{name: name, core: core.New(group, name), start: start, waits: waits, now: start}
	for _, d := range waits {
		if b := d.basis(); b != nil {
			if up := max(b.Stream-b.WatchedMicros, start, first-history); len(s.ups) == 0 || up > s.ups[len(s.ups)-1]+tick {
				s.ups = append(s.ups, up)
			}
			if n := len(s.windows); n > 0 && b.Stream-slack <= s.windows[n-1].until && len(s.windows[n-1].decisions) < mostTogether {
				s.windows[n-1].until = b.Stream + slack
				s.windows[n-1].decisions = append(s.windows[n-1].decisions, d)
			} else {
				s.windows = append(s.windows, window{b.Stream - slack, b.Stream + slack, []*Decision{d}})
			}
		}
	}
	if len(s.ups) == 0 {
		s.ups = []int64{max(start, first)}
	}
	return s
}

// take feeds one message that was stored at it.at. What was stored before the seat's life is read when it begins.
func (s *seat) take(it *item, in core.Input) {
	if s.ended {
		return
	}
	if it.at <= s.start {
		if it.heartbeat == nil || it.at >= s.start-history {
			s.step(s.start, in)
		}
		return
	}
	s.pass(it.at)
	if len(s.windows) > 0 && it.at >= s.windows[0].from {
		h := held{at: it.at, order: len(s.held), in: in, seq: it.seq}
		if hb := it.heartbeat; hb != nil { // it is used for the next one again
			own := *hb
			h.look, h.in = &own, &core.HeartbeatSeen{Heartbeat: &own, Seq: it.seq, Stored: it.at}
		}
		s.held = append(s.held, h)
		if len(s.held) >= mostHeld {
			s.flush()
		}
		return
	}
	s.until(it.at)
	s.step(it.at, in)
}

// takeRest is take for what is no heartbeat. A decision that does not say when it was made is judged when it was stored.
func (s *seat) takeRest(it *item, in core.Input) {
	var c *message.Command
	switch in := in.(type) {
	case core.ChainRead:
		c, _ = in.Entry.(*message.Command)
	case core.ShadowRead:
		c = in.Command
	}
	if c != nil && c.Basis == nil && !s.ended {
		if i := slices.IndexFunc(s.waits, func(d *Decision) bool { return d.Command.ID == c.ID }); i >= 0 && s.waits[i].Replayed == nil {
			s.until(it.at)
			s.step(it.at, core.Tick{})
			s.judge(s.waits[i])
		}
	}
	s.take(it, in)
}

// pass puts into order what is complete now.
func (s *seat) pass(now int64) {
	for len(s.windows) > 0 && now > s.windows[0].until {
		s.flush()
	}
}

// end feeds what is left. The record ends at last.
func (s *seat) end(last int64) {
	for len(s.windows) > 0 {
		s.flush()
	}
	if !s.ended {
		s.until(last)
	}
}

// flush puts the held messages in the order in which the decider had them, and feeds them.
func (s *seat) flush() {
	w := s.windows[0]
	s.windows = s.windows[1:]
	all := s.held
	s.held = nil
	for _, d := range w.decisions {
		b := d.basis()
		looks := make(map[lookKey]message.HeardLook, len(b.Looks))
		for _, l := range b.Looks {
			looks[lookKey{l.Member, l.Check, l.Vantage}] = l
		}
		early := map[lookKey]int64{} // by how much earlier than the stream the decider had a vantage's looks
		for i := range all {
			if hb := all[i].look; hb != nil {
				k := lookKey{hb.Member, hb.Check, hb.Vantage}
				if l, ok := looks[k]; ok && hb.Boot == l.Boot && hb.Seq == l.Seq {
					early[k] = min(max(all[i].at-(b.Stream-l.AgoMicros), -slack), slack)
				}
			}
		}
		whole := len(b.Looks) < message.MaxLooks
		if !whole {
			s.cut++
		}
		for k, l := range looks {
			if _, found := early[k]; !found && l.AgoMicros < slack {
				s.missing++
			}
		}
		for i := range all {
			h := &all[i]
			taken, certain := d.had(h, looks, whole)
			if hb := h.look; hb != nil && certain && taken {
				k := lookKey{hb.Member, hb.Check, hb.Vantage}
				switch l := looks[k]; {
				case hb.Seq == l.Seq:
					h.at, h.known = b.Stream-l.AgoMicros, exact
				case hb.Seq == l.RowSeq:
					h.at, h.known = b.Stream-l.RowAgoMicros, exact
				case h.known == stored:
					h.at, h.known = h.at-early[k], estimated
				}
			}
			if r, ok := h.in.(core.RequestReceived); ok && d.Command.Request == r.Request.ID {
				h.at, taken, certain = b.Stream-b.WaitedMicros, true, true
			}
			if at, newest, said := d.heard(h); said && newest {
				h.at, h.known = at, exact
			} else if said && taken {
				h.at = min(h.at, at) // it came before the newest one
			}
			switch {
			case certain && taken:
				h.at = min(h.at, b.Stream)
			case certain:
				h.at = max(h.at, b.Stream+1)
			}
		}
		all = append(all, held{at: b.Stream, order: len(all) + mostHeld, d: d})
	}
	slices.SortStableFunc(all, func(a, b held) int { return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.order, b.order)) })
	ahead := make([]int64, len(all)) // the next decision
	for i, next := len(all)-1, int64(math.MaxInt64); i >= 0; i-- {
		if all[i].d != nil {
			next = all[i].at
		}
		ahead[i] = next
	}
	for i := range all {
		h := &all[i]
		// No tick in the last moments before a decision: the decider's own tick came at it, or it needed none.
		if quiet := ahead[i] - tick - tick/5; h.at <= quiet {
			s.until(h.at)
		} else {
			s.until(min(max(s.now, quiet), h.at))
		}
		if h.d != nil {
			s.step(h.at, h.d.steady(h.at))
			s.judge(h.d)
			continue
		}
		if r, ok := h.in.(core.RequestReceived); ok { // it is answered as it comes
			for _, d := range w.decisions {
				if d.Command.Request == r.Request.ID {
					s.step(h.at, d.steady(h.at))
				}
			}
		}
		s.step(h.at, h.in)
	}
	if len(s.windows) == 0 && len(s.waits) > 0 {
		s.ended = true // what it did after its last decision nobody knows
	}
}

type lookKey struct{ member, check, vantage string }

// had says whether the decider had the message when it decided, and whether that is certain.
func (d *Decision) had(h *held, looks map[lookKey]message.HeardLook, whole bool) (taken, certain bool) {
	switch in := h.in.(type) {
	case *core.HeartbeatSeen:
		hb := in.Heartbeat
		l, ok := looks[lookKey{hb.Member, hb.Check, hb.Vantage}]
		if !ok {
			return false, whole
		}
		return hb.Seq <= l.Seq, hb.Boot == l.Boot
	case core.ChainRead:
		return h.seq <= d.Command.Positions["commands"], true
	case core.SafetyRead:
		return h.seq <= d.Command.Positions["safety"], true
	case core.RouteRead:
		seq, said := d.Command.Positions["events"]
		return h.seq <= seq, said // commands of older versions do not say
	case core.SpecChanged:
		return h.seq <= d.Command.SpecRevision, true
	case core.ShadowRead:
		return false, in.Command.ID == d.Command.ID // what tells of it comes after it, whatever the clocks say
	case core.OutcomeRead:
		return false, in.Outcome.Request == d.Command.Request
	}
	return false, false
}

// steady is what the decider knew at a moment, at its decision or shortly before, of how long members had been steady: nothing, where it does not say so.
func (d *Decision) steady(at int64) core.Input {
	told := core.SteadyTold{For: map[string]time.Duration{}}
	for name, micros := range d.basis().Steady {
		told.For[name] = time.Duration(max(0, micros-(d.basis().Stream-at)) * micro)
	}
	return told
}

// heard is when the decider had the newest message of the stream that h is of, and whether h is that one; said: it says so.
func (d *Decision) heard(h *held) (at int64, newest, said bool) {
	stream := ""
	switch h.in.(type) {
	case core.ChainRead:
		stream = "commands"
	case core.SafetyRead:
		stream = "safety"
	}
	b := d.basis()
	ago, said := b.Heard[stream]
	return b.Stream - ago, h.seq == d.Command.Positions[stream], said
}

// until lets time pass as a shell does: links, calls of executors, ticks.
func (s *seat) until(to int64) {
	for {
		at, what := to, 0
		if len(s.ups) > 0 && s.ups[0] <= at {
			at, what = s.ups[0], 1
		}
		if s.linked && s.calls != nil && s.nextCall < at {
			at, what = s.nextCall, 2
		}
		if s.linked && s.nextTick < at {
			at, what = s.nextTick, 3
		}
		switch what {
		case 0:
			return
		case 1:
			if s.linked {
				s.step(at, core.LinkChanged{})
			}
			s.ups = s.ups[1:]
			s.linked = true
			s.nextTick, s.nextCall = at+tick, at
			s.step(at, core.LinkChanged{Up: true})
		case 2:
			if names := s.calls(at); len(names) > 0 {
				s.step(at, core.ExecutorsSeen{Names: names})
			}
			s.nextCall = at + callEvery
		case 3:
			s.step(at, core.Tick{})
			s.nextTick = at + tick
			if s.core.Quiet(s.time(at)) {
				s.nextTick = at + quietTick
			}
		}
	}
}

func (s *seat) time(at int64) core.Time {
	return core.Time{Mono: time.Duration((at - s.start) * micro), Stream: at, Wall: at}
}

// step feeds one input. Time never goes back.
func (s *seat) step(at int64, in core.Input) {
	s.now = max(s.now, at)
	if p := s.pending; p != nil && !p.patiently && s.now-p.at > unresolved {
		s.resolve()
	}
	if in, ok := in.(core.ChainRead); ok && s.pending != nil && in.Seq > s.pending.after {
		s.pending = nil // somebody has the place
	}
	s.out(s.core.Step(s.time(s.now), in))
	if s.nextTick > s.now+tick && !s.core.Quiet(s.time(s.now)) {
		s.nextTick = s.now + tick
	}
}

// resolve tells the core that its proposal was not stored.
func (s *seat) resolve() {
	p := s.pending
	s.pending = nil
	s.out(s.core.Step(s.time(s.now), core.ProposalResolved{ID: p.id}))
}

func (s *seat) out(outs []core.Output) {
	for _, o := range outs {
		switch o := o.(type) {
		case core.Propose:
			s.pending = &pending{id: o.Entry.MessageID(), after: o.After, at: s.now}
			if c, ok := o.Entry.(*message.Command); ok { // of a mark or a drill's end the record holds what became of it
				s.decide(&made{at: s.now, after: o.After, command: c})
			}
		case core.Tell:
			if o.Event.Kind == message.EventShadow && o.Event.Command != nil {
				s.decide(&made{at: s.now, command: o.Event.Command})
			}
			if s.told != nil {
				s.told(s.now, o.Event)
			}
		case core.Record:
			if s.alone && o.Revision == s.revision {
				s.revision++
				s.out(s.core.Step(s.time(s.now), core.IncidentRead{Incident: o.Incident, Revision: s.revision, Stored: s.now}))
			}
		}
	}
}

// incident is what the table of incidents held when the event was told. The table itself keeps sixteen revisions, too few for days.
func (s *seat) incident(e *message.Event, at int64) core.Input {
	group, number, _ := cutLast(e.Incident, '-')
	n, err := strconv.ParseUint(number, 10, 64)
	if err != nil || n == 0 || group != e.Group {
		return nil
	}
	m := &message.Incident{Group: e.Group, N: n, Open: *e.Opened, Sentence: e.Sentence, Decider: e.Writer}
	revision := 2 * n
	if !m.Open {
		revision++
	}
	return core.IncidentRead{Incident: m, Revision: revision, Stored: at}
}

func cutLast(s string, sep byte) (before, after string, found bool) {
	if i := strings.LastIndexByte(s, sep); i >= 0 {
		return s[:i], s[i+1:], true
	}
	return s, "", false
}

func (s *seat) decide(m *made) {
	if s.decided != nil {
		s.decided(m)
		return
	}
	if n := len(s.made); n > 0 {
		if last := s.made[n-1]; !last.matched && !m.command.DryRun && !last.command.DryRun && last.after == m.after && roles(last.command) == roles(m.command) {
			last.command = m.command // the same once more, since nothing became of it
			return
		}
	}
	s.made = append(s.made, m)
}

// mends is the member that a try of a ladder is about; "": it is none. In dry run a try and a failover are shown at once.
func mends(c *message.Command) string {
	if c.Remedy == nil {
		return ""
	}
	return c.Remedy.Member
}

func roles(c *message.Command) string { return string(c.Kind) + " " + c.From + " " + c.Primary }

// tolerance is how much later than the record the replay may decide: what a decision waited for began at a moment that is known to a
// few milliseconds. recent is how long ago a shadow may have been told that is taken for the one of the record.
const (
	tolerance = 2 * tick
	recent    = 2 * int64(time.Second) / micro
)

// judge compares what the record says was decided now with what the core has decided.
func (s *seat) judge(d *Decision) {
	for until := s.now + tolerance; ; {
		if m := s.find(d); m != nil {
			m.matched = true
			d.Replayed, d.replayedAt = m.command, m.at
			d.compare()
			return
		}
		if s.now >= until {
			break
		}
		s.step(s.now+tick/10, core.Tick{})
	}
	d.Difference = "the replay decides nothing here: " + strings.ReplaceAll(s.core.WhyNot(s.time(s.now), d.Command.Primary), "\n", "; ")
}

func (s *seat) find(d *Decision) *made {
	for _, m := range slices.Backward(s.made) {
		switch {
		case m.matched || m.command.DryRun != d.Command.DryRun:
		case !m.command.DryRun && m.after == d.after, m.command.DryRun && s.now-m.at < recent && m.command.Request == d.Command.Request && mends(m.command) == mends(d.Command):
			return m
		}
	}
	return nil
}

// executorsOf makes the answers of executors out of what the decisions say of them: one is heard at a moment if the next decision
// says that it was heard then or later.
func executorsOf(waits []*Decision) func(int64) []string {
	var all map[string]bool
	for _, d := range waits {
		if b := d.basis(); b != nil && b.Executors != nil {
			if all == nil {
				all = map[string]bool{}
			}
			for name := range b.Executors {
				all[name] = true
			}
		}
	}
	if all == nil {
		return nil
	}
	names := slices.Sorted(maps.Keys(all))
	return func(at int64) []string {
		for _, d := range waits {
			b := d.basis()
			if b == nil || b.Stream < at || b.Executors == nil {
				continue
			}
			var out []string
			for _, name := range names {
				if ago, ok := b.Executors[name]; ok && b.Stream-ago >= at {
					out = append(out, name)
				}
			}
			return out
		}
		return names
	}
}
