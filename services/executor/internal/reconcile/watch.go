package reconcile

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/isacloud/ha-manager/pkg/client/haproxy"
	"github.com/isacloud/ha-manager/pkg/spec"
	driver "github.com/isacloud/ha-manager/services/executor/driver/haproxy"
	"github.com/isacloud/ha-manager/services/executor/internal/group"
)

// watch is one route of one group on one proxy. Its methods are called by the proxy's goroutine alone.
type watch struct {
	teller
	route spec.HAProxyRoute
	wrong time.Time // since when it is not as it should be; zero: it is
	// counted are the counters of the backend of a pool, as last read; without servers: not known.
	counted haproxy.Stats
}

func (w *watch) same(o *watch) bool {
	return w.group == o.group && w.name == o.name && w.proxy == o.proxy && reflect.DeepEqual(w.route, o.route)
}

// saw takes in one look, and sets right what may be set right.
func (w *watch) saw(ctx context.Context, conn *haproxy.Conn, s haproxy.Snapshot, err error, fresh bool) {
	w.away = time.Time{}
	t := w.desk.Target()
	if err != nil {
		w.tellUnreadable(t, err)
		return
	}
	if t.Pool {
		w.stats(ctx, conn)
	}
	w.observe(t, s)
	if t.Order == 0 || t.Spec == nil {
		return
	}
	goal, err := w.goal(t)
	if err != nil {
		w.raiseGoal(t, err)
		return
	}
	wrong, _ := goal.Compare(s)
	switch {
	case len(wrong) == 0:
		w.wrong, w.rightOf = time.Time{}, t.Order
		w.clear(t)
		return
	case w.wrong.IsZero():
		w.wrong = time.Now()
	}
	if t.Wait != "" || (!w.r.first(t.Spec, t.Primary) && time.Since(w.wrong) < w.r.opts.Yield) {
		return
	}
	if w.desk.Confirm(ctx, t.Order) {
		w.mend(ctx, conn, t, goal, fresh)
	}
}

// mend sets the proxy right in one line and reads back. What is wrong is read anew: since the last look a swap may have
// begun and ended.
func (w *watch) mend(ctx context.Context, conn *haproxy.Conn, t group.Target, goal driver.Goal, fresh bool) {
	s, err := conn.Snapshot(ctx, w.route.Backend)
	if err != nil {
		return // the next look says so
	}
	wrong, commands := goal.Compare(s)
	if len(wrong) == 0 {
		return
	}
	if now := w.desk.Target(); now.Wait != "" || now.Order != t.Order {
		return
	}
	for _, x := range wrong {
		if x.Wanted == string(haproxy.Maint) {
			commands = append(commands, haproxy.ShutdownSessions(w.route.Backend, x.Server))
		}
	}
	if len(commands) > 0 {
		_, err = conn.Do(ctx, commands...)
	}
	after, readErr := conn.Snapshot(ctx, w.route.Backend)
	if conn.Err() != nil {
		return // it went away meanwhile: what is there next will be looked at
	}
	if err == nil {
		err = readErr
	}
	if readErr == nil {
		if left, _ := goal.Compare(after); len(left) > 0 {
			if err == nil {
				err = fmt.Errorf("%s", sentence(left))
			}
		} else {
			w.corrected(t, sentence(wrong), fresh)
			w.observe(t, after)
			w.wrong, w.rightOf = time.Time{}, t.Order
			return
		}
	}
	w.raiseRefused(t, err)
}

// goal is how the route should be for the primary: its server open, all others shut before it.
func (w *watch) goal(t group.Target) (driver.Goal, error) {
	args := spec.HAProxyArgs{Route: w.name, Backend: w.route.Backend, States: map[string]string{}, Need: "any", Timeout: w.route.Timeout.String()}
	if w.route.Timeout == 0 {
		args.Timeout = ""
	}
	if t.Pool {
		return poolGoal(t, w.route, args)
	}
	primary, ok := w.route.Servers[t.Primary]
	if !ok {
		return driver.Goal{}, fmt.Errorf("it has no server for %s", t.Primary)
	}
	for member, server := range w.route.Servers {
		args.States[server] = string(haproxy.Maint)
		if member == t.Primary {
			args.States[server] = string(haproxy.Ready)
		} else {
			args.First = append(args.First, server)
		}
	}
	slices.Sort(args.First)
	if a, ok := w.route.Addresses[t.Primary]; ok {
		args.Addresses = map[string]string{primary: a}
	}
	if n, ok := w.route.Weights[t.Primary]; ok {
		args.Weights = map[string]int{primary: n}
	}
	return driver.NewGoal(args)
}

// observe tells what the proxy is seen to do, if that is new.
func (w *watch) observe(t group.Target, s haproxy.Snapshot) {
	var serves []string
	problem := ""
	for member, server := range w.route.Servers {
		is, ok := s.Server(w.route.Backend, server)
		if !ok {
			problem = fmt.Sprintf("backend %s has no server %s", w.route.Backend, server)
			continue
		}
		if is.Serving().New() {
			serves = append(serves, member)
		}
	}
	if t.Pool {
		w.poolSeen(t, s, serves, problem)
		return
	}
	w.serves(serves, problem)
}

func sentence(wrong []driver.Wrong) string {
	var words []string
	for _, x := range wrong {
		words = append(words, x.String())
	}
	return strings.Join(words, ", ")
}
