package file

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec"
)

const (
	maxResources = 32
	// maxResourceName leaves room for "ready-" before it in the names of steps.
	maxResourceName = message.MaxName - len("ready-")

	moveTimeout = 10 * time.Minute
	runTimeout  = time.Minute
)

// resourceText is a resource as it is written.
type resourceText struct {
	spec.Resource
	group                string
	members              map[string]string
	run                  *spec.RunResource
	check                *spec.Check
	route                *spec.Route
	standby, unreachable string
	timeout              time.Duration
}

var resourceObject = object[resourceText]{
	title: "resource",
	means: "One thing that every member holds and that moves with the primary. Its kind is a key: exactly one of group, use, run and route.",
	keys: []key[resourceText]{
		nameKey("group", "Another group that is moved along: it is asked for its own swap, and may refuse.", func(r *resourceText) *string { return &r.group }),
		{
			name: "use", form: "one of " + strings.Join(presetNamesOnce, ", "), means: "A preset: the same as a group of its own called <group>-<resource>, with the mode and the notify of this one.",
			read: func(cursor, *resourceText) {},
		},
		{name: "with", form: "a mapping", means: "What the preset is made of.", read: func(cursor, *resourceText) {}},
		{
			name: "members", form: "a mapping from members to members", def: "the same names",
			means: "With group and use: the member of that group at the side of each member of this one.",
			read: func(c cursor, r *resourceText) {
				r.members = c.byMember("a mapping from members to members", func(v cursor, into *string) { v.name(into) })
			},
		},
		{
			name: "run", form: "systemd:<unit>, or a mapping", section: runObject.title, means: "A process that runs on the primary's side: it is stopped on the old side before it is started on the new one.",
			read: func(c cursor, r *resourceText) {
				r.run = new(spec.RunResource)
				if c.scalar() {
					unit, ok := strings.CutPrefix(c.node.Value, "systemd:")
					if !ok || !unitName.MatchString(unit) {
						c.want("systemd:<unit>, such as systemd:messenger, or a mapping with " + runObject.names())
						return
					}
					r.run.Unit = unit
					return
				}
				runObject.read(c, r.run)
			},
		},
		{
			name: "route", form: "a route", section: routeObject.title, means: "What clients follow: a route of this group, with the name of the resource.",
			read: func(c cursor, r *resourceText) {
				r.route = new(spec.Route)
				readRoute(c, r.route)
			},
		},
		{
			name: "check", form: "a check", section: checkObject.title, means: "With run and route: how to see that it serves. Its name is that of the resource, its effect follows from down_when.",
			read: func(c cursor, r *resourceText) {
				r.check = new(spec.Check)
				if written := checkObject.read(c, r.check); written["effect"] {
					c.r.failAt(c.path+".effect", "is not written at a resource: down_when says which resources make a member down")
				}
				if r.check.Timeout == 0 {
					r.check.Timeout = min(defaultTimeout, max(r.check.Every, shortEvery))
				}
			},
		},
		choice("standby", spec.StandbyStopped, []string{spec.StandbyStopped, spec.StandbyRunning},
			"With run: what it does beside the other members. stopped: one that runs there is stopped and told of. running: it runs on every side.",
			func(r *resourceText) *string { return &r.standby }),
		choice("unreachable", spec.UnreachableStart, []string{spec.UnreachableStart, spec.UnreachableWait},
			"With run: what a failover does where nobody is there to stop the old one. start: it is told and the new one is started. wait: a person says that the old one is stopped.",
			func(r *resourceText) *string { return &r.unreachable }),
		{
			name: "timeout", form: formDuration, limits: "1s to " + show(day), def: show(moveTimeout) + " for a group, " + show(runTimeout) + " for a process",
			means: "How long moving the group, starting or stopping the process may take.",
			read:  func(c cursor, r *resourceText) { c.duration(time.Second, day, show(runTimeout), &r.timeout) },
		},
		nameList("after", "The resources that come up before this one. It goes down before them.", func(r *resourceText) *[]string { return &r.After }),
	},
	also: oneResource,
}

// presetNamesOnce are the names for a table that is made before presets can be asked.
var presetNamesOnce = []string{"postgres-pair", "redis-pair"}

var runObject = object[spec.RunResource]{
	title: "resource run",
	means: "A process by commands, run without a shell beside the member. ${member.…} is replaced. start and stop may be repeated: running is asked first, and again afterwards.",
	keys: []key[spec.RunResource]{
		required(commandKey("start", "Starts it, and returns.", ofMember, func(r *spec.RunResource) *[]string { return &r.Start })),
		required(commandKey("stop", "Stops it, and returns once it has stopped.", ofMember, func(r *spec.RunResource) *[]string { return &r.Stop })),
		required(commandKey("running", "Tells whether it runs: exit code 0 yes, 1 no. It must change nothing.", ofMember, func(r *spec.RunResource) *[]string { return &r.Running })),
	},
}

var resourceKinds = []string{"group", "use", "run", "route"}

func oneResource(c cursor, written map[string]bool, r *resourceText) {
	var found []string
	for _, k := range resourceKinds {
		if written[k] {
			found = append(found, k)
		}
	}
	switch {
	case len(found) == 0 && !c.r.clean(c.path):
		return // a misspelt kind was told already
	case len(found) == 0:
		c.fail("does not say what it is, want one of %s", joined(resourceKinds))
		return
	case len(found) > 1:
		c.fail("got %s in one resource, want exactly one: make a resource of each", joined(found))
		return
	}
	for _, k := range []struct {
		key string
		of  []string
	}{
		{"with", []string{"use"}}, {"members", []string{"group", "use"}}, {"check", []string{"run", "route"}}, {"standby", []string{"run"}},
		{"unreachable", []string{"run"}}, {"timeout", []string{"group", "use", "run"}},
	} {
		if written[k.key] && !contains(k.of, found[0]) {
			c.r.failAt(c.path+"."+k.key, "is about %s, but the resource is %s", strings.Join(k.of, " and "), found[0])
		}
	}
	if written["use"] && !written["with"] {
		c.fail("uses a preset without saying with what, want with: and below it a mapping")
	}
}

// inlineName is the name of the group that a resource with use makes.
func inlineName(group, resource string) string { return group + "-" + resource }

func resourcesKey() key[spec.Group] {
	return key[spec.Group]{
		name: "resources", form: "a mapping from names to resources", section: resourceObject.title,
		means: "What every member holds and what moves with the primary, by name, in an order.",
		read:  readResources,
	}
}

func downWhenKey() key[spec.Group] {
	return key[spec.Group]{
		name: "down_when", form: "any of [resources], or all of [resources]", def: "any of those that have a check",
		means: "Which resources make a member down. The others only keep a standby from being ready.",
		read: func(c cursor, g *spec.Group) {
			const want = "any of [resource, …] or all of [resource, …]"
			rest, any := strings.CutPrefix(c.node.Value, "any of ")
			rest, all := strings.CutPrefix(rest, "all of ")
			list, open := strings.CutPrefix(strings.TrimSpace(rest), "[")
			list, shut := strings.CutSuffix(list, "]")
			if !c.scalar() || any == all || !open || !shut {
				c.want(want)
				return
			}
			d := &spec.DownWhen{All: all}
			for name := range strings.SplitSeq(list, ",") {
				name = strings.TrimSpace(name)
				if !message.IsName(name) || contains(d.Of, name) {
					c.want(want + ", each name once")
					return
				}
				d.Of = append(d.Of, name)
			}
			slices.Sort(d.Of)
			g.DownWhen = d
		},
	}
}

func readResources(c cursor, g *spec.Group) {
	c.entries("a mapping from names to resources", func(k, v cursor) {
		var r resourceText
		if k.name(&r.Name); len(r.Name) > maxResourceName {
			k.fail("got a name of %d characters, want at most %d: steps are named after it", len(r.Name), maxResourceName)
		}
		resourceObject.read(v, &r)
		if r.Name != "" {
			r.into(v, g)
		}
	})
	if isMapping(c) && len(c.node.Content) == 0 {
		c.fail("names no resource: name at least one, or leave the key out")
	}
	c.most(len(g.Resources), maxResources, "resource")
	slices.SortFunc(g.Resources, func(a, b spec.Resource) int { return cmp.Compare(a.Name, b.Name) })
}

// into adds the resource to the group, with the checks and the route that it stands for.
func (r *resourceText) into(c cursor, g *spec.Group) {
	if has(c.node, "use") {
		r.group = inlineName(g.Name, r.Name)
		if g.Name == "" {
			c.fail("stands before the group's name, want group: <name> first: the preset's group is called after it")
		}
		if len(r.group) > message.MaxName {
			c.fail("makes a group %s, a name of %d characters, want at most %d: shorten the group's name or the resource's", r.group, len(r.group), message.MaxName)
		}
	}
	switch {
	case r.group != "":
		r.Group = &spec.GroupResource{Group: r.group, Members: r.members, Timeout: cmp.Or(r.timeout, moveTimeout)}
	case r.run != nil:
		r.Run = r.run
		r.Run.Standby, r.Run.Unreachable, r.Run.Timeout = r.standby, r.unreachable, cmp.Or(r.timeout, runTimeout)
	case r.route != nil:
		r.Route = true
		r.route.Name = r.Name
	default:
		return
	}
	c.r.resources = append(c.r.resources, r)
	g.Resources = append(g.Resources, r.Resource)
}

// The checks of a group that is moved along: it knows of its own changes within a fraction of that.
const (
	groupEvery   = time.Second
	groupTimeout = 500 * time.Millisecond
)

// unfold adds the checks and routes that the resources stand for, and checks what concerns several of them. Whether it is called at all does not depend on
// where the keys of the group stand.
func (r *reader) unfold(g *spec.Group) {
	if len(g.Resources) == 0 {
		if g.DownWhen != nil {
			r.failAt("down_when", "is about resources, and the group has none: write resources, or say by effect which checks make a member down")
		}
		return
	}
	if g.Pool != nil {
		r.failAt("pool", "is written in a group with resources, which move with a primary, and a pool has none: make the pool a group of its own")
	}
	if g.Lease != nil {
		r.failAt("lease", "is written in a group with resources: give the lease to the group of the database, which is a resource here")
	}
	for _, t := range r.resources {
		path := "resources." + t.Name
		if slices.ContainsFunc(g.Checks, func(c spec.Check) bool { return c.Name == t.Name || t.Group != nil && c.Name == t.Name+"-ready" }) {
			r.failAt(path, "a check of this name stands below checks, want another name: a resource's check is called as the resource")
			continue
		}
		switch {
		case t.Group != nil:
			c := spec.Check{
				Name: t.Name, Kind: spec.CheckGroup, Every: groupEvery, Timeout: groupTimeout, Effect: spec.EffectDown,
				Group: &spec.GroupCheck{Group: t.group, Members: t.members},
			}
			ready := c
			ready.Name, ready.Effect = t.Name+"-ready", spec.EffectReady
			ready.Group = &spec.GroupCheck{Group: t.group, Members: t.members, Ready: true}
			g.Checks = append(g.Checks, c, ready)
			r.at["checks."+c.Name], r.at["checks."+ready.Name] = r.at[path], r.at[path]
		case t.check != nil:
			t.check.Name, t.check.OfPrimary = t.Name, t.Route || t.Run.Standby == spec.StandbyStopped
			g.Checks = append(g.Checks, *t.check)
			for p, where := range r.at {
				if rest, ok := strings.CutPrefix(p, path+".check"); ok {
					r.at["checks."+t.Name+rest] = where
				}
			}
		}
		if t.route != nil {
			if slices.ContainsFunc(g.Routes, func(o spec.Route) bool { return o.Name == t.Name }) {
				r.failAt(path, "a route of this name stands below routes, want another name: a resource's route is called as the resource")
				continue
			}
			g.Routes = append(g.Routes, *t.route)
			for p, where := range r.at {
				if rest, ok := strings.CutPrefix(p, path+".route"); ok {
					r.at["routes."+t.Name+rest] = where
				}
			}
		}
	}
	// The groups that are moved along are asked about from wherever anything else is looked at.
	vantages := g.Vantages()
	for i := range g.Checks {
		if c := &g.Checks[i]; c.Group != nil && len(c.From) == 0 {
			c.From = slices.Clone(vantages)
		}
	}
	slices.SortFunc(g.Checks, func(a, b spec.Check) int { return cmp.Compare(a.Name, b.Name) })
	slices.SortFunc(g.Routes, func(a, b spec.Route) int { return cmp.Compare(a.Name, b.Name) })
	r.downWhen(g)
	r.order(g)
}

// downWhen gives the resources' checks their effects.
func (r *reader) downWhen(g *spec.Group) {
	var checked []string
	for _, t := range r.resources {
		if t.Group != nil || t.check != nil {
			checked = append(checked, t.Name)
		}
	}
	slices.Sort(checked)
	if g.DownWhen == nil {
		g.DownWhen = &spec.DownWhen{Of: checked}
	}
	for _, name := range g.DownWhen.Of {
		_, known := g.Resource(name)
		switch {
		case contains(checked, name):
		case known:
			r.failAt("down_when", "names %s, which has no check: write check at that resource, or leave it out", name)
		case nearest(name, checked) != "":
			r.failAt("down_when", "unknown resource %s, did you mean %s?", name, nearest(name, checked))
		default:
			r.failAt("down_when", "unknown resource %s, want some of %s", name, strings.Join(checked, ", "))
		}
	}
	for i := range g.Checks {
		if c := &g.Checks[i]; contains(checked, c.Name) && !contains(g.DownWhen.Of, c.Name) {
			c.Effect = spec.EffectReady
		}
	}
}

// order checks what the resources come after.
func (r *reader) order(g *spec.Group) {
	var names []string
	for _, res := range g.Resources {
		names = append(names, res.Name)
	}
	bad := false
	for _, res := range g.Resources {
		for k, name := range res.After {
			if contains(names, name) {
				continue
			}
			bad = true
			at := fmt.Sprintf("resources.%s.after[%d]", res.Name, k)
			if near := nearest(name, names); near != "" {
				r.failAt(at, "unknown resource %s, did you mean %s?", name, near)
			} else {
				r.failAt(at, "unknown resource %s, want one of %s", name, strings.Join(names, ", "))
			}
		}
	}
	if cycle := spec.ResourceCycle(g); len(cycle) > 0 {
		r.failAt("resources."+cycle[0]+".after", "the resources wait for each other: %s; leave one of these out", strings.Join(cycle, " after "))
		bad = true
	}
	if bad {
		for i := range g.Resources {
			g.Resources[i].After = nil // what else is wrong can be told all the same
		}
	}
}

// mapped fills in and checks the members of the groups that are moved along.
func (r *reader) mapped(g *spec.Group, members []string) {
	if len(members) == 0 {
		return
	}
	for i := range g.Resources {
		res := &g.Resources[i]
		if res.Group == nil {
			continue
		}
		path := "resources." + res.Name
		if res.Group.Group == g.Name {
			r.failAt(path+".group", "is this group itself, want another one")
		}
		taken := map[string]string{}
		for _, m := range sortedKeys(res.Group.Members) {
			r.member(path+".members."+m, m, members)
			if other := taken[res.Group.Members[m]]; other != "" {
				r.failAt(path+".members."+m, "%s is at the side of member %s already, want one for each", res.Group.Members[m], other)
			}
			taken[res.Group.Members[m]] = m
		}
		whole := map[string]string{}
		for _, m := range members {
			whole[m] = cmp.Or(res.Group.Members[m], m)
		}
		res.Group.Members = whole
		for k := range g.Checks {
			if c := &g.Checks[k]; c.Group != nil && (c.Name == res.Name || c.Name == res.Name+"-ready") {
				c.Group.Members = whole
			}
		}
	}
}

// hosts: what is started and stopped on a member's host, by its service manager or by commands there, is so by one executor, which the spec names. Of two that may,
// one would find stopped on its host what the other runs on another, or start what the other is stopping.
func (r *reader) hosts(g *spec.Group) {
	what := ""
	for _, res := range g.Ordered() {
		if res.Run != nil {
			what = fmt.Sprintf("process %s is started and stopped", res.Name)
			break
		}
	}
	for _, rung := range g.Remedy {
		if what == "" && rung.Restart != "" {
			what = rung.Restart + " is restarted"
		}
	}
	if what == "" || g.Lease != nil || g.Pool != nil { // those say it for themselves, or have nothing of the kind
		return
	}
	for _, m := range g.Members {
		if m.Executor == "" {
			r.failAt("members."+m.Name+".executor", "is missing, want the name of the process of ham on its host: %s there, by that one alone", what)
		}
	}
}

// inline reads the groups that resources with a preset make, as documents of their own.
func (p *parser) inline(c cursor, of string) {
	all := value(c.node, "resources")
	if all == nil || all.Kind != yaml.MappingNode {
		return
	}
	for i := 0; i+1 < len(all.Content); i += 2 {
		name, res := all.Content[i], all.Content[i+1]
		use := value(res, "use")
		if use == nil || value(res, "with") == nil {
			continue
		}
		key := func(k string, from *yaml.Node) *yaml.Node {
			return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: k, Line: from.Line, Column: from.Column}
		}
		root := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map", Line: res.Line, Column: res.Column}
		root.Content = append(root.Content, key("group", name), key(inlineName(of, name.Value), name))
		for _, inherited := range []string{"mode", "notify"} {
			if v := value(c.node, inherited); v != nil {
				root.Content = append(root.Content, key(inherited, v), v)
			}
		}
		if m := adopted(c.node, res); m != nil {
			root.Content = append(root.Content, key("adopt", m), m)
		}
		root.Content = append(root.Content, key("use", use), use, key("with", value(res, "with")), value(res, "with"))
		r := &reader{file: p.file.Name, document: "group " + shorten(inlineName(of, name.Value)), at: map[string]place{}}
		p.read(r.root(root), fmt.Sprintf("# Resource %s of group %s.\n%s", name.Value, of, render(root)), name.Line, of)
		p.errs = append(p.errs, r.errs...)
	}
}

// adopted is the member of an inline group at the side of the one that its parent adopts; nil: the parent adopts none, or the group has none there. It is
// refused like any other where what is observed disagrees.
func adopted(parent, res *yaml.Node) *yaml.Node {
	m := value(parent, "adopt")
	if m == nil || m.Kind != yaml.ScalarNode {
		return nil
	}
	if mapped := value(res, "members"); mapped != nil {
		if m = value(mapped, m.Value); m == nil || m.Kind != yaml.ScalarNode {
			return nil
		}
	}
	if members := value(value(res, "with"), "members"); members == nil || value(members, m.Value) == nil {
		return nil
	}
	return m
}

// moves checks the groups that are moved along as far as they stand in the same file.
func (p *parser) moves() {
	for _, g := range p.file.Groups {
		for _, res := range g.Resources {
			if res.Group == nil {
				continue
			}
			other, here := p.file.Group(res.Group.Group)
			if !here {
				continue
			}
			at := p.groupAt[g.Name]
			if where, ok := p.resourceAt[g.Name+" "+res.Name]; ok {
				at = where
			}
			for _, m := range sortedKeys(res.Group.Members) {
				if _, ok := other.Member(res.Group.Members[m]); !ok {
					p.errs = append(p.errs, at.error(fmt.Sprintf("group %s has no member %s, want members: {%s: …} with one of %s", other.Name, res.Group.Members[m], m,
						strings.Join(other.MemberNames(), ", "))))
				}
			}
			if p.leadsTo(other.Name, g.Name, map[string]bool{}) {
				p.errs = append(p.errs, at.error(fmt.Sprintf("group %s moves %s, which moves %s: leave one of these out", g.Name, other.Name, g.Name)))
			}
		}
	}
}

// leadsTo says whether moving group a moves group b, by any number of others.
func (p *parser) leadsTo(a, b string, seen map[string]bool) bool {
	if seen[a] {
		return false
	}
	seen[a] = true
	g, ok := p.file.Group(a)
	return ok && slices.ContainsFunc(g.Resources, func(r spec.Resource) bool {
		return r.Group != nil && (r.Group.Group == b || p.leadsTo(r.Group.Group, b, seen))
	})
}
