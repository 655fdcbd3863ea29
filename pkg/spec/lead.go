package spec

import (
	"fmt"
	"time"

	"github.com/isacloud/ha-manager/pkg/message"
)

// routes leads clients to the new primary.
//
// HAProxy, ungraceful or where the old primary has given up: the old server is shut before the new one opens, in one line to the proxy,
// and its sessions are ended. Graceful: the new server opens and the old one drains in one line, so that no request finds no server; then
// the old one's sessions may end within the drain time, and what is left of them is shut.
// PgBouncer is pointed at the new primary and lets its clients go, whether they were held back or not. A floating address goes up.
func (c *compiler) routes() {
	var switches []message.Step
	for _, r := range c.group.Routes {
		if res, ok := c.group.Resource(r.Name); ok && res.Route {
			continue // it has its place among the resources
		}
		change, drain := c.route(r)
		switches, c.drains = append(switches, change), append(c.drains, drain...)
	}
	c.add(switches...)
	c.add(c.drains...)
}

// route leads clients of one route over; drain is what ends the old side's sessions afterwards.
func (c *compiler) route(r Route) (change message.Step, drain []message.Step) {
	switch {
	case r.PgBouncer != nil:
		return c.pgbouncer(r, r.PgBouncer), nil
	case r.VIP != nil:
		return c.vip(r, r.VIP), nil
	}
	return c.haproxy(r, r.HAProxy)
}

func (c *compiler) haproxy(r Route, h *HAProxyRoute) (change message.Step, drain []message.Step) {
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
	change = message.Step{
		Name: routeStep(r), Phase: message.PhaseAct, Driver: "haproxy", On: "any",
		Timeout: message.Duration(h.Timeout + routeMargin), Retries: 2, Backoff: message.Duration(100 * time.Millisecond), OnFailure: message.FailPause,
		Says: fmt.Sprintf("send clients of %s to %s (server %s) on %s", h.Backend, c.to.Name, newServer, proxies(len(h.Proxies))),
	}
	if !c.graceful || oldServer == "" || c.group.Lease != nil {
		if oldServer != "" {
			args.First = []string{oldServer}
			args.ShutSessions = []string{oldServer}
		}
		change.With = c.with(args)
		return change, nil
	}
	args.Need = "all"
	args.States[oldServer] = "drain"
	args.First = []string{newServer}
	change.With = c.with(args)

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
	return change, []message.Step{{
		Name: drainStep(r), Phase: message.PhaseAct, Driver: "haproxy", On: "any", With: c.with(end),
		Timeout: message.Duration(h.Drain + h.Timeout + routeMargin), OnFailure: message.FailPause,
		Says: drainSays(c.from.Name, oldServer, h.Drain),
	}}
}

func (c *compiler) pgbouncer(r Route, p *PgBouncerRoute) message.Step {
	server := p.Servers[c.to.Name]
	return message.Step{
		Name: routeStep(r), Phase: message.PhaseAct, Driver: "pgbouncer", On: "executor:" + p.On,
		With: c.with(PgBouncerArgs{
			Route: r.Name, Admins: p.Admins, Database: p.Database, Action: "resume", Server: server, File: p.File, Timeout: bouncerTalk,
		}),
		Timeout: message.Duration(bouncerTalk + routeMargin), Retries: 2, Backoff: message.Duration(100 * time.Millisecond), OnFailure: message.FailPause,
		Says: fmt.Sprintf("send clients of %s to %s (%s) at %s, and let them go", p.Database, c.to.Name, server, bouncers(len(p.Admins))),
	}
}

func (c *compiler) vip(r Route, v *VIPRoute) message.Step {
	return message.Step{
		Name: routeStep(r), Phase: message.PhaseAct, Driver: "vip", On: "new",
		With:    c.with(VIPArgs{Address: v.Address, Interface: v.Interfaces[c.to.Name], Present: true}),
		Timeout: message.Duration(routeMargin), Retries: 2, Backoff: message.Duration(100 * time.Millisecond), OnFailure: message.FailPause,
		Says: fmt.Sprintf("put %s on %s of %s and tell the network", v.Address, v.Interfaces[c.to.Name], c.to.Name),
	}
}

// bouncerTalk bounds one conversation with PgBouncer's consoles.
const bouncerTalk = 2 * time.Second

func bouncers(n int) string {
	if n == 1 {
		return "1 PgBouncer"
	}
	return fmt.Sprintf("%d PgBouncers", n)
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
