package file

import (
	"time"

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
		nested("notify", &notifierObject, "What the notifier does beside telling each event.", func(p *spec.Process) *spec.Notify { return &p.Notify }),
		nested("console", &consoleObject, "The console of this process: the page with the red button. A plain value stands for listen.", func(p *spec.Process) *spec.Console { return &p.Console }),
		{
			name: "remind", form: "a list of days", limits: "1 to 8 of 1 to 365", def: "[14, 7, 1]",
			means: "How many days before a certificate of ham's own ends (of the bus, the console, checks, steps) people are reminded of it, each time once. The last reminder is critical.",
			read: func(c cursor, p *spec.Process) {
				p.Remind = nil
				c.list("a list of days such as [14, 7, 1]", true, func(item cursor) {
					var days int
					if item.number(1, 365, &days); days > 0 {
						p.Remind = append(p.Remind, days)
					}
				})
				c.most(len(p.Remind), 8, "reminder")
			},
		},
		duration("shutdown_timeout", 15*time.Second, 100*time.Millisecond, time.Hour, "How long an orderly stop may take.",
			func(p *spec.Process) *time.Duration { return &p.ShutdownTimeout }),
	},
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
		addressKey("peer", "host:port", "Where it answers the executors beside other members, for groups with a lease. Only their hosts need to reach it.", badHostPort,
			func(e *spec.Executor) *string { return &e.Peer }),
		secretKey("peer_secret", "What they prove themselves to each other with; the same for all of them.", true, func(e *spec.Executor) *spec.Secret { return &e.PeerSecret }),
	},
	also: func(c cursor, written map[string]bool, _ *spec.Executor) {
		if written["peer"] && !written["peer_secret"] {
			c.r.failAt(c.path+".peer_secret", "is missing, want a reference to what the executors prove themselves with, such as ${file:/etc/ham/peer.secret}: else anybody could ask for promises")
		}
		if written["peer_secret"] && !written["peer"] {
			c.r.failAt(c.path+".peer", "is missing, want host:port: the secret is for those who ask there")
		}
	},
}
