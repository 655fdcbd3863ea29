package executor

import (
	"testing"

	"github.com/isacloud/ha-manager/pkg/message"
)

// A command is turned: looked again, held, acted, verified, and everything is told once.
func TestTurnsACommand(t *testing.T) {
	l := newLab(t)
	l.start("x1")
	l.decide(l.command("web", 1, l.look("look-again", "yes"), l.act("one"), l.act("two"), l.verify("verify")))
	r := l.run("web", 1, message.StateDone)
	if got := l.ledger.lines(); len(got) != 2 || got[0] != "web.1.one" || got[1] != "web.1.two" {
		t.Errorf("applied: %v", got)
	}
	if l.held("web", 1) != 1 {
		t.Errorf("held %d times", l.held("web", 1))
	}
	if r.ExecuteMicros <= 0 || r.Executor != "x1" {
		t.Errorf("%+v", r)
	}
	for _, step := range []string{"look-again", "one", "two", "verify"} {
		for _, state := range []message.State{message.StateStarted, message.StateDone} {
			l.step("web", 1, step, state)
			if n := count(l, func(m *message.StepResult) bool { return m.Step == step && m.State == state }); n != 1 {
				t.Errorf("%s %s was told %d times", step, state, n)
			}
		}
	}
	t.Logf("executed in %dus, verified in %dus", r.ExecuteMicros, r.VerifyMicros)
}
