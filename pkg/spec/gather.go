package spec

import (
	"slices"
	"time"
)

// GatherClue is one thing of the operator's own that executors look at when an incident opens, beside what they look at anyway. It has a Command or
// a File.
type GatherClue struct {
	Name string
	// Command is argv, without a shell; it must change nothing. Env and Dir are as for a step.
	Command []string
	Env     map[string]Secret
	Dir     string
	// File is an absolute path, of which the newest lines are read.
	File string
	// Members are those beside which it is looked at; empty: all.
	Members []string
	// Timeout bounds a command.
	Timeout time.Duration
}

// LongestGather is how long a clue may take: as long as all of them together.
const LongestGather = 5 * time.Second

// For returns the clue as it is looked at beside m: every ${member.…} replaced. False: it is not.
func (c GatherClue) For(m Member) (GatherClue, bool) {
	if len(c.Members) > 0 && !slices.Contains(c.Members, m.Name) {
		return GatherClue{}, false
	}
	c.Command, c.Env, c.Dir, c.File = expandAll(c.Command, m.Expand), expandSecrets(c.Env, m.Expand), m.Expand(c.Dir), m.Expand(c.File)
	return c, true
}
