package file

import (
	"slices"

	"github.com/isacloud/ha-manager/pkg/spec"
)

var poolObject = object[spec.Pool]{
	title: "pool",
	means: "The members serve side by side behind HAProxy: no primary, no swap. ham takes single members out for maintenance (ham drain, ham roll) and puts them back.",
	keys: []key[spec.Pool]{
		required(number("minimum", 0, 1, maxMembers, "How many active members must serve. None is taken out for maintenance where fewer would be left.",
			func(p *spec.Pool) *int { return &p.Minimum })),
	},
}

func poolKey() key[spec.Group] {
	return key[spec.Group]{
		name: "pool", form: "a mapping with minimum", section: poolObject.title,
		means: "The members serve side by side, and none of them is primary. Left out: one is primary, the others are its standbys.",
		read: func(c cursor, g *spec.Group) {
			g.Pool = new(spec.Pool)
			poolObject.read(c, g.Pool)
		},
	}
}

// onlyPair are the keys that are about a primary, and so of no use in a pool.
var onlyPair = []string{
	"adopt", "lease", "durability", "fence", "steps", "verify", "drills", "blocked", "objectives",
	"policy.cooldown", "policy.budget", "policy.undo_window", "policy.swap_limit", "policy.two_person", "policy.drill_within", "policy.trust",
}

// pool checks what a pool needs, and what has a meaning only with one or only without.
func (r *reader) pool(g *spec.Group) {
	if g.Pool == nil {
		for _, m := range g.Members {
			if m.Backup {
				r.failAt("members."+m.Name+".backup", "the group is no pool, so it has no backups: write pool: {minimum: 1}, or leave backup out")
			}
		}
		return
	}
	for _, path := range onlyPair {
		if _, written := r.at[path]; written {
			r.failAt(path, "is about a primary, and a pool has none: leave it out, or leave pool out")
		}
	}
	r.keepable(g)
	if len(g.Routes) == 0 && r.clean("routes") {
		r.failAt("pool", "the group has no route, so nothing could keep clients from a member that is taken out: write routes: {front: {haproxy: […], …}}")
	}
	for _, route := range g.Routes {
		path := "routes." + route.Name
		switch h := route.HAProxy; {
		case h == nil:
			r.failAt(path, "leads clients to one member alone, and a pool has several: want haproxy")
		default:
			for _, key := range []string{"drain", "addresses", "weights"} {
				if _, written := r.at[path+"."+key]; written {
					r.failAt(path+"."+key, "is about a member that becomes primary, and a pool has none: leave it out; HAProxy's own configuration says it")
				}
			}
		}
	}
}

// keepable checks that the minimum can be kept at all.
func (r *reader) keepable(g *spec.Group) {
	if !r.clean("members") || !r.clean("pool") {
		return
	}
	switch active := len(g.Active()); {
	case active == 0:
		r.failAt("members", "all members are backups, want at least one without backup: true")
	case g.Pool.Minimum > active:
		backups := slices.DeleteFunc(g.MemberNames(), func(m string) bool { return slices.Contains(g.Active(), m) })
		said := ""
		if len(backups) > 0 {
			said = " (" + joined(backups) + " as backup does not count)"
		}
		r.failAt("pool.minimum", "got %d, want at most %d: the pool has %s%s, so the minimum could never be kept", g.Pool.Minimum, active, plural(active, "active member"), said)
	}
}
