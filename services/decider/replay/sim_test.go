package replay_test

import (
	"bytes"
	"cmp"
	"container/heap"
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/isacloud/ha-manager/pkg/bus"
	"github.com/isacloud/ha-manager/pkg/evidence"
	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec"
	"github.com/isacloud/ha-manager/pkg/spec/file"
	"github.com/isacloud/ha-manager/pkg/subject"
	"github.com/isacloud/ha-manager/services/decider/core"
)

// world is a small installation in simulated time, in microseconds: streams that store what is said a little later than it is heard, three deciders
// that each hear it in an order of their own, are killed and come back, probers, an executor, people, and a service that dies now and then.
type world struct {
	t    testing.TB
	rnd  *rand.Rand
	now  int64
	todo queue
	n    int
	spec *spec.Group

	records []evidence.Record
	seqs    map[string]uint64
	ids     map[string]bool
	chain   []stored
	safety  []stored
	events  []stored
	beats   []stored
	table   message.Incident
	tableAt uint64

	deciders []*seated
	down     map[string]bool
	soft     bool
	looks    uint64
	outages  []outage
	blind    map[string]bool
	vantages []string
	keeper   keeper
}

type outage struct {
	member      string
	from, until int64
}

func (w *world) wasDown(member string, at int64) bool {
	return slices.ContainsFunc(w.outages, func(o outage) bool { return o.member == member && o.from <= at && at <= o.until+1_000_000 })
}

type stored struct {
	seq uint64
	at  int64
	m   message.Message
}

type seated struct {
	name    string
	state   *core.State
	started int64
	skew    int64 // of its idea of the bus's clock
	life    int
	read    int   // of the chain
	heardAt int64 // when the newest stored copy comes: they come in their order
	hb      core.HeartbeatSeen
}

type job struct {
	at int64
	n  int
	do func()
}

type queue []job

func (q queue) Len() int { return len(q) }
func (q queue) Less(i, j int) bool {
	return cmp.Or(cmp.Compare(q[i].at, q[j].at), cmp.Compare(q[i].n, q[j].n)) < 0
}
func (q queue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *queue) Push(x any)   { *q = append(*q, x.(job)) }
func (q *queue) Pop() any     { o := *q; x := o[len(o)-1]; *q = o[:len(o)-1]; return x }

func (w *world) after(d time.Duration, do func()) {
	w.n++
	heap.Push(&w.todo, job{w.now + d.Microseconds(), w.n, do})
}

// soon is some microseconds: how long something takes to get somewhere.
func (w *world) soon(most time.Duration) time.Duration {
	return time.Duration(50_000 + w.rnd.Int64N(int64(most)))
}

const web = `group: web
mode: %s
members:
  a: {site: sp, url: "http://192.0.2.10:8080"}
  b: {site: rj, url: "http://198.51.100.10:8080"}
adopt: a
checks:
  alive: {http: /alive, every: 200ms, timeout: 100ms, from: [sp, rj, witness]}
policy: {quorum: 2, fall: 2, rise: 2, stable_for: 1s, cooldown: 2s, undo_window: 1s, budget: 50 per 24h}
`

// simulate lets a minute pass, or as long as is said.
func simulate(t testing.TB, seed uint64, mode string, long time.Duration) *world {
	t.Helper()
	return simulateOf(t, seed, fmt.Sprintf(web, mode), long)
}

// simulateOf is simulate for a group's spec of its own.
func simulateOf(t testing.TB, seed uint64, text string, long time.Duration) *world {
	t.Helper()
	w := &world{
		t: t, rnd: rand.New(rand.NewPCG(seed, 7)), now: 1_780_000_000_000_000, seqs: map[string]uint64{}, ids: map[string]bool{},
		down: map[string]bool{}, blind: map[string]bool{},
	}
	g, err := file.ParseGroup("web", text)
	require.NoError(t, err)
	w.store(bus.StreamOf(subject.BucketSpec), bus.SubjectOf(subject.BucketSpec, "web"), &message.Spec{Group: "web", Text: text, Actor: "ana", At: w.now})
	g.Revision = 1
	w.spec = g
	w.vantages = g.Checks[0].From
	for i := range g.Checks {
		for _, m := range []string{"a", "b"} {
			for _, v := range g.Checks[i].From {
				w.after(time.Duration(w.rnd.IntN(200))*time.Millisecond, func() { w.look(&g.Checks[i], m, v, 1) })
			}
		}
	}
	if g.Lease != nil {
		w.after(100*time.Millisecond, w.keep)
	}
	w.after(3*time.Second, func() {
		for i := range 3 {
			w.deciders = append(w.deciders, &seated{name: fmt.Sprintf("d%d", i+1), skew: w.rnd.Int64N(400) - 200})
			w.start(w.deciders[i])
		}
	})
	w.after(6*time.Second, w.trouble)
	w.after(5*time.Second, w.people)
	for end := w.now + long.Microseconds(); len(w.todo) > 0 && w.todo[0].at < end; {
		j := heap.Pop(&w.todo).(job)
		w.now = j.at
		j.do()
	}
	return w
}

// store puts a message into a stream, and returns its sequence; 0: it is there already.
func (w *world) store(stream, subj string, m message.Message) uint64 {
	if w.ids[stream+m.MessageID()] {
		return 0
	}
	w.ids[stream+m.MessageID()] = true
	h, body, err := message.Encode(m, "/ham/test/sim", time.UnixMicro(w.now))
	require.NoError(w.t, err)
	header, err := json.Marshal(h)
	require.NoError(w.t, err)
	w.seqs[stream]++
	w.records = append(w.records, evidence.Record{Stream: stream, Subject: subj, Seq: w.seqs[stream], Time: w.now * 1000, Header: header, Body: body})
	return w.seqs[stream]
}

// look is one look of a prober, and the ones after it.
func (w *world) look(c *spec.Check, m, v string, seq uint64) {
	w.after(c.Every, func() { w.look(c, m, v, seq+1) })
	hb := &message.Heartbeat{Group: "web", Member: m, Vantage: v, Check: c.Name, Boot: "b1", Seq: seq, Answer: message.Up, EveryMicros: c.Every.Microseconds(), At: w.now, Blind: w.blind[v]}
	if c.Postgres != nil {
		hb.Perf = w.keeper.perf(m)
	}
	switch {
	case w.down[m] && w.soft:
		hb.Answer, hb.Evidence = message.Down, "time-out from "+v
	case w.down[m]:
		hb.Answer, hb.Hard, hb.Evidence = message.Down, true, `connect "192.0.2.10:8080": connection refused`
	case w.rnd.IntN(300) == 0:
		hb.Answer, hb.Evidence = message.Down, "lost on the way"
	}
	for _, d := range w.deciders {
		if w.rnd.IntN(100) > 0 {
			w.to(d, w.soon(2*time.Millisecond), func() { w.hear(d, hb, 0, 0) })
		}
	}
	w.after(w.soon(4*time.Millisecond), func() {
		s := stored{w.store(subject.StreamHeartbeats, subject.Heartbeat("web", m, v), hb), w.now, hb}
		w.beats = append(w.beats, s)
		for _, d := range w.deciders {
			w.to(d, w.soon(3*time.Millisecond), func() { w.hear(d, hb, s.seq, s.at) })
		}
	})
}

// to does something at a decider, unless it dies before.
func (w *world) to(d *seated, in time.Duration, do func()) {
	life := d.life
	w.after(in, func() {
		if d.life == life && d.state != nil {
			do()
		}
	})
}

// copyTo hands a stored copy of the chain or of a safety message to a decider: over one subscription, in the order in which they were stored.
func (w *world) copyTo(d *seated, do func()) {
	d.heardAt = max(d.heardAt+1, w.now+w.soon(3*time.Millisecond).Microseconds())
	w.to(d, time.Duration(d.heardAt-w.now)*time.Microsecond, do)
}

func (w *world) hear(d *seated, hb *message.Heartbeat, seq uint64, at int64) {
	d.hb = core.HeartbeatSeen{Heartbeat: hb, Seq: seq, Stored: at}
	w.step(d, &d.hb)
}

func (w *world) start(d *seated) {
	d.state, d.started, d.read = core.New("web", d.name), w.now, 0
	w.step(d, core.SpecChanged{Spec: w.spec})
	for _, s := range w.events {
		w.event(d, s)
	}
	for _, s := range w.safety {
		w.step(d, core.SafetyRead{Message: s.m, Seq: s.seq, Stored: s.at})
	}
	w.readChain(d)
	if w.tableAt > 0 {
		r := w.table
		w.step(d, core.IncidentRead{Incident: &r, Revision: w.tableAt, Stored: w.now})
	}
	for _, s := range w.beats {
		if s.at > w.now-90_000_000 {
			w.hear(d, s.m.(*message.Heartbeat), s.seq, s.at)
		}
	}
	w.to(d, w.soon(20*time.Millisecond), func() {
		w.step(d, core.LinkChanged{Up: true})
		w.tick(d)
	})
}

func (w *world) tick(d *seated) {
	w.step(d, core.Tick{})
	every := 50 * time.Millisecond
	if d.state.Quiet(w.time(d)) {
		every = 250 * time.Millisecond
	}
	w.to(d, every, func() { w.tick(d) })
}

func (w *world) readChain(d *seated) {
	w.readChainTo(d, len(w.chain))
}

func (w *world) readChainTo(d *seated, n int) {
	for ; d.read < n; d.read++ {
		s := w.chain[d.read]
		w.step(d, core.ChainRead{Entry: s.m, Seq: s.seq, Stored: s.at, InOrder: true})
	}
}

func (w *world) time(d *seated) core.Time {
	return core.Time{Mono: time.Duration(w.now-d.started) * time.Microsecond, Stream: w.now + d.skew, Wall: w.now - 5_000_000}
}

func (w *world) step(d *seated, in core.Input) {
	for _, o := range d.state.Step(w.time(d), in) {
		switch o := o.(type) {
		case core.Propose:
			w.after(w.soon(4*time.Millisecond), func() { w.propose(d, o) })
		case core.Tell:
			w.after(w.soon(3*time.Millisecond), func() { w.tell(o.Event) })
		case core.Answer:
			w.after(w.soon(3*time.Millisecond), func() { w.tell(o.Event) })
		case core.Record:
			w.after(w.soon(5*time.Millisecond), func() { w.incident(o) })
		}
	}
}

func (w *world) propose(d *seated, o core.Propose) {
	won := uint64(0)
	if n := len(w.chain); n == 0 && o.After == 0 || n > 0 && w.chain[n-1].seq == o.After {
		won = w.append(o.Entry)
	} else if n > 0 {
		i := slices.IndexFunc(w.chain, func(s stored) bool { return s.seq > o.After })
		won = w.chain[max(i, 0)].seq
	}
	if w.rnd.IntN(10) > 0 { // else nobody knows what became of it
		w.to(d, w.soon(2*time.Millisecond), func() { w.step(d, core.ProposalResolved{ID: o.Entry.MessageID(), Seq: won}) })
	} else {
		w.to(d, w.soon(2*time.Millisecond), func() { w.step(d, core.ProposalResolved{ID: o.Entry.MessageID()}) })
	}
}

func (w *world) append(m message.Message) uint64 {
	seq := w.store(subject.StreamCommands, subject.Command("web"), m)
	w.chain = append(w.chain, stored{seq, w.now, m})
	n := len(w.chain)
	for _, d := range w.deciders {
		w.copyTo(d, func() { w.readChainTo(d, n) })
	}
	if c, ok := m.(*message.Command); ok {
		w.after(w.soon(20*time.Millisecond), func() { w.execute(c) })
	}
	return seq
}

// execute holds the command and carries it out, or finds that it is not right any more.
func (w *world) execute(c *message.Command) {
	if w.chain[len(w.chain)-1].m != message.Message(c) {
		if _, mark := w.chain[len(w.chain)-1].m.(*message.Mark); !mark {
			return
		}
	}
	run := func(st message.State, what string) {
		w.report(subject.SafetyRun, "e1", &message.RunResult{ID: c.ID + "." + string(st), Group: "web", Epoch: c.Epoch, Command: c.ID, Kind: c.Kind, Primary: c.Primary, State: st,
			Executor: "e1", Sentence: what, ExecuteMicros: 1000, VerifyMicros: 500})
	}
	if c.Kind == message.KindFailover && !w.down[c.From] {
		run(message.StateEnded, c.From+" is up after all")
		return
	}
	w.takes(c)
	if c.Remedy != nil && len(c.Plan.Steps) > 0 && w.rnd.IntN(5) == 0 {
		return // nobody at its site begins it
	}
	w.append(&message.Held{ID: "held." + c.ID, Group: "web", Epoch: c.Epoch, Primary: c.Primary, Command: c.ID, Executor: "e1"})
	if c.Remedy != nil && len(c.Plan.Steps) > 0 {
		w.mend(c, func() { run(message.StateDone, "done") })
		return
	}
	w.after(w.soon(300*time.Millisecond), func() { run(message.StateDone, "done") })
}

// mend makes a try of a ladder: it helps, or not, or fails, or whoever makes it dies.
func (w *world) mend(c *message.Command, done func()) {
	step := func(st message.State, problem string) {
		w.report(subject.SafetyStep, "e1", &message.StepResult{ID: c.ID + ".step." + string(st), Group: "web", Epoch: c.Epoch, Command: c.ID, Step: message.StepRemedy, Driver: "restart",
			State: st, Attempt: 1, Executor: "e1", Problem: problem, Applied: st == message.StateDone})
	}
	step(message.StateStarted, "")
	how := w.rnd.IntN(5)
	if how == 0 {
		return
	}
	w.after(w.soon(800*time.Millisecond), func() {
		if newest, ok := w.chain[len(w.chain)-1].m.(*message.Held); !ok || newest.Epoch != c.Epoch {
			return
		}
		if how == 1 {
			step(message.StateFailed, "exit code 1: Job for app.service failed")
			done()
			return
		}
		step(message.StateDone, "")
		if how == 2 {
			w.after(w.soon(700*time.Millisecond), func() { delete(w.down, c.Remedy.Member) })
		}
		done()
	})
}

// report stores what safety rests on, and brings it to every decider.
func (w *world) report(kind, executor string, m message.Message) {
	s := stored{w.store(subject.StreamSafety, subject.Safety("web", kind, executor), m), w.now, m}
	w.safety = append(w.safety, s)
	for _, d := range w.deciders {
		w.copyTo(d, func() { w.step(d, core.SafetyRead{Message: m, Seq: s.seq, Stored: s.at}) })
	}
}

func (w *world) tell(e *message.Event) {
	seq := w.store(subject.StreamEvents, subject.Event("web", e.Kind, e.Writer), e)
	if seq == 0 {
		return
	}
	s := stored{seq, w.now, e}
	w.events = append(w.events, s)
	for _, d := range w.deciders {
		w.to(d, w.soon(3*time.Millisecond), func() { w.event(d, s) })
	}
}

func (w *world) event(d *seated, s stored) {
	switch e := s.m.(*message.Event); {
	case e.Outcome != nil:
		w.step(d, core.OutcomeRead{Outcome: e.Outcome})
	case e.Kind == message.EventShadow:
		w.step(d, core.ShadowRead{Command: e.Command})
	}
}

func (w *world) incident(o core.Record) {
	if o.Revision != w.tableAt {
		return
	}
	w.tableAt++
	w.table = *o.Incident
	at, rev := w.now, w.tableAt
	for _, d := range w.deciders {
		w.to(d, w.soon(3*time.Millisecond), func() { w.step(d, core.IncidentRead{Incident: o.Incident, Revision: rev, Stored: at}) })
	}
}

// trouble comes again and again: a member dies, once refusing and once silent; a prober is blind; a decider is killed and comes back.
func (w *world) trouble() {
	w.after(time.Duration(1500+w.rnd.IntN(4000))*time.Millisecond, w.trouble)
	mend := time.Duration(300+w.rnd.IntN(3000)) * time.Millisecond
	switch w.rnd.IntN(6) {
	case 0, 1, 2:
		m := []string{"a", "b"}[w.rnd.IntN(2)]
		w.down[m], w.soft = true, w.rnd.IntN(2) == 0
		w.outages = append(w.outages, outage{m, w.now, w.now + mend.Microseconds()})
		w.after(mend, func() { delete(w.down, m) })
	case 3:
		v := w.vantages[w.rnd.IntN(3)]
		w.blind[v] = true
		w.after(mend, func() { delete(w.blind, v) })
	case 4, 5:
		d := w.deciders[w.rnd.IntN(len(w.deciders))]
		if d.state == nil {
			return
		}
		d.life++
		d.state = nil
		w.after(mend, func() { w.start(d) })
	}
}

// people ask for things, of whichever decider takes it.
func (w *world) people() {
	w.after(time.Duration(2+w.rnd.IntN(6))*time.Second, w.people)
	w.looks++
	r := &message.Request{ID: fmt.Sprintf("rq-%d", w.looks), Group: "web", Verb: message.VerbSwitchover, Actor: "ana", Reason: "because"}
	switch w.rnd.IntN(4) {
	case 0:
		r.Verb, r.For = message.VerbPause, message.Duration(2*time.Second)
	case 1:
		r.Verb = message.VerbFailover
	}
	w.store(subject.StreamRequests, subject.Request("web", r.Verb, "ana"), r)
	at, d := w.now, w.deciders[w.rnd.IntN(len(w.deciders))]
	w.to(d, w.soon(5*time.Millisecond), func() { w.step(d, core.RequestReceived{Request: r, Stored: at}) })
}

// pack writes the records as an evidence pack.
func pack(t testing.TB, records []evidence.Record) []byte {
	t.Helper()
	key := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, 32))
	var out bytes.Buffer
	wr, err := evidence.NewWriter(&out, key, evidence.Head{Group: "web", Made: time.UnixMicro(1), By: "test"})
	require.NoError(t, err)
	for i := range records {
		require.NoError(t, wr.Add(&records[i]))
	}
	require.NoError(t, wr.Close())
	return out.Bytes()
}
