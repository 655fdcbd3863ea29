package plan

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/isacloud/ha-manager/pkg/message"
)

// Tell gives the messages that say how a run went from one version of its record to a newer one, in their order. The zero
// Record as old tells everything. The ids depend on what happened alone: told twice, or by two executors, they are the same.
func Tell(cmd *message.Command, key, executor string, old, now Record) []message.Message {
	t := teller{cmd: cmd, key: key, executor: executor, rec: now}
	if !old.Exists() && now.Exists() {
		t.run(message.StateStarted, "", fmt.Sprintf("%s of %s to %s begins, epoch %d", cmd.Kind, cmd.Group, cmd.Primary, cmd.Epoch))
	}
	held := false
	for i := range cmd.Plan.Steps {
		step := &cmd.Plan.Steps[i]
		if step.Phase != message.PhaseLook && step.Phase != message.PhaseRelease && !held {
			held = true
			t.held(old)
		}
		was, is := old.Steps[step.Name], now.Steps[step.Name]
		if is.State == "" || (was.State == is.State && was.Attempt == is.Attempt && was.Take == is.Take) {
			continue
		}
		if is.State != message.StateStarted && (was.Attempt != is.Attempt || was.State == "") {
			t.step(step, Step{State: message.StateStarted, Attempt: is.Attempt, Take: is.Take, Executor: is.Executor, At: is.At})
		}
		t.step(step, is)
		if is.State == message.StatePaused {
			t.run(message.StatePaused, step.Name, pausedSentence(step, is))
		}
	}
	if !held {
		t.held(old)
	}
	if now.Over() && !old.Over() {
		t.run(now.State, now.Step, now.Sentence)
	}
	return t.out
}

type teller struct {
	cmd           *message.Command
	key, executor string
	rec           Record
	out           []message.Message
}

// held tells that the run was held, which a record that went on at once shows by its steps only.
func (t *teller) held(old Record) {
	if t.rec.State == message.StateHeld && old.State != message.StateHeld || t.rec.State == message.StateDone && (old.State == message.StateStarted || !old.Exists()) {
		t.run(message.StateHeld, "", fmt.Sprintf("%s holds epoch %d of %s: from here on the swap only goes forward", t.cmd.Primary, t.cmd.Epoch, t.cmd.Group))
	}
}

func (t *teller) id(parts ...string) string { return t.key + "." + strings.Join(parts, ".") }

func (t *teller) run(state message.State, step, sentence string) {
	parts := []string{"run", string(state)}
	if state == message.StatePaused {
		parts = append(parts, step, strconv.Itoa(t.rec.Steps[step].Attempt))
	}
	m := &message.RunResult{
		ID: t.id(parts...), Group: t.cmd.Group, Epoch: t.cmd.Epoch, Command: t.cmd.ID, Kind: t.cmd.Kind, Primary: t.cmd.Primary, Incident: t.cmd.Incident,
		State: state, Step: step, Executor: t.executor, DryRun: t.cmd.DryRun, Drill: t.cmd.Drill, Sentence: sentence, At: t.rec.At,
	}
	if t.cmd.DryRun {
		m.Sentence = "dry run: " + m.Sentence
	}
	if state == message.StateDone {
		m.ExecuteMicros, m.VerifyMicros = t.rec.ExecuteMicros, max(0, t.rec.ElapsedMicros-t.rec.ExecuteMicros)
	}
	t.out = append(t.out, m)
}

func (t *teller) step(step *message.Step, s Step) {
	parts := []string{step.Name, strconv.Itoa(s.Attempt), string(s.State)}
	if s.Take > 0 {
		parts = append(parts, "take"+strconv.Itoa(s.Take))
	}
	t.out = append(t.out, &message.StepResult{
		ID: t.id(parts...), Group: t.cmd.Group, Epoch: t.cmd.Epoch, Command: t.cmd.ID, Incident: t.cmd.Incident,
		Step: step.Name, Driver: step.Driver, State: s.State, Attempt: s.Attempt, Executor: t.executor, Holder: s.Executor, DryRun: t.cmd.DryRun,
		Found: s.Found, Wanted: s.Wanted, Applied: s.Applied, Evidence: s.Evidence, Problem: s.Problem, TookMicros: s.TookMicros, At: s.At,
	})
}

func pausedSentence(step *message.Step, s Step) string {
	why := cmp.Or(s.Problem, s.Found, "it failed")
	ways := "retry it, skip it, or abort the swap"
	if step.Unskippable {
		ways = "retry it, or abort the swap; it cannot be skipped"
	}
	if s.Doubt {
		return fmt.Sprintf("step %s waits for a person: whether it was done is not known (%s); look, then %s", step.Name, why, ways)
	}
	return fmt.Sprintf("step %s waits for a person after %d attempts: %s; %s", step.Name, s.Attempt, why, ways)
}

func (r *Run) doneSentence(rec *Record, elapsed time.Duration) string {
	applied, left := 0, ""
	for _, step := range r.Command.Plan.Steps {
		switch s := rec.Steps[step.Name]; {
		case s.State == message.StateFailed:
			left += fmt.Sprintf("; step %s failed and was passed over: %s", step.Name, s.Problem)
		case s.State == message.StateSkipped:
			left += fmt.Sprintf("; step %s was skipped", step.Name)
		case s.Applied:
			applied++
		}
	}
	sentence := fmt.Sprintf("%s is primary of %s, epoch %d: %d of %d steps changed something, %s from command to verified", r.Command.Primary, rec.Group, rec.Epoch,
		applied, len(r.Command.Plan.Steps), elapsed.Round(10*time.Microsecond))
	if rec.DryRun {
		sentence = fmt.Sprintf("%s would be primary of %s: %d steps were looked at, nothing was changed", r.Command.Primary, rec.Group, len(r.Command.Plan.Steps))
	}
	if m := r.Command.Remedy; m != nil && !rec.DryRun {
		sentence = fmt.Sprintf("the try to mend %s of %s is over, epoch %d, after %s", m.Member, rec.Group, rec.Epoch, elapsed.Round(10*time.Microsecond))
	}
	return clipTo(sentence+left, 2000)
}

// whatNow says what an abort leaves behind.
func (r *Run) whatNow(rec *Record, see Seen) string {
	if see.Held || rec.State == message.StateHeld {
		return fmt.Sprintf("%s stays primary, since it holds the epoch; what was not done is left to do", r.Command.Primary)
	}
	for _, step := range r.Command.Plan.Steps {
		if s := rec.Steps[step.Name]; step.Phase == message.PhaseRelease && (s.Applied || s.Doubt || s.State == message.StateStarted) {
			return "what the earlier primary gave up it takes back by a command of its own"
		}
	}
	return "nothing was changed; the earlier primary stays"
}

func clipTo(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n-3], "") + "…"
}
