package spec

import (
	"fmt"
	"strings"
	"time"

	"github.com/isacloud/ha-manager/pkg/message"
)

// What a rung may restart, by how its text begins.
const (
	RestartSystemd = "systemd:"
	RestartDocker  = "docker:"
)

// DefaultRemedyReset is how long after the newest try a ladder begins anew.
const DefaultRemedyReset = time.Hour

// Rung is one rung of the ladder that mends a member where it is, before anybody takes over: what is done, how often, and for how long it may take to
// show. Exactly one of Restart and Exec is set. Both may hold ${member.…}.
type Rung struct {
	// Restart is systemd:<unit> or docker:<container>.
	Restart string
	Exec    *ExecArgs
	// Times is how often it is tried, 1 to 10, Wait how long after each try the member may take to be up, Timeout how long the try itself.
	Times   int
	Wait    time.Duration
	Timeout time.Duration
	// For are the checks that it is for: it is tried only while one of them says down. Empty: all.
	For []string
}

// Does says what a try of the rung does to the member, in words.
func (r Rung) Does(m Member) string {
	if r.Exec != nil {
		return clip("run "+strings.Join(expandAll(r.Exec.Command, m.Expand), " "), 200)
	}
	return clip("restart "+m.Expand(r.Restart), 200)
}

// RemedyTries is how many tries the ladder has in all.
func (g *Group) RemedyTries() int {
	n := 0
	for _, r := range g.Remedy {
		n += r.Times
	}
	return n
}

// RemedyBound is how long the whole ladder may take, with every try as long as it may.
func (g *Group) RemedyBound() time.Duration {
	d := time.Duration(0)
	for _, r := range g.Remedy {
		d += time.Duration(r.Times) * (r.Timeout + r.Wait)
	}
	return d
}

// RestartArgs is the restart driver's configuration.
type RestartArgs struct {
	// Member is whom it mends.
	Member string `json:"member"`
	// Service is systemd:<unit> or docker:<container>; else Exec is set.
	Service string    `json:"service,omitempty"`
	Exec    *ExecArgs `json:"exec,omitempty"`
	// Up is a look that says whether the member is up: then nothing has to be mended. Nil: nobody can look from an executor.
	Up *LookArgs `json:"up,omitempty"`
}

// remedy is the one step of a try. It never waits for a person: what fails or cannot be known ends the ladder.
func (c *compiler) remedy() {
	r := c.swap.Remedy
	if r == nil || r.Over != "" {
		return // the end of a ladder has no steps
	}
	m, ok := c.group.Member(r.Member)
	if !ok {
		c.fail(fmt.Errorf("group has no member %q", r.Member))
		return
	}
	if r.Rung < 1 || r.Rung > len(c.group.Remedy) {
		c.fail(fmt.Errorf("the ladder has %d rungs, not a rung %d", len(c.group.Remedy), r.Rung))
		return
	}
	rung := c.group.Remedy[r.Rung-1]
	args := RestartArgs{Member: m.Name, Service: m.Expand(rung.Restart)}
	if rung.Exec != nil {
		e := *rung.Exec
		e.Command, e.Done, e.Dir, e.Env = expandAll(e.Command, m.Expand), expandAll(e.Done, m.Expand), m.Expand(e.Dir), expandSecrets(e.Env, m.Expand)
		args.Exec = &e
	}
	if look, ok := lookForRemedy(c.group, rung, m); ok {
		args.Up = &look
	}
	c.steps = append(c.steps, message.Step{
		Name: message.StepRemedy, Phase: message.PhaseAct, Driver: "restart", On: "member", Site: m.Site, Executor: m.Executor,
		With: c.with(args), Timeout: message.Duration(rung.Timeout), OnFailure: message.FailGoOn, Unskippable: true,
		Says: clip(fmt.Sprintf("%s of %s, at %s: try %d of %d", rung.Does(m), m.Name, m.Site, r.Try, r.Times), maxSays),
	})
}

// lookForRemedy looks by the checks that the rung is for.
func lookForRemedy(g *Group, rung Rung, m Member) (LookArgs, bool) {
	if len(rung.For) == 0 {
		return lookAt(g, m, "up", "")
	}
	for _, check := range g.Checks {
		for _, name := range rung.For {
			if check.Name == name && check.Looks(m.Name) {
				if look, ok := lookWith(check, m, "up", ""); ok {
					return look, true
				}
			}
		}
	}
	return LookArgs{}, false
}
