package spec

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// What a process does on the members that are not primary.
const (
	StandbyStopped = "stopped" // the default: it runs on the primary's side alone
	StandbyRunning = "running" // it runs on every side
)

// What a failover does about a process that ran beside the old primary, where no executor is there to stop it.
const (
	UnreachableStart = "start" // the default: it is told, the new one is started, and the old one is stopped as soon as its executor is back
	UnreachableWait  = "wait"  // a person says that it is stopped
)

// Resource is one thing of an infrastructure that moves with the primary. Exactly one of Group, Run and Route is set.
type Resource struct {
	Name  string
	Group *GroupResource
	Run   *RunResource
	// Route says that it is the group's route of this name.
	Route bool
	// After names the resources that come up before this one; it goes down before them.
	After []string
}

// GroupResource is another group that is moved along.
type GroupResource struct {
	Group string
	// Members maps each member to the one of the other group at its side.
	Members map[string]string
	Timeout time.Duration
}

// RunResource is a process, run by a systemd unit or by commands. They may hold ${member.…}.
type RunResource struct {
	Unit string
	// Running exits with 0 while the process runs, with 1 while it does not.
	Start, Stop, Running []string
	Standby, Unreachable string
	Timeout              time.Duration
}

// For returns the process as it is beside m: every ${member.…} replaced, and the commands of a unit filled in.
func (r RunResource) For(m Member) RunArgs {
	a := RunArgs{Member: m.Name, Unit: m.Expand(r.Unit), Timeout: r.Timeout}
	if r.Unit == "" {
		a.Start, a.Stop, a.Running = expandAll(r.Start, m.Expand), expandAll(r.Stop, m.Expand), expandAll(r.Running, m.Expand)
	}
	return a
}

// RunArgs is the run driver's configuration: a process that shall run, or not.
type RunArgs struct {
	// Action is "start" or "stop".
	Action string `json:"action"`
	// Resource and Member say whose process it is.
	Resource string `json:"resource"`
	Member   string `json:"member"`
	// Unit is a systemd unit; without one Start, Stop and Running are commands.
	Unit    string        `json:"unit,omitempty"`
	Start   []string      `json:"start,omitempty"`
	Stop    []string      `json:"stop,omitempty"`
	Running []string      `json:"running,omitempty"`
	Timeout time.Duration `json:"timeout_ns"`
}

// GroupArgs is the group driver's configuration: another group whose primary shall be a certain member.
type GroupArgs struct {
	// Action is "ready", which only asks whether that group would move, or "move".
	Action string `json:"action"`
	Group  string `json:"group"`
	Member string `json:"member"`
	// Resource is what the group is to the one that asks.
	Resource string        `json:"resource"`
	Timeout  time.Duration `json:"timeout_ns"`
}

// DownWhen says which resources make a member down. The checks of the others only keep a standby from being ready.
type DownWhen struct {
	// All: only all of them together do; else each of them does.
	All bool
	Of  []string // sorted
}

// Resource returns the resource of that name.
func (g *Group) Resource(name string) (Resource, bool) {
	i := slices.IndexFunc(g.Resources, func(r Resource) bool { return r.Name == name })
	if i < 0 {
		return Resource{}, false
	}
	return g.Resources[i], true
}

// Together says whether the check makes a member down only together with the others that [DownWhen] names.
func (g *Group) Together(check string) bool {
	return g.DownWhen != nil && g.DownWhen.All && slices.Contains(g.DownWhen.Of, check)
}

// Names of the steps that resources add. Those of routes are called as all routes' are.
func readyStep(r Resource) string { return "ready-" + r.Name }
func moveStep(r Resource) string  { return "move-" + r.Name }
func stopStep(r Resource) string  { return "stop-" + r.Name }
func startStep(r Resource) string { return "start-" + r.Name }
func upStep(r Resource) string    { return "up-" + r.Name }

// upLook is how an executor sees that the process answers: by the check of its name.
func (g *Group) upLook(r Resource, m Member) (LookArgs, bool) {
	i := slices.IndexFunc(g.Checks, func(c Check) bool { return c.Name == r.Name && c.Looks(m.Name) })
	if r.Run == nil || i < 0 {
		return LookArgs{}, false
	}
	return lookWith(g.Checks[i], m, "up", RolePrimary)
}

// lastStep is the step after which what comes after the resource may begin.
func (g *Group) lastStep(r Resource) string {
	switch {
	case r.Group != nil:
		return moveStep(r)
	case r.Run != nil:
		if _, ok := g.upLook(r, g.Members[0]); ok {
			return upStep(r)
		}
		return startStep(r)
	}
	return routeStep(Route{Name: r.Name})
}

// Ordered are the resources so that each comes after those that it names; among equals by name.
func (g *Group) Ordered() []Resource {
	left := slices.SortedFunc(slices.Values(g.Resources), func(a, b Resource) int { return cmp.Compare(a.Name, b.Name) })
	var out []Resource
	for len(left) > 0 {
		i := slices.IndexFunc(left, func(r Resource) bool {
			return !slices.ContainsFunc(left, func(o Resource) bool { return slices.Contains(r.After, o.Name) })
		})
		i = max(i, 0) // never -1: there is no cycle
		out = append(out, left[i])
		left = slices.Delete(left, i, i+1)
	}
	return out
}

// behind says whether resource a comes after b, directly or not.
func (g *Group) behind(a, b string) bool {
	r, _ := g.Resource(a)
	return slices.ContainsFunc(r.After, func(name string) bool { return name == b || name != a && g.behind(name, b) })
}

// behindRoute says whether the resource is a route, or comes after one.
func (g *Group) behindRoute(r Resource) bool {
	return r.Route || slices.ContainsFunc(g.Resources, func(o Resource) bool { return o.Route && g.behind(r.Name, o.Name) })
}

// ResourceCycle returns the names of resources that wait for each other, the first one again at the end. Nil: there is none.
func ResourceCycle(g *Group) []string {
	const (
		onPath = 1
		done   = 2
	)
	state := map[string]int{}
	var path []string
	var visit func(string) []string
	visit = func(name string) []string {
		switch state[name] {
		case done:
			return nil
		case onPath:
			return append(slices.Clone(path[slices.Index(path, name):]), name)
		}
		state[name] = onPath
		path = append(path, name)
		r, _ := g.Resource(name)
		for _, next := range r.After {
			if cycle := visit(next); cycle != nil {
				return cycle
			}
		}
		path = path[:len(path)-1]
		state[name] = done
		return nil
	}
	for _, r := range g.Resources {
		if cycle := visit(r.Name); cycle != nil {
			return cycle
		}
	}
	return nil
}

// ResourceSays says in a few words what the resource is: "group orders-db", "process app.service".
func (r Resource) ResourceSays() string {
	switch {
	case r.Group != nil:
		return "group " + r.Group.Group
	case r.Run != nil && r.Run.Unit != "":
		return "process " + r.Run.Unit
	case r.Run != nil:
		return "process " + strings.Join(r.Run.Start, " ")
	}
	return "route " + r.Name
}
