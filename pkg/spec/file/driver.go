package file

import (
	"net/http"
	"time"

	"github.com/isacloud/ha-manager/pkg/spec"
)

// What the operator's own steps are made of: one kind of mapping for each driver.

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

// lookKinds are the keys of which a look has exactly one.
var lookKinds = []string{"http", "tcp", "exec"}

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
		for _, k := range lookKinds {
			if written[k] {
				found = append(found, k)
			}
		}
		if len(found) != 1 {
			c.fail("got %d of %s, want exactly one", len(found), joined(lookKinds))
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
