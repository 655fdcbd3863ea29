package spec

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/isacloud/ha-manager/pkg/message"
)

// Swap is what Compile makes a plan for.
type Swap struct {
	Kind message.Kind
	From string // the primary before; empty at adoption
	To   string // the primary after
	// Observations are the facts that the decision rests on, one line each in a fixed order; they are part of the plan's hash,
	// so that a plan that was shown is not fired once they have changed.
	Observations []string
	// PredictedRTO is taken over into the plan.
	PredictedRTO time.Duration
}

// Names of the steps that Compile adds. The operator's own steps may name them in `after`.
const (
	StepLookAgain = "look-again" // a failover ends if the old primary is up after all
	StepReady     = "new-is-up"  // a switchover ends if the new one is not up
	StepVerify    = "verify"
)

// verifyPatience is how long the new primary may take to answer as it should before the swap is called failed.
const verifyPatience = 30 * time.Second

// routeMargin is what a route step may take beyond the wait for sessions.
const routeMargin = 5 * time.Second

// Compile returns the plan of a swap: look steps first, then what changes something, then verification.
//
// A plan for adopt or resume of a primary that never stopped has no act steps of the operator; routes are led to the primary all the same.
// It never fails for a group that spec/file accepted; an error is a mistake in the program or a stale spec.
func Compile(g *Group, s Swap) (message.Plan, error) {
	to, ok := g.Member(s.To)
	if !ok {
		return message.Plan{}, fmt.Errorf("compile plan: group %s has no member %q", g.Name, s.To)
	}
	from, _ := g.Member(s.From)
	if s.From != "" && from.Name == "" {
		return message.Plan{}, fmt.Errorf("compile plan: group %s has no member %q", g.Name, s.From)
	}
	if from.Name == to.Name {
		from = Member{} // there is no other side whose sessions could be ended
	}
	c := compiler{group: g, swap: s, from: from, to: to, graceful: s.Kind == message.KindSwitchover}
	switch s.Kind {
	case message.KindFailover, message.KindSwitchover:
		if cycle := Cycle(g); cycle != nil {
			return message.Plan{}, fmt.Errorf("compile plan of %s: the steps wait for each other: %s", g.Name, strings.Join(cycle, " after "))
		}
		c.look()
		c.own(First)
		c.own(BeforeRoutes)
		c.routes()
		c.own(AfterRoutes)
		c.verify()
	case message.KindResume:
		c.routes()
		c.verify()
	case message.KindAdopt, message.KindReconfigure:
	default:
		return message.Plan{}, fmt.Errorf("compile plan: unknown kind %q", s.Kind)
	}
	if c.err != nil {
		return message.Plan{}, fmt.Errorf("compile plan of %s: %w", g.Name, c.err)
	}
	plan := message.Plan{
		Graceful: c.graceful, Steps: c.steps,
		PredictedRTO: message.Duration(s.PredictedRTO), Limit: message.Duration(g.Policy.SwapLimit),
	}
	if plan.Steps == nil {
		plan.Steps = []message.Step{}
	}
	plan.Hash = hash(plan.Steps, s)
	return plan, nil
}

func hash(steps []message.Step, s Swap) string {
	h := sha256.New()
	enc := json.NewEncoder(h)
	_ = enc.Encode(steps) // a hash takes every write, and steps hold nothing that JSON cannot
	_ = enc.Encode([]any{s.Kind, s.From, s.To, s.Observations})
	return hex.EncodeToString(h.Sum(nil)[:8])
}

type compiler struct {
	group    *Group
	swap     Swap
	from, to Member
	graceful bool
	steps    []message.Step
	// frontier are the steps that everything added next comes after.
	frontier []string
	err      error
}

// add appends steps that may run side by side, after everything before them.
func (c *compiler) add(steps ...message.Step) {
	if len(steps) == 0 {
		return
	}
	var names []string
	for _, s := range steps {
		s.Site = c.site(s.On)
		s.After = append(slices.Clone(c.frontier), s.After...)
		slices.Sort(s.After)
		s.After = slices.Compact(s.After)
		c.steps = append(c.steps, s)
		names = append(names, s.Name)
	}
	c.frontier = names
}

// site is where a step should run: with the member that it is about, else near the new primary.
func (c *compiler) site(on string) string {
	switch {
	case on == "old":
		return c.from.Site
	case strings.HasPrefix(on, "executor:"):
		return ""
	}
	return c.to.Site
}

func (c *compiler) with(v any) json.RawMessage {
	b, err := json.Marshal(v)
	if err != nil {
		c.fail(err)
	}
	return b
}

func (c *compiler) fail(err error) {
	if c.err == nil {
		c.err = err
	}
}

// look is the first step of every swap: is it still right?
func (c *compiler) look() {
	subject, name, want, says := c.from, StepLookAgain, "down", "look again: end the failover if %s is up after all"
	if c.graceful {
		subject, name, want, says = c.to, StepReady, "up", "look again: end the switchover unless %s is up"
	}
	look, ok := lookAt(c.group, subject, want)
	if !ok {
		return // no check can be made from an executor: the verdict stands
	}
	c.add(message.Step{
		Name: name, Phase: message.PhaseLook, Driver: "assert", On: "any",
		With:    c.with(AssertArgs{That: look, Ends: true}),
		Timeout: message.Duration(look.Timeout + time.Second), OnFailure: message.FailPause, Unskippable: true,
		Says: fmt.Sprintf(says, subject.Name),
	})
}

// own adds the operator's own steps of one place. Without `after` they run one after the other as written.
func (c *compiler) own(place string) {
	var here []int // the steps that take part, in an order in which each comes after those it waits for
	for i, s := range c.group.Steps {
		if s.Place == place && c.takesPart(s) {
			here = append(here, i)
		}
	}
	base := c.frontier
	waits := map[string][]string{}
	for _, i := range here {
		waits[c.group.Steps[i].Name] = c.waits(i)
	}
	var ends []string
	placed := map[string]bool{}
	for len(here) > 0 {
		k := slices.IndexFunc(here, func(i int) bool {
			return !slices.ContainsFunc(waits[c.group.Steps[i].Name], func(n string) bool { _, mine := waits[n]; return mine && !placed[n] })
		})
		s := c.group.Steps[here[max(k, 0)]] // k is never -1: there is no cycle
		here = slices.Delete(here, max(k, 0), max(k, 0)+1)
		ends = slices.DeleteFunc(ends, func(n string) bool { return slices.Contains(waits[s.Name], n) })
		ends = append(ends, s.Name)
		c.frontier = base
		if slices.ContainsFunc(waits[s.Name], func(n string) bool { return placed[n] }) {
			c.frontier = nil // what it waits for came after those
		}
		placed[s.Name] = true
		c.add(c.step(s, waits[s.Name]))
	}
	if len(ends) > 0 {
		c.frontier = ends
	} else {
		c.frontier = base
	}
}

func (c *compiler) takesPart(s Step) bool {
	return s.When == WhenAlways || s.When == "" || (s.When == WhenGraceful) == c.graceful
}

// waits lists the steps of this plan that the operator's own step i waits for; for one that takes no part here it lists what
// that one would have waited for.
func (c *compiler) waits(i int) []string {
	var out []string
	for _, name := range c.group.waitsFor(i) {
		k := slices.IndexFunc(c.group.Steps, func(s Step) bool { return s.Name == name })
		switch {
		case k >= 0 && !c.takesPart(c.group.Steps[k]):
			out = append(out, c.waits(k)...)
		case k >= 0 || slices.ContainsFunc(c.steps, func(s message.Step) bool { return s.Name == name }):
			out = append(out, name)
		}
	}
	return out
}

func (c *compiler) step(s Step, after []string) message.Step {
	s = s.expand(func(text string) string { return c.group.ExpandSwap(text, c.from, c.to) })
	driver, with := s.driver()
	step := message.Step{
		Name: s.Name, Phase: message.PhaseAct, Driver: driver, With: c.with(with), On: s.On, After: after,
		Timeout: message.Duration(s.Timeout), Retries: s.Retries, Backoff: message.Duration(s.Backoff), OnFailure: s.OnFailure,
		Says: clip(s.says(), maxSays),
	}
	if s.Place == First {
		step.Phase = message.PhaseLook
	}
	for _, ref := range Refs(string(step.With)) {
		if strings.HasPrefix(ref, "new.") || strings.HasPrefix(ref, "old.") {
			c.fail(fmt.Errorf("step %s: nothing is known as ${%s}", s.Name, ref))
		}
	}
	return step
}

// maxSays is what a step may say, in bytes.
const maxSays = 512

func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n-len("…")], "") + "…"
}

// routes leads clients to the new primary.
//
// Ungraceful: the old server is shut before the new one opens, in one line to the proxy, and its sessions are ended.
// Graceful: the new server opens and the old one drains in one line, so that no request finds no server; then the old
// one's sessions may end within the drain time, and what is left of them is shut.
func (c *compiler) routes() {
	var switches, drains []message.Step
	for _, r := range c.group.Routes {
		h := r.HAProxy
		states := map[string]string{}
		for m, server := range h.Servers {
			states[server] = "maint"
			if m == c.to.Name {
				states[server] = "ready"
			}
		}
		newServer, oldServer := h.Servers[c.to.Name], h.Servers[c.from.Name]
		args := HAProxyArgs{Route: r.Name, Proxies: h.Proxies, Backend: h.Backend, States: states, Need: "any", Timeout: h.Timeout.String()}
		if a, ok := h.Addresses[c.to.Name]; ok {
			args.Addresses = map[string]string{newServer: a}
		}
		if w, ok := h.Weights[c.to.Name]; ok {
			args.Weights = map[string]int{newServer: w}
		}
		step := message.Step{
			Name: routeStep(r), Phase: message.PhaseAct, Driver: "haproxy", On: "any",
			Timeout: message.Duration(h.Timeout + routeMargin), Retries: 2, Backoff: message.Duration(100 * time.Millisecond), OnFailure: message.FailPause,
			Says: fmt.Sprintf("send clients of %s to %s (server %s) on %s", h.Backend, c.to.Name, newServer, proxies(len(h.Proxies))),
		}
		if !c.graceful || oldServer == "" {
			if oldServer != "" {
				args.First = []string{oldServer}
				args.ShutSessions = []string{oldServer}
			}
			step.With = c.with(args)
			switches = append(switches, step)
			continue
		}
		args.Need = "all"
		args.States[oldServer] = "drain"
		args.First = []string{newServer}
		step.With = c.with(args)
		switches = append(switches, step)

		end := args
		end.States = map[string]string{}
		for server, state := range states {
			end.States[server] = state
		}
		end.States[oldServer] = "maint"
		end.First = nil
		if h.Drain > 0 {
			end.WaitSessions = []string{oldServer}
		}
		end.ShutSessions = []string{oldServer}
		drains = append(drains, message.Step{
			Name: drainStep(r), Phase: message.PhaseAct, Driver: "haproxy", On: "any", With: c.with(end),
			Timeout: message.Duration(h.Drain + h.Timeout + routeMargin), OnFailure: message.FailPause,
			Says: drainSays(c.from.Name, oldServer, h.Drain),
		})
	}
	c.add(switches...)
	c.add(drains...)
}

// verify waits until the new primary answers as it should, from an executor.
func (c *compiler) verify() {
	look, ok := lookAt(c.group, c.to, "up")
	if v := c.group.Verify; v != nil {
		look, ok = lookWith(*v, c.to, "up")
	}
	if !ok {
		return
	}
	c.add(message.Step{
		Name: StepVerify, Phase: message.PhaseVerify, Driver: "wait", On: "any",
		With:    c.with(WaitArgs{Until: look}),
		Timeout: message.Duration(verifyPatience), OnFailure: message.FailPause,
		Says: fmt.Sprintf("wait until %s answers as it should", c.to.Name),
	})
}

// lookAt makes a look from an executor out of the first check that decides about the member.
func lookAt(g *Group, m Member, want string) (LookArgs, bool) {
	for _, check := range g.Checks {
		if check.Effect == EffectDown && check.Looks(m.Name) {
			if look, ok := lookWith(check, m, want); ok {
				return look, true
			}
		}
	}
	return LookArgs{}, false
}

func lookWith(check Check, m Member, want string) (LookArgs, bool) {
	check = check.For(m)
	look := LookArgs{Timeout: check.Timeout, Want: want}
	switch {
	case check.HTTP != nil:
		look.HTTP = check.HTTP.URL
		look.Status, look.Headers = check.HTTP.Status, check.HTTP.Headers
		if check.HTTP.Body != nil {
			look.Body = check.HTTP.Body.String()
		}
		look.TLS = &check.HTTP.TLS
	case check.TCP != nil:
		look.TCP, look.TLS = check.TCP.Address, check.TCP.TLS
	case check.Exec != nil:
		look.Command, look.Env, look.Dir = check.Exec.Command, check.Exec.Env, check.Exec.Dir
	default:
		return LookArgs{}, false
	}
	return look, true
}

func (s Step) driver() (string, any) {
	switch {
	case s.Exec != nil:
		return "exec", s.Exec
	case s.HTTP != nil:
		return "http", s.HTTP
	case s.Wait != nil:
		return "wait", s.Wait
	}
	return "assert", s.Assert
}

func drainSays(member, server string, wait time.Duration) string {
	if wait == 0 {
		return fmt.Sprintf("shut %s (server %s) and end its sessions", member, server)
	}
	return fmt.Sprintf("let the sessions of %s (server %s) end for up to %s, then shut it", member, server, wait)
}

func proxies(n int) string {
	if n == 1 {
		return "1 proxy"
	}
	return fmt.Sprintf("%d proxies", n)
}

// where says in words on which executor the step runs.
func (s Step) where() string {
	switch s.On {
	case "new", "old":
		return "at the " + s.On + " primary's site"
	case "any":
		return "on any executor"
	}
	return "on " + strings.Replace(s.On, ":", " ", 1)
}

func (s Step) says() string {
	switch {
	case s.Exec != nil:
		return fmt.Sprintf("run %s, %s", strings.Join(s.Exec.Command, " "), s.where())
	case s.HTTP != nil:
		return fmt.Sprintf("%s %s", cmp.Or(s.HTTP.Method, "POST"), s.HTTP.URL)
	case s.Wait != nil:
		return fmt.Sprintf("wait until %s is %s", s.Wait.Until.Target(), s.Wait.Until.Want)
	}
	return fmt.Sprintf("go on only while %s is %s", s.Assert.That.Target(), s.Assert.That.Want)
}
