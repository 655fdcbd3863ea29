package file

import (
	"slices"
	"strings"
	"time"

	"github.com/isacloud/ha-manager/pkg/spec"
)

// maxGather is how many clues of the operator's own there may be: beside ham's own ones they must fit into one message for each host.
const maxGather = 16

var gatherObject = object[spec.GatherClue]{
	title: "gather",
	means: "Something of your own to look at when an incident opens, a step fails, or the incident ends: exactly one of command and file. It is looked at by the executor beside each member (the one " +
		"that the member names, else those that serve its site), for 5s at most, and must change nothing. What ham looks at anyway (the host, the servers, their logs, the proxies) need not stand here. " +
		"At most 64 KiB of each are kept, the newest lines; secrets are masked.",
	keys: []key[spec.GatherClue]{
		required(nameKey("name", "What it is called in the post-mortem, once in the group.", func(g *spec.GatherClue) *string { return &g.Name })),
		commandKey("command", "A command, run without a shell; what it prints is kept. HAM_GROUP, HAM_MEMBER and HAM_EXECUTOR are set. It may hold ${member.…}.", ofMember,
			func(g *spec.GatherClue) *[]string { return &g.Command }),
		envKey(ofMember, func(g *spec.GatherClue) *map[string]spec.Secret { return &g.Env }),
		dirKey(ofMember, func(g *spec.GatherClue) *string { return &g.Dir }),
		{
			name: "file", form: formPath, means: "A file, such as a log, of which the newest lines are kept. It may hold ${member.…}.",
			read: func(c cursor, g *spec.GatherClue) {
				c.expanding(formPath, ofMember, func(s string, _ spec.Member) string { return badPath(s) }, &g.File)
			},
		},
		defaulting(nameList("members", "Only beside these members.", func(g *spec.GatherClue) *[]string { return &g.Members }), "all"),
		duration("timeout", spec.LongestGather, 10*time.Millisecond, spec.LongestGather, "How long the command may run; then it is ended with all its children.", func(g *spec.GatherClue) *time.Duration { return &g.Timeout }),
	},
	also: func(c cursor, written map[string]bool, g *spec.GatherClue) {
		switch {
		case written["command"] == written["file"] && c.r.clean(c.path):
			c.fail("got %d of command, file, want exactly one", map[bool]int{true: 2}[written["file"]])
		case written["file"]:
			for _, k := range []string{"env", "dir", "timeout"} {
				if written[k] {
					c.r.failAt(c.path+"."+k, "is about commands, but this is a file")
				}
			}
		case g.Name != "" && len(g.Command) > 0 && strings.TrimSpace(g.Command[0]) == "":
			c.r.failAt(c.path+".command", "begins with no program, want "+formCommand)
		}
	},
}

func gatherKey() key[spec.Group] {
	return key[spec.Group]{
		name: "gather", form: "a list of clues", section: gatherObject.title, means: "What of your own is looked at when an incident opens.",
		read: func(c cursor, g *spec.Group) {
			c.list("a list of clues", false, func(item cursor) {
				var clue spec.GatherClue
				gatherObject.read(item, &clue)
				if slices.ContainsFunc(g.Gather, func(o spec.GatherClue) bool { return o.Name == clue.Name && o.Name != "" }) {
					item.fail("%s is there already: give one of them another name", clue.Name)
				}
				g.Gather = append(g.Gather, clue)
			})
			c.most(len(g.Gather), maxGather, "clue")
		},
	}
}
