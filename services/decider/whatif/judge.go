package whatif

import (
	"cmp"
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec"
)

// What becomes of a fault.
const (
	Swapped = "swapped" // another member takes over
	Refused = "refused" // a swap was thought of, and does not happen: the rules say why
	Stuck   = "stuck"   // nobody can decide, or what was decided does not get to its end
	Nothing = "nothing" // nothing has to happen
)

// Row is what would become of one fault.
type Row struct {
	Kind  string `json:"kind"`
	Fault string `json:"fault"`
	// Outcome as in mode auto, Rule the rule that led to it, To who takes over.
	Outcome string `json:"outcome"`
	Rule    string `json:"rule"`
	To      string `json:"to,omitempty"`
	// Reasons are the codes of the refusals.
	Reasons []string `json:"reasons,omitempty"`
	// Declared is the outcome in the mode that the spec declares, where that is another one.
	Declared string `json:"declared,omitempty"`
	// Served says whether the clients are served in the end.
	Served bool `json:"served"`
	// RTO is how long they are not; 0: not at all, or for ever. Detect, Decide and Execute are its parts.
	RTO     message.Duration `json:"rto,omitempty"`
	Detect  message.Duration `json:"detect,omitempty"`
	Decide  message.Duration `json:"decide,omitempty"`
	Execute message.Duration `json:"execute,omitempty"`
	// Kept says whether the objective is: nil where none is declared and nothing is promised.
	Kept *bool `json:"kept,omitempty"`
	// Needless says that the primary served all the while: the fault was mistaken for its death. Beside says that it goes on acting, as nothing
	// keeps it from that.
	Needless bool `json:"needless,omitempty"`
	Beside   bool `json:"beside,omitempty"`
	// Uncounted are steps whose time nobody can know: it comes to RTO.
	Uncounted []string `json:"uncounted,omitempty"`
	Sentence  string   `json:"sentence"`
	// Lease is what becomes of the majority that grants it.
	Lease string `json:"lease,omitempty"`
	// Accepted: somebody said that this is known and counts for nothing.
	Accepted bool `json:"accepted,omitempty"`
}

// Name is what the row is called: its kind and what fails.
func (r *Row) Name() string { return r.Kind + " " + r.Fault }

// Bad says that an objective would be missed, or a promise broken, and nobody has accepted that.
func (r *Row) Bad() bool { return r.Kept != nil && !*r.Kept && !r.Accepted }

// Group is what would become of one group.
type Group struct {
	Group   string           `json:"group"`
	Mode    spec.Mode        `json:"mode"`
	Primary string           `json:"primary"` // "" of a pool
	RTO     message.Duration `json:"rto_objective,omitempty"`
	// Deciders grant the lease; Wait is for how long that of a lost host is waited for.
	Deciders []string         `json:"deciders,omitempty"`
	Wait     message.Duration `json:"lease_wait,omitempty"`
	Rows     []Row            `json:"rows"`
	Assumed  []string         `json:"assumed"`
	// Bad counts the rows that are.
	Bad int `json:"bad"`
}

// Report is what [Run] finds.
type Report struct {
	Groups []Group `json:"groups"`
	Bad    int     `json:"bad"`
}

// Has says whether a fault of that name was looked at.
func (r *Report) Has(name string) bool {
	return slices.ContainsFunc(r.Groups, func(g Group) bool {
		return slices.ContainsFunc(g.Rows, func(x Row) bool { return x.Name() == name })
	})
}

// Options of Run.
type Options struct {
	Processes []spec.Process
	// Kinds limits to these kinds of faults; none: all.
	Kinds []string
	// Accept are names of rows that are known and count for nothing.
	Accept []string
}

// Run looks at every single fault of every group. The error is the context's cause.
func Run(ctx context.Context, groups []*spec.Group, o Options) (*Report, error) {
	r := &Report{Groups: make([]Group, len(groups))}
	var wait sync.WaitGroup
	next := make(chan int)
	for range min(runtime.GOMAXPROCS(0), len(groups)) {
		wait.Go(func() {
			for i := range next {
				r.Groups[i] = one(ctx, groups[i], o)
			}
		})
	}
	for i := range groups {
		next <- i
	}
	close(next)
	wait.Wait()
	for i := range r.Groups {
		r.Bad += r.Groups[i].Bad
	}
	return r, context.Cause(ctx)
}

func one(ctx context.Context, declared *spec.Group, o Options) Group {
	auto := *declared
	auto.Mode, auto.Policy.Trust, auto.Policy.DrillWithin, auto.Drills = spec.Auto, spec.Trust{}, 0, nil
	other := auto
	other.Mode = declared.Mode
	if declared.Pool != nil {
		return pool(&auto, declared, o)
	}
	primary := cmp.Or(declared.Adopt, declared.Members[0].Name)
	out := Group{Group: declared.Name, Mode: declared.Mode, Primary: primary, RTO: message.Duration(declared.Objectives.RTO), Rows: []Row{}}
	p := survey(&auto, o.Processes)
	if declared.Adopt == "" {
		p.assume(primary + " is primary: the spec adopts nobody")
	}
	if len(declared.Remedy) > 0 {
		p.assume("what is tried before anybody takes over helps nobody: every try is made, for its whole wait")
	}
	if l := declared.Lease; l != nil {
		out.Deciders, out.Wait = l.Deciders, message.Duration(leaseWait(l))
	}
	for _, f := range p.faults(primary) {
		if ctx.Err() != nil {
			break
		}
		if len(o.Kinds) > 0 && !slices.Contains(o.Kinds, f.kind) {
			continue
		}
		row := p.row(primary, &f)
		if declared.Mode != spec.Auto && row.Outcome == Swapped {
			row.Declared = Refused + " " + asDeclared(&other, o.Processes, primary, &f)
		}
		row.Accepted = slices.Contains(o.Accept, row.Name())
		row.judge(declared)
		if row.Bad() {
			out.Bad++
		}
		out.Rows = append(out.Rows, row)
	}
	out.Assumed = p.assumed
	return out
}

// asDeclared is the rule that keeps a swap from happening in the mode that is declared.
func asDeclared(g *spec.Group, processes []spec.Process, primary string, f *fault) string {
	w := newWorld(survey(g, processes), primary)
	w.settle()
	w.breaks(f)
	w.play()
	switch {
	case w.shadow != nil:
		return "R308" // by nothing but the mode
	case w.refusal != nil:
		return strings.Join(codes(w.refusal.Reasons), ",")
	}
	return w.rule()
}

// row plays one fault.
func (p *places) row(primary string, f *fault) Row {
	w := newWorld(p, primary)
	w.settle()
	r := Row{Kind: f.kind, Fault: f.name}
	w.breaks(f)
	w.play()
	st := w.core.Status(w.time())
	r.Served = w.served()
	switch {
	case w.over && w.swap != nil:
		r.Outcome, r.Rule, r.To = Swapped, w.swap.Rule, w.swap.Primary
		r.RTO = message.Duration(w.after - w.began)
		r.Decide = message.Duration(time.Duration(w.swap.DecideMicros) * time.Microsecond)
		r.Execute = message.Duration(w.after - w.decided)
		r.Detect = r.RTO - r.Execute - r.Decide
		r.Uncounted = w.uncounted
		r.Sentence = w.swap.Sentence
		r.Needless, r.Beside = w.works(primary) && w.group.Lease == nil, f.alive(w.members[primary]) && f.process != primary && w.group.Lease == nil
	case w.swap != nil && w.waits != "":
		r.Outcome, r.Rule, r.Sentence = Stuck, w.swap.Rule, "epoch "+fmt.Sprint(w.swap.Epoch)+" is decided and goes no farther: "+w.waits
	case w.swap != nil && w.ended != "":
		r.Outcome, r.Rule = Refused, "R220"
		r.Sentence = "the failover is ended by its first step: " + w.ended
		if w.refusal != nil {
			r.Reasons = codes(w.refusal.Reasons)
		}
	case w.refusal != nil:
		r.Outcome, r.Rule, r.Reasons, r.Sentence = Refused, w.rule(), codes(w.refusal.Reasons), w.refusal.Sentence
	case r.Served:
		r.Outcome, r.Rule, r.Sentence = Nothing, w.rule(), st.Sentence
		if !w.linked() {
			r.Sentence = primary + " stays primary, and nobody decides anything until the bus is back"
		}
	default:
		r.Outcome, r.Rule, r.Sentence = Stuck, w.rule(), st.Sentence
		switch {
		case !w.linked():
			r.Sentence = "nobody can decide: no majority of the bus's servers is left"
		case w.acts == primary && w.cutClients() != "":
			r.Sentence = w.cutClients() + ", and no swap would help"
		}
	}
	r.Lease = w.leaseWords()
	return r
}

// judge holds the row against the objective. In manual mode and in dry run it is judged as in mode auto: what a person needs is not known.
func (r *Row) judge(g *spec.Group) {
	kept := r.Served
	if rto := g.Objectives.RTO; rto > 0 {
		kept = kept && r.RTO.Std() <= rto
	} else if g.Mode != spec.Auto {
		return // nothing is promised
	}
	r.Kept = &kept
}

// rule is the code of the situation that holds.
func (w *world) rule() string {
	code, _, _ := strings.Cut(w.core.WhyNot(w.time(), w.primary), " ")
	return code
}

func codes(reasons []message.Reason) []string {
	var out []string
	for _, r := range reasons {
		if !slices.Contains(out, r.Code) {
			out = append(out, r.Code)
		}
	}
	return out
}

// served says whether the clients are served now: somebody acts, works, is reached, and the routes lead there.
func (w *world) served() bool {
	if w.acts == "" || w.swap != nil && w.held && !w.over && w.acts == w.swap.Primary {
		return false
	}
	return w.works(w.acts) && w.cutClients() == ""
}

// works says whether the member could serve clients that are led to it, in truth.
func (w *world) works(member string) bool {
	f, at := w.fault, w.members[member]
	for _, c := range w.group.Checks {
		if f.check == c.Name && f.member == member && c.Effect != spec.EffectReady {
			return false
		}
	}
	return f.alive(at) && f.process != member && !(f.cut[1] == "" && f.cut[0] != "" && f.cut[0] == at.site)
}

// cutClients names a route none of whose proxies lives; "": there is none.
func (w *world) cutClients() string {
	for _, r := range w.group.Routes {
		if r.HAProxy != nil && len(r.HAProxy.Proxies) > 0 && !slices.ContainsFunc(r.HAProxy.Proxies, w.reachable) {
			return "no proxy of route " + r.Name + " is left"
		}
	}
	return ""
}

// leaseWords say what is left of those who grant the lease.
func (w *world) leaseWords() string {
	if len(w.deciders) == 0 {
		return ""
	}
	left := 0
	for d, at := range w.deciders {
		if w.fault.runs(d, at) && w.onBus(w.fault, at) {
			left++
		}
	}
	switch {
	case left == len(w.deciders):
		return ""
	case left <= len(w.deciders)/2:
		return fmt.Sprintf("%d of %d deciders are left, no majority: nobody new gets the lease, and a primary goes on only while every other member answers it", left, len(w.deciders))
	}
	return fmt.Sprintf("%d of %d deciders are left, a majority", left, len(w.deciders))
}
