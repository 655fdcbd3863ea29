package file

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"

	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec"
)

// leased checks what a lease needs, and what has a meaning only with one.
func (r *reader) leased(g *spec.Group) {
	if !r.clean("members") {
		return
	}
	r.databases(g)
	r.slots(g)
	if g.Fence != nil {
		r.byPlug(g)
	}
	if g.Lease == nil {
		if g.Durability != "" {
			r.failAt("durability", "got %s, but the group has no lease: without one nobody sees to it; write lease: {deciders: […]}, or leave durability out", g.Durability)
		}
		if g.Fence != nil {
			r.failAt("fence", "is written, but the group has no lease: without one nobody is fenced; write lease: {deciders: […]}, or leave fence out")
		}
		return
	}
	r.beside(g)
	r.guarded(g)
	r.durable(g)
}

// databases: each member holds one thing at most, and in a group with a lease all hold the same kind.
func (r *reader) databases(g *spec.Group) {
	for _, m := range g.Members {
		path := "members." + m.Name
		switch {
		case m.Postgres != nil && m.Redis != nil:
			r.failAt(path+".redis", "the member holds postgres already, want one of them: make a group of each")
		case g.Lease != nil && m.Postgres == nil && m.Redis == nil:
			r.failAt(path, "holds neither postgres nor redis, want one of them: the lease is about what ham can stop and promote")
		case g.Lease != nil && (m.Postgres == nil) != (g.Members[0].Postgres == nil):
			r.failAt(path, "holds another kind of database than member %s, want the same at all members", g.Members[0].Name)
		}
		if p := m.Postgres; p != nil && g.Lease != nil {
			for _, need := range []struct{ key, got, want string }{
				{"local", string(p.Local), "how the executor beside it logs in past the guard, such as host=/var/run/postgresql user=ham_local dbname=postgres"},
				{"upstream", string(p.Upstream), "how the other members stream from it, such as host=192.0.2.10 port=5432 user=ham_replication password=${file:/etc/ham/replication.password}"},
				{"service", p.Service, "who runs the server: pg_ctl, systemd:<unit> or cluster:<version>/<name>"},
				{"data", p.Data, "the data directory, such as /var/lib/postgresql/15/main"},
			} {
				if need.got == "" {
					r.failAt(path+".postgres."+need.key, "is missing, want %s, since the group has a lease", need.want)
				}
			}
			if d, problem := readDSN(string(p.Local)); problem == "" && p.Local != "" && d.host != "" && !d.local() && d.host != "localhost" && (d.ip() == nil || !d.ip().IsLoopback()) {
				r.failAt(path+".postgres.local", "leads to %s, want this machine: the directory of the unix socket, such as host=/var/run/postgresql", shorten(d.host))
			}
		}
	}
}

// slots: members whose names differ in ways that PostgreSQL does not tell apart would share a replication slot.
func (r *reader) slots(g *spec.Group) {
	taken := map[string]string{}
	for _, m := range g.Members {
		if m.Postgres == nil {
			continue
		}
		slot := m.Postgres.Slot
		if other := taken[slot]; other != "" {
			r.failAt("members."+m.Name, "would stream by the same replication slot as member %s (%s): give one of them another name", other, slot)
		}
		taken[slot] = m.Name
		if len(slot) > 63 {
			r.failAt("members."+m.Name, "has a name of %d characters, want at most %d: its replication slot is named after it", len(m.Name), 63-len("ham_"))
		}
	}
}

// beside: each member has an executor of its own, which the others reach.
func (r *reader) beside(g *spec.Group) {
	executors, peers := map[string]string{}, map[string]string{}
	for _, m := range g.Members {
		path := "members." + m.Name
		if m.Executor == "" {
			r.failAt(path+".executor", "is missing, want the name of the process of ham on its host: only that one may change it, since the group has a lease")
		} else if other := executors[m.Executor]; other != "" {
			r.failAt(path+".executor", "%s is beside member %s already: each member has an executor of its own, on its own host", m.Executor, other)
		}
		executors[m.Executor] = m.Name
		if m.Peer == "" {
			r.failAt(path+".peer", "is missing, want host:port where its executor answers the others: without the bus they ask each other")
		} else if other := peers[m.Peer]; other != "" {
			r.failAt(path+".peer", "%s is that of member %s already, want one for each", m.Peer, other)
		}
		peers[m.Peer] = m.Name
	}
}

// guarded: the guard shuts clients out of their ports, and nobody else.
func (r *reader) guarded(g *spec.Group) {
	proxies := proxyAddresses(g)
	for _, m := range g.Members {
		path := "members." + m.Name
		if g.Lease.Guard == spec.GuardNFTables {
			if len(m.Ports) == 0 {
				r.failAt(path+".ports", "is missing, want the ports at which clients reach it, such as [5432]: the guard shuts them")
			}
			if len(m.Allow) == 0 {
				r.failAt(path+".allow", "is missing, want the addresses of all members' hosts, its own too, and of the vantages: the guard would keep them out with the clients")
			}
		}
		for i, allowed := range m.Allow {
			for _, p := range proxies {
				if within(allowed, p.ip) {
					r.failAt(fmt.Sprintf("%s.allow[%d]", path, i), "%s lets clients past the guard: %s of route %s stands at %s; take it out, or let the proxy come from another address",
						allowed, p.what, p.route, p.ip)
				}
			}
		}
		for _, own := range []struct{ key, at string }{{"peer", m.Peer}, {"agent", m.Agent}} {
			if _, port, err := net.SplitHostPort(own.at); err == nil && slices.Contains(portNames(m.Ports), port) {
				r.failAt(path+"."+own.key, "%s stands at a port that the guard shuts, want another one than those of ports", own.at)
			}
		}
	}
}

func portNames(ports []int) []string {
	out := make([]string, len(ports))
	for i, p := range ports {
		out[i] = fmt.Sprint(p)
	}
	return out
}

type proxyAddress struct {
	ip          netip.Addr
	route, what string
}

// proxyAddresses are where clients come from who are led by a proxy, as far as the spec tells.
func proxyAddresses(g *spec.Group) []proxyAddress {
	var out []proxyAddress
	add := func(host, route, what string) {
		if ip, err := netip.ParseAddr(host); err == nil && !ip.IsLoopback() {
			out = append(out, proxyAddress{ip, route, what})
		}
	}
	for _, r := range g.Routes {
		if r.HAProxy != nil {
			for _, p := range r.HAProxy.Proxies {
				if u, err := url.Parse(p); err == nil {
					add(u.Hostname(), r.Name, "a proxy")
				}
			}
		}
		if r.PgBouncer != nil {
			for _, a := range r.PgBouncer.Admins {
				if d, problem := readDSN(string(a)); problem == "" {
					add(d.host, r.Name, "a PgBouncer")
				}
			}
		}
	}
	return out
}

// within says whether an address or a network holds ip.
func within(allowed string, ip netip.Addr) bool {
	if p, err := netip.ParsePrefix(allowed); err == nil {
		return p.Contains(ip)
	}
	a, err := netip.ParseAddr(allowed)
	return err == nil && a == ip
}

// durable: what replicates says what gives way when the standby is gone.
func (r *reader) durable(g *spec.Group) {
	switch redis := g.Members[0].Postgres == nil; {
	case g.Durability == "" && r.clean("durability"):
		r.failAt("durability", "is missing, want never-lose or never-stop: what gives way when the standby is gone, the service or the last writes")
	case redis && g.Durability == message.NeverLose:
		r.failAt("durability", "got never-lose, want never-stop: Redis tells its client that a write is done before a standby has it")
	}
}

func (r *reader) byPlug(g *spec.Group) {
	if g.Fence.Plug != nil {
		r.each("fence.plug", g.Fence.Plug, g.MemberNames(), "plug")
	}
}

// besideProcess checks that the process set up in the same file answers where the members that it stands beside say it does.
func (p *parser) besideProcess() {
	for _, g := range p.file.Groups {
		for _, m := range g.Members {
			if g.Lease == nil || m.Executor == "" || m.Executor != p.file.Process.Name || p.file.Process.Executor.Peer != "" {
				continue
			}
			where := p.process
			where.path = "executor.peer"
			p.errs = append(p.errs, where.error(fmt.Sprintf("is missing, want %s: this process stands beside member %s of group %s, and the executors of the others ask it there",
				m.Peer, m.Name, g.Name)))
			return
		}
	}
}
