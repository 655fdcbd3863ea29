package spec

import (
	"slices"
)

// AddedSteps lists the names of the steps that Compile adds to the group's plans, of all kinds of swaps.
func AddedSteps(g *Group) []string {
	return slices.Concat(g.layers(func(string) []string { return nil })...)
}

func routeStep(r Route) string { return "route-" + r.Name }
func drainStep(r Route) string { return "drain-" + r.Name }
func pauseStep(r Route) string { return "pause-" + r.Name }
func leaveStep(r Route) string { return "leave-" + r.Name }

// waitsFor lists what a step of the operator's own waits for by itself: what it names, else the step before it that has the
// same place.
func (g *Group) waitsFor(i int) []string {
	s := g.Steps[i]
	if len(s.After) > 0 {
		return s.After
	}
	for _, before := range slices.Backward(g.Steps[:i]) {
		if before.Place == s.Place {
			return []string{before.Name}
		}
	}
	return nil
}

// own are the names of the operator's own steps of a place.
func (g *Group) own(place string) []string {
	var names []string
	for _, s := range g.Steps {
		if s.Place == place {
			names = append(names, s.Name)
		}
	}
	return names
}

// layers are the steps of a plan in the order of their places: every step waits for all of the layers before its own. Own gives the
// operator's.
func (g *Group) layers(own func(place string) []string) [][]string {
	var routes, drains, pauses, leaves []string
	for _, r := range g.Routes {
		routes = append(routes, routeStep(r))
		switch {
		case r.HAProxy != nil && g.Lease == nil:
			drains = append(drains, drainStep(r))
		case r.PgBouncer != nil:
			pauses = append(pauses, pauseStep(r))
		case r.VIP != nil:
			leaves = append(leaves, leaveStep(r))
		}
	}
	var ready, stops, before, behind []string
	for _, r := range g.Ordered() {
		up := &before
		if g.behindRoute(r) {
			up = &behind
		}
		switch {
		case r.Group != nil:
			ready, *up = append(ready, readyStep(r)), append(*up, moveStep(r))
		case r.Run != nil:
			if r.Run.Standby == StandbyStopped {
				stops = append(stops, stopStep(r))
			}
			*up = append(*up, startStep(r))
			if last := g.lastStep(r); last != startStep(r) {
				*up = append(*up, last)
			}
		}
	}
	layers := [][]string{own(BeforeLooks), append([]string{StepLookAgain, StepReady}, ready...), own(First)}
	if g.Lease != nil {
		layers = append(layers, []string{StepCheckpoint}, []string{StepCatchUp}, pauses, []string{StepGiveUp}, append([]string{StepPromote}, leaves...))
	} else {
		layers = append(layers, append(pauses, stops...))
	}
	layers = append(layers, before, own(BeforeRoutes), append(routes, behind...), drains, own(AfterRoutes))
	if g.Lease != nil {
		layers = append(layers, []string{StepWritable})
	}
	return append(layers, []string{StepVerify})
}

// Cycle returns the names of steps that wait for each other, the first one again at the end: "a", "b", "a" where a waits for b and b for a.
// Nil: there is none.
func Cycle(g *Group) []string {
	waits := map[string][]string{}
	var before []string
	for _, layer := range g.layers(g.own) {
		for _, name := range layer {
			waits[name] = slices.Clone(before)
		}
		if len(layer) > 0 {
			before = layer
		}
	}
	var order []string
	for i, s := range g.Steps {
		waits[s.Name] = append(waits[s.Name], g.waitsFor(i)...)
		order = append(order, s.Name) // every cycle has a step of the operator's own
	}
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
		for _, next := range waits[name] {
			if cycle := visit(next); cycle != nil {
				return cycle
			}
		}
		path = path[:len(path)-1]
		state[name] = done
		return nil
	}
	for _, name := range order {
		if cycle := visit(name); cycle != nil {
			return cycle
		}
	}
	return nil
}
