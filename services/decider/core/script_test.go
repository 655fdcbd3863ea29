package core

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec"
)

// TestScripts runs the stories in testdata/*.txt. Each opens with the sentence that it proves. After a change of what is
// told: go test ./services/decider/core -run TestScripts -args -rewrite, then read the difference.
//
//	group [lease=never-lose] [ttl=1500ms] [deciders=d1,d2,d3] [rpo=1s] [mode=auto] [stable=10s] [cooldown=10m] [budget=2/24h] [quorum=2] [adopt=a] [members=a,b] [routes=none] [ready=yes] [unseen] [fresh] …
//	             The story begins 19 s after the start, when all is adopted and ready; with "fresh" at the start itself.
//	run          lines of "<time> <what happens>", then what is told and decided
//	status       the sentence that is always true, and the state of each member
//	why-not b    every reason why b would not become primary by itself now
//	plan failover [b]
//	chain        the entries, one a line
func TestScripts(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		if filepath.Ext(path) != ".txt" {
			return
		}
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(string(text), "# ") {
			t.Fatalf("%s: want the sentence that it proves as its first line", path)
		}
		var s *script
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			if d.Cmd == "group" {
				s = newScript(t, d)
				return ""
			}
			return s.command(t, d)
		})
	})
}

// script is one world with one decider, told as text.
type script struct {
	*world
	d     *decider
	lines []string
	asked int
	shown string // hash of the plan shown last
	said  []string
}

func newScript(t *testing.T, d *datadriven.TestData) *script {
	g := pair()
	for _, a := range d.CmdArgs {
		if a.Key == "lease" {
			g = leasedPair(strings.TrimSuffix(a.Vals[0], "none"))
		}
	}
	unseen, fresh := false, false
	change(t, g, slices.DeleteFunc(slices.Clone(d.CmdArgs), func(a datadriven.CmdArg) bool {
		unseen, fresh = unseen || a.Key == "unseen", fresh || a.Key == "fresh"
		return a.Key == "unseen" || a.Key == "fresh"
	}))
	s := &script{world: newWorld(g)}
	s.world.out = func(_ *decider, o Output) {
		s.said = append(s.said, forPeople(o)...)
		if line := describe(o); line != "" {
			s.log(line)
		}
	}
	s.d = s.start("d1")
	for _, r := range g.Routes {
		if unseen {
			break
		}
		s.route(r.Name, r.HAProxy.Proxies[0], "a")
		s.poolRoute()
	}
	if !fresh {
		s.run(19 * time.Second)
		s.lines = nil
	}
	return s
}

func change(t *testing.T, g *spec.Group, args []datadriven.CmdArg) {
	for _, arg := range args {
		value := strings.Join(arg.Vals, ",")
		duration := func() time.Duration {
			v, err := time.ParseDuration(value)
			if err != nil {
				t.Fatal(err)
			}
			return v
		}
		number := func(s string) int {
			v, err := strconv.Atoi(s)
			if err != nil {
				t.Fatal(err)
			}
			return v
		}
		switch p := &g.Policy; arg.Key {
		case "lease":
			g.Lease, g.Durability = nil, ""
			if value != "off" {
				g.Lease, g.Durability = leasedPair(value).Lease, strings.TrimSuffix(value, "none")
			}
		case "ttl":
			l := *g.Lease
			l.TTL = duration()
			g.Lease = &l
		case "deciders":
			l := *g.Lease
			l.Deciders = strings.Split(value, ",")
			g.Lease = &l
		case "durability":
			g.Durability = value
		case "rto":
			g.Objectives.RTO = duration()
		case "rpo":
			g.Objectives.RPO, g.Objectives.HasRPO = duration(), true
		case "mode":
			g.Mode = spec.Mode(value)
		case "stable":
			p.StableFor = duration()
		case "cooldown":
			p.Cooldown = duration()
		case "undo":
			p.UndoWindow = duration()
		case "limit":
			p.SwapLimit = duration()
		case "budget":
			n, window, _ := strings.Cut(value, "/")
			p.Budget, value = number(n), window
			p.BudgetWindow = duration()
		case "drills": // the minutes of the hour at which drills begin
			g.Drills, g.Applied = nil, epochStart.UnixMicro()
			for _, at := range strings.Split(value, ",") {
				g.Drills = append(g.Drills, spec.Drill{At: strings.ReplaceAll(at, "_", " "), Hold: 20 * time.Second, Reason: "by the calendar"})
			}
		case "blocked":
			g.Blocked = nil
			if value != "no" {
				g.Blocked = []spec.Blocked{{Days: [7]bool{true, true, true, true, true, true, true}, End: 24 * time.Hour, Why: value}}
			}
		case "freeze": // 200s-300s:why, from and until after the world began
			g.Freezes = nil
			if window, why, ok := strings.Cut(value, ":"); ok {
				from, until, _ := strings.Cut(window, "-")
				at := func(s string) time.Time {
					d, err := time.ParseDuration(s)
					if err != nil {
						t.Fatal(err)
					}
					return epochStart.Add(d)
				}
				g.Freezes = []spec.Blocked{{From: at(from), Until: at(until), Why: why}}
			}
		case "approve": // an approval step that waits for so long; no: none
			g.Steps = nil
			if value != "no" {
				g.Steps = []spec.Step{{Name: "backup", Place: spec.BeforeLooks, When: spec.WhenGraceful, On: "any", Timeout: duration(), Approve: &spec.ApproveArgs{Text: "the backup of ${old.name} is there"}}}
			}
		case "steps": // demote:old,announce:any:always: the operator's own commands, graceful where nothing else is said; check:after:10m asks a person after the routes
			g.Steps = nil
			for _, one := range strings.Split(value, ",") {
				f := strings.Split(one, ":")
				if one == "no" {
					break
				}
				st := spec.Step{Name: f[0], Place: spec.BeforeRoutes, When: spec.WhenGraceful, On: f[1], Timeout: 5 * time.Second, OnFailure: message.FailPause, Exec: &spec.ExecArgs{Command: []string{"/usr/local/bin/" + f[0]}}}
				if f[1] == "after" {
					st.On, st.Place, st.Exec, st.Approve, value = "any", spec.AfterRoutes, nil, &spec.ApproveArgs{Text: "users can log in"}, f[2]
					st.Timeout = duration()
				} else if len(f) > 2 {
					st.When = f[2]
				}
				g.Steps = append(g.Steps, st)
			}
		case "trust": // swaps/precision
			swaps, precision, _ := strings.Cut(value, "/")
			f, err := strconv.ParseFloat(precision, 64)
			if err != nil {
				t.Fatal(err)
			}
			p.Trust = spec.Trust{Swaps: number(swaps), Precision: f}
		case "remedy": // systemd:app*2,docker:cache*1/port
			g.Remedy, g.RemedyReset = nil, 10*time.Minute
			for _, rung := range strings.Split(value, ",") {
				what, checks, _ := strings.Cut(rung, "/")
				what, times, _ := strings.Cut(what, "*")
				r := spec.Rung{Restart: what, Times: number(times), Wait: 5 * time.Second, Timeout: 5 * time.Second}
				if checks != "" {
					r.For = []string{checks}
				}
				g.Remedy = append(g.Remedy, r)
			}
		case "beside": // each member names its executor
			for i := range g.Members {
				g.Members[i].Executor = g.Members[i].Name + "-x"
			}
		case "within":
			p.DrillWithin = duration()
		case "two":
			p.TwoPerson = value == "yes"
		case "quorum":
			p.Quorum = number(value)
		case "adopt":
			g.Adopt = value
		case "revision":
			g.Revision = uint64(number(value))
		case "vantages":
			g.Checks[0].From = strings.Split(value, ",")
		case "members":
			g.Members = nil
			for _, name := range strings.Split(value, ",") {
				g.Members = append(g.Members, spec.Member{Name: name, Site: name, URL: "http://" + name + ".example:80"})
				if g.Lease != nil {
					beside(&g.Members[len(g.Members)-1])
				}
				for i := range g.Routes {
					g.Routes[i].HAProxy.Servers[name] = "s" + name
				}
			}
		case "pool": // its minimum
			g.Pool, g.Adopt = &spec.Pool{Minimum: number(value)}, ""
		case "backup":
			for i := range g.Members {
				g.Members[i].Backup = g.Members[i].Name == value
			}
		case "canary": // the vantages that ask as clients do
			g.Canary = nil
			if value != "none" {
				g.Canary = &spec.Check{Name: message.ClientsCheck, Kind: spec.CheckHTTP, Effect: spec.EffectTell, Every: 200 * time.Millisecond, Timeout: time.Second,
					From: strings.Split(value, ","), HTTP: &spec.HTTPCheck{URL: "https://user:pw@www.example.org/alive?token=x"}}
			}
		case "routes":
			g.Routes = nil
		case "measures": // a queue, seen from all, and a machine, seen from beside
			g.Checks = append(g.Checks,
				spec.Check{Name: "backlog", Kind: spec.CheckQueue, Effect: spec.EffectTell, Every: time.Second, Timeout: 300 * time.Millisecond, From: g.Checks[0].From,
					Queue: &spec.QueueCheck{Address: "192.0.2.1:6379", List: "jobs", Bound: spec.Bound{Figure: spec.FigureLength, Unit: spec.Entries, Max: 1000, Clear: 900, For: duration()}}},
				spec.Check{Name: "tls", Kind: spec.CheckCertificate, Effect: spec.EffectTell, Every: time.Second, Timeout: 300 * time.Millisecond, From: g.Checks[0].From, Members: []string{"a"},
					Certificate: &spec.CertificateCheck{File: "/etc/x.pem", Bound: spec.Bound{Figure: spec.FigureDays, Unit: spec.Days, Max: 14, Clear: 15, Below: true}}},
				spec.Check{Name: "machine", Kind: spec.CheckHost, Effect: spec.EffectTell, Every: time.Second, Timeout: 300 * time.Millisecond, From: g.Checks[0].From,
					Host: &spec.HostCheck{CPU: &spec.Bound{Figure: spec.FigureCPU, Unit: spec.Percent, Max: 90, Clear: 80, For: duration()},
						Disks: map[string]spec.Bound{"/var": {Figure: spec.FigureDisk("/var"), Unit: spec.Percent, Max: 90, Clear: 80, For: duration()}}}})
		case "ready":
			c := g.Checks[0]
			c.Name, c.Effect = "warm", spec.EffectReady
			g.Checks = append(g.Checks, c)
		case "app": // a process that only the primary's side runs
			c := g.Checks[0]
			c.Name, c.OfPrimary = "app", true
			g.Checks = append(g.Checks, c)
		case "resources": // db,app*: each with a check of its name in the place of the group's own; app runs beside the primary alone
			own := g.Checks[0]
			g.Checks, g.Resources = nil, nil
			for _, name := range strings.Split(value, ",") {
				name, alone := strings.CutSuffix(name, "*")
				c, r := own, spec.Resource{Name: name, Run: &spec.RunResource{Unit: name, Standby: spec.StandbyRunning, Unreachable: spec.UnreachableStart, Timeout: 5 * time.Second}}
				if c.Name, c.OfPrimary = name, alone; alone {
					r.Run.Standby = spec.StandbyStopped
				}
				g.Checks, g.Resources = append(g.Checks, c), append(g.Resources, r)
			}
			g.DownWhen = nil
		case "down_when": // any:db,app or all:db,app
			how, of, _ := strings.Cut(value, ":")
			g.DownWhen = &spec.DownWhen{All: how == "all", Of: strings.Split(of, ",")}
			for i := range g.Checks {
				if c := &g.Checks[i]; !slices.Contains(g.DownWhen.Of, c.Name) {
					c.Effect = spec.EffectReady
				}
			}
		default:
			t.Fatalf("group does not know %s", arg.Key)
		}
	}
}

func (s *script) log(line string) {
	s.lines = append(s.lines, fmt.Sprintf("%8.3fs  %s", s.now.Seconds(), line))
}

func (s *script) flush() string {
	out := strings.Join(s.lines, "\n") + "\n"
	s.lines = nil
	if out == "\n" {
		return ""
	}
	return out
}

func (s *script) command(t *testing.T, d *datadriven.TestData) string {
	at := s.d.time()
	defer func() { inPortuguese(t, s.said...); s.said = nil }()
	switch d.Cmd {
	case "run":
		for _, line := range strings.Split(strings.TrimSpace(d.Input), "\n") {
			when, what, _ := strings.Cut(strings.TrimSpace(line), " ")
			moment, err := time.ParseDuration(when)
			if err != nil || moment < s.now {
				t.Fatalf("%s: %q: want a time at or after %s", d.Pos, line, s.now)
			}
			s.run(moment)
			if what = strings.TrimSpace(what); what != "" && what != "wait" {
				s.happen(t, what)
			}
		}
		return s.flush()
	case "status":
		st := s.d.s.Status(at)
		if err := message.Validate(st); err != nil {
			t.Fatal(err)
		}
		now, _, _ := strings.Cut(s.d.s.WhyNot(at, ""), "\n")
		s.said = append(s.said, st.Sentence)
		var b strings.Builder
		fmt.Fprintf(&b, "%s\n%s\n", st.Sentence, now)
		if len(st.Refusals) > 0 {
			fmt.Fprintln(&b, "refuses", codes(st.Refusals))
		}
		if r := st.Drill; r != nil {
			fmt.Fprintf(&b, "drill %s %s home=%s away=%s back at %s %s\n", r.ID, r.Stage, r.Home, r.Away,
				time.Duration(r.BackAt-epochStart.UnixMicro())*time.Microsecond, codes(r.Waits))
		}
		if p := st.Pool; p != nil {
			fmt.Fprintf(&b, "pool minimum %d, %d active, %s serve, %d free, backups %s\n", p.Minimum, p.Active, strings.Join(p.Serve, ","), p.Free, strings.Join(p.Backups, ","))
		}
		if l := st.Ledger; l != nil {
			fmt.Fprintf(&b, "ledger %d entries, %d right, %d wrong, %d open, %d missed\n", l.Entries, l.Right, l.Wrong, l.Open, l.Missed)
		}
		if l := st.LastDrill; l != nil {
			fmt.Fprintf(&b, "last drill %s %s over at %s\n", l.ID, l.How, time.Duration(l.OverAt-epochStart.UnixMicro())*time.Microsecond)
		}
		for _, e := range st.Agenda[:min(1, len(st.Agenda))] {
			fmt.Fprintf(&b, "next %s at %s %s%s%s\n", e.Verb, time.Duration(e.At-epochStart.UnixMicro())*time.Microsecond, e.Blocked, e.Name, codes(e.Refusals))
		}
		for _, w := range st.Blocked {
			fmt.Fprintf(&b, "blocked from %s to %s: %s\n", time.Duration(w.From-epochStart.UnixMicro())*time.Microsecond, time.Duration(w.Until-epochStart.UnixMicro())*time.Microsecond, w.Why)
		}
		if c := st.Clients; c != nil {
			s.said = append(s.said, c.Sentence)
			fmt.Fprintln(&b, c.Sentence)
			for _, o := range c.Past {
				failed, looks := o.Count()
				fmt.Fprintf(&b, "  past: %d of %d within %s from %s unseen=%t\n", failed, looks, o.Lasted(0), strings.Join(o.Places(), ","), o.Unseen)
			}
		}
		for _, w := range st.Approvals {
			fmt.Fprintf(&b, "waits for a second person: %s %s %s→%s by %s until %s\n", w.Request, w.Verb, w.From, w.Target, w.Actor,
				time.Duration(w.Until-epochStart.UnixMicro())*time.Microsecond)
		}
		for _, g := range st.Thresholds {
			if g.Sentence != "" {
				fmt.Fprintln(&b, g.Sentence)
				s.said = append(s.said, g.Sentence)
			}
		}
		if st.Lease != nil {
			fmt.Fprintf(&b, "armed=%t promotable=%s %s\n", st.Lease.Armed, strings.Join(st.Lease.Promotable, ","), st.Lease.Protection)
		}
		for _, r := range st.Resources {
			s.said = append(s.said, r.Says)
			says := fmt.Sprintf("resource %s: %s", r.Name, r.Says)
			if r.Down {
				says += " down=" + map[bool]string{false: "any", true: "all"}[r.Together]
			}
			for _, m := range r.Members {
				if says += "\n  " + m.Member + " " + string(m.Verdict); m.Why != "" {
					says += ": " + m.Why
					s.said = append(s.said, m.Why)
				}
			}
			fmt.Fprintln(&b, says)
		}
		for _, m := range st.Members {
			for _, r := range m.Reasons {
				s.said = append(s.said, r.Sentence)
			}
			says := fmt.Sprintf("%s %s %s %s", m.Name, m.Role, m.Verdict, s.d.s.member(m.Name).worst.rule.Code)
			if m.Ready && m.Role != message.RolePrimary {
				says += " ready"
			}
			if u := m.Maintenance; u != nil {
				says += fmt.Sprintf(" in maintenance by %s until %s over=%t", u.By, time.Duration(max(0, u.Until-epochStart.UnixMicro()))*time.Microsecond, u.Over)
			}
			for _, r := range m.Reasons {
				says += "\n  " + r.Code + " " + r.Sentence
			}
			if l := m.Remedy; l != nil {
				s.said = append(s.said, l.Sentence)
				says += fmt.Sprintf("\n  ladder %s, %d of %d: %s", l.State, l.Tried, l.Tries, l.Sentence)
			}
			fmt.Fprintln(&b, says)
		}
		return b.String()
	case "why-not":
		why := s.d.s.WhyNot(at, d.CmdArgs[0].Key)
		s.said = append(s.said, strings.Split(why, "\n")...)
		return why + "\n"
	case "plan":
		return s.plan(t, d)
	case "chain":
		var b strings.Builder
		for _, e := range s.world.chain {
			switch m := e.m.(type) {
			case *message.Command:
				fmt.Fprintf(&b, "command epoch %d %s %s→%s %s %s%s%s\n", m.Epoch, m.Kind, m.From, m.Primary, m.Rule, strings.Join(m.Members, ","), termsOf(m.Lease), tryOf(m.Remedy))
			case *message.Held:
				fmt.Fprintf(&b, "held epoch %d by %s\n", m.Epoch, m.Primary)
			case *message.Mark:
				fmt.Fprintf(&b, "mark paused=%t for %s\n", m.Paused, m.For)
			case *message.Approval:
				fmt.Fprintf(&b, "approval of %s: %s by %s\n", m.Of, m.State, m.Actor)
			case *message.Maintenance:
				fmt.Fprintf(&b, "maintenance of %s begins=%t for %s %s by %s\n", m.Member, m.Begins, m.For, m.Rule, m.Actor)
			case *message.Planned:
				what := "plan"
				if m.Asks != nil {
					what = string(m.Asks.Verb)
				}
				fmt.Fprintf(&b, "%s %s: %s by %s\n", what, m.Name, m.State, m.Actor)
			case *message.DrillEnd:
				fmt.Fprintf(&b, "end of drill %s: %s %s\n", m.Drill, m.How, m.Rule)
			}
		}
		return b.String()
	}
	t.Fatalf("%s: no command %s", d.Pos, d.Cmd)
	return ""
}

// tryOf is the try of a ladder, on the line of its command.
func tryOf(r *message.Remedy) string {
	switch {
	case r == nil:
		return ""
	case r.Over != "":
		return " | ladder of " + r.Member + " is over"
	}
	return fmt.Sprintf(" | %s of %s, rung %d try %d, down %s", r.Does, r.Member, r.Rung, r.Try, strings.Join(r.Down, ","))
}

// termsOf are the terms of a lease, on the line of their command.
func termsOf(l *message.Lease) string {
	if l == nil {
		return ""
	}
	armed := "not armed"
	if l.Armed {
		armed = "armed"
	}
	return fmt.Sprintf(" | %s %s %s %s", armed, strings.Join(l.Deciders, ","), l.TTL, l.Durability)
}

func (s *script) plan(t *testing.T, d *datadriven.TestData) string {
	r := &message.Request{ID: "preview", Group: "web", Verb: message.Verb(d.CmdArgs[0].Key), Actor: "ana"}
	if len(d.CmdArgs) > 1 {
		r.Target = d.CmdArgs[1].Key
	}
	p := s.d.s.Preview(s.d.time(), r)
	if err := message.Validate(p); err != nil {
		t.Fatal(err)
	}
	s.said = append(s.said, p.Sentence, p.WayBack)
	var b strings.Builder
	fmt.Fprintln(&b, p.Sentence)
	for _, reason := range p.Reasons {
		fmt.Fprintln(&b, "  "+reason.Code, reason.Sentence)
	}
	if p.Plan != nil {
		s.shown = p.Plan.Hash
		for _, step := range p.Plan.Steps {
			fmt.Fprintf(&b, "> %-6s %-10s %s\n", step.Phase, step.Name, step.Says)
		}
		predicted := "never measured"
		if p.Plan.PredictedRTO > 0 {
			predicted = "predicted " + p.Plan.PredictedRTO.String()
		}
		fmt.Fprintf(&b, "%s; %s\n", predicted, p.WayBack)
	}
	return b.String()
}

// happen makes something happen in the world.
func (s *script) happen(t *testing.T, what string) {
	f := strings.Fields(what)
	args, flags := map[string]string{}, []string{}
	for _, word := range f[1:] {
		if k, v, ok := strings.Cut(word, "="); ok {
			args[k] = v
		} else {
			flags = append(flags, word)
		}
	}
	switch f[0] {
	case "vantage": // vantage sp blind | silent | late | unknown | sees | restarts
		v := s.vantage(flags[0])
		switch flags[1] {
		case "sees":
			v.state = ""
		case "restarts":
			v.boot++
			v.seq = map[string]uint64{}
		default:
			v.state = flags[1]
		}
	case "ask": // ask failover [target=b] [expect=1] [plan=shown] [override=R322,R323] [reason=…] [for=10m] [hold=2m] [end=back|stay|cancel] [at=1h [times=3]] [id=x] [by=ana] [of=rq1] [judge=right] [age=1h] [renew]
		s.asked++
		r := &message.Request{ID: "rq" + strconv.Itoa(s.asked), Group: "web", Verb: message.Verb(flags[0]), Actor: "ana", Target: args["target"], Reason: args["reason"], Step: args["step"]}
		if id := args["id"]; id != "" {
			r.ID = id
		}
		if by := args["by"]; by != "" {
			r.Actor = by
		}
		if e := args["expect"]; e != "" {
			n, err := strconv.ParseUint(e, 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			r.ExpectEpoch = &n
		}
		if args["plan"] != "" {
			r.PlanHash = s.shown
		}
		if o := args["override"]; o != "" {
			r.Override = strings.Split(o, ",")
		}
		r.Renew = slices.Contains(flags, "renew")
		r.End, r.Of, r.Judge, r.Item = args["end"], args["of"], args["judge"], args["item"]
		if u := s.d.s.chain.upkeepOf(r.Target); r.Of == "out" { // the maintenance that the target is in
			r.Of = u.entry.ID
		}
		if entries := s.d.s.ledger.Entries(); r.Of == "newest" {
			r.Of = entries[len(entries)-1].ID
		}
		if d := args["hold"]; d != "" {
			r.Hold = new(message.Duration)
			if err := r.Hold.UnmarshalText([]byte(d)); err != nil {
				t.Fatal(err)
			}
		}
		if d := args["at"]; d != "" { // after the world began
			after, err := time.ParseDuration(d)
			if err != nil {
				t.Fatal(err)
			}
			r.Due = epochStart.Add(after).UnixMicro()
			if n := args["times"]; n != "" && n != "1" { // each three minutes after the one before
				times, err := strconv.Atoi(n)
				if err != nil {
					t.Fatal(err)
				}
				s.happen(t, strings.ReplaceAll(strings.ReplaceAll(what, "times="+n, "times="+strconv.Itoa(times-1)), "at="+d, "at="+(after+3*time.Minute).String()))
			}
		}
		if d := args["for"]; d != "" {
			if err := r.For.UnmarshalText([]byte(d)); err != nil {
				t.Fatal(err)
			}
		}
		if err := message.Validate(r); err != nil && r.End != "later" { // of a later version
			t.Fatal(err)
		}
		in := RequestReceived{r, s.stream()}
		if age := args["age"]; age != "" {
			d, err := time.ParseDuration(age)
			if err != nil {
				t.Fatal(err)
			}
			in.Stored -= d.Microseconds()
		}
		s.d.feed(in)
	case "executor": // executor on | off | ends | aborts | aborts-late | pauses [at=demote] | stalls
		s.exec.mode, s.exec.pausesAt = flags[0], args["at"]
		if s.exec.wait != nil && flags[0] == "on" {
			s.exec.begin(s.exec.wait)
		}
	case "evaluated": // evaluated b [step=route-front] [mends] [revision=7] [kind=failover]: what an executor found of the plan to b
		_, c := s.newest()
		e := &message.Evaluation{ID: "eval." + strconv.Itoa(len(s.world.log)), Group: "web", Epoch: c.Epoch, SpecRevision: s.spec.Revision, Primary: c.Primary, To: flags[0], Executor: "ex1", Problems: []message.StepProblem{}}
		if step := args["step"]; step != "" {
			e.Problems = append(e.Problems, message.StepProblem{Kind: message.KindFailover, Step: step, Problem: "no such backend", Mends: slices.Contains(flags, "mends")})
		}
		s.report(e)
	case "mends": // mends helps | nothing | fails | worse | dies | gone: what a try of a ladder leads to
		s.exec.mends = flags[0]
	case "route": // route front serves b | route front away x2
		if flags[1] == "away" {
			s.append(RouteRead{&message.RouteSeen{Route: flags[0], Proxy: "tcp://192.0.2.2:9999", Serves: []string{}, Problem: "connection refused"}, uint64(len(s.world.log) + 1), flags[2]})
			break
		}
		s.route(flags[0], "tcp://192.0.2.2:9999", strings.Split(flags[2], ",")...)
	case "link": // link down | up
		s.d.link(flags[0] == "up")
	case "record": // record mute | answers: a majority of the bus's servers is gone, or back
		s.d.feed(RecordChanged{flags[0] == "answers"})
	case "stop": // stop 10s: the decider's process is frozen, what comes in waits
		d, err := time.ParseDuration(flags[0])
		if err != nil {
			t.Fatal(err)
		}
		s.d.stalled = s.now + d
	case "restart":
		s.d.boot()
	case "bus": // bus holds | answers: what becomes of proposals
		s.holding = flags[0] == "holds"
		if !s.holding {
			for _, try := range s.held {
				try()
			}
			s.held = nil
		}
	case "rival": // rival failover to=b: another decider was first
		_, c := s.newest()
		next := *c
		next.ID, next.Epoch, next.Kind, next.From, next.Primary, next.Decider = "rival"+strconv.Itoa(len(s.world.chain)), c.Epoch+1, message.Kind(flags[0]), c.Primary, args["to"], "d2"
		next.Request = args["request"]
		s.write(&next)
	case "long-ago": // long-ago drain target=b age=24h | long-ago pause age=24h: it stands in the chain, of that age, and has no end
		d, err := time.ParseDuration(args["age"])
		if err != nil {
			t.Fatal(err)
		}
		s.backdate = d
		id := fmt.Sprintf("old%d", len(s.world.chain))
		if flags[0] == "pause" {
			s.write(&message.Mark{ID: id, Group: "web", Paused: true, Actor: "bob", Decider: "d2"})
		} else {
			s.write(&message.Maintenance{ID: id, Group: "web", Member: args["target"], Begins: true, Rule: "R446", Sentence: "long ago", Actor: "bob", Decider: "d2"})
		}
		s.backdate = 0
	case "rival-pause": // another decider paused the group
		s.write(&message.Mark{ID: "rival-pause", Group: "web", Paused: true, Actor: "bob", Decider: "d2"})
	case "forge": // forge epoch=1: somebody writes a command of an old epoch
		_, c := s.newest()
		old := *c
		n, err := strconv.ParseUint(args["epoch"], 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		old.ID, old.Epoch = "forged", n
		s.write(&old)
	case "garbage": // something that is no entry stands in the chain
		s.seq++
		s.world.chain = append(s.world.chain, entry{s.seq, &message.Mark{ID: "garbage", Group: "web", Actor: "x", Decider: "x"}, s.stream()})
		s.append(ChainRead{Seq: s.seq, Stored: s.stream(), InOrder: true})
	case "spec": // spec mode=manual …: the operator applies a change
		g := *s.spec
		g.Checks, g.Members, g.Revision = slices.Clone(g.Checks), slices.Clone(g.Members), g.Revision+1
		var cmd []datadriven.CmdArg
		for _, word := range f[1:] {
			k, v, _ := strings.Cut(word, "=")
			cmd = append(cmd, datadriven.CmdArg{Key: k, Vals: strings.Split(v, ",")})
		}
		change(t, &g, cmd)
		s.apply(&g)
	case "measure": // measure backlog/a/length 1200 | nothing
		key := strings.ReplaceAll(flags[0], "~", " ")
		if v, err := strconv.ParseFloat(flags[1], 64); err == nil {
			s.figures[key] = v
		} else {
			delete(s.figures, key)
		}
	case "host": // host a lost | back | deaf: gone, there again, cut off from the bus and the other members
		switch k := s.keepers; flags[1] {
		case "lost":
			k.lose(flags[0])
		case "back":
			k.back(flags[0])
		case "deaf":
			k.cutOff(flags[0])
		}
	case "server": // server a crashes [unable]: its executor shuts the guard and says so
		s.keepers.crash(flags[0], !slices.Contains(flags, "unable"))
	case "replication": // replication b cut | heals | slow 5: to that standby
		k := s.keepers
		delete(k.cut, flags[0])
		switch flags[1] {
		case "cut":
			k.cut[flags[0]] = true
		case "slow":
			n, err := strconv.Atoi(flags[2])
			if err != nil {
				t.Fatal(err)
			}
			k.slow[flags[0]] = n
		}
	case "hand": // hand b promotes | ends
		s.keepers.hand[flags[0]] = flags[1] == "promotes"
	case "old-word": // old-word a 1: a says again, from long ago, that it is fenced up to that epoch
		n, err := strconv.ParseUint(flags[1], 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		s.report(&message.Fenced{ID: "old", Group: "web", Member: flags[0], Epoch: n, How: message.FencedItself, Able: true, Executor: flags[0] + "-x", Sentence: "long ago"})
	case "vouch": // vouch a 1: a person vouches that a does not act
		n, err := strconv.ParseUint(flags[1], 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		s.report(&message.Fenced{ID: "vouch", Group: "web", Member: flags[0], Epoch: n, How: message.FencedVouch, Actor: "ana", Executor: "b-x", Sentence: "its power is off"})
	case "executors": // executors a-x,b-x: those that answer
		s.d.feed(ExecutorsSeen{strings.Split(flags[0], ",")})
	case "undeclare":
		s.d.feed(SpecChanged{})
	case "clients": // clients failing | up | silent [from outside]: what the canary gets at the route
		var from []string
		if len(flags) == 3 {
			from = strings.Split(flags[2], ",")
		}
		s.set(message.ClientsMember, conditions[flags[0]], from...)
	default: // a refused [from sp,rj], a/db refused: only by the check db
		how, ok := conditions[flags[0]]
		if !ok {
			t.Fatalf("no condition %s", flags[0])
		}
		var from []string
		if len(flags) == 3 {
			from = strings.Split(flags[2], ",")
		}
		s.set(f[0], how, from...)
	}
}

// TestEveryRuleIsInAStory: a rule that no story shows is a rule that nobody has read.
func TestEveryRuleIsInAStory(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no stories", err)
	}
	var all strings.Builder
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(b)
	}
	for _, r := range Rules() {
		if !strings.Contains(all.String(), r.Code) {
			t.Errorf("rule %s (%s) occurs in no testdata/*.txt", r.Code, r.When)
		}
	}
	if strings.ContainsAny(all.String(), "{}") {
		t.Error("a sentence in testdata has a place that was not filled in")
	}
}
