package slack

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	api "github.com/slack-go/slack"

	"github.com/isacloud/ha-manager/services/notifier/channel"
)

const (
	pageSize = 200
	// maxPages bounds one look: 2000 messages of one channel within the minutes that a look goes back are not ours alone.
	maxPages = 10
	// clockSlack is how far Slack's clock, which stamps messages, may be behind this program's. A thread is read whole.
	clockSlack = 6 * time.Hour
)

// cannotLook are answers that say that this app may not read: it will not be able to a second later either.
var cannotLook = []string{"missing_scope", "not_in_channel", "channel_not_found", "not_allowed_token_type", "no_permission", "method_not_supported_for_channel_type", "access_denied"}

// Find reads the thread, or the channel's history since then, for a message that carries the post's id.
func (s *Slack) Find(ctx context.Context, p channel.Post, since time.Time) (channel.Ref, error) {
	client, call, err := s.call()
	if err != nil {
		return channel.Ref{}, err
	}
	place := s.place(p.To)
	if p.Thread != nil {
		place = p.Thread.Place
	} else if !id.MatchString(place) {
		if place, err = s.resolve(ctx, client, p.To); err != nil {
			return channel.Ref{}, unreadable(ctx, call, err)
		}
	}
	oldest := strconv.FormatInt(since.Add(-clockSlack).Unix(), 10)
	cursor := ""
	for range maxPages {
		messages, next, err := page(ctx, client, place, p.Thread, oldest, cursor)
		if err != nil {
			return channel.Ref{}, unreadable(ctx, call, err)
		}
		for _, m := range messages {
			if m.Metadata.EventType == eventType && m.Metadata.EventPayload[payloadID] == p.ID {
				return channel.Ref{Place: place, ID: m.Timestamp}, nil
			}
		}
		if cursor = next; cursor == "" {
			return channel.Ref{}, channel.ErrNotFound
		}
	}
	return channel.Ref{}, channel.ErrCannotLook
}

func page(ctx context.Context, client *api.Client, place string, thread *channel.Ref, oldest, cursor string) ([]api.Message, string, error) {
	if thread != nil {
		m, _, next, err := client.GetConversationRepliesContext(ctx, &api.GetConversationRepliesParameters{
			ChannelID: place, Timestamp: thread.ID, Cursor: cursor, Limit: pageSize, IncludeAllMetadata: true,
		})
		return m, next, err
	}
	h, err := client.GetConversationHistoryContext(ctx, &api.GetConversationHistoryParameters{
		ChannelID: place, Cursor: cursor, Oldest: oldest, Limit: pageSize, IncludeAllMetadata: true,
	})
	if err != nil {
		return nil, "", err
	}
	return h.Messages, h.ResponseMetaData.NextCursor, nil
}

// resolve finds the id of a channel that is only known by its name: history is read by id. Private channels are asked for
// separately, because an app without the right to list them is refused the whole question.
func (s *Slack) resolve(ctx context.Context, client *api.Client, to string) (string, error) {
	name := strings.TrimPrefix(to, "#")
	for _, kind := range []string{"public_channel", "private_channel"} {
		cursor := ""
		for range maxPages {
			found, next, err := client.GetConversationsContext(ctx, &api.GetConversationsParameters{
				Cursor: cursor, Limit: pageSize, ExcludeArchived: true, Types: []string{kind},
			})
			if err != nil {
				return "", err
			}
			for _, c := range found {
				if c.Name == name {
					s.learn(to, c.ID)
					return c.ID, nil
				}
			}
			if cursor = next; cursor == "" {
				break
			}
		}
	}
	return "", channel.ErrCannotLook
}

// unreadable tells "may not read" from "could not ask now".
func unreadable(ctx context.Context, call *channel.Caller, err error) error {
	if errors.Is(err, channel.ErrCannotLook) {
		return err
	}
	e := failed(ctx, call, err)
	if slices.Contains(cannotLook, e.Code) {
		return channel.ErrCannotLook
	}
	if e.Code == "thread_not_found" || e.Code == "message_not_found" {
		// The thread itself is gone, and with it what may have been in it.
		return channel.ErrNotFound
	}
	if e.Class == channel.Unsure {
		e.Class = channel.Later // a look that failed changed nothing
	}
	return e
}
