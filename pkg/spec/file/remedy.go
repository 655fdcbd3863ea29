package file

import (
	"cmp"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/isacloud/ha-manager/pkg/spec"
)

// maxRungs and maxTimes bound a ladder: what stands in the way of a failover is short.
const (
	maxRungs = 16
	maxTimes = 10
)

var remedyExecObject = object[spec.ExecArgs]{
	title: "remedy exec",
	short: "command",
	means: "A rung that runs a command beside the member, without a shell and in a process group of its own. HAM_GROUP, HAM_MEMBER, HAM_EPOCH, HAM_KIND (remedy) and HAM_ROLE are set. A plain list stands for command.",
	keys: []key[spec.ExecArgs]{
		required(commandKey("command", "The command. It has worked when it exits with 0; anything else, or no end in time, ends the ladder. It may hold ${member.…}.", ofMember, func(e *spec.ExecArgs) *[]string { return &e.Command })),
		commandKey("done", "Tells whether there is nothing to do: exit code 0 yes, 1 no.", ofMember, func(e *spec.ExecArgs) *[]string { return &e.Done }),
		envKey(ofMember, func(e *spec.ExecArgs) *map[string]spec.Secret { return &e.Env }),
		dirKey(ofMember, func(e *spec.ExecArgs) *string { return &e.Dir }),
	},
}

var remedyObject = object[spec.Rung]{
	title: "remedy",
	means: "One rung of the ladder that is tried on a member that is down, by the executor at its site, before anybody takes over from it. A standby is mended in the same way. Exactly one of restart and exec.",
	keys: []key[spec.Rung]{
		{
			name: "restart", form: "systemd:<unit> or docker:<container>", means: "What is restarted. It may hold ${member.…}.",
			read: func(c cursor, r *spec.Rung) {
				c.expanding("systemd:<unit> or docker:<container>", ofMember, func(s string, _ spec.Member) string { return badRestart(s) }, &r.Restart)
			},
		},
		{
			name: "exec", form: "a command (list), or a mapping", section: remedyExecObject.title, means: "Run a command.",
			read: func(c cursor, r *spec.Rung) {
				r.Exec = new(spec.ExecArgs)
				remedyExecObject.read(c, r.Exec)
			},
		},
		number("times", 1, 1, maxTimes, "How often it is tried, one try after the other, before the next rung.", func(r *spec.Rung) *int { return &r.Times }),
		duration("wait", 30*time.Second, 0, time.Hour, "How long after a try the member may take to be up.", func(r *spec.Rung) *time.Duration { return &r.Wait }),
		duration("timeout", 30*time.Second, 10*time.Millisecond, time.Hour, "How long the try itself may take. One that takes longer is ended with all its children, and ends the ladder.",
			func(r *spec.Rung) *time.Duration { return &r.Timeout }),
		defaulting(nameList("for", "Only while one of these checks says down.", func(r *spec.Rung) *[]string { return &r.For }), "whichever says down"),
	},
	also: func(c cursor, written map[string]bool, _ *spec.Rung) {
		if written["restart"] == written["exec"] && c.r.clean(c.path) {
			c.fail("got %d of restart, exec, want exactly one", map[bool]int{true: 2}[written["restart"]])
		}
	},
}

// containerName is what docker lets a container be called.
var containerName = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9_.-]*$`)

func badRestart(s string) string {
	if unit, ok := strings.CutPrefix(s, spec.RestartSystemd); ok && unitName.MatchString(unit) && !strings.HasPrefix(unit, "-") {
		return ""
	}
	if name, ok := strings.CutPrefix(s, spec.RestartDocker); ok && containerName.MatchString(name) {
		return ""
	}
	return "want systemd:<unit> or docker:<container>, such as systemd:app or docker:app"
}

func remedyKeys() []key[spec.Group] {
	return []key[spec.Group]{
		{
			name: "remedy", form: "a list of rungs", section: remedyObject.title,
			means: "What is tried on a member that is down before anybody takes over from it: a ladder, from the first rung on. In a group with a lease there is none.",
			read: func(c cursor, g *spec.Group) {
				c.list("a list of rungs", false, func(item cursor) {
					var r spec.Rung
					remedyObject.read(item, &r)
					g.Remedy = append(g.Remedy, r)
				})
				c.most(len(g.Remedy), maxRungs, "rung")
			},
		},
		defaulting(duration("remedy_reset", 0, time.Second, 30*day,
			"How long after the newest try a member's ladder begins anew. Until then its tries are counted: what keeps failing is not restarted for ever.",
			func(g *spec.Group) *time.Duration { return &g.RemedyReset }), show(spec.DefaultRemedyReset)),
	}
}

// remedies checks what a ladder needs of the rest of the group.
func (r *reader) remedies(g *spec.Group) {
	if len(g.Remedy) == 0 {
		return
	}
	if g.Pool != nil {
		r.failAt("remedy", "is written, but the group is a pool: nobody takes over in one, and nothing is mended before; leave remedy out")
		return
	}
	if g.Lease != nil {
		r.failAt("remedy", "is written, but the group has a lease: its server is started by its executor alone, which mends what it can by itself; leave remedy out")
		return
	}
	g.RemedyReset = cmp.Or(g.RemedyReset, spec.DefaultRemedyReset)
	for i, rung := range g.Remedy {
		for k, name := range rung.For {
			at := fmt.Sprintf("remedy[%d].for[%d]", i, k)
			switch c, ok := checkOf(g, name); {
			case !r.clean("checks"):
			case !ok:
				r.failAt(at, "unknown check %s, want one of %s", name, strings.Join(checkNames(g), ", "))
			case c.Effect != spec.EffectDown && c.Effect != "":
				r.failAt(at, "check %s has effect %s and never makes a member down, want one with effect down", name, c.Effect)
			}
		}
	}
}

func checkOf(g *spec.Group, name string) (spec.Check, bool) {
	for _, c := range g.Checks {
		if c.Name == name {
			return c, true
		}
	}
	return spec.Check{}, false
}

func checkNames(g *spec.Group) []string {
	var out []string
	for _, c := range g.Checks {
		out = append(out, c.Name)
	}
	return out
}
