// Package act is where somebody presses: every POST of the console. It asks the deciders over the bus, in the name of the person, and
// decides nothing by itself.
//
// Who may: an operator swaps, answers a stopped swap, pauses, rehearses and writes notes; an admin also sets refusals aside and adopts. The
// door has checked the CSRF token before a request comes here.
package act

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/isacloud/ha-manager/pkg/ask"
	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/who"
	"github.com/isacloud/ha-manager/services/console/internal/board"
	"github.com/isacloud/ha-manager/services/console/internal/page"
)

const (
	// maxForm bounds a form, maxReason what somebody writes.
	maxForm   = 64 << 10
	maxReason = 1024
	// patience bounds one answer; a swap goes on without it.
	patience = 10 * time.Second
)

// Fault is a button of the demo, and what it does.
type Fault struct {
	page.Fault
	Do func(ctx context.Context) error
}

// Options of the desk. Ask and Pages are required.
type Options struct {
	Ask    ask.Client
	Pages  *page.Pages
	Faults []Fault
	Log    *slog.Logger
	// Pressed is called for each request that was sent, with its answer; nil where there was none. May be nil.
	Pressed func(*message.Request, *message.Outcome)
}

// Desk takes what is pressed. Safe for concurrent use.
type Desk struct{ o Options }

// New makes a desk.
func New(o Options) *Desk {
	if o.Pressed == nil {
		o.Pressed = func(*message.Request, *message.Outcome) {}
	}
	return &Desk{o}
}

// Routes adds what can be pressed.
func (d *Desk) Routes(mux *http.ServeMux) {
	mux.HandleFunc("POST /g/{group}/fire", d.fire)
	mux.HandleFunc("POST /g/{group}/do", d.do)
	mux.HandleFunc("POST /fault/{name}", d.fault)
}

// enter reads the form and finds the group, if the person may act in it; else it answers by itself.
func (d *Desk) enter(w http.ResponseWriter, r *http.Request) (board.Group, *who.Person, bool) {
	person := who.PersonOf(r.Context())
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		d.o.Pages.Say(w, r, http.StatusBadRequest, "That was not understood", "The form is too long or broken. Nothing was asked.", "", "/")
		return board.Group{}, nil, false
	}
	g, ok := d.o.Pages.Visible(w, r)
	if !ok {
		return g, nil, false
	}
	if !person.May(g.Name, who.Operator) {
		d.o.Pages.Forbidden(w, r, "Pressing anything of "+g.Name+" takes the role of an operator. Nothing was asked.")
		return g, nil, false
	}
	if len(r.PostForm.Get("reason")) > maxReason {
		d.o.Pages.Say(w, r, http.StatusBadRequest, "That is too long", "The reason has at most 1024 bytes. Nothing was asked.", "", "/g/"+g.Name)
		return g, nil, false
	}
	return g, person, true
}

// fire is the red button: it fires the plan that was shown, or says what changed.
func (d *Desk) fire(w http.ResponseWriter, r *http.Request) {
	g, person, ok := d.enter(w, r)
	if !ok {
		return
	}
	f := r.PostForm
	back := "/g/" + g.Name
	k, err := page.WishOf(f)
	epoch, badEpoch := strconv.ParseUint(f.Get("epoch"), 10, 64)
	switch {
	case err != nil:
		d.o.Pages.Say(w, r, http.StatusBadRequest, "That was not understood", "Nothing was asked: "+err.Error()+".", "", back)
		return
	case k.Verb == "" || f.Get("plan") == "" || len(f.Get("plan")) > 64 || badEpoch != nil || !page.ValidRequest(f.Get("rq")):
		d.o.Pages.Say(w, r, http.StatusBadRequest, "That was not understood", "Nothing was asked: the form does not say which plan it is about. Open the plan, then press.", "", back+"/swap")
		return
	case f.Get("armed") != "yes" || f.Get("held") != "yes" && f.Get("typed") != g.Name:
		d.refuse(w, r, g, k, "The button was not armed and held. Nothing was asked.")
		return
	case len(k.Override) > 0 && !person.May(g.Name, who.Admin):
		d.o.Pages.Forbidden(w, r, "Setting a refusal aside takes the role of an administrator. Nothing was asked.")
		return
	case len(k.Override) > 0 && k.Reason == "":
		d.refuse(w, r, g, k, "Setting a refusal aside needs a reason, for the record. Nothing was asked.")
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), patience)
	defer cancel()
	q := k.Request(g.Name, person)
	if !slices.Contains(f["mean"], page.Undoes) && d.undoes(ctx, k, g.Name, person) {
		d.refuse(w, r, g, k, "This would undo a swap of the last minutes, and nobody said that it is meant. Nothing was asked.")
		return
	}
	q.ID, q.PlanHash, q.ExpectEpoch = f.Get("rq"), f.Get("plan"), &epoch
	out, ok := d.send(ctx, w, r, q)
	switch {
	case !ok:
	case !out.Accepted && !slices.ContainsFunc(out.Reasons, func(r message.Reason) bool { return r.Code == waitsForSecond }):
		d.o.Pages.ShowSwap(w, r, http.StatusConflict, g, k, out)
	default:
		http.Redirect(w, r, back+"?rq="+q.ID, http.StatusSeeOther)
	}
}

// undoes says whether the wish would undo a swap of the last minutes. The deciders refuse that of whoever does not name a plan or an epoch; who
// presses names both, so it is asked here first.
func (d *Desk) undoes(ctx context.Context, k page.Wish, group string, person *who.Person) bool {
	k.Override, k.Reason = nil, ""
	v, err := d.o.Ask.Preview(ctx, k.Request(group, person))
	return err == nil && slices.ContainsFunc(v.Reasons, func(r message.Reason) bool { return r.Code == page.Undoes })
}

func (d *Desk) refuse(w http.ResponseWriter, r *http.Request, g board.Group, k page.Wish, why string) {
	d.o.Pages.ShowSwap(w, r, http.StatusConflict, g, k, &message.Outcome{Sentence: why})
}

// asked are the other requests, with who may ask them.
var asked = map[message.Verb]who.Role{
	message.VerbRetry: who.Operator, message.VerbSkip: who.Operator, message.VerbAbort: who.Operator, message.VerbPause: who.Operator, message.VerbResume: who.Operator,
	message.VerbNote: who.Operator, message.VerbDrill: who.Operator, message.VerbApprove: who.Operator, message.VerbReject: who.Operator, message.VerbJudge: who.Operator,
	message.VerbSwitchover: who.Operator, message.VerbFailback: who.Operator, // for a time: at once they go over their plan
	message.VerbDrain: who.Operator, message.VerbUndrain: who.Operator, message.VerbAdopt: who.Admin,
}

// waitsForSecond is the code of the refusal that is none: the swap waits for another person.
const waitsForSecond = "R360"

// do is everything else that can be asked.
func (d *Desk) do(w http.ResponseWriter, r *http.Request) {
	g, person, ok := d.enter(w, r)
	if !ok {
		return
	}
	f := r.PostForm
	back := "/g/" + g.Name
	bad := func(what string) {
		d.o.Pages.Say(w, r, http.StatusBadRequest, "That was not understood", "Nothing was asked: "+what+".", "", back)
	}
	verb := message.Verb(f.Get("verb"))
	role, known := asked[verb]
	switch {
	case !known:
		bad("there is no such button")
		return
	case !person.May(g.Name, role):
		d.o.Pages.Forbidden(w, r, string(verb)+" takes the role of an administrator. Nothing was asked.")
		return
	}
	q := &message.Request{ID: ask.RequestID(), Group: g.Name, Verb: verb, Actor: person.Name, Via: "console", From: person.From, Reason: strings.TrimSpace(f.Get("reason"))}
	switch verb {
	case message.VerbRetry, message.VerbSkip:
		if q.Step = f.Get("step"); q.Step != "" && !message.IsName(q.Step) {
			bad("that is no step's name")
			return
		}
	case message.VerbDrain, message.VerbUndrain:
		if q.Target = f.Get("member"); !message.IsName(q.Target) {
			bad("that is no member's name")
			return
		}
	case message.VerbAdopt:
		if q.Target = f.Get("to"); !message.IsName(q.Target) {
			bad("that is no member's name")
			return
		}
	case message.VerbApprove, message.VerbReject:
		if q.Of = f.Get("of"); q.Of == "" {
			bad("the form does not say which request is meant")
			return
		}
		if verb == message.VerbApprove && f.Get("armed") != "yes" {
			bad("nobody said that what would happen was read")
			return
		}
	case message.VerbNote:
		q.Of, q.Item = f.Get("of"), f.Get("item")
	case message.VerbJudge:
		q.Of, q.Judge = f.Get("of"), f.Get("judge")
		if missed := q.Judge == message.JudgeMiss; q.Judge == "" || missed != (q.Of == "") {
			bad("the form does not say which entry of the shadow ledger is meant, and whether it is right or wrong")
			return
		}
	case message.VerbDrill: // beginning one at once goes over its plan
		switch q.End = f.Get("end"); q.End {
		case message.EndBack, message.EndStay:
		case message.EndCancel:
			if q.Of = f.Get("of"); q.Of == "" {
				bad("the form does not say which planned drill is meant")
				return
			}
		case "":
			if why := later(q, f); why != "" {
				bad(why)
				return
			}
		default:
			bad("a drill ends back or stays")
			return
		}
	}
	if verb == message.VerbSwitchover || verb == message.VerbFailback {
		if why := later(q, f); why != "" {
			bad(why)
			return
		}
	}
	if text := f.Get("for"); text != "" && (verb == message.VerbPause || verb == message.VerbDrain) {
		span, err := time.ParseDuration(text)
		if err != nil || span <= 0 {
			bad("that is no length of a pause")
			return
		}
		q.For = message.Duration(span)
	}
	// What somebody decides about a stopped swap is about the epoch that was shown.
	if text := f.Get("epoch"); text != "" {
		epoch, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			bad("that is no epoch")
			return
		}
		q.ExpectEpoch = &epoch
	}
	ctx, cancel := context.WithTimeout(r.Context(), patience)
	defer cancel()
	out, ok := d.send(ctx, w, r, q)
	if !ok {
		return
	}
	if id := f.Get("incident"); out.Accepted && id != "" && strings.HasPrefix(id, g.Name+"-") && message.IsName(id) {
		http.Redirect(w, r, "/i/"+id, http.StatusSeeOther)
		return
	}
	if at := f.Get("at"); at == "shadow" || at == "drills" {
		back = "/" + at
	}
	http.Redirect(w, r, back+"?rq="+q.ID, http.StatusSeeOther) // the page shows what became of it, out of the record
}

// later makes of the request one that is planned for the time of the form; "": it is one. Nothing that moves roles passes here without a time.
func later(q *message.Request, f url.Values) (why string) {
	when, err := time.Parse("2006-01-02T15:04", f.Get("when"))
	if err != nil || when.UnixMicro() <= 0 { // 0 in a request is no time: it would begin at once, past its plan
		return "a " + string(q.Verb) + " is planned for a date and a time, as 2026-11-28T03:00 UTC"
	}
	k, err := page.WishOf(f)
	if err != nil {
		return err.Error()
	}
	if q.Due, q.Target = when.UnixMicro(), k.To; q.Verb == message.VerbDrill {
		q.Hold = &k.Hold
	}
	return ""
}

// send asks; where there is no answer it says so by itself.
func (d *Desk) send(ctx context.Context, w http.ResponseWriter, r *http.Request, q *message.Request) (*message.Outcome, bool) {
	var invalid *message.Invalid
	if err := message.Validate(q); errors.As(err, &invalid) {
		d.o.Pages.Say(w, r, http.StatusBadRequest, "That was not understood", "Nothing was asked: "+invalid.Error()+".", "", "/g/"+q.Group)
		return nil, false
	}
	out, err := d.o.Ask.Send(ctx, q)
	if err != nil {
		d.o.Pressed(q, nil)
		d.o.Log.Warn("a request had no answer", "request", q.ID, "group", q.Group, "verb", q.Verb, "actor", q.Actor, "error", err)
		if errors.Is(err, ask.ErrNobody) {
			d.o.Pages.Unanswered(w, r, q.Group, err)
			return nil, false
		}
		d.o.Pages.Say(w, r, http.StatusGatewayTimeout, "No answer came", "Request "+q.ID+" may still be carried out: "+err.Error()+".", "The group's page shows what becomes of it.", "/g/"+q.Group+"?rq="+q.ID)
		return nil, false
	}
	d.o.Pressed(q, out)
	d.o.Log.Info("pressed", "request", q.ID, "group", q.Group, "verb", q.Verb, "actor", q.Actor, "accepted", out.Accepted, "says", out.Sentence)
	return out, true
}

// fault is a button of the demo.
func (d *Desk) fault(w http.ResponseWriter, r *http.Request) {
	person := who.PersonOf(r.Context())
	i := slices.IndexFunc(d.o.Faults, func(f Fault) bool { return f.Name == r.PathValue("name") })
	if i < 0 {
		d.o.Pages.Missing(w, r)
		return
	}
	if !person.May(who.Everywhere, who.Operator) {
		d.o.Pages.Forbidden(w, r, "Breaking something takes the role of an operator.")
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), patience)
	defer cancel()
	if err := d.o.Faults[i].Do(ctx); err != nil {
		d.o.Pages.Say(w, r, http.StatusInternalServerError, "It could not be broken", err.Error(), "", "/")
		return
	}
	http.Redirect(w, r, "/", http.StatusSeeOther)
}
