package file

import (
	"cmp"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/isacloud/ha-manager/pkg/message"
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
	keys: []key[spec.Group]{
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
			name: "checks", form: "a mapping from names to checks", limits: "at least one that decides about each member", required: true, section: checkObject.title,
			means: "The ways of looking at the members, by name.",
			read:  readChecks,
		},
		{
			name: "routes", form: "a mapping from names to routes", section: routeObject.title,
			means: "What clients follow to the primary, by name.",
			read:  readRoutes,
		},
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
	},
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

var memberObject = object[spec.Member]{
	title: "member",
	means: "One infrastructure of the group.",
	keys: []key[spec.Member]{
		required(nameKey("site", "Its failure domain: data centre, region, rack.", func(m *spec.Member) *string { return &m.Site })),
		addressKey("url", "an address: http://, https:// or tcp://", "Where its checks look unless they say otherwise, such as http://192.0.2.10:8080.",
			func(s string) string { return badURL(s, "http", "https", "tcp") }, func(m *spec.Member) *string { return &m.URL }),
		{
			name: "vars", form: "a mapping from names to texts",
			means: "Your own values for ${member.<name>}, and in steps ${new.<name>} and ${old.<name>}. They may hold references to secrets.",
			read:  readVars,
		},
	},
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
		k.name(&m.Name)
		c.r.memberKeys = append(c.r.memberKeys, k.node.Value)
		memberObject.read(v, &m)
		if m.Name != "" {
			g.Members = append(g.Members, m)
		}
	})
	slices.SortFunc(g.Members, func(a, b spec.Member) int { return cmp.Compare(a.Name, b.Name) })
	if n := len(c.node.Content) / 2; isMapping(c) && (n < 2 || n > maxMembers) {
		c.fail("got %s, want 2 to %d: a primary and at least one standby", plural(n, "member"), maxMembers)
	}
}

var policyObject = object[spec.Policy]{
	title: "policy",
	means: "When a swap may happen by itself. Each limit that holds one back is named in the refusal.",
	keys:  policyKeys(spec.DefaultPolicy()),
}

func policyKeys(def spec.Policy) []key[spec.Policy] {
	quorum := number("quorum", 0, 1, 1000, "How many vantages that can see must say down.", func(p *spec.Policy) *int { return &p.Quorum })
	quorum.def, quorum.limits = "a majority of the vantages of the group", "1 to the number of vantages"
	return []key[spec.Policy]{
		quorum,
		number("fall", def.Fall, 1, 1000, "How many looks in a row must fail for one vantage to say down. Hard evidence, such as a refused connection, needs one.",
			func(p *spec.Policy) *int { return &p.Fall }),
		number("rise", def.Rise, 1, 1000, "How many looks in a row must succeed for one vantage to say up again.", func(p *spec.Policy) *int { return &p.Rise }),
		duration("stable_for", def.StableFor, 0, day, "How long a standby must have been up to be ready.", func(p *spec.Policy) *time.Duration { return &p.StableFor }),
		duration("cooldown", def.Cooldown, 0, 7*day, "How long after a swap none happens by itself.", func(p *spec.Policy) *time.Duration { return &p.Cooldown }),
		{
			name: "budget", form: "<count> per <duration>", limits: "1 to 1000 per 1m to " + show(31*day),
			def:   strconv.Itoa(def.Budget) + " per " + show(def.BudgetWindow),
			means: "How many swaps may happen by themselves within the window.",
			read:  readBudget,
			fill:  func(p *spec.Policy) { p.Budget, p.BudgetWindow = def.Budget, def.BudgetWindow },
		},
		duration("undo_window", def.UndoWindow, 0, day, "How long a request that would undo the last swap is refused unless it names the epoch.",
			func(p *spec.Policy) *time.Duration { return &p.UndoWindow }),
		duration("max_late", def.MaxLate, time.Millisecond, time.Minute, "How late a vantage's own look may begin before the vantage counts as too slow to be a witness.",
			func(p *spec.Policy) *time.Duration { return &p.MaxLate }),
		duration("swap_limit", def.SwapLimit, time.Second, day, "A swap that the new primary has not taken over by then is superseded.",
			func(p *spec.Policy) *time.Duration { return &p.SwapLimit }),
	}
}

var budget = regexp.MustCompile(`^([0-9]{1,4}) +per +([0-9a-zµ.]+)$`)

func readBudget(c cursor, p *spec.Policy) {
	const want = "<count> per <duration>, such as 2 per 24h"
	m := budget.FindStringSubmatch(c.node.Value)
	if !c.scalar() || m == nil {
		c.want(want)
		return
	}
	n, err := strconv.Atoi(m[1])
	window, err2 := time.ParseDuration(m[2])
	if err != nil || err2 != nil {
		c.want(want)
		return
	}
	if n < 1 || n > 1000 || window < time.Minute || window > 31*day {
		c.want("1 to 1000 per 1m to " + show(31*day) + "; for no swap by itself at all write mode: manual")
		return
	}
	p.Budget, p.BudgetWindow = n, window
}

var notifyObject = object[spec.NotifyRule]{
	title: "notify",
	means: "One rule: which events go to which channel.",
	keys: []key[spec.NotifyRule]{
		required(key[spec.NotifyRule]{
			name: "to", form: "<channel> or <channel>:<recipient>", means: "A channel of the process, and who gets it there, such as slack:#ops.",
			read: func(c cursor, n *spec.NotifyRule) {
				var s string
				if c.text("<channel> or <channel>:<recipient>, such as slack:#ops", &s); s == "" {
					return
				}
				if !message.IsName(channelOf(s)) || len(s) > 256 || strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
					c.want("<channel> or <channel>:<recipient>, such as slack:#ops")
					return
				}
				n.To = s
			},
		}),
		choice("from", string(message.Warning), []string{string(message.Debug), string(message.Info), string(message.Notice), string(message.Warning), string(message.Critical)},
			"The least severity.", func(n *spec.NotifyRule) *string { return &n.From }),
		{
			name: "kinds", form: "a list of kinds of events", def: "all", means: "Only these kinds: " + joined(message.EventKinds) + ".",
			read: func(c cursor, n *spec.NotifyRule) {
				c.list("a list of kinds of events", true, func(item cursor) {
					var kind message.EventKind
					if readChoice(item, message.EventKinds, &kind); kind != "" {
						n.Kinds = append(n.Kinds, string(kind))
					}
				})
			},
		},
	},
}
