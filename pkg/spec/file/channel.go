package file

import (
	"net/mail"
	"regexp"
	"slices"

	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec"
)

const formChannels = "a mapping from names to channels, or a list of them"

// channelKinds are the kinds of channels.
var channelKinds = []string{"slack", "slack-webhook", "webhook", "email", "discord", "teams", "telegram", "pagerduty", "log"}

var channelObject = object[spec.Channel]{
	title: "channel",
	means: "One way to reach people.",
	keys: []key[spec.Channel]{
		defaulting(nameKey("name", "In a list: what notify rules name.", func(ch *spec.Channel) *string { return &ch.Name }), "the kind"),
		required(choice("kind", "", channelKinds, "slack: by a bot's token, one thread an incident. slack-webhook: by an incoming webhook. webhook: JSON by POST. email: by a mail server. discord, teams: by a webhook there. "+
			"telegram: by a bot's token. pagerduty: one alert an incident, by the Events API v2. log: lines on the terminal of the process.",
			func(ch *spec.Channel) *string { return &ch.Kind })),
		secretKey("token", "slack, telegram: the bot's token. pagerduty: the integration key. email: the password of user. webhook: the key that posts are signed with; left out: unsigned.", true,
			func(ch *spec.Channel) *spec.Secret { return &ch.Token }),
		{
			name: "url", form: "an address, or a reference to one", means: "slack-webhook, webhook, discord, teams: where to post. Those of all but webhook are secrets.",
			read: func(c cursor, ch *spec.Channel) { readAddress(c, &ch.URL) },
		},
		defaulting(addressKey("api", "an address", "slack, telegram, pagerduty: the API's address, for a proxy, or another region.", func(s string) string { return badURL(s, "https", "http") },
			func(ch *spec.Channel) *string { return &ch.API }), "that of the service"),
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
		{
			name: "people", form: "a mapping from user ids to people", section: chatPersonObject.title, def: "nobody: it shows no buttons",
			means: "slack: who may press what it shows, by the ids that Slack has for them (profile, ⋮, Copy member ID). Needs app_token, or signing_secret.",
			read:  readChatPeople,
		},
		secretKey("app_token", "slack: what is pressed comes by Socket Mode, which this token of the app opens (xapp-…, scope connections:write). Nothing has to be reachable from outside.", true,
			func(ch *spec.Channel) *spec.Secret { return &ch.AppToken }),
		secretKey("signing_secret", "slack: what is pressed comes as requests to listen, which Slack signs with this secret of the app.", true,
			func(ch *spec.Channel) *spec.Secret { return &ch.SigningSecret }),
		{
			name: "listen", form: "host:port", def: "with signing_secret: " + spec.DefaultChatListen, means: "slack: where those requests come in, at /slack. Slack calls https alone: a proxy that speaks it stands before.",
			read: func(c cursor, ch *spec.Channel) { c.address("host:port", badListen, &ch.Listen) },
		},
		textKey("default", "a recipient", "slack, webhook, email, telegram: who gets it where a rule names nobody, such as \"#ops\", ops@example.org or a chat's number.", func(ch *spec.Channel) *string { return &ch.Default }),
		addressKey("server", "host:port", "email: the mail server.", badHostPort, func(ch *spec.Channel) *string { return &ch.Server }),
		defaulting(choice("tls", "", []string{"starttls", "tls", "none"}, "email: how the server is spoken to. none is for a server on this machine alone.",
			func(ch *spec.Channel) *string { return &ch.TLS }), "tls on port 465, else starttls"),
		textKey("user", "a text", "email: who signs in at the server; left out: nobody does.", func(ch *spec.Channel) *string { return &ch.User }),
		mailKey("from", "email: the sender.", func(ch *spec.Channel) *string { return &ch.From }),
		choice("lang", "en", []string{"en", "pt-BR"}, "The language of what is told there.", func(ch *spec.Channel) *string { return &ch.Lang }),
		scheduleKey("digest", "When the time since the one before is told in one message: near misses that recovered, the age of drills, pauses, what could not be told. A plain value stands for at.",
			func(ch *spec.Channel) **spec.Schedule { return &ch.Digest }),
		scheduleKey("daily", "When one line says how all groups are, so that the channel's silence is noticed. A plain value stands for at.",
			func(ch *spec.Channel) **spec.Schedule { return &ch.Daily }),
	},
	also: channelAlso,
}

var chatPersonObject = object[spec.ChatPerson]{
	title: "chat person",
	means: "One user of the workspace.",
	keys: []key[spec.ChatPerson]{
		required(nameKey("name", "Stands in the record of all that they press. Who is a user of the console, too, has the same name here: for the rule of two they are one person.",
			func(p *spec.ChatPerson) *string { return &p.Name })),
		required(rolesKey("roles", "What the person may do: a viewer may ask why, an operator may press.", func(p *spec.ChatPerson) *spec.Roles { return &p.Roles })),
	},
}

// chatUser is the form of a user's id in Slack.
var chatUser = regexp.MustCompile(`^[UW][A-Z0-9]{2,31}$`)

func readChatPeople(c cursor, ch *spec.Channel) {
	c.entries("a mapping from user ids to people", func(k, v cursor) {
		p := spec.ChatPerson{ID: k.node.Value}
		if !chatUser.MatchString(p.ID) {
			k.fail("got %s, want the id of a user as Slack has it, such as U024BE7LH", k.got())
			return
		}
		chatPersonObject.read(v, &p)
		ch.People = append(ch.People, p)
	})
	if isMapping(c) && len(c.node.Content) == 0 {
		c.fail("the mapping is empty: name at least one person, or leave the key out")
	}
}

// chatAlso holds a channel that takes presses to know from whom, and to have one way for them.
func chatAlso(c cursor, written map[string]bool, ch *spec.Channel) {
	way := written["app_token"] || written["signing_secret"]
	switch {
	case written["app_token"] && written["signing_secret"]:
		c.r.failAt(c.path+".signing_secret", "is a second way beside app_token: Slack sends what is pressed by one of them, as the app is set up")
	case written["people"] && !way:
		c.r.failAt(c.path+".people", "can press nothing: give app_token (Socket Mode), or signing_secret (requests to listen)")
	case way && !written["people"]:
		c.r.failAt(c.path, "takes presses of nobody: give people, or leave out app_token and signing_secret")
	}
	if written["listen"] && !written["signing_secret"] {
		c.r.failAt(c.path+".listen", "means nothing without signing_secret, which says that a request is Slack's")
	}
	if written["signing_secret"] && ch.Listen == "" {
		ch.Listen = spec.DefaultChatListen
	}
}

func mailKey(name, means string, get func(*spec.Channel) *string) key[spec.Channel] {
	return addressKey(name, "a mail address", means, func(s string) string {
		if a, err := mail.ParseAddress(s); err != nil || a.Address != s {
			return "want a mail address, such as ham@example.org"
		}
		return ""
	}, get)
}

func scheduleKey(name, means string, get func(*spec.Channel) **spec.Schedule) key[spec.Channel] {
	return key[spec.Channel]{
		name: name, form: "a mapping with " + scheduleObject.names(), section: scheduleObject.title, def: "never", means: means,
		read: func(c cursor, ch *spec.Channel) {
			s := new(spec.Schedule)
			scheduleObject.read(c, s)
			*get(ch) = s
		},
	}
}

// channelKeys are the keys that have a meaning for a kind, those first that it needs; every kind has lang, digest and daily.
var channelKeys = map[string]struct{ needs, may []string }{
	"slack":         {[]string{"token"}, []string{"api", "default", "people", "app_token", "signing_secret", "listen"}},
	"slack-webhook": {[]string{"url"}, nil},
	"webhook":       {[]string{"url"}, []string{"token", "headers", "default"}},
	"email":         {[]string{"server", "from"}, []string{"tls", "user", "token", "default"}},
	"discord":       {[]string{"url"}, nil},
	"teams":         {[]string{"url"}, nil},
	"telegram":      {[]string{"token"}, []string{"api", "default"}},
	"pagerduty":     {[]string{"token"}, []string{"api"}},
	"log":           {},
}

func channelAlso(c cursor, written map[string]bool, ch *spec.Channel) {
	if ch.Name == "" && message.IsName(ch.Kind) {
		ch.Name = ch.Kind
	}
	mine, known := channelKeys[ch.Kind]
	if !known {
		return
	}
	for _, k := range []string{"token", "url", "api", "headers", "default", "server", "tls", "user", "from", "people", "app_token", "signing_secret", "listen"} {
		if written[k] && !slices.Contains(mine.needs, k) && !slices.Contains(mine.may, k) {
			c.r.failAt(c.path+"."+k, "has no meaning for a channel of kind %s", ch.Kind)
		}
	}
	for _, k := range mine.needs {
		if !written[k] {
			c.r.failAt(c.path+"."+k, "is missing, want it for a channel of kind %s", ch.Kind)
		}
	}
	if slices.Contains([]string{"slack-webhook", "discord", "teams"}, ch.Kind) && written["url"] && len(spec.Refs(string(ch.URL))) == 0 && ch.URL != "" {
		c.r.failAt(c.path+".url", "%s", writtenOut)
	}
	if ch.Kind == "email" && written["user"] != written["token"] {
		c.r.failAt(c.path, "has one of user and token, want both: who signs in at the mail server, and the password")
	}
	if ch.Kind == "email" && ch.TLS == "none" && ch.Server != "" && !loopback(ch.Server) {
		c.r.failAt(c.path+".tls", "is none and the server another machine: want starttls or tls, else anybody on the way reads along")
	}
	if ch.Kind == "slack" {
		chatAlso(c, written, ch)
	}
	needsDefault := slices.Contains([]string{"slack", "email", "telegram"}, ch.Kind) && ch.Default == ""
	for _, k := range []string{"digest", "daily"} {
		if written[k] && needsDefault {
			c.r.failAt(c.path+".default", "is missing, want who gets the %s", k)
		}
		if written[k] && ch.Kind == "pagerduty" {
			c.r.failAt(c.path+"."+k, "has no meaning for a channel of kind pagerduty: nobody is woken for it")
		}
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
