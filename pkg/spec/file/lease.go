package file

import (
	"slices"
	"strings"
	"time"

	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec"
)

var leaseObject = object[spec.Lease]{
	title: "lease",
	means: "At most one member may act as primary at any moment. It does so while a majority of the deciders grants it, and is shut by its guard when they do not.",
	keys: []key[spec.Lease]{
		duration("ttl", spec.DefaultTTL, spec.ShortestTTL, spec.LongestTTL, "How long a grant lasts. A host that is lost without a word costs clients about 1.1 times this, and the promotion.",
			func(l *spec.Lease) *time.Duration { return &l.TTL }),
		required(key[spec.Lease]{
			name: "deciders", form: formNames, limits: "3, 5, 7 or 9 of them",
			means: "The deciders that grant it, by the names of their processes; each on another host, and no site with a majority of them.",
			read: func(c cursor, l *spec.Lease) {
				c.names(&l.Deciders)
				slices.Sort(l.Deciders)
				switch n := len(l.Deciders); {
				case !c.r.clean(c.path):
				case n < 3:
					c.fail("got %s, want 3, 5, 7 or 9: with the loss of one nobody could grant the lease", plural(n, "decider"))
				case n > 9 || n%2 == 0:
					c.fail("got %s, want 3, 5, 7 or 9: one more to an odd number survives no more losses", plural(n, "decider"))
				}
			},
		}),
		choice("guard", spec.GuardNFTables, []string{spec.GuardNFTables, spec.GuardNone},
			"What lets clients in. nftables: a filter in the kernel of the member's host, which shuts by itself. none: something else keeps clients from a member without a lease, and you vouch for it.",
			func(l *spec.Lease) *string { return &l.Guard }),
	},
}

func leaseKey() key[spec.Group] {
	return key[spec.Group]{
		name: "lease", form: "a mapping with " + leaseObject.names(), section: leaseObject.title, def: "none: the primary need not be unique",
		means: "Declares that at most one member may act as primary: for databases and floating addresses.",
		read: func(c cursor, g *spec.Group) {
			g.Lease = new(spec.Lease)
			leaseObject.read(c, g.Lease)
		},
	}
}

func durabilityKey() key[spec.Group] {
	k := choice("durability", "", []string{message.NeverLose, message.NeverStop},
		"What gives way when the standby is gone. never-lose: a write counts only when each member that may become primary has it; while none is ready, the primary runs alone and nobody takes over. never-stop: a write counts when the primary has it; what a failover would lose is shown.",
		func(g *spec.Group) *string { return &g.Durability })
	k.def, k.fill = "required with a lease", nil
	return k
}

var fenceObject = object[spec.Fence]{
	title: "fence",
	means: "An agent that keeps a host from acting, so that nobody has to wait for its lease: a program that speaks the fence agent protocol of ClusterLabs.",
	keys: []key[spec.Fence]{
		required(addressKey("agent", "a program", "The agent: its name in PATH, such as fence_ipmilan, or an absolute path.", func(s string) string {
			if strings.ContainsAny(s, " \t$") || strings.Contains(s, "/") && badPath(s) != "" {
				return "want a program's name such as fence_ipmilan, or an absolute path; options are given below options"
			}
			return ""
		}, func(f *spec.Fence) *string { return &f.Agent })),
		choice("action", "off", []string{"off", "reboot"}, "What it is asked to do.", func(f *spec.Fence) *string { return &f.Action }),
		secretsKey("options", "a mapping from names to values", "Handed to the agent. Values may hold references to secrets and ${member.…}, and must be references where the name tells of a secret (passwd, …_token).", ofMember,
			func(k string) string {
				if k == "" || strings.ContainsAny(k, "=\n ") || k == "action" || k == "plug" || k == "port" {
					return "want the name of an option of the agent, but none of action, plug and port, which ham sets"
				}
				return ""
			}, func(f *spec.Fence) *map[string]spec.Secret { return &f.Options }),
		{
			name: "plug", form: "a mapping from members to texts", def: "the member's name", means: "What the agent calls each member's host.",
			read: func(c cursor, f *spec.Fence) {
				f.Plug = c.byMember("a mapping from members to texts", cursor.plainText)
			},
		},
	},
}

func fenceKey() key[spec.Group] {
	return key[spec.Group]{
		name: "fence", form: "a mapping with " + fenceObject.names(), section: fenceObject.title, means: "How a host that does not answer is kept from acting.",
		read: func(c cursor, g *spec.Group) {
			g.Fence = new(spec.Fence)
			fenceObject.read(c, g.Fence)
		},
	}
}

func (c cursor) plainText(into *string) { c.text("a text", into) }

// byMember reads a mapping from members to what read gives; names are checked once the group is complete.
func (c cursor) byMember(form string, read func(cursor, *string)) map[string]string {
	all := map[string]string{}
	c.entries(form, func(k, v cursor) {
		var s string
		if read(v, &s); s != "" {
			all[k.node.Value] = s
		}
	})
	return all
}
