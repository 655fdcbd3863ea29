package file

import (
	"slices"
	"strings"
	"time"

	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec"
)

const canaryTimeout = time.Second

// canaryKinds are the ways in which a canary asks.
var canaryKinds = []string{"http", "tcp", "exec"}

var canaryObject = object[spec.Check]{
	title: "canary",
	means: "Asks the service as clients do, at the route, from outside: exactly one of http, tcp and exec. What it sees is told as what clients lost, in status, chat and post-mortem; it never swaps and " +
		"decides nothing. Each look comes by a connection of its own. Let a prober look that stands where clients do, and give it references, so that its own trouble is not taken for theirs.",
	keys: append(slices.DeleteFunc(kindKeys(), func(k key[spec.Check]) bool { return !contains(canaryKinds, k.name) }),
		duration("every", defaultEvery, leastEvery, mostEvery, "How often each vantage asks. What clients lost is known as exactly as that.", func(c *spec.Check) *time.Duration { return &c.Every }),
		duration("timeout", canaryTimeout, time.Millisecond, mostEvery, "How long a client has patience. It may be longer than every: then it asks again once the look before has ended.",
			func(c *spec.Check) *time.Duration { return &c.Timeout }),
		required(nameList("from", "The vantages that ask. They are no witnesses of a member and no part of the quorum.", func(c *spec.Check) *[]string { return &c.From })),
	),
	also: oneOf(canaryKinds),
}

func canaryKey() key[spec.Group] {
	return key[spec.Group]{
		name: "canary", form: "a canary", section: canaryObject.title, means: "An outside look at the route: what clients lost is what it says, not what ham believes.",
		read: func(c cursor, g *spec.Group) {
			g.Canary = &spec.Check{Name: message.ClientsCheck, Effect: spec.EffectTell}
			canaryObject.read(c, g.Canary)
			slices.Sort(g.Canary.From)
		},
	}
}

// canary checks what is asked: there is no member whose address could be taken.
func (r *reader) canary(g *spec.Group) {
	c := g.Canary
	switch {
	case c == nil || !r.clean("canary"):
	case c.HTTP != nil && strings.HasPrefix(c.HTTP.URL, "/"):
		r.failAt("canary.http", "got the path %s, want the address that clients use, such as https://www.example.org%s: a canary knows no member", shorten(c.HTTP.URL), shorten(c.HTTP.URL))
	case c.HTTP != nil && c.HTTP.SlowerThan >= c.Timeout && c.HTTP.SlowerThan > 0:
		r.failAt("canary.http.slower_than", "got %s, want less than the timeout of %s, after which the look is down", show(c.HTTP.SlowerThan), show(c.Timeout))
	case c.TCP != nil && c.TCP.Address == "":
		r.failAt("canary.tcp", "names no address, want host:port as clients use it: a canary knows no member")
	}
}
