// Package page makes what the console shows: server-rendered pages, their fragments as they change (SSE), figures, post-mortems. It changes
// nothing.
//
// All text from the bus is somebody else's: it goes through html/template and, before that, loses its control characters.
package page

import (
	"bytes"
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"html/template"
	"io/fs"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/isacloud/ha-manager/pkg/ask"
	"github.com/isacloud/ha-manager/pkg/bus"
	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/who"
	"github.com/isacloud/ha-manager/pkg/words"
	"github.com/isacloud/ha-manager/services/console/internal/board"
	"github.com/isacloud/ha-manager/services/console/internal/tongue"
)

//go:embed assets templates
var files embed.FS

// Sibling is the console of another site.
type Sibling struct{ Name, URL string }

// Fault is a button of the demo.
type Fault struct{ Name, Label, Says, Group string }

// Options of the pages. Board and Bus are required.
type Options struct {
	Board      *board.Board
	Bus        *bus.Bus
	Name, Site string
	// Program is the version of the ham that serves it, for post-mortems.
	Program  string
	Siblings []Sibling
	Faults   []Fault
	// Open: nobody has to sign in.
	Open bool
	Log  *slog.Logger
	Now  func() time.Time
}

// Pages serves them. Safe for concurrent use.
type Pages struct {
	o       Options
	ask     ask.Client
	text    map[words.Lang]*template.Template
	assets  map[string]asset
	version string        // of everything embedded: a page of another version is loaded anew
	heavy   chan struct{} // who reads the record holds one
	// Who looks at a plan and may not press holds one: each makes executors look at what they would change, and whoever may press goes first.
	onlookers chan struct{}
	seats     seats // who follows holds one

	rowsMu sync.Mutex
	made   map[rowKey]template.HTML
}

type asset struct {
	kind string
	body []byte
}

// Streams is how many pages may follow at once, streamsOfOne how many of one person: nobody takes all of them from the others.
const (
	Streams      = 512
	streamsOfOne = 64
)

// New reads the templates.
func New(o Options) (*Pages, error) {
	p := &Pages{o: o, ask: ask.Client{Bus: o.Bus}, assets: map[string]asset{}, made: map[rowKey]template.HTML{}, heavy: make(chan struct{}, 4), onlookers: make(chan struct{}, 2)}
	all := sha256.New()
	err := fs.WalkDir(files, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		body, err := files.ReadFile(path)
		if err != nil {
			return err
		}
		fmt.Fprintf(all, "%s %d\n%s", path, len(body), body)
		if name, ok := strings.CutPrefix(path, "assets/"); ok {
			p.assets[name] = asset{kindOf(name), body}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	p.version = hex.EncodeToString(all.Sum(nil))[:12]
	p.text, err = tongue.Templates(func(t *template.Template) (*template.Template, error) {
		return t.Funcs(template.FuncMap{"asset": func(name string) string { return "/assets/" + name + "?v=" + p.version }, "brief": brief, "stamp": stamp}).ParseFS(files, "templates/*.html")
	})
	return p, err
}

func kindOf(name string) string {
	switch name[strings.LastIndexByte(name, '.')+1:] {
	case "css":
		return "text/css; charset=utf-8"
	case "js":
		return "text/javascript; charset=utf-8"
	}
	return "image/svg+xml"
}

// Routes adds the pages.
func (p *Pages) Routes(mux *http.ServeMux) {
	mux.HandleFunc("GET /{$}", p.overview)
	mux.HandleFunc("GET /g/{group}", p.group)
	mux.HandleFunc("GET /g/{group}/swap", p.swap)
	mux.HandleFunc("GET /g/{group}/runbook", p.runbook)
	mux.HandleFunc("GET /g/{group}/runbook.md", p.runbookFile)
	mux.HandleFunc("GET /incidents", p.incidents)
	mux.HandleFunc("GET /drills", p.drills)
	mux.HandleFunc("GET /shadow", p.shadow)
	mux.HandleFunc("GET /i/{id}", p.incident)
	mux.HandleFunc("GET /i/{id}/plots", p.plots)
	mux.HandleFunc("GET /i/{id}/gathered", p.gathered)
	mux.HandleFunc("GET /i/{id}/postmortem.md", p.markdown)
	mux.HandleFunc("GET /i/{id}/postmortem.html", p.postmortem)
	mux.HandleFunc("GET /live", p.live)
	mux.HandleFunc("GET /", func(w http.ResponseWriter, r *http.Request) { p.Missing(w, r) })
}

// Assets serves the style sheet, the script and the icon: what anybody may have, also who has not signed in.
func (p *Pages) Assets() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a, ok := p.assets[strings.TrimPrefix(r.URL.Path, "/assets/")]
		if !ok || r.Method != http.MethodGet && r.Method != http.MethodHead {
			http.NotFound(w, r)
			return
		}
		h := w.Header()
		h.Set("Content-Type", a.kind)
		h.Set("Cache-Control", "no-cache")
		if r.URL.Query().Get("v") == p.version {
			h.Set("Cache-Control", "public, max-age=31536000, immutable")
		}
		_, _ = w.Write(a.body)
	})
}

// Top is what stands on top of every page.
type Top struct {
	BusUp      bool
	Name, Site string
	Siblings   []Sibling
	Person     string
	Open       bool
	SignOut    bool
	CSRF       string
	// At is when a page was made that does not follow what happens; "": it does.
	At string
}

// Frame is what every page has.
type Frame struct {
	Title, Page, Live, At string
	Top                   Top
	CSRF                  string
	// Others are the languages that the page can be had in instead.
	Others []tongue.Choice
}

// phrase is a text of the page, or else a sentence, in the language.
func phrase(s *words.Speaker, text string) string {
	if s.Known(text) {
		return s.T(text)
	}
	return s.Say(text)
}

// in speaks the language of who sent the request.
func in(r *http.Request) *words.Speaker { return words.Of(tongue.Of(r)) }

func (p *Pages) frame(r *http.Request, title, name, live string) Frame {
	person := who.PersonOf(r.Context())
	f := Frame{Title: title, Page: name, At: stamp(p.o.Now()), Top: p.top(person), Others: tongue.Choices(r, r.URL.Query())}
	if live == "" {
		f.Top.At = f.At
	} else {
		f.Live = "/live?v=" + p.version + "&lang=" + string(tongue.Of(r)) + "&" + live
	}
	if person != nil {
		f.CSRF = person.CSRF
	}
	return f
}

func (p *Pages) top(person *who.Person) Top {
	t := Top{BusUp: p.o.Board.Bus().Up, Name: p.o.Name, Site: p.o.Site, Siblings: p.o.Siblings, Open: p.o.Open}
	if person != nil {
		t.Person, t.CSRF, t.SignOut = person.Name, person.CSRF, person.Via == who.Local || person.Via == who.OIDC
	}
	return t
}

// render writes a template whole, or a plain error: never half a page.
func (p *Pages) render(w http.ResponseWriter, r *http.Request, code int, name string, data any) {
	var b bytes.Buffer
	if err := p.text[tongue.Of(r)].ExecuteTemplate(&b, name, data); err != nil {
		p.o.Log.Error("a page could not be made", "page", name, "error", err)
		http.Error(w, "this page could not be made; the console's log says why", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Vary", "Accept-Language, Cookie")
	w.WriteHeader(code)
	_, _ = w.Write(clean(b.Bytes()))
}

func (p *Pages) fragment(l words.Lang, name string, data any) (string, error) {
	var b bytes.Buffer
	err := p.text[l].ExecuteTemplate(&b, name, data)
	return string(clean(b.Bytes())), err
}

// Said is an answer as a page of its own.
type Said struct {
	Frame
	Bad               bool
	Heading, Sentence string
	Reasons           []message.Reason
	Hint, Back        string
}

// Say shows an answer.
func (p *Pages) Say(w http.ResponseWriter, r *http.Request, code int, heading, sentence, hint, back string, reasons ...message.Reason) {
	p.render(w, r, code, "said", Said{Frame: p.frame(r, phrase(in(r), heading), "", ""), Bad: code >= 400, Heading: heading, Sentence: sentence, Reasons: reasons, Hint: hint, Back: back})
}

// Missing says that there is no such page.
func (p *Pages) Missing(w http.ResponseWriter, r *http.Request) {
	p.Say(w, r, http.StatusNotFound, "There is no such page", "Nothing stands at this address.", "", "/")
}

// Forbidden says that the person may not.
func (p *Pages) Forbidden(w http.ResponseWriter, r *http.Request, sentence string) {
	p.Say(w, r, http.StatusForbidden, "You may not do that", sentence, "Who may is written in the set-up of this console (ham.console).", "/")
}

// Visible is the group of the request's path, if the person may see it; else it answers by itself.
func (p *Pages) Visible(w http.ResponseWriter, r *http.Request) (board.Group, bool) {
	name := r.PathValue("group")
	p.o.Board.Look()
	if message.IsName(name) && who.PersonOf(r.Context()).May(name, who.Viewer) {
		if g, ok := p.o.Board.Group(name); ok {
			return g, true
		}
		if !p.o.Board.Listed() {
			p.Say(w, r, http.StatusServiceUnavailable, "Not known yet", "This console has not read yet which groups there are.", "", r.URL.Path)
			return board.Group{}, false
		}
	}
	p.Say(w, r, http.StatusNotFound, "There is no such group", "No group of that name is declared, or it is not for you to see.", "", "/")
	return board.Group{}, false
}

// seen are the groups that the person may see.
func (p *Pages) seen(person *who.Person) []board.Group {
	return slices.DeleteFunc(p.o.Board.Groups(), func(g board.Group) bool { return !person.May(g.Name, who.Viewer) })
}

// freshly waits a moment for new answers where nobody looked for a while.
func (p *Pages) freshly(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 150*time.Millisecond)
	defer cancel()
	p.o.Board.Fresh(ctx)
}

// overviewPage is the first page.
type overviewPage struct {
	Frame
	overviewParts
	Faults []Fault
}

type overviewParts struct {
	Sum    sum
	Groups []*listed
	Latest []LineView
}

// listed is a group on the overview: a card, or a line where there are many and all is well.
type listed struct {
	*Group
	Compact bool
	Row     template.HTML // where it is compact: its line, made already
}

// rowKey is all that a line of the overview is made of. There are hundreds of them, and what stands in one seldom changes.
type rowKey struct {
	lang                                  words.Lang
	name, primary, sentence, problem, age string
	mark                                  Mark
	fresh, dry                            bool
}

// mostRows bounds the lines that are kept; then all of them are made anew.
const mostRows = 4096

// rows makes the lines of groups that have no card. Whose line cannot be made has one after all.
func (p *Pages) rows(lang words.Lang, groups []*listed) {
	for _, g := range groups {
		if !g.Compact {
			continue
		}
		k := rowKey{lang: lang, name: g.Name, primary: g.Primary, mark: g.Mark, fresh: g.Fresh, dry: g.DryRun}
		if g.Fresh {
			k.sentence = g.Sentence
		} else {
			k.problem, k.age = g.Problem, g.Age
		}
		p.rowsMu.Lock()
		html, ok := p.made[k]
		p.rowsMu.Unlock()
		if !ok {
			text, err := p.fragment(lang, "row", g)
			if err != nil {
				p.o.Log.Error("a line of the overview could not be made", "group", g.Name, "error", err)
				continue
			}
			html = template.HTML(text) // the template escaped what is in it
			p.rowsMu.Lock()
			if len(p.made) >= mostRows {
				clear(p.made)
			}
			p.made[k] = html
			p.rowsMu.Unlock()
		}
		g.Row = html
	}
}

// briefly is how much of a sentence a line of the overview holds, in runes: the group's own page has all of it.
const briefly = 110

// brief is the beginning of a sentence.
func brief(sentence string) string {
	if r := []rune(sentence); len(r) > briefly {
		return string(r[:briefly-1]) + "…"
	}
	return sentence
}

// sum is the first sentence of the overview.
type sum struct{ Text, More, Tone string }

// fewGroups is up to how many groups each has a card of its own; more cards than that are shown of none.
const fewGroups = 12

func (p *Pages) overviewParts(person *who.Person) overviewParts {
	now := p.o.Now()
	groups := p.seen(person)
	out := overviewParts{}
	var lines []*board.Line
	for i := range groups {
		v := &listed{Group: view(&groups[i], now, person)}
		out.Groups = append(out.Groups, v)
		for _, l := range groups[i].Lines[:min(len(groups[i].Lines), 20)] {
			if l.Event.Severity != message.Debug {
				lines = append(lines, l)
			}
		}
	}
	out.Sum = p.sum(out.Groups, now)
	if len(groups) > fewGroups {
		// The loud ones come first, as cards, as many as a person can take in; the rest are lines.
		slices.SortStableFunc(out.Groups, func(a, b *listed) int { return a.Mark.rank() - b.Mark.rank() })
		for i, g := range out.Groups {
			g.Compact = g.Mark.Tone == "ok" || i >= fewGroups
			g.Promises = nil // they stand on the group's own page
		}
	}
	slices.SortFunc(lines, func(a, b *board.Line) int { return b.At.Compare(a.At) })
	for _, l := range lines[:min(len(lines), 12)] {
		out.Latest = append(out.Latest, lineView(l, now))
	}
	return out
}

func (p *Pages) sum(groups []*listed, now time.Time) sum {
	if link := p.o.Board.Bus(); !link.Up {
		return sum{"Nothing is known now: the bus is away.", "It has been away for " + age(now.Sub(link.Since)) + ". What stands below is how it was.", "bad"}
	}
	tones := map[string][]string{}
	var tending, mended, pools []string // of those that are moving, and of those that would not move
	for _, g := range groups {
		switch {
		case g.Mark == tended:
			tending = append(tending, g.Name)
		case g.Mark == mending:
			mended = append(mended, g.Name)
		case g.Mark.Tone == "warn" && g.Pool != nil:
			pools = append(pools, g.Name)
		default:
			tones[g.Mark.Tone] = append(tones[g.Mark.Tone], g.Name)
		}
	}
	names := func(all []string) string {
		if len(all) > 5 {
			return strings.Join(all[:5], ", ") + fmt.Sprintf(" and %d more", len(all)-5)
		}
		return strings.Join(all, ", ")
	}
	switch n := len(groups); {
	case n == 0 && !p.o.Board.Listed():
		return sum{"Reading which groups there are…", "", "warn"}
	case n == 0:
		return sum{"No group is declared.", "", "off"}
	case len(tones["bad"]) > 0:
		return sum{names(tones["bad"]) + plural(len(tones["bad"]), " needs you.", " need you."), "", "bad"}
	case len(tones["off"]) > 0:
		return sum{"Nothing is known of " + names(tones["off"]) + ".", "", "bad"}
	case len(mended) > 0:
		return sum{names(mended) + plural(len(mended), " is being mended.", " are being mended."), "", "info"}
	case len(tones["info"]) > 0:
		return sum{names(tones["info"]) + plural(len(tones["info"]), " is moving.", " are moving."), "", "info"}
	case len(tones["warn"]) > 0:
		return sum{names(tones["warn"]) + plural(len(tones["warn"]), " would not be moved by itself.", " would not be moved by themselves."), "", "warn"}
	case len(pools) > 0:
		return sum{names(pools) + plural(len(pools), " is not as it should be.", " are not as they should be."), "", "warn"}
	case len(tending) > 0:
		return sum{"All is well, with maintenance in " + names(tending) + ".", "", "ok"}
	}
	if len(groups) == 1 {
		return sum{"All is well.", "", "ok"}
	}
	return sum{fmt.Sprintf("All is well: %d groups.", len(groups)), "", "ok"}
}

func plural(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}

func (p *Pages) overview(w http.ResponseWriter, r *http.Request) {
	p.freshly(r.Context())
	person := who.PersonOf(r.Context())
	d := overviewPage{Frame: p.frame(r, in(r).T("Overview"), "overview", "at=overview"), overviewParts: p.overviewParts(person)}
	if person.May(who.Everywhere, who.Operator) {
		d.Faults = p.o.Faults
	}
	p.rows(tongue.Of(r), d.Groups)
	p.render(w, r, http.StatusOK, "overview", d)
}

// groupPage is a group's page.
type groupPage struct {
	Frame
	G    *Group
	Said *said
}

// said is what became of the request that led to this page.
type said struct {
	Pending, Accepted, DryRun bool
	Sentence                  string
	Reasons                   []message.Reason
}

func (p *Pages) said(r *http.Request, group string) (string, *said) {
	id := r.URL.Query().Get("rq")
	if id == "" || !validRequest(id) {
		return "", nil
	}
	e := p.o.Board.Outcome(id)
	if e == nil || e.Group != group {
		return id, &said{Pending: true, Accepted: true, Sentence: "Asked. What became of it is not told yet."}
	}
	return id, &said{Accepted: e.Outcome.Accepted, DryRun: e.Outcome.DryRun, Sentence: e.Outcome.Sentence, Reasons: e.Outcome.Reasons}
}

// validRequest says whether id can be one that this console made.
func validRequest(id string) bool {
	rest, ok := strings.CutPrefix(id, "rq-")
	return ok && len(rest) >= 8 && len(rest) <= 64 && message.IsName(rest[:min(len(rest), message.MaxName)])
}

// ValidRequest says whether id can be one that this console made.
func ValidRequest(id string) bool { return validRequest(id) }

func (p *Pages) groupData(r *http.Request, g board.Group) groupPage {
	id, s := p.said(r, g.Name)
	live := "at=group&g=" + g.Name
	if id != "" {
		live += "&rq=" + id
	}
	return groupPage{Frame: p.frame(r, g.Name, "group", live), G: view(&g, p.o.Now(), who.PersonOf(r.Context())), Said: s}
}

func (p *Pages) group(w http.ResponseWriter, r *http.Request) {
	g, ok := p.Visible(w, r)
	if !ok {
		return
	}
	p.freshly(r.Context())
	if now, ok := p.o.Board.Group(g.Name); ok {
		g = now
	}
	p.render(w, r, http.StatusOK, "group", p.groupData(r, g))
}
