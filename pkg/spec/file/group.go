package file

import (
	"slices"
	"time"

	"github.com/isacloud/ha-manager/pkg/spec"
	"github.com/isacloud/ha-manager/pkg/subject"
)

const day = 24 * time.Hour

// How many of each a group may have: what a command, its plan (256 steps) and its evidence can carry.
const (
	maxMembers = 64
	maxChecks  = 64
	maxRoutes  = 32
	maxSteps   = 128
	maxRules   = 64
)

// most wants no more than that many.
func (c cursor) most(n, most int, what string) {
	if n > most {
		c.fail("got %s, want at most %d", plural(n, what), most)
	}
}

var groupObject = object[spec.Group]{
	title: "group",
	means: "One service that has a primary and at least one standby infrastructure.",
	keys: slices.Concat(presetKeys[spec.Group](), []key[spec.Group]{
		groupName(),
		choice("mode", spec.DryRun, []spec.Mode{spec.Auto, spec.Manual, spec.DryRun},
			"How far ham may go by itself. auto: swaps by itself and when asked. manual: when asked only. dry-run: applies nothing and records what it would have done.",
			func(g *spec.Group) *spec.Mode { return &g.Mode }),
		nested("objectives", &objectivesObject, "What the service promises.", func(g *spec.Group) *spec.Objectives { return &g.Objectives }),
		{
			name: "members", form: "a mapping from names to members", limits: "2 to 64 of them", required: true, section: memberObject.title,
			means: "The infrastructures, by name.",
			read:  readMembers,
		},
		nameKey("adopt", "The member that is primary at first start. It is refused if what is observed disagrees. Left out: a person says which, by ham adopt.",
			func(g *spec.Group) *string { return &g.Adopt }),
		{
			name: "checks", form: "a mapping from names to checks", limits: "at least one that decides about each member", def: "required, unless resources have checks", section: checkObject.title,
			means: "The ways of looking at the members, by name.",
			read:  readChecks,
		},
		{
			name: "routes", form: "a mapping from names to routes", section: routeObject.title,
			means: "What clients follow to the primary, by name.",
			read:  readRoutes,
		},
		poolKey(),
		resourcesKey(),
		downWhenKey(),
		leaseKey(),
		durabilityKey(),
		fenceKey(),
		nested("policy", &policyObject, "When a swap may happen by itself.", func(g *spec.Group) *spec.Policy { return &g.Policy }),
		{
			name: "steps", form: "a list of steps", section: stepObject.title,
			means: "Your own steps of a swap, in their order. Leading the routes over and the verification come by themselves.",
			read:  readSteps,
		},
		{
			name: "verify", form: "a look", section: verifyObject.title, def: "the first check with effect down",
			means: "What the new primary must answer before the swap counts as done, seen from an executor.",
			read:  readVerify,
		},
		canaryKey(),
		{
			name: "notify", form: "a list of rules", section: notifyObject.title,
			means: "Who is told of what.",
			read: func(c cursor, g *spec.Group) {
				c.list("a list of rules", false, func(item cursor) {
					var n spec.NotifyRule
					notifyObject.read(item, &n)
					g.Notify = append(g.Notify, n)
				})
				c.most(len(g.Notify), maxRules, "rule")
			},
		},
		silenceKey(),
	}, remedyKeys(), drillKeys(), []key[spec.Group]{gatherKey()}),
}

func groupName() key[spec.Group] {
	k := nameKey("group", "The group's name.", func(g *spec.Group) *string { return &g.Name })
	k.required = true
	read := k.read
	k.read = func(c cursor, g *spec.Group) {
		if c.node.Value == subject.NoGroup {
			c.want("another name: " + subject.NoGroup + " stands for the installation as a whole")
			return
		}
		read(c, g)
	}
	return k
}

var objectivesObject = object[spec.Objectives]{
	title: "objectives",
	means: "What the service promises. What was achieved is measured at every swap and shown beside it.",
	keys: []key[spec.Objectives]{
		duration("rto", 0, time.Millisecond, 7*day, "Recovery time: how long a failover may take, from the first failing look until the new primary is verified.",
			func(o *spec.Objectives) *time.Duration { return &o.RTO }),
		{
			name: "rpo", form: formDuration, limits: "0s to " + show(7*day), means: "Data loss: how much of the last writes may be missing. 0s: nothing may be lost.",
			read: func(c cursor, o *spec.Objectives) {
				o.HasRPO = true
				c.duration(0, 7*day, "0s", &o.RPO)
			},
		},
	},
}
