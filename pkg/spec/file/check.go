package file

import (
	"cmp"
	"slices"
	"time"

	"github.com/isacloud/ha-manager/pkg/spec"
)

const (
	leastEvery = 50 * time.Millisecond
	mostEvery  = time.Hour
	// shortEvery: a check that looks more often than this may still wait this long for an answer.
	shortEvery     = 100 * time.Millisecond
	defaultEvery   = time.Second
	defaultTimeout = 500 * time.Millisecond
	verifyTimeout  = 2 * time.Second
)

var checkObject = object[spec.Check]{
	title: "check",
	means: "One named way of looking at the members. Its kind is a key: exactly one of http, tcp, exec, postgres, redis, group, host, queue and certificate.",
	keys: append(append(append(kindKeys(), groupCheckKey()), measureKeys()...),
		duration("every", defaultEvery, leastEvery, mostEvery, "How often each vantage looks.", func(c *spec.Check) *time.Duration { return &c.Every }),
		checkTimeout(show(defaultTimeout)+"; every where that is shorter, but not below "+show(shortEvery), "1ms to every (to 100ms where every is shorter than that)"),
		defaulting(nameList("from", "The vantages that look. A vantage is a name that a prober looks from, by default its site.", func(c *spec.Check) *[]string { return &c.From }),
			"the sites of the members"),
		choice("effect", spec.EffectDown, []spec.Effect{spec.EffectDown, spec.EffectReady, spec.EffectTell},
			"What a failing check means. down: the member is down. ready: a standby is not ready, a primary stays. tell: it is told and nothing else; checks that measure have no other.",
			func(c *spec.Check) *spec.Effect { return &c.Effect }),
		defaulting(nameList("members", "Only these members are looked at.", func(c *spec.Check) *[]string { return &c.Members }), "all"),
	),
	also: oneOf(kinds),
}

var verifyObject = object[spec.Check]{
	title: "verify",
	means: "A look at the new primary after a swap: exactly one of http, tcp, exec and postgres. It is repeated until it answers as it should.",
	keys: append(slices.DeleteFunc(kindKeys(), func(k key[spec.Check]) bool { return k.name == "redis" }),
		checkTimeout(show(verifyTimeout), "1ms to "+show(mostEvery)),
		key[spec.Check]{
			name: "from", form: formName, def: "any executor", means: "The process of ham whose executor looks: one outside sees what clients see.",
			read: func(c cursor, check *spec.Check) {
				var name string
				if c.name(&name); name != "" {
					check.From = []string{name}
				}
			},
		}),
	also: oneOf(kinds),
}

func defaulting[T any](k key[T], def string) key[T] {
	k.def = def
	return k
}

func checkTimeout(def, limits string) key[spec.Check] {
	k := duration("timeout", 0, time.Millisecond, mostEvery, "How long one look may take.", func(c *spec.Check) *time.Duration { return &c.Timeout })
	k.def, k.limits = def, limits
	return k
}

// kindKeys are the kinds of checks.
func kindKeys() []key[spec.Check] {
	return []key[spec.Check]{
		{
			name: "http", form: "a path or an address, or a mapping", section: httpObject.title,
			means: "Ask for a page and look at the answer.",
			read: func(c cursor, into *spec.Check) {
				into.HTTP = new(spec.HTTPCheck)
				httpObject.read(c, into.HTTP)
			},
		},
		{
			name: "tcp", form: "host:port, or a mapping", section: tcpObject.title,
			means: "Connect. {} connects to the member's url.",
			read: func(c cursor, into *spec.Check) {
				into.TCP = new(spec.TCPCheck)
				tcpObject.read(c, into.TCP)
			},
		},
		{
			name: "exec", form: "a command (list), or a mapping", section: execObject.title,
			means: "Run a command that follows the Nagios plugin convention: exit code 0 up, 1 degraded, 2 down, 3 unknown.",
			read: func(c cursor, into *spec.Check) {
				into.Exec = new(spec.ExecCheck)
				execObject.read(c, into.Exec)
			},
		},
		{
			name: "postgres", form: "{}, or a mapping", section: postgresCheckObject.title,
			means: "Log in to PostgreSQL and look; on a primary also write. {} looks at the member's own server.",
			read: func(c cursor, into *spec.Check) {
				into.Postgres = new(spec.PostgresCheck)
				postgresCheckObject.read(c, into.Postgres)
			},
		},
		{
			name: "redis", form: "{}, or a mapping", section: redisCheckObject.title,
			means: "Ask Redis for its role and how it follows. {} looks at the member's own server.",
			read: func(c cursor, into *spec.Check) {
				into.Redis = new(spec.RedisCheck)
				redisCheckObject.read(c, into.Redis)
			},
		},
	}
}

// kinds are the keys of which a check has exactly one.
var kinds = append([]string{"http", "tcp", "exec", "postgres", "redis", "group"}, measuring...)

var groupCheckObject = object[spec.GroupCheck]{
	title: "check group",
	short: "group",
	means: "Asks a decider what it knows of another group. A plain value stands for group.",
	keys: []key[spec.GroupCheck]{
		required(nameKey("group", "The other group.", func(g *spec.GroupCheck) *string { return &g.Group })),
		{
			name: "members", form: "a mapping from members to members", def: "the same names", means: "The member of the other group that is meant at each member.",
			read: func(c cursor, g *spec.GroupCheck) {
				g.Members = c.byMember("a mapping from members to members", func(v cursor, into *string) { v.name(into) })
			},
		},
		flagKey("ready", "Ask whether that member could take over there, or is primary, instead of whether it is up.", func(g *spec.GroupCheck) *bool { return &g.Ready }),
	},
}

func groupCheckKey() key[spec.Check] {
	return key[spec.Check]{
		name: "group", form: "a group, or a mapping", section: groupCheckObject.title,
		means: "What the deciders say of a member of another group.",
		read: func(c cursor, into *spec.Check) {
			into.Group = new(spec.GroupCheck)
			groupCheckObject.read(c, into.Group)
		},
	}
}

// oneOf sets the kind by what is written: exactly one of these.
func oneOf(kinds []string) func(cursor, map[string]bool, *spec.Check) {
	return func(c cursor, written map[string]bool, check *spec.Check) {
		var found []string
		for _, k := range kinds {
			if written[k] {
				found = append(found, k)
			}
		}
		switch len(found) {
		case 0:
			if !c.r.clean(c.path) {
				return // a misspelt kind was told already
			}
			c.fail("does not say how to look, want one of %s", joined(kinds))
		case 1:
			check.Kind = spec.CheckKind(found[0])
			onlyTells(c, written, check)
		default:
			c.fail("got %s in one check, want exactly one: make a check of each", joined(found))
		}
	}
}

func readChecks(c cursor, g *spec.Group) {
	c.entries("a mapping from names to checks", func(k, v cursor) {
		var check spec.Check
		k.name(&check.Name)
		checkObject.read(v, &check)
		if check.Timeout == 0 {
			check.Timeout = min(defaultTimeout, max(check.Every, shortEvery))
		}
		if check.Name != "" {
			g.Checks = append(g.Checks, check)
		}
	})
	c.most(len(g.Checks), maxChecks, "check")
	slices.SortFunc(g.Checks, func(a, b spec.Check) int { return cmp.Compare(a.Name, b.Name) })
}

func readVerify(c cursor, g *spec.Group) {
	check := spec.Check{Name: "verify", Every: defaultEvery, Effect: spec.EffectTell}
	verifyObject.read(c, &check)
	if check.Timeout == 0 {
		check.Timeout = verifyTimeout
	}
	g.Verify = &check
}
