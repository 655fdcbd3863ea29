package file

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec"
)

var stepObject = object[spec.Step]{
	title: "step",
	means: "One of your own steps of a swap. Its kind is a key: exactly one of exec, http, wait and assert. ${group}, ${new.…} and ${old.…} are replaced when the plan is made.",
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

var stepKinds = []string{"exec", "http", "wait", "assert"}

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

var stepExecObject = object[spec.ExecArgs]{
	title: "step exec",
	short: "command",
	means: "A step that runs a command, without a shell and in a process group of its own. HAM_GROUP, HAM_EPOCH, HAM_KIND, HAM_STEP, HAM_OLD, HAM_NEW and HAM_ROLE are set. A plain list stands for command.",
	keys: []key[spec.ExecArgs]{
		required(commandKey("command", "The command. It is done when it exits with 0.", ofSwap, func(e *spec.ExecArgs) *[]string { return &e.Command })),
		commandKey("done", "Tells whether the step is done already: exit code 0 yes, 1 no. Without it a step whose outcome was lost pauses for a person.", ofSwap,
			func(e *spec.ExecArgs) *[]string { return &e.Done }),
		commandKey("look", "Prints what is there now, for dry run. It must change nothing.", ofSwap, func(e *spec.ExecArgs) *[]string { return &e.Look }),
		envKey(ofSwap, func(e *spec.ExecArgs) *map[string]spec.Secret { return &e.Env }),
		dirKey(ofSwap, func(e *spec.ExecArgs) *string { return &e.Dir }),
	},
}

var stepHTTPObject = object[spec.HTTPArgs]{
	title: "step http",
	short: "url",
	means: "A step that calls an address. The call must be one that may be repeated, or have done. A plain value stands for url.",
	keys: []key[spec.HTTPArgs]{
		required(stepURL("url", "What is called, such as ${new.url}/promote.", func(h *spec.HTTPArgs) *string { return &h.URL })),
		methodKey(http.MethodPost, func(h *spec.HTTPArgs) *string { return &h.Method }),
		headersKey(ofSwap, func(h *spec.HTTPArgs) *map[string]spec.Secret { return &h.Headers }),
		{
			name: "body", form: "a text", means: "Sent along.",
			read: func(c cursor, h *spec.HTTPArgs) { c.expanding("a text", ofSwap, nil, &h.Body) },
		},
		statusKey(func(h *spec.HTTPArgs) *[]spec.StatusRange { return &h.Status }),
		stepURL("done", "Answers a GET with an accepted code when the step is done already, such as ${new.url}/is-primary.", func(h *spec.HTTPArgs) *string { return &h.Done }),
		{
			name: "tls", form: "a mapping with " + tlsObject.names(), section: tlsObject.title, means: "How TLS is spoken.",
			read: func(c cursor, h *spec.HTTPArgs) {
				h.TLS = new(spec.TLS)
				tlsObject.read(c, h.TLS)
			},
		},
	},
}

func stepURL[T any](name, means string, get func(*T) *string) key[T] {
	return key[T]{
		name: name, form: "an address", means: means,
		read: func(c cursor, into *T) { c.expanding("an address", ofSwap, badStepURL, get(into)) },
	}
}

func badStepURL(full string, _ spec.Member) string { return badURL(full, "http", "https") }

// waitEvery is the pause between the looks of a wait.
const waitEvery = 200 * time.Millisecond

// look is what wait and assert are written with.
type look struct {
	spec.LookArgs
	every time.Duration
	ends  bool
}

var stepLookObject = object[look]{
	title: "step wait, step assert",
	means: "One look from the executor that runs the step: exactly one of http, tcp and exec. wait repeats it until it answers as wanted, assert looks once.",
	keys: []key[look]{
		stepURL("http", "Ask for a page, such as ${new.url}/ready.", func(l *look) *string { return &l.HTTP }),
		{
			name: "tcp", form: "host:port", means: "Connect. It may hold ${new.…} and ${old.…}.",
			read: func(c cursor, l *look) {
				c.expanding("host:port", ofSwap, func(s string, _ spec.Member) string { return badHostPort(s) }, &l.TCP)
			},
		},
		commandKey("exec", "Run a command that follows the Nagios plugin convention: exit code 0 or 1 up, 2 down, 3 unknown.", ofSwap, func(l *look) *[]string { return &l.Command }),
		envKey(ofSwap, func(l *look) *map[string]spec.Secret { return &l.Env }),
		choice("want", "up", []string{"up", "down"}, "The answer that is wanted.", func(l *look) *string { return &l.Want }),
		statusKey(func(l *look) *[]spec.StatusRange { return &l.Status }),
		{
			name: "body", form: "a regular expression", means: "The first 64 KiB of the page must match it.",
			read: func(c cursor, l *look) {
				var s string
				if c.text("a regular expression", &s); s == "" {
					return
				}
				if problem := badPattern(s); problem != "" {
					c.fail("got %s, %s", c.got(), problem)
					return
				}
				l.Body = s
			},
		},
		headersKey(ofSwap, func(l *look) *map[string]spec.Secret { return &l.Headers }),
		{
			name: "tls", form: "a mapping with " + tlsObject.names(), section: tlsObject.title, means: "How TLS is spoken.",
			read: func(c cursor, l *look) {
				l.TLS = new(spec.TLS)
				tlsObject.read(c, l.TLS)
			},
		},
		duration("timeout", verifyTimeout, time.Millisecond, mostEvery, "How long one look may take.", func(l *look) *time.Duration { return &l.Timeout }),
		defaulting(duration("every", 0, 10*time.Millisecond, time.Minute, "wait only: the pause between looks.", func(l *look) *time.Duration { return &l.every }), show(waitEvery)),
		flagKey("ends", "assert with place: first only: when the look does not answer as wanted, the swap ends without having changed anything.", func(l *look) *bool { return &l.ends }),
	},
	also: func(c cursor, written map[string]bool, l *look) {
		var found []string
		for _, k := range kinds {
			if written[k] {
				found = append(found, k)
			}
		}
		if len(found) != 1 {
			c.fail("got %d of %s, want exactly one", len(found), joined(kinds))
		}
		if written["env"] && !written["exec"] {
			c.r.failAt(c.path+".env", "is about commands, but the look is not exec")
		}
		if !written["http"] {
			l.Status = nil
			for _, k := range []string{"status", "body", "headers"} {
				if written[k] {
					c.r.failAt(c.path+"."+k, "is about pages, but the look is not http")
				}
			}
		}
	},
}

func readSteps(c cursor, g *spec.Group) {
	c.list("a list of steps", false, func(item cursor) {
		var s spec.Step
		stepObject.read(item, &s)
		g.Steps = append(g.Steps, s) // also a broken one: positions are found by its index
	})
	c.most(len(g.Steps), maxSteps, "step")
}
