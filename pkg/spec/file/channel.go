package file

import (
	"slices"

	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec"
)

const formChannels = "a mapping from names to channels, or a list of them"

// channelKinds are the kinds of channels.
var channelKinds = []string{"slack", "slack-webhook", "webhook", "log"}

var channelObject = object[spec.Channel]{
	title: "channel",
	means: "One way to reach people.",
	keys: []key[spec.Channel]{
		defaulting(nameKey("name", "In a list: what notify rules name.", func(ch *spec.Channel) *string { return &ch.Name }), "the kind"),
		required(choice("kind", "", channelKinds, "slack: by a bot's token, one thread an incident. slack-webhook: by an incoming webhook. webhook: JSON by POST. log: lines on the terminal of the process.",
			func(ch *spec.Channel) *string { return &ch.Kind })),
		secretKey("token", "slack: the bot's token. webhook: the key that posts are signed with; left out: unsigned.", true, func(ch *spec.Channel) *spec.Secret { return &ch.Token }),
		{
			name: "url", form: "an address, or a reference to one", means: "slack-webhook, webhook: where to post. That of a slack-webhook is a secret.",
			read: func(c cursor, ch *spec.Channel) {
				if len(spec.Refs(c.node.Value)) > 0 {
					c.processSecret("an address, or a reference to one", false, &ch.URL)
					return
				}
				var s spec.Secret
				if c.secret("an address, or a reference to one", false, &s); s == "" {
					return
				}
				if problem := badURL(string(s), "https", "http"); problem != "" {
					c.fail("%s", problem) // what was found may be a secret
					return
				}
				ch.URL = s
			},
		},
		defaulting(addressKey("api", "an address", "slack: the API's address, for a proxy.", func(s string) string { return badURL(s, "https", "http") },
			func(ch *spec.Channel) *string { return &ch.API }), "Slack's"),
		{
			name: "headers", form: "a mapping from header names to values", means: "webhook: sent along. Values may hold references to secrets.",
			read: func(c cursor, ch *spec.Channel) {
				ch.Headers = map[string]spec.Secret{}
				c.entries("a mapping from header names to values", func(k, v cursor) {
					var value spec.Secret
					if v.processSecret("a text", telling.MatchString(k.node.Value), &value); value != "" {
						ch.Headers[k.node.Value] = value
					}
				})
			},
		},
		textKey("default", "a recipient", "slack, webhook: who gets it where a rule names nobody, such as \"#ops\".", func(ch *spec.Channel) *string { return &ch.Default }),
	},
	also: channelAlso,
}

func channelAlso(c cursor, written map[string]bool, ch *spec.Channel) {
	if ch.Name == "" && message.IsName(ch.Kind) {
		ch.Name = ch.Kind
	}
	belongs := map[string][]string{"slack": {"token", "api", "default"}, "slack-webhook": {"url"}, "webhook": {"url", "token", "headers", "default"}, "log": {}}
	mine, known := belongs[ch.Kind]
	if !known {
		return
	}
	for _, k := range []string{"token", "url", "api", "headers", "default"} {
		if written[k] && !slices.Contains(mine, k) {
			c.r.failAt(c.path+"."+k, "has no meaning for a channel of kind %s", ch.Kind)
		}
	}
	needs := map[string]string{"slack": "token", "slack-webhook": "url", "webhook": "url"}[ch.Kind]
	if needs != "" && !written[needs] {
		c.r.failAt(c.path+"."+needs, "is missing, want it for a channel of kind %s", ch.Kind)
	}
	if ch.Kind == "slack-webhook" && written["url"] && len(spec.Refs(string(ch.URL))) == 0 && ch.URL != "" {
		c.r.failAt(c.path+".url", "%s", writtenOut)
	}
}

// readChannels takes a list, or a mapping from names as the rest of the file has it.
func readChannels(c cursor, p *spec.Process) {
	add := func(item cursor, ch spec.Channel) {
		if ch.Name == "" {
			return
		}
		if slices.ContainsFunc(p.Channels, func(other spec.Channel) bool { return other.Name == ch.Name }) {
			item.fail("channel %s is declared twice: give one of them another name", ch.Name)
			return
		}
		p.Channels = append(p.Channels, ch)
	}
	if isMapping(c) {
		c.entries(formChannels, func(k, v cursor) {
			var ch spec.Channel
			if k.name(&ch.Name); ch.Name == "" {
				return
			}
			name := ch.Name
			if channelObject.read(v, &ch)["name"] {
				c.r.failAt(v.path+".name", "the channel has a name before it already: leave this one out")
			}
			ch.Name = name
			add(v, ch)
		})
		return
	}
	c.list(formChannels, false, func(item cursor) {
		var ch spec.Channel
		channelObject.read(item, &ch)
		add(item, ch)
	})
}
