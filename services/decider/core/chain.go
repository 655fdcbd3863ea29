package core

import (
	"fmt"
	"time"

	"github.com/isacloud/ha-manager/pkg/message"
)

// moment is a point on the stream's clock, with when this decider heard of it.
type moment struct {
	stream int64
	heard  time.Duration
}

// since is how long ago m was: by the stream's clock, and at least as long as this decider has known of it. Both are lower bounds
// of the truth, so a stream clock that once jumped ahead cannot hold a group for ever.
func (t Time) since(m moment) time.Duration {
	return max(time.Duration(t.Stream-m.stream)*time.Microsecond, t.Mono-m.heard, 0)
}

// chain is the group's chain as far as it was read.
type chain struct {
	// seq is the sequence of the newest entry: what the next proposal expects.
	seq uint64
	// command is the newest one; held says that it took effect, and since when.
	command *message.Command
	at      moment
	held    bool
	heldAt  moment
	// last is the command of the newest epoch that was held.
	last *message.Command
	// acts is the epoch since which the primary of last has been it without anybody else in between, with the guard in force and by the same
	// durability: what was said of its standbys before is about another time.
	acts uint64
	mark *message.Mark
	// marked is when the mark was stored.
	marked moment
	// swaps are the failovers and switchovers, and resumes that were decided by themselves, oldest first.
	swaps []swap
	// asked are the entries that requests led to, oldest first.
	asked []asked
	// waiting are the swaps that wait for a second person, oldest first.
	waiting []waiting
	// tries are the commands of kind remedy, oldest first.
	tries []tried
	// planned are the drills that persons planned and that have no outcome, in the order in which they were planned.
	planned []standing
	// upkeep are the members in maintenance, sorted.
	upkeep []upkeep
	// half are the swaps given up by R228 that may have left their earlier primary half way, and that nobody has looked at since.
	half []givenUp
}

// swap is what cool-down, budget and the undo window count.
type swap struct {
	epoch     uint64
	kind      message.Kind
	from, to  string
	automatic bool
	drill     string // the drill that it is part of
	undone    bool   // that drill has gone back: it is as if neither swap had been
	at        moment
	held      bool
	heldAt    moment
}

// asked is what a request led to in the chain.
type asked struct {
	request string
	epoch   uint64
	command string
	// approval is set where it led to an entry about a second person.
	approval *message.Approval
	approved bool // a second person approved it
}

// keep bounds what is remembered of the past.
const keep = 256

func remember[T any](all []T, one T) []T {
	if len(all) >= keep {
		all = append(all[:0:0], all[len(all)-keep+1:]...)
	}
	return append(all, one)
}

// epoch is that of the newest command; 0: nothing is adopted yet.
func (c *chain) epoch() uint64 {
	if c.command == nil {
		return 0
	}
	return c.command.Epoch
}

// primary is the member that the newest command names; "" before the first.
func (c *chain) primary() string {
	if c.command == nil {
		return ""
	}
	return c.command.Primary
}

// takes reads one entry. It returns false for an entry that does not follow what was read, and an error for one that contradicts the chain.
//
// Invariant: epochs only grow, and an epoch has at most one command and one held, which names that command.
func (c *chain) take(at Time, in ChainRead) (bool, error) {
	if in.Seq <= c.seq || !in.InOrder && in.Prev != c.seq {
		return false, nil
	}
	c.seq = in.Seq
	now := moment{in.Stored, at.Mono}
	switch e := in.Entry.(type) {
	case *message.Command:
		if e.Epoch <= c.epoch() {
			return false, fmt.Errorf("command %s has epoch %d, but epoch %d stands in the chain already", e.ID, e.Epoch, c.epoch())
		}
		c.remedyTaken(e, now)
		c.gaveUp(e)
		c.command, c.at, c.held = e, now, false
		automatic, drill := e.Request == "" && e.Drill == nil, ""
		if e.Drill != nil {
			drill = e.Drill.ID
		}
		if e.Kind == message.KindFailover || e.Kind == message.KindSwitchover || e.Kind == message.KindResume && automatic && e.Rule == ruleOverdue {
			c.swaps = remember(c.swaps, swap{epoch: e.Epoch, kind: e.Kind, from: e.From, to: e.Primary, automatic: automatic, drill: drill, at: now})
		}
		if e.Request != "" {
			c.asked = remember(c.asked, asked{request: e.Request, epoch: e.Epoch, command: e.ID, approved: e.Approver != ""})
			c.settle(e.Request)
		}
	case *message.Held:
		if c.command == nil || e.Epoch != c.command.Epoch || e.Command != c.command.ID || e.Primary != c.command.Primary {
			return false, fmt.Errorf("held %s is of command %s and epoch %d, but the newest command has epoch %d", e.ID, e.Command, e.Epoch, c.epoch())
		}
		if c.held {
			return false, fmt.Errorf("held %s: epoch %d is held already", e.ID, e.Epoch)
		}
		if c.last == nil || c.last.Primary != c.command.Primary || !kept(c.last.Lease, c.command.Lease) {
			c.acts = c.command.Epoch
		}
		c.held, c.heldAt, c.last = true, now, c.command
		c.leaveMaintenance(e.Primary)
		c.looked(e.Primary)
		if n := len(c.swaps); n > 0 && c.swaps[n-1].epoch == e.Epoch {
			c.swaps[n-1].held, c.swaps[n-1].heldAt = true, now
		}
		if d := returned(c.command); d != "" {
			for i := range c.swaps {
				c.swaps[i].undone = c.swaps[i].undone || c.swaps[i].drill == d
			}
		}
	case *message.Mark:
		c.mark, c.marked = e, now
		if e.Request != "" {
			c.asked = remember(c.asked, asked{request: e.Request, epoch: c.epoch()})
		}
	case *message.Approval:
		c.approvalTaken(e, now)
	case *message.Planned:
		c.planTaken(e, now)
	case *message.Maintenance:
		c.maintenanceTaken(e, now)
	case *message.DrillEnd:
		if e.Request != "" {
			c.asked = remember(c.asked, asked{request: e.Request, epoch: c.epoch()})
		}
	}
	return true, nil
}

// returned is the drill that has gone back with this command; "": none.
func returned(c *message.Command) string {
	if c.Drill == nil || c.Drill.Way != message.WayBack {
		return ""
	}
	return c.Drill.ID
}

// kept says that from one epoch to the next somebody saw to it, in the same way, that standbys follow.
func kept(before, now *message.Lease) bool {
	return before != nil && now != nil && before.Armed && now.Armed && before.Durability == now.Durability
}

// paused says whether no swap may happen now, and how much longer; 0: until somebody resumes.
func (c *chain) paused(at Time) (left time.Duration, paused bool) {
	if c.mark == nil || !c.mark.Paused {
		return 0, false
	}
	if c.mark.For <= 0 {
		return 0, true
	}
	left = c.mark.For.Std() - at.since(c.marked)
	return max(left, 0), left > 0
}

// toUndo says that going back would undo the swap: a drill that has gone back has done so already.
func toUndo(w *swap) bool { return !w.undone }

// lastSwap is the newest failover or switchover of these that took effect, or nil.
func (c *chain) lastSwap(of func(*swap) bool) *swap {
	for i := len(c.swaps) - 1; i >= 0; i-- {
		if w := &c.swaps[i]; w.held && w.kind != message.KindResume && of(w) {
			return w
		}
	}
	return nil
}

// of returns what the request led to.
func (c *chain) of(request string) (asked, bool) {
	for i := len(c.asked) - 1; i >= 0; i-- {
		if c.asked[i].request == request {
			return c.asked[i], true
		}
	}
	return asked{}, false
}
