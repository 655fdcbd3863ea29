package file

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/isacloud/ha-manager/pkg/spec"
)

// pair is what the presets of pairs are made of: a primary, its standbys, and a witness.
type pair struct {
	members  []pairMember // sorted by name
	witness  pairWitness
	deciders []string
	allow    []string
	ttl      time.Duration
	guard    string
	route    *yaml.Node

	service, data, bin, runAs                                      string
	socket, user, localUser, database, replicationUser, durability string
	password, replicationPassword                                  spec.Secret
}

type pairMember struct {
	name, site, host, executor, peer string
	port                             int
	service, data, bin, runAs        string
	dsn                              spec.Secret
}

type pairWitness struct{ name, site, host string }

const defaultPeerPort = "8323"

// pairMemberKeys are those of a member of any pair.
func pairMemberKeys(port int) []key[pairMember] {
	return []key[pairMember]{
		required(nameKey("site", "Its failure domain, and the vantage of the prober on its host.", func(m *pairMember) *string { return &m.site })),
		required(addressKey("host", "an IP", "The address of its host, from which it also reaches the others.", badIP, func(m *pairMember) *string { return &m.host })),
		number("port", port, 1, 65535, "The port of its server.", func(m *pairMember) *int { return &m.port }),
		defaulting(nameKey("executor", "The name of the process of ham on its host.", func(m *pairMember) *string { return &m.executor }), "the member's name"),
		defaulting(addressKey("peer", "host:port", "Where that process answers the others (its executor.peer).", badHostPort, func(m *pairMember) *string { return &m.peer }), "its host, port "+defaultPeerPort),
	}
}

// pairKeys are those of any pair.
func pairKeys(member *object[pairMember]) []key[pair] {
	return []key[pair]{
		{
			name: "members", form: "a mapping from names to members", limits: "2 to 8 of them", required: true, section: member.title, means: "The servers, by name.",
			read: func(c cursor, p *pair) {
				c.entries("a mapping from names to members", func(k, v cursor) {
					m := pairMember{}
					k.name(&m.name)
					member.read(v, &m)
					m.executor, m.peer = cmp.Or(m.executor, m.name), cmp.Or(m.peer, hostPort(m.host, defaultPeerPort))
					p.members = append(p.members, m)
				})
				if n := len(p.members); isMapping(c) && (n < 2 || n > 8) {
					c.fail("got %s, want 2 to 8: a primary and at least one standby", plural(n, "member"))
				}
				slices.SortFunc(p.members, func(a, b pairMember) int { return cmp.Compare(a.name, b.name) })
			},
		},
		{
			name: "witness", form: "a mapping with " + pairWitnessObject.names(), section: pairWitnessObject.title, required: true,
			means: "A third place, which sees the members and decides with them: else the loss of one place looks like the loss of the other.",
			read:  func(c cursor, p *pair) { pairWitnessObject.read(c, &p.witness) },
		},
		defaulting(nameList("deciders", "Who grants the lease: an odd number, three at least.", func(p *pair) *[]string { return &p.deciders }), "the members' executors and the witness"),
		duration("ttl", spec.DefaultTTL, spec.ShortestTTL, spec.LongestTTL, "How long the lease lasts; the checks are made as often as suits it. A host that is lost without a word costs clients about 1.1 times this, and the promotion.",
			func(p *pair) *time.Duration { return &p.ttl }),
		choice("guard", spec.GuardNFTables, []string{spec.GuardNFTables, spec.GuardNone}, "What lets clients in: see [lease](#lease).", func(p *pair) *string { return &p.guard }),
		{
			name: "allow", form: "a list of addresses: IP, or IP/length", def: "none", means: "Who else passes the guard, beside the members and the witness: backups, monitoring. No client may come from there.",
			read: func(c cursor, p *pair) {
				c.list("a list of addresses: IP, or IP/length", true, func(item cursor) {
					var s string
					if item.address("an address: IP, or IP/length", badPrefix, &s); s != "" {
						p.allow = append(p.allow, s)
					}
				})
			},
		},
		{
			name: "route", form: "a route", section: routeObject.title, def: "none: routes may stand beside use",
			means: "What clients follow to the primary. Left out of it: servers of haproxy are called as the members, those of pgbouncer are their host and port.",
			read:  func(c cursor, p *pair) { p.route = c.node },
		},
	}
}

var pairWitnessObject = object[pairWitness]{
	title: "witness of a pair",
	means: "A host at a third place that runs a prober and a decider.",
	keys: []key[pairWitness]{
		defaulting(nameKey("name", "The name of the process of ham there.", func(w *pairWitness) *string { return &w.name }), "witness"),
		defaulting(nameKey("site", "Its failure domain, and the vantage of the prober there.", func(w *pairWitness) *string { return &w.site }), "witness"),
		required(addressKey("host", "an IP", "Its address, which passes the guard.", badIP, func(w *pairWitness) *string { return &w.host })),
	},
	also: func(_ cursor, _ map[string]bool, w *pairWitness) {
		w.name, w.site = cmp.Or(w.name, "witness"), cmp.Or(w.site, "witness")
	},
}

func badIP(s string) string {
	if ip, err := netip.ParseAddr(s); err != nil || ip.IsUnspecified() || ip.IsMulticast() {
		return "want an IP address, such as 192.0.2.10: the guard knows hosts by it"
	}
	return ""
}

func hostPort(host, port string) string {
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	return host + ":" + port
}

// complete fills what follows from the rest, and tells what does not fit together.
func (p *pair) complete(c cursor) {
	if len(p.deciders) == 0 {
		for _, m := range p.members {
			p.deciders = append(p.deciders, m.executor)
		}
		p.deciders = append(p.deciders, p.witness.name)
		if len(p.deciders)%2 == 0 && c.r.clean("with.members") {
			c.fail("%s and the witness are an even number of deciders: name 3, 5, 7 or 9 in deciders", plural(len(p.members), "member"))
		}
	}
	for i, m := range p.members {
		at := "with.members." + m.name
		for _, other := range p.members[:i] {
			switch {
			case other.site == m.site && m.site != "":
				c.r.failAt(at+".site", "%s is the site of member %s already, want another: what takes one of them away would take both", m.site, other.name)
			case other.host == m.host && m.host != "":
				c.r.failAt(at+".host", "%s is the host of member %s already, want one for each", m.host, other.name)
			}
		}
		if p.witness.site == m.site && m.site != "" {
			c.r.failAt("with.witness.site", "%s is the site of member %s, want a third place: a witness that is lost with a member is none", m.site, m.name)
		}
	}
}

// common is what every pair expands to beside its members. Check is the kind of check.
func (p *pair) common(check string) string {
	var from []string
	for _, m := range p.members {
		from = append(from, m.site)
	}
	from = append(from, p.witness.site)
	// A host that is lost without a word is missed by its next look, and by two more, each begun when the one before is given up: after one
	// interval and three time-outs at most, 5/6 of ttl. Nobody could take its lease earlier: it asked for it a quarter of ttl ago or less, and
	// from then on 1.1 ttl and more have to pass. So looking more often would cost all hosts, and nobody would be served sooner for it. The
	// end of a server whose host lives is noticed when it happens, by its connection.
	every := min(max((p.ttl/3).Truncate(10*time.Millisecond), leastEvery), 2*time.Second)
	timeout := max((every / 2).Truncate(10*time.Millisecond), leastEvery)
	var b strings.Builder
	fmt.Fprintf(&b, "checks:\n  server: {%s: {}, every: %s, timeout: %s, from: %s}\n", check, show(every), show(timeout), inList(from))
	// Without the executor beside it a member has no lease for long, however well its server does. One that is only restarted is back
	// before three looks have missed it; one that is gone refuses, so that one interval and two time-outs tell.
	beside := min(max((p.ttl/2).Truncate(10*time.Millisecond), leastEvery), 3*time.Second)
	fmt.Fprintf(&b, "  executor: {tcp: {address: \"${member.peer}\", soft: true}, every: %s, timeout: %s, from: %s}\n", show(beside), show(timeout), inList(from))
	fmt.Fprintf(&b, "lease: {ttl: %s, deciders: %s, guard: %s}\n", show(p.ttl), inList(p.deciders), p.guard)
	fmt.Fprintf(&b, "durability: %s\n", p.durability)
	fmt.Fprintf(&b, "policy: {quorum: %d, fall: 3, rise: 3, stable_for: 10s, cooldown: 1m, budget: 4 per 24h, undo_window: 1m}\n", len(from)/2+1)
	if r := p.routes(); r != "" {
		fmt.Fprintf(&b, "routes:\n  clients: %s\n", r)
	}
	return b.String()
}

// allowed are those who pass the guards: all members, which replicate and look; each its own too, whose prober a shut guard would turn
// away like a client; and the witness.
func (p *pair) allowed() string {
	var all []string
	for _, m := range p.members {
		all = append(all, m.host)
	}
	all = append(all, p.witness.host)
	for _, a := range p.allow {
		if !contains(all, a) {
			all = append(all, a)
		}
	}
	return inList(all)
}

// routes is the route with what follows from the members.
func (p *pair) routes() string {
	if p.route == nil || p.route.Kind != yaml.MappingNode {
		return ""
	}
	left := 1000
	route := plain(p.route, &left)
	var servers []string
	for _, m := range p.members {
		switch {
		case has(route, "haproxy"):
			servers = append(servers, word(m.name)+": "+word(m.name))
		case has(route, "pgbouncer"):
			servers = append(servers, word(m.name)+": "+quoted(hostPort(m.host, fmt.Sprint(m.port))))
		}
	}
	text := inLine(route)
	if len(servers) > 0 && !has(route, "servers") {
		text = strings.TrimSuffix(text, "}") + ", servers: {" + strings.Join(servers, ", ") + "}}"
	}
	return text
}

// inLine writes a node without aliases in flow style.
func inLine(n *yaml.Node) string {
	var parts []string
	switch n.Kind {
	case yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			parts = append(parts, word(n.Content[i].Value)+": "+inLine(n.Content[i+1]))
		}
		return "{" + strings.Join(parts, ", ") + "}"
	case yaml.SequenceNode:
		for _, item := range n.Content {
			parts = append(parts, inLine(item))
		}
		return "[" + strings.Join(parts, ", ") + "]"
	}
	if n.ShortTag() == "!!str" {
		return word(n.Value)
	}
	return n.Value
}
