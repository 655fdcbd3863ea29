//go:build linux

package main

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/subject"
)

// A tale is a record before it is written down: what was said, in its order, a millisecond apart.
type tale struct {
	lines []*line
	later time.Duration // that has passed in silence
	r     record
}

type line struct {
	stream string
	m      message.Message // nil: a revision of the journal
	run    *journalRun
	at     time.Time
}

type journalRun struct {
	Epoch uint64                 `json:"epoch"`
	State message.State          `json:"state"`
	Steps map[string]journalStep `json:"steps"`
}

var dawn = time.Date(2026, 1, 2, 3, 0, 0, 0, time.UTC)

func (t *tale) now() time.Time {
	return dawn.Add(t.later + time.Duration(len(t.lines))*time.Millisecond)
}

func (t *tale) say(stream string, m message.Message) {
	t.lines = append(t.lines, &line{stream: stream, m: m, at: t.now()})
}

func (t *tale) event(e *message.Event) {
	e.Group, e.Severity, e.Writer, e.At = group, message.Info, "sp", t.now().UnixMicro()
	if e.Sentence == "" {
		e.Sentence = "it happened"
	}
	t.say(subject.StreamEvents, e)
}

func (t *tale) journal(epoch uint64, state message.State, steps map[string]journalStep) {
	t.lines = append(t.lines, &line{stream: "KV_" + subject.BucketJournal, run: &journalRun{epoch, state, steps}, at: t.now()})
}

// acked is a write that a node acknowledged now.
func (t *tale) acked(node string) {
	t.r.Tried = append(t.r.Tried, tried{t.now(), t.now().Add(100 * time.Microsecond), node})
}

// command says a command, its event, and the request that it follows from, if there is one.
func (t *tale) command(c *message.Command) *message.Command {
	c.Group, c.Decider, c.Sentence, c.At = group, "sp", "so it is", t.now().UnixMicro()
	c.ID = fmt.Sprintf("%s.%d", group, c.Epoch)
	c.Plan.Hash = "0"
	c.Lease = &message.Lease{
		Deciders: []string{"rj", "sp", "witness"}, TTL: message.Duration(time.Second), Armed: true, Durability: message.NeverLose,
		Beside: []message.Beside{{Member: "rj", Executor: "rj"}, {Member: "sp", Executor: "sp"}},
	}
	safety := uint64(0)
	for _, l := range t.lines {
		if l != nil && l.stream == subject.StreamSafety {
			safety++
		}
	}
	c.Positions = map[string]uint64{"safety": safety}
	t.say(subject.StreamCommands, c)
	t.event(&message.Event{ID: "decision." + c.ID, Kind: message.EventDecision, Epoch: c.Epoch, Member: c.Primary})
	return c
}

func (t *tale) held(c *message.Command) {
	t.say(subject.StreamCommands, &message.Held{
		ID: c.ID + ".held", Group: group, Epoch: c.Epoch, Primary: c.Primary, Command: c.ID, Executor: c.Primary, At: t.now().UnixMicro(),
	})
	t.run(c, message.StateHeld)
}

func (t *tale) run(c *message.Command, state message.State) {
	m := &message.RunResult{
		ID: fmt.Sprintf("%s.run.%s", c.ID, state), Group: group, Epoch: c.Epoch, Command: c.ID, Kind: c.Kind, Primary: c.Primary, State: state, Executor: c.Primary,
		Sentence: "it goes on", At: t.now().UnixMicro(),
	}
	t.say(subject.StreamSafety, m)
	t.event(&message.Event{ID: "ev." + m.ID, Kind: message.EventRun, Run: m})
}

func (t *tale) step(c *message.Command, name string, state message.State) {
	m := &message.StepResult{
		ID: fmt.Sprintf("%s.%s.%s", c.ID, name, state), Group: group, Epoch: c.Epoch, Command: c.ID, Step: name, Driver: "postgres", State: state, Attempt: 1,
		Executor: c.Primary, At: t.now().UnixMicro(),
	}
	t.say(subject.StreamSafety, m)
	if state != message.StateStarted {
		t.event(&message.Event{ID: "ev." + m.ID, Kind: message.EventStep, Step: m})
	}
}

func (t *tale) word(primary string, epoch uint64, standby, state string) {
	n := uint64(len(t.lines) + 1)
	t.say(subject.StreamSafety, &message.Replication{
		ID: fmt.Sprintf("replication.%d", n), Group: group, Epoch: epoch, Primary: primary, Executor: primary, Seq: n, At: t.now().UnixMicro(),
		Standbys: []message.Standby{{Member: standby, State: state}},
	})
}

func (t *tale) fenced(member string, epoch uint64) {
	f := &message.Fenced{
		ID: fmt.Sprintf("fenced.%s.%d", member, epoch), Group: group, Member: member, Epoch: epoch, How: message.FencedItself, Executor: member, Sentence: "its lease has run out",
		At: t.now().UnixMicro(),
	}
	t.say(subject.StreamSafety, f)
	t.event(&message.Event{ID: "ev." + f.ID, Kind: message.EventDrift, Member: member, Epoch: epoch})
}

// asked is a request with its outcome, and what it led to in between.
func (t *tale) asked(id string, verb message.Verb, epoch uint64, accepted bool, leads func()) {
	t.say(subject.StreamRequests, &message.Request{ID: id, Group: group, Verb: verb, Actor: "bed", Reason: id})
	if leads != nil {
		leads()
	}
	o := &message.Outcome{Request: id, Group: group, Verb: verb, Accepted: accepted, Epoch: epoch, Sentence: "so be it"}
	if !accepted {
		o.Reasons = []message.Reason{{Code: "R321", Sentence: "it is primary already"}}
	}
	t.event(&message.Event{ID: "outcome." + id, Kind: message.EventOutcome, Request: id, Outcome: o})
	t.r.Asked = append(t.r.Asked, asked{At: t.now(), Reason: id, Answer: o})
}

func (t *tale) mark(id string, paused bool) {
	m := &message.Mark{ID: "mark." + id, Group: group, Paused: paused, Actor: "bed", Request: id, Decider: "sp", At: t.now().UnixMicro()}
	t.say(subject.StreamCommands, m)
	t.event(&message.Event{ID: "mode." + m.ID, Kind: message.EventMode})
}

func (t *tale) incident(n uint64, open bool) {
	t.say("KV_"+subject.BucketIncident, &message.Incident{Group: group, N: n, Open: open, Sentence: "something is wrong", Decider: "sp", OpenedAt: 1, ClosedAt: 2})
	said := "closed"
	if open {
		said = "opened"
	}
	t.event(&message.Event{ID: fmt.Sprintf("incident.%d.%s", n, said), Kind: message.EventIncident, Incident: fmt.Sprintf("%s-%d", group, n), Opened: &open})
}

var (
	begunStep = journalStep{State: message.StateStarted, Attempt: 1}
	doneStep  = journalStep{State: message.StateDone, Attempt: 1}
)

// sound is a tale in which every law holds: adopted, joined by a standby, failed over, joined again, a switchover that is aborted, and a pause.
func sound() *tale {
	t := &tale{}
	quiet := func(epoch uint64, kind message.Kind, primary string, members ...string) {
		c := t.command(&message.Command{Epoch: epoch, Kind: kind, Primary: primary, Members: members, Rule: "R231"})
		t.held(c)
		t.journal(epoch, message.StateDone, nil)
		t.run(c, message.StateDone)
	}
	quiet(1, message.KindAdopt, "sp", "sp")
	t.acked("sp")
	t.word("sp", 1, "rj", message.StandbySynchronous)
	quiet(2, message.KindReconfigure, "sp", "rj", "sp")
	t.acked("sp")

	// The bus goes away for three seconds, and clients do not notice.
	from := t.now()
	for i := range 7 {
		at := from.Add(time.Duration(i) * 500 * time.Millisecond)
		t.r.Tried = append(t.r.Tried, tried{at, at.Add(time.Millisecond), "sp"})
	}
	t.r.Acts = append(t.r.Acts, deed{From: from, Until: from.Add(3 * time.Second), What: "bus"})
	t.later = 8 * time.Second

	t.incident(1, true)
	t.event(&message.Event{ID: "verdict.1", Kind: message.EventVerdict, Member: "sp", Epoch: 2, Verdict: &message.VerdictChange{From: message.VerdictUp, To: message.VerdictDown}})
	c := t.command(&message.Command{
		Epoch: 3, Kind: message.KindFailover, Primary: "rj", From: "sp", Members: []string{"rj"}, Rule: "R240",
		Plan: message.Plan{Steps: []message.Step{planStep("look-again", message.PhaseLook), planStep("promote", message.PhaseAct)}},
	})
	t.run(c, message.StateStarted)
	t.journal(3, message.StateStarted, map[string]journalStep{"look-again": begunStep})
	t.step(c, "look-again", message.StateStarted)
	t.fenced("sp", 2)
	t.step(c, "look-again", message.StateDone)
	t.held(c)
	t.journal(3, message.StateHeld, map[string]journalStep{"look-again": doneStep, "promote": begunStep})
	t.step(c, "promote", message.StateStarted)
	t.acked("rj")
	t.step(c, "promote", message.StateDone)
	t.journal(3, message.StateDone, map[string]journalStep{"look-again": doneStep, "promote": doneStep})
	t.run(c, message.StateDone)
	t.incident(1, false)
	t.word("rj", 3, "sp", message.StandbySynchronous)
	quiet(4, message.KindReconfigure, "rj", "rj", "sp")

	t.asked("rq-1", message.VerbSwitchover, 5, true, func() {
		c = t.command(&message.Command{
			Epoch: 5, Kind: message.KindSwitchover, Primary: "sp", From: "rj", Members: []string{"sp"}, Rule: "R402", Request: "rq-1",
			Plan: message.Plan{Steps: []message.Step{planStep("new-is-up", message.PhaseLook), planStep("give-up", message.PhaseRelease)}},
		})
	})
	t.journal(5, message.StateStarted, map[string]journalStep{"new-is-up": doneStep, "give-up": begunStep})
	t.step(c, "give-up", message.StateStarted)
	t.asked("rq-2", message.VerbAbort, 6, true, func() {
		c = t.command(&message.Command{Epoch: 6, Kind: message.KindResume, Primary: "rj", From: "sp", Members: []string{"rj", "sp"}, Rule: "R406", Request: "rq-2"})
	})
	t.journal(5, message.StateSuperseded, map[string]journalStep{"new-is-up": doneStep, "give-up": begunStep})
	t.run(&message.Command{ID: group + ".5", Epoch: 5, Kind: message.KindSwitchover, Primary: "sp"}, message.StateSuperseded)
	t.held(c)
	t.journal(6, message.StateDone, nil)
	t.run(c, message.StateDone)
	t.asked("rq-3", message.VerbSwitchover, 6, false, nil)
	t.asked("rq-4", message.VerbPause, 6, true, func() { t.mark("rq-4", true) })
	t.asked("rq-5", message.VerbResume, 6, true, func() { t.mark("rq-5", false) })
	t.acked("rj")
	return t
}

func planStep(name string, phase message.Phase) message.Step {
	return message.Step{Name: name, Phase: phase, Driver: "postgres", On: "any", Timeout: 1, OnFailure: message.FailPause, Says: "do it"}
}

// record writes the tale down.
func (t *tale) record(tb testing.TB) *record {
	tb.Helper()
	r := t.r
	r.Began, r.Ended = dawn, t.now()
	seq := map[string]uint64{}
	for _, l := range t.lines {
		if l == nil {
			continue
		}
		seq[l.stream]++
		e := entry{Stream: l.stream, Seq: seq[l.stream], At: l.at, Subject: l.stream}
		var err error
		if l.run != nil {
			e.Body, err = json.Marshal(l.run)
		} else {
			e.Type = message.TypeOf(l.m)
			e.Body, err = json.Marshal(l.m)
		}
		require.NoError(tb, err)
		r.Entries = append(r.Entries, e)
	}
	return &r
}

// find is the nth line of the tale that f holds for, n from 0.
func find[T message.Message](t *tale, n int, f func(T) bool) (int, T) {
	for i, l := range t.lines {
		if l == nil || l.m == nil {
			continue
		}
		if m, ok := l.m.(T); ok && f(m) {
			if n--; n < 0 {
				return i, m
			}
		}
	}
	panic("the tale has no such line")
}

func commandOf(t *tale, epoch uint64) (int, *message.Command) {
	return find(t, 0, func(c *message.Command) bool { return c.Epoch == epoch })
}

func heldLine(t *tale, epoch uint64) (int, *message.Held) {
	return find(t, 0, func(h *message.Held) bool { return h.Epoch == epoch })
}

func (t *tale) drop(i int) { t.lines[i] = nil }

// dropEvent takes the event with this id away.
func (t *tale) dropEvent(id string) {
	i, _ := find(t, 0, func(e *message.Event) bool { return e.ID == id })
	t.drop(i)
}

// move puts line i behind line j, at its time.
func (t *tale) move(i, j int) {
	l := t.lines[i]
	l.at = t.lines[j].at.Add(time.Microsecond)
	t.lines = slices.Insert(t.lines, j+1, l)
	if j < i {
		i++
	}
	t.lines = slices.Delete(t.lines, i, i+1)
}

// runs is the nth revision of the journal of an epoch.
func (t *tale) runs(epoch uint64, n int) (int, *journalRun) {
	for i, l := range t.lines {
		if l != nil && l.run != nil && l.run.Epoch == epoch {
			if n--; n < 0 {
				return i, l.run
			}
		}
	}
	panic("the journal has no such revision")
}

// TestLawsHold: the laws find nothing in a record in which all is well.
func TestLawsHold(t *testing.T) {
	require.Empty(t, sound().record(t).breaches())
	require.Empty(t, (&record{}).breaches())
}

// TestLawsAreKept: each law finds the record in which it is broken. The first word is the law's name; says is part of what it finds.
func TestLawsAreKept(t *testing.T) {
	for _, x := range []struct {
		law, says string
		broken    func(*tale)
	}{
		{"chain", "epoch 7 follows epoch 5", func(t *tale) { _, c := commandOf(t, 6); c.Epoch = 7 }},
		{"chain", "epoch 2 follows epoch 2", func(t *tale) { _, c := commandOf(t, 3); c.Epoch = 2 }},
		{"chain", "held of epoch 2 stands after the command of epoch 3", func(t *tale) {
			i, _ := heldLine(t, 2)
			j, _ := commandOf(t, 3)
			t.move(i, j)
		}},
		{"chain", "epoch 3 is held twice", func(t *tale) {
			i, h := heldLine(t, 3)
			again := *h
			again.ID += ".again"
			t.lines = slices.Insert(t.lines, i+1, &line{stream: subject.StreamCommands, m: &again, at: t.lines[i].at})
		}},
		{"chain", "names rj", func(t *tale) { _, h := heldLine(t, 3); h.Primary, h.Executor = "sp", "sp" }},
		{"chain", `beside rj is "rj"`, func(t *tale) { _, h := heldLine(t, 3); h.Executor = "witness" }},
		{"succession", "the first command is a failover", func(t *tale) { _, c := commandOf(t, 1); c.Kind, c.From = message.KindFailover, "rj" }},
		{"succession", "epoch 4 is not held", func(t *tale) { i, _ := heldLine(t, 4); t.drop(i) }},
		{"succession", "the members of epoch 2 are [sp]", func(t *tale) { _, c := commandOf(t, 2); c.Members = []string{"sp"} }},
		{"succession", "switchover from witness to sp", func(t *tale) { _, c := commandOf(t, 5); c.From = "witness" }},
		{"succession", "is not armed", func(t *tale) { _, c := commandOf(t, 2); c.Lease.Armed = false }},
		{"succession", "resume of sp, and the last that held is rj", func(t *tale) { _, c := commandOf(t, 6); c.Primary = "sp" }},
		{"succession", "reconfigure of sp, and the last that held is rj", func(t *tale) { _, c := commandOf(t, 4); c.Primary = "sp" }},
		{"terms", "epoch 1 is not held", func(t *tale) { i, _ := heldLine(t, 1); t.drop(i) }},
		{"terms", "one reconfigure changes members, ttl", func(t *tale) { _, c := commandOf(t, 2); c.Lease.TTL *= 2 }},
		{"terms", "one reconfigure changes members, deciders", func(t *tale) { _, c := commandOf(t, 4); c.Lease.Deciders = []string{"rj", "sp"} }},
		{"promotable", "which is not promotable", func(t *tale) { _, c := commandOf(t, 2); c.Members = []string{"sp"} }},
		{"promotable", "nobody but rj can be known to have every write", func(t *tale) { _, c := commandOf(t, 3); c.Members = []string{"rj", "sp"} }},
		{"promotable", "the resume makes witness promotable", func(t *tale) { _, c := commandOf(t, 6); c.Members = append(c.Members, "witness") }},
		{"promotable", "the primary's last word was streaming", func(t *tale) {
			_, r := find(t, 1, func(*message.Replication) bool { return true })
			r.Standbys[0].State = message.StandbyStreaming
		}},
		{"promotable", "the primary's last word was none", func(t *tale) { _, c := commandOf(t, 2); c.Positions["safety"] = 0 }},
		{"tenure", "sp acknowledged a write", func(t *tale) { t.r.Tried[len(t.r.Tried)-1].Node = "sp" }},
		{"tenure", "rj acknowledged a write", func(t *tale) { t.r.Tried[0].Node = "rj" }},
		{"tenure", "before anything was held", func(t *tale) { t.r.Tried[0].Call, t.r.Tried[0].Return = dawn, dawn }},
		{"fenced", "rj holds epoch 3, and was fenced up to epoch 3 before", func(t *tale) {
			_, f := find(t, 0, func(*message.Fenced) bool { return true })
			f.Member, f.Epoch = "rj", 3
		}},
		{"fenced", "the newest is 3", func(t *tale) { _, f := find(t, 0, func(*message.Fenced) bool { return true }); f.Epoch = 4 }},
		{"fenced", "after it had said", func(t *tale) {
			i, _ := find(t, 0, func(*message.Fenced) bool { return true })
			at := t.lines[i].at.Add(10 * time.Microsecond)
			t.r.Tried = append(t.r.Tried, tried{at, at.Add(time.Microsecond), "sp"})
		}},
		{"paused", "switchover at epoch 5", func(t *tale) {
			i, _ := find(t, 0, func(m *message.Mark) bool { return m.Paused })
			j, _ := heldLine(t, 4)
			t.move(i, j)
		}},
		{"order", "step promote of epoch 3 is begun after step new-is-up of epoch 5", func(t *tale) {
			i, _ := t.runs(3, 2)
			k, _ := t.runs(3, 1)
			j, _ := t.runs(5, 0)
			t.move(i, j)
			t.move(k, j-1)
		}},
		{"order", "step promote of epoch 3 was begun at", func(t *tale) {
			_, late := find(t, 0, func(m *message.StepResult) bool { return m.Step == "give-up" })
			_, s := find(t, 0, func(m *message.StepResult) bool { return m.Step == "promote" && m.State == message.StateStarted })
			s.At = late.At + 1
		}},
		{"held-first", "before it was held", func(t *tale) {
			i, _ := heldLine(t, 3)
			j, _ := t.runs(3, 2)
			t.move(i, j)
		}},
		{"held-first", "was never held", func(t *tale) { i, _ := heldLine(t, 3); t.drop(i) }},
		{"held-first", "is not in the plan", func(t *tale) { _, c := commandOf(t, 3); c.Plan.Steps = c.Plan.Steps[:1] }},
		{"once", "and was done", func(t *tale) {
			_, r := t.runs(3, 2)
			r.Steps["look-again"] = journalStep{State: message.StateStarted, Attempt: 2}
		}},
		{"once", "and the run was superseded already", func(t *tale) {
			t.journal(5, message.StateSuperseded, map[string]journalStep{"new-is-up": doneStep, "give-up": {State: message.StateStarted, Attempt: 2}})
		}},
		{"once", "the run of epoch 5 is done, and was superseded", func(t *tale) {
			t.journal(5, message.StateDone, map[string]journalStep{"new-is-up": doneStep, "give-up": doneStep})
		}},
		{"ended", "the journal knows nothing of epoch 4", func(t *tale) { i, _ := t.runs(4, 0); t.drop(i) }},
		{"ended", "the switchover of epoch 5 is started", func(t *tale) { i, _ := t.runs(5, 1); t.drop(i) }},
		{"ended", "the last that was told of it is", func(t *tale) {
			i, _ := find(t, 0, func(m *message.RunResult) bool { return m.State == message.StateSuperseded })
			t.drop(i)
		}},
		{"ended", "is done, and its step promote is", func(t *tale) { _, r := t.runs(3, 2); delete(r.Steps, "promote") }},
		{"told", "the failover of epoch 3 has no event", func(t *tale) { t.dropEvent("decision.orders.3") }},
		{"told", "the mark has no event", func(t *tale) { t.dropEvent("mode.mark.rq-4") }},
		{"told", "step promote of epoch 3 has no event", func(t *tale) { t.dropEvent("ev.orders.3.promote.done") }},
		{"told", "the run of epoch 5 has no event", func(t *tale) { t.dropEvent("ev.orders.5.run.superseded") }},
		{"told", "that sp is fenced up to epoch 2 has no event", func(t *tale) { t.dropEvent("ev.fenced.sp.2") }},
		{"told", "the failover from sp has no verdict", func(t *tale) { t.dropEvent("verdict.1") }},
		{"told", "that epoch 3 is held is not told", func(t *tale) {
			i, _ := find(t, 0, func(m *message.RunResult) bool { return m.Epoch == 3 && m.State == message.StateHeld })
			t.drop(i)
		}},
		{"asked", "request rq-3 has no outcome", func(t *tale) { t.dropEvent("outcome.rq-3") }},
		{"asked", "has no outcome", func(t *tale) {
			i, _ := find(t, 0, func(m *message.Request) bool { return m.ID == "rq-3" })
			t.drop(i)
			t.dropEvent("outcome.rq-3")
		}},
		{"asked", "rq-3 was refused without a reason", func(t *tale) {
			_, e := find(t, 0, func(m *message.Event) bool { return m.ID == "outcome.rq-3" })
			e.Outcome.Reasons = nil
		}},
		{"asked", "rq-4 (pause) was accepted, and nothing stands in the chain for it", func(t *tale) {
			_, m := find(t, 0, func(m *message.Mark) bool { return m.Paused })
			m.Request = ""
		}},
		{"asked", "rq-1 was accepted as epoch 9, and is epoch 5", func(t *tale) { t.r.Asked[0].Answer.Epoch = 9 }},
		{"asked", "its outcome says otherwise", func(t *tale) { o := *t.r.Asked[2].Answer; o.Accepted = true; t.r.Asked[2].Answer = &o }},
		{"asked", "rq-9, which is not stored", func(t *tale) { _, c := commandOf(t, 6); c.Request = "rq-9" }},
		{"asked", "rq-3, which was refused", func(t *tale) { _, c := commandOf(t, 6); c.Request = "rq-3" }},
		{"asked", "rq-1 was accepted and refused", func(t *tale) {
			t.event(&message.Event{ID: "outcome.rq-1.again", Kind: message.EventOutcome, Outcome: &message.Outcome{
				Request: "rq-1", Group: group, Verb: message.VerbSwitchover, Sentence: "no", Reasons: []message.Reason{{Code: "R303", Sentence: "a swap is under way"}},
			}})
		}},
		{"incidents", "nobody said that it is over", func(t *tale) { t.dropEvent("incident.1.closed") }},
		{"incidents", "orders-2 is open", func(t *tale) { t.incident(2, true) }},
		{"bus-away", "failover at epoch 3 though nothing but the bus was gone", func(t *tale) { t.r.Acts[0].Until = t.r.Acts[0].Until.Add(time.Minute) }},
		{"bus-away", "nobody was served for", func(t *tale) { t.r.Tried = append(t.r.Tried[:3], t.r.Tried[len(t.r.Tried)-2:]...) }},
		{"letters", "dead letter of ham.v1.ask.orders.drill", func(t *tale) {
			t.say(subject.StreamDeadLetter, &message.DeadLetter{ID: "dl.1", Stream: "core", Subject: "ham.v1.ask.orders.drill", Reason: "no", Writer: "sp"})
		}},
		{"crashes", "panic: index out of range", func(t *tale) { t.r.Crashes = []string{"sp-ham.log: panic: index out of range"} }},
	} {
		tale := sound()
		x.broken(tale)
		got := tale.record(t).breaches()
		assert.True(t, slices.ContainsFunc(got, func(s string) bool { return strings.HasPrefix(s, x.law+": ") && strings.Contains(s, x.says) }),
			"%s, %q: found %q", x.law, x.says, got)
	}
}

// What stands before the sequence was judged with another one.
func TestBreachesBeforeTheSequenceAreOthers(t *testing.T) {
	tale := sound()
	tale.dropEvent("decision.orders.3")
	r := tale.record(t)
	require.Len(t, r.breaches(), 1)
	r.Since = r.Ended
	require.Empty(t, r.breaches())
}

// TestRecordIsKept: what is written is what is read.
func TestRecordIsKept(t *testing.T) {
	r := sound().record(t)
	file := filepath.Join(t.TempDir(), "x.record.gz")
	require.NoError(t, r.save(file))
	back, err := loadRecord(file)
	require.NoError(t, err)
	require.Equal(t, len(r.Entries), len(back.Entries))
	require.Empty(t, back.breaches())
	require.Equal(t, r.Tried, back.Tried)
}
