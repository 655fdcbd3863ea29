package desk

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/isacloud/ha-manager/pkg/ask"
	"github.com/isacloud/ha-manager/pkg/bus"
	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/who"
	"github.com/isacloud/ha-manager/pkg/words"
	"github.com/isacloud/ha-manager/services/notifier/channel/slack/blockkit"
	"github.com/isacloud/ha-manager/services/notifier/channel/slack/button"
	"github.com/isacloud/ha-manager/services/notifier/render"
)

// record is what was pressed under one post, as all notifiers know it.
type record struct {
	Presses []press `json:"presses,omitempty"`
	// Shut is why the buttons are gone; empty: they are there.
	Shut string `json:"shut,omitempty"`
}

// press is one request that a button led to.
type press struct {
	Request string    `json:"request"`
	Do      button.Do `json:"do"`
	Name    string    `json:"name"`
	At      int64     `json:"at_us"`
	// Says is what came of it; empty: no answer yet.
	Says     string `json:"says,omitempty"`
	Accepted bool   `json:"accepted,omitempty"`
}

const (
	// maxPresses bounds what is kept under one post.
	maxPresses = 20
	// conflicts bounds how often a record is read again because another notifier wrote it.
	conflicts = 10
)

// lines are what stands under the message.
func (r record) lines(w *words.Speaker) []string {
	var out []string
	for _, p := range r.Presses {
		says := p.Says
		if says == "" {
			says = w.T("asked, no answer yet")
		}
		out = append(out, w.T("%s pressed %s at %s. %s", p.Name, w.T(string(p.Do)), clock(time.UnixMicro(p.At)), render.Cut(w.Say(says), 600)))
	}
	if r.Shut != "" {
		out = append(out, r.Shut)
	}
	return out
}

// change reads the record of a post, has f change it, and writes it if nobody else did meanwhile; else again. f says false to leave it.
func (d *Desk) change(ctx context.Context, post string, f func(*record) bool) (record, error) {
	key := "pressed." + post
	for try := 0; ; try++ {
		var r record
		got, err := d.o.Table.Get(ctx, key)
		rev := uint64(0)
		switch {
		case err == nil:
			if err := got.Into(&r); err != nil {
				return r, err
			}
			rev = got.Revision
		case !errors.Is(err, bus.ErrNotFound):
			return r, err
		}
		if !f(&r) {
			return r, nil
		}
		if rev == 0 {
			_, err = d.o.Table.Create(ctx, key, r)
		} else {
			_, err = d.o.Table.Update(ctx, key, r, rev)
		}
		if err == nil || !errors.Is(err, bus.ErrConflict) || try >= conflicts {
			return r, err
		}
	}
}

// ask asks the deciders for what the button says.
func (d *Desk) ask(ctx context.Context, p Press, b button.Button, person *who.Person) {
	if why := d.expired(b); why != "" {
		d.shut(ctx, p, b, why)
		return
	}
	s, err := d.o.Ask.Status(ctx, b.Group)
	if err != nil {
		d.trouble(ctx, p, unanswered(err), err)
		return
	}
	if why := d.overtaken(b, s); why != "" {
		d.shut(ctx, p, b, why)
		return
	}
	q := request(b, person)
	now := d.o.Now()
	var shut, before string
	r, err := d.change(ctx, b.Post, func(r *record) bool {
		shut, before = r.Shut, ""
		if shut != "" {
			return false
		}
		i := slices.IndexFunc(r.Presses, func(k press) bool { return k.Request == q.ID })
		if i >= 0 {
			before = r.Presses[i].Says
			return false // asked already: it is asked again under the same id, where no answer came
		}
		if len(r.Presses) >= maxPresses {
			before = d.w.T("Too much was pressed under this message.")
			return false
		}
		r.Presses = append(r.Presses, press{Request: q.ID, Do: b.Do, Name: person.Name, At: now.UnixMicro()})
		return true
	})
	switch {
	case err != nil:
		d.trouble(ctx, p, "what was pressed cannot be written down", err)
		return
	case shut != "":
		d.whisper(ctx, p, shut)
		d.show(ctx, p, r)
		return
	case before != "":
		d.whisper(ctx, p, d.w.T("You pressed that already. %s", d.w.Say(before)))
		return
	}
	out, err := d.o.Ask.Send(ctx, q)
	var invalid *message.Invalid
	switch {
	case errors.As(err, &invalid):
		d.o.Log.Error("a button made a request that is none", "channel", d.o.Channel, "button", b, "error", err)
		d.trouble(ctx, p, "the button makes no sense to this version of ham", err)
		return
	case errors.Is(err, ask.ErrNobody):
		d.o.Log.Warn("a press had no answer", "request", q.ID, "group", q.Group, "verb", q.Verb, "actor", q.Actor, "error", err)
		d.whisper(ctx, p, d.w.T("Nothing was asked: %s. Press again once one does, or use `ham` or the page.", d.w.T(unanswered(err))))
		return
	case err != nil:
		d.o.Log.Warn("a press had no answer", "request", q.ID, "group", q.Group, "verb", q.Verb, "actor", q.Actor, "error", err)
		d.whisper(ctx, p, d.w.T("No answer came: %s. Request %s may still be carried out. Pressing again asks for the same, not for a second one.", d.w.T(unanswered(err)), q.ID))
		return
	}
	d.o.Log.Info("pressed", "channel", d.o.Channel, "request", q.ID, "group", q.Group, "verb", q.Verb, "actor", q.Actor, "from", q.From, "accepted", out.Accepted, "says", out.Sentence)
	r, err = d.change(ctx, b.Post, func(r *record) bool {
		for i := range r.Presses {
			if k := &r.Presses[i]; k.Request == q.ID {
				k.Says, k.Accepted = render.Cut(render.Clean(says(out)), 800), out.Accepted
			}
		}
		if done := d.ends(b, out); done != "" && r.Shut == "" {
			r.Shut = done
		}
		return true
	})
	if err != nil {
		d.o.Log.Warn("what came of a press cannot be written down", "request", q.ID, "error", err)
	}
	d.show(ctx, p, r)
	if !out.Accepted {
		d.whisper(ctx, p, d.w.Say(says(out)))
	}
}

// request is what the button asks for, in the person's name: what was shown, or nothing.
func request(b button.Button, person *who.Person) *message.Request {
	q := &message.Request{
		ID: b.RequestBy(person.From), Group: b.Group, Verb: b.Do.Verb(), Actor: person.Name, Via: "chat", From: person.From,
		PlanHash: b.Plan, ExpectEpoch: b.Epoch, Of: b.Of, Step: b.Step, For: message.Duration(b.For) * message.Duration(time.Second),
	}
	if q.Step != "" && b.Epoch != nil {
		q.Epoch = *b.Epoch
	}
	return q
}

// says is an outcome with the reasons that its sentence does not hold.
func says(out *message.Outcome) string {
	text := out.Sentence
	if !out.Accepted && !strings.HasPrefix(text, "refused") {
		text = "refused: " + text
	}
	if out.DryRun {
		text = render.DryRunMark + ": " + text
	}
	for _, r := range out.Reasons {
		if len(out.Reasons) > 1 {
			text += " " + r.Code + " " + r.Sentence + "."
		}
	}
	return text
}

// ends says why the buttons are of no more use after the answer; empty: they are.
func (d *Desk) ends(b button.Button, out *message.Outcome) string {
	switch {
	case out.Accepted:
		return d.w.T("The buttons are gone: it was decided.")
	case b.Do.Swaps() && b.Of == "":
		// A plan that was refused is not the one that would be fired next.
		return d.w.T("The buttons are gone: what was shown does not hold any more. Press “What can I do?” for what holds now.")
	}
	return "" // another person may be able to
}

// expired says why a button may no longer be pressed, by its age.
func (d *Desk) expired(b button.Button) string {
	if until := time.Unix(b.Until, 0); !d.o.Now().Before(until) {
		return d.w.T("The buttons expired at %s. Press “What can I do?” for what holds now.", clock(until))
	}
	return ""
}

// overtaken says what has happened since the button was shown that makes it void.
func (d *Desk) overtaken(b button.Button, s *message.GroupStatus) string {
	switch {
	case b.Epoch != nil && *b.Epoch != s.Epoch:
		return d.w.T("The buttons are void: they were shown at epoch %d, and %s is at epoch %d. Press “What can I do?” for what holds now.", *b.Epoch, b.Group, s.Epoch)
	case b.Of != "" && !slices.ContainsFunc(s.Approvals, func(a message.ApprovalStatus) bool { return a.Request == b.Of }):
		return d.w.T("The buttons are void: it was decided elsewhere, or nobody approved it in time. Press “What can I do?” for what holds now.")
	case b.Step != "" && !stopped(s, b.Step):
		return d.w.T("The buttons are void: the step %s does not wait any more. Press “What can I do?” for what holds now.", b.Step)
	}
	return ""
}

// stopped says whether the step waits for a person.
func stopped(s *message.GroupStatus, step string) bool {
	return s.Swap != nil && slices.ContainsFunc(s.Swap.Steps, func(k message.StepStatus) bool { return k.Name == step && k.State == message.StatePaused })
}

// shut takes the buttons away and says why, to who pressed and to everybody.
func (d *Desk) shut(ctx context.Context, p Press, b button.Button, why string) {
	d.o.Log.Info("an expired button was pressed", "channel", d.o.Channel, "user", p.User, "do", b.Do, "group", b.Group, "why", why)
	r, err := d.change(ctx, b.Post, func(r *record) bool {
		if r.Shut != "" {
			return false
		}
		r.Shut = why
		return true
	})
	if err != nil {
		d.trouble(ctx, p, why, err)
		return
	}
	d.whisper(ctx, p, d.w.T("%s Nothing was asked.", why))
	d.show(ctx, p, r)
}

// show puts what was pressed under the message.
func (d *Desk) show(ctx context.Context, p Press, r record) {
	if err := d.o.Slack.Change(ctx, p.At, p.Text, blockkit.Pressed(p.Blocks, r.lines(d.w), r.Shut == "")); err != nil {
		d.o.Log.Warn("a message cannot show what was pressed", "channel", d.o.Channel, "error", err)
	}
}
