package page

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/isacloud/ha-manager/pkg/ask"
	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/who"
	"github.com/isacloud/ha-manager/services/console/internal/board"
)

// Undoes is the code of the refusal that is set aside by meaning it: the swap would undo another of the last minutes.
const Undoes = "R335"

// Wish is what somebody wants to see, or to press.
type Wish struct {
	Verb     message.Verb
	To       string
	Hold     message.Duration
	Override []string
	Reason   string
}

// SwapVerbs are those that move roles.
var SwapVerbs = []message.Verb{message.VerbSwitchover, message.VerbFailover, message.VerbFailback, message.VerbDrill}

// holds are the lengths of a drill that the page offers.
var holds = []string{"10s", "1m", "2m", "10m", "1h"}

// WishOf reads a wish from a form or a query. An unknown verb is an error; an empty one is left empty.
func WishOf(v url.Values) (Wish, error) {
	k := Wish{Verb: message.Verb(v.Get("verb")), To: v.Get("to"), Override: v["override"], Reason: strings.TrimSpace(v.Get("reason"))}
	if k.Verb != "" && !slices.Contains(SwapVerbs, k.Verb) {
		return k, errors.New("the verb is none of failover, switchover, failback, drill")
	}
	if k.To != "" && !message.IsName(k.To) {
		return k, errors.New("that is no member's name")
	}
	if text := v.Get("hold"); text != "" {
		d, err := time.ParseDuration(text)
		if err != nil || d < 0 || d > message.MaxHold.Std() {
			return k, errors.New("the hold of a drill is 0s to 24h")
		}
		k.Hold = message.Duration(d)
	}
	return k, nil
}

// Request makes the request of a wish, in the name of the person.
func (k Wish) Request(group string, p *who.Person) *message.Request {
	r := &message.Request{ID: ask.RequestID(), Group: group, Verb: k.Verb, Actor: p.Name, Via: "console", From: p.From, Target: k.To, Reason: k.Reason, Override: k.Override}
	if k.Verb == message.VerbDrill {
		hold := k.Hold
		r.Hold = &hold
	}
	return r
}

// shortSpan writes a duration as people do: "2m", not "2m0s".
func shortSpan(d time.Duration) string {
	text := d.String()
	for _, zero := range []string{"0s", "0m"} {
		if rest, ok := strings.CutSuffix(text, zero); ok && strings.TrimRight(rest, "mh") != rest {
			text = rest
		}
	}
	return text
}

// swapPage shows what the button would do.
type swapPage struct {
	Frame
	Name, Verb, To, Hold, Reason string
	Verbs                        []verbChoice
	Targets, Holds               []string
	DryRun                       bool
	From, Target                 string
	Epoch, Now                   uint64
	Sentence, RTO, RPO, WayBack  string
	Steps                        []planStep
	Unlooked                     bool
	Lookers, Hash, Request       string
	Blocks                       []block
	Hopeless, NeedsReason        bool
	MayPress                     bool // else it is only shown
	Said                         *said
	change
}

// change says that the plan is no longer the one shown.
type change struct{ Changed, Old, Again string }

type verbChoice struct {
	Verb, Label string
	Chosen      bool
}

// planStep is one step, and what it would find.
type planStep struct {
	Phase, Says, Driver, On, Limit, OnFailure string
	Found, Wanted, Already, Problem           string
	Unskippable                               bool
}

// block is one refusal, and whether this person can set it aside here.
type block struct {
	message.Reason
	Settable, Means bool
	Field           string
}

func (p *Pages) swap(w http.ResponseWriter, r *http.Request) {
	g, ok := p.Visible(w, r)
	if !ok {
		return
	}
	k, err := WishOf(r.URL.Query())
	if err != nil {
		p.Say(w, r, http.StatusBadRequest, "That cannot be shown", err.Error()+".", "", "/g/"+g.Name)
		return
	}
	p.ShowSwap(w, r, http.StatusOK, g, k, nil)
}

// ShowSwap shows the plan of a wish, with what was said against the last one.
func (p *Pages) ShowSwap(w http.ResponseWriter, r *http.Request, code int, g board.Group, k Wish, refused *message.Outcome) {
	ctx, cancel := context.WithTimeout(r.Context(), 5*time.Second)
	defer cancel()
	if !who.PersonOf(r.Context()).May(g.Name, who.Operator) {
		select {
		case p.onlookers <- struct{}{}:
			defer func() { <-p.onlookers }()
		case <-ctx.Done():
			p.Say(w, r, http.StatusServiceUnavailable, "Not shown", "Others are looking at plans just now. Try again in a moment.", "", "/g/"+g.Name)
			return
		}
	}
	status, err := p.ask.Status(ctx, g.Name)
	if err != nil {
		p.Unanswered(w, r, g.Name, err)
		return
	}
	if k.Verb == "" {
		k.Verb = ask.Likely(status)
	}
	if k.Verb == message.VerbDrill && k.Hold == 0 && r.FormValue("hold") == "" {
		k.Hold = message.DefaultHold
	}
	person := who.PersonOf(r.Context())
	shown := k
	shown.Override, shown.Reason = nil, ""
	preview, err := p.ask.Preview(ctx, shown.Request(g.Name, person))
	if err != nil {
		p.Unanswered(w, r, g.Name, err)
		return
	}
	d := p.swapData(r, g, status, preview, p.ask.Look(ctx, preview), k)
	if refused != nil {
		d.Said = &said{Sentence: refused.Sentence, Reasons: refused.Reasons}
	}
	p.render(w, r, code, "swap", d)
}

// Unanswered says why nobody answered. What is asked there is never carried out later.
func (p *Pages) Unanswered(w http.ResponseWriter, r *http.Request, group string, err error) {
	sentence := "No answer: " + err.Error() + "."
	if !p.o.Board.Bus().Up {
		sentence = "The bus is away, so nothing can be asked."
	} else if errors.Is(err, ask.ErrNobody) {
		sentence = "No decider answers. Nothing was asked, and nothing will happen later."
	}
	p.Say(w, r, http.StatusServiceUnavailable, "Nobody answers", sentence, "On a host with the right key `ham status "+group+"` and `ham promote` work without this page.", "/g/"+group)
}

func (p *Pages) swapData(r *http.Request, g board.Group, s *message.GroupStatus, v *message.Preview, looked *message.Looked, k Wish) *swapPage {
	person := who.PersonOf(r.Context())
	d := &swapPage{
		Name: g.Name, Verb: string(k.Verb), To: k.To, Reason: k.Reason, Holds: holds, DryRun: v.DryRun, From: v.From, Target: v.To, Epoch: v.Epoch, Now: s.Epoch,
		Sentence: v.Sentence, WayBack: v.WayBack, Request: ask.RequestID(), RTO: "not known yet: no such swap was measured", RPO: loss(s, v),
	}
	if k.Verb == message.VerbDrill {
		d.Hold = shortSpan(k.Hold.Std())
		if !slices.Contains(d.Holds, d.Hold) {
			d.Holds = append(slices.Clone(holds), d.Hold)
		}
	}
	for _, verb := range SwapVerbs {
		d.Verbs = append(d.Verbs, verbChoice{string(verb), map[message.Verb]string{
			message.VerbSwitchover: "Switchover: both sides help", message.VerbFailover: "Failover: the old primary is taken to be gone",
			message.VerbFailback: "Failback: to the primary before", message.VerbDrill: "Drill: there, a hold, and back",
		}[verb], verb == k.Verb})
	}
	for _, m := range s.Members {
		if m.Role != message.RolePrimary {
			d.Targets = append(d.Targets, m.Name)
		}
	}
	if v.Plan != nil {
		d.Hash = v.Plan.Hash
		if v.Plan.PredictedRTO > 0 {
			d.RTO = took(v.Plan.PredictedRTO.Std()) + ", from past swaps"
		}
		d.Steps, d.Unlooked, d.Lookers = planSteps(v.Plan, looked), looked == nil && len(v.Plan.Steps) > 0, lookers(looked)
	}
	for _, reason := range v.Reasons {
		b := block{Reason: reason, Field: "override"}
		switch {
		case reason.Code == Undoes:
			b.Settable, b.Means, b.Field = true, true, "mean"
		case reason.Overridable && person.May(g.Name, who.Admin):
			b.Settable, d.NeedsReason = true, true
		default:
			d.Hopeless = true
		}
		d.Blocks = append(d.Blocks, b)
	}
	if !v.Accepted && len(v.Reasons) == 0 || v.Plan == nil && len(v.Reasons) == 0 {
		d.Hopeless = true
	}
	q := url.Values{"at": {"swap"}, "g": {g.Name}, "verb": {d.Verb}, "to": {d.To}, "plan": {d.Hash}}
	if d.Hold != "" {
		q.Set("hold", d.Hold)
	}
	live := ""
	if d.MayPress = person.May(g.Name, who.Operator); d.MayPress {
		live = q.Encode()
	}
	d.Frame = p.frame(r, in(r).T("Move %s", g.Name), "swap", live)
	return d
}

// loss says what would be lost, in figures with their age.
func loss(s *message.GroupStatus, v *message.Preview) string {
	if s.Lease == nil || s.Lease.Durability == "" {
		return "not known: ham leads the clients of this group over, and does not look at its data"
	}
	if v.Plan != nil && v.Plan.Graceful {
		return "nothing: the old primary gives up first, and the new one has everything"
	}
	if s.Lease.Protected {
		return "nothing that was acknowledged: " + cmp.Or(s.Lease.Protection, "the standby has everything")
	}
	for _, b := range s.Lease.Standbys {
		if b.Member == v.To && b.Lag {
			text := bytesOf(b.LagBytes)
			if b.LagMicros > 0 {
				text += ", or the writes of " + took(time.Duration(b.LagMicros)*time.Microsecond)
			}
			return text + fmt.Sprintf(", as it was %s ago", age(time.Duration(b.LagAgeMS)*time.Millisecond))
		}
	}
	return "not known: nobody has said of late how far the standby is behind"
}

func planSteps(plan *message.Plan, looked *message.Looked) []planStep {
	var out []planStep
	for i, s := range plan.Steps {
		v := planStep{Phase: string(s.Phase), Says: s.Says, Driver: s.Driver, On: s.On, Limit: s.Timeout.String(), Unskippable: s.Unskippable}
		v.OnFailure = map[string]string{message.FailPause: "it waits for a person", message.FailAbort: "the swap ends there", message.FailGoOn: "it is told, and the swap goes on"}[s.OnFailure]
		if looked != nil && i < len(looked.Steps) {
			f := looked.Steps[i]
			switch {
			case f.Problem != "":
				v.Problem = f.Problem
			case f.State == message.StateDone:
				v.Already = cmp.Or(f.Found, f.Evidence, "nothing to do")
			case f.Found != "" || f.Wanted != "":
				v.Found, v.Wanted = cmp.Or(f.Found, "nothing"), cmp.Or(f.Wanted, "as the step says")
			}
		}
		out = append(out, v)
	}
	return out
}

func lookers(looked *message.Looked) string {
	if looked == nil {
		return ""
	}
	var names []string
	for _, s := range looked.Steps {
		if name := cmp.Or(s.Executor, looked.Executor); !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return strings.Join(names, ", ")
}

// stillHolds asks whether the plan that was shown is the plan now.
func (p *Pages) stillHolds(ctx context.Context, group string, k Wish, hash string, person *who.Person) change {
	q := url.Values{"verb": {string(k.Verb)}}
	if k.To != "" {
		q.Set("to", k.To)
	}
	if k.Verb == message.VerbDrill {
		q.Set("hold", k.Hold.String())
	}
	c := change{Again: "/g/" + group + "/swap?" + q.Encode()}
	r := k.Request(group, person)
	if hash != "" {
		r.PlanHash = hash
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	v, err := p.ask.Preview(ctx, r)
	switch {
	case err != nil && !p.o.Board.Bus().Up:
		c.Old = "the bus is away"
	case err != nil:
		c.Old = err.Error()
	case hash == "" && v.Plan != nil:
		c.Changed = "There is a plan now."
	case hash != "":
		for _, reason := range v.Reasons {
			if reason.Code == "R334" {
				c.Changed = reason.Sentence
			}
		}
		if c.Changed == "" && v.Plan != nil && v.Plan.Hash != hash {
			c.Changed = "The plan is another one now."
		}
	}
	return c
}
