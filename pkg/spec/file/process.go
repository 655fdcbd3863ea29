package file

import (
	"slices"
	"time"

	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec"
)

// defaultHTTP is where a process tells how it is.
const defaultHTTP = "127.0.0.1:8322"

var processObject = object[spec.Process]{
	title: "ham",
	means: "How one process of ham is set up: the document that begins with ham:.",
	keys: []key[spec.Process]{
		defaulting(nameKey("name", "The writer's name on the bus, once in an installation.", func(p *spec.Process) *string { return &p.Name }), "the host's name"),
		defaulting(nameKey("site", "Where this process stands.", func(p *spec.Process) *string { return &p.Site }), "local"),
		nested("bus", &busObject, "How NATS is reached. Left out: a server inside this process, reachable from this machine alone.", func(p *spec.Process) *spec.Bus { return &p.Bus }),
		{
			name: "http", form: "host:port, or off", def: defaultHTTP, means: "Where /healthz, /readyz and /metrics are served.",
			fill: func(p *spec.Process) { p.HTTP = defaultHTTP },
			read: func(c cursor, p *spec.Process) {
				c.address("host:port, or off", func(s string) string {
					if s == "off" {
						return ""
					}
					return badListen(s)
				}, &p.HTTP)
			},
		},
		defaulting(pathKey("state_dir", "Where the embedded server and the executor keep their files.", func(p *spec.Process) *string { return &p.StateDir }), "HAM_STATE_DIR, else /var/lib/ham for root, else ~/.local/state/ham"),
		nested("prober", &proberObject, "The prober of this process.", func(p *spec.Process) *spec.Prober { return &p.Prober }),
		nested("executor", &executorObject, "The executor of this process.", func(p *spec.Process) *spec.Executor { return &p.Executor }),
		{
			name: "channels", form: formChannels, section: channelObject.title, means: "How people are reached.",
			read: readChannels,
		},
		duration("shutdown_timeout", 15*time.Second, 100*time.Millisecond, time.Hour, "How long an orderly stop may take.",
			func(p *spec.Process) *time.Duration { return &p.ShutdownTimeout }),
	},
}

var busObject = object[spec.Bus]{
	title: "bus",
	short: "urls",
	means: "An external NATS by urls, or a server inside this process. A plain value or list stands for urls.",
	keys: []key[spec.Bus]{
		{
			name: "urls", form: "a list of addresses: nats://, tls://, ws:// or wss://", means: "External servers, the nearest first.",
			read: func(c cursor, b *spec.Bus) {
				c.list("a list of addresses such as nats://192.0.2.5:4222", true, func(item cursor) {
					var s string
					item.address("an address such as nats://192.0.2.5:4222", func(s string) string { return badURL(s, "nats", "tls", "ws", "wss") }, &s)
					if s != "" {
						b.URLs = append(b.URLs, s)
					}
				})
			},
		},
		defaulting(addressKey("listen", "host:port", "Where the embedded server takes clients. Beyond this machine only with users, cert and key.", badListen,
			func(b *spec.Bus) *string { return &b.Listen }), "127.0.0.1:4222"),
		pathKey("creds", "A file with a user's JWT and seed.", func(b *spec.Bus) *string { return &b.Creds }),
		pathKey("nkey", "A file with an nkey's seed.", func(b *spec.Bus) *string { return &b.NKey }),
		textKey("user", "a text", "A user, with pass.", func(b *spec.Bus) *string { return &b.User }),
		secretKey("pass", "The user's password.", true, func(b *spec.Bus) *spec.Secret { return &b.Pass }),
		nested("tls", &tlsObject, "How TLS is spoken to external servers.", func(b *spec.Bus) *spec.TLS { return &b.TLS }),
		{
			name: "users", form: "a list of users", section: busUserObject.title, means: "Who may connect to the embedded server.",
			read: func(c cursor, b *spec.Bus) {
				c.list("a list of users", false, func(item cursor) {
					var u spec.BusUser
					busUserObject.read(item, &u)
					b.Users = append(b.Users, u)
				})
			},
		},
		pathKey("cert", "The embedded server's certificate; with key.", func(b *spec.Bus) *string { return &b.ServerCert }),
		pathKey("key", "The embedded server's key; with cert.", func(b *spec.Bus) *string { return &b.ServerKey }),
		{
			name: "replicas", form: "1, 3 or 5", def: "1", means: "On how many servers each stream is kept.",
			fill: func(b *spec.Bus) { b.Replicas = 1 },
			read: func(c cursor, b *spec.Bus) {
				n := 0
				if c.number(1, 5, &n); n == 2 || n == 4 {
					c.want("1, 3 or 5: an even number survives no more losses")
				} else if n > 0 {
					b.Replicas = n
				}
			},
		},
	},
	also: busAlso,
}

func busAlso(c cursor, written map[string]bool, b *spec.Bus) {
	if written["urls"] {
		for _, k := range []string{"listen", "users", "cert", "key"} {
			if written[k] {
				c.r.failAt(c.path+"."+k, "is about the embedded server, but urls names an external one: leave one of them out")
			}
		}
	} else {
		for _, k := range []string{"creds", "nkey", "user", "pass", "tls"} {
			if written[k] {
				c.r.failAt(c.path+"."+k, "is about external servers, but urls names none")
			}
		}
	}
	ways := 0
	for _, k := range []string{"creds", "nkey", "user"} {
		if written[k] {
			ways++
		}
	}
	if ways > 1 {
		c.fail("got more than one of creds, nkey and user, want one")
	}
	if written["user"] != written["pass"] {
		c.fail("got only one of user and pass, want both or none")
	}
	if written["cert"] != written["key"] {
		c.fail("got only one of cert and key, want both or none")
	}
	if b.Listen == "" || loopback(b.Listen) {
		return
	}
	if b.ServerCert == "" {
		c.r.failAt(c.path+".listen", "got %s, which others can reach, without TLS: give cert and key, or listen on 127.0.0.1", b.Listen)
	}
	if len(b.Users) == 0 {
		c.r.failAt(c.path+".listen", "got %s, which others can reach, without users: give users, or listen on 127.0.0.1", b.Listen)
	}
}

var busUserObject = object[spec.BusUser]{
	title: "bus user",
	means: "Who may connect to the embedded server: by nkey, or by name and pass.",
	keys: []key[spec.BusUser]{
		addressKey("nkey", "a public key", "A user's public nkey; it begins with U.", func(s string) string {
			if len(s) != 56 || s[0] != 'U' {
				return "want a public nkey: 56 letters and digits that begin with U"
			}
			return ""
		}, func(u *spec.BusUser) *string { return &u.NKey }),
		textKey("name", "a text", "The user's name, with pass.", func(u *spec.BusUser) *string { return &u.Name }),
		secretKey("pass", "The password.", true, func(u *spec.BusUser) *spec.Secret { return &u.Pass }),
	},
	also: func(c cursor, written map[string]bool, _ *spec.BusUser) {
		if written["nkey"] == written["name"] || written["name"] != written["pass"] {
			c.fail("want either nkey, or name and pass")
		}
	},
}

// secretKey is a secret of the process, resolved on this machine.
func secretKey[T any](name, means string, must bool, get func(*T) *spec.Secret) key[T] {
	form := "a reference: ${env:NAME} or ${file:/path}"
	return key[T]{
		name: name, form: form, means: means,
		read: func(c cursor, into *T) { c.processSecret(form, must, get(into)) },
	}
}

func (c cursor) processSecret(form string, must bool, into *spec.Secret) {
	var s spec.Secret
	if c.secret(form, must, &s); s == "" {
		return
	}
	for _, ref := range spec.Refs(string(s)) {
		problem := badReference(ref)
		if !isSecret(ref) {
			problem = "has ${" + ref + "}, want ${env:NAME} or ${file:/path}"
		}
		if problem != "" {
			c.fail("%s", problem)
			return
		}
	}
	c.r.noteSecrets(c.place(), string(s))
	*into = s
}

var proberObject = object[spec.Prober]{
	title: "prober",
	means: "The prober of this process.",
	keys: []key[spec.Prober]{
		defaulting(nameList("vantages", "The names that it looks from.", func(p *spec.Prober) *[]string { return &p.Vantages }), "the site"),
		{
			name: "references", form: "a list of addresses: tcp://, http:// or https://", def: "none: it is never blind",
			means: "Targets that it must see at least one of to count as a witness: a blind prober is no evidence.",
			read: func(c cursor, p *spec.Prober) {
				c.list("a list of addresses", true, func(item cursor) {
					var s string
					item.address("an address such as tcp://192.0.2.1:53", func(s string) string { return badURL(s, "tcp", "http", "https") }, &s)
					if s != "" {
						p.References = append(p.References, s)
					}
				})
			},
		},
		duration("timeout", time.Second, time.Millisecond, time.Minute, "How long one look at a reference may take.", func(p *spec.Prober) *time.Duration { return &p.Timeout }),
	},
}

var executorObject = object[spec.Executor]{
	title: "executor",
	means: "The executor of this process.",
	keys: []key[spec.Executor]{
		defaulting(nameList("sites", "The sites whose members it may change.", func(e *spec.Executor) *[]string { return &e.Sites }), "all"),
	},
}

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
