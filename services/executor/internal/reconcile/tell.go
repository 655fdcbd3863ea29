package reconcile

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/services/executor/internal/group"
)

// teller tells of one route of one group on one proxy: what it is seen to do, what was set right, and what cannot be. Used by one goroutine.
type teller struct {
	r                  *Reconciler
	desk               Desk
	group, name, proxy string

	told    *message.RouteSeen // what was told last
	toldAt  time.Time
	away    time.Time // since when it cannot be reached; zero: it can
	rightOf uint64    // the newest order for which it was seen right; 0: none yet
	alarm   string    // what was alarmed about, until it is over
	mended  time.Time // when a correction was told last
	silence int       // corrections since then that were not told
}

const (
	// awayPatience is how long a proxy may be away before it is told: a reload takes a moment.
	awayPatience = time.Second
	// toldEvery is how often corrections of the same thing are told: whoever fights with ham must not flood the record.
	toldEvery = 30 * time.Second
)

// lost takes in that the proxy cannot be reached.
func (w *teller) lost(err error) {
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
	if t := w.desk.Target(); t.Pool {
		w.raise(t, "away", fmt.Sprintf("route %s of %s cannot be kept right on %s, which does not answer: %v; whoever is taken out or put back is so there as soon as it answers; look at that proxy, and take it out of service if it does not come back",
			w.name, w.group, w.proxy, err))
	} else if t.Epoch > 0 {
		w.raise(t, "away", fmt.Sprintf("route %s of %s cannot be kept right on %s, which does not answer: %v; it is led to %s as soon as it answers; look at that proxy, and take it out of service if it does not come back",
			w.name, w.group, w.proxy, err, t.Primary))
	}
}

// tellUnreadable says that the proxy answers, and not what is asked.
func (w *teller) tellUnreadable(t group.Target, err error) {
	w.tell(message.RouteSeen{Route: w.name, Proxy: w.proxy, Reachable: true, Serves: []string{}, Problem: text(err)},
		fmt.Sprintf("route %s on %s cannot be read: %v", w.name, w.proxy, err))
	w.raise(t, "unreadable", fmt.Sprintf("route %s of %s cannot be read on %s: %v; mend the proxy's configuration or the spec", w.name, w.group, w.proxy, err))
}

func (w *teller) raiseGoal(t group.Target, err error) {
	w.raise(t, "goal", fmt.Sprintf("route %s of %s cannot be set: %v; mend the spec", w.name, w.group, err))
}

func (w *teller) raiseRefused(t group.Target, err error) {
	if t.Pool {
		w.raise(t, "refused", fmt.Sprintf("route %s of %s is wrong on %s and cannot be set right: %v; clients there may be led to who is in maintenance, or not to who serves; set it by hand, and mend the proxy",
			w.name, w.group, w.proxy, err))
		return
	}
	w.raise(t, "refused", fmt.Sprintf("route %s of %s is wrong on %s and cannot be set right: %v; clients there may not be led to %s; set it by hand, and mend the proxy",
		w.name, w.group, w.proxy, err, t.Primary))
}

// serves tells whom the proxy leads new traffic to, if that is new.
func (w *teller) serves(members []string, problem string) {
	slices.Sort(members)
	who := strings.Join(members, " and ")
	if who == "" {
		who, members = "nobody", []string{}
	}
	w.tell(message.RouteSeen{Route: w.name, Proxy: w.proxy, Reachable: true, Serves: members, Problem: problem},
		fmt.Sprintf("route %s on %s leads clients to %s", w.name, w.proxy, who))
}

func (w *teller) tell(seen message.RouteSeen, sentence string) {
	if w.told != nil && reflect.DeepEqual(*w.told, seen) {
		return
	}
	w.told = &seen
	t := w.desk.Target()
	w.r.event(message.Event{Group: w.group, Kind: message.EventRoute, Severity: message.Info, Sentence: sentence, Epoch: t.Epoch, Route: &seen})
}

// corrected tells of a correction.
func (w *teller) corrected(t group.Target, wrong string, fresh bool) {
	w.alarm = ""
	why, severity := "a foreign hand changed it", message.Warning
	switch {
	case w.rightOf == 0:
		why, severity = "it was found so", message.Notice
	case fresh:
		why = "the proxy came back so"
	case w.rightOf != t.Order && t.Pool:
		return // that is what was asked for, and the route tells it
	case w.rightOf != t.Order:
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
		Sentence: fmt.Sprintf("route %s of %s was not as it should be on %s and was set right: %s; %s%s", w.name, w.group, w.proxy, wrong, why, again),
	})
}

// raise alarms once of each thing.
func (w *teller) raise(t group.Target, what, sentence string) {
	if w.alarm == what {
		return
	}
	w.alarm = what
	w.r.event(message.Event{Group: w.group, Kind: message.EventDrift, Severity: message.Critical, Epoch: t.Epoch, Sentence: clip(sentence)})
}

// clear tells that what was alarmed about is over.
func (w *teller) clear(t group.Target) {
	if w.alarm == "" {
		return
	}
	w.alarm = ""
	if t.Pool {
		w.r.event(message.Event{Group: w.group, Kind: message.EventDrift, Severity: message.Notice, Sentence: fmt.Sprintf("route %s of %s is right again on %s", w.name, w.group, w.proxy)})
		return
	}
	w.r.event(message.Event{Group: w.group, Kind: message.EventDrift, Severity: message.Notice, Epoch: t.Epoch,
		Sentence: fmt.Sprintf("route %s of %s is right again on %s: clients are led to %s", w.name, w.group, w.proxy, t.Primary)})
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
