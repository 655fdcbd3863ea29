package core

import (
	"cmp"
	"slices"
	"strings"

	"github.com/isacloud/ha-manager/pkg/message"
)

// route is one proxy of one route, as an executor last saw it.
type route struct {
	seen message.RouteSeen
	seq  uint64
	// cut are the executors whose newest word is that they do not reach it; reach those that do.
	cut, reach []string
}

// heardFrom notes whether the executor reaches the proxy.
func (r *route) heardFrom(executor string, reaches bool) {
	not := func(name string) bool { return name == executor }
	r.cut, r.reach = slices.DeleteFunc(r.cut, not), slices.DeleteFunc(r.reach, not)
	if reaches {
		r.reach = append(r.reach, executor)
	} else {
		r.cut = append(r.cut, executor)
	}
}

// counts says whether what was seen is of use: the spec knows the route, and the proxy was asked.
func (r *route) counts(s *State) bool { return r.seen.Reachable && r.declared(s) }

// declared says whether the spec knows the route and its proxy; what was seen of others is the past.
func (r *route) declared(s *State) bool {
	if s.spec == nil {
		return false
	}
	for _, d := range s.spec.Routes {
		if d.Name == r.seen.Route {
			return d.HAProxy == nil || slices.Contains(d.HAProxy.Proxies, r.seen.Proxy)
		}
	}
	return false
}

// routeSeen keeps the newest word about each proxy, sorted.
func (s *State) routeSeen(in RouteRead) {
	s.routeSeq = max(s.routeSeq, in.Seq)
	i, found := slices.BinarySearchFunc(s.routes, in.Route, func(r *route, t *message.RouteSeen) int {
		return cmp.Or(cmp.Compare(r.seen.Route, t.Route), cmp.Compare(r.seen.Proxy, t.Proxy))
	})
	if !found {
		if len(s.routes) >= keep {
			return // nobody has that many proxies: somebody writes nonsense
		}
		s.routes = slices.Insert(s.routes, i, &route{})
	}
	if r := s.routes[i]; in.Seq > r.seq || !found {
		r.seen, r.seq = *in.Route, in.Seq
		r.heardFrom(in.Executor, in.Route.Reachable)
	}
}

// elsewhere says where a route serves another member than to; nil: nowhere that was seen. A proxy that serves nobody is no
// drift: its server may be as dead as its member.
func (s *State) elsewhere(to string) words {
	var where []string
	for _, r := range s.routes {
		others := slices.DeleteFunc(slices.Clone(r.seen.Serves), func(m string) bool { return m == to })
		if r.counts(s) && len(others) > 0 {
			where = append(where, "route "+r.seen.Route+" on "+r.seen.Proxy+" serves "+list(r.seen.Serves)+", not "+to+" alone")
		}
	}
	if where == nil {
		return nil
	}
	return words{"where": clip(strings.Join(where, "; "), 600)}
}

// cutOff names the first route of which no executor reaches any proxy; nil: there is none. A route that nobody has told of yet
// is not known to be cut off.
func (s *State) cutOff() words {
	for _, d := range s.spec.Routes {
		var away []string
		reached := false
		for _, r := range s.routes {
			if r.seen.Route == d.Name && r.declared(s) {
				reached = reached || len(r.reach) > 0
				away = append(away, r.seen.Proxy)
			}
		}
		if !reached && len(away) > 0 {
			return words{"route": d.Name, "where": clip(list(away), 400)}
		}
	}
	return nil
}

// drifts tells a drift that lasts, and its end. A swap under way moves the routes itself.
func (s *State) drifts(at Time) {
	if s.pool() || s.underWay() || !s.chain.held || !s.judging(at) {
		return // of a pool executors tell what they set right
	}
	w, code := s.elsewhere(s.chain.primary()), "R314"
	if two := twoAct(s, at, question{}); two != nil {
		w, code = words{"where": fill("{other} acts as primary beside {from}", two)}, "R318"
	}
	if w == nil {
		s.driftSince = never
		if s.driftTold != "" {
			s.tell(at, message.Event{
				Kind: message.EventDrift, Severity: message.Info, Epoch: s.chain.epoch(),
				Sentence: s.driftOver(),
			}, "end", s.driftTold)
			s.driftTold = ""
		}
		return
	}
	if s.driftSince == never {
		s.driftSince = at.Mono
	}
	key := s.routesCause() + code
	if at.Mono-s.driftSince < driftGrace || s.driftTold == key {
		return
	}
	s.driftTold = key
	s.tell(at, message.Event{
		Kind: message.EventDrift, Severity: message.Warning, Code: code, Epoch: s.chain.epoch(),
		Sentence: w["where"] + driftAdvice(code, s.group),
	}, "begin", key)
}

// driftAdvice says what a drift prevents and what ends it.
func driftAdvice(code, group string) string {
	if code == "R314" {
		return ": no swap happens by itself until the route is corrected, or ham adopt " + group + " says that this is right now"
	}
	return ": somebody promoted it; its executor stops it, and no swap happens until it has"
}

func (s *State) driftOver() string {
	if strings.HasSuffix(s.driftTold, "R318") {
		return s.chain.primary() + " alone acts as primary of " + s.group + " again"
	}
	return "the routes of " + s.group + " serve " + s.chain.primary() + " again"
}

// routesCause names what the routes were last seen to do, the same for all deciders.
func (s *State) routesCause() string {
	out := epoch(s.chain.epoch())
	for _, r := range s.routes {
		if r.counts(s) {
			out += "|" + epoch(r.seq)
		}
	}
	return out
}
