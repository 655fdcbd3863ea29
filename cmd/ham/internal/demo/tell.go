package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"time"

	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/subject"
)

// tell is the story, part by part. The interactive demo tells the first three and leaves the rest to the person.
func (d *demo) tell(ctx context.Context) error {
	parts := []struct {
		name string
		play func(context.Context) error
	}{
		{"adopt", d.adopted},
		{"failover", d.failover},
		{"rejoin", d.rejoin},
		{"ham switchover", d.switchoverByCLI},
		{"ask from a stock client", d.switchoverByAsk},
		{"request from a stock client", d.failbackByRequest},
	}
	if !d.Script {
		parts = parts[:3]
	}
	for _, p := range parts {
		if err := d.part(ctx, p.name, p.play); err != nil {
			return err
		}
	}
	return nil
}

// adopted: ham accepts the declared roles once what it sees agrees, and leads the clients to the primary.
func (d *demo) adopted(ctx context.Context) error {
	if err := d.record.until(ctx, "the roles are adopted and held", func() bool {
		return len(d.record.commands) > 0 && d.record.held[d.record.commands[0].Epoch]
	}); err != nil {
		return err
	}
	if err := d.clients.served(ctx, "a"); err != nil {
		return err
	}
	d.say(green, "clients", "are served by site a, one request every %s", d.clients.every)
	if err := d.readyNow(ctx); err != nil {
		return err
	}
	d.clients.take()
	return nil
}

// failover: kill -9 of the primary.
func (d *demo) failover(ctx context.Context) error {
	d.chapter("The primary dies: kill -9 of site a")
	after := d.record.epoch()
	d.clients.take()
	site := d.site("a")
	d.say(red, "kill -9", "pid %d", site.pid())
	site.kill()
	return d.swapped(ctx, "kill -9 of the primary", "b", after)
}

// swapped waits for a swap to member, and for the clients to be served there, and notes what it took.
func (d *demo) swapped(ctx context.Context, how, member string, after uint64) error {
	command, run, steps, err := d.record.swap(ctx, member, after)
	if err != nil {
		return err
	}
	if err := d.clients.served(ctx, member); err != nil {
		return err
	}
	n := d.clients.take()
	s := Swap{
		How: how, Group: group, Epoch: command.Epoch, Kind: string(command.Kind), From: command.From, To: command.Primary,
		Rule: command.Rule, Sentence: command.Sentence,
		DetectMS: microMillis(command.DetectMicros), DecideMS: microMillis(command.DecideMicros),
		ExecuteMS: microMillis(run.ExecuteMicros), VerifyMS: microMillis(run.VerifyMicros),
		Requests: n.total, RequestsFailed: n.failed, GapMS: millis(n.gap),
	}
	for _, step := range steps {
		s.Steps = append(s.Steps, fmt.Sprintf("%s: %s", step.Step, step.State))
	}
	d.summary.Swaps = append(d.summary.Swaps, s)
	d.say(green, "clients", "are served by site %s; the longest time without an answer was %.0f ms, %d of %d requests failed",
		member, s.GapMS, s.RequestsFailed, s.Requests)
	d.say(green, "times", "detect %.1f ms, decide %.1f ms, execute %.1f ms, verify %.1f ms", s.DetectMS, s.DecideMS, s.ExecuteMS, s.VerifyMS)
	return nil
}

// rejoin: the old primary comes back and becomes a ready standby, by itself.
func (d *demo) rejoin(ctx context.Context) error {
	d.chapter("Site a comes back")
	if err := d.mendSite(ctx, "a"); err != nil {
		return err
	}
	d.say(green, "site a", "runs again, pid %d; it stays standby: nobody asked for a swap back", d.site("a").pid())
	return d.readyNow(ctx)
}

// readyNow waits until nothing would stand against a swap.
func (d *demo) readyNow(ctx context.Context) error {
	s, err := d.untilStatus(ctx, "the standby is ready and nothing stands against a swap", func(s *message.GroupStatus) bool {
		return len(s.Refusals) == 0 && s.Held && s.Swap == nil && s.Incident == ""
	})
	if err != nil {
		return err
	}
	d.say(green, "status", "%s", s.Sentence)
	return nil
}

// untilStatus asks for the status until look agrees with it.
func (d *demo) untilStatus(ctx context.Context, what string, look func(*message.GroupStatus) bool) (*message.GroupStatus, error) {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	last := "no decider answered"
	for {
		s := new(message.GroupStatus)
		try, cancel := context.WithTimeout(ctx, time.Second)
		msg, err := d.stack.Bus.Conn().RequestWithContext(try, subject.Query(group, subject.QueryStatus), nil)
		cancel()
		if err == nil && msg.Header.Get("Nats-Service-Error") == "" {
			if err := message.DecodeAs(message.Header(msg.Header), msg.Data, s); err != nil {
				return nil, err
			}
			if look(s) {
				return s, nil
			}
			last = s.Sentence
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("waited in vain until %s; last: %s: %w", what, last, ctx.Err())
		case <-tick.C:
		}
	}
}

// switchoverByCLI: the operator's command, run as a process of its own.
func (d *demo) switchoverByCLI(ctx context.Context) error {
	d.chapter("A planned swap: ham switchover web")
	after := d.record.epoch()
	d.clients.take()
	cmd := exec.CommandContext(ctx, d.Program, "switchover", group, "--yes", "--server", d.stack.URL(), "--output", "json",
		"--as", "demo", "--reason", "the demo shows a planned swap", "--expect-epoch", fmt.Sprint(after))
	var out, problem bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &problem
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("ham switchover: %w: %s%s", err, out.Bytes(), problem.Bytes())
	}
	var answer struct {
		Accepted bool
		Run      *message.RunResult
	}
	if err := json.Unmarshal(out.Bytes(), &answer); err != nil || !answer.Accepted || answer.Run == nil || answer.Run.State != message.StateDone {
		return fmt.Errorf("ham switchover did not say that it is done: %s", out.Bytes())
	}
	return d.swapped(ctx, "ham switchover", "a", after)
}

// switchoverByAsk: an empty message from any NATS client is enough; the first is refused, because it would undo the
// swap of a moment ago, and says how to mean it.
func (d *demo) switchoverByAsk(ctx context.Context) error {
	d.chapter("The same from any NATS client: nats request ham.v1.ask.web.switchover")
	refused, err := d.stock(ctx, "")
	if err != nil {
		return err
	}
	if refused.Accepted {
		return fmt.Errorf("a request that undoes the last swap was accepted without naming the epoch: %s", refused.Sentence)
	}
	for _, r := range refused.Reasons {
		d.say(yellow, "refused", "%s %s", r.Code, r.Sentence)
	}
	if err := d.readyNow(ctx); err != nil {
		return err
	}
	after := d.record.epoch()
	d.clients.take()
	accepted, err := d.stock(ctx, fmt.Sprintf(`{"expect_epoch": %d}`, after))
	if err != nil {
		return err
	}
	if !accepted.Accepted {
		return fmt.Errorf("the request was refused: %s %v", accepted.Sentence, accepted.Reasons)
	}
	return d.swapped(ctx, "ham.v1.ask", "b", after)
}

// stock asks as a client that knows nothing of ham: no headers, a body of a few letters or none.
func (d *demo) stock(ctx context.Context, body string) (*message.Outcome, error) {
	msg, err := d.stack.Bus.Conn().RequestWithContext(ctx, subject.Ask(group, message.VerbSwitchover), []byte(body))
	if err != nil {
		return nil, err
	}
	out := new(message.Outcome)
	return out, message.DecodeAs(message.Header(msg.Header), msg.Data, out)
}

// failbackByRequest: the same without an answer; the outcome is an event.
func (d *demo) failbackByRequest(ctx context.Context) error {
	d.chapter("And without waiting for an answer: nats publish ham.v1.request.web.failback.demo")
	if _, err := d.untilStatus(ctx, "the swap of a moment ago may be undone without naming its epoch", func(s *message.GroupStatus) bool {
		return s.Swap == nil && time.Since(d.record.doneAt()) > 3*time.Second
	}); err != nil {
		return err
	}
	after := d.record.epoch()
	d.clients.take()
	if err := d.stack.Bus.Conn().Publish(subject.Request(group, message.VerbFailback, "demo"), nil); err != nil {
		return err
	}
	return d.swapped(ctx, "ham.v1.request", "a", after)
}
