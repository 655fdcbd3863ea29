package file

import (
	"cmp"
	"slices"
	"strings"

	"github.com/isacloud/ha-manager/pkg/spec"
)

var memberObject = object[spec.Member]{
	title: "member",
	means: "One infrastructure of the group.",
	keys: []key[spec.Member]{
		required(nameKey("site", "Its failure domain: data centre, region, rack.", func(m *spec.Member) *string { return &m.Site })),
		addressKey("url", "an address: http://, https:// or tcp://", "Where its checks look unless they say otherwise, such as http://192.0.2.10:8080.",
			func(s string) string { return badURL(s, "http", "https", "tcp") }, func(m *spec.Member) *string { return &m.URL }),
		nameKey("executor", "The name of the process of ham beside it. That one alone changes it. Needed where the group has a lease, a resource with run, or a ladder that restarts.", func(m *spec.Member) *string { return &m.Executor }),
		addressKey("peer", "host:port", "Where that process answers the processes beside the other members (its executor.peer).", badHostPort, func(m *spec.Member) *string { return &m.Peer }),
		{
			name: "ports", form: "a list of ports", limits: "1 to 15 of them", means: "The TCP ports at which clients reach it: its guard shuts them.",
			read: func(c cursor, m *spec.Member) {
				c.list("a list of ports", true, func(item cursor) {
					n := 0
					if item.number(1, 65535, &n); slices.Contains(m.Ports, n) {
						item.fail("%d stands in the list twice: keep one of them", n)
					} else if n > 0 {
						m.Ports = append(m.Ports, n)
					}
				})
				c.most(len(m.Ports), 15, "port")
			},
		},
		{
			name: "allow", form: "a list of addresses: IP, or IP/length", limits: "1 to 64 of them", means: "Who reaches those ports past the guard: the hosts of the members, which replicate and look (its own too), and of the vantages. No client may come from there.",
			read: func(c cursor, m *spec.Member) {
				c.list("a list of addresses: IP, or IP/length", true, func(item cursor) {
					var s string
					item.address("an address: IP, or IP/length", badPrefix, &s)
					if slices.Contains(m.Allow, s) {
						item.fail("%s stands in the list twice: keep one of them", s)
					} else if s != "" {
						m.Allow = append(m.Allow, s)
					}
				})
				c.most(len(m.Allow), 64, "address")
			},
		},
		flagKey("backup", "In a pool: it serves only when no active member does. HAProxy's own configuration says so (backup), this says that ham must not count on it.",
			func(m *spec.Member) *bool { return &m.Backup }),
		addressKey("agent", "host:port", "Where its executor answers HAProxy's agent checks: up while it holds the lease, else down.", badHostPort, func(m *spec.Member) *string { return &m.Agent }),
		{
			name: "postgres", form: formDSN + ", or a mapping", section: postgresObject.title, means: "The PostgreSQL server that it holds.",
			read: func(c cursor, m *spec.Member) {
				m.Postgres = new(spec.Postgres)
				postgresObject.read(c, m.Postgres)
			},
		},
		{
			name: "redis", form: "host:port, or a mapping", section: redisObject.title, means: "The Redis server that it holds.",
			read: func(c cursor, m *spec.Member) {
				m.Redis = new(spec.Redis)
				redisObject.read(c, m.Redis)
			},
		},
		{
			name: "vars", form: "a mapping from names to texts",
			means: "Your own values for ${member.<name>}, and in steps ${new.<name>} and ${old.<name>}. They may hold references to secrets.",
			read:  readVars,
		},
	},
}

// slotOf is the name of a member's replication slot: PostgreSQL takes small letters, digits and '_'.
func slotOf(member string) string {
	return "ham_" + strings.ReplaceAll(strings.ToLower(member), "-", "_")
}

func required[T any](k key[T]) key[T] {
	k.required = true
	return k
}

func readVars(c cursor, m *spec.Member) {
	m.Vars = map[string]string{}
	c.entries("a mapping from names to texts", func(k, v cursor) {
		var name, text string
		if k.name(&name); name == "" {
			return
		}
		if name == "name" || name == "site" || name == "url" {
			k.fail("got %s as a var, want another name: ${member.%s} has a meaning already", name, name)
			return
		}
		if v.text("a text", &text); text == "" {
			return
		}
		if telling.MatchString(name) && !slices.ContainsFunc(spec.Refs(text), isSecret) {
			v.fail("%s", writtenOut)
			return
		}
		for _, ref := range spec.Refs(text) {
			switch problem := badReference(ref); {
			case !isSecret(ref):
				v.fail("has ${%s}, want a plain text or references to secrets (${env:NAME}, ${file:/path})", ref)
				return
			case problem != "":
				v.fail("%s", problem)
				return
			}
		}
		v.r.noteSecrets(v.place(), text)
		m.Vars[name] = text
	})
}

func readMembers(c cursor, g *spec.Group) {
	c.entries("a mapping from names to members", func(k, v cursor) {
		var m spec.Member
		if k.name(&m.Name); strings.HasPrefix(m.Name, "_") {
			k.fail("got %s, want a name that begins with a letter or a digit: those with '_' are ham's own", m.Name)
		}
		c.r.memberKeys = append(c.r.memberKeys, k.node.Value)
		memberObject.read(v, &m)
		if p := m.Postgres; p != nil {
			p.Slot, p.AppName = slotOf(m.Name), m.Name
		}
		if m.Name != "" {
			g.Members = append(g.Members, m)
		}
	})
	slices.SortFunc(g.Members, func(a, b spec.Member) int { return cmp.Compare(a.Name, b.Name) })
	if n := len(c.node.Content) / 2; isMapping(c) && (n < 2 || n > maxMembers) {
		c.fail("got %s, want 2 to %d: a primary and at least one standby", plural(n, "member"), maxMembers)
	}
}
