package spec

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/isacloud/ha-manager/pkg/message"
)

// own adds the operator's own steps of one place. Without `after` they run one after the other as written.
func (c *compiler) own(place string) {
	var here []int // the steps that take part, in an order in which each comes after those it waits for
	for i, s := range c.group.Steps {
		if s.Place == place && c.takesPart(s) {
			here = append(here, i)
		}
	}
	base := c.frontier
	waits := map[string][]string{}
	for _, i := range here {
		waits[c.group.Steps[i].Name] = c.waits(i)
	}
	var ends []string
	placed := map[string]bool{}
	for len(here) > 0 {
		k := slices.IndexFunc(here, func(i int) bool {
			return !slices.ContainsFunc(waits[c.group.Steps[i].Name], func(n string) bool { _, mine := waits[n]; return mine && !placed[n] })
		})
		s := c.group.Steps[here[max(k, 0)]] // k is never -1: there is no cycle
		here = slices.Delete(here, max(k, 0), max(k, 0)+1)
		ends = slices.DeleteFunc(ends, func(n string) bool { return slices.Contains(waits[s.Name], n) })
		ends = append(ends, s.Name)
		c.frontier = base
		if slices.ContainsFunc(waits[s.Name], func(n string) bool { return placed[n] }) {
			c.frontier = nil // what it waits for came after those
		}
		placed[s.Name] = true
		c.add(c.step(s, waits[s.Name]))
	}
	if len(ends) > 0 {
		c.frontier = ends
	} else {
		c.frontier = base
	}
}

func (c *compiler) takesPart(s Step) bool {
	return s.When == WhenAlways || s.When == "" || (s.When == WhenGraceful) == c.graceful
}

// waits lists the steps of this plan that the operator's own step i waits for; for one that takes no part here it lists what
// that one would have waited for.
func (c *compiler) waits(i int) []string {
	var out []string
	for _, name := range c.group.waitsFor(i) {
		k := slices.IndexFunc(c.group.Steps, func(s Step) bool { return s.Name == name })
		switch {
		case k >= 0 && !c.takesPart(c.group.Steps[k]):
			out = append(out, c.waits(k)...)
		case k >= 0 || slices.ContainsFunc(c.steps, func(s message.Step) bool { return s.Name == name }):
			out = append(out, name)
		}
	}
	return out
}

func (c *compiler) step(s Step, after []string) message.Step {
	s = s.expand(func(text string) string { return c.group.ExpandSwap(text, c.from, c.to) })
	driver, with := s.driver()
	step := message.Step{
		Name: s.Name, Phase: message.PhaseAct, Driver: driver, With: c.with(with), On: s.On, After: after,
		Timeout: message.Duration(s.Timeout), Retries: s.Retries, Backoff: message.Duration(s.Backoff), OnFailure: s.OnFailure,
		Says: clip(s.says(), maxSays),
	}
	if s.Place == First || s.Place == BeforeLooks {
		step.Phase = message.PhaseLook
	}
	if s.Approve != nil { // it is passed by a person's word alone
		step.Unskippable, step.Retries, step.OnFailure = true, 0, message.FailPause
		if step.Phase == message.PhaseLook {
			step.OnFailure = message.FailAbort
		}
	}
	for _, ref := range Refs(string(step.With)) {
		if strings.HasPrefix(ref, "new.") || strings.HasPrefix(ref, "old.") {
			c.fail(fmt.Errorf("step %s: nothing is known as ${%s}", s.Name, ref))
		}
	}
	return step
}

// maxSays is what a step may say, in bytes.
const maxSays = 512

func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n-len("…")], "") + "…"
}

func (s Step) driver() (string, any) {
	switch {
	case s.Exec != nil:
		return "exec", s.Exec
	case s.HTTP != nil:
		return "http", s.HTTP
	case s.Wait != nil:
		return "wait", s.Wait
	case s.Approve != nil:
		return message.DriverApprove, s.Approve
	}
	return "assert", s.Assert
}

// ApprovalText is what an approval step of a plan asks a person.
func ApprovalText(step *message.Step) string {
	var args ApproveArgs
	if json.Unmarshal(step.With, &args) != nil || args.Text == "" {
		return step.Says
	}
	return args.Text
}

// where says in words on which executor the step runs.
func (s Step) where() string {
	switch s.On {
	case "new", "old":
		return "at the " + s.On + " primary's site"
	case "any":
		return "on any executor"
	}
	return "on " + strings.Replace(s.On, ":", " ", 1)
}

func (s Step) says() string {
	switch {
	case s.Exec != nil:
		return fmt.Sprintf("run %s, %s", strings.Join(s.Exec.Command, " "), s.where())
	case s.HTTP != nil:
		return fmt.Sprintf("%s %s", cmp.Or(s.HTTP.Method, "POST"), s.HTTP.URL)
	case s.Wait != nil:
		return fmt.Sprintf("wait until %s is %s", s.Wait.Until.Target(), s.Wait.Until.Want)
	case s.Approve != nil:
		return "wait until a person approves, for " + s.Timeout.String() + " at most: " + s.Approve.Text
	}
	return fmt.Sprintf("go on only while %s is %s", s.Assert.That.Target(), s.Assert.That.Want)
}
