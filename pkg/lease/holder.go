package lease

import (
	"fmt"
	"slices"
	"strconv"
	"time"
)

// Command is what a lease needs of a command.
type Command struct {
	Epoch   uint64
	Primary string
	// From is the member that a switchover leaves gracefully, else empty. It stays granted at the new epoch until it gives up.
	From     string
	Members  []string // who may be primary
	Deciders []string // whose majority grants
	TTL      time.Duration
	Armed    bool // Take refuses without it; nothing else looks at it
}

// NotYet says why the lease of the newest epoch is not taken.
type NotYet struct {
	Reason string        // a clause
	Retry  time.Duration // for how long that is certain; 0: not known, or for good
}

func (n NotYet) Error() string {
	if n.Retry > 0 {
		return n.Reason + " (for " + n.Retry.String() + " more)"
	}
	return n.Reason
}

// Past is what must survive a restart of the executor.
type Past struct {
	// Seen is the newest epoch seen, Fenced the highest that this member is fenced for: from disk.
	Seen, Fenced uint64
	// Taken is the newest epoch whose lease was taken, written to disk before the guard was armed for it. Acting is the newest that was opened, written
	// before the resource acted. Hand in both as they stand on disk, whatever became of the guard.
	Taken, Acting uint64
	// Deadline is that of the guard if it is open now; 0 if it is shut.
	Deadline time.Duration
	// Fresh: the very first life on this disk. Nothing was promised before, so there is nothing to wait for.
	Fresh bool
}

// State is for status and logs.
type State struct {
	Seen     uint64        // newest epoch known of
	Acting   uint64        // epoch whose lease was taken and whose guard is not given up; 0: none
	Held     uint64        // newest held known of
	Open     bool          // the resource may act
	Fenced   uint64        // highest epoch that it is fenced for
	Deadline time.Duration // of the guard, while Acting
	Left     time.Duration // until then; never below zero
	By       string        // what the deadline rests on: "lease" or "promises"; "" while not Acting
	Waiting  string        // what Take waits for, while this member is to be primary and has not taken the lease
}

// share is what one decider granted or one member promised, by the holder's clock.
type share struct {
	by    string
	epoch uint64        // that was asked for: it covers this epoch and those before
	sent  time.Duration // when it was asked for
	end   time.Duration // sent + ttl
}

// given is a promise to another member, by the giver's clock.
type given struct {
	to    string
	epoch uint64
	until time.Duration
}

// Holder is one member's half of the lease.
type Holder struct {
	member  string
	late    time.Duration // how late the guard may be
	longest time.Duration // longest wait allowed
	begin   time.Duration // takes no lease before: it may have promised in an earlier life

	seen   uint64 // newest epoch known of: its command may not have been read yet
	held   uint64
	fenced uint64
	newest Command // newest command read; Epoch 0: none

	// armed is the epoch whose lease was taken and whose guard was armed, open the one that the resource acts at: until held(armed) is
	// read back, that is an earlier one or none. acting is the command of armed; its Epoch is 0 until it was read again after a restart.
	armed, open uint64
	acting      Command
	deadline    time.Duration // the guard's

	shares   []share // by decider
	promises []share // by member
	given    []given
	asked    []string // deciders of newest and acting
	others   []string // members of acting but this one
}

// NewHolder returns that of the executor beside the member, which starts now. late is how long after its deadline the guard may still let an answer out,
// longest the Wait of the largest ttl that is allowed.
//
// Under an open guard it goes on. Otherwise, if it had taken a lease, it has Lapsed; and unless fresh it takes none before now+longest.
func NewHolder(member string, late, longest, now time.Duration, past Past) *Holder {
	h := &Holder{member: member, late: late, longest: longest, seen: past.Seen, fenced: past.Fenced}
	last := max(past.Taken, past.Acting)
	goesOn := past.Deadline > now && past.Acting == last && last > past.Fenced
	if !past.Fresh && !goesOn {
		h.begin = now + longest
	}
	if last > past.Fenced {
		h.armed, h.open = last, past.Acting
		h.deadline = now
		if goesOn {
			h.deadline = past.Deadline
		}
	}
	return h
}

// Saw tells of a command of the chain. One older than the newest is ignored, but for that of the epoch it acts at: after a restart that is
// needed again, for its deciders and members.
func (h *Holder) Saw(now time.Duration, c Command) {
	if c.Epoch == 0 {
		return
	}
	c.Members, c.Deciders = set(c.Members), set(c.Deciders)
	if c.Epoch == h.armed && h.acting.Epoch == 0 {
		h.acting = c
	}
	if c.Epoch > h.newest.Epoch {
		h.newest = c
	}
	h.seen = max(h.seen, c.Epoch)
	h.given = slices.DeleteFunc(h.given, func(g given) bool { return now >= g.until })
	h.settle()
}

// SawHeld tells of held(epoch) in the chain.
func (h *Holder) SawHeld(epoch uint64) { h.held = max(h.held, epoch) }

// Asks says whom to ask now for a grant of which epoch: the deciders of the newest command and of the one acted at, sorted. Not ok: nobody. The
// primary of the newest command asks unless it had that lease before; at a switchover the member that is left asks too, at the new epoch, until it
// gives up. The slice is the Holder's and valid until its next change.
func (h *Holder) Asks() (epoch uint64, deciders []string, ok bool) {
	e := h.newest.Epoch
	if e == 0 || e < h.seen || e <= h.fenced {
		return 0, nil, false
	}
	switch h.member {
	case h.newest.Primary:
		ok = h.armed == e || h.held < e
	case h.newest.From:
		ok = h.open != 0
	}
	if !ok {
		return 0, nil, false
	}
	return e, h.asked, true
}

// Wait is what to ask deciders for with a request of this epoch, and members with one for a promise. Not ok: its command was not read, or is
// neither the newest nor the one acted at.
func (h *Holder) Wait(epoch uint64) (time.Duration, bool) {
	ttl, ok := h.ttl(epoch)
	return Wait(ttl, h.late), ok
}

// Granted takes in a decider's grant of what was asked at this epoch, in a request sent at that time. Renewed: set the guard's deadline to the one
// returned, at once. A guard that has lapsed is never renewed.
func (h *Holder) Granted(now time.Duration, decider string, epoch uint64, sent time.Duration) (deadline time.Duration, renewed bool) {
	if slices.Contains(h.asked, decider) {
		h.shares = h.note(h.shares, now, decider, epoch, sent)
	}
	return h.feed(now)
}

// AsksPromises says which other members to ask for a promise to the epoch acted at. Not ok: none, or nothing is open: promises let a primary go on, never
// start. The slice is the Holder's and valid until its next change.
func (h *Holder) AsksPromises() (epoch uint64, members []string, ok bool) {
	if h.open == 0 || len(h.others) == 0 {
		return 0, nil, false
	}
	return h.acting.Epoch, h.others, true
}

// Promised takes in a member's promise, as Granted does a grant.
func (h *Holder) Promised(now time.Duration, by string, epoch uint64, sent time.Duration) (deadline time.Duration, renewed bool) {
	if slices.Contains(h.others, by) {
		h.promises = h.note(h.promises, now, by, epoch, sent)
	}
	return h.feed(now)
}

// Promise is the giver's half: asked by the primary of that epoch, it promises to take no lease for wait from now. Not ok: the reason, as a clause.
func (h *Holder) Promise(now time.Duration, to string, epoch uint64, wait time.Duration) (ok bool, reason string) {
	switch {
	case to == "" || to == h.member || epoch == 0 || wait <= 0:
		return false, "a promise is asked by another member, for an epoch from 1 on and a wait above zero"
	case wait > h.longest:
		return false, "the wait of " + wait.String() + " is longer than the longest allowed, " + h.longest.String()
	case epoch < h.seen:
		return false, "there is a newer command, of epoch " + strconv.FormatUint(h.seen, 10)
	case h.armed != 0:
		return false, "this member has taken the lease of epoch " + strconv.FormatUint(h.armed, 10)
	}
	h.seen = max(h.seen, epoch)
	for i := range h.given {
		if g := &h.given[i]; g.to == to {
			g.epoch, g.until = max(g.epoch, epoch), max(g.until, now+wait)
			return true, ""
		}
	}
	h.given = append(h.given, given{to, epoch, now + wait})
	return true, ""
}

// PeerFenced ends the promise to a member if its epoch is at most this one. It may come late, twice, or from long ago.
func (h *Holder) PeerFenced(member string, epoch uint64) {
	h.given = slices.DeleteFunc(h.given, func(g given) bool { return g.to == member && g.epoch <= epoch })
}

// Take takes the lease of the newest epoch and returns what to arm the guard to: the end of what this epoch's lease covers, which may be sooner than
// the guard's deadline now. Taken already, it returns the same again. The error is a NotYet.
func (h *Holder) Take(now time.Duration) (epoch uint64, deadline time.Duration, err error) {
	e := h.newest.Epoch
	if e != 0 && e == h.armed && now < h.deadline {
		return e, h.deadline, nil
	}
	end, n := h.missing(now)
	if n.Reason != "" {
		return 0, 0, n
	}
	// Neither the old deadline nor what it rested on counts any more: the deciders and members of this epoch may be others.
	h.armed, h.acting, h.deadline = e, h.newest, end
	h.settle()
	return e, end, nil
}

// MayTake says that Take would take the lease of that epoch now, or return it again. It changes nothing. The error is a NotYet.
func (h *Holder) MayTake(now time.Duration) (epoch uint64, err error) {
	e := h.newest.Epoch
	if e != 0 && e == h.armed && now < h.deadline {
		return e, nil
	}
	if _, n := h.missing(now); n.Reason != "" {
		return 0, n
	}
	return e, nil
}

// missing says why the lease of the newest epoch cannot be taken, or until when it lasts.
func (h *Holder) missing(now time.Duration) (end time.Duration, n NotYet) {
	c := &h.newest
	switch {
	case c.Epoch == 0:
		return 0, NotYet{Reason: "no command has been read"}
	case c.Epoch < h.seen:
		return 0, NotYet{Reason: fmt.Sprintf("the command of epoch %d has not been read", h.seen)}
	case c.Primary != h.member:
		return 0, NotYet{Reason: fmt.Sprintf("the primary of epoch %d is %s", c.Epoch, c.Primary)}
	case !c.Armed:
		return 0, NotYet{Reason: "the group is not armed"}
	case Wait(c.TTL, h.late) > h.longest:
		return 0, NotYet{Reason: fmt.Sprintf("the lease time of %v is longer than allowed: others would wait %v for it, and at most %v", c.TTL, Wait(c.TTL, h.late), h.longest)}
	case h.Lapsed(now):
		return 0, NotYet{Reason: fmt.Sprintf("the guard of epoch %d has shut and is not said to be", h.armed)}
	case c.Epoch <= h.fenced:
		return 0, NotYet{Reason: fmt.Sprintf("this member is fenced up to epoch %d", h.fenced)}
	case c.Epoch <= h.held && c.Epoch != h.armed:
		return 0, NotYet{Reason: fmt.Sprintf("epoch %d was held before", c.Epoch)}
	case now < h.begin:
		return 0, NotYet{"the executor started a moment ago and may have promised before", h.begin - now}
	}
	for i := range h.given {
		if g := &h.given[i]; now < g.until && g.until-now > n.Retry {
			n = NotYet{fmt.Sprintf("it is promised to %s at epoch %d", g.to, g.epoch), g.until - now}
		}
	}
	if n.Reason != "" {
		return 0, n
	}
	if end = h.leaseEnd(c); end <= now {
		return 0, NotYet{Reason: fmt.Sprintf("%d of the %d deciders grant epoch %d, and %d must", h.granting(now, c), len(c.Deciders), c.Epoch, majority(c))}
	}
	return end, NotYet{}
}

// MayHold says that held(epoch) may be written: its lease was taken, the guard has not lapsed, and no newer command is known.
func (h *Holder) MayHold(now time.Duration) (epoch uint64, ok bool) {
	if h.armed == 0 || h.open == h.armed || h.held >= h.armed || h.seen > h.armed || h.Lapsed(now) {
		return 0, false
	}
	return h.armed, true
}

// Open tells that held(epoch) was read back: with a nil error the resource may act. It may also where a newer command exists by now: after held, a swap
// only goes forward.
func (h *Holder) Open(now time.Duration, epoch uint64) error {
	switch {
	case epoch == 0 || epoch != h.armed:
		return fmt.Errorf("the lease of epoch %d is not taken", epoch)
	case h.Lapsed(now):
		return fmt.Errorf("the guard of epoch %d has shut", epoch)
	}
	h.open, h.held = epoch, max(h.held, epoch)
	return nil
}

// Lapsed says that the guard has shut by its deadline, or should be shut, and that this is not said yet: end the resource and call Fence.
func (h *Holder) Lapsed(now time.Duration) bool { return h.armed != 0 && now >= h.deadline }

// Fence tells that the guard was shut, lapsed or on purpose, and the resource with it. All shares are dropped: what they were for has ended. It
// returns the epoch up to which this member is fenced: write it to disk before you say it. The member that a switchover leaves is fenced for
// the switchover's epoch too, since it was granted at it.
func (h *Holder) Fence(time.Duration) (epoch uint64) {
	h.fenced = max(h.fenced, h.armed)
	if h.newest.From == h.member {
		h.fenced = max(h.fenced, h.newest.Epoch)
	}
	h.armed, h.open, h.acting, h.deadline = 0, 0, Command{}, 0
	h.shares, h.promises = h.shares[:0], h.promises[:0]
	h.settle()
	return h.fenced
}

// FencedByOthers tells that somebody else said that this member is fenced up to the epoch: write it to disk. If it acts at that epoch or below, it
// has Lapsed.
func (h *Holder) FencedByOthers(epoch uint64) {
	h.fenced = max(h.fenced, epoch)
	if h.armed != 0 && (h.armed <= epoch || h.open != 0 && h.open <= epoch) {
		h.deadline = 0
	}
	h.settle()
}

// State is for status and logs.
func (h *Holder) State(now time.Duration) State {
	s := State{Seen: h.seen, Acting: h.armed, Held: h.held, Open: h.open != 0, Fenced: h.fenced}
	if h.armed != 0 {
		s.Deadline, s.Left, s.By = h.deadline, max(0, h.deadline-now), "lease"
		if h.acting.Epoch != 0 && h.open != 0 && h.leaseEnd(&h.acting) < h.deadline && h.promisesEnd() >= h.deadline {
			s.By = "promises"
		}
	}
	if h.newest.Primary == h.member && h.newest.Epoch > h.armed {
		_, n := h.missing(now)
		s.Waiting = n.Reason
	}
	return s
}

// feed moves the deadline to the end of what covers the epoch acted at, never back.
func (h *Holder) feed(now time.Duration) (deadline time.Duration, renewed bool) {
	if h.armed == 0 || h.acting.Epoch == 0 || h.Lapsed(now) {
		return h.deadline, false
	}
	end := h.leaseEnd(&h.acting)
	if h.open != 0 {
		end = max(end, h.promisesEnd())
	}
	if end <= h.deadline {
		return h.deadline, false
	}
	h.deadline = end
	return end, true
}

// note enters a share, unless it is of an epoch that this member is fenced for, or older than the one entered.
func (h *Holder) note(list []share, now time.Duration, by string, epoch uint64, sent time.Duration) []share {
	ttl, ok := h.ttl(epoch)
	if !ok || epoch <= h.fenced || sent > now {
		return list
	}
	for i := range list {
		if s := &list[i]; s.by == by {
			if sent > s.sent {
				s.epoch, s.sent, s.end = epoch, sent, sent+ttl
			}
			return list
		}
	}
	return append(list, share{by, epoch, sent, sent + ttl})
}

// ttl is that by which shares asked for at this epoch count. Others wait for as long as was asked, so it is not that of another epoch.
func (h *Holder) ttl(epoch uint64) (time.Duration, bool) {
	switch {
	case epoch == 0:
		return 0, false
	case epoch == h.newest.Epoch:
		return h.newest.TTL, true
	case epoch == h.acting.Epoch:
		return h.acting.TTL, true
	}
	return 0, false
}

// leaseEnd is until when a majority of the command's deciders grants its epoch; 0 or before now: not now.
func (h *Holder) leaseEnd(c *Command) (end time.Duration) {
	need := majority(c)
	for i := range h.shares {
		at := &h.shares[i]
		if at.end <= end || !counts(at, c, c.Deciders) {
			continue
		}
		n := 0
		for j := range h.shares {
			if s := &h.shares[j]; s.end >= at.end && counts(s, c, c.Deciders) {
				n++
			}
		}
		if n >= need {
			end = at.end
		}
	}
	return end
}

// promisesEnd is until when every other member of the epoch acted at promised; 0: not all did, or there is none.
func (h *Holder) promisesEnd() (end time.Duration) {
	c := &h.acting
	all := 0
	for i := range h.promises {
		if s := &h.promises[i]; counts(s, c, h.others) {
			if all++; all == 1 || s.end < end {
				end = s.end
			}
		}
	}
	if all < len(h.others) {
		return 0
	}
	return end
}

// counts: it was asked for at the command's epoch or a later one, and given by one of these.
func counts(s *share, c *Command, by []string) bool {
	return s.epoch >= c.Epoch && slices.Contains(by, s.by)
}

func (h *Holder) granting(now time.Duration, c *Command) (n int) {
	for i := range h.shares {
		if s := &h.shares[i]; now < s.end && counts(s, c, c.Deciders) {
			n++
		}
	}
	return n
}

// settle drops what no longer counts and notes whom to ask.
func (h *Holder) settle() {
	h.asked = set(h.newest.Deciders, h.acting.Deciders)
	h.others = slices.DeleteFunc(set(h.acting.Members), func(m string) bool { return m == h.member })
	h.shares = slices.DeleteFunc(h.shares, func(s share) bool { return s.epoch <= h.fenced || !slices.Contains(h.asked, s.by) })
	h.promises = slices.DeleteFunc(h.promises, func(s share) bool { return s.epoch <= h.fenced || !slices.Contains(h.others, s.by) })
}

func majority(c *Command) int { return len(c.Deciders)/2 + 1 }

// set is a sorted copy without duplicates.
func set(lists ...[]string) []string {
	all := slices.Concat(lists...)
	slices.Sort(all)
	return slices.Compact(all)
}
