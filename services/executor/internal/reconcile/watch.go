package reconcile

import (
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

// watch is one route of one group on one proxy. Its methods are called by the proxy's goroutine alone.
type watch struct {
	r                  *Reconciler
	desk               Desk
	group, name, proxy string
	route              spec.HAProxyRoute

	told    *message.RouteSeen // what was told last
	away    time.Time          // since when it cannot be reached; zero: it can
	wrong   time.Time          // since when it is not as it should be; zero: it is
	rightOf uint64             // the newest epoch for which it was seen right; 0: none yet
	alarm   string             // what was alarmed about, until it is over
	mended  time.Time          // when a correction was told last
	silence int                // corrections since then that were not told
}

func (w *watch) same(o *watch) bool {
	return w.group == o.group && w.name == o.name && w.proxy == o.proxy && reflect.DeepEqual(w.route, o.route)
}

const (
	// awayPatience is how long a proxy may be away before it is told: a reload takes a moment.
	awayPatience = time.Second
	// toldEvery is how often corrections of the same thing are told: whoever fights with ham must not flood the record.
	toldEvery = 30 * time.Second
)

// lost takes in that the proxy cannot be reached.
func (w *watch) lost(err error) {
	now := time.Now()
	if w.away.IsZero() {
		w.away = now
	}
	if now.Sub(w.away) < awayPatience {
		return
	}
	seen := message.RouteSeen{Route: w.name, Proxy: w.proxy, Problem: text(err), Serves: []string{}}
	if w.told != nil {
		seen.Serves = w.told.Serves
	}
	if w.told == nil || w.told.Reachable {
		w.tell(seen, fmt.Sprintf("route %s on %s cannot be reached: %v", w.name, w.proxy, err))
	}
	if t := w.desk.Target(); t.Epoch > 0 {
		w.raise(t, "away", fmt.Sprintf("route %s of %s cannot be kept right on %s, which does not answer: %v; it is led to %s as soon as it answers; look at that proxy, and take it out of service if it does not come back",
			w.name, w.group, w.proxy, err, t.Primary))
	}
}

// saw takes in one look, and sets right what may be set right.
func (w *watch) saw(ctx context.Context, conn *haproxy.Conn, s haproxy.Snapshot, err error, fresh bool) {
	w.away = time.Time{}
	t := w.desk.Target()
	if err != nil {
		w.tell(message.RouteSeen{Route: w.name, Proxy: w.proxy, Reachable: true, Serves: []string{}, Problem: text(err)},
			fmt.Sprintf("route %s on %s cannot be read: %v", w.name, w.proxy, err))
		w.raise(t, "unreadable", fmt.Sprintf("route %s of %s cannot be read on %s: %v; mend the proxy's configuration or the spec", w.name, w.group, w.proxy, err))
		return
	}
	w.observe(s)
	if t.Epoch == 0 || t.Spec == nil {
		return
	}
	goal, err := w.goal(t)
	if err != nil {
		w.raise(t, "goal", fmt.Sprintf("route %s of %s cannot be set: %v; mend the spec", w.name, w.group, err))
		return
	}
	wrong, _ := goal.Compare(s)
	switch {
	case len(wrong) == 0:
		w.wrong, w.rightOf = time.Time{}, t.Epoch
		w.clear(t)
		return
	case w.wrong.IsZero():
		w.wrong = time.Now()
	}
	if t.Wait != "" || (!w.r.first(t.Spec, t.Primary) && time.Since(w.wrong) < w.r.opts.Yield) {
		return
	}
	if w.desk.Confirm(ctx, t.Epoch) {
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
	if now := w.desk.Target(); now.Wait != "" || now.Epoch != t.Epoch {
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
			w.corrected(t, wrong, fresh)
			w.observe(after)
			w.wrong, w.rightOf = time.Time{}, t.Epoch
			return
		}
	}
	w.raise(t, "refused", fmt.Sprintf("route %s of %s is wrong on %s and cannot be set right: %v; clients there may not be led to %s; set it by hand, and mend the proxy", w.name, w.group, w.proxy, err, t.Primary))
}

// goal is how the route should be for the primary: its server open, all others shut before it.
func (w *watch) goal(t group.Target) (driver.Goal, error) {
	args := spec.HAProxyArgs{Route: w.name, Backend: w.route.Backend, States: map[string]string{}, Need: "any", Timeout: w.route.Timeout.String()}
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
	if w.route.Timeout == 0 {
		args.Timeout = ""
	}
	return driver.NewGoal(args)
}

// observe tells what the proxy is seen to do, if that is new.
func (w *watch) observe(s haproxy.Snapshot) {
	seen := message.RouteSeen{Route: w.name, Proxy: w.proxy, Reachable: true, Serves: []string{}}
	for member, server := range w.route.Servers {
		is, ok := s.Server(w.route.Backend, server)
		if !ok {
			seen.Problem = fmt.Sprintf("backend %s has no server %s", w.route.Backend, server)
			continue
		}
		if is.Serving().New() {
			seen.Serves = append(seen.Serves, member)
		}
	}
	slices.Sort(seen.Serves)
	who := strings.Join(seen.Serves, " and ")
	if who == "" {
		who = "nobody"
	}
	w.tell(seen, fmt.Sprintf("route %s on %s leads clients to %s", w.name, w.proxy, who))
}

func (w *watch) tell(seen message.RouteSeen, sentence string) {
	if w.told != nil && reflect.DeepEqual(*w.told, seen) {
		return
	}
	w.told = &seen
	t := w.desk.Target()
	w.r.event(message.Event{Group: w.group, Kind: message.EventRoute, Severity: message.Info, Sentence: sentence, Epoch: t.Epoch, Route: &seen})
}

// corrected tells of a correction.
func (w *watch) corrected(t group.Target, wrong []driver.Wrong, fresh bool) {
	w.alarm = ""
	why, severity := "a foreign hand changed it", message.Warning
	switch {
	case w.rightOf == 0:
		why, severity = "it was found so", message.Notice
	case fresh:
		why = "the proxy came back so"
	case w.rightOf != t.Epoch:
		why, severity = fmt.Sprintf("it had not been set for epoch %d yet", t.Epoch), message.Notice
	}
	if severity == message.Warning {
		if time.Since(w.mended) < toldEvery {
			w.silence++
			return
		}
		w.mended = time.Now()
	}
	again := ""
	if w.silence > 0 {
		again = fmt.Sprintf("; it was set right %d more times since that was told last: somebody works against ham, find out who", w.silence)
	}
	w.silence = 0
	w.r.event(message.Event{
		Group: w.group, Kind: message.EventDrift, Severity: severity, Epoch: t.Epoch, Member: t.Primary,
		Sentence: fmt.Sprintf("route %s of %s was not as it should be on %s and was set right: %s; %s%s", w.name, w.group, w.proxy, sentence(wrong), why, again),
	})
}

// raise alarms once of each thing.
func (w *watch) raise(t group.Target, what, sentence string) {
	if w.alarm == what {
		return
	}
	w.alarm = what
	w.r.event(message.Event{Group: w.group, Kind: message.EventDrift, Severity: message.Critical, Epoch: t.Epoch, Sentence: clip(sentence)})
}

// clear tells that what was alarmed about is over.
func (w *watch) clear(t group.Target) {
	if w.alarm == "" {
		return
	}
	w.alarm = ""
	w.r.event(message.Event{Group: w.group, Kind: message.EventDrift, Severity: message.Notice, Epoch: t.Epoch,
		Sentence: fmt.Sprintf("route %s of %s is right again on %s: clients are led to %s", w.name, w.group, w.proxy, t.Primary)})
}

func sentence(wrong []driver.Wrong) string {
	var words []string
	for _, x := range wrong {
		words = append(words, x.String())
	}
	return strings.Join(words, ", ")
}

func text(err error) string {
	if err == nil {
		return "connection lost"
	}
	return clip(err.Error())
}

func clip(s string) string {
	if len(s) <= 1000 {
		return s
	}
	return strings.ToValidUTF8(s[:1000], "") + "…"
}
