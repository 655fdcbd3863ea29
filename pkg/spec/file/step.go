package file

import (
	"slices"
	"strings"
	"time"

	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec"
)

var stepObject = object[spec.Step]{
	title: "step",
	means: "One of your own steps of a swap. Its kind is a key: exactly one of exec, http, wait, assert and approve. ${group}, ${new.…} and ${old.…} are replaced when the plan is made.",
	keys: []key[spec.Step]{
		required(nameKey("name", "The step's name, once in the group.", func(s *spec.Step) *string { return &s.Name })),
		{
			name: "exec", form: "a command (list), or a mapping", section: stepExecObject.title, means: "Run a command.",
			read: func(c cursor, s *spec.Step) {
				s.Exec = new(spec.ExecArgs)
				stepExecObject.read(c, s.Exec)
			},
		},
		{
			name: "http", form: "an address, or a mapping", section: stepHTTPObject.title, means: "Call an address.",
			read: func(c cursor, s *spec.Step) {
				s.HTTP = new(spec.HTTPArgs)
				stepHTTPObject.read(c, s.HTTP)
			},
		},
		{
			name: "wait", form: "a mapping", section: stepLookObject.title, means: "Wait until a look answers as wanted.",
			read: func(c cursor, s *spec.Step) {
				s.Wait = new(spec.WaitArgs)
				l := look{every: waitEvery}
				stepLookObject.read(c, &l)
				s.Wait.Until, s.Wait.Every = l.LookArgs, l.every
				if l.ends {
					c.r.failAt(c.path+".ends", "got ends in a wait, want it in an assert: a wait that ends fails its step")
				}
			},
		},
		{
			name: "assert", form: "a mapping", section: stepLookObject.title, means: "Go on only while a look answers as wanted.",
			read: func(c cursor, s *spec.Step) {
				s.Assert = new(spec.AssertArgs)
				l := look{}
				stepLookObject.read(c, &l)
				s.Assert.That, s.Assert.Ends = l.LookArgs, l.ends
				if l.every != 0 {
					c.r.failAt(c.path+".every", "got every in an assert, which looks once: write retries and backoff at the step, or a wait")
				}
			},
		},
		{
			name: "approve", form: "a text", means: "Wait for a person's approval: ham approve, the page, the chat. The text says what the person is to make sure of. It takes part in planned swaps (when: graceful) and stands before everything else (place: first) unless it says otherwise. Nobody approves in time: before the swap has taken effect it is aborted, after that it pauses.",
			read: func(c cursor, s *spec.Step) {
				s.Approve = new(spec.ApproveArgs)
				c.text("a text", &s.Approve.Text)
			},
		},
		defaulting(duration("within", 0, time.Second, day, "How long an approval step waits.", func(s *spec.Step) *time.Duration { return &s.Timeout }), "30m"),
		{
			name: "on", form: "any, new, old or executor:<name>", def: "any; exec has none and must say",
			means: "Which executor runs it: any one, one that serves the site of the new or the old primary, or one by name.",
			read:  readOn,
		},
		choice("when", spec.WhenAlways, []string{spec.WhenAlways, spec.WhenGraceful, spec.WhenUngraceful},
			"In which swaps. graceful: switchover, failback, drill. ungraceful: failover.", func(s *spec.Step) *string { return &s.When }),
		choice("place", spec.BeforeRoutes, []string{spec.First, spec.BeforeRoutes, spec.AfterRoutes},
			"first: with the looks, before anything is changed; only wait and assert. before-routes: before clients are led over. after-routes: after that.",
			func(s *spec.Step) *string { return &s.Place }),
		defaulting(nameList("after", "The steps that must be done or skipped before. Those that ham adds may be named too: look-again, new-is-up, route-<route>, drain-<route>.", func(s *spec.Step) *[]string { return &s.After }),
			"the step before it in the list that has the same place"),
		duration("timeout", 30*time.Second, 10*time.Millisecond, day, "How long one try may take.", func(s *spec.Step) *time.Duration { return &s.Timeout }),
		number("retries", 0, 0, 100, "How many more times it is tried after a failure.", func(s *spec.Step) *int { return &s.Retries }),
		duration("backoff", time.Second, 0, time.Hour, "How long before each of them.", func(s *spec.Step) *time.Duration { return &s.Backoff }),
		choice("on_failure", message.FailPause, []string{message.FailPause, message.FailAbort, message.FailGoOn},
			"What a failure does, after the retries. pause: wait for a person (retry, skip, abort). abort: end the swap here. go-on: record it and go on.",
			func(s *spec.Step) *string { return &s.OnFailure }),
	},
	also: oneStepKind,
}

var stepKinds = []string{"exec", "http", "wait", "assert", "approve"}

// notOfApproval are the keys that mean nothing where a person says yes or no.
var notOfApproval = []string{"on", "timeout", "retries", "backoff", "on_failure"}

// approval fills in what an approval step does not say: it stands in no failover, and before everything else.
func approval(c cursor, written map[string]bool, s *spec.Step) {
	if s.Approve == nil {
		if written["within"] {
			c.r.failAt(c.path+".within", "got within in a step that is no approval, want timeout")
		}
		return
	}
	for _, k := range notOfApproval {
		if written[k] {
			c.r.failAt(c.path+"."+k, "got %s in an approval step, want none: a person approves or rejects it, within the time that within says", k)
		}
	}
	if !written["within"] {
		s.Timeout = spec.ApprovalPatience
	}
	if !written["when"] {
		s.When = spec.WhenGraceful
	}
	if !written["place"] || s.Place == spec.First {
		s.Place = spec.BeforeLooks
	}
}

func oneStepKind(c cursor, written map[string]bool, s *spec.Step) {
	var found []string
	for _, k := range stepKinds {
		if written[k] {
			found = append(found, k)
		}
	}
	switch {
	case len(found) == 0 && !c.r.clean(c.path):
		return // a misspelt kind was told already
	case len(found) == 0:
		c.fail("does not say what to do, want one of %s", joined(stepKinds))
		return
	case len(found) > 1:
		c.fail("got %s in one step, want exactly one: make a step of each", joined(found))
		return
	}
	if s.On == "" {
		s.On = "any"
		if s.Exec != nil && !written["on"] {
			c.r.failAt(c.path+".on", "is missing, want where the command runs: any, new, old or executor:<name>")
		}
	}
	approval(c, written, s)
	looks := s.Wait != nil || s.Assert != nil
	if s.Place == spec.First && !looks {
		c.r.failAt(c.path+".place", "got first for %s, want wait or assert there: before the new primary has taken over nothing may be changed", found[0])
	}
	if s.Assert != nil && s.Assert.Ends && s.Place != spec.First {
		c.r.failAt(c.path+".assert.ends", "got ends in a step that comes after changes, want place: first; later a swap only goes forward")
	}
}

func readOn(c cursor, s *spec.Step) {
	const want = "any, new, old or executor:<name>"
	name, byName := strings.CutPrefix(c.node.Value, "executor:")
	switch {
	case !c.scalar(),
		byName && !message.IsName(name),
		!byName && !slices.Contains([]string{"any", "new", "old"}, c.node.Value):
		c.want(want)
	default:
		s.On = c.node.Value
	}
}

func readSteps(c cursor, g *spec.Group) {
	c.list("a list of steps", false, func(item cursor) {
		var s spec.Step
		stepObject.read(item, &s)
		g.Steps = append(g.Steps, s) // also a broken one: positions are found by its index
	})
	c.most(len(g.Steps), maxSteps, "step")
}
