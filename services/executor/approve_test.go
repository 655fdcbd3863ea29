package executor

import (
	"strings"
	"testing"
	"time"

	"github.com/isacloud/ha-manager/pkg/message"
)

// approval is a step that waits for a person for so long.
func approval(name string, within time.Duration) message.Step {
	return message.Step{
		Name: name, Phase: message.PhaseLook, Driver: message.DriverApprove, With: []byte(`{"text": "is the backup there"}`), On: "any",
		Timeout: message.Duration(within), OnFailure: message.FailAbort, Unskippable: true, Says: "wait until a person approves: is the backup there",
	}
}

// A swap waits at an approval step for as long as it takes, also over a change of executors. Skip and retry pass nothing; the approval does, also one that was
// given while no executor ran.
func TestAnApprovalStepWaitsForAPerson(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	x := l.start("x1")
	l.decide(l.command("web", 1, approval("backup", time.Hour), l.look("look-again", "yes"), l.act("one")))
	waits := l.step("web", 1, "backup", message.StateWaiting)
	if !strings.Contains(waits.Wanted, "is the backup there") {
		t.Errorf("%+v", waits)
	}
	l.instruct("web", 1, message.VerbSkip, "backup", 1)
	l.instruct("web", 1, message.VerbRetry, "backup", 1)
	// A command for another group is turned: both were heard by then.
	l.decide(l.command("other", 1, l.act("one")))
	l.run("other", 1, message.StateDone)
	if l.held("web", 1) != 0 || l.ledger.has("web.1.one") {
		t.Fatalf("held %d times, applied %v", l.held("web", 1), l.ledger.lines())
	}
	x.end(t)
	l.instruct("web", 1, message.VerbApprove, "backup", 1)
	l.start("x2")
	done := l.step("web", 1, "backup", message.StateDone)
	l.run("web", 1, message.StateDone)
	if done.Evidence != "approved by ana: seen" || !l.ledger.has("web.1.one") {
		t.Errorf("%+v, applied %v", done, l.ledger.lines())
	}
}

// Nobody answers: it ends before anything was changed.
func TestAnApprovalStepExpires(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.start("x1")
	l.start("x2")
	l.decide(l.command("web", 1, approval("backup", 50*time.Millisecond), l.act("one")))
	r := l.run("web", 1, message.StateAborted)
	if !strings.Contains(r.Sentence, "nobody approved it within 50ms") || l.held("web", 1) != 0 || len(l.ledger.lines()) != 0 {
		t.Errorf("%+v, held %d times, applied %v", r, l.held("web", 1), l.ledger.lines())
	}
}
