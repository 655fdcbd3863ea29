package lease

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
)

// TestStories runs the stories in testdata/*.txt. Each opens with the sentence that it proves. After a change of what is
// told: go test ./pkg/lease -run TestStories -args -rewrite, then read the difference.
//
//	group    members a, b and c, deciders d1 to d3, all of them running for long; the ttl is 1 s, the guard at most 100 ms late, so that
//	         others wait 1.21 s; no more is allowed. With "ttl=2s" the longest allowed is that of 2 s.
//	run      lines of "<time> <what happens>", then what is answered:
//
//	command 2 b [from=a] [members=a,b] [deciders=d1,d2] [ttl=2s] [unarmed] [to=a]
//	                    the chain has it, and all members read it, or only that one
//	saw 2 [d1]          all deciders read it, or that one
//	ask a [d1 …]        a asks whom it should, or those; answers come at once
//	request a d1 [epoch=1]   the request arrives, its answer is kept back
//	answer a d1              until here
//	promise a [b …]     a asks the other members for their promise
//	take a, hold a, open a 2, fence a, state a
//	held 2              all members read held(2)
//	fenced a 1 [d1 b …] all, or those, hear it
//	restart d1, fresh d1
//	restart a [seen=2] [fenced=1] [taken=2] [acting=2] [guard=300ms] [fresh]
func TestStories(t *testing.T) {
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
		var s *story
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			switch d.Cmd {
			case "group":
				s = newStory(argument(t, d))
				return ""
			case "run":
				return s.run(t, d)
			}
			d.Fatalf(t, "want group or run, not %s", d.Cmd)
			return ""
		})
	})
}

const (
	storyTTL  = time.Second
	storyLate = 100 * time.Millisecond
	past      = time.Minute // since everything began
)

type story struct {
	now      time.Duration
	longest  time.Duration
	grants   map[string]*Grants
	holders  map[string]*Holder
	requests map[string]sentRequest
	out      strings.Builder
}

type sentRequest struct {
	epoch   uint64
	sent    time.Duration
	granted bool
}

var storyDeciders, storyMembers = []string{"d1", "d2", "d3", "d4"}, []string{"a", "b", "c"}

func argument(t *testing.T, d *datadriven.TestData) time.Duration {
	var text string
	d.MaybeScanArgs(t, "ttl", &text)
	if text == "" {
		return storyTTL
	}
	ttl, err := time.ParseDuration(text)
	if err != nil {
		d.Fatalf(t, "%v", err)
	}
	return ttl
}

func newStory(ttl time.Duration) *story {
	s := &story{
		now: past, longest: Wait(ttl, storyLate),
		grants: map[string]*Grants{}, holders: map[string]*Holder{}, requests: map[string]sentRequest{},
	}
	for _, d := range storyDeciders {
		s.grants[d] = NewGrants(0, s.longest)
	}
	for _, m := range storyMembers {
		s.holders[m] = NewHolder(m, storyLate, s.longest, 0, Past{})
	}
	return s
}

func (s *story) run(t *testing.T, d *datadriven.TestData) string {
	s.out.Reset()
	for line := range strings.Lines(d.Input) {
		words := strings.Fields(line)
		if len(words) < 2 {
			d.Fatalf(t, "want a time and what happens: %s", line)
		}
		at, err := time.ParseDuration(words[0])
		if err != nil || past+at < s.now {
			d.Fatalf(t, "want a time, not before the one above: %s", line)
		}
		s.now = past + at
		if err := s.happens(words[1], words[2:]); err != nil {
			d.Fatalf(t, "%s: %v", strings.TrimSpace(line), err)
		}
	}
	return s.out.String()
}

func (s *story) tell(format string, args ...any) {
	fmt.Fprintf(&s.out, "%8s  %s\n", seconds(s.now-past), fmt.Sprintf(format, args...))
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.2fs", d.Seconds()) }

// until is a deadline as the story's clock has it.
func until(d time.Duration) string { return seconds(d - past) }

func (s *story) happens(verb string, words []string) (err error) {
	args, options := split(words)
	number := func(at int) (n uint64) {
		if at >= len(args) {
			err = fmt.Errorf("want an epoch")
			return 0
		}
		n, e := strconv.ParseUint(args[at], 10, 64)
		if e != nil {
			err = e
		}
		return n
	}
	if len(args) == 0 {
		return fmt.Errorf("want who")
	}
	h := s.holders[args[0]]
	switch verb {
	case "command":
		s.command(number(0), args[1], options)
		return err
	case "saw":
		for d := range s.who(args[1:], storyDeciders) {
			s.grants[d].Saw(number(0))
		}
		return err
	case "held":
		for _, m := range storyMembers {
			s.holders[m].SawHeld(number(0))
		}
		return err
	case "restart":
		return s.restart(args[0], options)
	case "fresh":
		s.grants[args[0]].Fresh()
		return nil
	}
	if h == nil {
		return fmt.Errorf("%s is no member", args[0])
	}
	switch verb {
	case "ask":
		s.ask(args[0], h, args[1:])
	case "request":
		s.request(args[0], h, args[1], options)
	case "answer":
		r := s.requests[args[0]+args[1]]
		if !r.granted {
			return fmt.Errorf("it was not granted")
		}
		deadline, renewed := h.Granted(s.now, args[1], r.epoch, r.sent)
		s.tell("%s has the grant of %s%s", args[0], args[1], guard(deadline, renewed))
	case "promise":
		s.promise(args[0], h, args[1:])
	case "take":
		epoch, deadline, err := h.Take(s.now)
		if err != nil {
			s.tell("%s does not take it: %v", args[0], err)
			return nil
		}
		s.tell("%s takes the lease of epoch %d, and arms its guard until %s", args[0], epoch, until(deadline))
	case "hold":
		if epoch, ok := h.MayHold(s.now); ok {
			s.tell("%s may write held(%d)", args[0], epoch)
		} else {
			s.tell("%s may not write held", args[0])
		}
	case "open":
		if e := h.Open(s.now, number(1)); e != nil {
			s.tell("%s does not open: %v", args[0], e)
		} else {
			s.tell("%s opens", args[0])
		}
	case "fence":
		s.tell("%s is fenced up to epoch %d", args[0], h.Fence(s.now))
	case "fenced":
		for d := range s.who(args[2:], storyDeciders) {
			s.grants[d].Fenced(args[0], number(1))
		}
		for m := range s.who(args[2:], storyMembers) {
			if m == args[0] {
				h.FencedByOthers(number(1))
			} else {
				s.holders[m].PeerFenced(args[0], number(1))
			}
		}
	case "state":
		s.state(args[0], h)
	default:
		return fmt.Errorf("nothing known happens")
	}
	return err
}

func split(words []string) (args []string, options map[string]string) {
	options = map[string]string{}
	for _, w := range words {
		if key, value, ok := strings.Cut(w, "="); ok || w == "unarmed" || w == "fresh" {
			options[key] = value
		} else {
			args = append(args, w)
		}
	}
	return args, options
}

// who yields the named ones of all, or all where none is named.
func (s *story) who(named, all []string) func(func(string) bool) {
	return func(yield func(string) bool) {
		for _, n := range all {
			if (len(named) == 0 || slices.Contains(named, n)) && !yield(n) {
				return
			}
		}
	}
}

func duration(text string) time.Duration {
	d, err := time.ParseDuration(text)
	if err != nil {
		panic(err)
	}
	return d
}

func (s *story) command(epoch uint64, primary string, options map[string]string) {
	c := Command{Epoch: epoch, Primary: primary, From: options["from"], Members: []string{"a", "b"}, Deciders: storyDeciders[:3], TTL: storyTTL, Armed: true}
	if list, ok := options["members"]; ok {
		c.Members = strings.Split(list, ",")
	}
	if list, ok := options["deciders"]; ok {
		c.Deciders = strings.Split(list, ",")
	}
	if text, ok := options["ttl"]; ok {
		c.TTL = duration(text)
	}
	if _, ok := options["unarmed"]; ok {
		c.Armed = false
	}
	for _, m := range storyMembers {
		if to, ok := options["to"]; !ok || slices.Contains(strings.Split(to, ","), m) {
			s.holders[m].Saw(s.now, c)
		}
	}
}

func (s *story) ask(member string, h *Holder, to []string) {
	epoch, deciders, ok := h.Asks()
	if !ok {
		s.tell("%s asks nobody", member)
		return
	}
	wait, _ := h.Wait(epoch)
	deciders = slices.Clone(deciders)
	for d := range s.who(to, deciders) {
		if !s.decide(member, d, epoch, wait) {
			continue
		}
		if deadline, renewed := h.Granted(s.now, d, epoch, s.now); renewed {
			s.tell("%s%s", member, guard(deadline, renewed))
		}
	}
}

func (s *story) decide(member, decider string, epoch uint64, wait time.Duration) (granted bool) {
	a := s.grants[decider].Ask(s.now, Request{member, epoch, wait})
	switch {
	case a.Granted:
		s.tell("%s grants %s epoch %d for %s", decider, member, epoch, wait)
	case a.Retry > 0:
		s.tell("%s refuses %s epoch %d: %s (for %s more)", decider, member, epoch, a.Reason, a.Retry)
	default:
		s.tell("%s refuses %s epoch %d: %s", decider, member, epoch, a.Reason)
	}
	return a.Granted
}

func (s *story) request(member string, h *Holder, decider string, options map[string]string) {
	epoch, _, _ := h.Asks()
	if text, ok := options["epoch"]; ok {
		epoch, _ = strconv.ParseUint(text, 10, 64)
	}
	wait, ok := h.Wait(epoch)
	if !ok {
		wait = Wait(storyTTL, storyLate)
	}
	if text, ok := options["wait"]; ok {
		wait = duration(text)
	}
	s.requests[member+decider] = sentRequest{epoch, s.now, s.decide(member, decider, epoch, wait)}
}

func guard(deadline time.Duration, renewed bool) string {
	if !renewed {
		return ", its guard is not renewed"
	}
	return " renews its guard until " + until(deadline)
}

func (s *story) promise(member string, h *Holder, of []string) {
	epoch, members, ok := h.AsksPromises()
	if !ok {
		s.tell("%s asks for no promise", member)
		return
	}
	wait, _ := h.Wait(epoch)
	for m := range s.who(of, members) {
		if ok, reason := s.holders[m].Promise(s.now, member, epoch, wait); !ok {
			s.tell("%s does not promise %s at epoch %d: %s", m, member, epoch, reason)
			continue
		}
		s.tell("%s promises %s at epoch %d for %s", m, member, epoch, wait)
		if deadline, renewed := h.Promised(s.now, m, epoch, s.now); renewed {
			s.tell("%s%s", member, guard(deadline, renewed))
		}
	}
}

func (s *story) restart(who string, options map[string]string) error {
	if _, ok := s.grants[who]; ok {
		s.grants[who] = NewGrants(s.now, s.longest)
		return nil
	}
	var p Past
	for key, value := range options {
		n, _ := strconv.ParseUint(value, 10, 64)
		switch key {
		case "seen":
			p.Seen = n
		case "fenced":
			p.Fenced = n
		case "taken":
			p.Taken = n
		case "acting":
			p.Acting = n
		case "guard":
			p.Deadline = s.now + duration(value)
		case "fresh":
			p.Fresh = true
		default:
			return fmt.Errorf("what is %s?", key)
		}
	}
	s.holders[who] = NewHolder(who, storyLate, s.longest, s.now, p)
	return nil
}

func (s *story) state(member string, h *Holder) {
	x := h.State(s.now)
	line := fmt.Sprintf("%s: seen %d, held %d, fenced %d", member, x.Seen, x.Held, x.Fenced)
	if x.Acting != 0 {
		what := "armed"
		if x.Open {
			what = "open"
		}
		line += fmt.Sprintf("; %s at epoch %d until %s by %s", what, x.Acting, until(max(x.Deadline, past)), x.By)
	}
	if h.Lapsed(s.now) {
		line += "; lapsed"
	}
	if x.Waiting != "" {
		line += "; waits: " + x.Waiting
	}
	s.tell("%s", line)
}
