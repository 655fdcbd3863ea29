package lease

import (
	"fmt"
	"strconv"
	"strings"
)

// event names what happened between two states, for a counterexample: %m a member, %d a decider, %e an epoch.
type event struct {
	format string
	m, d   int
	epoch  int
}

func (e event) String() string {
	return strings.NewReplacer("%m", memberNames[e.m], "%o", memberNames[e.d%mostMembers], "%d", deciderNames[e.d], "%e", strconv.Itoa(e.epoch)).Replace(e.format)
}

// walker lists what can happen in one state. A lost message is something that does not happen; a pause, a machine that is frozen or cut off is one
// that nothing happens at while time passes.
type walker struct {
	*run
	from system // the state
	next system // what becomes of it
	bad  string // what is wrong with the way from one to the other
	emit func(event, *key)

	at key
}

func (w *walker) load(k *key) {
	w.at = *k
	w.from.run, w.next.run = w.run, w.run
	w.from.load(k)
	w.next.copyFrom(&w.from, 1<<w.members-1)
}

// do makes one thing happen, by a function that changes the next state and no other Holders than those of the members given, as bits.
// False: it could not happen.
func (w *walker) do(touched uint8, e event, happens func(s *system) bool) {
	w.bad = ""
	if happens(&w.next) {
		if w.bad == "" {
			w.bad = w.next.twoPrimaries()
		}
		if k := w.next.key(&w.at, touched); k != w.at || w.bad != "" {
			w.emit(e, &k)
		}
	}
	w.next.copyFrom(&w.from, touched)
}

const everybody = 1<<mostMembers - 1

func (w *walker) walk() {
	w.commands()
	for d := range w.deciders {
		if w.deciderSees && int(w.from.grants[d].seen) < w.from.length {
			w.do(0, event{format: "%d reads command %e", d: d, epoch: int(w.from.grants[d].seen) + 1}, func(s *system) bool {
				s.grants[d].Saw(s.grants[d].seen + 1)
				return true
			})
		}
	}
	for m := range w.members {
		w.reads(m)
		w.asks(m)
		w.fenced(m)
		if w.failsafe {
			w.promises(m)
		}
		w.takes(m)
		w.restarts(m)
	}
	for d := range w.deciders {
		if w.from.restarts[0] > 0 {
			w.do(0, event{format: "%d restarts", d: d}, func(s *system) bool {
				s.restarts[0]--
				s.grants[d] = *NewGrants(now, s.longest())
				return true
			})
		}
	}
	w.do(everybody, event{format: "-- a tick passes"}, func(s *system) bool { s.pass(); return true })
}

// commands: any decider may write any command at any moment, within what the decider's rules allow.
func (w *walker) commands() {
	s := &w.from
	if s.length == w.epochs {
		return
	}
	base, held := 0, false // the last that is held, else the first
	for e := range s.length {
		if s.chain[e].held {
			base, held = e, true
		}
	}
	b, last := &s.chain[base], &s.chain[s.length-1]
	write := func(format string, change bool, c entry) {
		c.long = c.long || last.long && !change
		w.do(0, event{format: format, m: int(c.primary), epoch: s.length + 1}, func(s *system) bool {
			s.chain[s.length] = c
			s.length++
			if change {
				s.changesLeft--
			}
			return true
		})
	}
	for m := range w.members {
		// To a member of the last epoch held, and only after one was.
		if m == int(b.primary) || last.members>>m&1 == 0 || w.inForce && (!held || b.members>>m&1 == 0) {
			continue
		}
		members := last.members
		if w.alone {
			members = 1 << m
		}
		write("command %e: failover to %m", false, entry{kind: failover, primary: uint8(m), deciders: last.deciders, members: members})
		if w.switchovers {
			write("command %e: switchover to %m", false,
				entry{kind: switchover, primary: uint8(m), from: b.primary + 1, deciders: last.deciders, members: members})
		}
	}
	members := last.members
	if w.alone && !last.held {
		members = b.members // an abort: what it was before
	}
	if w.resumes {
		write("command %e: resume of %m", false, entry{kind: resume, primary: b.primary, deciders: last.deciders, members: members})
	}
	if s.changesLeft == 0 || w.inForce && !last.held {
		return
	}
	for _, set := range w.deciderSets {
		if diff := set ^ last.deciders; diff != 0 && (diff&(diff-1) == 0 || !w.oneByOne) {
			write(fmt.Sprintf("command %%e: deciders %v, primary %%m", deciderSlices[set]), true,
				entry{kind: resume, primary: b.primary, deciders: set, members: last.members})
		}
	}
	for _, set := range w.memberSets {
		if set != last.members && set>>b.primary&1 == 1 {
			write(fmt.Sprintf("command %%e: members %v, primary %%m", memberSlices[set]), true,
				entry{kind: resume, primary: b.primary, deciders: last.deciders, members: set})
		}
	}
	if w.ttls {
		write("command %e: another ttl, primary %m", true,
			entry{kind: resume, primary: b.primary, deciders: last.deciders, members: last.members, long: !last.long})
	}
}

// reads: the executor reads the chain, as late as it likes.
func (w *walker) reads(m int) {
	read := int(w.from.holder[m].newest.Epoch)
	if read < w.from.length {
		w.do(1<<m, event{format: "%m reads command %e", m: m, epoch: read + 1}, func(s *system) bool {
			if read > 0 {
				s.sawHeld(m, read)
			}
			s.holder[m].Saw(now, s.command(read+1))
			return true
		})
	}
	if read > 0 && w.from.chain[read-1].held {
		w.do(1<<m, event{format: "%m reads held(%e)", m: m, epoch: read}, func(s *system) bool { s.sawHeld(m, read); return true })
	}
}

// asks: requests for grants, their answers, and old requests that arrive late.
func (w *walker) asks(m int) {
	h := &w.from.holder[m]
	if epoch, names, ok := h.Asks(); ok {
		wait, ok := h.Wait(epoch)
		if !ok {
			panic("it asks for an epoch whose ttl it does not know")
		}
		request := Request{Member: memberNames[m], Epoch: epoch, Wait: wait}
		asked := decidersOf(names)
		for d := range w.deciders {
			if asked>>d&1 == 0 {
				continue
			}
			w.do(1<<m, event{"%m asks %d for epoch %e: answered at once", m, d, int(epoch)}, func(s *system) bool {
				if s.grants[d].Ask(now, request).Granted {
					s.granted(m, d, epoch, 0)
				}
				return true
			})
			if w.delay {
				w.do(0, event{"%m asks %d for epoch %e: granted, the answer is on its way", m, d, int(epoch)}, func(s *system) bool {
					s.late[d][m] = answer{0, uint8(epoch)}
					return s.grants[d].Ask(now, request).Granted
				})
			}
		}
	}
	for d := range w.deciders {
		if a := w.from.late[d][m]; a.epoch != 0 {
			w.do(1<<m, event{"%d's grant of epoch %e arrives at %m", m, d, int(a.epoch)}, func(s *system) bool {
				s.late[d][m] = answer{}
				age := a.age
				if !w.countsFromSend {
					age = 0
				}
				s.granted(m, d, uint64(a.epoch), age)
				return true
			})
		}
	}
	for e := 1; w.stray && e <= int(h.newest.Epoch); e++ {
		c := &w.from.chain[e-1]
		if int(c.primary) != m && int(c.from) != m+1 {
			continue
		}
		request := Request{Member: memberNames[m], Epoch: uint64(e), Wait: Wait(w.from.ttlOf(c), w.toldLate)}
		for d := range w.deciders {
			if c.deciders>>d&1 == 1 {
				w.do(0, event{"an old request of %m for epoch %e arrives at %d, or its answer is lost", m, d, e}, func(s *system) bool {
					return s.grants[d].Ask(now, request).Granted
				})
			}
		}
	}
}

// granted hands in a grant and does as the Holder says.
func (s *system) granted(m, d int, epoch uint64, age uint8) {
	deadline, renewed := s.holder[m].Granted(now, deciderNames[d], epoch, now-tick*ticksOf(age))
	s.renew(m, deadline, renewed)
}

// fenced: what was said arrives, late, again, or from long ago.
func (w *walker) fenced(m int) {
	said := w.from.holder[m].fenced
	if !w.fencedOnDisk {
		said = uint64(w.from.said[m])
	}
	if said == 0 {
		return
	}
	for d := range w.deciders {
		w.do(0, event{"%d hears that %m is fenced up to epoch %e", m, d, int(said)}, func(s *system) bool {
			s.grants[d].Fenced(memberNames[m], said)
			return true
		})
	}
	for o := range w.members {
		if w.failsafe && o != m {
			w.do(1<<o, event{"%o hears that %m is fenced up to epoch %e", m, o, int(said)}, func(s *system) bool {
				s.holder[o].PeerFenced(memberNames[m], said)
				return true
			})
		}
	}
}

// promises: the primary asks each other member directly.
func (w *walker) promises(m int) {
	h := &w.from.holder[m]
	epoch, names, ok := h.AsksPromises()
	if !ok {
		return
	}
	wait, _ := h.Wait(epoch)
	for _, name := range names {
		o := int(number(name)) - 1
		w.do(1<<o, event{"%o promises %m for epoch %e, and is not heard", m, o, int(epoch)}, func(s *system) bool {
			ok, _ := s.holder[o].Promise(now, memberNames[m], epoch, wait)
			return ok
		})
		w.do(1<<o|1<<m, event{"%o promises %m for epoch %e", m, o, int(epoch)}, func(s *system) bool {
			ok, _ := s.holder[o].Promise(now, memberNames[m], epoch, wait)
			if ok {
				deadline, renewed := s.holder[m].Promised(now, name, epoch, now)
				s.renew(m, deadline, renewed)
			}
			return ok
		})
	}
}

// takes: the lease, held, open, and the end of it.
func (w *walker) takes(m int) {
	h := &w.from.holder[m]
	w.do(1<<m, event{format: "%m takes the lease of epoch %e and arms its guard", m: m, epoch: int(h.newest.Epoch)}, func(s *system) bool {
		_, deadline, err := s.holder[m].Take(now)
		if err != nil {
			return false
		}
		if w.armsFirst {
			s.arm(m, deadline)
		}
		if m == 0 {
			s.unguarded = false
		}
		return true
	})
	if epoch, ok := h.MayHold(now); ok {
		w.do(0, event{format: "%m writes held(%e)", m: m, epoch: int(epoch)}, func(s *system) bool {
			e := &s.chain[epoch-1]
			if e.held || w.expects && s.length > int(epoch) {
				return false // the chain refuses it
			}
			e.held = true
			for o := range s.members {
				if o != m && s.reachable(o) {
					w.bad = fmt.Sprintf("%s writes held(%d) while %s still acknowledges", memberNames[m], epoch, memberNames[o])
				}
			}
			return true
		})
	}
	if e := int(h.armed); e != 0 && h.open != h.armed && w.from.chain[e-1].held {
		w.do(1<<m, event{format: "%m reads held(%e) back and opens", m: m, epoch: e}, func(s *system) bool {
			if s.holder[m].Open(now, uint64(e)) != nil {
				return false
			}
			if !w.armsFirst {
				s.arm(m, now+ttl)
			}
			w.opened(s, m, e)
			return true
		})
	}
	if h.armed != 0 {
		w.do(1<<m, event{format: "%m shuts its guard and says that it is fenced", m: m}, func(s *system) bool {
			s.guard[m] = 0
			epoch := s.holder[m].Fence(now)
			if !s.fencedOnDisk {
				s.said[m] = uint8(epoch)
			}
			return true
		})
	}
}

// opened checks who begins to act, and when.
func (w *walker) opened(s *system, m, epoch int) {
	if epoch < int(s.acted) {
		w.bad = fmt.Sprintf("%s acts at epoch %d after epoch %d was acted in", memberNames[m], epoch, s.acted)
	}
	own := 0 // its data is at least as new as the last epoch before this that it held
	for e := 1; e < epoch; e++ {
		if c := &s.chain[e-1]; c.held && int(c.primary) == m {
			own = e
		}
	}
	if s.chain[epoch-1].kind == resume && s.lastActor >= 0 && int(s.lastActor) != m && int(s.acted) > own {
		w.bad = fmt.Sprintf("%s resumes at epoch %d without the writes of %s", memberNames[m], epoch, memberNames[s.lastActor])
	}
	s.acted, s.lastActor = max(s.acted, uint8(epoch)), int8(m)
}

// restarts of the executor under its guard, of the whole host, and of the executor between the disk and the guard.
func (w *walker) restarts(m int) {
	if w.from.restarts[1] == 0 {
		return
	}
	w.do(1<<m, event{format: "the executor of %m restarts", m: m}, func(s *system) bool {
		s.restarts[1]--
		s.begin(m, s.disk(m))
		return true
	})
	w.do(1<<m, event{format: "the host of %m restarts", m: m}, func(s *system) bool {
		s.restarts[1]--
		s.guard[m] = 0
		s.begin(m, s.disk(m))
		return true
	})
	w.do(1<<m, event{format: "%m takes the lease of epoch %e; its executor restarts before it arms the guard", m: m, epoch: int(w.from.holder[m].newest.Epoch)},
		func(s *system) bool {
			before := s.holder[m].armed
			epoch, _, err := s.holder[m].Take(now)
			if err != nil || epoch == before {
				return false
			}
			s.restarts[1]--
			s.begin(m, s.disk(m))
			return true
		})
}

// found is a set of states, each with the one that it was reached from. It finds the first of the same key by open addressing.
type found struct {
	keys []key
	from []uint32
	slot []uint64 // place in keys, + 1, below half of the hash; 0 free
}

func (f *found) add(k *key, from uint32) {
	if 2*len(f.keys) >= len(f.slot) {
		f.widen()
	}
	h := k.hash()
	for i := h; ; i++ {
		at := &f.slot[i&uint64(len(f.slot)-1)]
		if *at == 0 {
			f.keys, f.from = append(f.keys, *k), append(f.from, from)
			*at = h>>32<<32 | uint64(len(f.keys))
			return
		}
		if *at>>32 == h>>32 && f.keys[uint32(*at)-1] == *k {
			return
		}
	}
}

func (f *found) widen() {
	f.slot = make([]uint64, max(1<<12, 2*len(f.slot)))
	for n := range f.keys {
		h := f.keys[n].hash()
		i := h & uint64(len(f.slot)-1)
		for f.slot[i] != 0 {
			i = (i + 1) & uint64(len(f.slot)-1)
		}
		f.slot[i] = h>>32<<32 | uint64(n+1)
	}
}

func (k *key) hash() uint64 {
	h := uint64(len(k))
	for _, w := range k {
		h = (h ^ w) * 0x9fb21c651e98df25
		h ^= h >> 29
	}
	return h
}

// outcome is what a search found.
type outcome struct {
	states, depth int
	acted         int    // the highest epoch that was acted in
	bad           string // what is wrong in the last state of the way
	way           []string
}

// explore visits every state that can be reached, nearest first, so that the way to a wrong one is a shortest one.
func (r *run) explore() (o outcome) {
	var f found
	w := &walker{run: r}
	start := r.start().key(&key{}, everybody)
	f.add(&start, 0)
	at, level := 0, 1
	w.emit = func(_ event, k *key) {
		if o.bad == "" {
			o.bad = w.bad
			f.add(k, uint32(at))
		}
	}
	for ; at < len(f.keys) && o.bad == ""; at++ {
		if at == level {
			level = len(f.keys)
			o.depth++
		}
		k := f.keys[at]
		w.load(&k)
		o.acted = max(o.acted, int(w.from.acted))
		w.walk()
		if o.bad != "" {
			o.way = r.way(&f, at)
		}
	}
	o.states = len(f.keys)
	return o
}

// way walks to the state again and names what happened, with what broke at the end.
func (r *run) way(f *found, at int) (lines []string) {
	var path []int
	for n := at; n != 0; n = int(f.from[n]) {
		path = append(path, n)
	}
	w := &walker{run: r}
	state := f.keys[0]
	for i := len(path) - 1; i >= -1; i-- {
		name := ""
		w.emit = func(e event, k *key) {
			right := w.bad != ""
			if i >= 0 {
				right = *k == f.keys[path[i]]
			}
			if right && name == "" {
				name = e.String()
			}
		}
		k := state
		w.load(&k)
		w.walk()
		lines = append(lines, name)
		if i >= 0 {
			state = f.keys[path[i]]
		}
	}
	return append(lines, "   from the state before: "+w.from.String())
}
