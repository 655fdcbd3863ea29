package file

import (
	"strings"

	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec"
)

var notifyObject = object[spec.NotifyRule]{
	title: "notify",
	means: "One rule: which events go to which channel.",
	keys: []key[spec.NotifyRule]{
		required(key[spec.NotifyRule]{
			name: "to", form: "<channel> or <channel>:<recipient>", means: "A channel of the process, and who gets it there, such as slack:#ops.",
			read: func(c cursor, n *spec.NotifyRule) {
				var s string
				if c.text("<channel> or <channel>:<recipient>, such as slack:#ops", &s); s == "" {
					return
				}
				if !message.IsName(channelOf(s)) || len(s) > 256 || strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
					c.want("<channel> or <channel>:<recipient>, such as slack:#ops")
					return
				}
				n.To = s
			},
		}),
		choice("from", string(message.Warning), []string{string(message.Debug), string(message.Info), string(message.Notice), string(message.Warning), string(message.Critical)},
			"The least severity.", func(n *spec.NotifyRule) *string { return &n.From }),
		{
			name: "kinds", form: "a list of kinds of events", def: "all", means: "Only these kinds: " + joined(message.EventKinds) + ".",
			read: func(c cursor, n *spec.NotifyRule) {
				c.list("a list of kinds of events", true, func(item cursor) {
					var kind message.EventKind
					if readChoice(item, message.EventKinds, &kind); kind != "" {
						n.Kinds = append(n.Kinds, string(kind))
					}
				})
			},
		},
	},
}
