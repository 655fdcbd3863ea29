package lease

import (
	"strconv"
	"time"
)

// ClockMargin is how much longer than a holder anybody else waits for the end of its lease. It covers what the rates of two clocks may
// differ by, also while they are being set (the kernel slews by at most 0.05 %; virtual machines are worse), with plenty to spare.
const ClockMargin = 1.1

// Wait is for how long from the receipt of a request a decider, or a member that promised, must count on the holder: ClockMargin × (ttl + late),
// rounded up to a nanosecond. late is how long after its deadline a guard may still let an answer out. Both must not be negative.
func Wait(ttl, late time.Duration) time.Duration {
	d := ttl + late
	return d + (d+9)/10
}

// Request asks one decider for its share of the lease of an epoch.
type Request struct {
	Member string
	Epoch  uint64        // of the newest command that the member has seen; from 1 on
	Wait   time.Duration // Wait of the ttl by which the member counts; above zero, at most the longest allowed
}

// Answer grants or refuses.
type Answer struct {
	Granted bool
	Newest  uint64        // the newest epoch that this decider knows of; 0: none
	Retry   time.Duration // refused: for how long that is certain; 0: not known
	Reason  string        // refused: why, as a clause
}

// Grants is one decider's half of one group's lease: to whom it grants now. It is lost with the process, and may be.
type Grants struct {
	longest time.Duration // no request may ask for more
	begin   time.Duration // nothing is granted before
	seen    uint64        // newest command known

	// The live grant: holder is "" where there is none. It lives until, not including, that time.
	holder string
	epoch  uint64
	until  time.Duration
}

// NewGrants returns those of a decider that starts now. It grants nothing before now+longest, since an earlier life of it may have granted. longest is the
// Wait of the largest ttl that is allowed.
func NewGrants(now, longest time.Duration) *Grants {
	return &Grants{longest: longest, begin: now + longest}
}

// Fresh tells that no earlier life of this decider can have granted anything to this group: it need not wait for that any more. What this
// life has granted stays.
func (g *Grants) Fresh() { g.begin = 0 }

// Saw tells of a command of the chain. Requests of older epochs are refused from then on. A live grant is left as it is: it was given.
func (g *Grants) Saw(epoch uint64) { g.seen = max(g.seen, epoch) }

// Ask answers a request that was received at the time now.
//
// It grants to one member at a time. A live grant never ends sooner by being asked for again, and its epoch never goes down: else an old
// request that arrives late would let an old fenced end what was granted for a newer epoch.
func (g *Grants) Ask(now time.Duration, r Request) Answer {
	if !g.live(now) {
		g.end()
	}
	switch {
	case r.Member == "" || r.Epoch == 0 || r.Wait <= 0:
		return g.refuse(0, "a request must name a member, an epoch from 1 on and a wait above zero")
	case r.Wait > g.longest:
		return g.refuse(0, "the wait of "+r.Wait.String()+" is longer than the longest allowed, "+g.longest.String())
	case now < g.begin:
		return g.refuse(g.begin-now, "this decider started a moment ago and may have granted before")
	case r.Epoch < g.seen:
		return g.refuse(0, "there is a newer command, of epoch "+strconv.FormatUint(g.seen, 10))
	case g.holder != "" && g.holder != r.Member:
		return g.refuse(g.until-now, "it is granted to "+g.holder+" at epoch "+strconv.FormatUint(g.epoch, 10))
	case r.Epoch < g.epoch:
		return g.refuse(0, "it is granted to this member at the newer epoch "+strconv.FormatUint(g.epoch, 10))
	}
	g.holder, g.epoch, g.until = r.Member, r.Epoch, max(g.until, now+r.Wait)
	return Answer{Granted: true, Newest: g.newest()}
}

// Fenced ends the member's grant if its epoch is at most this one. It may come late, twice, or from long ago.
func (g *Grants) Fenced(member string, epoch uint64) {
	if g.holder == member && g.epoch <= epoch {
		g.end()
	}
}

// Holder says to whom it is granted now, at which epoch, and for how much longer. Not ok: to nobody.
func (g *Grants) Holder(now time.Duration) (member string, epoch uint64, left time.Duration, ok bool) {
	if !g.live(now) {
		return "", 0, 0, false
	}
	return g.holder, g.epoch, g.until - now, true
}

func (g *Grants) live(now time.Duration) bool { return g.holder != "" && now < g.until }

func (g *Grants) end() { g.holder, g.epoch, g.until = "", 0, 0 }

func (g *Grants) newest() uint64 { return max(g.seen, g.epoch) }

func (g *Grants) refuse(retry time.Duration, reason string) Answer {
	return Answer{Newest: g.newest(), Retry: retry, Reason: reason}
}
