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
	panel := blockkit.Panel{Lang: d.o.Lang, Head: d.w.T("%s: why it does not swap by itself, as of now", s.Group), Lines: d.state(s), Foot: d.foot(s, person)}
	for _, r := range s.Refusals {
		panel.Why = append(panel.Why, d.reason(r))
	}
	if s.Mode != "" && s.Mode != "auto" {
		panel.Lines = append(panel.Lines, d.w.T("Its mode is %s: what happens by itself is no swap.", s.Mode))
	}
	for _, m := range s.Members {
		for _, r := range m.Reasons {
			panel.Why = append(panel.Why, line("%s", d.w.T("%s is not ready: %s", m.Name, d.reason(r))))
		}
	}
	if v != nil {
		panel.Lines = append(panel.Lines, d.w.T("Asked for by a person, %s now: %s", d.w.T(string(v.Verb)), d.w.Say(v.Sentence)))
		if !v.Accepted {
			for _, r := range v.Reasons {
				panel.Why = append(panel.Why, line("%s", d.w.T("%s, asked by a person: %s", d.w.T(string(v.Verb)), d.reason(r))))
			}
		}
	}
	if len(panel.Why) == 0 && s.Swap == nil {
		panel.Lines = append(panel.Lines, d.w.T("Nothing stands against a swap now."))
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
		blocks = append(blocks, blockkit.Actions(d.o.Lang, key, post, offers))
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
	panel := blockkit.Panel{Lang: d.o.Lang, Head: d.w.T("%s: what can be done now", s.Group), Lines: d.state(s), Foot: d.foot(s, person)}
	epoch := s.Epoch
	base := button.Button{Group: s.Group, Incident: incident, Until: until.Unix(), Epoch: &epoch}
	var offers []button.Offer
	for _, a := range s.Approvals {
		b := base
		b.Of = a.Request
		if u := time.UnixMicro(a.Until); u.Before(until) {
			b.Until = u.Unix()
		}
		waits := "Waits for a second person, asked by %s: %s"
		if a.Step != "" {
			waits = "Waits for a person, in the swap of %s: %s"
		}
		panel.Lines = append(panel.Lines, d.w.T(waits, a.Actor, d.w.Say(a.Sentence)))
		offers = append(offers, button.Approval(b, a.Sentence)...)
	}
	if s.Swap != nil {
		for _, k := range s.Swap.Steps {
			if k.State != message.StatePaused {
				continue
			}
			b := base
			b.Step = k.Name
			panel.Lines = append(panel.Lines, line("%s", d.w.T("The step %s waits for a person: %s", k.Name, d.w.Say(cmp.Or(k.Problem, k.Says)))))
			offers = append(offers, button.Stopped(b, fmt.Sprint(s.Swap.Command, " ", k.Name, " ", k.Attempt))...)
		}
	}
	if v != nil {
		offers = append(offers, d.swap(&panel, base, v, post)...)
	}
	pause := base
	pause.Epoch = nil // to hold everything is right at any epoch
	if s.Paused {
		pause.Do, pause.Request = button.Do(message.VerbResume), button.RequestOf("resume", post)
		offers = append(offers, button.Offer{Button: pause, Label: "End the pause", Confirm: "%s may swap by itself again.", ConfirmArg: s.Group})
	} else {
		pause.Do, pause.Request, pause.For = button.Do(message.VerbPause), button.RequestOf("pause", post), int64(pauseFor/time.Second)
		offers = append(offers, button.Offer{Button: pause, Label: "Pause for 1 h", Confirm: "%s does not swap by itself for an hour, whatever happens.", ConfirmArg: s.Group})
	}
	panel.Foot = d.w.T("%s · the buttons are good until %s", panel.Foot, clock(until))
	return panel, offers
}

// swap tells what the swap would do, and offers it where nothing stands against it. What may be set aside is set aside at the page or with ham, with a reason.
func (d *Desk) swap(panel *blockkit.Panel, base button.Button, v *message.Preview, post string) []button.Offer {
	will := v.Sentence
	if v.DryRun {
		panel.Lines = append(panel.Lines, d.w.T("DRY RUN, nothing was changed"))
	}
	panel.Lines = append(panel.Lines, d.w.Say(will))
	if !v.Accepted || v.Plan == nil {
		for _, r := range v.Reasons {
			panel.Why = append(panel.Why, d.reason(r))
		}
		panel.Why = few(panel.Why)
		return nil
	}
	for _, k := range v.Plan.Steps {
		panel.Steps = append(panel.Steps, line("%s: %s", k.Name, d.w.Say(k.Says)))
	}
	panel.Steps = few(panel.Steps)
	expects := d.w.T("How long it takes is not known yet: no such swap was measured.")
	if v.Plan.PredictedRTO > 0 {
		expects = d.w.T("It is expected to take %s, from past swaps.", v.Plan.PredictedRTO.Std())
	}
	panel.Lines = append(panel.Lines, expects)
	if v.WayBack != "" {
		panel.Lines = append(panel.Lines, d.w.T("The way back: %s", d.w.Say(v.WayBack)))
	}
	b := base
	b.Do, b.Plan, b.Request = button.Do(v.Verb), v.Plan.Hash, button.RequestOf(string(v.Verb), post)
	label := "Switch over to %s"
	if v.Verb == message.VerbFailover {
		label = "Fail over to %s"
	}
	if v.DryRun {
		label = "Rehearse: take over by %s"
	}
	return []button.Offer{{Button: b, Label: label, Arg: v.To, Style: button.Danger, Will: will}}
}

// state is how the group is, in sentences.
func (d *Desk) state(s *message.GroupStatus) []string {
	out := []string{d.w.Say(s.Sentence)}
	if s.Paused {
		by := cmp.Or(s.PausedBy, "–")
		if s.PauseReason != "" {
			by += " (" + s.PauseReason + ")"
		}
		if s.PausedUntil > 0 {
			out = append(out, d.w.T("Paused by %s until %s.", by, clock(time.UnixMicro(s.PausedUntil))))
		} else {
			out = append(out, d.w.T("Paused by %s until somebody ends it.", by))
		}
	}
	if s.Swap != nil {
		out = append(out, d.w.T("Under way: %s to %s, epoch %d, %s.", d.w.T(string(s.Swap.Kind)), s.Swap.To, s.Swap.Epoch, d.w.T(string(s.Swap.State))))
	}
	if s.Blind {
		out = append(out, d.w.T("The decider that answered has not watched for long enough yet to decide anything."))
	}
	return out
}

func (d *Desk) foot(s *message.GroupStatus, person *who.Person) string {
	return d.w.T("asked by %s · %s · epoch %d · by decider %s", person.Name, clock(d.o.Now()), s.Epoch, s.Decider)
}

// reason is a refusal as it is told.
func (d *Desk) reason(r message.Reason) string { return line("%s %s", r.Code, d.w.Say(r.Sentence)) }

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
