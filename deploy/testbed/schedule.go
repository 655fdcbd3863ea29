//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"syscall"
	"time"
)

// act is one thing that happens to the bed, and what ends it. The same seed gives the same acts.
type act struct {
	at, until time.Duration // until 0: nothing ends it
	what      string
	a, b      string // hosts
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
	"agent", "agent", // SIGKILL to the manager's agent, started again after a while
	"stuck",        // SIGSTOP to the manager's agent alone, SIGCONT after a while
	"host", "host", // link gone, all processes killed; power comes back after a while
	"part", "part", // link gone, attached again after a while
	"oneway",     // what the host sends is lost
	"deaf",       // what is sent to the host is lost
	"cut", "cut", // two hosts do not reach each other
	"freeze", "freeze", // SIGSTOP to all processes of the host
	"bus",              // the bus's ports are filtered everywhere
	"switch", "switch", // a person asks for a switchover
}

// schedule makes the acts of a seed. Up to two hosts are in trouble at once; a time-out of everybody's is among the durations.
func schedule(seed uint64, length time.Duration) []act {
	rng := rand.New(rand.NewPCG(seed, 0x5eed))
	millis := func(low, high int) time.Duration {
		return time.Duration(low+rng.IntN(high-low)) * time.Millisecond
	}
	var acts []act
	end := length * 4 / 5
	for t := millis(500, 4000); t < end; t += millis(100, 7000) {
		x := act{at: t, what: kinds[rng.IntN(len(kinds))]}
		data := []string{"sp", "rj"}
		all := []string{"sp", "rj", "witness"}
		switch x.what {
		case "kill", "stop", "promote", "switch":
			x.a = data[rng.IntN(2)]
		case "cut":
			x.a = all[rng.IntN(3)]
			others := slices.DeleteFunc(append(slices.Clone(all), "router"), func(s string) bool { return s == x.a })
			x.b = others[rng.IntN(len(others))]
		case "bus":
		default:
			if x.a = data[rng.IntN(2)]; rng.IntN(5) == 0 {
				x.a = "witness"
			}
		}
		switch x.what {
		case "kill", "stop", "promote", "switch":
		default:
			// Some end before anybody notices, some about when a lease does, some long after it.
			low, high := 50, 900
			switch rng.IntN(3) {
			case 1:
				low, high = 900, 2500
			case 2:
				low, high = 2500, 9000
			}
			x.until = min(t+millis(low, high), end+length/10)
		}
		acts = append(acts, x)
	}
	return acts
}

// chaos carries acts out. Its methods are called by one goroutine.
type chaos struct {
	b    *bed
	s    *ham
	on   map[string]int // what is in force, and how often: an act may begin while one of its kind is on
	mark func(string, ...any)
}

// run carries all acts out at their times, and ends with everything healed.
func (c *chaos) run(ctx context.Context, acts []act, length time.Duration) error {
	type event struct {
		at    time.Duration
		x     act
		begin bool
	}
	var events []event
	for _, x := range acts {
		events = append(events, event{x.at, x, true})
		if x.until > 0 {
			events = append(events, event{x.until, x, false})
		}
	}
	slices.SortStableFunc(events, func(a, b event) int { return int(a.at - b.at) })
	began := time.Now()
	for _, e := range events {
		if err := wait(ctx, e.at-time.Since(began)); err != nil {
			return err
		}
		verb := "ends"
		if e.begin {
			verb = "begins"
		}
		err := c.do(ctx, e.x, e.begin)
		if ctx.Err() != nil {
			return context.Cause(ctx)
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
		go func() { // it may take long, or wait for what is broken meanwhile
			if out, err := c.s.cli(ctx, "switchover", group, "--to", h.name, "--yes", "--reason", "chaos", "--no-wait"); err != nil {
				c.mark("switchover to %s: %s", h.name, tail(out, 150))
			}
		}()
		return nil
	case "agent":
		if begin {
			return c.s.killAgent(h)
		}
		return c.s.startAgent(ctx, h)
	case "stuck":
		c.s.mu.Lock()
		a := c.s.agents[h.name]
		c.s.mu.Unlock()
		if begin {
			return syscall.Kill(a.Process.Pid, syscall.SIGSTOP)
		}
		return syscall.Kill(a.Process.Pid, syscall.SIGCONT)
	case "host":
		if begin {
			return errors.Join(c.b.detach(ctx, h), h.killAll())
		}
		if err := c.b.powerUp(ctx, c.s, h); err != nil || c.on["part"+h.name] == 0 {
			return err
		}
		return c.b.detach(ctx, h) // it comes back behind a link that is still down
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
		return h.thaw()
	}
	return c.filter(ctx) // oneway, deaf, cut and bus: by what is on
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

// heal ends whatever is left, so that the pair can become whole.
func (c *chaos) heal(ctx context.Context) error {
	clear(c.on)
	errs := []error{c.b.dropNothing(ctx)}
	for _, h := range c.s.nodes() {
		errs = append(errs, h.thaw(), c.b.attach(ctx, h))
		c.s.mu.Lock()
		a := c.s.agents[h.name]
		c.s.mu.Unlock()
		select {
		case <-a.done:
			errs = append(errs, c.b.powerUp(ctx, c.s, h))
		default:
		}
	}
	c.mark("all is healed")
	return errors.Join(errs...)
}
