package page

import (
	"context"
	"encoding/json"
	"fmt"
	"hash/maphash"
	"net/http"
	"strings"
	"time"

	"github.com/isacloud/ha-manager/pkg/incident"
	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/who"
	"github.com/isacloud/ha-manager/services/console/internal/tongue"
)

const (
	// streamFor bounds one stream: then the browser comes anew, and the door looks again who it is.
	streamFor = 5 * time.Minute
	// gather is how long changes are gathered before they are sent.
	gather = 40 * time.Millisecond
	// late is how long a plan that was shown is taken to hold while no decider says so: as long as a page is taken for true. One answer that is
	// late on a busy machine takes nobody's hand off the button; what is fired is checked by the decider in any case.
	late = 4 * time.Second
	// writeLimit cuts off who does not read.
	writeLimit = 5 * time.Second
)

// piece is one element of a page, by its id.
type piece struct {
	id, template string
	data         any
	html         string // made already
	inside       bool   // it was sent inside another element just now: only remembered
}

// live sends the elements of a page as they change, and a beat each second, so that silence is noticed.
func (p *Pages) live(w http.ResponseWriter, r *http.Request) {
	person := who.PersonOf(r.Context())
	pieces, ok := p.follower(r, person)
	if !ok {
		http.Error(w, "there is nothing to follow here", http.StatusNotFound)
		return
	}
	name := ""
	if person != nil && !p.o.Open { // who is on this machine is not told from others
		name = person.Name
	}
	if !p.seats.take(name) {
		http.Error(w, "too many pages follow already", http.StatusServiceUnavailable)
		return
	}
	defer p.seats.leave(name)
	out := http.NewResponseController(w)
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusOK)
	send := func(event, data string) bool {
		_ = out.SetWriteDeadline(time.Now().Add(writeLimit)) // where it cannot be set, the server's own holds
		_, err := fmt.Fprintf(w, "event: %s\ndata: %s\n\n", event, data)
		return err == nil && out.Flush() == nil
	}
	if r.URL.Query().Get("v") != p.version {
		send("reload", "other version")
		return
	}
	changed, cancel := p.o.Board.Watch()
	defer cancel()
	end := time.NewTimer(streamFor)
	defer end.Stop()
	beat := time.NewTicker(time.Second)
	defer beat.Stop()
	lang := tongue.Of(r)
	sent := map[string]uint64{}
	seed := maphash.MakeSeed()
	if !send("beat", clock(p.o.Now())) {
		return
	}
	for {
		for _, x := range pieces(r.Context(), sent) {
			html, err := x.html, error(nil)
			if html == "" {
				html, err = p.fragment(lang, x.template, x.data)
			}
			if err != nil {
				p.o.Log.Error("an element could not be made", "element", x.id, "error", err)
				return // the page says that it is out of date
			}
			sum := maphash.String(seed, html)
			if sent[x.id] == sum {
				continue
			}
			sent[x.id] = sum
			if !x.inside && !send("put", putData(x.id, html)) {
				return
			}
		}
		wait := time.NewTimer(gather)
		select {
		case <-r.Context().Done():
			wait.Stop()
			return
		case <-wait.C:
		}
		for again := false; !again; {
			select {
			case <-r.Context().Done():
				return
			case <-end.C:
				return
			case <-beat.C:
				if !send("beat", clock(p.o.Now())) {
					return
				}
			case <-changed:
				again = true
			}
		}
		p.o.Board.Look()
	}
}

// putData is one line: JSON holds no bare line feed.
func putData(id, html string) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)                                  // it is data of an event stream, never markup by itself
	_ = e.Encode(map[string]string{"id": id, "html": html}) // two strings always encode
	return strings.TrimSuffix(b.String(), "\n")
}

// follower gives what makes the elements of the page that the request names.
func (p *Pages) follower(r *http.Request, person *who.Person) (func(context.Context, map[string]uint64) []piece, bool) {
	q, lang := r.URL.Query(), tongue.Of(r)
	top := func() piece { return piece{id: "top", template: "top", data: p.top(person)} }
	switch q.Get("at") {
	case "overview":
		order := ""
		return func(_ context.Context, sent map[string]uint64) []piece {
			d := p.overviewParts(person)
			p.rows(lang, d.Groups)
			out := []piece{top(), {id: "sum", template: "sum", data: d.Sum}, {id: "latest", template: "latest", data: d.Latest}}
			now := ""
			for _, g := range d.Groups {
				now += fmt.Sprint(g.Name, g.Compact, " ")
			}
			moved := now != order // others came, went, or stand elsewhere: all of them are sent as one
			if order = now; moved {
				delete(sent, "groups")
				out = append(out, piece{id: "groups", template: "groups", data: d.Groups})
			}
			for _, g := range d.Groups {
				out = append(out, piece{id: "g-" + g.Name, template: "card", data: g, html: string(g.Row), inside: moved})
			}
			return out
		}, true
	case "group":
		name := q.Get("g")
		if !message.IsName(name) || !person.May(name, who.Viewer) {
			return nil, false
		}
		return func(context.Context, map[string]uint64) []piece {
			g, ok := p.o.Board.Group(name)
			if !ok {
				return []piece{top()}
			}
			d := p.groupData(r, g)
			out := []piece{top(), {id: "g-head", template: "g-head", data: d.G}, {id: "g-said", template: "g-said", data: d}, {id: "g-run", template: "g-run", data: d}, {id: "g-waiting", template: "g-waiting", data: d.G}}
			for _, id := range []string{"g-clients", "g-members", "g-resources", "g-ladder", "g-measured", "g-agenda", "g-trust", "g-why", "g-figures", "g-lines", "g-incidents"} {
				out = append(out, piece{id: id, template: id, data: d.G})
			}
			return out
		}, true
	case "swap":
		name := q.Get("g")
		k, err := WishOf(q)
		if err != nil || k.Verb == "" || !message.IsName(name) || !person.May(name, who.Operator) {
			return nil, false
		}
		var last time.Time
		var is change
		said := p.o.Now() // when it was last said that it holds, or does not: the page was made a moment ago
		return func(ctx context.Context, _ map[string]uint64) []piece {
			if now := p.o.Now(); now.Sub(last) >= time.Second { // also of one that has changed: it may be again the one that was shown
				was := is
				if is, last = p.stillHolds(ctx, name, k, q.Get("plan"), person), now; is.Old == "" {
					said = p.o.Now()
				} else if p.o.Board.Bus().Up && now.Sub(said) < late {
					is = was
				}
			}
			return []piece{top(), {id: "changed", template: "changed", data: is}}
		}, true
	case "incidents":
		return func(context.Context, map[string]uint64) []piece {
			return []piece{top(), {id: "incidentlist", template: "incidentlist", data: p.incidentList(person)}}
		}, true
	case "drills":
		month, last := monthOf(q.Get("month"), p.o.Now()), time.Time{}
		return func(context.Context, map[string]uint64) []piece {
			_, said := p.saidOf(r, person)
			next, quiet := p.coming(person)
			out := []piece{
				top(), {id: "p-said", template: "p-said", data: said}, {id: "drillnext", template: "drillnext", data: drillsPage{Frame: p.frame(r, "", "", ""), Coming: next, Quiet: quiet}},
				{id: "drilllist", template: "drilllist", data: p.drillList(person)},
			}
			if now := p.o.Now(); now.Sub(last) >= calendarEvery {
				last = now
				out = append(out, piece{id: "drillcal", template: "drillcal", data: p.calendar(person, month, now)}, piece{id: "drillplots", template: "drillplots", data: p.recoveryPlots(person)})
			}
			return out
		}, true
	case "shadow":
		return func(context.Context, map[string]uint64) []piece {
			_, said := p.saidOf(r, person)
			return []piece{top(), {id: "p-said", template: "p-said", data: said}, {id: "shadows", template: "shadows", data: p.shadows(person)}}
		}, true
	case "incident":
		id := q.Get("id")
		group, ok := incident.GroupOf(id)
		if !ok || !person.May(group, who.Viewer) {
			return nil, false
		}
		lines, last := p.aboutIncident(group, id), time.Time{}
		return func(ctx context.Context, _ map[string]uint64) []piece {
			out := []piece{top()}
			// Reading the record costs: it is done when something was told of it, at most every two seconds.
			if n := p.aboutIncident(group, id); n != lines && p.o.Now().Sub(last) > 2*time.Second {
				lines, last = n, p.o.Now()
				if d, _, err := p.report(ctx, r, id); err == nil {
					out = append(out, piece{id: "i-body", template: "i-body", data: d})
				}
			}
			return out
		}, true
	}
	return nil, false
}

// aboutIncident is the newest event that was told of the incident.
func (p *Pages) aboutIncident(group, id string) uint64 {
	g, _ := p.o.Board.Group(group)
	for _, l := range g.Lines {
		if l.Event.Incident == id {
			return l.Seq
		}
	}
	return 0
}
