package reconcile

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec"
	driver "github.com/isacloud/ha-manager/services/executor/driver/run"
	"github.com/isacloud/ha-manager/services/executor/internal/group"
)

// process is one resource of a group beside one member, watched by the executor that the member names: it must not run there while another member is primary. One
// does that was not reached when the roles swapped, or that a boot or a hand has started.
//
// A process that runs is not waited for by anybody, and asking costs a command: so it is asked less often than a proxy is looked at.
type process struct {
	r      *Reconciler
	desk   Desk
	group  string
	name   string
	member spec.Member
	run    spec.RunResource
	stop   context.CancelFunc
	look   chan struct{} // holds one token: look now

	alarm string // what was alarmed about, until it is over
	first string // what was seen at the last look, before anything was adopted
}

// processEvery is how many looks at a proxy are made between two at a process.
const processEvery = 10

// followProcesses starts what is to be watched and is not, ends what is not to be watched any more, and has the others look now.
func (r *Reconciler) followProcesses(ctx context.Context, all map[string]*process, running *sync.WaitGroup) {
	wanted := r.processes()
	for key, p := range all {
		if w := wanted[key]; w == nil || !reflect.DeepEqual(w.run, p.run) || !reflect.DeepEqual(w.member, p.member) {
			p.stop()
			delete(all, key)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(wanted)) {
		p := all[key]
		if p == nil {
			p = wanted[key]
			all[key] = p
			var own context.Context
			own, p.stop = context.WithCancel(ctx)
			running.Go(func() { defer p.stop(); p.watch(own) })
		}
		select {
		case p.look <- struct{}{}:
		default:
		}
	}
}

// processes lists what runs on the primary's side alone, beside each member that this executor serves.
func (r *Reconciler) processes() map[string]*process {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := map[string]*process{}
	for name, desk := range r.desks {
		t := desk.Target()
		if t.Spec == nil {
			continue
		}
		for _, res := range t.Spec.Resources {
			if res.Run == nil || res.Run.Standby != spec.StandbyStopped {
				continue
			}
			for _, m := range t.Spec.Members {
				if m.Executor != r.opts.Name {
					continue // one alone starts and stops it
				}
				out[strings.Join([]string{name, res.Name, m.Name}, "\x00")] = &process{
					r: r, desk: desk, group: name, name: res.Name, member: m, run: *res.Run, look: make(chan struct{}, 1),
				}
			}
		}
	}
	return out
}

func (p *process) watch(ctx context.Context) {
	for ctx.Err() == nil {
		p.once(ctx)
		every := processEvery * p.r.opts.Every
		timer := time.NewTimer(every - rand.N(every/5))
		select {
		case <-timer.C:
		case <-p.look:
		case <-ctx.Done():
		}
		timer.Stop()
	}
}

// once looks, and stops what must not run, where that may be done now.
func (p *process) once(ctx context.Context) {
	t := p.desk.Target()
	if t.Spec != nil && t.Wait == group.WaitFirst {
		p.before(ctx, t)
		return
	}
	if t.Epoch == 0 || t.Spec == nil || t.Primary == p.member.Name || t.Wait == group.WaitSwap {
		p.alarm = "" // a run sees to it, or it may run
		return
	}
	if p.alarm == "early" || p.alarm == "late" {
		p.alarm = "" // something is adopted now
	}
	d, err := driver.New(p.args("stop"))
	if err != nil {
		p.raise(t, "spec", fmt.Sprintf("process %s of %s beside %s cannot be looked at: %v; mend the spec", p.name, p.group, p.member.Name, err))
		return
	}
	ctx, cancel := context.WithTimeout(ctx, p.run.Timeout)
	defer cancel()
	env := []string{"HAM_GROUP=" + p.group, "HAM_MEMBER=" + p.member.Name, "HAM_ROLE=standby", fmt.Sprintf("HAM_EPOCH=%d", t.Epoch)}
	running, _, err := d.Running(ctx, env)
	switch {
	case ctx.Err() != nil && err != nil && context.Cause(ctx) == context.Canceled:
		return
	case err != nil:
		p.raise(t, "unknown", fmt.Sprintf("nobody can tell whether process %s of %s still runs beside %s, which is standby: %v; look there", p.name, p.group, p.member.Name, err))
		return
	case !running:
		p.clear(t)
		return
	case t.Wait != "":
		p.raise(t, "left", fmt.Sprintf("process %s of %s runs beside %s although %s is primary, and is left alone: %s; stop it by hand if it does harm",
			p.name, p.group, p.member.Name, t.Primary, t.Wait))
		return
	}
	tried, err := d.StopIf(ctx, env, func(ctx context.Context) bool { return p.desk.Confirm(ctx, t.Epoch) })
	if err == nil && !tried {
		return // the next look knows more
	}
	if err != nil {
		if context.Cause(ctx) == context.Canceled {
			return
		}
		p.raise(t, "refused", fmt.Sprintf("process %s of %s runs beside %s although %s is primary, and cannot be stopped: %v; stop it by hand: two of them may be at work",
			p.name, p.group, p.member.Name, t.Primary, err))
		return
	}
	p.alarm = ""
	p.r.event(message.Event{
		Group: p.group, Kind: message.EventDrift, Severity: message.Warning, Epoch: t.Epoch, Member: p.member.Name,
		Sentence: fmt.Sprintf("process %s of %s still ran beside %s although %s is primary, and was stopped: look what it did meanwhile", p.name, p.group, p.member.Name, t.Primary),
	})
}

// before tells, once, what of a process differs from what is declared before anything is adopted. It only looks: what runs was started by somebody who knew
// nothing of this. What is seen at one look alone may be the moment in which the adoption is under way.
func (p *process) before(ctx context.Context, t group.Target) {
	d, err := driver.New(p.args("stop"))
	if err != nil {
		return // told once it matters
	}
	ctx, cancel := context.WithTimeout(ctx, p.run.Timeout)
	defer cancel()
	running, _, err := d.Running(ctx, []string{"HAM_GROUP=" + p.group, "HAM_MEMBER=" + p.member.Name, "HAM_ROLE=unknown", "HAM_EPOCH=0"})
	if err != nil {
		return
	}
	seen, sentence := "", ""
	switch declared := t.Spec.Adopt; {
	case running && p.member.Name != declared:
		seen = "early"
		sentence = fmt.Sprintf("process %s of %s runs beside %s, and nothing is adopted yet: it is left alone now, and stopped once another member is adopted",
			p.name, p.group, p.member.Name)
	case !running && p.member.Name == declared:
		seen = "late"
		sentence = fmt.Sprintf("process %s of %s does not run beside %s, which is to be adopted: adopting starts nothing; start it there, or adopt the member where it runs",
			p.name, p.group, p.member.Name)
	}
	again := seen == p.first
	if p.first = seen; seen == "" {
		p.alarm = ""
	} else if again && p.alarm != seen {
		p.alarm = seen
		p.r.event(message.Event{Group: p.group, Kind: message.EventDrift, Severity: message.Notice, Member: p.member.Name, Sentence: clip(sentence)})
	}
}

// args are the driver's for the action.
func (p *process) args(action string) spec.RunArgs {
	args := p.run.For(p.member)
	args.Action, args.Resource = action, p.name
	return args
}

// raise alarms once of each thing.
func (p *process) raise(t group.Target, what, sentence string) {
	if p.alarm == what {
		return
	}
	p.alarm = what
	p.r.event(message.Event{Group: p.group, Kind: message.EventDrift, Severity: message.Critical, Epoch: t.Epoch, Member: p.member.Name, Sentence: clip(sentence)})
}

// clear tells that what was alarmed about is over.
func (p *process) clear(t group.Target) {
	if p.alarm == "" {
		return
	}
	p.alarm = ""
	p.r.event(message.Event{
		Group: p.group, Kind: message.EventDrift, Severity: message.Notice, Epoch: t.Epoch, Member: p.member.Name,
		Sentence: fmt.Sprintf("process %s of %s does not run beside %s any more", p.name, p.group, p.member.Name),
	})
}
