// Package desk takes what people press in Slack. It knows who may, what was shown and until when, asks the deciders in the person's name, and
// writes under the message what was pressed, by whom, and what came of it.
//
// It decides nothing. It promises:
//
//   - What is asked is what the button showed: the same group, epoch, plan, request and step, or nothing. A button is signed, stands under the
//     one post it was made for, and is no longer good once the group has moved on, what it is about was decided elsewhere, or ten minutes are over.
//   - Who may is the channel's list of people. Everybody else is told so, alone, and it stands in the log and in the record.
//   - Pressed twice, delivered twice, taken by two notifiers: it is one request, because its id is the button's and the person's.
package desk

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/slack-go/slack"

	"github.com/isacloud/ha-manager/pkg/ask"
	"github.com/isacloud/ha-manager/pkg/bus"
	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec"
	"github.com/isacloud/ha-manager/pkg/subject"
	"github.com/isacloud/ha-manager/pkg/who"
	"github.com/isacloud/ha-manager/pkg/words"
	"github.com/isacloud/ha-manager/services/notifier/channel"
	"github.com/isacloud/ha-manager/services/notifier/channel/slack/blockkit"
	"github.com/isacloud/ha-manager/services/notifier/channel/slack/button"
	"github.com/isacloud/ha-manager/services/notifier/render"
)

// Asker is who is asked. ask.Client is one.
type Asker interface {
	Status(ctx context.Context, group string) (*message.GroupStatus, error)
	Preview(ctx context.Context, r *message.Request) (*message.Preview, error)
	Send(ctx context.Context, r *message.Request) (*message.Outcome, error)
}

// Table is where posts and presses are remembered, for all notifiers. bus.Table is one.
type Table interface {
	Get(ctx context.Context, key string) (bus.Record, error)
	Create(ctx context.Context, key string, v any) (uint64, error)
	Update(ctx context.Context, key string, v any, rev uint64) (uint64, error)
}

// Messenger says things in the workspace.
type Messenger interface {
	// Reply posts under a message and returns where.
	Reply(ctx context.Context, under channel.Ref, text string, blocks []slack.Block) (channel.Ref, error)
	// Change shows something else in place of a message.
	Change(ctx context.Context, at channel.Ref, text string, blocks []slack.Block) error
	// Whisper tells one user alone, in the thread.
	Whisper(ctx context.Context, under channel.Ref, user, text string) error
}

// Where a post is, is looked up so many times, so far apart.
const (
	settleTries = 20
	settleWait  = 250 * time.Millisecond
)

// Options of a desk. All are required.
type Options struct {
	// Channel is the channel's name, Notifier this notifier's; Lang what is said there.
	Channel, Notifier string
	Lang              words.Lang
	People            []spec.ChatPerson
	// Key signs and opens buttons. It is asked each time, as a secret may change.
	Key   func() (button.Key, error)
	Ask   Asker
	Table Table
	Slack Messenger
	// Tell puts an event into the record.
	Tell func(context.Context, *message.Event) error
	Log  *slog.Logger
	Now  func() time.Time
}

// Desk takes presses. Safe for concurrent use.
type Desk struct {
	o      Options
	w      *words.Speaker
	people map[string]*who.Person
}

// New makes a desk.
func New(o Options) *Desk {
	d := &Desk{o: o, w: words.Of(o.Lang), people: make(map[string]*who.Person, len(o.People))}
	for _, p := range o.People {
		roles := make(map[string]who.Role, len(p.Roles))
		for group, r := range p.Roles {
			roles[group] = who.Role(r)
		}
		d.people[p.ID] = &who.Person{Name: p.Name, Via: who.Chat, From: p.ID, Roles: roles}
	}
	return d
}

// Press is one press as Slack tells of it.
type Press struct {
	User string // the id
	// At is the message that the button stands under, Thread the message that this one belongs under; it is At where it stands alone.
	At, Thread channel.Ref
	Value      string
	// Text and Blocks are what the message shows now.
	Text   string
	Blocks []slack.Block
}

// PressOf takes a press out of what Slack sends. False: it is none that could be ours.
func PressOf(c *slack.InteractionCallback) (Press, bool) {
	if c.Type != slack.InteractionTypeBlockActions || len(c.ActionCallback.BlockActions) != 1 || c.User.ID == "" {
		return Press{}, false
	}
	at := channel.Ref{Place: c.Container.ChannelID, ID: c.Container.MessageTs}
	if at.Place == "" || at.ID == "" || c.Container.IsEphemeral {
		return Press{}, false
	}
	thread := at
	if ts := c.Message.ThreadTimestamp; ts != "" {
		thread.ID = ts
	}
	return Press{User: c.User.ID, At: at, Thread: thread, Value: c.ActionCallback.BlockActions[0].Value, Text: c.Message.Text, Blocks: c.Message.Blocks.BlockSet}, true
}

// Press does what a press asks for, and says under the message what came of it. It returns when that is said.
func (d *Desk) Press(ctx context.Context, p Press) {
	key, err := d.o.Key()
	if err != nil {
		d.trouble(ctx, p, "the bot token cannot be read, so no button can be checked", err)
		return
	}
	b, err := key.Open(p.Value)
	if err != nil {
		d.refuse(ctx, p, nil, button.Button{}, "This button is not as ham made it, or its token was replaced since. Nothing was asked. Press “What can I do?” for buttons as of now.")
		return
	}
	person := d.people[p.User]
	role := who.Operator
	if b.Do.Question() {
		role = who.Viewer
	}
	switch {
	case person == nil:
		d.refuse(ctx, p, nil, b, "You (%s) are not among the people of the channel %s. Nothing was asked. Who keeps ham's file adds you there.", p.User, d.o.Channel)
		return
	case !person.May(b.Group, role):
		d.refuse(ctx, p, person, b, "That takes the role of %s of %s, which you, %s, do not have. Nothing was asked.", role, b.Group, person.Name)
		return
	}
	switch here, err := d.madeFor(ctx, p, b); {
	case err != nil:
		d.trouble(ctx, p, "what was posted cannot be read, so the button cannot be checked", err)
		return
	case !here:
		d.refuse(ctx, p, person, b, "This button does not belong to this message. Nothing was asked. Press it where it was posted.")
		return
	}
	switch b.Do {
	case button.Why:
		d.why(ctx, p, b, person)
	case button.Can:
		d.can(ctx, p, b, person, key)
	default:
		d.ask(ctx, p, b, person)
	}
}

// madeFor says whether the button stands under the post that it was made for, by the ledger: not under another incident's, where somebody put it. Where a
// post is, is written down once Slack has said it: who presses in that moment is waited for.
func (d *Desk) madeFor(ctx context.Context, p Press, b button.Button) (bool, error) {
	for try := 0; ; try++ {
		var post struct {
			Ref *channel.Ref `json:"ref"`
		}
		r, err := d.o.Table.Get(ctx, b.Post)
		if err == nil {
			err = r.Into(&post)
		}
		switch {
		case err != nil && !errors.Is(err, bus.ErrNotFound):
			return false, err
		case post.Ref != nil:
			return *post.Ref == p.At, nil
		case try == settleTries:
			return false, nil
		}
		select {
		case <-ctx.Done():
			return false, context.Cause(ctx)
		case <-time.After(settleWait):
		}
	}
}

// refuse tells somebody alone that they may not, and the log and the record, which speak English. Text is one of pkg/words.
func (d *Desk) refuse(ctx context.Context, p Press, person *who.Person, b button.Button, text string, args ...any) {
	why := words.Of(words.English).T(text, args...)
	name := p.User
	if person != nil {
		name = person.Name
	}
	d.o.Log.Warn("a press was refused", "channel", d.o.Channel, "user", p.User, "person", name, "do", b.Do, "group", b.Group, "why", why)
	e := &message.Event{
		ID: "press." + button.RequestOf(p.User, p.At.Place, p.At.ID, p.Value), Group: subject.NoGroup, Kind: message.EventService, Severity: message.Notice,
		Sentence: render.Cut(render.Clean(fmt.Sprintf("chat %s refused %s, who pressed %s: %s", d.o.Channel, name, pressed(b), why)), 2000),
		Via:      "chat", From: p.User, Writer: d.o.Notifier, At: d.o.Now().UnixMicro(),
	}
	if person != nil {
		e.Actor = person.Name
	}
	if err := d.o.Tell(ctx, e); err != nil {
		d.o.Log.Warn("a refused press is in this log alone", "error", err)
	}
	d.whisper(ctx, p, d.w.T(text, args...))
}

// pressed names a button for the record.
func pressed(b button.Button) string {
	if b.Do == "" {
		return "a button that is not ham's"
	}
	return fmt.Sprintf("%s of %s", b.Do, b.Group)
}

// trouble tells somebody that it is not them.
func (d *Desk) trouble(ctx context.Context, p Press, what string, err error) {
	d.o.Log.Warn("a press came to nothing", "channel", d.o.Channel, "user", p.User, "why", what, "error", err)
	d.whisper(ctx, p, d.w.T("Nothing was asked: %s. Use `ham` or the page.", d.w.T(what)))
}

func (d *Desk) whisper(ctx context.Context, p Press, text string) {
	if err := d.o.Slack.Whisper(ctx, p.Thread, p.User, blockkit.Plain(text)); err != nil {
		d.o.Log.Warn("somebody who pressed could not be answered", "channel", d.o.Channel, "user", p.User, "error", err)
	}
}

// clock is a time of day for people, in UTC as in all that ham posts.
func clock(t time.Time) string { return t.UTC().Format("15:04:05") + " UTC" }

// unanswered says why no decider's answer came.
func unanswered(err error) string {
	switch {
	case errors.Is(err, ask.ErrNobody):
		return "no decider answers on the bus"
	case errors.Is(err, ask.ErrLate):
		return "no decider answered in time"
	}
	return "the bus does not answer"
}
