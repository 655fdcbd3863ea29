package reconcile

import (
	"cmp"
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/isacloud/ha-manager/pkg/client/haproxy"
	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec"
	driver "github.com/isacloud/ha-manager/services/executor/driver/haproxy"
	"github.com/isacloud/ha-manager/services/executor/internal/group"
)

// sessionsEvery is how often a change of nothing but the number of sessions is told, unless they come to an end.
const sessionsEvery = time.Second

// poolGoal is how the route of a pool should be: who is in maintenance drains, everybody else is ready. Balancing, checks and who is a backup are
// HAProxy's own configuration.
func poolGoal(t group.Target, route spec.HAProxyRoute, args spec.HAProxyArgs) (driver.Goal, error) {
	for member, server := range route.Servers {
		args.States[server] = string(haproxy.Ready)
		if slices.Contains(t.Out, member) {
			args.States[server] = string(haproxy.Drain)
		}
	}
	return driver.NewGoal(args)
}

// stats reads the counters of the backend: what is still on a server that drains, and who is a backup.
func (w *watch) stats(ctx context.Context, conn *haproxy.Conn) {
	w.counted = haproxy.Stats{}
	answers, err := conn.Do(ctx, haproxy.ShowStat(w.route.Backend))
	if err != nil {
		return // what is not counted is told as unknown; that the connection is lost is told by the next look
	}
	if counted, err := haproxy.ParseStat(answers[0].Text); err == nil {
		w.counted = counted
	}
}

// poolSeen tells what the proxy of a pool is seen to do, if that is new.
func (w *watch) poolSeen(t group.Target, s haproxy.Snapshot, serves []string, problem string) {
	backup := func(member string) bool { m, ok := t.Spec.Member(member); return ok && m.Backup }
	if slices.ContainsFunc(serves, func(m string) bool { return !backup(m) }) {
		serves = slices.DeleteFunc(serves, backup) // HAProxy leads nobody to a backup while another serves
	}
	var servers []message.ServerSeen
	for member, server := range w.route.Servers {
		is, ok := s.Server(w.route.Backend, server)
		if !ok {
			continue
		}
		one := message.ServerSeen{Member: member, Server: server, Admin: driver.Administrative(is), Says: "up"}
		switch {
		case !is.Checked:
			one.Says = "unchecked"
		case is.Oper == haproxy.OperStopped:
			one.Says = "down"
		}
		if counted, ok := w.counted.Server(server); ok {
			if one.Admin != string(haproxy.Ready) {
				n := counted.Sessions + counted.Queued
				one.Sessions = &n
			}
			switch {
			case counted.Backup && !backup(member):
				problem = cmp.Or(problem, fmt.Sprintf("server %s is a backup by HAProxy's configuration and %s is none by the spec", server, member))
			case !counted.Backup && backup(member):
				problem = cmp.Or(problem, fmt.Sprintf("%s is a backup by the spec and server %s is none by HAProxy's configuration", member, server))
			}
		}
		servers = append(servers, one)
	}
	slices.SortFunc(servers, func(a, b message.ServerSeen) int { return strings.Compare(a.Member, b.Member) })
	w.poolServes(serves, servers, problem)
}

// poolServes tells it. How many sessions are left changes all the time: that alone is told once a second, and at once where none is left.
func (w *teller) poolServes(members []string, servers []message.ServerSeen, problem string) {
	slices.Sort(members)
	who := strings.Join(members, " and ")
	if who == "" {
		who, members = "nobody", []string{}
	}
	seen := message.RouteSeen{Route: w.name, Proxy: w.proxy, Reachable: true, Serves: members, Servers: servers, Problem: problem}
	if w.told != nil && time.Since(w.toldAt) < sessionsEvery && onlySessions(*w.told, seen) {
		return
	}
	if w.told == nil || !reflect.DeepEqual(*w.told, seen) {
		w.toldAt = time.Now()
	}
	sentence := fmt.Sprintf("route %s on %s leads clients to %s", w.name, w.proxy, who)
	if problem != "" {
		sentence += ": " + problem
	}
	w.tell(seen, sentence)
}

// onlySessions says that two sights differ in nothing but how many sessions are left on servers, and that some are left on each of those.
func onlySessions(a, b message.RouteSeen) bool {
	if len(a.Servers) != len(b.Servers) {
		return false
	}
	a.Servers, b.Servers = slices.Clone(a.Servers), slices.Clone(b.Servers)
	for i := range a.Servers {
		x, y := a.Servers[i].Sessions, b.Servers[i].Sessions
		if (x == nil) != (y == nil) || y != nil && *y == 0 && *x != 0 {
			return false
		}
		a.Servers[i].Sessions, b.Servers[i].Sessions = nil, nil
	}
	return reflect.DeepEqual(a, b)
}
