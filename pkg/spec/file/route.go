package file

import (
	"cmp"
	"regexp"
	"slices"
	"time"

	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec"
)

var routeObject = object[spec.HAProxyRoute]{
	title: "route",
	means: "One backend of HAProxy that is led to the primary, on every proxy, through HAProxy's runtime API.",
	keys: []key[spec.HAProxyRoute]{
		{
			name: "haproxy", form: "a list of addresses: tcp://host:port or unix:///path", required: true,
			means: "The runtime APIs of all proxies that hold the backend.",
			read: func(c cursor, h *spec.HAProxyRoute) {
				c.list("a list of addresses: tcp://host:port or unix:///path", true, func(item cursor) {
					var s string
					item.address("the address of a runtime API", badProxy, &s)
					if slices.Contains(h.Proxies, s) {
						item.fail("%s stands in the list twice: keep one of them", s)
					} else if s != "" {
						h.Proxies = append(h.Proxies, s)
					}
				})
			},
		},
		required(haproxyName("backend", "The backend's name in HAProxy.", func(h *spec.HAProxyRoute) *string { return &h.Backend })),
		{
			name: "servers", form: "a mapping from members to servers", required: true,
			means: "Which server of the backend each member is. Every member has one.",
			read: func(c cursor, h *spec.HAProxyRoute) {
				if isMapping(c) {
					h.Servers = map[string]string{}
				}
				c.entries("a mapping from members to servers", func(k, v cursor) {
					var server string
					if v.haproxyName(&server); server != "" {
						h.Servers[k.node.Value] = server
					}
				})
			},
		},
		duration("drain", 5*time.Second, 0, time.Hour, "How long a graceful swap waits for the old server's sessions, after the new one is open, before it shuts them.",
			func(h *spec.HAProxyRoute) *time.Duration { return &h.Drain }),
		duration("timeout", time.Second, 10*time.Millisecond, time.Minute, "How long one conversation with one proxy may take.",
			func(h *spec.HAProxyRoute) *time.Duration { return &h.Timeout }),
		{
			name: "addresses", form: "a mapping from members to ip:port", means: "The address that a member's server is given when the member becomes primary.",
			def: "as HAProxy has it",
			read: func(c cursor, h *spec.HAProxyRoute) {
				h.Addresses = map[string]string{}
				c.entries("a mapping from members to ip:port", func(k, v cursor) {
					var s string
					if v.address("ip:port", badIPPort, &s); s != "" {
						h.Addresses[k.node.Value] = s
					}
				})
			},
		},
		{
			name: "weights", form: "a mapping from members to whole numbers", limits: "0 to 256", means: "The weight that a member's server is given when the member becomes primary.",
			def: "as HAProxy has it",
			read: func(c cursor, h *spec.HAProxyRoute) {
				h.Weights = map[string]int{}
				c.entries("a mapping from members to weights", func(k, v cursor) {
					n := -1
					if v.number(0, 256, &n); n >= 0 {
						h.Weights[k.node.Value] = n
					}
				})
			},
		},
	},
}

var haproxyWord = regexp.MustCompile(`^[A-Za-z0-9_.:-]{1,128}$`)

func haproxyName[T any](name, means string, get func(*T) *string) key[T] {
	return key[T]{
		name: name, form: "a name as HAProxy has it", limits: "letters, digits, '-', '_', '.', ':'", means: means,
		read: func(c cursor, into *T) { c.haproxyName(get(into)) },
	}
}

func (c cursor) haproxyName(into *string) {
	if !c.scalar() || !haproxyWord.MatchString(c.node.Value) {
		c.want("a name as HAProxy has it: letters, digits, '-', '_', '.', ':'")
		return
	}
	*into = c.node.Value
}

// maxRouteName leaves room for "route-" and "drain-" before it in the names of steps.
const maxRouteName = message.MaxName - len("route-")

func readRoutes(c cursor, g *spec.Group) {
	c.entries("a mapping from names to routes", func(k, v cursor) {
		route := spec.Route{HAProxy: new(spec.HAProxyRoute)}
		if k.name(&route.Name); len(route.Name) > maxRouteName {
			k.fail("got a name of %d characters, want at most %d: steps are named after it", len(route.Name), maxRouteName)
		}
		routeObject.read(v, route.HAProxy)
		if route.Name != "" {
			g.Routes = append(g.Routes, route)
		}
	})
	c.most(len(g.Routes), maxRoutes, "route")
	slices.SortFunc(g.Routes, func(a, b spec.Route) int { return cmp.Compare(a.Name, b.Name) })
}
