package core

import (
	"fmt"
	"slices"
	"time"

	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec"
)

// keepers are the executors beside the members of a leased group, and the databases they keep, as far as the core can tell the
// difference: who acts, who follows, who has what, who is fenced. They keep the rules of leases as pkg/lease does, by looking at each other, which real
// ones cannot. Time goes by in steps of keepersTick.
type keepers struct {
	w                      *world
	patience, settle, wait time.Duration

	gone    map[string]bool          // the host is
	deaf    map[string]bool          // it is cut off from the bus
	cut     map[string]bool          // no replication to it
	hand    map[string]bool          // somebody promoted it by hand
	slow    map[string]int           // so many writes behind while it follows
	since   map[string]time.Duration // when it began, or ceased, to follow
	follows map[string]bool

	has    map[string]int // writes, by member
	acked  int            // newest that a client was told of
	acting string
	epoch  uint64 // at which it acts
	fenced map[string]uint64
	unable map[string]bool            // its newest word says that something is wrong with it
	unsaid map[string]*message.Fenced // words that wait for the bus
	states map[string]string
	n      uint64
	wrong  []string
}

const keepersTick = 100 * time.Millisecond

func newKeepers(w *world) *keepers {
	k := &keepers{
		w: w, patience: 600 * time.Millisecond, settle: 300 * time.Millisecond, wait: 1700 * time.Millisecond,
		gone: map[string]bool{}, deaf: map[string]bool{}, cut: map[string]bool{}, hand: map[string]bool{}, slow: map[string]int{},
		since: map[string]time.Duration{}, follows: map[string]bool{}, has: map[string]int{}, fenced: map[string]uint64{}, unable: map[string]bool{}, unsaid: map[string]*message.Fenced{},
		states: map[string]string{},
	}
	k.tick()
	return k
}

// leasedPair is the pair as two PostgreSQL servers with a lease.
func leasedPair(durability string) *spec.Group {
	g := pair()
	g.Lease = &spec.Lease{TTL: spec.DefaultTTL, Deciders: []string{"d1", "d2", "d3"}, Guard: spec.GuardNFTables}
	g.Durability = durability
	for i := range g.Members {
		beside(&g.Members[i])
	}
	return g
}

// beside makes a member one of a leased group.
func beside(m *spec.Member) {
	m.URL, m.Executor, m.Peer = "", m.Name+"-x", m.Name+".example:8323"
	m.Postgres = &spec.Postgres{DSN: "postgres://ham@" + spec.Secret(m.Name) + ".example/postgres", Data: "/data", Service: "pg_ctl", Slot: "ham_" + m.Name, AppName: m.Name}
}

// roles are the newest command and the last that was held.
func (k *keepers) roles() (newest, held *message.Command) {
	for _, e := range k.w.chain {
		switch m := e.m.(type) {
		case *message.Command:
			if newest == nil || m.Epoch > newest.Epoch {
				newest = m
			}
		case *message.Held:
			if newest != nil && m.Epoch == newest.Epoch {
				held = newest
			}
		}
	}
	return newest, held
}

// waitsFor are those whose copy the primary waits for: whoever a decider could still promote.
func (k *keepers) waitsFor(p string) []string {
	newest, held := k.roles()
	var out []string
	for _, c := range []*message.Command{newest, held} {
		if c != nil && c.Primary == p && c.Lease != nil && c.Lease.Durability == message.NeverLose {
			for _, m := range c.Members {
				if m != p && !slices.Contains(out, m) {
					out = append(out, m)
				}
			}
		}
	}
	return out
}

func (k *keepers) tick() {
	k.w.after(keepersTick, k.tick)
	p := k.acting
	if p == "" || k.gone[p] {
		return
	}
	changed := k.states["epoch"] != fmt.Sprint(k.epoch)
	k.states["epoch"] = fmt.Sprint(k.epoch)
	for _, m := range k.w.spec.MemberNames() {
		if m == p {
			continue
		}
		now := !k.gone[m] && !k.cut[m] && k.w.truth[m].answer == message.Up
		if now != k.follows[m] {
			k.follows[m], k.since[m] = now, k.w.now
		}
		state := k.states[m]
		switch lasts := k.w.now - k.since[m]; {
		case now && lasts >= k.settle && k.w.spec.Durability == message.NeverLose:
			state = message.StandbySynchronous
		case now && lasts >= k.settle:
			state = message.StandbyStreaming
		case now && lasts > 0:
			state = message.StandbyCatchingUp
		case !now && (lasts >= k.patience || state == ""):
			state = message.StandbyLost
		}
		if state != k.states[m] {
			k.states[m], changed = state, true
		}
	}
	blocked := slices.ContainsFunc(k.waitsFor(p), func(m string) bool { return !k.follows[m] })
	if !blocked {
		k.has[p]++
		k.acked = k.has[p]
	}
	for m, now := range k.follows {
		if now && m != p {
			k.has[m] = k.has[p] - k.slow[m]
		}
	}
	newest, held := k.roles()
	armed := newest.Lease != nil && newest.Lease.Armed && held.Lease != nil && held.Lease.Armed
	if changed && !k.deaf[p] && armed {
		k.word()
	}
}

// word tells what the primary sees of its standbys.
func (k *keepers) word() {
	k.n++
	r := &message.Replication{ID: fmt.Sprintf("repl.%d", k.n), Group: k.w.spec.Name, Epoch: k.epoch, Primary: k.acting, Executor: k.acting + "-x", Seq: k.n}
	for _, m := range k.w.spec.MemberNames() {
		if st := k.states[m]; m != k.acting && st != "" {
			one := message.Standby{Member: m, State: st}
			if st == message.StandbyCatchingUp {
				one.LagBytes = 5 << 20
			}
			r.Standbys = append(r.Standbys, one)
		}
	}
	k.w.report(r)
}

// perf are the figures that a look at the member finds.
func (k *keepers) perf(member string) map[string]float64 {
	if member == k.acting || k.hand[member] {
		return map[string]float64{"recovery": 0, "lsn": float64(k.has[member]) * 1000}
	}
	return map[string]float64{"recovery": 1, "lsn": float64(k.has[member]) * 1000, "received": float64(k.has[member]) * 1000}
}

// fence says, now or when the bus is there, that the member never acts again up to the epoch.
func (k *keepers) fence(member string, epoch uint64, able bool) {
	if _, held := k.roles(); held == nil || held.Lease == nil || !held.Lease.Armed {
		return // nothing keeps it from acting
	}
	if k.acting == member && epoch >= k.epoch {
		k.acting = ""
	}
	if epoch <= k.fenced[member] || epoch == 0 {
		return
	}
	k.fenced[member], k.unable[member] = epoch, !able
	k.n++
	f := &message.Fenced{
		ID: fmt.Sprintf("fenced.%d", k.n), Group: k.w.spec.Name, Member: member, Epoch: epoch, How: message.FencedItself, Able: able,
		Executor: member + "-x", Sentence: "its guard is shut",
	}
	if k.deaf[member] || k.gone[member] {
		k.unsaid[member] = f
		return
	}
	k.w.report(f)
}

// lose takes a host away. What acted there ends with its lease.
func (k *keepers) lose(member string) {
	k.gone[member] = true
	k.w.set(member, conditions["silent"])
	k.lapse(member)
}

// cutOff takes the bus from a host, and the other members: it fences itself when its lease ends.
func (k *keepers) cutOff(member string) { k.deaf[member] = true; k.cut[member] = true; k.lapse(member) }

// lapse fences the member when its lease has run out, unless it renews by then.
func (k *keepers) lapse(member string) {
	at := k.epoch
	if k.acting != member {
		return
	}
	k.w.after(k.wait*4/5, func() {
		if k.acting == member && k.epoch == at && (k.gone[member] || k.deaf[member]) {
			k.fence(member, at, true)
		}
	})
}

// back brings a host, and what it has to say.
func (k *keepers) back(member string) {
	was := k.gone[member]
	delete(k.gone, member)
	delete(k.deaf, member)
	delete(k.cut, member)
	k.w.set(member, conditions["up"])
	if was && k.acting == member {
		k.fence(member, k.epoch, true) // who reboots has no lease
	}
	if f := k.unsaid[member]; f != nil {
		delete(k.unsaid, member)
		k.w.report(f)
	}
	if e := k.fenced[member]; k.unable[member] && e > 0 {
		delete(k.unable, member)
		delete(k.fenced, member)
		k.fence(member, e, true) // nothing is wrong with it any more
	}
}

// crash kills the member's server. Its executor shuts the guard and says so.
func (k *keepers) crash(member string, able bool) {
	k.w.set(member, conditions["refused"])
	if k.acting == member {
		k.fence(member, k.epoch, able)
	}
}

func (k *keepers) heard(m message.Message) {
	if c, ok := m.(*message.Command); ok {
		k.w.after(2*time.Millisecond, func() { k.begin(c) })
	}
}

// paused says whether swaps wait.
func (k *keepers) paused() bool {
	var mark *message.Mark
	var at int64
	for _, e := range k.w.chain {
		if m, ok := e.m.(*message.Mark); ok {
			mark, at = m, e.stored
		}
	}
	return mark != nil && mark.Paused && (mark.For == 0 || k.w.stream()-at < mark.For.Std().Microseconds())
}

// begin carries a command out, as the executor beside its primary does.
func (k *keepers) begin(c *message.Command) {
	w, x := k.w, &k.w.exec
	newest, held := k.roles()
	if newest != c {
		x.run(c, message.StateSuperseded, "", "epoch "+epoch(newest.Epoch)+" took its place")
		return
	}
	if held == c || k.fenced[c.Primary] >= c.Epoch {
		return
	}
	again := func(d time.Duration) { w.after(d, func() { k.begin(c) }) }
	swaps := c.Kind == message.KindFailover || c.Kind == message.KindSwitchover
	switch {
	case k.gone[c.Primary], k.deaf[c.Primary], x.mode == "off", swaps && k.paused():
		again(200 * time.Millisecond)
		return
	case swaps && x.mode == "ends":
		x.run(c, message.StateEnded, spec.StepLookAgain, c.From+" acts as primary")
		return
	case swaps && x.mode == "aborts":
		x.run(c, message.StateAborted, spec.StepGiveUp, "step give-up failed and aborts the plan")
		return
	case swaps && x.mode == "lapses":
		k.fence(c.Primary, c.Epoch, true)
		return
	}
	switch c.Kind {
	case message.KindReconfigure, message.KindAdopt:
		if k.acting != "" && k.acting != c.Primary || k.acting == "" && (c.Kind == message.KindReconfigure || held != nil) {
			return
		}
		for _, m := range c.Members {
			if joins := held != nil && !slices.Contains(held.Members, m); joins && c.Lease.Durability == message.NeverLose && !k.follows[m] {
				again(keepersTick) // the setting names it by now, and it has to have everything before that is recorded
				return
			}
		}
	case message.KindSwitchover:
		if k.acting == c.From {
			if !k.follows[c.Primary] || k.gone[c.From] || k.deaf[c.From] {
				x.run(c, message.StateAborted, spec.StepGiveUp, "step give-up failed and aborts the plan")
				return
			}
			k.has[c.Primary] = k.has[c.From]
			k.fence(c.From, c.Epoch, true)
		}
	default:
		if old := k.acting; old != "" && old != c.Primary {
			at := k.epoch
			w.after(k.wait, func() {
				if k.acting == old && k.epoch == at {
					if n, _ := k.roles(); n == c { // not granted at this epoch
						k.fence(old, at, true)
					}
				}
				k.begin(c)
			})
			return
		}
	}
	x.run(c, message.StateStarted, "", "began")
	id := "held." + c.ID
	w.propose(&message.Held{ID: id, Group: c.Group, Epoch: c.Epoch, Primary: c.Primary, Command: c.ID, Executor: c.Primary + "-x"}, w.chain[len(w.chain)-1].seq)
	if last, _ := w.newest(); last.MessageID() != id {
		return
	}
	if c.Primary != k.acting || c.Kind != message.KindReconfigure {
		k.states = map[string]string{}
		k.follows = map[string]bool{}
	}
	if c.Lease != nil && c.Lease.Durability == message.NeverLose && k.has[c.Primary] < k.acked {
		k.wrong = append(k.wrong, fmt.Sprintf("epoch %d makes %s primary, which has %d of %d acknowledged writes", c.Epoch, c.Primary, k.has[c.Primary], k.acked))
	}
	k.acting, k.epoch, k.acked = c.Primary, c.Epoch, k.has[c.Primary]
	if x.mode == "aborts-late" && swaps {
		x.run(c, message.StateAborted, "route-front", "step route-front failed and aborts the plan")
		return
	}
	if x.mode == "pauses" && swaps {
		x.wait = c
		x.step(c, spec.StepPromote, message.StateDone, "")
		x.step(c, "route-front", message.StatePaused, "proxy refuses the connection")
		x.run(c, message.StatePaused, "route-front", "step route-front failed and waits for a person")
		return
	}
	w.after(5*time.Millisecond, func() {
		if n, _ := k.roles(); n != c || k.acting != c.Primary {
			return
		}
		if len(c.Plan.Steps) > 0 {
			x.step(c, spec.StepPromote, message.StateDone, "")
			for _, r := range w.spec.Routes {
				for _, p := range r.HAProxy.Proxies {
					w.route(r.Name, p, c.Primary)
				}
			}
		}
		x.run(c, message.StateDone, "", c.Primary+" is primary")
	})
}
