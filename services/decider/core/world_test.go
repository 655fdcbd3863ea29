package core

import (
	"cmp"
	"container/heap"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec"
)

// world is all around the core, simulated in virtual time: members, vantages that look at them, a bus with a chain that takes
// compare-and-set, an executor, and one or more deciders. Without a network model everything arrives a moment later; with one, what is heard is
// lost, doubled, delayed and reordered, while what is followed arrives in order, as the real bus does it.
type world struct {
	spec  *spec.Group
	specs []specAt
	now   time.Duration
	queue agenda
	order int

	deciders []*decider
	vantages []*vantage
	truth    map[string]condition // member: how it really is
	views    map[string]condition // vantage + "/" + member: how it looks from there, where that differs
	looks    []lookTaken
	stored   []*HeartbeatSeen // as the stream keeps them

	// The bus. log holds what is followed, in its order.
	chain    []entry
	seq      uint64
	safety   uint64
	log      []Input
	incident *message.Incident
	revision uint64
	critical []*message.Event // that nobody takes over, or that somebody does, or would
	holding  bool             // proposals get no answer
	backdate time.Duration    // how long ago the stream says that what is written next was stored
	held     []func()
	// thresholds are what the table holds of figures, told the events that it was stored with; figures are what is measured, by check, member and figure.
	thresholds *message.Thresholds
	keeps      uint64
	figures    map[string]float64

	exec executor
	// keepers stand in for the executor where the group has a lease.
	keepers *keepers
	net     *rand.Rand // nil: nothing is lost
	chaos   bool       // losses are on

	// say gets each thing that happens.
	say func(d *decider, line string)
	out func(d *decider, o Output)
	// took, where set, gets each input as a decider takes it.
	took func(d *decider, in Input)
}

type specAt struct {
	at   time.Duration
	spec *spec.Group
}

type entry struct {
	seq    uint64
	m      message.Message
	stored int64
}

type decider struct {
	name    string
	w       *world
	s       *State
	born    time.Duration
	up      bool
	linked  bool
	cursor  int // into log
	stalled time.Duration
	cut     time.Duration // when the link went
	last    time.Duration // when the newest in-order copy is due
	n       int           // restarts, so that old deliveries find nobody
}

type vantage struct {
	name  string
	state string // "", blind, silent, late, unknown
	boot  int
	seq   map[string]uint64
}

// condition is how a member answers.
type condition struct {
	answer   message.Answer
	hard     bool
	evidence string
	slow     bool // the answer is a time-out
	cold     bool // up, and its readiness checks fail
	crashed  bool // up, and what only the primary's side runs is gone
}

var conditions = map[string]condition{
	"up":       {answer: message.Up},
	"degraded": {answer: message.Degraded},
	"refused":  {answer: message.Down, hard: true, evidence: "connection refused"},
	"failing":  {answer: message.Down, evidence: "status 500"},
	"silent":   {answer: message.Down, slow: true, evidence: "no answer within 300ms"},
	"cold":     {cold: true},
	"crashed":  {crashed: true},
	"unknown":  {answer: message.Unknown, evidence: "exec: no such file"},
}

type lookTaken struct {
	at              time.Duration
	vantage, member string
	answer          message.Answer
	counts          bool
	hard            bool
}

// due is something that will happen.
type due struct {
	at    time.Duration
	order int
	do    func()
}

type agenda []due

func (a agenda) Len() int { return len(a) }
func (a agenda) Less(i, j int) bool {
	return a[i].at < a[j].at || a[i].at == a[j].at && a[i].order < a[j].order
}
func (a agenda) Swap(i, j int) { a[i], a[j] = a[j], a[i] }
func (a *agenda) Push(x any)   { *a = append(*a, x.(due)) }
func (a *agenda) Pop() any {
	old := *a
	x := old[len(old)-1]
	*a = old[:len(old)-1]
	return x
}

const tickEvery = 50 * time.Millisecond

// epochStart is what the stream's clock shows at zero.
var epochStart = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func newWorld(g *spec.Group) *world {
	w := &world{
		spec: g, specs: []specAt{{0, g}}, truth: map[string]condition{}, views: map[string]condition{}, figures: map[string]float64{},
		say: func(*decider, string) {}, out: func(*decider, Output) {},
	}
	w.exec = executor{w: w, name: "ex1", mode: "on"}
	for _, m := range g.Members {
		w.truth[m.Name] = conditions["up"]
	}
	for i, name := range g.Vantages() {
		v := &vantage{name: name, boot: 1, seq: map[string]uint64{}}
		w.vantages = append(w.vantages, v)
		for j := range g.Checks {
			c := g.Checks[j]
			if slices.Contains(c.From, name) {
				w.look(v, c, c.Every*time.Duration(i)/time.Duration(len(g.Vantages()))+10*time.Millisecond)
			}
		}
	}
	if c := g.Canary; c != nil {
		w.truth[message.ClientsMember] = conditions["up"]
		for i, name := range c.From {
			v := &vantage{name: name, boot: 1, seq: map[string]uint64{}}
			w.vantages = append(w.vantages, v)
			w.look(v, *c, c.Every*time.Duration(i)/time.Duration(len(c.From))+7*time.Millisecond)
		}
	}
	w.beginKeeping()
	return w
}

// beginKeeping puts executors beside the members of a leased group.
func (w *world) beginKeeping() {
	if w.spec.Lease != nil {
		w.keepers = newKeepers(w)
	}
}

func (w *world) after(d time.Duration, do func()) {
	w.order++
	heap.Push(&w.queue, due{w.now + max(d, 0), w.order, do})
}

// run lets time pass until t.
func (w *world) run(t time.Duration) {
	for len(w.queue) > 0 && w.queue[0].at <= t {
		next := heap.Pop(&w.queue).(due)
		w.now = next.at
		next.do()
	}
	w.now = t
}

// delay is how long a message takes.
func (w *world) delay() time.Duration {
	if w.net == nil {
		return time.Millisecond
	}
	if w.chaos && w.net.IntN(10) == 0 {
		return time.Duration(w.net.IntN(400)) * time.Millisecond
	}
	return time.Duration(200+w.net.IntN(2000)) * time.Microsecond
}

func (w *world) lost(percent int) bool { return w.chaos && w.net.IntN(100) < percent }

func (w *world) stream() int64 { return epochStart.UnixMicro() + w.now.Microseconds() }

// --- deciders

func (w *world) start(name string) *decider {
	d := &decider{name: name, w: w}
	w.deciders = append(w.deciders, d)
	d.boot()
	d.tick()
	return d
}

// boot starts the decider with nothing but what the bus has recorded.
func (d *decider) boot() {
	d.n++
	d.s, d.born, d.up, d.linked, d.cursor, d.last, d.cut = New(d.w.spec.Name, d.name), d.w.now, true, false, 0, 0, 0
	d.feed(SpecChanged{d.w.spec})
	d.link(true)
}

func (d *decider) stop() { d.up, d.linked = false, false; d.n++ }

func (d *decider) link(up bool) {
	if d.linked == up || !d.up {
		return
	}
	d.linked = up
	if !up {
		d.cut = d.w.now
		d.feed(LinkChanged{false})
		return
	}
	for d.cursor < len(d.w.log) {
		d.cursor++
		d.feed(d.w.log[d.cursor-1])
	}
	for _, in := range d.w.stored { // what was stored meanwhile, or in the last moments before a start
		if at := time.Duration(in.Stored-epochStart.UnixMicro()) * time.Microsecond; at > d.w.now-d.w.spec.Policy.StableFor-2*time.Second && at >= d.cut {
			d.feed(in)
		}
	}
	if d.w.incident != nil {
		d.feed(IncidentRead{d.w.incident, d.w.revision, d.w.stream()})
	}
	if d.w.thresholds != nil {
		d.feed(ThresholdsRead{d.w.thresholds, d.w.keeps})
	}
	d.feed(LinkChanged{true})
}

func (d *decider) time() Time {
	return Time{Mono: d.w.now - d.born, Stream: d.w.stream(), Wall: d.w.stream() + int64(len(d.name))*1e6}
}

func (d *decider) tick() {
	d.w.after(tickEvery, func() {
		d.feed(Tick{})
		d.tick()
	})
}

// feed hands the decider one input and does what it says.
func (d *decider) feed(in Input) {
	if d.up && d.w.now < d.stalled { // the process is frozen: what comes in waits
		n := d.n
		d.w.after(d.stalled-d.w.now, func() {
			if d.n == n {
				d.feed(in)
			}
		})
		return
	}
	if !d.up {
		return
	}
	if d.w.took != nil {
		d.w.took(d, in)
	}
	for _, o := range d.s.Step(d.time(), in) {
		d.w.out(d, o)
		d.do(o)
	}
}

// later delivers unless the decider was restarted or cut off meanwhile.
func (d *decider) later(after time.Duration, in Input) {
	n := d.n
	d.w.after(after, func() {
		if d.n == n && d.linked {
			d.feed(in)
		}
	})
}

// follow delivers what is in the log, in order and without gaps.
func (d *decider) follow() {
	n := d.n
	at := max(d.w.now+d.w.delay(), d.last)
	d.last = at
	d.w.after(at-d.w.now, func() {
		if d.n == n && d.linked && d.cursor < len(d.w.log) {
			d.cursor++
			d.feed(d.w.log[d.cursor-1])
		}
	})
}

func (d *decider) do(o Output) {
	w := d.w
	switch o := o.(type) {
	case Propose:
		id := o.Entry.MessageID()
		try := func() {
			seq := w.propose(o.Entry, o.After)
			d.later(w.delay(), ProposalResolved{ID: id, Seq: seq})
		}
		switch {
		case w.holding:
			w.held = append(w.held, try)
		case w.lost(5): // never arrives
			d.later(time.Second, ProposalResolved{ID: id})
		case w.lost(5): // arrives, and the answer is lost
			w.after(w.delay(), func() { w.propose(o.Entry, o.After) })
			d.later(time.Second, ProposalResolved{ID: id})
		default:
			w.after(w.delay()/2, try)
		}
	case Answer:
		if err := message.Validate(o.Event); err != nil {
			panic(err)
		}
		w.append(OutcomeRead{o.Event.Outcome})
	case Tell:
		if err := message.Validate(o.Event); err != nil {
			panic(err)
		}
		if o.Event.Severity == message.Critical && o.Event.Kind != message.EventVerdict {
			w.critical = append(w.critical, o.Event)
		}
		if o.Event.Kind == message.EventShadow {
			w.append(ShadowRead{o.Event.Command})
		}
		if o.Event.Clients != nil {
			w.append(ClientsRead{o.Event.Clients})
		}
		if o.Event.Judged != nil {
			w.append(JudgedRead{o.Event.Judged, w.stream()})
		}
	case Send:
		if err := message.Validate(o.Request); err != nil {
			panic(err)
		}
		d.later(w.delay(), RequestReceived{o.Request, w.stream()})
	case Instruct:
		w.after(w.delay(), func() { w.report(o.Instruction); w.exec.instructed(o.Instruction) })
	case Keep:
		for _, e := range o.Tell {
			if err := message.Validate(e); err != nil {
				panic(err)
			}
		}
		if err := message.Validate(o.Thresholds); err != nil {
			panic(err)
		}
		w.after(w.delay(), func() {
			if o.Revision == w.keeps {
				w.keeps++
				w.thresholds = o.Thresholds
				in := ThresholdsRead{o.Thresholds, w.keeps}
				for _, d := range w.deciders {
					d.later(w.delay(), in)
				}
			}
		})
	case Record:
		w.after(w.delay(), func() {
			if o.Revision == w.revision {
				w.revision++
				w.incident = o.Incident
				in := IncidentRead{o.Incident, w.revision, w.stream()}
				for _, d := range w.deciders {
					d.later(w.delay(), in)
				}
			}
		})
	}
}

// --- the bus

// propose is the compare-and-set of the chain: it returns the sequence of the entry that took the place.
func (w *world) propose(m message.Message, after uint64) uint64 {
	if err := message.Validate(m); err != nil {
		panic(err)
	}
	for _, e := range w.chain {
		if e.m.MessageID() == m.MessageID() {
			return e.seq
		}
		if e.seq > after {
			return e.seq
		}
	}
	if n := len(w.chain); n > 0 && w.chain[n-1].seq != after || n == 0 && after != 0 {
		panic(fmt.Sprintf("expected %d, which never was", after))
	}
	w.write(m)
	return w.seq
}

// write appends to the chain and lets everybody hear it.
func (w *world) write(m message.Message) {
	prev := uint64(0)
	if n := len(w.chain); n > 0 {
		prev = w.chain[n-1].seq
	}
	w.seq += 1 + uint64(len(w.chain)%3) // other groups share the stream
	e := entry{w.seq, m, w.stream() - w.backdate.Microseconds()}
	w.chain = append(w.chain, e)
	for _, d := range w.deciders {
		for range 2 {
			if w.net != nil && !w.lost(30) {
				d.later(w.delay(), ChainRead{Entry: m, Seq: e.seq, Stored: e.stored, Prev: prev})
			}
		}
	}
	w.append(ChainRead{Entry: m, Seq: e.seq, Stored: e.stored, InOrder: true})
	w.exec.heard(m)
}

func (w *world) append(in Input) {
	w.log = append(w.log, in)
	for _, d := range w.deciders {
		d.follow()
	}
}

// report stores a safety message.
func (w *world) report(m message.Message) {
	if err := message.Validate(m); err != nil {
		panic(err)
	}
	w.safety++
	in := SafetyRead{m, w.safety, w.stream()}
	for _, d := range w.deciders {
		if w.net != nil && !w.lost(30) {
			d.later(w.delay(), in)
		}
	}
	w.append(in)
}

func (w *world) route(name, proxy string, serves ...string) {
	slices.Sort(serves)
	w.append(RouteRead{&message.RouteSeen{Route: name, Proxy: proxy, Reachable: true, Serves: serves}, uint64(len(w.log) + 1), "x1"})
}

func (w *world) apply(g *spec.Group) {
	w.spec = g
	w.specs = append(w.specs, specAt{w.now, g})
	for _, m := range g.Members {
		if _, ok := w.truth[m.Name]; !ok {
			w.truth[m.Name] = conditions["up"]
		}
	}
	for _, d := range w.deciders {
		d.feed(SpecChanged{g})
	}
}

// newest is the last entry of the chain, and the last command.
func (w *world) newest() (last message.Message, command *message.Command) {
	for _, e := range w.chain {
		last = e.m
		if c, ok := e.m.(*message.Command); ok {
			command = c
		}
	}
	return last, command
}

// --- vantages

// look schedules the looks of one vantage by one check, for ever.
func (w *world) look(v *vantage, c spec.Check, in time.Duration) {
	w.after(in, func() {
		if c.Name == message.ClientsCheck {
			w.see(v, c, message.ClientsMember)
			w.look(v, c, c.Every)
			return
		}
		for _, m := range w.spec.Members {
			if c.Looks(m.Name) && slices.Contains(c.VantagesOf(m), v.name) {
				w.see(v, c, m.Name)
			}
		}
		w.look(v, c, c.Every)
	})
}

// condition is how the member looks from there by one check: "b/app" is how what the check looks at is, where that differs from all of b.
func (w *world) condition(v *vantage, check, member string) condition {
	for _, of := range []string{member + "/" + check, member} {
		if c, ok := w.views[v.name+"/"+of]; ok {
			return c
		}
		if c, ok := w.truth[of]; ok {
			return c
		}
	}
	return condition{}
}

// see publishes one look.
func (w *world) see(v *vantage, c spec.Check, member string) {
	state := v.state
	if state == "silent" {
		return
	}
	how := w.condition(v, c.Name, member)
	if how.cold {
		how = conditions["up"]
		if c.Effect == spec.EffectReady {
			how = conditions["failing"]
		}
	}
	if how.crashed {
		how = conditions["up"]
		if c.OfPrimary {
			how = conditions["refused"]
		}
	}
	took := 2 * time.Millisecond
	if how.slow {
		took = c.Timeout
	}
	w.after(took, func() {
		key := c.Name + "/" + member
		v.seq[key]++
		hb := message.Heartbeat{
			Group: w.spec.Name, Member: member, Vantage: v.name, Check: c.Name, Boot: fmt.Sprintf("boot%d", v.boot), Seq: v.seq[key],
			Answer: how.answer, Hard: how.hard, Evidence: how.evidence, EveryMicros: c.Every.Microseconds(), LatencyMicros: took.Microseconds(),
		}
		if c.Measures() {
			hb.Answer, hb.Hard, hb.Evidence, hb.Perf = message.Up, false, "as measured", map[string]float64{}
			for _, b := range c.Bounds() {
				if v, ok := w.figures[c.Name+"/"+member+"/"+b.Figure]; ok {
					hb.Perf[b.Figure] = v
				} else {
					hb.Answer, hb.Evidence = message.Unknown, "cannot measure: that key is no list; name the list's key"
				}
			}
		} else if w.keepers != nil && hb.Answer == message.Up && member != message.ClientsMember {
			hb.Perf = w.keepers.perf(member)
		}
		switch state {
		case "blind":
			hb.Blind = true
		case "late":
			hb.LateMicros = (w.spec.Policy.MaxLate + time.Second).Microseconds()
		case "unknown":
			hb.Answer, hb.Hard, hb.Evidence = message.Unknown, false, "no route to host"
		}
		w.looks = append(w.looks, lookTaken{w.now, v.name, member, hb.Answer, state == "", hb.Hard})
		in := &HeartbeatSeen{Heartbeat: &hb, Seq: uint64(len(w.looks)), Stored: w.stream()}
		w.stored = append(w.stored, in)
		for _, d := range w.deciders {
			if !w.lost(10) {
				one := hb
				d.later(w.delay(), &HeartbeatSeen{Heartbeat: &one})
			}
			if w.net != nil {
				d.later(w.delay()+5*time.Millisecond, in)
			}
		}
	})
}

// set changes how a member is, or what one check of it looks at. Hard evidence is noticed at once: the probers' open connections end.
func (w *world) set(of string, how condition, from ...string) {
	member, only, _ := strings.Cut(of, "/")
	if len(from) == 0 {
		w.truth[of] = how
		for _, v := range w.vantages {
			delete(w.views, v.name+"/"+of)
		}
	}
	for i, v := range w.vantages {
		if len(from) > 0 && !slices.Contains(from, v.name) {
			continue
		}
		if len(from) > 0 {
			w.views[v.name+"/"+of] = how
		}
		if how.hard {
			for _, c := range w.spec.Checks {
				if slices.Contains(c.From, v.name) && c.Looks(member) && (only == "" || only == c.Name) {
					w.after(time.Duration(i+1)*time.Millisecond, func() { w.see(v, c, member) })
				}
			}
		}
	}
}

func (w *world) vantage(name string) *vantage {
	for _, v := range w.vantages {
		if v.name == name {
			return v
		}
	}
	panic("no vantage " + name)
}

// --- the executor

// executor runs commands as the contract says: look, held, act, verify; nothing while paused. Its mode makes it misbehave.
type executor struct {
	w    *world
	name string
	mode string // on, off, ends, aborts, aborts-late, pauses, pauses-look, stalls
	// pausesAt is the step at which it pauses; "": route-front.
	pausesAt string
	// mends is what a try of a ladder leads to: nothing, helps, fails, worse (b goes down), dies (its executor, in the middle), gone (nobody is there).
	mends string
	n     int // results told
	wait  *message.Command
	// asks is the command that waits at its approval step, passed one that was approved.
	asks, passed *message.Command
	approved     bool // people approve every step at once
}

func (x *executor) heard(m message.Message) {
	if x.w.keepers != nil {
		x.w.keepers.heard(m)
		return
	}
	switch m := m.(type) {
	case *message.Command:
		x.begin(m)
	case *message.Mark:
		if x.wait != nil {
			x.begin(x.wait)
		}
	case *message.Maintenance:
		x.w.after(5*time.Millisecond, x.w.poolRoute)
	}
}

// out are the members in maintenance, as the chain says.
func (w *world) drained() map[string]bool {
	out := map[string]bool{}
	for _, e := range w.chain {
		if m, ok := e.m.(*message.Maintenance); ok {
			out[m.Member] = m.Begins
		}
	}
	return out
}

// poolRoute is what executors tell of a pool's proxy once it is as the chain says.
func (w *world) poolRoute() {
	if w.spec.Pool == nil {
		return
	}
	drained := w.drained()
	w.route("front", "tcp://192.0.2.2:9999", slices.DeleteFunc(w.spec.MemberNames(), func(m string) bool { return drained[m] })...)
}

func (x *executor) begin(c *message.Command) {
	x.wait = c
	if x.mode == "off" {
		return
	}
	x.w.after(2*time.Millisecond, func() { x.look(c) })
}

// stopped: a newer command took its place, or the group is paused.
func (x *executor) stopped(c *message.Command) bool {
	var mark *message.Mark
	var at int64
	newest := c
	for _, e := range x.w.chain {
		switch m := e.m.(type) {
		case *message.Mark:
			mark, at = m, e.stored
		case *message.Command:
			newest = m
		}
	}
	if newest != c {
		x.run(c, message.StateSuperseded, "", "epoch "+epoch(newest.Epoch)+" took its place")
		if x.wait == c {
			x.wait = nil
		}
		return true
	}
	return mark != nil && mark.Paused && (mark.For == 0 || x.w.stream()-at < mark.For.Std().Microseconds())
}

func (x *executor) look(c *message.Command) {
	if x.stopped(c) || x.wait != c {
		return
	}
	x.run(c, message.StateStarted, "", "began")
	if len(c.Plan.Steps) > 0 && c.Plan.Steps[0].Driver == message.DriverApprove && x.passed != c && !x.approved {
		step := c.Plan.Steps[0]
		x.asks = c
		x.step(c, step.Name, message.StateWaiting, "")
		x.w.after(step.Timeout.Std(), func() {
			if x.asks == c && !x.stopped(c) {
				x.refused(c, "step "+step.Name+" expired: nobody approved it within "+span(step.Timeout.Std())+"; nothing was changed; the earlier primary stays")
			}
		})
		return
	}
	switch {
	case c.Kind == message.KindAdopt || c.Kind == message.KindResume || c.Kind == message.KindReconfigure || c.Kind == message.KindRemedy:
	case x.mode == "ends":
		x.wait = nil
		x.run(c, message.StateEnded, "look-again", c.From+" answered with status 200")
		return
	case x.mode == "pauses-look":
		step := c.Plan.Steps[0].Name
		x.step(c, step, message.StatePaused, "no executor can look")
		x.run(c, message.StatePaused, step, "step "+step+" failed and waits for a person")
		return
	case x.mode == "aborts":
		x.wait = nil
		x.run(c, message.StateAborted, "look-again", "step look-again failed and aborts the plan")
		return
	}
	last, _ := x.w.newest()
	seq := x.w.chain[len(x.w.chain)-1].seq
	if _, ok := last.(*message.Held); !ok {
		x.w.propose(&message.Held{ID: "held." + c.ID, Group: c.Group, Epoch: c.Epoch, Primary: c.Primary, Command: c.ID, Executor: x.name}, seq)
	}
	x.w.after(10*time.Millisecond, func() { x.act(c) })
}

func (x *executor) act(c *message.Command) {
	if x.stopped(c) || x.wait != c {
		return
	}
	if c.Kind == message.KindRemedy && len(c.Plan.Steps) > 0 {
		x.mend(c)
		return
	}
	if i := slices.IndexFunc(c.Plan.Steps, func(p message.Step) bool { return p.Name == spec.StepVerify }); i >= 0 && c.Kind == message.KindResume && x.w.keepers == nil && x.w.truth[c.Primary].answer == message.Down {
		x.step(c, spec.StepVerify, message.StatePaused, c.Primary+" does not answer")
		x.run(c, message.StatePaused, spec.StepVerify, "step "+spec.StepVerify+" failed and waits for a person")
		return
	}
	if c.Kind != message.KindAdopt && c.Kind != message.KindResume && c.Kind != message.KindReconfigure {
		switch x.mode {
		case "aborts-late":
			x.wait = nil
			x.run(c, message.StateAborted, "route-front", "step route-front failed and aborts the plan")
			return
		case "pauses":
			x.pause(c, cmp.Or(x.pausesAt, "route-front"))
			return
		case "stalls": // it is gone, and nobody else may go on
			if x.pausesAt != "" {
				x.step(c, x.pausesAt, message.StateStarted, "")
			}
			return
		}
		if i := slices.IndexFunc(c.Plan.Steps, func(p message.Step) bool { return p.Driver == message.DriverApprove && p.Phase == message.PhaseAct }); i >= 0 && x.passed != c && !x.approved {
			x.pause(c, c.Plan.Steps[i].Name)
			return
		}
	}
	x.finish(c)
}

// pause has the swap wait at a step after it was held; what comes before that in the plan is done.
func (x *executor) pause(c *message.Command, at string) {
	for i := range c.Plan.Steps {
		switch p := &c.Plan.Steps[i]; {
		case p.Name == at && p.Driver == message.DriverApprove:
			x.asks = c
			x.step(c, p.Name, message.StateWaiting, "")
			return
		case p.Name == at:
			x.step(c, p.Name, message.StatePaused, "proxy refuses the connection")
			x.run(c, message.StatePaused, p.Name, "step "+p.Name+" failed and waits for a person")
			return
		case p.Phase == message.PhaseAct:
			x.step(c, p.Name, message.StateDone, "")
		}
	}
	x.finish(c)
}

func (x *executor) finish(c *message.Command) {
	x.w.after(5*time.Millisecond, func() {
		if x.stopped(c) || x.wait != c {
			return
		}
		if len(c.Plan.Steps) > 0 && c.Kind != message.KindRemedy {
			for _, r := range x.w.spec.Routes {
				for _, p := range r.HAProxy.Proxies {
					x.w.route(r.Name, p, c.Primary)
				}
			}
		}
		x.wait = nil
		x.run(c, message.StateDone, "", c.Primary+" is primary")
	})
}

// mend makes a try: half a second of work, and a second later it shows.
func (x *executor) mend(c *message.Command) {
	if x.mends == "gone" {
		return
	}
	x.step(c, message.StepRemedy, message.StateStarted, "")
	if x.mends == "dies" {
		return
	}
	x.w.after(500*time.Millisecond, func() {
		if x.stopped(c) || x.wait != c {
			return
		}
		state, problem := message.StateDone, ""
		switch x.mends {
		case "helps":
			x.w.after(time.Second, func() { x.w.set(c.Remedy.Member, conditions["up"]) })
		case "worse":
			x.w.set("b", conditions["refused"])
		case "fails":
			state, problem = message.StateFailed, "exit code 1: Job for app.service failed"
		}
		x.step(c, message.StepRemedy, state, problem)
		x.finish(c)
	})
}

// refused ends a swap at its approval step.
func (x *executor) refused(c *message.Command, why string) {
	x.asks, x.wait = nil, nil
	x.step(c, c.Plan.Steps[0].Name, message.StateFailed, "")
	x.run(c, message.StateAborted, c.Plan.Steps[0].Name, why)
}

func (x *executor) instructed(m *message.Instruction) {
	if c := x.asks; c != nil && c.Epoch == m.Epoch && !x.stopped(c) {
		if after := m.Verb == message.VerbReject && x.passed != c && slices.ContainsFunc(c.Plan.Steps, func(p message.Step) bool { return p.Name == m.Step && p.Phase == message.PhaseAct }); after {
			x.asks = nil
			x.step(c, m.Step, message.StatePaused, "rejected")
			x.run(c, message.StatePaused, m.Step, "step "+m.Step+" failed and waits for a person")
			return
		}
		if m.Verb == message.VerbReject {
			x.refused(c, "rejected at step "+m.Step+" by "+m.Actor+"; nothing was changed; the earlier primary stays")
			return
		}
		x.asks, x.passed = nil, c
		x.step(c, m.Step, message.StateDone, "")
		x.look(c)
		return
	}
	if c := x.wait; c != nil && c.Epoch == m.Epoch {
		state := message.StateDone
		if m.Verb == message.VerbSkip {
			state = message.StateSkipped
		}
		x.step(c, m.Step, state, "")
		x.finish(c)
	}
}

func (x *executor) step(c *message.Command, step string, st message.State, problem string) {
	x.n++
	x.w.report(&message.StepResult{
		ID: fmt.Sprintf("%s.%s.%d", c.ID, step, x.n), Group: c.Group, Epoch: c.Epoch, Command: c.ID, Step: step, Driver: "haproxy", State: st,
		Attempt: 1, Executor: x.name, Problem: problem, Applied: step == message.StepRemedy && st == message.StateDone,
	})
}

func (x *executor) run(c *message.Command, st message.State, step, sentence string) {
	x.n++
	r := &message.RunResult{
		ID: fmt.Sprintf("%s.run.%d", c.ID, x.n), Group: c.Group, Epoch: c.Epoch, Command: c.ID, Kind: c.Kind, Primary: c.Primary, State: st,
		Step: step, Executor: x.name, Sentence: sentence,
	}
	if st == message.StateDone {
		r.ExecuteMicros, r.VerifyMicros = 18_000, 12_000
	}
	x.w.report(r)
}

// --- a spec to begin with

// pair is a group of two HTTP sites behind one proxy, seen from three vantages.
func pair() *spec.Group {
	p := spec.DefaultPolicy()
	p.Quorum, p.StableFor = 2, 10*time.Second
	return &spec.Group{
		Name: "web", Mode: spec.Auto, Adopt: "a", Policy: p, Revision: 7,
		Members: []spec.Member{{Name: "a", Site: "sp", URL: "http://192.0.2.10:8080"}, {Name: "b", Site: "rj", URL: "http://198.51.100.10:8080"}},
		Checks: []spec.Check{{
			Name: "alive", Kind: spec.CheckHTTP, Effect: spec.EffectDown, Every: time.Second, Timeout: 300 * time.Millisecond,
			From: []string{"rj", "sp", "wit"}, HTTP: &spec.HTTPCheck{URL: "/alive"},
		}},
		Routes: []spec.Route{{Name: "front", HAProxy: &spec.HAProxyRoute{
			Proxies: []string{"tcp://192.0.2.2:9999"}, Backend: "web", Servers: map[string]string{"a": "s1", "b": "s2"}, Timeout: time.Second,
		}}},
	}
}

// describe writes one output as one line of a story.
func describe(o Output) string {
	switch o := o.(type) {
	case Propose:
		switch e := o.Entry.(type) {
		case *message.Command:
			return fmt.Sprintf("PROPOSE   epoch %d %s %s→%s %s", e.Epoch, e.Kind, e.From, e.Primary, e.Rule)
		case *message.Mark:
			return fmt.Sprintf("PROPOSE   mark paused=%t", e.Paused)
		case *message.Approval:
			return fmt.Sprintf("PROPOSE   approval of %s: %s", e.Of, e.State)
		case *message.Maintenance:
			return fmt.Sprintf("PROPOSE   maintenance of %s begins=%t for %s %s", e.Member, e.Begins, e.For, e.Rule)
		case *message.Planned:
			what := "plan"
			if e.Asks != nil {
				what = string(e.Asks.Verb)
			}
			return fmt.Sprintf("PROPOSE   %s %s: %s", what, e.Name, e.State)
		case *message.DrillEnd:
			return fmt.Sprintf("PROPOSE   end of drill %s: %s %s", e.Drill, e.How, e.Rule)
		}
	case Keep:
		var all []string
		for _, e := range o.Tell {
			all = append(all, fmt.Sprintf("%-9s %s %s %s", strings.ToUpper(string(e.Kind)), e.Severity, e.Code, e.Sentence))
		}
		return strings.Join(all, "\n           ")
	case Tell:
		e := o.Event
		what := strings.ToUpper(string(e.Kind))
		if e.Verdict != nil {
			what = fmt.Sprintf("%-9s", what) + " " + string(e.Verdict.From) + "→" + string(e.Verdict.To)
		}
		code := e.Code
		if len(e.Reasons) > 0 {
			code = codes(e.Reasons)
		}
		if code != "" {
			code = " " + code
		}
		return fmt.Sprintf("%-9s%s %s", what, code, e.Sentence)
	case Answer:
		verdict := "refused"
		if o.Event.Outcome.Accepted {
			verdict = "accepted"
		}
		code := codes(o.Event.Reasons)
		if code == "" {
			code = o.Event.Code
		}
		if code != "" {
			code = " " + code
		}
		return fmt.Sprintf("OUTCOME   %s%s %s", verdict, code, o.Event.Sentence)
	case Send:
		return fmt.Sprintf("SEND      %s of %s", o.Request.Verb, o.Request.Actor)
	case Instruct:
		return fmt.Sprintf("INSTRUCT  %s %s attempt %d", o.Instruction.Verb, o.Instruction.Step, o.Instruction.Attempt)
	case Reject:
		return "REJECT    " + o.Reason
	}
	return ""
}
