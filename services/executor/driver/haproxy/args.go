package haproxy

import (
	"encoding/json"
	"net/netip"
	"slices"
	"time"

	"github.com/isacloud/ha-manager/pkg/client/haproxy"
	"github.com/isacloud/ha-manager/pkg/spec"
	"github.com/isacloud/ha-manager/services/executor/driver"
)

// Goal is how the servers of one backend shall be, on every proxy alike. It was checked when it was made.
type Goal struct {
	Route, Backend string
	Servers        []Server // in the order in which they are set
	Wait, Shut     []string
	All            bool // every proxy must be right
	Timeout        time.Duration
}

// Server is how one server shall be.
type Server struct {
	Name   string
	State  haproxy.State
	Addr   netip.AddrPort // not valid: as it is
	Weight int            // -1: as it is
}

const defaultTimeout = 2 * time.Second

// NewGoal checks args. The error names the wrong key.
func NewGoal(args spec.HAProxyArgs) (Goal, error) {
	g := Goal{Route: args.Route, Backend: args.Backend, Wait: args.WaitSessions, Shut: args.ShutSessions, All: args.Need == "all", Timeout: defaultTimeout}
	if args.Backend == "" {
		return g, driver.Wrong("backend", "the name of a backend")
	}
	if args.Need != "all" && args.Need != "any" {
		return g, driver.Wrong("need", "all or any, not %q", args.Need)
	}
	if len(args.States) == 0 {
		return g, driver.Wrong("states", `what each server shall be, such as {"s1": "maint", "s2": "ready"}`)
	}
	if args.Timeout != "" {
		d, err := time.ParseDuration(args.Timeout)
		if err != nil || d <= 0 || d > time.Minute {
			return g, driver.Wrong("timeout", "a time from 1ms to 1m, such as 2s")
		}
		g.Timeout = d
	}
	for name, state := range args.States {
		s := Server{Name: name, State: haproxy.State(state), Weight: -1}
		if s.State != haproxy.Ready && s.State != haproxy.Drain && s.State != haproxy.Maint {
			return g, driver.Wrong("states."+name, "ready, drain or maint, not %q", state)
		}
		if a, ok := args.Addresses[name]; ok {
			addr, err := netip.ParseAddrPort(a)
			if err != nil {
				return g, driver.Wrong("addresses."+name, "an IP address and a port, such as 192.0.2.10:8080")
			}
			s.Addr = addr
		}
		if w, ok := args.Weights[name]; ok {
			if w < 0 || w > 256 {
				return g, driver.Wrong("weights."+name, "a number from 0 to 256")
			}
			s.Weight = w
		}
		g.Servers = append(g.Servers, s)
	}
	known := func(key string, names ...string) error {
		for _, n := range names {
			if _, ok := args.States[n]; !ok {
				return driver.Wrong(key, "servers that stand in states; %q does not", n)
			}
		}
		return nil
	}
	for _, c := range []struct {
		key   string
		names []string
	}{{"first", args.First}, {"wait_sessions", args.WaitSessions}, {"shut_sessions", args.ShutSessions}, {"addresses", keys(args.Addresses)}, {"weights", keys(args.Weights)}} {
		if err := known(c.key, c.names...); err != nil {
			return g, err
		}
	}
	g.order(args.First)
	return g, nil
}

func keys[V any](m map[string]V) []string {
	var out []string
	for k := range m {
		out = append(out, k)
	}
	return out
}

// order: those in first, in their order; then the rest: what opens before what shuts, so that no moment is without a server, by name.
func (g *Goal) order(first []string) {
	rank := func(s Server) int {
		if i := slices.Index(first, s.Name); i >= 0 {
			return i - len(first)
		}
		return map[haproxy.State]int{haproxy.Ready: 0, haproxy.Drain: 1, haproxy.Maint: 2}[s.State]
	}
	slices.SortFunc(g.Servers, func(a, b Server) int {
		if d := rank(a) - rank(b); d != 0 {
			return d
		}
		if a.Name < b.Name {
			return -1
		}
		return 1
	})
}

func decode(with json.RawMessage) (spec.HAProxyArgs, Goal, []*haproxy.Client, error) {
	var args spec.HAProxyArgs
	if err := driver.Decode(with, &args); err != nil {
		return args, Goal{}, nil, err
	}
	goal, err := NewGoal(args)
	if err != nil {
		return args, goal, nil, err
	}
	if len(args.Proxies) == 0 {
		return args, goal, nil, driver.Wrong("proxies", "at least one runtime API address, such as unix:///run/haproxy/admin.sock")
	}
	clients := make([]*haproxy.Client, len(args.Proxies))
	for i, p := range args.Proxies {
		if clients[i], err = haproxy.New(p, haproxy.Options{Timeout: goal.Timeout}); err != nil {
			return args, goal, nil, driver.Wrong("proxies", "%v", err)
		}
	}
	return args, goal, clients, nil
}
