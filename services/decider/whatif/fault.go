package whatif

import (
	"slices"

	"github.com/isacloud/ha-manager/pkg/spec"
)

// Kinds of faults.
const (
	KindSite    = "site"    // everything at a site is gone, without a word
	KindHost    = "host"    // everything at an address is gone, without a word
	KindProcess = "process" // a member's process ends, and its host lives
	KindCheck   = "check"   // a check fails
	KindLink    = "link"    // two sites do not reach each other, or one reaches nobody
	KindBus     = "bus"     // the bus is away, or one of its servers
	KindProber  = "prober"  // a vantage is gone, or does not see any more
)

// Kinds lists them.
var Kinds = []string{KindSite, KindHost, KindProcess, KindCheck, KindLink, KindBus, KindProber}

// fault is one thing that fails.
type fault struct {
	kind, name string
	// lost is a site that is gone, host an address.
	lost, host string
	// process is a member whose process has ended.
	process string
	// ham is a process of ham that has ended, with all that runs in it, by its name.
	ham string
	// check fails at member; "": everybody is said to be down by it, and is not.
	check, member string
	// cut are two sites that do not reach each other; the second empty: the first reaches nobody.
	cut [2]string
	// bus is away, or the server of that name.
	bus    bool
	server string
	// prober is gone; deaf: it lives, and sees nothing but the bus.
	prober string
	deaf   bool
}

// faults lists every single one that the group can have, in a fixed order. The primary's come first within a kind.
func (p *places) faults(primary string) []fault {
	var out []fault
	add := func(f fault) { out = append(out, f) }
	for _, s := range p.first(p.sites, p.members[primary].site) {
		add(fault{kind: KindSite, name: s, lost: s})
	}
	for _, h := range p.first(p.hosts(), p.members[primary].host) {
		add(fault{kind: KindHost, name: h, host: h})
	}
	members := p.first(p.group.MemberNames(), primary)
	for _, m := range members {
		add(fault{kind: KindProcess, name: m, process: m})
	}
	for _, m := range members {
		if d, _ := p.group.Member(m); p.group.Lease != nil && d.Executor != "" {
			add(fault{kind: KindProcess, name: "ham of " + m, ham: d.Executor})
		}
	}
	for _, c := range p.group.Checks {
		if c.Effect == spec.EffectTell || p.byServer(&c) || p.ofHam(&c, members[0]) {
			continue // nothing follows from it; or it is a process that fails
		}
		looks := slices.DeleteFunc(slices.Clone(members), func(m string) bool { return !c.Looks(m) })
		for _, m := range looks {
			add(fault{kind: KindCheck, name: c.Name + " at " + m, check: c.Name, member: m})
		}
		if len(looks) > 1 {
			add(fault{kind: KindCheck, name: c.Name + " everywhere", check: c.Name})
		}
	}
	for i, a := range p.sites {
		if len(p.sites) > 2 {
			for _, b := range p.sites[i+1:] {
				add(fault{kind: KindLink, name: a + " – " + b, cut: [2]string{a, b}})
			}
		}
	}
	if len(p.sites) > 1 {
		for _, s := range p.sites {
			add(fault{kind: KindLink, name: s + " cut off", cut: [2]string{s, ""}})
		}
	}
	add(fault{kind: KindBus, name: "all of it", bus: true})
	if len(p.bus) > 1 {
		for _, s := range p.bus {
			add(fault{kind: KindBus, name: "the server of " + s.name, server: s.name})
		}
	}
	for _, v := range p.group.Vantages() {
		add(fault{kind: KindProber, name: v + " gone", prober: v})
		add(fault{kind: KindProber, name: v + " sees nothing", prober: v, deaf: true})
	}
	return out
}

// byServer says whether the check asks a database that its executor asks too: when it fails, so does the process.
func (p *places) byServer(c *spec.Check) bool {
	return p.group.Lease != nil && (c.Kind == spec.CheckPostgres || c.Kind == spec.CheckRedis)
}

// ofHam says whether the check asks the process of ham beside a member.
func (p *places) ofHam(c *spec.Check, member string) bool {
	m, _ := p.group.Member(member)
	return p.group.Lease != nil && c.TCP != nil && m.Peer != "" && c.For(m).TCP.Address == m.Peer
}

// first returns the sorted names with one of them put first.
func (p *places) first(names []string, one string) []string {
	out := slices.DeleteFunc(slices.Clone(names), func(n string) bool { return n == one })
	if len(out) < len(names) {
		out = slices.Insert(out, 0, one)
	}
	return out
}

// hosts are the addresses that something of the group stands on: members and proxies.
func (p *places) hosts() []string {
	var out []string
	for _, s := range p.members {
		out = append(out, s.host)
	}
	for _, r := range p.group.Routes {
		if r.HAProxy != nil {
			for _, a := range r.HAProxy.Proxies {
				out = append(out, hostOfProxy(a))
			}
		}
	}
	slices.Sort(out)
	return slices.DeleteFunc(slices.Compact(out), func(h string) bool { return h == "" })
}

// --- what a fault does

// alive says whether what stands there runs.
func (f *fault) alive(s spot) bool {
	return (f.lost == "" || s.site != f.lost) && (f.host == "" || s.host != f.host)
}

// runs says whether a process of ham does: it has not ended, and its host lives.
func (f *fault) runs(name string, at spot) bool { return f.alive(at) && (f.ham == "" || f.ham != name) }

// looks says whether a vantage does.
func (p *places) looks(f *fault, vantage string) bool {
	at := p.vantages[vantage]
	if !f.alive(at) || f.prober == vantage && !f.deaf {
		return false
	}
	for _, x := range p.executors { // one process on the host
		if f.ham != "" && x.name == f.ham && at.host != "" && x.at.host == at.host {
			return false
		}
	}
	return true
}

// reaches says whether two places reach each other, as far as the way goes.
func (f *fault) reaches(a, b string) bool {
	if a == b || f.cut[0] == "" {
		return true
	}
	if f.cut[1] == "" {
		return a != f.cut[0] && b != f.cut[0]
	}
	return !(a == f.cut[0] && b == f.cut[1] || a == f.cut[1] && b == f.cut[0])
}

// led is where the leader of the record is: the server that reaches a majority. It returns false where there is none.
func (p *places) led(f *fault) (server, bool) {
	for _, l := range p.bus {
		if !p.serves(f, l) {
			continue
		}
		n := 0
		for _, s := range p.bus {
			if p.serves(f, s) && f.reaches(l.at.site, s.at.site) {
				n++
			}
		}
		if n >= p.mostly {
			return l, true
		}
	}
	return server{}, false
}

func (p *places) serves(f *fault, s server) bool {
	return f.runs(s.name, s.at) && (f.server == "" || s.name != f.server)
}

// onBus says whether who stands there takes part in what is recorded.
func (p *places) onBus(f *fault, at spot) bool {
	if f.bus || !f.alive(at) {
		return false
	}
	if len(p.bus) == 0 { // nobody knows where it is: with the rest
		return f.cut[1] != "" || f.cut[0] == "" || at.site != f.cut[0]
	}
	l, ok := p.led(f)
	if !ok {
		return false
	}
	for _, s := range p.bus {
		if p.serves(f, s) && f.reaches(at.site, s.at.site) && f.reaches(s.at.site, l.at.site) {
			return true
		}
	}
	return false
}

// recorded says whether anything can be decided at all.
func (p *places) recorded(f *fault) bool {
	if f.bus {
		return false
	}
	if len(p.bus) == 0 {
		return true
	}
	_, ok := p.led(f)
	return ok
}

// grants counts the deciders that can grant to who stands there.
func (p *places) grants(f *fault, to spot) int {
	n := 0
	for d, at := range p.deciders {
		if f.runs(d, at) && p.onBus(f, at) && p.onBus(f, to) {
			n++
		}
	}
	return n
}
