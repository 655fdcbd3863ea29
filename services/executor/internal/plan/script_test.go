package plan

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"github.com/isacloud/ha-manager/pkg/message"
)

// TestScripts plays the scripts in testdata: executors that share one journal and one chain, and what each move of theirs is.
// "go test ./internal/plan -run TestScripts -rewrite" writes what happens into the scripts.
//
//	plan [kind=…] [epoch=…] [dry]     lines: <step> <phase> on=… after=a,b retries=… backoff=… failure=… unclaimed=… unskippable site=… approve=30m
//	go                                lines: <time> <executor> <what>
//	    starts [boot=n] [sites=a,b]   begins to follow the run, reading the journal
//	    done|fails|doubts|ends|cut|lapses <step> [applied] [doubt]
//	    holds                         its writing of held succeeds: all see it
//	    sees                          held stands in the chain, while the work that wrote it is not over yet
//	    reads                         reads the journal
//	    beats                         shows that it is alive
//	    hears <epoch> [fails=<step>]  a newer epoch, and the step in flight fails at the same moment
//	    pause | unpause
//	    told <verb> <step> attempt=n [epoch=n]
//	    waits                         time passes and nothing else
//	    crashes
//	record, tell                      the journal's record; the messages that tell of it
func TestScripts(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		p := &play{t: t, executors: map[string]*actor{}}
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			p.t = t
			switch d.Cmd {
			case "plan":
				p.plan(d)
				return ""
			case "go":
				return p.play(d.Input)
			case "record":
				return p.show()
			case "tell":
				return p.tell()
			}
			d.Fatalf(t, "unknown directive %s", d.Cmd)
			return ""
		})
	})
}

type play struct {
	t         *testing.T
	cmd       *message.Command
	record    Record
	revision  uint64
	held      bool
	executors map[string]*actor
	out       strings.Builder
}

type actor struct {
	run      *Run
	revision uint64
	see      Seen
	takes    map[string]Work
}

func (p *play) plan(d *datadriven.TestData) {
	p.record, p.revision, p.held, p.executors = Record{}, 0, false, map[string]*actor{}
	p.cmd = &message.Command{ID: "c5", Group: "web", Epoch: 5, Kind: message.KindFailover, From: "a", Primary: "b"}
	for _, arg := range d.CmdArgs {
		switch arg.Key {
		case "dry":
			p.cmd.DryRun = true
		case "kind":
			if p.cmd.Kind = message.Kind(arg.Vals[0]); p.cmd.Kind == message.KindRemedy {
				p.cmd.Remedy = &message.Remedy{Member: "a", Rung: 1, Rungs: 1, Try: 1, Times: 2, Does: "restart systemd:app"}
			}
		case "lease": // the executors beside a and b
			p.cmd.Lease = &message.Lease{Beside: []message.Beside{{Member: "a", Executor: arg.Vals[0]}, {Member: "b", Executor: arg.Vals[1]}}}
		}
	}
	for line := range strings.Lines(d.Input) {
		f := strings.Fields(line)
		s := message.Step{Name: f[0], Phase: message.Phase(f[1]), Driver: "fake", On: "any", OnFailure: message.FailPause, Timeout: message.Duration(time.Second)}
		for _, opt := range f[2:] {
			k, v, _ := strings.Cut(opt, "=")
			switch k {
			case "on":
				s.On = v
			case "site":
				s.Site = v
			case "executor":
				s.Executor = v
			case "after":
				s.After = strings.Split(v, ",")
			case "retries":
				s.Retries, _ = strconv.Atoi(v)
			case "backoff":
				b, _ := time.ParseDuration(v)
				s.Backoff = message.Duration(b)
			case "failure":
				s.OnFailure = v
			case "unclaimed":
				s.Unclaimed = v
			case "unskippable":
				s.Unskippable = true
			case "approve": // for so long
				d, _ := time.ParseDuration(v)
				s.Driver, s.Timeout, s.Unskippable, s.Says = message.DriverApprove, message.Duration(d), true, "wait until a person approves: the backup is there"
				if s.Phase == message.PhaseLook {
					s.OnFailure = message.FailAbort
				}
			default:
				d.Fatalf(p.t, "unknown option %s", k)
			}
		}
		p.cmd.Plan.Steps = append(p.cmd.Plan.Steps, s)
	}
}

func (p *play) play(input string) string {
	p.out.Reset()
	for line := range strings.Lines(input) {
		f := strings.Fields(line)
		at, err := time.ParseDuration(f[0])
		if err != nil {
			p.t.Fatalf("line %q: %v", line, err)
		}
		fmt.Fprintf(&p.out, "%-6s %s %s\n", f[0], f[1], strings.Join(f[2:], " "))
		p.act(at, f[1], f[2], f[3:])
	}
	return p.out.String()
}

func (p *play) act(now time.Duration, name, what string, args []string) {
	say := func(format string, args ...any) { fmt.Fprintf(&p.out, "         "+format+"\n", args...) }
	opt := func(key string) string {
		for _, a := range args {
			if k, v, ok := strings.Cut(a, "="); ok && k == key {
				return v
			}
		}
		return ""
	}
	if what == "starts" {
		me := Me{Name: name, Boot: 1}
		if b := opt("boot"); b != "" {
			me.Boot, _ = strconv.ParseUint(b, 10, 64)
		}
		if s := opt("sites"); s != "" {
			me.Sites = strings.Split(s, ",")
		}
		a := &actor{see: Seen{Newest: p.cmd.Epoch, Held: p.held}, takes: map[string]Work{}}
		a.run = NewRun(p.cmd, me, Limits{Yield: 300 * time.Millisecond, TakeOver: 10 * time.Second}, func() float64 { return 0 }, now)
		p.executors[name] = a
		p.read(a, now)
	}
	a := p.executors[name]
	if a == nil {
		p.t.Fatalf("executor %s has not started, or has crashed", name)
	}
	switch what {
	case "starts", "waits":
	case "crashes":
		delete(p.executors, name)
		return
	case "reads":
		p.read(a, now)
	case "beats":
		rec, ok := a.run.Beat(now, 0)
		switch {
		case !ok:
			say("has nothing to show")
		case a.revision != p.revision:
			say("lost: the journal has changed")
			p.read(a, now)
		default:
			p.store(a, rec)
			a.run.Beaten(rec)
		}
	case "holds", "sees":
		p.held = true
		for _, x := range p.executors {
			x.see.Held = true
		}
		if what == "holds" {
			a.run.Take(Outcome{})
		}
	case "hears":
		if step := opt("fails"); step != "" {
			w := a.takes[step]
			a.run.Take(Outcome{Step: step, Attempt: w.Attempt, Take: w.Take, Verdict: Failed, Problem: "it was cut short"})
		}
		a.see.Newest, _ = strconv.ParseUint(args[0], 10, 64)
	case "pause", "unpause":
		a.see.Paused = what == "pause"
	case "told":
		in := &message.Instruction{Group: "web", Epoch: 5, Verb: message.Verb(args[0]), Step: args[1], Actor: "ana", Reason: "seen"}
		in.Attempt, _ = strconv.Atoi(opt("attempt"))
		if e := opt("epoch"); e != "" {
			in.Epoch, _ = strconv.ParseUint(e, 10, 64)
		}
		a.run.Instruct(in)
	case "done", "fails", "doubts", "ends", "cut", "lapses":
		w := a.takes[args[0]]
		o := Outcome{Step: args[0], Attempt: w.Attempt, Take: w.Take, Applied: slices.Contains(args, "applied"), Doubt: slices.Contains(args, "doubt")}
		o.Verdict = map[string]Verdict{"done": Done, "fails": Failed, "doubts": InDoubt, "ends": Ends, "cut": Cut, "lapses": Lapsed}[what]
		if what != "done" {
			o.Problem = "it " + what
		}
		a.run.Take(o)
	default:
		p.t.Fatalf("unknown: %s", what)
	}
	p.move(a, now, say)
}

// move does what an engine does: next, store by compare-and-set, begin.
func (p *play) move(a *actor, now time.Duration, say func(string, ...any)) {
	for {
		was := a.run.Record()
		m := a.run.Next(now, a.see)
		if m.Store {
			if a.revision != p.revision {
				say("lost: the journal has changed")
				p.read(a, now)
				continue
			}
			p.store(a, m.Record)
		}
		a.run.Stored(m, now)
		for _, w := range m.Work {
			switch {
			case w.Step == nil:
				say("writes held")
			default:
				a.takes[w.Step.Name] = w
				words := fmt.Sprintf("begins %s attempt %d", w.Step.Name, w.Attempt)
				if w.Take > 0 {
					words += fmt.Sprintf(" take %d", w.Take)
				}
				if w.Doubt {
					words += " in doubt"
				}
				say("%s", words)
			}
		}
		if m.Wake > 0 {
			say("asks again at %s", m.Wake)
		}
		rec := a.run.Record()
		for _, step := range p.cmd.Plan.Steps {
			if s := rec.Steps[step.Name]; s.State != was.Steps[step.Name].State && s.State != message.StateStarted {
				say("%s is %s", step.Name, s.State)
			}
		}
		if rec.Over() && !was.Over() {
			say("run is %s: %s", rec.State, rec.Sentence)
		}
		return
	}
}

func (p *play) store(a *actor, rec Record) {
	rec.ElapsedMicros, rec.ExecuteMicros = 0, 0
	p.record, p.revision = rec.clone(), p.revision+1
	a.revision = p.revision
}

func (p *play) read(a *actor, now time.Duration) {
	if p.record.Exists() {
		a.run.Observe(p.record, now, 0)
	}
	a.run.Saw(now, time.Second)
	a.revision = p.revision
}

func (p *play) show() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n", p.record.State)
	for _, step := range p.cmd.Plan.Steps {
		s := p.record.Steps[step.Name]
		words := []string{step.Name}
		if s.State != "" {
			words = append(words, string(s.State), "attempt", strconv.Itoa(s.Attempt), s.Executor)
		}
		for _, f := range []struct {
			set  bool
			word string
		}{{s.Take > 0, fmt.Sprintf("take %d", s.Take)}, {s.Applied, "applied"}, {s.Doubt, "doubt"}, {s.Final, "final"}, {s.Problem != "", "problem: " + s.Problem}, {s.Evidence != "", "evidence: " + s.Evidence}} {
			if f.set {
				words = append(words, f.word)
			}
		}
		fmt.Fprintln(&b, "  "+strings.Join(words, " "))
	}
	return b.String()
}

func (p *play) tell() string {
	var b strings.Builder
	for _, m := range Tell(p.cmd, "web.5", "A", Record{}, p.record) {
		if err := message.Validate(m); err != nil {
			fmt.Fprintf(&b, "INVALID %v\n", err)
		}
		sentence := ""
		if r, ok := m.(*message.RunResult); ok {
			sentence = "  " + r.Sentence
		}
		fmt.Fprintln(&b, m.MessageID()+sentence)
	}
	return b.String()
}
