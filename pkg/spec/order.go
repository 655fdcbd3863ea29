package spec

import (
	"slices"
)

// AddedSteps lists the names of the steps that Compile adds to the group's plans, of all kinds of swaps.
func AddedSteps(g *Group) []string {
	names := []string{StepLookAgain, StepReady}
	for _, r := range g.Routes {
		names = append(names, routeStep(r), drainStep(r))
	}
	return append(names, StepVerify)
}

func routeStep(r Route) string { return "route-" + r.Name }
func drainStep(r Route) string { return "drain-" + r.Name }

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

// layers are the steps of a plan in the order of their places: every step waits for all of the layers before its own.
func (g *Group) layers() [][]string {
	own := func(place string) []string {
		var names []string
		for _, s := range g.Steps {
			if s.Place == place {
				names = append(names, s.Name)
			}
		}
		return names
	}
	var routes, drains []string
	for _, r := range g.Routes {
		routes, drains = append(routes, routeStep(r)), append(drains, drainStep(r))
	}
	return [][]string{{StepLookAgain, StepReady}, own(First), own(BeforeRoutes), routes, drains, own(AfterRoutes), {StepVerify}}
}

// Cycle returns the names of steps that wait for each other, the first one again at the end: "a", "b", "a" where a waits for b and b for a.
// Nil: there is none.
func Cycle(g *Group) []string {
	waits := map[string][]string{}
	var before []string
	for _, layer := range g.layers() {
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
