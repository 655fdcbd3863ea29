package spec

import (
	"fmt"
	"slices"
	"time"

	"github.com/isacloud/ha-manager/pkg/message"
)

// startRetries is how often a process is started anew that does not run after its start.
const startRetries = 1

// readyGroups asks the groups that are to be moved along whether they would, before anything is changed: a planned swap ends there if one of them refuses. A
// failover does not ask first: its old primary is gone, and what does move is better moved.
func (c *compiler) readyGroups() {
	if !c.graceful {
		return
	}
	var steps []message.Step
	for _, r := range c.group.Ordered() {
		if r.Group != nil {
			s := c.groupStep(readyStep(r), message.PhaseLook, "ready", r, 10*time.Second)
			s.Says = fmt.Sprintf("look: end the swap unless group %s would move to %s", r.Group.Group, r.Group.Members[c.to.Name])
			steps = append(steps, s)
		}
	}
	c.add(steps...)
}

func (c *compiler) groupStep(name string, phase message.Phase, action string, r Resource, timeout time.Duration) message.Step {
	return message.Step{
		Name: name, Phase: phase, Driver: "group", On: "any", OnFailure: message.FailPause,
		With:    c.with(GroupArgs{Action: action, Group: r.Group.Group, Member: r.Group.Members[c.to.Name], Resource: r.Name, Timeout: timeout}),
		Timeout: message.Duration(timeout + time.Second),
	}
}

func (c *compiler) runStep(name, action string, r Resource, on string, m Member) message.Step {
	args := r.Run.For(m)
	args.Action, args.Resource = action, r.Name
	return message.Step{
		Name: name, Phase: message.PhaseAct, Driver: "run", On: on, OnFailure: message.FailPause,
		With: c.with(args), Timeout: message.Duration(args.Timeout + time.Second),
		Says: fmt.Sprintf("%s %s on %s", action, r.Name, m.Name),
	}
}

// stops are the steps that stop what runs beside the old primary alone, in the reverse of their order, each with the steps that it comes after.
func (c *compiler) stops() []message.Step {
	if c.from.Name == "" {
		return nil
	}
	var steps []message.Step
	order := c.group.Ordered()
	slices.Reverse(order)
	for i, r := range order {
		if r.Run == nil || r.Run.Standby != StandbyStopped {
			continue
		}
		s := c.runStep(stopStep(r), "stop", r, "old", c.from)
		for _, before := range order[:i] {
			if before.Run != nil && before.Run.Standby == StandbyStopped && c.group.behind(before.Name, r.Name) {
				s.After = append(s.After, stopStep(before))
			}
		}
		steps = append(steps, s)
	}
	return steps
}

// stopOld stops the processes of the old side before `held` in a planned swap: one that cannot be stopped aborts it, and the resume that follows starts
// them all again.
func (c *compiler) stopOld() {
	if !c.graceful {
		return
	}
	steps := c.stops()
	for i := range steps {
		steps[i].Phase, steps[i].OnFailure = message.PhaseRelease, message.FailAbort
	}
	c.graph(steps)
}

// graph adds steps that have their order among themselves by After; what is added next comes after all of them.
func (c *compiler) graph(steps []message.Step) {
	if len(steps) == 0 {
		return
	}
	base := c.frontier
	var ends []string
	for _, s := range steps {
		c.frontier = base
		if len(s.After) > 0 && slices.ContainsFunc(steps, func(o message.Step) bool { return slices.Contains(s.After, o.Name) }) {
			c.frontier = nil // what it comes after comes after those
		}
		ends = slices.DeleteFunc(ends, func(n string) bool { return slices.Contains(s.After, n) })
		ends = append(ends, s.Name)
		c.add(s)
	}
	c.frontier = ends
}

// bringUp moves the groups along and starts what runs on the new side, in their order: first what no route comes before, then, with the operator's own steps
// between, the routes among the resources and what comes after them.
func (c *compiler) bringUp(behindRoute bool) {
	var steps []message.Step
	stopped := map[string]bool{}
	if !behindRoute && c.swap.Kind == message.KindFailover {
		// Side by side, with the groups that move too: nobody may be there to stop anything, and that shall be waited for once.
		for _, s := range c.stops() {
			s.After, s.Unclaimed = nil, message.UnclaimedGoOn
			stopped[s.Name] = true
			if r, _ := c.group.Resource(s.Name[len("stop-"):]); r.Run.Unreachable == UnreachableWait {
				s.Unclaimed = message.UnclaimedPause
			}
			steps = append(steps, s)
		}
	}
	resume := c.swap.Kind == message.KindResume
	for _, r := range c.group.Ordered() {
		if c.group.behindRoute(r) != behindRoute || resume && r.Group != nil {
			continue // a resume leaves the other groups where they are: nothing has moved them
		}
		var after []string
		for _, name := range r.After {
			d, _ := c.group.Resource(name)
			if c.group.behindRoute(d) == behindRoute && !(resume && d.Group != nil) {
				after = append(after, c.group.lastStep(d))
			}
		}
		switch {
		case r.Group != nil:
			s := c.groupStep(moveStep(r), message.PhaseAct, "move", r, r.Group.Timeout)
			s.After = after
			s.Says = fmt.Sprintf("have group %s make %s its primary, and wait for it", r.Group.Group, r.Group.Members[c.to.Name])
			steps = append(steps, s)
		case r.Run != nil:
			s := c.runStep(startStep(r), "start", r, "new", c.to)
			s.Retries, s.Backoff = startRetries, message.Duration(time.Second)
			if s.After = after; !behindRoute && stopped[stopStep(r)] {
				s.After = append(s.After, stopStep(r))
			}
			steps = append(steps, s)
			if look, ok := c.group.upLook(r, c.to); ok {
				steps = append(steps, message.Step{
					Name: upStep(r), Phase: message.PhaseAct, Driver: "wait", On: "any", After: []string{s.Name}, OnFailure: message.FailPause,
					With: c.with(WaitArgs{Until: look}), Timeout: message.Duration(r.Run.Timeout),
					Says: fmt.Sprintf("wait until %s answers on %s", r.Name, c.to.Name),
				})
			}
		default:
			s, drain := c.route(c.group.route(r.Name))
			s.After = after
			steps, c.drains = append(steps, s), append(c.drains, drain...)
		}
	}
	c.graph(steps)
}

// route is the group's route of that name; spec/file makes one for each resource that is one.
func (g *Group) route(name string) Route {
	i := slices.IndexFunc(g.Routes, func(r Route) bool { return r.Name == name })
	return g.Routes[max(i, 0)]
}
