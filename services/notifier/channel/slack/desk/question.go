package desk

import (
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"strings"
	"time"

	"github.com/slack-go/slack"

	"github.com/isacloud/ha-manager/pkg/ask"
	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/who"
	"github.com/isacloud/ha-manager/services/notifier/channel"
	"github.com/isacloud/ha-manager/services/notifier/channel/slack/blockkit"
	"github.com/isacloud/ha-manager/services/notifier/channel/slack/button"
	"github.com/isacloud/ha-manager/services/notifier/render"
)

// pauseFor is how long a pause out of chat lasts: nobody has to remember to end it.
const pauseFor = time.Hour

// look asks how the group is, and what the likely swap would do now.
func (d *Desk) look(ctx context.Context, group string, person *who.Person) (*message.GroupStatus, *message.Preview, error) {
	s, err := d.o.Ask.Status(ctx, group)
	if err != nil {
		return nil, nil, err
	}
	if s.Swap != nil || s.Epoch == 0 {
		return s, nil, nil
	}
	v, err := d.o.Ask.Preview(ctx, &message.Request{ID: ask.RequestID(), Group: group, Verb: ask.Likely(s), Actor: person.Name, Via: "chat", From: person.From})
	return s, v, err
}

// why answers in the thread why no swap happened, or would.
func (d *Desk) why(ctx context.Context, p Press, b button.Button, person *who.Person) {
	s, v, err := d.look(ctx, b.Group, person)
	if err != nil {
		d.trouble(ctx, p, unanswered(err), err)
		return
	}
	text, blocks := d.reasons(s, v, person).Blocks()
	if _, err := d.o.Slack.Reply(ctx, p.Thread, text, blocks); err != nil {
		d.trouble(ctx, p, "the answer was not taken by Slack", err)
	}
}

// reasons says why the group's primary is where it is.
func (d *Desk) reasons(s *message.GroupStatus, v *message.Preview, person *who.Person) blockkit.Panel {
	panel := blockkit.Panel{Head: s.Group + ": why it does not swap by itself, as of now", Lines: state(s), Foot: d.foot(s, person)}
	for _, r := range s.Refusals {
		panel.Why = append(panel.Why, line("%s %s", r.Code, r.Sentence))
	}
	if s.Mode != "" && s.Mode != "auto" {
		panel.Lines = append(panel.Lines, "Its mode is "+s.Mode+": what happens by itself is no swap.")
	}
	for _, m := range s.Members {
		for _, r := range m.Reasons {
			panel.Why = append(panel.Why, line("%s is not ready: %s %s", m.Name, r.Code, r.Sentence))
		}
	}
	if v != nil {
		panel.Lines = append(panel.Lines, "A person's "+string(v.Verb)+" now: "+v.Sentence)
		if !v.Accepted {
			for _, r := range v.Reasons {
				panel.Why = append(panel.Why, line("%s, asked by a person: %s %s", v.Verb, r.Code, r.Sentence))
			}
		}
	}
	if len(panel.Why) == 0 && s.Swap == nil {
		panel.Lines = append(panel.Lines, "Nothing stands against a swap now.")
	}
	panel.Why = few(panel.Why)
	return panel
}

// can posts what the person could do now, with fresh buttons.
func (d *Desk) can(ctx context.Context, p Press, b button.Button, person *who.Person, key button.Key) {
	s, v, err := d.look(ctx, b.Group, person)
	if err != nil {
		d.trouble(ctx, p, unanswered(err), err)
		return
	}
	// The post is known before it is made, so that its buttons can name it; what is pressed before it is written down is not theirs yet.
	post := "panel." + strings.ToLower(rand.Text())
	panel, offers := d.panel(s, v, b.Incident, person, post)
	text, blocks := panel.Blocks()
	if len(offers) > 0 {
		blocks = append(blocks, blockkit.Actions(key, post, offers))
	}
	if err := d.put(ctx, p, post, text, blocks); err != nil {
		d.trouble(ctx, p, "what can be done was not taken by Slack, or not written down", err)
	}
}

// put posts in the thread and writes down where, as the lanes do with theirs.
func (d *Desk) put(ctx context.Context, p Press, post, text string, blocks []slack.Block) error {
	at, err := d.o.Slack.Reply(ctx, p.Thread, text, blocks)
	if err != nil {
		return err
	}
	_, err = d.o.Table.Create(ctx, post, struct {
		State string       `json:"state"`
		Post  string       `json:"post"`
		Ref   *channel.Ref `json:"ref"`
	}{"sent", post, &at})
	return err
}

// panel is what can be done about the group now, and the buttons for it.
func (d *Desk) panel(s *message.GroupStatus, v *message.Preview, incident string, person *who.Person, post string) (blockkit.Panel, []button.Offer) {
	now := d.o.Now()
	until := now.Add(button.Lasts)
	panel := blockkit.Panel{Head: s.Group + ": what can be done now", Lines: state(s), Foot: d.foot(s, person)}
	epoch := s.Epoch
	base := button.Button{Group: s.Group, Incident: incident, Until: until.Unix(), Epoch: &epoch}
	var offers []button.Offer
	for _, a := range s.Approvals {
		b := base
		b.Of = a.Request
		if u := time.UnixMicro(a.Until); u.Before(until) {
			b.Until = u.Unix()
		}
		panel.Lines = append(panel.Lines, "Waits for a second person, asked by "+a.Actor+": "+a.Sentence)
		offers = append(offers, button.Approval(b, a.Sentence)...)
	}
	if s.Swap != nil {
		for _, k := range s.Swap.Steps {
			if k.State != message.StatePaused {
				continue
			}
			b := base
			b.Step = k.Name
			panel.Lines = append(panel.Lines, line("The step %s waits for a person: %s", k.Name, cmp.Or(k.Problem, k.Says)))
			offers = append(offers, button.Stopped(b, fmt.Sprint(s.Swap.Command, " ", k.Name, " ", k.Attempt))...)
		}
	}
	if v != nil {
		offers = append(offers, swap(&panel, base, v, post)...)
	}
	pause := base
	pause.Epoch = nil // to hold everything is right at any epoch
	if s.Paused {
		pause.Do, pause.Request = button.Do(message.VerbResume), button.RequestOf("resume", post)
		offers = append(offers, button.Offer{Button: pause, Label: "End the pause", Confirm: s.Group + " may swap by itself again."})
	} else {
		pause.Do, pause.Request, pause.For = button.Do(message.VerbPause), button.RequestOf("pause", post), int64(pauseFor/time.Second)
		offers = append(offers, button.Offer{Button: pause, Label: "Pause for 1 h", Confirm: s.Group + " does not swap by itself for an hour, whatever happens."})
	}
	panel.Foot += " · the buttons are good until " + clock(until)
	return panel, offers
}

// swap tells what the swap would do, and offers it where nothing stands against it. What may be set aside is set aside at the page or with ham, with a reason.
func swap(panel *blockkit.Panel, base button.Button, v *message.Preview, post string) []button.Offer {
	mark := ""
	if v.DryRun {
		mark = render.DryRunMark + ": "
	}
	panel.Lines = append(panel.Lines, mark+v.Sentence)
	if !v.Accepted || v.Plan == nil {
		for _, r := range v.Reasons {
			panel.Why = append(panel.Why, line("%s %s", r.Code, r.Sentence))
		}
		panel.Why = few(panel.Why)
		return nil
	}
	for _, k := range v.Plan.Steps {
		panel.Steps = append(panel.Steps, line("%s: %s", k.Name, k.Says))
	}
	panel.Steps = few(panel.Steps)
	expects := "how long it takes is not known yet: no such swap was measured"
	if v.Plan.PredictedRTO > 0 {
		expects = "it is expected to take " + v.Plan.PredictedRTO.String() + ", from past swaps"
	}
	if v.WayBack != "" {
		expects += "; the way back: " + v.WayBack
	}
	panel.Lines = append(panel.Lines, expects)
	b := base
	b.Do, b.Plan, b.Request = button.Do(v.Verb), v.Plan.Hash, button.RequestOf(string(v.Verb), post)
	label := map[message.Verb]string{message.VerbFailover: "Fail over to ", message.VerbSwitchover: "Switch over to "}[v.Verb] + v.To
	if v.DryRun {
		label = "Rehearse: " + label
	}
	return []button.Offer{{Button: b, Label: label, Style: button.Danger, Confirm: mark + v.Sentence}}
}

// state is how the group is, in sentences.
func state(s *message.GroupStatus) []string {
	out := []string{s.Sentence}
	if s.Paused {
		text := "Paused by " + cmp.Or(s.PausedBy, "somebody")
		if s.PausedUntil > 0 {
			text += " until " + clock(time.UnixMicro(s.PausedUntil))
		}
		if s.PauseReason != "" {
			text += ", because: " + s.PauseReason
		}
		out = append(out, text+".")
	}
	if s.Swap != nil {
		out = append(out, fmt.Sprintf("A %s to %s is under way, epoch %d: %s.", s.Swap.Kind, s.Swap.To, s.Swap.Epoch, s.Swap.State))
	}
	if s.Blind {
		out = append(out, "The decider that answered has not watched for long enough yet to decide anything.")
	}
	return out
}

func (d *Desk) foot(s *message.GroupStatus, person *who.Person) string {
	return fmt.Sprintf("asked by %s · %s · epoch %d · by decider %s", person.Name, clock(d.o.Now()), s.Epoch, s.Decider)
}

func line(format string, args ...any) string {
	return render.Cut(render.Clean(fmt.Sprintf(format, args...)), 400)
}

// few keeps a list readable.
func few(lines []string) []string {
	const most = 12
	if len(lines) <= most {
		return lines
	}
	return append(lines[:most-1:most-1], fmt.Sprintf("… and %d more", len(lines)-most+1))
}
