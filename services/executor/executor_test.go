package executor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/isacloud/ha-manager/pkg/bus/embedded/bustest"
	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec/store"
	"github.com/isacloud/ha-manager/pkg/subject"
	"github.com/isacloud/ha-manager/services/executor/resource"
)

// A command is turned: looked again, held, acted, verified, and everything is told once.
func TestTurnsACommand(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.start("x1")
	l.decide(l.command("web", 1, l.look("look-again", "yes"), l.act("one"), l.act("two"), l.verify("verify")))
	r := l.run("web", 1, message.StateDone)
	l.check(t, "web", 1, "one", "two")
	if got := l.ledger.lines(); !slices.Equal(got, []string{"web.1.one", "web.1.two"}) {
		t.Errorf("applied: %v", got)
	}
	if r.ExecuteMicros <= 0 || r.Executor != "x1" {
		t.Errorf("%+v", r)
	}
	await(l, "the end, for people", func(m *message.Event) bool {
		return m.Kind == message.EventRun && m.Run != nil && m.Run.State == message.StateDone
	})
	await(l, "a step, for people", func(m *message.Event) bool {
		return m.Kind == message.EventStep && m.Step != nil && m.Step.Step == "one" && m.Step.Applied
	})
	t.Logf("executed in %dus, verified in %dus", r.ExecuteMicros, r.VerifyMicros)
}

// The first step finds that the old primary is up after all: nothing is held, nothing is applied.
func TestEnds(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.start("x1")
	l.decide(l.command("web", 1, l.look("look-again", "ends"), l.act("one")))
	r := l.run("web", 1, message.StateEnded)
	if l.held("web", 1) != 0 || len(l.ledger.lines()) != 0 || r.Step != "look-again" {
		t.Errorf("held %d times, applied %v, %+v", l.held("web", 1), l.ledger.lines(), r)
	}
}

// A failed step waits for a person. An instruction for an earlier attempt changes nothing; retry, skip and reject do what they say.
func TestInstructions(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.start("x1")
	steps := []message.Step{l.act("one", `{"fails": 2}`), l.act("two", `{"fails": 9}`), l.act("three", `{"fails": 9}`), l.act("four")}
	l.decide(l.command("web", 1, steps...))
	paused := func(step string, attempt int) {
		t.Helper()
		await(l, step+" paused", func(m *message.StepResult) bool {
			return m.Step == step && m.State == message.StatePaused && m.Attempt == attempt
		})
	}
	paused("one", 1)
	l.instruct("web", 1, message.VerbRetry, "one", 1)
	paused("one", 2)
	l.instruct("web", 1, message.VerbSkip, "one", 1) // of the attempt before
	l.instruct("web", 1, message.VerbRetry, "one", 2)
	l.step("web", 1, "one", message.StateDone)
	paused("two", 1)
	l.instruct("web", 1, message.VerbSkip, "two", 1)
	l.step("web", 1, "two", message.StateSkipped)
	paused("three", 1)
	l.instruct("web", 1, message.VerbReject, "three", 1)
	r := l.run("web", 1, message.StateAborted)
	if !strings.Contains(r.Sentence, "ana") || l.ledger.has("web.1.four") || !l.ledger.has("web.1.one") || l.ledger.has("web.1.two") {
		t.Errorf("%s; applied %v", r.Sentence, l.ledger.lines())
	}
}

// An instruction that was given while no executor ran is heard by the next.
func TestInstructionWhileAway(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	dir := t.TempDir()
	x := l.start("x1", func(o *Options) { o.StateDir = dir })
	l.decide(l.command("web", 1, l.act("one", `{"fails": 1}`)))
	l.step("web", 1, "one", message.StatePaused)
	x.end(t)
	l.instruct("web", 1, message.VerbRetry, "one", 1)
	l.start("x1", func(o *Options) { o.StateDir = dir })
	l.run("web", 1, message.StateDone)
}

// Once paused, nothing is begun until the group is unpaused, though the step in flight ends.
func TestPause(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.start("x1")
	gate := filepath.Join(t.TempDir(), "gate")
	l.decide(l.command("web", 1, l.act("one", fmt.Sprintf(`{"slow": %q}`, gate)), l.act("two")))
	l.step("web", 1, "one", message.StateStarted)
	l.decide(&message.Mark{ID: "m1", Group: "web", Paused: true, Actor: "ana", Decider: "decider-1"})
	// A command for another group is turned: the mark was heard by then.
	l.decide(l.command("other", 1, l.act("one")))
	l.run("other", 1, message.StateDone)
	if err := os.WriteFile(gate, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	l.step("web", 1, "one", message.StateDone)
	time.Sleep(200 * time.Millisecond) // nothing tells of what does not happen
	if n := count(l, func(m *message.StepResult) bool { return m.Group == "web" && m.Step == "two" }); n != 0 || l.ledger.has("web.1.two") {
		t.Errorf("step two was begun in a paused group")
	}
	l.decide(&message.Mark{ID: "m2", Group: "web", Paused: false, Actor: "ana", Decider: "decider-1"})
	l.run("web", 1, message.StateDone)
}

// A newer epoch takes the place of one that is under way, and cuts its step short.
func TestSuperseded(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.start("x1")
	never := filepath.Join(t.TempDir(), "never")
	l.decide(l.command("web", 1, l.act("one", fmt.Sprintf(`{"slow": %q}`, never)), l.act("two")))
	l.step("web", 1, "one", message.StateStarted)
	l.decide(l.command("web", 2, l.act("three")))
	l.run("web", 2, message.StateDone)
	l.run("web", 1, message.StateSuperseded)
	l.step("web", 1, "one", message.StateFailed)
	if got := l.ledger.lines(); !slices.Equal(got, []string{"web.2.three"}) {
		t.Errorf("applied %v", got)
	}
}

// A command of a lower epoch than this executor has seen is refused, also after a restart on a bus that knows nothing of it.
func TestStaleEpochIsRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	before := newLab(t)
	x := before.start("x1", func(o *Options) { o.StateDir = dir })
	before.decide(before.command("web", 7, before.act("one")))
	before.run("web", 7, message.StateDone)
	x.end(t)

	after := newLab(t) // the bus was lost and made anew
	after.decide(after.command("web", 5, after.act("one")))
	after.start("x1", func(o *Options) { o.StateDir = dir })
	refused := func(epoch uint64) {
		t.Helper()
		await(after, "refusal", func(m *message.Event) bool { return m.Epoch == epoch && m.Severity == message.Critical })
	}
	refused(5)
	after.decide(after.command("web", 6, after.act("one")))
	refused(6)
	if after.held("web", 5)+after.held("web", 6) != 0 || len(after.ledger.lines()) != 0 {
		t.Errorf("a stale epoch was held, or applied %v", after.ledger.lines())
	}
	after.decide(after.command("web", 8, after.act("one")))
	after.run("web", 8, message.StateDone)
}

// A dry run looks at every step and applies nothing; it leaves the chain alone and tells in the events, once, whoever rehearsed it.
func TestDryRunAppliesNothing(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.start("x1")
	l.start("x2")
	cmd := l.command("web", 3, l.look("look-again", "yes"), l.act("one"), l.act("two", `{"says": "blind"}`), l.verify("verify"))
	cmd.DryRun = true
	for _, decider := range []string{"decider-1", "decider-2"} { // two deciders tell of the same
		e := &message.Event{ID: "shadow.web.3", Group: "web", Kind: message.EventShadow, Severity: message.Notice, Sentence: "would fail over", DryRun: true, Command: cmd, Writer: decider, Epoch: 3}
		if _, err := l.bus.Publish(t.Context(), subject.Event("web", message.EventShadow, decider), e); err != nil {
			t.Fatal(err)
		}
	}
	await(l, "the end of the rehearsal", func(m *message.Event) bool { return m.Run != nil && m.Run.State == message.StateDone })
	one := await(l, "what step one found", func(m *message.Event) bool {
		return m.Step != nil && m.Step.Step == "one" && m.Step.State == message.StateDone
	})
	if one.Step.Applied || one.Step.Found == "" || one.Step.Wanted == "" || !one.DryRun || !one.Step.DryRun {
		t.Errorf("%+v", one.Step)
	}
	if len(l.ledger.lines()) != 0 || len(l.chain("web")) != 0 {
		t.Errorf("applied %v, chain %v", l.ledger.lines(), l.chain("web"))
	}
	if n := count(l, func(m *message.RunResult) bool { return true }); n != 0 {
		t.Errorf("%d results of a rehearsal stand where safety rests on them", n)
	}
	time.Sleep(100 * time.Millisecond)
	if n := count(l, func(m *message.Event) bool { return m.Run != nil && m.Run.State == message.StateDone }); n != 1 {
		t.Errorf("the rehearsal was told %d times", n)
	}
}

// Two executors turn the same commands: each step is applied once, whoever is first.
func TestTwoExecutors(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.start("x1")
	l.start("x2")
	for epoch := uint64(1); epoch <= 20; epoch++ {
		l.decide(l.command("web", epoch, l.look("look-again", "yes"), l.act("one"), l.act("two"), l.verify("verify")))
		l.run("web", epoch, message.StateDone)
		l.check(t, "web", epoch, "one", "two")
	}
}

// Steps run where they belong.
func TestSites(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.start("x-sp", func(o *Options) { o.Sites = []string{"sp"} })
	l.start("x-rj", func(o *Options) { o.Sites = []string{"rj"} })
	stop, start, route := l.act("stop"), l.act("start"), l.act("route")
	stop.On, stop.Site = "old", "sp"
	start.On, start.Site = "new", "rj"
	route.Site = "rj"
	l.decide(l.command("web", 1, stop, start, route))
	l.run("web", 1, message.StateDone)
	for step, want := range map[string]string{"stop": "x-sp", "start": "x-rj", "route": "x-rj"} {
		if got := l.step("web", 1, step, message.StateDone); got.Holder != want {
			t.Errorf("%s was run by %s, want %s", step, got.Holder, want)
		}
	}
}

// Two executors of one name would take each other's work for their own: the second does not start.
func TestNameIsTaken(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.start("x1")
	x, err := New(l.options("x1", t.TempDir()))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := x.Run(ctx); !errors.Is(err, ErrNameTaken) {
		t.Errorf("the second says %v", err)
	}
}

// The bus goes away in the middle of a step and comes back: the step is finished, and the run goes on.
func TestBusAway(t *testing.T) {
	t.Parallel()
	l := newLab(t, bustest.Listening)
	gate := filepath.Join(t.TempDir(), "gate")
	l.start("x1", func(o *Options) { o.TakeOver, o.Every = 10*time.Second, 100*time.Millisecond })
	l.decide(l.command("web", 1, l.act("one", fmt.Sprintf(`{"slow": %q}`, gate)), l.act("two")))
	l.step("web", 1, "one", message.StateStarted)
	l.restart(t, func() {
		if err := os.WriteFile(gate, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		for !l.ledger.has("web.1.one") {
			time.Sleep(time.Millisecond)
		}
	})
	l.run("web", 1, message.StateDone)
	l.check(t, "web", 1, "one", "two")
}

// The disk does not take the epoch: nothing of it is begun, and it is told.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	dir := t.TempDir()
	// A folder stands where the file of the group would be made: that fails for root too.
	if err := os.Mkdir(filepath.Join(dir, "epoch-web.new"), 0o700); err != nil {
		t.Fatal(err)
	}
	l.start("x1", func(o *Options) { o.StateDir = dir })
	l.decide(l.command("web", 1, l.act("one")))
	await(l, "the disk", func(m *message.Event) bool {
		return m.Severity == message.Critical && strings.Contains(m.Sentence, "disk")
	})
	if l.held("web", 1) != 0 || len(l.ledger.lines()) != 0 {
		t.Error("an epoch was turned that is not on disk")
	}
}

// What a plan would find is answered without changing anything.
func TestLook(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.start("x-rj", func(o *Options) { o.Sites = []string{"rj"} })
	elsewhere, unknown := l.act("elsewhere"), l.act("unknown")
	elsewhere.On, elsewhere.Site = "old", "sp"
	unknown.Driver = "no-such"
	plan := l.command("web", 4, l.look("look-again", "ends"), l.act("one"), elsewhere, unknown, l.verify("verify")).Plan
	h, body, err := message.Encode(&message.Preview{Group: "web", Verb: message.VerbFailover, From: "a", To: "b", Epoch: 4, Sentence: "would fail over", Plan: &plan}, "/ham/test/t", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	for _, subj := range []string{subject.Look("x-rj"), subject.LookAny} {
		var looked message.Looked
		l.request(t, subj, h, body, &looked)
		var got []string
		for _, s := range looked.Steps {
			got = append(got, s.Step+" "+string(s.State))
		}
		want := []string{"look-again failed", "one started", "elsewhere skipped", "unknown failed", "verify done"}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", subj, got, want)
		}
	}
	if len(l.ledger.lines()) != 0 {
		t.Errorf("applied %v", l.ledger.lines())
	}
}

// That a member is fenced is stored for those whose safety rests on it, and told to people.
func TestThatAMemberIsFencedIsTold(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	m := l.start("x1")
	if err := m.sayFenced(t.Context(), &message.Command{Group: "web", Epoch: 3}, "a", "it is off"); err != nil {
		t.Fatal(err)
	}
	word := await(l, "the word", func(*message.Fenced) bool { return true })
	e := await(l, "the word, for people", func(e *message.Event) bool { return e.ID == "ev."+word.ID })
	if e.Member != "a" || e.Epoch != 3 || e.Sentence != word.Sentence {
		t.Errorf("%+v", e)
	}
}

// An executor that is killed between storing that a member is fenced and telling people: its next life tells them, or, where it has none, another executor.
func TestThatAMemberIsFencedIsToldForTheDead(t *testing.T) {
	t.Parallel()
	for _, alive := range []string{"x1", "x2"} {
		t.Run(alive, func(t *testing.T) {
			t.Parallel()
			l := newLab(t)
			word := &message.Fenced{
				ID: "fenced.web.a.3", Group: "web", Member: "a", Epoch: 3, How: message.FencedItself, Executor: "x1", Sentence: "a is fenced up to epoch 3", At: time.Now().UnixMicro(),
			}
			if _, err := l.bus.Publish(t.Context(), subject.Safety("web", subject.SafetyFenced, "x1"), word); err != nil {
				t.Fatal(err)
			}
			l.start(alive)
			await(l, "the word, for people", func(e *message.Event) bool {
				return e.ID == "ev."+word.ID && e.Member == "a" && e.Sentence == word.Sentence
			})
		})
	}
}

// An executor takes up what its earlier life left behind before it has read the spec: a step that only it may do waits for that.
func TestAStepIsTakenUpBeforeTheSpecHasCome(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	cmd := l.command("web", 1, l.act("give-up", `{"leased": true}`))
	s := &cmd.Plan.Steps[0]
	s.Executor, s.Phase, s.Unskippable, s.OnFailure = "x1", message.PhaseRelease, true, message.FailAbort
	cmd.Kind = message.KindSwitchover
	cmd.Lease = &message.Lease{
		Deciders: []string{"d1"}, TTL: message.Duration(time.Second),
		Beside: []message.Beside{{Member: "a", Executor: "x1", Peer: "127.0.0.1:1"}, {Member: "b", Executor: "x2", Peer: "127.0.0.1:2"}},
	}
	l.decide(cmd)
	l.start("x1", func(o *Options) { o.Resources = []resource.Kind{} })
	l.step("web", 1, "give-up", message.StateStarted)
	text := `
group: web
mode: dry-run
members:
  a: {site: sp, executor: x1, peer: "127.0.0.1:1", redis: {address: "127.0.0.1:1", password: "${env:NONE}", service: "systemd:redis"}}
  b: {site: rj, executor: x2, peer: "127.0.0.1:2", redis: {address: "127.0.0.1:1", password: "${env:NONE}", service: "systemd:redis"}}
durability: never-stop
checks:
  alive: {redis: {}, every: 6s, timeout: 5s, from: [sp, rj]}
lease: {ttl: 1s, deciders: [d1, d2, d3], guard: none}
`
	if _, err := store.Put(t.Context(), l.bus, text, "ana", "test", store.AnyRevision); err != nil {
		t.Fatal(err)
	}
	l.step("web", 1, "give-up", message.StateDone)
}
