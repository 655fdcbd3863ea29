package spec

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/isacloud/ha-manager/pkg/message"
)

// Swap is what Compile makes a plan for.
type Swap struct {
	Kind message.Kind
	From string // the primary before; empty at adoption
	To   string // the primary after
	// Observations are the facts that the decision rests on, one line each in a fixed order; they are part of the plan's hash,
	// so that a plan that was shown is not fired once they have changed.
	Observations []string
	// Remedy is the try, where the kind is remedy: From and To are then both the primary, which stays.
	Remedy *message.Remedy
	// PredictedRTO is taken over into the plan.
	PredictedRTO time.Duration
}

// Names of the steps that Compile adds. The operator's own steps may name them in `after`.
const (
	StepLookAgain = "look-again" // a failover ends if the old primary is up after all
	StepReady     = "new-is-up"  // a switchover ends if the new one is not up, or does not follow
	StepVerify    = "verify"

	// Those of a group with a lease.
	StepCheckpoint = "checkpoint" // the old primary writes down what its stop would have to write otherwise
	StepCatchUp    = "catch-up"   // the new primary has all but the last of what the old one has written
	StepGiveUp     = "give-up"    // the old primary stops and is fenced
	StepFence      = "fence"      // an agent takes the host of the old primary away
	StepPromote    = "promote"    // the new primary becomes writable
	StepWritable   = "writable"   // the new primary takes a write
)

// verifyPatience is how long the new primary may take to answer as it should before the swap is called failed.
const verifyPatience = 30 * time.Second

// routeMargin is what a route step may take beyond the wait for sessions.
const routeMargin = 5 * time.Second

// Compile returns the plan of a swap: look steps first, then what the old primary gives up, then what changes something, then
// verification.
//
// In a group with a lease the primary's executor takes the lease and writes `held` once the old primary has given up (at a failover: once
// the look has found it down), and the first step after that is the promotion. A resume does the same but for the giving up, so that
// whatever an aborted swap has begun is undone: the primary serves again, and PgBouncer lets its clients go.
//
// A plan for adopt or resume of a primary that never stopped has no act steps of the operator; routes are led to the primary all the same.
// It never fails for a group that spec/file accepted; an error is a mistake in the program or a stale spec.
func Compile(g *Group, s Swap) (message.Plan, error) {
	to, ok := g.Member(s.To)
	if !ok {
		return message.Plan{}, fmt.Errorf("compile plan: group %s has no member %q", g.Name, s.To)
	}
	from, _ := g.Member(s.From)
	if s.From != "" && from.Name == "" {
		return message.Plan{}, fmt.Errorf("compile plan: group %s has no member %q", g.Name, s.From)
	}
	if from.Name == to.Name {
		from = Member{} // there is no other side whose sessions could be ended
	}
	c := compiler{group: g, swap: s, from: from, to: to, graceful: s.Kind == message.KindSwitchover}
	switch s.Kind {
	case message.KindFailover, message.KindSwitchover:
		if cycle := ResourceCycle(g); cycle != nil {
			return message.Plan{}, fmt.Errorf("compile plan of %s: the resources wait for each other: %s", g.Name, strings.Join(cycle, " after "))
		}
		if cycle := Cycle(g); cycle != nil {
			return message.Plan{}, fmt.Errorf("compile plan of %s: the steps wait for each other: %s", g.Name, strings.Join(cycle, " after "))
		}
		c.own(BeforeLooks)
		c.look()
		c.readyGroups()
		c.own(First)
		c.release()
		c.stopOld()
		c.promote()
		c.bringUp(false)
		c.own(BeforeRoutes)
		c.bringUp(true)
		c.routes()
		c.own(AfterRoutes)
		c.verify()
	case message.KindResume:
		c.promote()
		c.bringUp(false)
		c.bringUp(true)
		c.routes()
		c.verify()
	case message.KindRemedy:
		c.remedy()
	case message.KindAdopt, message.KindReconfigure:
	default:
		return message.Plan{}, fmt.Errorf("compile plan: unknown kind %q", s.Kind)
	}
	if c.err != nil {
		return message.Plan{}, fmt.Errorf("compile plan of %s: %w", g.Name, c.err)
	}
	plan := message.Plan{
		Graceful: c.graceful, Steps: c.steps,
		PredictedRTO: message.Duration(s.PredictedRTO), Limit: message.Duration(g.Policy.SwapLimit),
	}
	for _, step := range c.steps {
		if step.Driver == message.DriverApprove && step.Phase == message.PhaseLook { // nothing is held before a person has had the time
			plan.Limit += step.Timeout
		}
	}
	if plan.Steps == nil {
		plan.Steps = []message.Step{}
	}
	plan.Hash = hash(plan.Steps, s)
	return plan, nil
}

func hash(steps []message.Step, s Swap) string {
	h := sha256.New()
	enc := json.NewEncoder(h)
	_ = enc.Encode(steps) // a hash takes every write, and steps hold nothing that JSON cannot
	_ = enc.Encode([]any{s.Kind, s.From, s.To, s.Observations})
	return hex.EncodeToString(h.Sum(nil)[:8])
}

type compiler struct {
	group    *Group
	swap     Swap
	from, to Member
	graceful bool
	steps    []message.Step
	// frontier are the steps that everything added next comes after.
	frontier []string
	// aside are those that only the verification comes after.
	aside []string
	// drains end the sessions of the old side, once all routes lead to the new one.
	drains []message.Step
	err    error
}

// add appends steps that may run side by side, after everything before them.
func (c *compiler) add(steps ...message.Step) {
	if len(steps) == 0 {
		return
	}
	var names []string
	for _, s := range steps {
		s.Site, s.Executor = c.site(s.On), c.beside(s.On)
		s.After = append(slices.Clone(c.frontier), s.After...)
		slices.Sort(s.After)
		s.After = slices.Compact(s.After)
		c.steps = append(c.steps, s)
		names = append(names, s.Name)
	}
	c.frontier = names
}

// site is where a step should run: with the member that it is about, else near the new primary.
func (c *compiler) site(on string) string {
	switch {
	case on == "old":
		return c.from.Site
	case strings.HasPrefix(on, "executor:"):
		return ""
	}
	return c.to.Site
}

// beside is the one executor that may run what is about a member.
func (c *compiler) beside(on string) string {
	switch on {
	case "old":
		return c.from.Executor
	case "new":
		return c.to.Executor
	}
	return ""
}

func (c *compiler) with(v any) json.RawMessage {
	b, err := json.Marshal(v)
	if err != nil {
		c.fail(err)
	}
	return b
}

func (c *compiler) fail(err error) {
	if c.err == nil {
		c.err = err
	}
}

// look is the first step of every swap: is it still right?
func (c *compiler) look() {
	if c.group.Lease != nil {
		c.lookLeased()
		return
	}
	subject, name, want, role, says := c.from, StepLookAgain, "down", RolePrimary, "look again: end the failover if %s is up after all"
	if c.graceful {
		subject, name, want, role, says = c.to, StepReady, "up", "", "look again: end the switchover unless %s is up"
	}
	look, ok := lookAt(c.group, subject, want, role)
	if !ok {
		return // no check can be made from an executor: the verdict stands
	}
	c.add(message.Step{
		Name: name, Phase: message.PhaseLook, Driver: "assert", On: "any",
		With:    c.with(AssertArgs{That: look, Ends: true}),
		Timeout: message.Duration(look.Timeout + time.Second), OnFailure: message.FailPause, Unskippable: true,
		Says: fmt.Sprintf(says, subject.Name),
	})
}

// verify waits until the new primary answers as it should, from an executor.
func (c *compiler) verify() {
	c.writable()
	look, ok := LookArgs{}, false
	switch v := c.group.Verify; {
	case v != nil:
		look, ok = lookWith(*v, c.to, "up", RolePrimary)
	case c.group.Lease == nil:
		look, ok = lookAt(c.group, c.to, "up", RolePrimary)
	}
	if !ok {
		return
	}
	s := message.Step{
		Name: StepVerify, Phase: message.PhaseVerify, Driver: "wait", On: "any",
		With:    c.with(WaitArgs{Until: look}),
		Timeout: message.Duration(verifyPatience), OnFailure: message.FailPause,
		Says: fmt.Sprintf("wait until %s answers as it should", c.to.Name),
	}
	if v := c.group.Verify; v != nil && len(v.From) > 0 {
		s.On, s.Unclaimed = "executor:"+v.From[0], message.UnclaimedPause
		s.Says += ", seen from " + v.From[0]
	}
	c.add(s)
}
