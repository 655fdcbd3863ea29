package spec

import (
	"fmt"
	"time"

	"github.com/isacloud/ha-manager/pkg/message"
)

// How long the steps of a leased group may take.
const (
	// stillDown bounds the look at an old primary that may be silent. It runs while the new one waits for the old lease to run out,
	// which takes at least twice as long with the shortest lease, so that it costs nothing; a server that lives answers within it.
	stillDown = 250 * time.Millisecond
	// talk bounds one conversation with a server.
	talk = time.Second
	// checkpointPatience bounds writing down what is dirty: minutes of it would otherwise be part of the gap.
	checkpointPatience = time.Minute
	// catchUpPatience bounds the wait for a standby to come close, while clients are still served.
	catchUpPatience = 10 * time.Second
	// stopPatience bounds a clean stop, which waits for the standbys to have everything.
	stopPatience = 30 * time.Second
	// promotePatience bounds a promotion, which replays what was received and not yet replayed.
	promotePatience = time.Minute
)

// mostLag is how far behind a standby may be, in bytes, for a switchover to it: one segment of PostgreSQL's write-ahead log. Nothing of
// it is lost, since the old primary stops only when its standbys have everything; but clients wait for it.
const mostLag = 16 << 20

// closeLag is how far behind it may be when clients begin to wait: they wait until it has received and replayed that, a few milliseconds.
const closeLag = 256 << 10

// database is a step of the driver that runs what the member holds.
func (c *compiler) database(name string, phase message.Phase, on, action string, m Member, timeout time.Duration) message.Step {
	s := message.Step{
		Name: name, Phase: phase, On: on, Timeout: message.Duration(timeout + time.Second), OnFailure: message.FailPause, Unskippable: true,
	}
	lag := int64(-1)
	switch action {
	case "streaming":
		lag = mostLag
	case "catch-up":
		lag = closeLag
	}
	switch {
	case m.Postgres != nil:
		s.Driver, s.With = "postgres", c.with(PostgresArgs{Action: action, Member: m.Name, Server: *m.Postgres, MaxLag: lag, Timeout: timeout})
	case m.Redis != nil:
		s.Driver, s.With = "redis", c.with(RedisArgs{Action: action, Member: m.Name, Server: *m.Redis, MaxLag: lag, Timeout: timeout})
	default:
		c.fail(fmt.Errorf("member %s holds nothing that can be made a primary, want postgres or redis", m.Name))
	}
	return s
}

// lookLeased looks from the executor that is about to act: another one would only add a hand-over.
func (c *compiler) lookLeased() {
	if c.graceful {
		s := c.database(StepReady, message.PhaseLook, "new", "streaming", c.to, talk)
		s.Says = fmt.Sprintf("look again: end the switchover unless %s follows %s closely", c.to.Name, c.from.Name)
		c.add(s)
		return
	}
	if c.from.Name == "" {
		return
	}
	s := c.database(StepLookAgain, message.PhaseLook, "new", "still-down", c.from, stillDown)
	if c.group.Lease != nil { // where it is up, whether its lease is renewed is looked at for longer than a renewal takes
		s.Timeout += message.Duration(c.group.Lease.TTL)
	}
	s.Says = fmt.Sprintf("look again: end the failover if %s acts as primary after all", c.from.Name)
	c.add(s)
}

// fencePatience bounds one use of a fence agent: what stands behind it may be a slow management board.
const fencePatience = time.Minute

// fence has an agent take the old primary's host away before `held`. Where a guard in the kernel shuts by itself, a fence that fails is gone past, since
// the lease is waited for all the same; where there is none, it is what keeps two primaries apart, and must be confirmed.
func (c *compiler) fence() {
	f := c.group.Fence
	if f == nil || c.group.Lease == nil || c.from.Name == "" {
		return
	}
	plug := f.Plug[c.from.Name]
	if plug == "" {
		plug = c.from.Name
	}
	options := map[string]Secret{}
	for k, v := range f.Options {
		options[k] = Secret(c.from.Expand(string(v)))
	}
	action := f.Action
	if action == "" {
		action = "off"
	}
	s := message.Step{
		Name: StepFence, Phase: message.PhaseRelease, Driver: "fence", On: "new", OnFailure: message.FailGoOn,
		With:    c.with(FenceArgs{Member: c.from.Name, Plug: plug, Agent: f.Agent, Action: action, Options: options, Timeout: fencePatience}),
		Timeout: message.Duration(fencePatience + time.Second),
		Says:    fmt.Sprintf("have %s take the host of %s away (%s)", f.Agent, c.from.Name, action),
	}
	if c.group.Lease.Guard == GuardNone {
		s.OnFailure, s.Unskippable = message.FailPause, true
	}
	c.add(s)
}

// release is what a graceful swap does before `held`: everything that takes long while clients are still served, then holding them
// back, then the giving up. What fails here aborts the swap, and the resume that follows sets it all right again: waiting for a
// person would keep clients waiting.
//
// The checkpoint stands here and not with the looks, although it harms nobody: it acts, and a look is also made in dry run.
func (c *compiler) release() {
	if !c.graceful {
		c.fence()
		return
	}
	leased := c.group.Lease != nil && c.from.Name != ""
	if leased && c.from.Postgres != nil {
		s := c.database(StepCheckpoint, message.PhaseRelease, "old", "checkpoint", c.from, checkpointPatience)
		s.OnFailure, s.Unskippable = message.FailAbort, false
		s.Says = fmt.Sprintf("let %s write down what is dirty, so that it stops at once later", c.from.Name)
		c.add(s)
		// A checkpoint may have taken a minute. Where the standby does not come close under this load, the swap goes on all the same: clients wait longer.
		s = c.database(StepCatchUp, message.PhaseRelease, "new", "catch-up", c.to, catchUpPatience)
		s.OnFailure, s.Unskippable = message.FailGoOn, false
		s.Says = fmt.Sprintf("wait until %s is close behind %s, for up to %s", c.to.Name, c.from.Name, catchUpPatience)
		c.add(s)
	}
	var pauses []message.Step
	for _, r := range c.group.Routes {
		if p := r.PgBouncer; p != nil {
			pauses = append(pauses, message.Step{
				Name: pauseStep(r), Phase: message.PhaseRelease, Driver: "pgbouncer", On: "executor:" + p.On,
				With:    c.with(PgBouncerArgs{Route: r.Name, Admins: p.Admins, Database: p.Database, Action: "pause", Timeout: p.Pause}),
				Timeout: message.Duration(p.Pause + time.Second), OnFailure: message.FailAbort,
				Says: fmt.Sprintf("hold back the clients of %s at %s once their transactions are over, for up to %s", p.Database, bouncers(len(p.Admins)), p.Pause),
			})
		}
	}
	c.add(pauses...)
	if leased {
		s := c.database(StepGiveUp, message.PhaseRelease, "old", "give-up", c.from, stopPatience)
		s.OnFailure = message.FailAbort
		s.Says = fmt.Sprintf("shut clients out of %s, stop it cleanly, and say that it is fenced", c.from.Name)
		c.add(s)
	}
}

// promote is the first thing after `held`. At its side the old primary lets a floating address go. Nothing but the verification waits for
// that: if the old primary's executor has died meanwhile, clients must be served all the same. Its guard is shut, and what the network has
// learnt is overwritten.
func (c *compiler) promote() {
	if c.group.Lease == nil {
		return
	}
	s := c.database(StepPromote, message.PhaseAct, "new", "promote", c.to, promotePatience)
	s.Retries, s.Backoff = 3, message.Duration(200*time.Millisecond)
	s.Says = fmt.Sprintf("make %s primary", c.to.Name)
	before := c.frontier
	c.add(s)
	after := c.frontier
	for _, r := range c.group.Routes {
		if v := r.VIP; v != nil && c.graceful && c.from.Name != "" {
			c.frontier = before
			c.add(message.Step{
				Name: leaveStep(r), Phase: message.PhaseAct, Driver: "vip", On: "old",
				With:    c.with(VIPArgs{Address: v.Address, Interface: v.Interfaces[c.from.Name]}),
				Timeout: message.Duration(2 * time.Second), OnFailure: message.FailGoOn,
				Says: fmt.Sprintf("take %s off %s of %s", v.Address, v.Interfaces[c.from.Name], c.from.Name),
			})
			c.aside = append(c.aside, c.frontier...)
		}
	}
	c.frontier = after
}

// writable is what a primary must prove at last.
func (c *compiler) writable() {
	if c.group.Lease == nil {
		return
	}
	s := c.database(StepWritable, message.PhaseVerify, "new", "writable", c.to, verifyPatience)
	s.Unskippable = false // skipping a look at what has been done endangers nothing
	s.Says = fmt.Sprintf("wait until %s takes a write", c.to.Name)
	s.After = c.aside
	c.add(s)
}
