// Package slack posts as a Slack app with a bot token: one thread per incident under a message that is kept current.
// Every post carries its id in the message's metadata, so that one of unknown outcome is looked up before it is
// repeated.
//
// The app needs chat:write; to look up what it posted also channels:history (groups:history for private channels), and
// channels:read to find the id of a channel that is only known by name.
//
// Where the channel has people, posts carry buttons, and what is pressed comes in by Socket Mode or as signed requests: package desk does what
// they ask for.
package slack

import (
	"context"
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"time"

	api "github.com/slack-go/slack"

	"github.com/isacloud/ha-manager/pkg/spec"
	"github.com/isacloud/ha-manager/services/notifier/channel"
	"github.com/isacloud/ha-manager/services/notifier/channel/slack/blockkit"
)

// Driver is this kind of channel. Slack takes about one message per second and channel and tolerates short bursts:
// https://docs.slack.dev/apis/web-api/rate-limits
var Driver = channel.Driver{
	Kind:    "slack",
	Summary: "a Slack app with a bot token: one thread an incident, its first message kept current",
	Example: `channels:
  - name: slack
    kind: slack
    token: ${file:/etc/ham/slack-token}
    default: "#ops"`,
	Limit: channel.Limit{Burst: 5, Every: time.Second},
	New:   New,
}

// eventType marks our messages' metadata; payloadID is the post's id in it.
const (
	eventType = "ham_post"
	payloadID = "id"
)

// Slack is one workspace.
type Slack struct {
	name    string
	token   spec.Secret
	secrets spec.Lookup
	api     string
	config  channel.Config

	mu sync.Mutex
	// places are the ids of channels known by name, as Slack told them.
	places map[string]string
}

var (
	_ channel.Updater  = (*Slack)(nil)
	_ channel.Listener = (*Slack)(nil)
	_ channel.Linker   = (*Slack)(nil)
)

// New makes the channel. It asks nothing of Slack.
func New(c channel.Config) (channel.Channel, error) {
	s := &Slack{name: c.Spec.Name, token: c.Spec.Token, secrets: c.Secrets, api: api.APIURL, config: c, places: map[string]string{}}
	if c.Spec.Token == "" {
		return nil, fmt.Errorf("channel %s: token is missing: want a bot token, such as ${file:/etc/ham/slack-token}", c.Spec.Name)
	}
	if c.Spec.API != "" {
		u, err := url.Parse(c.Spec.API)
		if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
			return nil, fmt.Errorf("channel %s: api: want an http(s) address such as %s", c.Spec.Name, api.APIURL)
		}
		s.api = strings.TrimSuffix(c.Spec.API, "/") + "/"
	}
	if err := s.checkPresses(); err != nil {
		return nil, fmt.Errorf("channel %s: %w", c.Spec.Name, err)
	}
	return s, nil
}

// call makes a client for one call: it knows whether the request went out, and the secret as it is now.
func (s *Slack) call() (*api.Client, *channel.Caller, error) {
	token, err := s.bot()
	if err != nil {
		return nil, nil, channel.Fail(channel.Denied, "no token", "%v", err)
	}
	c := channel.NewCaller(s.config.HTTP, token)
	return api.New(token, api.OptionHTTPClient(c), api.OptionAPIURL(s.api)), c, nil
}

// bot is the bot's token as it is now.
func (s *Slack) bot() (string, error) {
	token, err := s.token.Resolve(s.secrets)
	return strings.TrimSpace(token), err
}

// Send posts p by chat.postMessage. A reply to a message that was deleted meanwhile is posted by Slack beside the
// thread; it was told all the same, and the next update of that message says that it is gone.
func (s *Slack) Send(ctx context.Context, p channel.Post) (channel.Ref, error) {
	client, call, err := s.call()
	if err != nil {
		return channel.Ref{}, err
	}
	opts := append(s.content(p), api.MsgOptionDisableLinkUnfurl(), api.MsgOptionDisableMediaUnfurl())
	to := s.place(p.To)
	if p.Thread != nil {
		to = p.Thread.Place
		opts = append(opts, api.MsgOptionTS(p.Thread.ID))
		if p.Aloud {
			opts = append(opts, api.MsgOptionBroadcast())
		}
	}
	place, ts, err := client.PostMessageContext(ctx, to, opts...)
	if err != nil {
		e := failed(ctx, call, err)
		if e.Class == channel.Denied {
			s.forget(p.To)
		}
		return channel.Ref{}, e
	}
	if ts == "" {
		return channel.Ref{}, channel.Fail(channel.Unsure, "no ts", "Slack's answer does not say whether it took the message")
	}
	s.learn(p.To, place)
	return channel.Ref{Place: place, ID: ts}, nil
}

// Update changes what is at ref by chat.update.
func (s *Slack) Update(ctx context.Context, ref channel.Ref, p channel.Post) error {
	client, call, err := s.call()
	if err != nil {
		return err
	}
	if _, _, _, err := client.UpdateMessageContext(ctx, ref.Place, ref.ID, s.content(p)...); err != nil {
		return failed(ctx, call, err)
	}
	return nil
}

// Link returns the permalink of a message.
func (s *Slack) Link(ctx context.Context, ref channel.Ref) (string, error) {
	client, call, err := s.call()
	if err != nil {
		return "", err
	}
	link, err := client.GetPermalinkContext(ctx, &api.PermalinkParameters{Channel: ref.Place, Ts: ref.ID})
	if err != nil {
		return "", failed(ctx, call, err)
	}
	return link, nil
}

// content is the text, blocks and id of p, with everything turned off by which Slack makes something active out of text.
func (s *Slack) content(p channel.Post) []api.MsgOption {
	text, blocks := blockkit.Message(p)
	blocks = append(blocks, s.buttons(p)...)
	opts := []api.MsgOption{
		api.MsgOptionText(text, false), api.MsgOptionParse(false), api.MsgOptionLinkNames(false),
		api.MsgOptionMetadata(api.SlackMetadata{EventType: eventType, EventPayload: map[string]any{payloadID: p.ID}}),
	}
	if len(blocks) > 0 {
		opts = append(opts, api.MsgOptionBlocks(blocks...))
	}
	return opts
}

// id is the form of a conversation's id.
var id = regexp.MustCompile(`^[CDG][A-Z0-9]{7,}$`)

// place is the id of a recipient where it is known, else what the rule says: Slack takes "#ops" for a post.
func (s *Slack) place(to string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if known, ok := s.places[to]; ok {
		return known
	}
	return to
}

func (s *Slack) learn(to, place string) {
	if !id.MatchString(place) || id.MatchString(to) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.places[to] = place
}

// forget drops what is known of a recipient: a channel may be renamed, and its name given to another.
func (s *Slack) forget(to string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.places, to)
}
