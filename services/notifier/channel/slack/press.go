package slack

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	api "github.com/slack-go/slack"

	"github.com/isacloud/ha-manager/pkg/ask"
	"github.com/isacloud/ha-manager/pkg/subject"
	"github.com/isacloud/ha-manager/pkg/words"
	"github.com/isacloud/ha-manager/services/notifier/channel"
	"github.com/isacloud/ha-manager/services/notifier/channel/slack/blockkit"
	"github.com/isacloud/ha-manager/services/notifier/channel/slack/button"
	"github.com/isacloud/ha-manager/services/notifier/channel/slack/desk"
	"github.com/isacloud/ha-manager/services/notifier/channel/slack/signed"
	"github.com/isacloud/ha-manager/services/notifier/render"
)

// Bounds of what is pressed.
const (
	// hands take presses at once; waiting may be as many more, and what comes then is told to come again.
	hands   = 4
	waiting = 64
	// pressLimit bounds all that one press leads to.
	pressLimit = 30 * time.Second
)

// checkPresses holds people and ways to each other, as the file's reader does.
func (s *Slack) checkPresses() error {
	c := s.config.Spec
	way := c.AppToken != "" || c.SigningSecret != ""
	switch {
	case c.AppToken != "" && c.SigningSecret != "":
		return errors.New("app_token and signing_secret are two ways for what is pressed: want one")
	case len(c.People) > 0 && !way:
		return errors.New("people can press nothing without app_token or signing_secret")
	case len(c.People) == 0 && way:
		return errors.New("app_token and signing_secret take presses of nobody without people")
	}
	return nil
}

// buttons are what people may press under a post.
func (s *Slack) buttons(p channel.Post) []api.Block {
	if len(s.config.Spec.People) == 0 || p.Simple {
		return nil
	}
	var offers []button.Offer
	switch {
	case p.Card != nil && p.Card.Group != "":
		offers = []button.Offer{button.Ask(button.Why, p.Card.Group, p.Card.Incident)}
		if p.Card.Stage != render.StageClosed {
			offers = append(offers, button.Ask(button.Can, p.Card.Group, p.Card.Incident))
		}
	case len(p.Texts) > 0:
		offers = button.OfEvent(p.Texts[len(p.Texts)-1].Event, time.Now())
	}
	token, err := s.bot()
	if err != nil || len(offers) == 0 {
		return nil // without a token nothing is posted, either
	}
	return []api.Block{blockkit.Actions(s.lang(), button.KeyOf(token), p.ID, offers)}
}

// lang is what is said here.
func (s *Slack) lang() words.Lang {
	lang, _ := words.Parse(s.config.Spec.Lang) // the file's reader has looked at it; else it is English
	return lang
}

// Listen takes what people press until ctx ends.
func (s *Slack) Listen(ctx context.Context, d channel.Desk) {
	if len(s.config.Spec.People) == 0 {
		return
	}
	at := desk.New(desk.Options{
		Channel: s.name, Lang: s.lang(), Notifier: d.Notifier, People: s.config.Spec.People, Ask: ask.Client{Bus: d.Bus}, Table: d.Bus.Table(subject.BucketLedger), Slack: s,
		Key: func() (button.Key, error) {
			token, err := s.bot()
			return button.KeyOf(token), err
		},
		Tell: d.Tell, Log: d.Log, Now: time.Now,
	})
	queue := make(chan *api.InteractionCallback, waiting)
	var working sync.WaitGroup
	defer working.Wait()
	for range hands {
		working.Go(func() {
			for {
				select {
				case <-ctx.Done():
					return
				case c := <-queue:
					p, ok := desk.PressOf(c)
					if !ok {
						d.Log.Debug("something else than a press came from Slack", "type", c.Type)
						continue
					}
					// What is under way when the notifier ends is brought to its end: the person sees what came of it.
					pctx, done := context.WithTimeout(context.WithoutCancel(ctx), pressLimit)
					at.Press(pctx, p)
					done()
				}
			}
		})
	}
	take := func(c *api.InteractionCallback) error {
		select {
		case queue <- c:
			return nil
		default:
			return signed.ErrBusy
		}
	}
	if s.config.Spec.AppToken != "" {
		s.socket(ctx, d, take)
		return
	}
	s.serve(ctx, d, take)
}

// Reply posts under a message.
func (s *Slack) Reply(ctx context.Context, under channel.Ref, text string, blocks []api.Block) (channel.Ref, error) {
	client, call, err := s.call()
	if err != nil {
		return channel.Ref{}, err
	}
	place, ts, err := client.PostMessageContext(ctx, under.Place, append(said(text, blocks), api.MsgOptionTS(under.ID), api.MsgOptionDisableLinkUnfurl(), api.MsgOptionDisableMediaUnfurl())...)
	if err != nil {
		return channel.Ref{}, failed(ctx, call, err)
	}
	if ts == "" {
		return channel.Ref{}, channel.Fail(channel.Unsure, "no ts", "Slack's answer does not say whether it took the message")
	}
	return channel.Ref{Place: place, ID: ts}, nil
}

// Change shows something else in place of a message.
func (s *Slack) Change(ctx context.Context, at channel.Ref, text string, blocks []api.Block) error {
	client, call, err := s.call()
	if err != nil {
		return err
	}
	if _, _, _, err := client.UpdateMessageContext(ctx, at.Place, at.ID, said(text, blocks)...); err != nil {
		return failed(ctx, call, err)
	}
	return nil
}

// Whisper tells one user alone.
func (s *Slack) Whisper(ctx context.Context, under channel.Ref, user, text string) error {
	client, call, err := s.call()
	if err != nil {
		return err
	}
	if _, err := client.PostEphemeralContext(ctx, under.Place, user, append(said(text, nil), api.MsgOptionTS(under.ID))...); err != nil {
		return failed(ctx, call, err)
	}
	return nil
}

// said is a message with everything turned off by which Slack makes something active out of text.
func said(text string, blocks []api.Block) []api.MsgOption {
	opts := []api.MsgOption{api.MsgOptionText(text, false), api.MsgOptionParse(false), api.MsgOptionLinkNames(false)}
	if len(blocks) > 0 {
		opts = append(opts, api.MsgOptionBlocks(blocks...))
	}
	return opts
}

// retry waits before the nth attempt in a row at something that must not end: 1 to 30 s. False: ctx ended.
func retry(ctx context.Context, n int) bool {
	t := time.NewTimer(min(30*time.Second, time.Second<<min(n, 5)))
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// tellBroken says in the log, and once in a row in the log only, that presses do not come in.
func tellBroken(d channel.Desk, n int, what string, err error) {
	if n == 0 {
		d.Log.Warn("what is pressed in Slack does not come in", "why", what, "error", err)
		return
	}
	d.Log.Debug("what is pressed in Slack still does not come in", "why", what, "attempt", n, "error", err)
}

var errNoSecret = fmt.Errorf("the signing secret is empty")
