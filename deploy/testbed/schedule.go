//go:build linux

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/isacloud/ha-manager/pkg/message"
)

// act is one thing that happens to the bed, and what ends it. The same seed gives the same acts.
type act struct {
	at, until time.Duration // until 0: nothing ends it
	what      string
	a, b      string // hosts; sp stands for the one that is primary when the sequence begins
}

func (x act) String() string {
	s := fmt.Sprintf("%6.1fs %s %s", x.at.Seconds(), x.what, x.a)
	if x.b != "" {
		s += " " + x.b
	}
	if x.until > 0 {
		s += fmt.Sprintf(" for %.1fs", (x.until - x.at).Seconds())
	}
	return s
}

// kinds of acts, each as often as it stands here.
var kinds = []string{
	"kill", "kill", // SIGKILL to the postmaster
	"stop",           // somebody stops the server at once, past the manager
	"promote",        // somebody runs pg_promote() by hand
	"agent", "agent", // SIGKILL to the manager: executor, decider, prober and a server of the bus; started again after a while
	"restart",      // the manager is told to end, and started again
	"stuck",        // SIGSTOP to the manager alone, SIGCONT after a while
	"host", "host", // link gone, all processes killed; power comes back after a while
	"part", "part", // link gone, attached again after a while
	"oneway",     // what the host sends is lost
	"deaf",       // what is sent to the host is lost
	"cut", "cut", // two hosts do not reach each other
	"freeze", "freeze", // SIGSTOP to all processes of the host
	"bus",          // the bus's ports are filtered everywhere
	"slow",         // the disk of the data takes 4 writes a second
	"stall",        // the disk of the data takes no write
	"clock",        // the database's wall clock is an hour ahead
	"pause",        // a person pauses the group, and resumes it
	"switch",       // a person asks for a switchover
	"failover",     // a person asks for a failover
	"swap", "swap", // a person asks for a switchover, and something breaks while it runs
	"abort", "abort", // a person asks for a switchover, and to abort it
}

// midway are the acts that meet a swap while it runs.
var midway = []string{"agent", "restart", "stuck", "freeze", "kill", "host", "part", "cut", "bus", "slow"}

// data are the hosts with a database, all those with a server of the bus.
var (
	dataHosts = []string{"sp", "rj"}
	allHosts  = []string{"sp", "rj", "witness"}
)

// lasts says whether an act goes on until something ends it.
func lasts(what string) bool {
	return !slices.Contains([]string{"kill", "stop", "promote", "switch", "failover", "abort", "restart"}, what)
}

// schedule makes the acts of a seed. Up to two hosts are in trouble at once; a time-out of everybody's is among the durations. Every tenth begins with
// the bus gone and nothing else: only then it is certain what has to follow from it.
func schedule(seed uint64, length time.Duration) []act {
	rng := rand.New(rand.NewPCG(seed, 0x5eed))
	millis := func(low, high int) time.Duration {
		return time.Duration(low+rng.IntN(high-low)) * time.Millisecond
	}
	var acts []act
	end := length * 4 / 5
	add := func(at time.Duration, what string) {
		x := act{at: at, what: what}
		switch what {
		case "kill", "stop", "promote", "switch", "failover", "slow", "stall", "clock":
			x.a = dataHosts[rng.IntN(2)]
		case "cut":
			x.a = allHosts[rng.IntN(3)]
			others := slices.DeleteFunc(append(slices.Clone(allHosts), "router"), func(s string) bool { return s == x.a })
			x.b = others[rng.IntN(len(others))]
		case "bus", "pause", "abort":
		default:
			if x.a = dataHosts[rng.IntN(2)]; rng.IntN(5) == 0 {
				x.a = "witness"
			}
		}
		if lasts(what) {
			// Some end before anybody notices, some about when a lease does, some long after it.
			low, high := 50, 900
			switch rng.IntN(3) {
			case 1:
				low, high = 900, 2500
			case 2:
				low, high = 2500, 9000
			}
			x.until = min(at+millis(low, high), end+length/10)
		}
		acts = append(acts, x)
	}
	first := millis(500, 4000)
	if seed%10 == 0 {
		acts = append(acts, act{at: first, until: min(first+millis(2000, 9000), end), what: "bus"})
		first = acts[0].until + millis(1500, 5000)
	}
	for t := first; t < end; t += millis(100, 7000) {
		switch what := kinds[rng.IntN(len(kinds))]; what {
		case "swap":
			add(t, "switch")
			add(t+millis(0, 500), midway[rng.IntN(len(midway))])
		case "abort":
			add(t, "switch")
			add(t+millis(0, 400), "abort")
		default:
			add(t, what)
		}
	}
	return acts
}

// seen from the other side: where rj is primary when the sequence begins.
func mirrored(acts []act) []act {
	other := func(name string) string {
		switch name {
		case "sp":
			return "rj"
		case "rj":
			return "sp"
		}
		return name
	}
	out := slices.Clone(acts)
	for i := range out {
		out[i].a, out[i].b = other(out[i].a), other(out[i].b)
	}
	return out
}

// chaos carries acts out. Its methods are called by one goroutine.
type chaos struct {
	b    *bed
	s    *ham
	name string         // of the sequence, in what is asked
	on   map[string]int // what is in force, and how often: an act may begin while one of its kind is on
	mark func(string, ...any)

	deeds   []deed
	asking  sync.WaitGroup
	mu      sync.Mutex
	asked   []asked
	nthAsk  int
	unasked []string // hosts whose manager ended though nobody ended it
}

// run carries all acts out at their times, and ends with everything healed.
func (c *chaos) run(ctx context.Context, acts []act, length time.Duration) error {
	type event struct {
		at    time.Duration
		x     act
		n     int // of the act
		begin bool
	}
	var events []event
	for n, x := range acts {
		events = append(events, event{x.at, x, n, true})
		if x.until > 0 {
			events = append(events, event{x.until, x, n, false})
		}
	}
	slices.SortStableFunc(events, func(a, b event) int { return int(a.at - b.at) })
	began := time.Now()
	c.deeds = make([]deed, len(acts))
	for _, e := range events {
		if err := wait(ctx, e.at-time.Since(began)); err != nil {
			return err
		}
		verb := "ends"
		if e.begin {
			verb = "begins"
			c.deeds[e.n] = deed{From: time.Now().UTC(), What: e.x.what, A: e.x.a, B: e.x.b}
		}
		err := c.do(ctx, e.x, e.begin)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if !e.begin {
			c.deeds[e.n].Until = time.Now().UTC()
		}
		if err != nil { // such as a kill of what is dead already: part of the game
			c.mark("%s: %s: %v", e.x, verb, tail(err.Error(), 200))
		} else {
			c.mark("%s: %s", e.x, verb)
		}
	}
	if err := c.heal(ctx); err != nil {
		return err
	}
	return wait(ctx, length-time.Since(began))
}

// first says whether the act is the first of its kind and place to begin, or the last to end.
func (c *chaos) first(x act, begin bool) bool {
	k := x.what + x.a + x.b
	if begin {
		c.on[k]++
		return c.on[k] == 1
	}
	c.on[k]--
	return c.on[k] == 0
}

func (c *chaos) do(ctx context.Context, x act, begin bool) error {
	h := c.b.hosts[x.a]
	if x.until > 0 && !c.first(x, begin) {
		return nil
	}
	switch x.what {
	case "kill":
		return killPostmaster(h)
	case "stop":
		_, err := h.run(ctx, asPostgres(pgBin+"/pg_ctl", "-D", h.data(), "-W", "-m", "immediate", "stop"))
		return err
	case "promote":
		_, err := ask(ctx, h, "postgres", "SELECT pg_promote(false)")
		return err
	case "switch":
		c.ask(ctx, "switchover", "--to", h.name, "--yes", "--no-wait")
		return nil
	case "failover":
		c.ask(ctx, "failover", "--to", h.name, "--yes", "--no-wait")
		return nil
	case "abort":
		c.ask(ctx, "abort")
		return nil
	case "pause":
		if begin {
			c.ask(ctx, "pause")
		} else {
			c.ask(ctx, "resume")
		}
		return nil
	case "agent":
		if begin {
			return c.s.killAgent(h)
		}
		return c.manage(ctx, h)
	case "restart":
		a := c.s.agent(h)
		if err := syscall.Kill(a.Process.Pid, syscall.SIGTERM); err != nil {
			return err
		}
		select {
		case <-a.done:
		case <-time.After(3 * time.Second): // it is stopped or stuck: an init system would not wait for ever either
			if err := c.s.killAgent(h); err != nil {
				return err
			}
		case <-ctx.Done():
		}
		return c.manage(ctx, h)
	case "stuck":
		if begin {
			return syscall.Kill(c.s.agent(h).Process.Pid, syscall.SIGSTOP)
		}
		if c.on["freeze"+h.name] > 0 {
			return nil
		}
		return syscall.Kill(c.s.agent(h).Process.Pid, syscall.SIGCONT)
	case "host":
		if begin {
			// What is killed while its disk takes no write would not end: with the power the stall ends as well.
			return errors.Join(c.b.detach(ctx, h), c.b.stall(ctx, h, false), h.killAll())
		}
		if err := tool(ctx, "ip", "netns", "exec", h.ns, "nft", "flush ruleset"); err != nil {
			return err
		}
		if c.on["part"+h.name] == 0 { // else it comes back behind a link that is still down
			if err := c.b.attach(ctx, h); err != nil {
				return err
			}
		}
		return c.manage(ctx, h)
	case "part":
		if begin {
			return c.b.detach(ctx, h)
		}
		if c.on["host"+h.name] > 0 {
			return nil
		}
		return c.b.attach(ctx, h)
	case "freeze":
		if begin {
			return h.freeze()
		}
		return errors.Join(h.thaw(), c.manage(ctx, h))
	case "slow":
		writes := 0
		if begin {
			writes = 4
		}
		return throttle(c.b, h, writes)
	case "stall":
		if begin && c.on["host"+h.name] > 0 {
			return errors.New("the host is off")
		}
		return c.b.stall(ctx, h, begin)
	case "clock":
		return stepClock(h, begin)
	}
	return c.filter(ctx) // oneway, deaf, cut and bus: by what is on
}

// manage starts the manager on a host where it is dead and nothing that is on keeps it so.
func (c *chaos) manage(ctx context.Context, h *host) error {
	if c.on["host"+h.name] > 0 || c.on["agent"+h.name] > 0 || c.on["freeze"+h.name] > 0 {
		return nil
	}
	select {
	case <-c.s.agent(h).done:
		return c.s.startAgent(ctx, h)
	default:
		return nil
	}
}

// ask asks as a person would, without waiting: it may take long, or wait for what is broken meanwhile. The answer is kept.
func (c *chaos) ask(ctx context.Context, verb string, flags ...string) {
	c.nthAsk++
	reason := fmt.Sprintf("chaos %s-%d", c.name, c.nthAsk)
	c.asking.Go(func() { c.asks(ctx, reason, verb, flags...) })
}

func (c *chaos) asks(ctx context.Context, reason, verb string, flags ...string) error {
	q := asked{At: time.Now().UTC(), Reason: reason}
	out, err := c.s.cli(ctx, append([]string{"--output", "json", verb, group, "--reason", reason}, flags...)...)
	if i, j := strings.IndexByte(out, '{'), strings.LastIndexByte(out, '}'); i >= 0 && j > i {
		o := new(message.Outcome)
		if json.Unmarshal([]byte(out[i:j+1]), o) == nil && o.Request != "" {
			q.Answer = o
		}
	}
	said := "no answer: " + tail(out, 150)
	if q.Answer != nil {
		said = q.Answer.Sentence
	} else if err != nil {
		q.Error = tail(out, 300)
	}
	c.mark("%s (%s): %s", verb, reason, tail(said, 150))
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asked = append(c.asked, q)
	return err
}

// filter writes the bridge's rules anew, by what is on.
func (c *chaos) filter(ctx context.Context) error {
	errs := []error{c.b.dropNothing(ctx)}
	names := append(slices.Clone(hostNames), "")
	for _, a := range names {
		if a != "" && c.on["oneway"+a] > 0 {
			errs = append(errs, c.b.drop(ctx, c.b.hosts[a], nil))
		}
		if a != "" && c.on["deaf"+a] > 0 {
			errs = append(errs, c.b.nft(ctx, "add rule bridge faults forward oifname "+a+" drop"))
		}
		for _, b := range names {
			if b != "" && c.on["cut"+a+b] > 0 {
				errs = append(errs, c.b.drop(ctx, c.b.hosts[a], c.b.hosts[b]), c.b.drop(ctx, c.b.hosts[b], c.b.hosts[a]))
			}
		}
	}
	if c.on["bus"] > 0 {
		errs = append(errs, c.b.dropPorts(ctx, c.s.busPorts()))
	}
	return errors.Join(errs...)
}

// heal ends whatever is left, so that the pair can become whole. A manager that has ended though no act ended it is noted.
func (c *chaos) heal(ctx context.Context) error {
	clear(c.on)
	errs := []error{c.b.dropNothing(ctx)}
	for _, h := range c.s.nodes() {
		if h != c.b.witness {
			errs = append(errs, c.b.stall(ctx, h, false), throttle(c.b, h, 0), stepClock(h, false))
		}
		errs = append(errs, h.thaw(), c.b.attach(ctx, h))
		select {
		case <-c.s.agent(h).done:
			c.unasked = append(c.unasked, h.name)
			errs = append(errs, c.s.startAgent(ctx, h))
		default:
		}
	}
	c.mark("all is healed")
	return errors.Join(errs...)
}

// unpause resumes a group that a pause is left on: the person who was to do it may not have reached anybody.
func (c *chaos) unpause(ctx context.Context) error {
	c.asking.Wait()
	return until(ctx, time.Minute, "the group is resumed", func() error {
		st, err := c.s.status(ctx)
		if err != nil || !st.Paused {
			return err
		}
		c.nthAsk++
		return c.asks(ctx, fmt.Sprintf("chaos %s-%d", c.name, c.nthAsk), "resume")
	})
}
