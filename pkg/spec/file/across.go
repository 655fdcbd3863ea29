package file

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec"
)

func contains(all []string, s string) bool { return slices.Contains(all, s) }

// acrossGroup checks what concerns several fields of a group, and fills the defaults that depend on others.
func (r *reader) acrossGroup(g *spec.Group) {
	members := g.MemberNames()
	if len(members) != len(r.memberKeys) {
		members = nil // one has no name that can be used: what refers to it would only repeat that
	}
	r.member("adopt", g.Adopt, members)
	r.unfold(g)
	r.mapped(g, members)
	for i := range g.Checks {
		r.check(g, &g.Checks[i], members)
	}
	r.decided(g)
	r.quorum(g)
	r.canary(g)
	r.routes(g, members)
	if g.Pool == nil {
		r.leased(g)
	}
	r.pool(g)
	r.remedies(g)
	r.hosts(g)
	r.steps(g)
	for i, c := range g.Gather {
		for k, m := range c.Members {
			r.member(fmt.Sprintf("%s.members[%d]", r.cluePath(i, c), k), m, members)
		}
	}
	if r.clean("members") {
		r.judge(g)
	}
	if len(r.errs) == 0 && g.Pool == nil {
		r.compiles(g)
	}
}

// cluePath is the path that the clue was read under.
func (r *reader) cluePath(i int, c spec.GatherClue) string {
	indexed := fmt.Sprintf("gather[%d]", i)
	if _, ok := r.at[indexed]; ok {
		return indexed
	}
	return "gather." + c.Name
}

// clean says that nothing was found wrong at path and below it.
func (r *reader) clean(path string) bool {
	return !slices.ContainsFunc(r.errs, func(e *Error) bool {
		rest, below := strings.CutPrefix(e.Field, path)
		return below && (rest == "" || rest[0] == '.' || rest[0] == '[')
	})
}

// member checks that a name is one of the members.
func (r *reader) member(path, name string, members []string) bool {
	if name == "" || contains(members, name) || len(members) == 0 {
		return true
	}
	if near := nearest(name, members); near != "" {
		r.failAt(path, "unknown member %s, did you mean %s?", name, near)
	} else {
		r.failAt(path, "unknown member %s, want one of %s", name, strings.Join(members, ", "))
	}
	return false
}

func (r *reader) check(g *spec.Group, c *spec.Check, members []string) {
	path := "checks." + c.Name
	for i, m := range c.Members {
		r.member(fmt.Sprintf("%s.members[%d]", path, i), m, members)
	}
	if len(c.From) == 0 {
		for _, m := range g.Members {
			if m.Site != "" && !contains(c.From, m.Site) {
				c.From = append(c.From, m.Site)
			}
		}
	}
	slices.Sort(c.From)
	slices.Sort(c.Members)
	if most := max(c.Every, shortEvery); c.Timeout > most {
		r.failAt(path+".timeout", "got %s, want at most %s, since it looks every %s", show(c.Timeout), show(most), show(c.Every))
	}
	if c.HTTP != nil && c.HTTP.SlowerThan >= c.Timeout && c.HTTP.SlowerThan > 0 {
		r.failAt(path+".http.slower_than", "got %s, want less than the timeout of %s, after which the look is down", show(c.HTTP.SlowerThan), show(c.Timeout))
	}
	for _, m := range g.Members {
		switch {
		case !r.clean("members") || !c.Looks(m.Name):
		case c.Postgres != nil && c.Postgres.DSN == "" && m.Postgres == nil:
			r.failAt(path+".postgres", "names no dsn, and member %s has no postgres: write dsn here, or postgres at the member", m.Name)
		case c.Redis != nil && c.Redis.Address == "" && m.Redis == nil:
			r.failAt(path+".redis", "names no address, and member %s has no redis: write address here, or redis at the member", m.Name)
		}
	}
	r.measured(g, c, path)
	if c.TCP == nil || c.TCP.Address != "" {
		return
	}
	for _, m := range g.Members {
		if r.clean("members") && c.Looks(m.Name) && m.HostPort() == "" {
			r.failAt(path+".tcp", "names no address, and member %s has no url with a port: write address: host:port, or a url at the member", m.Name)
		}
	}
}

// decided checks that every member has a check that decides about it.
func (r *reader) decided(g *spec.Group) {
	if _, written := r.at["checks"]; !written && len(g.Resources) == 0 {
		r.failAt("checks", "is missing, want a mapping from names to checks, at least one that decides about each member")
		return
	}
	if len(g.Checks) == 0 && len(g.Resources) == 0 {
		if at, ok := r.at["checks"]; ok && len(r.errs) == 0 {
			r.errs = append(r.errs, at.error("names no check, want at least one: without it nobody sees whether a member is up"))
		}
		return
	}
	if !r.clean("checks") || !r.clean("members") {
		return
	}
	for _, m := range g.Members {
		if !slices.ContainsFunc(g.Checks, func(c spec.Check) bool { return c.Effect == spec.EffectDown && !c.OfPrimary && c.Looks(m.Name) }) {
			if len(g.Resources) > 0 {
				r.failAt("resources", "nothing says whether member %s is up while it is a standby, where only what the primary runs is stopped: add a check, such as checks: {host: {tcp: …}}", m.Name)
				continue
			}
			r.failAt("checks", "no check with effect down looks at member %s, want at least one: nobody would see whether it is up", m.Name)
		}
	}
}

// quorum checks that each check has enough vantages to reach the quorum.
func (r *reader) quorum(g *spec.Group) {
	all := g.Vantages()
	if len(all) == 0 || !r.clean("checks") || !r.clean("members") {
		return
	}
	if g.Policy.Quorum > len(all) {
		r.failAt("policy.quorum", "got %d, want at most %d: that many vantages look (%s)", g.Policy.Quorum, len(all), strings.Join(all, ", "))
		return
	}
	need := g.Quorum()
	for _, c := range g.Deciding() {
		if len(c.From) < need {
			said := ""
			if g.Policy.Quorum == 0 {
				said = fmt.Sprintf(" (a majority of %d)", len(all))
			}
			r.failAt("checks."+c.Name+".from", "%s looks (%s), but the quorum is %d%s: the check could never say up or down; add vantages or write policy.quorum",
				plural(len(c.From), "vantage"), strings.Join(c.From, ", "), need, said)
		}
	}
}

func (r *reader) routes(g *spec.Group, members []string) {
	claimed := map[string]string{} // what only one route may lead → route
	claim := func(route spec.Route, key, field, format string, args ...any) {
		if other := claimed[key]; other != "" {
			r.failAt("routes."+route.Name+"."+field, "route "+other+" "+format+" already: leave it to one of them", args...)
		}
		claimed[key] = route.Name
	}
	for _, route := range g.Routes {
		path := "routes." + route.Name
		switch {
		case route.HAProxy != nil:
			for _, proxy := range route.HAProxy.Proxies {
				if route.HAProxy.Backend != "" {
					claim(route, proxy+" "+route.HAProxy.Backend, "backend", "leads backend %s on %s", route.HAProxy.Backend, proxy)
				}
			}
			r.haproxy(path, route.HAProxy, members)
		case route.PgBouncer != nil:
			for i, admin := range route.PgBouncer.Admins {
				claim(route, string(admin)+" "+route.PgBouncer.Database, fmt.Sprintf("pgbouncer[%d]", i), "leads database %s there", route.PgBouncer.Database)
			}
			r.each(path+".servers", route.PgBouncer.Servers, members, "server")
		case route.VIP != nil:
			if p, err := netip.ParsePrefix(route.VIP.Address); err == nil {
				claim(route, p.Addr().String(), "vip", "holds %s", p.Addr())
			}
			r.vip(g, path, route.VIP, members)
		}
	}
}

func (r *reader) haproxy(path string, h *spec.HAProxyRoute, members []string) {
	taken := map[string]string{} // server → member
	for _, m := range sortedKeys(h.Servers) {
		if !r.member(path+".servers."+m, m, members) {
			continue
		}
		s := h.Servers[m]
		if other := taken[s]; other != "" {
			r.failAt(path+".servers."+m, "server %s is that of member %s already: clients could not be led to one of them alone", s, other)
		}
		taken[s] = m
	}
	r.whole(path+".servers", h.Servers != nil, members, "server")
	for _, m := range sortedKeys(h.Addresses) {
		r.member(path+".addresses."+m, m, members)
	}
	for _, m := range sortedKeys(h.Weights) {
		r.member(path+".weights."+m, m, members)
	}
}

func (r *reader) vip(g *spec.Group, path string, v *spec.VIPRoute, members []string) {
	if g.Lease == nil && r.clean("lease") {
		r.failAt(path+".vip", "a floating address must be on one host alone, which only a lease makes sure: write lease: {deciders: […]}, or lead clients by haproxy")
	}
	if every, ok := v.Interfaces[everyMember]; ok {
		delete(v.Interfaces, everyMember)
		for _, m := range g.Members {
			v.Interfaces[m.Name] = every
		}
		return
	}
	r.each(path+".interfaces", v.Interfaces, members, "interface")
}

// each checks a mapping that has every member, and nobody else.
func (r *reader) each(path string, all map[string]string, members []string, what string) {
	for _, m := range sortedKeys(all) {
		r.member(path+"."+m, m, members)
	}
	r.whole(path, all != nil, members, what)
}

// whole checks that every member stands in a mapping.
func (r *reader) whole(path string, written bool, members []string, what string) {
	if !written {
		return
	}
	for _, m := range members {
		if _, ok := r.at[path+"."+m]; !ok {
			r.failAt(path, "member %s has no %s, want one for each member", m, what)
		}
	}
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// steps checks names, references and order of the operator's own steps.
func (r *reader) steps(g *spec.Group) {
	added := spec.AddedSteps(g)
	known := slices.Clone(added)
	first := map[string]int{}
	for i, s := range g.Steps {
		path := r.stepPath(i, s)
		if s.Name == "" {
			continue
		}
		if line, twice := first[s.Name]; twice {
			r.failAt(path+".name", "step %s is declared twice, first in line %d: give one of them another name", s.Name, line)
		}
		first[s.Name] = r.at[path].line
		if contains(added, s.Name) {
			r.failAt(path+".name", "a step of this name is added by ham, want another: taken are %s", strings.Join(added, ", "))
		}
		known = append(known, s.Name)
	}
	for i, s := range g.Steps {
		path := r.stepPath(i, s)
		for k, name := range s.After {
			at := fmt.Sprintf("%s.after[%d]", path, k)
			if contains(known, name) {
				continue
			}
			if near := nearest(name, known); near != "" {
				r.failAt(at, "unknown step %s, did you mean %s?", name, near)
			} else {
				r.failAt(at, "unknown step %s, want one of %s", name, strings.Join(known, ", "))
			}
		}
	}
	if !r.clean("steps") {
		return
	}
	if cycle := spec.Cycle(g); len(cycle) > 0 {
		path := "steps"
		for i, s := range g.Steps {
			if contains(cycle, s.Name) && len(s.After) > 0 {
				path = r.stepPath(i, s) + ".after"
				break
			}
		}
		r.failAt(path, "the steps wait for each other: %s; leave one of these out (a step without after waits for the one before it)", strings.Join(cycle, " after "))
	}
}

// stepPath is the path that the step was read under.
func (r *reader) stepPath(i int, s spec.Step) string {
	indexed := fmt.Sprintf("steps[%d]", i)
	if _, ok := r.at[indexed]; ok {
		return indexed
	}
	return "steps." + s.Name
}

// compiles is the last check: plans can be made for every member and kind.
func (r *reader) compiles(g *spec.Group) {
	for i, to := range g.Members {
		from := g.Members[(i+1)%len(g.Members)]
		for _, kind := range []message.Kind{message.KindFailover, message.KindSwitchover, message.KindResume} {
			plan, err := spec.Compile(g, spec.Swap{Kind: kind, From: from.Name, To: to.Name})
			if err == nil {
				err = message.Validate(&message.Command{
					ID: "check", Group: g.Name, Epoch: 1, Kind: kind, Primary: to.Name, From: from.Name, Members: g.MemberNames(),
					Rule: "check", Sentence: "check", Plan: plan, Decider: "check",
				})
			}
			if err != nil {
				r.failAt("", "no plan can be made for a %s to %s: %v", kind, to.Name, err)
				return
			}
		}
	}
}
