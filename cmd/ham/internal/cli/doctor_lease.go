package cli

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/isacloud/ha-manager/cmd/ham/internal/setup"
	"github.com/isacloud/ha-manager/pkg/bus"
	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec"
)

// running are the processes that answer on the bus, by the names that a spec calls them.
type running struct {
	executors, deciders []string
}

// leased looks at what a lease rests on.
func (k *checkup) leased(ctx context.Context, b *bus.Bus, g *spec.Group, s *message.GroupStatus, up running) {
	if g.Lease == nil {
		return
	}
	k.synced(ctx, b, g)
	k.processes(g, up)
	k.protected(g, s)
	k.ownProbers(g, s)
	k.guards(g, func(host string) []netip.Addr { return resolve(ctx, host) })
	facts := k.servers(ctx, g)
	k.host(ctx, g, facts)
}

// servers looks at the settings of the members' PostgreSQL servers that a pair rests on.
func (k *checkup) servers(ctx context.Context, g *spec.Group) map[string]setup.Facts {
	facts := map[string]setup.Facts{}
	for _, m := range g.Members {
		if m.Postgres == nil {
			continue
		}
		what := "server of " + m.Name
		ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
		f, err := look(ctx, m)
		cancel()
		if err != nil {
			k.warn(what, "its settings were not looked at: "+err.Error(), "run `ham doctor` where the server is reached and the secrets of the spec can be read")
			continue
		}
		facts[m.Name] = f
		found := setup.JudgeServer(f)
		for _, f := range found {
			k.finding(what, f)
		}
		if len(found) == 0 {
			k.ok(what, "its settings are what a pair needs")
		}
	}
	return facts
}

func look(ctx context.Context, m spec.Member) (setup.Facts, error) {
	dsn, err := m.Postgres.DSN.Resolve(spec.LookupSecret)
	if err != nil {
		return setup.Facts{}, err
	}
	return setup.Look(ctx, m.Name, dsn)
}

func (k *checkup) finding(what string, f setup.Finding) {
	switch f.Level {
	case "bad":
		k.bad(what, f.Found, f.Do)
	case "warn":
		k.warn(what, f.Found, f.Do)
	default:
		k.ok(what, "%s", f.Found)
	}
}

// synced: a command that a power cut takes back could name a second primary.
func (k *checkup) synced(ctx context.Context, b *bus.Bus, g *spec.Group) {
	what := "group " + g.Name
	own := b.Conn().ConnectedServerName()
	report, err := b.Inspect(ctx, bus.Layout{})
	if err != nil {
		k.bad(what, err.Error(), "look at the nats-servers' logs")
		return
	}
	for _, s := range report.Servers {
		if !s.SyncAlways {
			k.bad(what, "nats-server "+s.Name+" acknowledges commands before they are on its disk: a power cut may take back who is primary", "set jetstream { sync_interval: always } there")
		}
	}
	embedded := slices.Contains(g.Lease.Deciders, own) || slices.ContainsFunc(g.Members, func(m spec.Member) bool { return m.Executor == own })
	if len(report.Servers) == 0 && !embedded {
		k.warn(what, "this user does not see whether nats-server "+own+" syncs commands to its disk before it acknowledges them",
			"the bus inside ham does; on a server of your own set jetstream { sync_interval: always }, or look with the system account")
	}
}

// processes: who may change a member, and who grants the lease, must be there.
func (k *checkup) processes(g *spec.Group, up running) {
	what := "group " + g.Name
	for _, m := range g.Members {
		if !slices.Contains(up.executors, m.Executor) {
			k.bad(what, "the executor "+m.Executor+" beside member "+m.Name+" does not answer: nobody can make "+m.Name+" primary, and it cannot follow",
				"start `ham up` or `ham executor` on its host, with ham.name: "+m.Executor)
		}
	}
	var missing []string
	for _, d := range g.Lease.Deciders {
		if !slices.Contains(up.deciders, d) {
			missing = append(missing, d)
		}
	}
	switch n := len(g.Lease.Deciders); {
	case len(missing) > n/2:
		k.bad(what, "no majority of the deciders answers, missing: "+strings.Join(missing, ", ")+": nobody can take the lease", "start them, with the names that lease.deciders has")
	case len(missing) > 0:
		k.warn(what, "deciders that do not answer: "+strings.Join(missing, ", "), "start them: the loss of more would stop the primary, unless every member answers it")
	default:
		k.ok(what, "deciders that grant the lease: %s", strings.Join(g.Lease.Deciders, ", "))
	}
}

// protected says what would be lost now.
func (k *checkup) protected(g *spec.Group, s *message.GroupStatus) {
	what := "group " + g.Name
	l := s.Lease
	switch {
	case l == nil:
		k.warn(what, "the spec has a lease, and the last command has none yet", "`ham explain "+g.Name+"`; deciders of an older version know no leases")
	case !l.Armed:
		k.warn(what, "the lease is not armed: in dry run no guard keeps clients from any member", "apply the spec with mode: manual or auto, once what it would do is right")
	case !l.Protected:
		k.warn(what, l.Protection, "`ham explain "+g.Name+"`")
	default:
		k.ok(what, "%s", l.Protection)
	}
}

// ownProbers: what happens to a member is seen first, and surest, from its own host.
func (k *checkup) ownProbers(g *spec.Group, s *message.GroupStatus) {
	for _, m := range s.Members {
		seen := slices.ContainsFunc(m.Views, func(v message.View) bool { return v.Vantage == m.Site && v.Says != "silent" })
		if !seen && m.Site != "" {
			k.warn("group "+g.Name, "no prober at "+m.Site+" looks at member "+m.Name+", which stands there: its loss is told by silence alone, which takes longer",
				"run `ham prober` on its host with ham.prober.vantages: ["+m.Site+"], and name it in `from`")
		}
	}
}

// guards: whom a guard lets past, and whom it must not.
func (k *checkup) guards(g *spec.Group, resolve func(host string) []netip.Addr) {
	what := "group " + g.Name
	if g.Lease.Guard == spec.GuardNone {
		k.warn(what, "guard: none: nothing of ham keeps clients from a member without a lease", "see to it yourself that the lease's end cuts clients off within "+spec.GuardLate.String()+", or write guard: nftables")
		return
	}
	passes := func(m spec.Member, ip netip.Addr) bool {
		return slices.ContainsFunc(m.Allow, func(allow string) bool {
			if p, err := netip.ParsePrefix(allow); err == nil {
				return p.Contains(ip)
			}
			a, err := netip.ParseAddr(allow)
			return err == nil && a == ip
		})
	}
	for _, m := range g.Members {
		for _, other := range g.Members {
			host, _, _ := net.SplitHostPort(other.Peer)
			for _, ip := range resolve(host) {
				if !passes(m, ip) {
					k.bad(what, fmt.Sprintf("the guard of %s does not let %s (%s) past: it cannot replicate or look while the guard is shut", m.Name, ip, other.Name),
						"add it to allow of member "+m.Name+", unless its executor has another address for that")
				}
			}
		}
		for _, r := range g.Routes {
			for _, host := range proxyHosts(r) {
				for _, ip := range resolve(host) {
					if passes(m, ip) {
						k.bad(what, fmt.Sprintf("the guard of %s lets %s past, where a proxy of route %s stands: its clients are not kept out", m.Name, ip, r.Name),
							"take it out of allow, or let the proxy come from another address")
					}
				}
			}
		}
	}
}

func proxyHosts(r spec.Route) []string {
	var hosts []string
	if r.HAProxy != nil {
		for _, p := range r.HAProxy.Proxies {
			if u, err := url.Parse(p); err == nil && u.Scheme == "tcp" {
				hosts = append(hosts, u.Hostname())
			}
		}
	}
	return hosts
}

// resolve gives the addresses of a host, or none: what cannot be resolved here may be elsewhere.
func resolve(ctx context.Context, host string) []netip.Addr {
	if ip, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{ip}
	}
	if host == "" {
		return nil
	}
	ips, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return nil
	}
	for i := range ips {
		ips[i] = ips[i].Unmap()
	}
	return ips
}

// host looks at this machine, if a member stands on it.
func (k *checkup) host(ctx context.Context, g *spec.Group, facts map[string]setup.Facts) {
	own, _ := os.Hostname()
	var elsewhere []string
	for _, m := range g.Members {
		if !setup.StandsHere(m, asName(own)) {
			elsewhere = append(elsewhere, m.Name)
			continue
		}
		found := setup.Host(ctx, "/", g, m)
		if g.Lease.Guard != spec.GuardNone {
			found = append(found, setup.Socket("/", facts[m.Name])...)
		}
		for _, f := range found {
			k.finding("host of "+m.Name, f)
		}
	}
	if len(elsewhere) > 0 {
		k.warn("group "+g.Name, "not looked at from here: the hosts of "+strings.Join(elsewhere, ", "), "run `ham doctor` there too: what starts by itself, the clock, and ham's own rights are seen on the host alone")
	}
}
