package lease

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Sizes of the largest system. A run uses a prefix of each.
const (
	mostMembers  = 3
	mostDeciders = 4
	mostEpochs   = 4
)

// Time goes in ticks. Every state is looked at as of the same moment; what matters is how long ago things were. The ttl is a little less than two ticks,
// so that Wait of it is two: nobody waits longer than it must.
const (
	tick    = 10 * time.Nanosecond
	now     = 1000 * tick
	ttl     = 18 * time.Nanosecond
	longTTL = 27 * time.Nanosecond // Wait of it is three
	oneLate = 9 * time.Nanosecond  // with it, Wait of the ttl is three ticks
)

var (
	memberNames  = []string{"A", "B", "C"}
	deciderNames = []string{"d1", "d2", "d3", "d4"}
)

type kind uint8

const (
	failover   kind = iota + 1 // the primary is a standby
	switchover                 // likewise, and the old holder is left gracefully
	resume                     // the primary is the one that held last: first start, abort, after a self-fence, changes of deciders and members
)

func (k kind) String() string { return [...]string{"", "failover", "switchover", "resume"}[k] }

// entry is a command in the chain, with held once that follows it. Its epoch is its place, from 1 on.
type entry struct {
	kind     kind
	primary  uint8
	from     uint8 // who a switchover leaves, + 1
	held     bool
	long     bool  // its ttl is half as long again
	deciders uint8 // as bits
	members  uint8
}

// system is one state: the chain, real Grants, real Holders, their guards, and what is under way.
type system struct {
	*run
	plain
	holder [mostMembers]Holder
}

// plain is what of a state is copied as it is.
type plain struct {
	length int
	chain  [mostEpochs]entry
	grants [mostDeciders]Grants
	// guard is for how many more ticks clients get through. The resource acts while its Holder is open; behind a shut guard nobody hears it.
	guard [mostMembers]uint8
	// said is the newest fenced that may be under way. With the disk it is what the Holder itself says.
	said        [mostMembers]uint8
	late        [mostDeciders][mostMembers]answer
	restarts    [2]uint8 // restarts left, of deciders and of executors
	changesLeft uint8    // of deciders, members or ttl
	unguarded   bool     // A acts without any guard: it was there before
	// What only the checks look at: the highest epoch acted in, and who acted last.
	acted     uint8
	lastActor int8
}

// answer is a grant on its way.
type answer struct{ age, epoch uint8 } // epoch 0: none

// start is the first state: a command to A that nobody holds yet.
func (r *run) start() (s *system) {
	s = &system{run: r, plain: plain{
		length: 1, restarts: [2]uint8{r.deciderRestarts, r.executorRestarts}, changesLeft: r.changes, unguarded: r.wild, lastActor: -1,
	}}
	s.chain[0] = entry{kind: resume, long: r.long, deciders: r.deciderSets[0], members: r.memberSets[0]}
	for d := range s.grants {
		s.grants[d] = Grants{longest: r.longest(), seen: 1}
		if !r.deciderSees {
			s.grants[d].seen = 0
		}
	}
	for m := range r.members {
		s.holder[m] = *NewHolder(memberNames[m], r.toldLate, r.longest(), now, Past{Fresh: true})
		s.holder[m].Saw(now, s.command(1))
	}
	return s
}

// command is that of the epoch, as the Holder takes it.
func (s *system) command(epoch int) Command {
	e := &s.chain[epoch-1]
	c := Command{
		Epoch: uint64(epoch), Primary: memberNames[e.primary], TTL: s.ttlOf(e),
		Deciders: deciderSlices[e.deciders], Members: memberSlices[e.members], Armed: true,
	}
	if e.from != 0 {
		c.From = memberNames[e.from-1]
	}
	return c
}

func (s *system) ttlOf(e *entry) time.Duration {
	if e.long {
		return longTTL
	}
	return ttl
}

func (r *run) longest() time.Duration {
	if r.ttls {
		return Wait(longTTL, r.toldLate)
	}
	return Wait(ttl, r.toldLate)
}

// reachable says that clients get an answer from a member that acts.
func (s *system) reachable(m int) bool {
	return s.holder[m].open != 0 && s.guard[m] > 0 || m == 0 && s.unguarded
}

// twoPrimaries says so of a state, else "".
func (s *system) twoPrimaries() string {
	first := -1
	for m := range s.members {
		if !s.reachable(m) {
			continue
		}
		if first >= 0 {
			return fmt.Sprintf("two primaries: %s at epoch %d and %s at epoch %d",
				memberNames[first], s.holder[first].open, memberNames[m], s.holder[m].open)
		}
		first = m
	}
	return ""
}

// arm and renew are the guard's. A guard that has lapsed refuses to be renewed.
func (s *system) arm(m int, deadline time.Duration) { s.guard[m] = ticks(deadline-now) + s.guardLate }

func (s *system) renew(m int, deadline time.Duration, renewed bool) {
	if left := ticks(deadline-now) + s.guardLate; renewed && s.guard[m] > s.guardLate {
		s.guard[m] = max(s.guard[m], left)
	}
}

// deadlineLeft is for how many ticks the guard is open by its own deadline.
func (s *system) deadlineLeft(m int) uint8 {
	return s.guard[m] - min(s.guard[m], s.guardLate)
}

func ticks(d time.Duration) uint8 {
	if d <= 0 {
		return 0
	}
	return uint8((d + tick - 1) / tick)
}

// disk is what the executor's disk holds. The keeper writes at once what the Holder says, so it is read off it.
func (s *system) disk(m int) Past {
	h := &s.holder[m]
	p := Past{Seen: h.seen, Fenced: h.fenced, Taken: h.armed, Acting: h.open}
	if !s.fencedOnDisk {
		p.Fenced = 0
	}
	if !s.seenOnDisk {
		p.Seen = 0
	}
	if left := s.deadlineLeft(m); left > 0 {
		p.Deadline = now + time.Duration(left)*tick
	}
	return p
}

// begin starts the executor anew over that disk, and has it read the chain as far as it had.
func (s *system) begin(m int, p Past) {
	s.holder[m] = *NewHolder(memberNames[m], s.toldLate, s.longest(), now, p)
	h := &s.holder[m]
	for e := 1; e <= int(max(p.Seen, p.Taken)); e++ {
		h.Saw(now, s.command(e))
		if e < int(p.Seen) {
			s.sawHeld(m, e)
		}
	}
	for d := range s.deciders {
		s.late[d][m] = answer{}
	}
}

// sawHeld tells the primary of an epoch that it is held. What others make of it is nothing.
func (s *system) sawHeld(m, epoch int) {
	if e := &s.chain[epoch-1]; e.held && int(e.primary) == m {
		s.holder[m].SawHeld(uint64(epoch))
	}
}

// A key is a state in 72 bytes: two states with the same key behave the same. What can no longer matter is left out of it.
//
//	0      the chain
//	1      counters, and what the checks look at
//	2..5   a decider: its grants, and each member's share and answer from it; sorted where deciders are interchangeable
//	6..8   a member
type key [9]uint64

const decidersAt, membersAt = 2, 2 + mostDeciders

// packer and unpacker put numbers side by side into a word.
type packer struct {
	word, over uint64
	used       uint
}

func (p *packer) put(v uint64, bits uint) {
	p.over |= v >> bits
	p.word |= v << p.used
	p.used += bits
}

func (p *packer) full() uint64 {
	if p.over != 0 || p.used > 64 {
		panic("a number does not fit its bits, or the numbers do not fit the word")
	}
	return p.word
}

func (p *packer) bool(v bool) {
	if v {
		p.put(1, 1)
	} else {
		p.put(0, 1)
	}
}

type unpacker uint64

func (u *unpacker) get(bits uint) uint64 {
	v := uint64(*u) & (1<<bits - 1)
	*u >>= bits
	return v
}

// key returns that of a state in which the members given, as bits, may differ from those of the key before.
func (s *system) key(before *key, touched uint8) (k key) {
	var p packer
	p.put(uint64(s.length), 3)
	for e := range s.length {
		c := &s.chain[e]
		p.put(uint64(c.kind), 2)
		p.put(uint64(c.primary), 2)
		p.put(uint64(c.from), 2)
		p.bool(c.held)
		p.bool(c.long)
		p.put(uint64(c.deciders), 4)
		p.put(uint64(c.members), 3)
	}
	k[0] = p.full()

	p = packer{}
	p.put(uint64(s.restarts[0]), 2)
	p.put(uint64(s.restarts[1]), 2)
	p.put(uint64(s.changesLeft), 2)
	p.bool(s.unguarded)
	p.put(uint64(s.acted), 3)
	p.put(uint64(s.lastActor+1), 2)
	k[1] = p.full()

	for d := range s.deciders {
		k[decidersAt+d] = s.packDecider(d)
	}
	if s.interchangeable {
		for i := 1; i < s.deciders; i++ { // four at most
			for j := decidersAt + i; j > decidersAt && k[j] < k[j-1]; j-- {
				k[j], k[j-1] = k[j-1], k[j]
			}
		}
	}
	for m := range s.members {
		if k[membersAt+m] = before[membersAt+m]; touched>>m&1 == 1 {
			k[membersAt+m] = s.packMember(m)
		}
	}
	return k
}

func (s *system) packDecider(d int) uint64 {
	var p packer
	g := &s.grants[d]
	if g.live(now) {
		p.put(number(g.holder), 2)
		p.put(g.epoch, 3)
		p.put(uint64(ticks(g.until-now)), 3)
	} else {
		p.put(0, 8)
	}
	p.put(uint64(ticks(g.begin-now)), 3)
	p.put(g.seen, 3)
	for m := range s.members {
		h := &s.holder[m]
		useful := h.armed // a share of an older epoch than this covers nothing any more
		if useful == 0 {
			useful = h.newest.Epoch
		}
		epoch, age := uint64(0), time.Duration(0)
		for i := range h.shares {
			if x := &h.shares[i]; x.by == deciderNames[d] && x.end > now && x.epoch >= useful {
				epoch, age = x.epoch, now-x.sent
			}
		}
		p.put(epoch, 3)
		p.put(uint64(ticks(age)), 2)
		if r := s.late[d][m]; r.epoch != 0 && time.Duration(r.age)*tick < s.ttlOf(&s.chain[r.epoch-1]) &&
			uint64(r.epoch) > h.fenced && (uint64(r.epoch) == h.newest.Epoch || uint64(r.epoch) == h.acting.Epoch) {
			p.put(uint64(r.epoch), 3)
			p.put(uint64(r.age), 2)
		} else {
			p.put(0, 5)
		}
	}
	return p.full()
}

func (s *system) packMember(m int) uint64 {
	var p packer
	h := &s.holder[m]
	p.put(h.seen, 3)
	p.put(h.newest.Epoch, 3)
	p.put(h.held, 3)
	p.put(h.fenced, 3)
	p.put(h.armed, 3)
	p.put(h.open, 3)
	if h.armed != 0 {
		p.put(uint64(ticks(h.deadline-now)), 3)
	} else {
		p.put(0, 3)
	}
	p.put(uint64(ticks(h.begin-now)), 3)
	p.put(uint64(s.guard[m]), 3)
	p.put(uint64(s.said[m]), 3)
	for o := range s.members {
		if o == m {
			continue
		}
		epoch, left := uint64(0), uint8(0)
		for i := range h.given {
			if g := &h.given[i]; g.to == memberNames[o] && now < g.until {
				epoch, left = g.epoch, ticks(g.until-now)
			}
		}
		p.put(epoch, 3)
		p.put(uint64(left), 3)
		epoch, age := uint64(0), time.Duration(0)
		for i := range h.promises {
			if x := &h.promises[i]; x.by == memberNames[o] && x.end > now && x.epoch >= h.armed {
				epoch, age = x.epoch, now-x.sent
			}
		}
		p.put(epoch, 3)
		p.put(uint64(ticks(age)), 2)
	}
	return p.full()
}

// number is that of a member, from 1 on; 0 for nobody.
func number(member string) uint64 {
	if member == "" {
		return 0
	}
	return uint64(member[0]-'A') + 1
}

// load makes s the state of a key, in the memory that it has.
func (s *system) load(k *key) {
	u := unpacker(k[0])
	s.length = int(u.get(3))
	for e := range s.length {
		c := &s.chain[e]
		c.kind = kind(u.get(2))
		c.primary = uint8(u.get(2))
		c.from = uint8(u.get(2))
		c.held = u.get(1) == 1
		c.long = u.get(1) == 1
		c.deciders = uint8(u.get(4))
		c.members = uint8(u.get(3))
	}
	u = unpacker(k[1])
	s.restarts[0] = uint8(u.get(2))
	s.restarts[1] = uint8(u.get(2))
	s.changesLeft = uint8(u.get(2))
	s.unguarded = u.get(1) == 1
	s.acted = uint8(u.get(3))
	s.lastActor = int8(u.get(2)) - 1
	for m := range s.members {
		s.loadMember(m, unpacker(k[membersAt+m]))
	}
	for d := range s.deciders {
		u := unpacker(k[decidersAt+d])
		g := Grants{longest: s.longest()}
		if holder := u.get(2); holder != 0 {
			g.holder = memberNames[holder-1]
		}
		g.epoch = u.get(3)
		if left := u.get(3); left > 0 {
			g.until = now + time.Duration(left)*tick
		}
		if left := u.get(3); left > 0 {
			g.begin = now + time.Duration(left)*tick
		}
		g.seen = u.get(3)
		s.grants[d] = g
		for m := range s.members {
			h := &s.holder[m]
			epoch, age := u.get(3), time.Duration(u.get(2))*tick
			if epoch != 0 {
				h.shares = append(h.shares, share{deciderNames[d], epoch, now - age, now - age + s.ttlOf(&s.chain[epoch-1])})
			}
			s.late[d][m] = answer{epoch: uint8(u.get(3)), age: uint8(u.get(2))}
		}
	}
}

func (s *system) loadMember(m int, u unpacker) {
	h := &s.holder[m]
	*h = Holder{
		member: memberNames[m], late: s.toldLate, longest: s.longest(), seen: u.get(3), newest: Command{Epoch: u.get(3)}, held: u.get(3), fenced: u.get(3),
		armed: u.get(3), open: u.get(3),
		shares: h.shares[:0], promises: h.promises[:0], given: h.given[:0],
	}
	if left := u.get(3); h.armed != 0 {
		h.deadline = now + time.Duration(left)*tick
	}
	if left := u.get(3); left > 0 {
		h.begin = now + time.Duration(left)*tick
	}
	s.guard[m] = uint8(u.get(3))
	s.said[m] = uint8(u.get(3))
	var deciders, others uint8
	if e := h.newest.Epoch; e != 0 {
		h.newest = s.command(int(e))
		deciders = s.chain[e-1].deciders
	}
	if e := h.armed; e != 0 {
		h.acting = s.command(int(e))
		deciders |= s.chain[e-1].deciders
		others = s.chain[e-1].members &^ (1 << m)
	}
	h.asked, h.others = deciderSlices[deciders], memberSlices[others]
	for o := range s.members {
		if o == m {
			continue
		}
		if epoch, left := u.get(3), u.get(3); left > 0 {
			h.given = append(h.given, given{memberNames[o], epoch, now + time.Duration(left)*tick})
		}
		if epoch, age := u.get(3), time.Duration(u.get(2))*tick; epoch != 0 {
			h.promises = append(h.promises, share{memberNames[o], epoch, now - age, now - age + s.ttlOf(&s.chain[epoch-1])})
		}
	}
}

// copyFrom makes h the same as o, in the memory that it has.
func (h *Holder) copyFrom(o *Holder) {
	shares, promises, given := h.shares, h.promises, h.given
	*h = *o
	h.shares = append(shares[:0], o.shares...)
	h.promises = append(promises[:0], o.promises...)
	h.given = append(given[:0], o.given...)
}

// copyFrom makes s the same as o, but for the Holders that are not among those touched: they are the same already.
func (s *system) copyFrom(o *system, touched uint8) {
	s.plain = o.plain
	for m := range s.members {
		if touched>>m&1 == 1 {
			s.holder[m].copyFrom(&o.holder[m])
		}
	}
}

// Every set of deciders and of members, by its bits.
var (
	deciderSlices = subsets(deciderNames)
	memberSlices  = subsets(memberNames)
)

func subsets(names []string) [][]string {
	out := make([][]string, 1<<len(names))
	for bits := range out {
		for i, n := range names {
			if bits>>i&1 == 1 {
				out[bits] = append(out[bits], n)
			}
		}
	}
	return out
}

// String shows a state in a counterexample.
func (s *system) String() string {
	var b strings.Builder
	for e := range s.length {
		c := &s.chain[e]
		fmt.Fprintf(&b, " %d:%v→%s", e+1, c.kind, memberNames[c.primary])
		if c.held {
			b.WriteString(" held")
		}
	}
	for m := range s.members {
		fmt.Fprintf(&b, "\n       %s guard=%d %+v", memberNames[m], s.guard[m], s.holder[m].State(now))
	}
	for d := range s.deciders {
		if member, epoch, left, ok := s.grants[d].Holder(now); ok {
			fmt.Fprintf(&b, "\n       %s grants %s epoch %d for %d more", deciderNames[d], member, epoch, ticks(left))
		}
	}
	return b.String()
}

// pass lets a tick go by: everything becomes older.
func (s *system) pass() {
	for d := range s.deciders {
		g := &s.grants[d]
		g.until -= tick
		g.begin -= tick
		for m := range s.members {
			if r := &s.late[d][m]; r.epoch != 0 {
				r.age++
			}
		}
	}
	for m := range s.members {
		h := &s.holder[m]
		h.deadline -= tick
		h.begin -= tick
		for i := range h.shares {
			h.shares[i].sent -= tick
			h.shares[i].end -= tick
		}
		for i := range h.promises {
			h.promises[i].sent -= tick
			h.promises[i].end -= tick
		}
		for i := range h.given {
			h.given[i].until -= tick
		}
		s.guard[m] -= min(s.guard[m], 1)
	}
}

func decidersOf(names []string) (bits uint8) {
	for _, n := range names {
		bits |= 1 << slices.Index(deciderNames, n)
	}
	return bits
}

func ticksOf(age uint8) time.Duration { return time.Duration(age) }
