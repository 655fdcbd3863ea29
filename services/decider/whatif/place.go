package whatif

import (
	"cmp"
	"net"
	"net/url"
	"slices"
	"strings"

	"github.com/isacloud/ha-manager/pkg/spec"
)

// spot is where something stands. An empty host is a host of its own.
type spot struct{ site, host string }

// places is where all that a group rests on stands.
type places struct {
	group   *spec.Group
	members map[string]spot
	// vantages are the probers by the place that they look from.
	vantages map[string]spot
	// blinds are the vantages that say so when they see nothing at all: they have references.
	blinds map[string]bool
	// executors act. Those of members with a lease are called as the spec says.
	executors []executor
	// deciders grant the lease; none where the group has none.
	deciders map[string]spot
	// bus are the servers of the bus; none: nobody says where they are. mostly is how many of them make a majority.
	bus    []server
	mostly int
	sites  []string // sorted
	// assumed is what no file says.
	assumed []string
}

type executor struct {
	name  string
	at    spot
	sites []string // that it serves; none: all
}

type server struct {
	name string
	at   spot
}

// survey finds the places of a group.
func survey(g *spec.Group, processes []spec.Process) *places {
	p := &places{group: g, members: map[string]spot{}, vantages: map[string]spot{}, blinds: map[string]bool{}, deciders: map[string]spot{}}
	for _, m := range g.Members {
		p.members[m.Name] = spot{m.Site, hostOf(m)}
	}
	p.probers(processes)
	p.acting(processes)
	p.granting(processes)
	p.servers(processes)
	seen := map[string]bool{}
	note := func(s spot) { seen[s.site] = true }
	for _, s := range p.members {
		note(s)
	}
	for _, s := range p.vantages {
		note(s)
	}
	for _, s := range p.deciders {
		note(s)
	}
	for _, s := range p.bus {
		note(s.at)
	}
	for s := range seen {
		p.sites = append(p.sites, s)
	}
	slices.Sort(p.sites)
	p.assume("everything is well before the fault, and has been for stable_for: the standbys are ready and have what they should have; nothing is paused, cooling down or refused for a drill or for trust")
	return p
}

func (p *places) assume(s string) { p.assumed = append(p.assumed, s) }

func (p *places) probers(processes []spec.Process) {
	var guessed []string
	for _, v := range p.group.Vantages() {
		at, found := spot{}, false
		for i := range processes {
			r := &processes[i]
			if all := r.Prober.Vantages; slices.Contains(all, v) || len(all) == 0 && r.Site == v {
				at, found = spot{r.Site, hostOfProcess(r)}, true
				p.blinds[v] = len(r.Prober.References) > 0
			}
		}
		if !found {
			at.site = v // as a process calls its vantage unless it says otherwise
			if m := p.besideAt(v); m != "" {
				at = p.members[m]
			}
			guessed = append(guessed, v)
		}
		p.vantages[v] = at
	}
	if len(guessed) > 0 {
		p.assume("each of the vantages " + list(guessed) + " stands at the site of its name: no file of a process says otherwise")
	}
}

// besideAt is the member of a leased group whose host is also that of the vantage at its site; "": none, or several.
func (p *places) besideAt(site string) string {
	found := ""
	for _, m := range p.group.Members {
		if m.Site == site && m.Executor != "" {
			if found != "" {
				return ""
			}
			found = m.Name
		}
	}
	return found
}

func (p *places) acting(processes []spec.Process) {
	for i := range processes {
		r := &processes[i]
		p.executors = append(p.executors, executor{cmp.Or(r.Name, "x-"+r.Site), spot{r.Site, hostOfProcess(r)}, r.Executor.Sites})
	}
	known := func(name string) bool {
		return slices.ContainsFunc(p.executors, func(x executor) bool { return x.name == name })
	}
	for _, m := range p.group.Members {
		if m.Executor != "" && !known(m.Executor) {
			p.executors = append(p.executors, executor{m.Executor, p.members[m.Name], []string{m.Site}})
		}
	}
	var away []string
	for _, name := range named(p.group) {
		if !known(name) {
			p.executors = append(p.executors, executor{name: name})
			away = append(away, name)
		}
	}
	if len(away) > 0 {
		p.assume("the executors " + list(away) + " stand where no fault strikes: no file of a process says otherwise")
	}
	if len(p.executors) > len(away) {
		return
	}
	var sites []string
	for _, s := range p.vantages {
		sites = append(sites, s.site)
	}
	for _, s := range p.members {
		sites = append(sites, s.site)
	}
	slices.Sort(sites)
	sites = slices.Compact(sites)
	for _, s := range sites {
		p.executors = append(p.executors, executor{"x-" + s, spot{site: s}, nil})
	}
	p.assume("an executor stands at each of " + list(sites) + " and serves all sites")
}

// named are the executors that the spec names for what is about no member.
func named(g *spec.Group) []string {
	var out []string
	if g.Verify != nil && len(g.Verify.From) > 0 {
		out = append(out, g.Verify.From[0])
	}
	for _, r := range g.Routes {
		if r.PgBouncer != nil && r.PgBouncer.On != "" {
			out = append(out, r.PgBouncer.On)
		}
	}
	for _, s := range g.Steps {
		if name, ok := strings.CutPrefix(s.On, "executor:"); ok {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func (p *places) granting(processes []spec.Process) {
	if p.group.Lease == nil {
		return
	}
	var guessed []string
	for _, d := range p.group.Lease.Deciders {
		if i := slices.IndexFunc(processes, func(r spec.Process) bool { return r.Name == d }); i >= 0 {
			p.deciders[d] = spot{processes[i].Site, hostOfProcess(&processes[i])}
			continue
		}
		if i := slices.IndexFunc(p.group.Members, func(m spec.Member) bool { return m.Executor == d }); i >= 0 {
			p.deciders[d] = p.members[p.group.Members[i].Name]
			continue
		}
		at := spot{site: d}
		if s := p.third(); s != "" {
			at = p.vantages[s]
		}
		p.deciders[d] = at
		guessed = append(guessed, d+" at "+at.site)
	}
	if len(guessed) > 0 {
		p.assume("of the deciders stand, as no file says otherwise: " + list(guessed))
	}
}

// third is the one vantage that stands at no member's site; "": none, or several.
func (p *places) third() string {
	found := ""
	for _, v := range p.group.Vantages() {
		if !slices.ContainsFunc(p.group.Members, func(m spec.Member) bool { return m.Site == p.vantages[v].site }) {
			if found != "" {
				return ""
			}
			found = v
		}
	}
	return found
}

// servers finds the bus: the embedded servers of processes; of a leased group without such files one beside each decider.
func (p *places) servers(processes []spec.Process) {
	n, external := 0, false
	for i := range processes {
		r := &processes[i]
		if len(r.Bus.URLs) > 0 {
			external = true
			continue
		}
		p.bus = append(p.bus, server{cmp.Or(r.Name, r.Site), spot{r.Site, hostOfProcess(r)}})
		if r.Bus.Cluster != nil {
			n = max(n, len(slices.Compact(slices.Sorted(slices.Values(r.Bus.Cluster.Routes)))))
		}
	}
	if n > len(p.bus) {
		p.bus = nil // some of the servers stand where no file says
	}
	switch {
	case len(p.bus) == 0 && n == 0 && !external && p.group.Lease != nil:
		for _, d := range p.group.Lease.Deciders {
			p.bus = append(p.bus, server{d, p.deciders[d]})
		}
		p.assume("a server of the bus runs beside each decider, and keeps the record with the others")
	case len(p.bus) == 0:
		p.assume("the bus and a decider live through every fault but the bus's own: no file of a process says where they all stand")
	}
	p.mostly = len(p.bus)/2 + 1
}

// hostOf is the host that a member stands on, as far as its addresses say.
func hostOf(m spec.Member) string {
	if h := hostPart(m.Peer); h != "" {
		return h
	}
	if u, err := url.Parse(m.URL); err == nil && u.Hostname() != "" {
		return u.Hostname()
	}
	if m.Redis != nil {
		return hostPart(m.Redis.Address)
	}
	if m.Postgres != nil {
		if u, err := url.Parse(string(m.Postgres.DSN)); err == nil {
			return u.Hostname()
		}
	}
	return ""
}

// hostOfProcess is the address by which others reach it.
func hostOfProcess(r *spec.Process) string {
	cluster := ""
	if r.Bus.Cluster != nil {
		cluster = r.Bus.Cluster.Listen
	}
	for _, a := range []string{r.Executor.Peer, cluster, r.Bus.Listen} {
		h := hostPart(a)
		if ip := net.ParseIP(h); h != "" && (ip == nil || !ip.IsUnspecified() && !ip.IsLoopback()) {
			return h
		}
	}
	return "the host of " + cmp.Or(r.Name, r.Site)
}

func hostPart(address string) string {
	h, _, err := net.SplitHostPort(address)
	if err != nil {
		return ""
	}
	return h
}

// hostOfProxy is the host of a runtime API; "" for a socket on whichever machine.
func hostOfProxy(address string) string {
	rest, ok := strings.CutPrefix(address, "tcp://")
	if !ok {
		return ""
	}
	return hostPart(rest)
}

func list(names []string) string { return strings.Join(names, ", ") }
