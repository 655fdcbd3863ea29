package whatif

import (
	"cmp"
	"container/heap"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec"
	"github.com/isacloud/ha-manager/services/decider/core"
)

// How long things take that no spec declares: what docs/figures.md measured, rounded up.
const (
	hop       = time.Millisecond       // a message that is heard
	storing   = 5 * time.Millisecond   // one that is stored, synced
	answering = time.Millisecond       // a look at what is up, or refuses
	stepping  = 5 * time.Millisecond   // any step, entered in the journal
	promoting = 60 * time.Millisecond  // a promotion
	fencing   = 15 * time.Millisecond  // from the end of a database's process to its executor's word
	mending   = time.Second            // a try of a ladder, before its wait
	unclaimed = 5 * time.Second        // until a step that nobody may run is gone past
	calls     = 5 * time.Second        // between two calls of the executors
	ticks     = 100 * time.Millisecond // half as often as a decider's shell: what is decided comes with a look
	calm      = 250 * time.Millisecond
	// farthest is as long as one fault is looked at, whatever the checks' intervals are.
	farthest = 10 * time.Minute
	// before is for how long things have been well.
	before = 24 * time.Hour
)

// world is what stands around the core during one fault, in made time.
type world struct {
	*places
	fault   *fault
	primary string
	core    *core.State

	now   time.Duration // since the decider began
	queue queue
	order int
	began time.Duration // of the fault; 0: not yet
	beats map[string]uint64

	chain   []message.Message
	seq     uint64
	safety  uint64
	routes  uint64
	records uint64
	n       int

	// acts is who is primary in truth; "": nobody.
	acts string
	// swap is the newest command that was stored since the fault.
	swap      *message.Command
	decided   time.Duration
	held      bool
	over      bool
	after     time.Duration // when the clients were served again
	waits     string        // why the executors get no farther
	ended     string        // why they ended it
	uncounted []string      // steps that no time was counted for
	refusal   *message.Event
	shadow    *message.Command
}

type due struct {
	at    time.Duration
	order int
	do    func()
}

type queue []due

func (q queue) Len() int { return len(q) }
func (q queue) Less(i, j int) bool {
	return cmp.Or(cmp.Compare(q[i].at, q[j].at), cmp.Compare(q[i].order, q[j].order)) < 0
}
func (q queue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *queue) Push(x any)   { *q = append(*q, x.(due)) }
func (q *queue) Pop() any {
	old := *q
	x := old[len(old)-1]
	*q = old[:len(old)-1]
	return x
}

// healthy is no fault.
var healthy = &fault{}

// newWorld brings the group to where all is well.
func newWorld(p *places, primary string) *world {
	w := &world{places: p, fault: healthy, primary: primary, acts: primary, core: core.New(p.group.Name, "what-if"), now: before, beats: map[string]uint64{}}
	w.step(core.SpecChanged{Spec: p.group})
	w.remember()
	adopt := &message.Command{
		ID: p.group.Name + ".1", Group: p.group.Name, Epoch: 1, Kind: message.KindAdopt, Primary: primary, Members: p.group.MemberNames(),
		Rule: "R210", Sentence: "adopted", Plan: message.Plan{Steps: []message.Step{}}, Decider: "what-if", Lease: spec.LeaseTerms(p.group),
	}
	w.append(adopt)
	w.append(&message.Held{ID: "held.1", Group: p.group.Name, Epoch: 1, Primary: primary, Command: adopt.ID, Executor: "what-if"})
	w.finish(adopt, message.StateDone, "done")
	w.follow(1, "")
	w.call()
	w.serveRoutes(primary)
	w.step(core.LinkChanged{Up: true})
	for _, c := range p.group.Checks {
		for _, v := range slices.Compact(slices.Sorted(slices.Values(c.From))) {
			for _, m := range p.group.Members {
				if c.Looks(m.Name) {
					w.look(&c, v, m.Name)
				}
			}
		}
	}
	w.tick()
	w.do(calls, w.calling)
	return w
}

// remember gives the core the past, so that it knows for how long all have been steady.
func (w *world) remember() {
	for _, c := range w.group.Checks {
		if c.Effect != spec.EffectDown && c.Effect != "" || len(c.From) == 0 {
			continue
		}
		for _, m := range w.group.Members {
			if !c.Looks(m.Name) {
				continue
			}
			limit := 2*c.Every + c.Timeout
			for ago := w.group.Policy.StableFor + limit + time.Second; ago > limit; ago -= limit {
				hb := w.beat(&c, c.From[0], m.Name)
				hb.Boot = "past"
				w.step(&core.HeartbeatSeen{Heartbeat: hb, Seq: 1, Stored: w.stream() - ago.Microseconds()})
			}
		}
	}
}

// settle runs until everybody is judged and the fault may begin: when every check has just been made.
func (w *world) settle() {
	var interval, quick time.Duration
	for _, c := range w.group.Checks {
		if c.Effect == spec.EffectDown || c.Effect == "" {
			interval = max(interval, c.Every+c.Timeout)
			if quick == 0 || c.Every < quick {
				quick = c.Every
			}
		}
	}
	if quick == 0 {
		quick = time.Second
	}
	w.run(before + (interval/quick+2)*quick + answering + hop)
}

// breaks lets the fault begin.
func (w *world) breaks(f *fault) {
	w.fault, w.began = f, w.now
	w.refusal, w.shadow = nil, nil
	if w.linked() {
		w.notice()
	} else {
		w.step(core.LinkChanged{})
	}
	for _, r := range w.group.Routes {
		if r.HAProxy != nil {
			for _, a := range r.HAProxy.Proxies {
				if !w.reachable(a) {
					w.do(time.Second, func() { w.route(r.Name, a, false, w.acts) })
				}
			}
		}
	}
	if w.group.Lease != nil {
		w.lapses()
	}
}

// horizon is how long it takes until nothing new can come of the fault: every check that decides was made often enough by then to be sure, or has been
// silent for too long; a check of readiness only where it is the one that fails.
func (w *world) horizon() time.Duration {
	var d time.Duration
	for _, c := range w.group.Checks {
		switch {
		case c.Effect == spec.EffectDown || c.Effect == "":
			d = max(d, time.Duration(max(w.group.Policy.Fall, 3)+1)*(max(c.Every, c.Timeout)+answering)+c.Timeout)
		case w.fault.check == c.Name:
			d = max(d, 2*c.Every+c.Timeout)
		}
	}
	if l := w.group.Lease; l != nil {
		d += leaseWait(l)
	}
	for _, r := range w.group.Remedy {
		d += time.Duration(r.Times)*(r.Wait+mending+ticks) + 5*time.Second
	}
	return min(d+time.Second, farthest)
}

// play runs until the swap is over and all is quiet, or nothing new can come.
func (w *world) play() {
	until := w.now + w.horizon()
	for w.now < until && !(w.over && w.now >= w.after+time.Second) {
		w.run(min(until, w.now+calm))
		if w.over && w.after > until {
			until = w.after + time.Second
		}
	}
}

// --- time

func (w *world) do(d time.Duration, do func()) {
	w.order++
	heap.Push(&w.queue, due{w.now + max(d, 0), w.order, do})
}

func (w *world) run(until time.Duration) {
	for len(w.queue) > 0 && w.queue[0].at <= until {
		next := heap.Pop(&w.queue).(due)
		w.now = next.at
		next.do()
	}
	w.now = max(w.now, until)
}

// dawn is the stream's clock when the decider began, in Unix microseconds.
var dawn = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).UnixMicro()

func (w *world) stream() int64 { return dawn + w.now.Microseconds() }

func (w *world) tick() {
	w.step(core.Tick{})
	every := ticks
	if w.core.Quiet(w.time()) {
		every = calm
	}
	w.do(every, w.tick)
}

func (w *world) time() core.Time { return core.Time{Mono: w.now, Stream: w.stream(), Wall: w.stream()} }

// --- the bus

// linked says whether some decider takes part.
func (w *world) linked() bool { return w.recorded(w.fault) }

func (w *world) step(in core.Input) {
	for _, o := range w.core.Step(w.time(), in) {
		switch o := o.(type) {
		case core.Propose:
			w.propose(o)
		case core.Tell:
			w.tell(o.Event)
		case core.Record:
			w.do(hop, func() {
				if o.Revision == w.records {
					w.records++
					w.step(core.IncidentRead{Incident: o.Incident, Revision: w.records, Stored: w.stream()})
				}
			})
		}
	}
}

func (w *world) tell(e *message.Event) {
	switch e.Kind {
	case message.EventRefused:
		w.refusal = e
	case message.EventShadow:
		w.shadow = e.Command
		w.do(hop, func() { w.step(core.ShadowRead{Command: e.Command}) })
	}
}

func (w *world) propose(o core.Propose) {
	id := o.Entry.MessageID()
	if !w.linked() {
		w.do(time.Second, func() { w.step(core.ProposalResolved{ID: id}) })
		return
	}
	w.do(storing, func() {
		w.append(o.Entry)
		w.step(core.ProposalResolved{ID: id, Seq: w.seq})
		if c, ok := o.Entry.(*message.Command); ok {
			w.do(hop, func() { w.begin(c) })
		}
	})
}

func (w *world) append(m message.Message) {
	w.seq++
	w.chain = append(w.chain, m)
	w.step(core.ChainRead{Entry: m, Seq: w.seq, Stored: w.stream(), InOrder: true})
}

func (w *world) report(m message.Message) {
	w.safety++
	w.step(core.SafetyRead{Message: m, Seq: w.safety, Stored: w.stream()})
}

func (w *world) finish(c *message.Command, st message.State, what string) {
	w.n++
	w.report(&message.RunResult{ID: fmt.Sprintf("%s.run.%d", c.ID, w.n), Group: c.Group, Epoch: c.Epoch, Command: c.ID, Kind: c.Kind, Primary: c.Primary, State: st,
		Executor: "what-if", Sentence: what})
}

func (w *world) serveRoutes(member string) {
	for _, r := range w.group.Routes {
		if r.HAProxy != nil {
			for _, a := range r.HAProxy.Proxies {
				w.route(r.Name, a, w.reachable(a), member)
			}
		}
	}
}

func (w *world) route(name, proxy string, reachable bool, serves string) {
	if !w.linked() {
		return
	}
	w.routes++
	seen := &message.RouteSeen{Route: name, Proxy: proxy, Reachable: reachable, Serves: []string{}}
	if serves != "" {
		seen.Serves = []string{serves}
	}
	w.step(core.RouteRead{Route: seen, Seq: w.routes, Executor: "what-if"})
}

func (w *world) reachable(proxy string) bool {
	return w.fault.host == "" || hostOfProxy(proxy) != w.fault.host
}

// call tells the core which executors answer.
func (w *world) call() {
	var names []string
	for _, x := range w.executors {
		if w.able(x) {
			names = append(names, x.name)
		}
	}
	if len(names) > 0 {
		w.step(core.ExecutorsSeen{Names: names})
	}
}

func (w *world) calling() {
	if w.linked() {
		w.call()
	}
	w.do(calls, w.calling)
}

// --- looks

func (w *world) beat(c *spec.Check, vantage, member string) *message.Heartbeat {
	key := c.Name + "/" + vantage + "/" + member
	w.beats[key]++
	hb := &message.Heartbeat{Group: w.group.Name, Member: member, Vantage: vantage, Check: c.Name, Boot: "boot", Seq: w.beats[key], Answer: message.Up,
		EveryMicros: c.Every.Microseconds()}
	if c.Kind == spec.CheckPostgres || c.Kind == spec.CheckRedis {
		hb.Perf = map[string]float64{"recovery": 1, "lsn": 1000, "received": 1000}
		if member == w.acts {
			hb.Perf["recovery"] = 0
		}
	}
	return hb
}

// look makes one look, and goes on making them.
func (w *world) look(c *spec.Check, vantage, member string) {
	w.see(c, vantage, member)
	w.do(max(c.Every, 10*time.Millisecond), func() { w.look(c, vantage, member) })
}

func (w *world) see(c *spec.Check, vantage, member string) {
	f := w.fault
	at := w.vantages[vantage]
	if !w.looks(f, vantage) {
		return
	}
	hb := w.beat(c, vantage, member)
	took := answering
	switch how := w.condition(c, vantage, member); how {
	case "up":
	case "refused":
		hb.Answer, hb.Hard, hb.Evidence = message.Down, true, "connection refused"
	case "failing":
		hb.Answer, hb.Evidence = message.Down, "it answers otherwise than it should"
	default:
		hb.Answer, hb.Evidence = message.Down, "no answer within "+c.Timeout.String()
		took = c.Timeout
	}
	hb.Blind = f.prober == vantage && f.deaf && w.blinds[vantage]
	w.do(took+hop, func() {
		if w.onBus(w.fault, at) {
			w.step(&core.HeartbeatSeen{Heartbeat: hb})
		}
	})
}

// condition is how the member looks by the check from there.
func (w *world) condition(c *spec.Check, vantage, member string) string {
	f, at, to := w.fault, w.vantages[vantage], w.members[member]
	switch {
	case c.Kind == spec.CheckGroup: // the deciders of another group are asked, wherever its member is
		if !f.alive(to) || f.check == c.Name && (f.member == member || f.member == "") {
			return "failing"
		}
		return "up"
	case f.prober == vantage && f.deaf, !f.alive(to), !f.reaches(at.site, to.site):
		return "silent"
	case f.ham != "" && w.ofHam(c, member):
		if f.ham == w.beside(member) {
			return "failing"
		}
	case f.process == member && connects(c) && !w.ofHam(c, member):
		return "refused"
	case f.process == member && !w.ofHam(c, member), f.check == c.Name && (f.member == member || f.member == ""):
		return "failing"
	}
	return "up"
}

// connects says whether the check speaks with the member's process itself.
func connects(c *spec.Check) bool { return c.Kind != spec.CheckExec && !(c.TCP != nil && c.TCP.Soft) }

// holds says whether the check keeps its connection, and so notices at once that it ends.
func holds(c *spec.Check) bool {
	return c.HTTP != nil || c.Postgres != nil || c.Redis != nil || c.TCP != nil && c.TCP.Hold
}

// notice is what is noticed at once: connections that end.
func (w *world) notice() {
	m := w.fault.process
	if m == "" {
		return
	}
	for _, c := range w.group.Checks {
		if holds(&c) && connects(&c) && c.Looks(m) {
			for _, v := range slices.Compact(slices.Sorted(slices.Values(c.From))) {
				w.do(answering, func() { w.see(&c, v, m) })
			}
		}
	}
}

// --- leases

func leaseWait(l *spec.Lease) time.Duration { return (l.TTL + spec.GuardLate) * 11 / 10 }

// armed says whether the lease is in force.
func (w *world) armed() bool { return w.group.Lease != nil && w.group.Mode != spec.DryRun }

// lapses is what becomes of the lease, and of what the primary sees of its standbys.
func (w *world) lapses() {
	f, p := w.fault, w.primary
	at, l := w.members[p], w.group.Lease
	switch {
	case !f.alive(at):
		w.acts = ""
		return
	case !w.armed():
		return
	case f.process == p:
		w.acts = ""
		w.do(fencing, func() {
			if w.onBus(f, at) {
				w.n++
				w.report(&message.Fenced{ID: fmt.Sprintf("fenced.%d", w.n), Group: w.group.Name, Member: p, Epoch: 1, How: message.FencedItself,
					Executor: cmp.Or(w.beside(p), "what-if"), Sentence: "its server has ended"})
			}
		})
		return
	case !w.keeps(p):
		w.do(l.TTL, func() { w.acts = "" }) // its guard shuts, and nobody hears it say so
		return
	}
	for _, m := range w.group.MemberNames() {
		if to := w.members[m]; m != p && f.ham == "" && (!f.alive(to) || !f.reaches(at.site, to.site) || f.process == m) {
			w.do(time.Second, func() {
				if w.acts == p && w.onBus(f, at) {
					w.follow(1, m)
				}
			})
		}
	}
}

// keeps says whether the primary goes on: by a majority of the deciders, or because every other member promises.
func (w *world) keeps(p string) bool {
	f, at := w.fault, w.members[p]
	if f.ham != "" && f.ham == w.beside(p) {
		return false // nobody renews it
	}
	if w.grants(f, at) > len(w.deciders)/2 {
		return true
	}
	for m, to := range w.members {
		if m != p && (!f.alive(to) || !f.reaches(at.site, to.site)) {
			return false
		}
	}
	return true
}

func (w *world) beside(member string) string {
	m, _ := w.group.Member(member)
	return m.Executor
}

// follow is the primary's word of its standbys, of which one may be lost.
func (w *world) follow(epoch uint64, lost string) {
	if w.group.Lease == nil || w.group.Durability == "" || !w.armed() {
		return
	}
	w.n++
	r := &message.Replication{ID: fmt.Sprintf("repl.%d", w.n), Group: w.group.Name, Epoch: epoch, Primary: w.acts, Executor: cmp.Or(w.beside(w.acts), "what-if"), Seq: uint64(w.n)}
	for _, m := range w.group.MemberNames() {
		if m == w.acts {
			continue
		}
		one := message.Standby{Member: m, State: message.StandbyStreaming}
		if w.group.Durability == message.NeverLose {
			one.State = message.StandbySynchronous
		}
		if m == lost {
			one.State = message.StandbyLost
		}
		r.Standbys = append(r.Standbys, one)
	}
	w.report(r)
}

// --- the executors

// begin carries a command out.
func (w *world) begin(c *message.Command) {
	switch c.Kind {
	case message.KindFailover, message.KindSwitchover:
		w.swap, w.decided, w.held, w.waits, w.ended = c, w.now, false, "", ""
		w.carry(c)
	case message.KindRemedy:
		w.mend(c)
	default: // roles stay
		if x := w.actor(c.Primary); x != nil {
			w.append(&message.Held{ID: "held." + c.ID, Group: c.Group, Epoch: c.Epoch, Primary: c.Primary, Command: c.ID, Executor: x.name})
			w.finish(c, message.StateDone, c.Primary+" is primary")
		}
	}
}

// able says whether the executor can act now.
func (w *world) able(x executor) bool { return w.fault.runs(x.name, x.at) && w.onBus(w.fault, x.at) }

// mend makes a try of the ladder. It helps nobody: how long that costs is what is asked.
func (w *world) mend(c *message.Command) {
	site := w.members[c.Remedy.Member].site
	i := slices.IndexFunc(w.executors, func(x executor) bool {
		return w.able(x) && (len(x.sites) == 0 && x.at.site == site || slices.Contains(x.sites, site))
	})
	if i < 0 {
		return // nobody there begins it, and the core goes on without
	}
	w.append(&message.Held{ID: "held." + c.ID, Group: c.Group, Epoch: c.Epoch, Primary: c.Primary, Command: c.ID, Executor: w.executors[i].name})
	tell := func(st message.State) {
		w.n++
		w.report(&message.StepResult{ID: fmt.Sprintf("%s.step.%d", c.ID, w.n), Group: c.Group, Epoch: c.Epoch, Command: c.ID, Step: message.StepRemedy, Driver: "restart", State: st,
			Attempt: 1, Executor: w.executors[i].name})
	}
	if c.Remedy.Over == "" {
		tell(message.StateStarted)
	}
	w.do(mending, func() {
		if c.Remedy.Over == "" {
			tell(message.StateDone)
		}
		w.finish(c, message.StateDone, c.Primary+" is primary")
	})
}

// actor is the executor that would act for the member: beside it where the spec names one, else at its site, else anywhere. Nil: nobody.
func (w *world) actor(member string) *executor {
	named, site := w.beside(member), w.members[member].site
	var any *executor
	for i := range w.executors {
		x := &w.executors[i]
		switch {
		case !w.able(*x):
		case named != "":
			if x.name == named {
				return x
			}
		case x.at.site == site:
			return x
		case any == nil:
			any = x
		}
	}
	return any
}

// carry does the steps of a swap one after the other. Time goes by for each as docs/figures.md has it; of what nobody can know none is counted.
func (w *world) carry(c *message.Command) {
	at := w.now
	for i := range c.Plan.Steps {
		s := &c.Plan.Steps[i]
		if !w.held && s.Phase != message.PhaseLook && s.Phase != message.PhaseRelease {
			if at = w.hold(c, at); at < 0 {
				return
			}
		}
		d, stop := w.stepOf(c, s)
		at += d
		if stop {
			if w.ended != "" {
				w.do(at-w.now, func() { w.finish(c, message.StateEnded, w.ended) })
			}
			return
		}
	}
	if !w.held {
		if at = w.hold(c, at); at < 0 {
			return
		}
	}
	w.do(at-w.now, func() {
		w.serveRoutes(c.Primary)
		w.finish(c, message.StateDone, c.Primary+" is primary")
		w.over, w.after = true, w.now
	})
}

// hold takes the lease where there is one, and writes held. It returns when, below zero where it never comes to it.
func (w *world) hold(c *message.Command, at time.Duration) time.Duration {
	w.held = true
	x := w.actor(c.Primary)
	if x == nil {
		w.waits = "no executor that the bus reaches may act for " + c.Primary
		return -1
	}
	if l := w.group.Lease; l != nil && w.armed() {
		if n := w.grants(w.fault, w.members[c.Primary]); n <= len(w.deciders)/2 {
			w.waits = fmt.Sprintf("only %d of %d deciders can grant %s the lease", n, len(w.deciders), c.Primary)
			return -1
		}
		if w.fault.process == c.From { // who says that it is fenced ends its lease
			at = max(at, w.began+fencing+storing)
		} else {
			at = max(at, w.began+leaseWait(l))
		}
		at += 2 * storing // the lease, the guard
	}
	at += storing
	w.do(at-w.now, func() {
		w.append(&message.Held{ID: "held." + c.ID, Group: c.Group, Epoch: c.Epoch, Primary: c.Primary, Command: c.ID, Executor: x.name})
		w.acts = c.Primary
		w.follow(c.Epoch, c.From)
	})
	return at
}

// stepOf says how long a step takes, and whether the swap ends or waits there.
func (w *world) stepOf(c *message.Command, s *message.Step) (took time.Duration, stop bool) {
	x := w.runs(c, s)
	if x == nil {
		switch {
		case s.Unclaimed == message.UnclaimedGoOn:
			return unclaimed, false
		case s.OnFailure == message.FailGoOn && s.Unclaimed == "":
			return 0, false
		}
		w.waits = "step " + s.Name + " waits for an executor that is gone (" + cmp.Or(s.Executor, s.Site, s.On) + ")"
		return 0, true
	}
	took = stepping
	switch s.Driver {
	case "assert", "wait":
		own := s.Name != spec.StepLookAgain && s.Name != spec.StepReady && s.Name != spec.StepVerify
		look, subject := w.lookOf(s), c.Primary
		if s.Name == spec.StepLookAgain {
			subject = c.From
		}
		if own || look == nil {
			w.uncount(s)
			return took, false
		}
		up, silent := w.answers(x.at.site, subject, look)
		if silent {
			took += look.Timeout
		}
		if up != (look.Want == "up") {
			if s.Driver == "assert" {
				w.ended = fmt.Sprintf("%s finds %s %s, seen from %s", s.Name, subject, map[bool]string{true: "up", false: "down"}[up], x.at.site)
			} else {
				w.waits = "step " + s.Name + ": " + subject + " does not answer as it should"
			}
			return took, true
		}
	case "postgres", "redis":
		var args struct {
			Action string        `json:"action"`
			Wait   time.Duration `json:"timeout_ns"`
		}
		_ = json.Unmarshal(s.With, &args) // of Compile's own making
		switch args.Action {
		case "promote":
			took += promoting
		case "still-down":
			at := w.members[c.From]
			switch {
			case !w.fault.alive(at), !w.fault.reaches(x.at.site, at.site):
				took += args.Wait
			case w.fault.process != c.From && w.keeps(c.From):
				w.ended = s.Name + " finds that " + c.From + " acts as primary after all"
				return took, true
			}
		}
	case "haproxy":
		var args spec.HAProxyArgs
		_ = json.Unmarshal(s.With, &args)
		if !slices.ContainsFunc(args.Proxies, w.reachable) {
			w.waits = "step " + s.Name + ": no proxy of route " + args.Route + " can be reached"
			return took, s.OnFailure != message.FailGoOn
		}
	case "vip", "pgbouncer":
	default: // of the operator's own, or a fence agent
		w.uncount(s)
	}
	return took, false
}

func (w *world) uncount(s *message.Step) {
	name := s.Name
	if s.Driver == message.DriverApprove {
		name += " (a person approves)"
	}
	w.uncounted = append(w.uncounted, name)
}

// runs is the executor that runs the step; nil: nobody may.
func (w *world) runs(c *message.Command, s *message.Step) *executor {
	named := s.Executor
	if name, ok := strings.CutPrefix(s.On, "executor:"); ok {
		named = name
	}
	var other *executor
	for i := range w.executors {
		x := &w.executors[i]
		serves := len(x.sites) == 0 || s.Site == "" || slices.Contains(x.sites, s.Site)
		switch {
		case !w.able(*x):
		case named != "":
			if x.name == named {
				return x
			}
		case serves && x.at.site == s.Site:
			return x
		case serves || s.On != "new" && s.On != "old":
			if other == nil || serves && !(len(other.sites) == 0 || slices.Contains(other.sites, s.Site)) {
				other = x
			}
		}
	}
	return other
}

func (w *world) lookOf(s *message.Step) *spec.LookArgs {
	if s.Driver == "wait" {
		var args spec.WaitArgs
		_ = json.Unmarshal(s.With, &args)
		return &args.Until
	}
	var args spec.AssertArgs
	_ = json.Unmarshal(s.With, &args)
	return &args.That
}

// answers says how a look from a site finds the member: as the check does that it was made from.
func (w *world) answers(from, member string, look *spec.LookArgs) (up, silent bool) {
	f, to := w.fault, w.members[member]
	if !f.alive(to) || !f.reaches(from, to.site) {
		return false, true
	}
	if f.process == member {
		return false, false
	}
	m, _ := w.group.Member(member)
	for _, c := range w.group.Checks {
		if f.check == c.Name && (f.member == member || f.member == "") && sameLook(c.For(m), look) {
			return false, false
		}
	}
	return true, false
}

// sameLook says whether a look was made from a check.
func sameLook(c spec.Check, look *spec.LookArgs) bool {
	switch {
	case c.HTTP != nil:
		return look.HTTP == c.HTTP.URL
	case c.TCP != nil:
		return look.TCP == c.TCP.Address
	case c.Exec != nil:
		return len(look.Command) > 0 && slices.Equal(look.Command, c.Exec.Command)
	case c.Postgres != nil:
		return look.Postgres == c.Postgres.DSN && look.Postgres != ""
	}
	return false
}
