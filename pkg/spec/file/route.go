package file

import (
	"cmp"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec"
)

// routeObject lists the kinds of routes. A route's other keys stand beside the one that says the kind: see readRoute.
var routeObject = object[spec.Route]{
	title: "route",
	means: "What clients follow to the primary. Its kind is a key: exactly one of haproxy, vip and pgbouncer; the keys of that kind stand beside it.",
	keys: []key[spec.Route]{
		{name: "haproxy", form: "a list of addresses", section: haproxyObject.title, means: "A backend of HAProxy."},
		{name: "vip", form: "an IP with its length", section: vipObject.title, means: "A floating address."},
		{name: "pgbouncer", form: "a list of DSNs", section: pgbouncerObject.title, means: "A database of PgBouncer."},
	},
}

var vipObject = object[spec.VIPRoute]{
	title: "route vip",
	means: "A floating address, which the primary's executor puts on an interface of its host. It needs a lease: two hosts must never have it.",
	keys: []key[spec.VIPRoute]{
		required(addressKey("vip", "an IP with its length, such as 192.0.2.100/24", "The address.", badFloating, func(v *spec.VIPRoute) *string { return &v.Address })),
		required(key[spec.VIPRoute]{
			name: "interfaces", form: "a mapping from members to interfaces, or one interface for all",
			means: "The interface that the address goes on, at each member's host.",
			read: func(c cursor, v *spec.VIPRoute) {
				if c.scalar() {
					var s string
					if c.address("an interface", badInterface, &s); s != "" {
						v.Interfaces = map[string]string{everyMember: s}
					}
					return
				}
				v.Interfaces = c.byMember("a mapping from members to interfaces", func(v cursor, into *string) { v.address("an interface", badInterface, into) })
			},
		}),
	},
}

// everyMember stands for all members until they are known; no member has this name.
const everyMember = "*"

func badFloating(s string) string {
	p, err := netip.ParsePrefix(s)
	if err != nil {
		return "want an IP with its length, such as 192.0.2.100/24"
	}
	if p.Masked().Addr() == p.Addr() && !p.IsSingleIP() || p.Addr().IsLoopback() || p.Addr().IsUnspecified() || p.Addr().IsMulticast() {
		return "want the address of a host with its length, such as 192.0.2.100/24"
	}
	return ""
}

func badInterface(s string) string {
	if len(s) > 15 || strings.ContainsAny(s, "/: \t$") || s == "." || s == ".." {
		return "want the name of a network interface, such as eth0"
	}
	return ""
}

var pgbouncerObject = object[spec.PgBouncerRoute]{
	title: "route pgbouncer",
	means: "A database of PgBouncer, which holds clients back during a planned swap instead of failing them.",
	keys: []key[spec.PgBouncerRoute]{
		required(key[spec.PgBouncerRoute]{
			name: "pgbouncer", form: "a list of DSNs", means: "The admin consoles (database pgbouncer), such as postgres://ham:${file:/etc/ham/pgbouncer.password}@192.0.2.5:6432/pgbouncer.",
			read: func(c cursor, p *spec.PgBouncerRoute) {
				c.list("a list of DSNs", true, func(item cursor) {
					var s spec.Secret
					if item.dsn(&s); slices.Contains(p.Admins, s) {
						item.fail("stands in the list twice: keep one of them")
					} else if s != "" {
						p.Admins = append(p.Admins, s)
					}
				})
			},
		}),
		required(textKey("database", "a name", "The database as its clients call it: an entry of [databases].", func(p *spec.PgBouncerRoute) *string { return &p.Database })),
		required(key[spec.PgBouncerRoute]{
			name: "servers", form: "a mapping from members to host:port", means: "Where PgBouncer finds each member.",
			read: func(c cursor, p *spec.PgBouncerRoute) {
				p.Servers = c.byMember("a mapping from members to host:port", func(v cursor, into *string) { v.address("host:port", badHostPort, into) })
			},
		}),
		required(pathKey("file", "The file of PgBouncer's configuration that names the server: one that pgbouncer.ini includes and that holds nothing else.", func(p *spec.PgBouncerRoute) *string { return &p.File })),
		required(nameKey("on", "The process of ham beside PgBouncer, which writes the file.", func(p *spec.PgBouncerRoute) *string { return &p.On })),
		duration("pause", 5*time.Second, 100*time.Millisecond, 2*time.Minute, "How long a planned swap waits for the clients' transactions to end before it is called off.",
			func(p *spec.PgBouncerRoute) *time.Duration { return &p.Pause }),
	},
}

var haproxyObject = object[spec.HAProxyRoute]{
	title: "route haproxy",
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
		var route spec.Route
		if k.name(&route.Name); len(route.Name) > maxRouteName {
			k.fail("got a name of %d characters, want at most %d: steps are named after it", len(route.Name), maxRouteName)
		}
		readRoute(v, &route)
		if route.Name != "" {
			g.Routes = append(g.Routes, route)
		}
	})
	c.most(len(g.Routes), maxRoutes, "route")
	slices.SortFunc(g.Routes, func(a, b spec.Route) int { return cmp.Compare(a.Name, b.Name) })
}

// readRoute reads the keys of the kind that one of them names.
func readRoute(c cursor, route *spec.Route) {
	var found []string
	for _, kind := range routeObject.list() {
		if has(c.node, kind) {
			found = append(found, kind)
		}
	}
	switch {
	case !isMapping(c):
		c.want("a mapping with one of " + routeObject.names() + ", and what belongs to it")
	case len(found) > 1:
		c.fail("got %s in one route, want exactly one: make a route of each", joined(found))
	case len(found) == 0:
		for i := 0; i < len(c.node.Content); i += 2 {
			if near := nearest(c.node.Content[i].Value, routeObject.list()); near != "" {
				cursor{r: c.r, node: c.node.Content[i], path: c.path}.unknownKey(routeObject.list())
				return
			}
		}
		c.fail("does not say what clients follow, want one of %s", joined(routeObject.list()))
	case found[0] == "haproxy":
		route.HAProxy = new(spec.HAProxyRoute)
		haproxyObject.read(c, route.HAProxy)
	case found[0] == "vip":
		route.VIP = new(spec.VIPRoute)
		vipObject.read(c, route.VIP)
	case found[0] == "pgbouncer":
		route.PgBouncer = new(spec.PgBouncerRoute)
		pgbouncerObject.read(c, route.PgBouncer)
	}
}
