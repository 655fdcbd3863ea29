package spec

import (
	"fmt"
	"time"

	"github.com/isacloud/ha-manager/pkg/message"
)

// routes leads clients to the new primary.
//
// Ungraceful: the old server is shut before the new one opens, in one line to the proxy, and its sessions are ended.
// Graceful: the new server opens and the old one drains in one line, so that no request finds no server; then the old
// one's sessions may end within the drain time, and what is left of them is shut.
func (c *compiler) routes() {
	var switches, drains []message.Step
	for _, r := range c.group.Routes {
		h := r.HAProxy
		states := map[string]string{}
		for m, server := range h.Servers {
			states[server] = "maint"
			if m == c.to.Name {
				states[server] = "ready"
			}
		}
		newServer, oldServer := h.Servers[c.to.Name], h.Servers[c.from.Name]
		args := HAProxyArgs{Route: r.Name, Proxies: h.Proxies, Backend: h.Backend, States: states, Need: "any", Timeout: h.Timeout.String()}
		if a, ok := h.Addresses[c.to.Name]; ok {
			args.Addresses = map[string]string{newServer: a}
		}
		if w, ok := h.Weights[c.to.Name]; ok {
			args.Weights = map[string]int{newServer: w}
		}
		step := message.Step{
			Name: routeStep(r), Phase: message.PhaseAct, Driver: "haproxy", On: "any",
			Timeout: message.Duration(h.Timeout + routeMargin), Retries: 2, Backoff: message.Duration(100 * time.Millisecond), OnFailure: message.FailPause,
			Says: fmt.Sprintf("send clients of %s to %s (server %s) on %s", h.Backend, c.to.Name, newServer, proxies(len(h.Proxies))),
		}
		if !c.graceful || oldServer == "" {
			if oldServer != "" {
				args.First = []string{oldServer}
				args.ShutSessions = []string{oldServer}
			}
			step.With = c.with(args)
			switches = append(switches, step)
			continue
		}
		args.Need = "all"
		args.States[oldServer] = "drain"
		args.First = []string{newServer}
		step.With = c.with(args)
		switches = append(switches, step)

		end := args
		end.States = map[string]string{}
		for server, state := range states {
			end.States[server] = state
		}
		end.States[oldServer] = "maint"
		end.First = nil
		if h.Drain > 0 {
			end.WaitSessions = []string{oldServer}
		}
		end.ShutSessions = []string{oldServer}
		drains = append(drains, message.Step{
			Name: drainStep(r), Phase: message.PhaseAct, Driver: "haproxy", On: "any", With: c.with(end),
			Timeout: message.Duration(h.Drain + h.Timeout + routeMargin), OnFailure: message.FailPause,
			Says: drainSays(c.from.Name, oldServer, h.Drain),
		})
	}
	c.add(switches...)
	c.add(drains...)
}

func drainSays(member, server string, wait time.Duration) string {
	if wait == 0 {
		return fmt.Sprintf("shut %s (server %s) and end its sessions", member, server)
	}
	return fmt.Sprintf("let the sessions of %s (server %s) end for up to %s, then shut it", member, server, wait)
}

func proxies(n int) string {
	if n == 1 {
		return "1 proxy"
	}
	return fmt.Sprintf("%d proxies", n)
}
