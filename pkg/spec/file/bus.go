package file

import (
	"slices"

	"github.com/isacloud/ha-manager/pkg/spec"
)

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
			name: "cluster", form: "a mapping with " + busClusterObject.names(), def: "it stands alone", section: busClusterObject.title,
			means: "The embedded servers of other processes that this one forms a cluster with.",
			read: func(c cursor, b *spec.Bus) {
				b.Cluster = &spec.BusCluster{}
				busClusterObject.read(c, b.Cluster)
			},
		},
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
		for _, k := range []string{"listen", "users", "cert", "key", "cluster"} {
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
	busClusterAlso(c, written, b)
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

// busClusterAlso holds the cluster's port to what clients' ports are held to: nothing beyond this machine without TLS and a secret.
func busClusterAlso(c cursor, written map[string]bool, b *spec.Bus) {
	cl := b.Cluster
	if cl == nil {
		if !written["urls"] && b.Replicas > 1 {
			c.r.failAt(c.path+".replicas", "got %d, but the embedded server stands alone: give cluster, or replicas: 1", b.Replicas)
		}
		return
	}
	servers := len(cl.Routes)
	if !slices.Contains(cl.Routes, cl.Listen) {
		servers++
	}
	if b.Replicas > servers {
		c.r.failAt(c.path+".replicas", "got %d, but cluster names %d servers with this one", b.Replicas, servers)
	}
	if cl.Listen == "" || loopback(cl.Listen) {
		return
	}
	if b.ServerCert == "" || cl.CA == "" {
		c.r.failAt(c.path+".cluster.listen", "got %s, which others can reach, without TLS: give cert and key of the server, and cluster.ca, or listen on 127.0.0.1", cl.Listen)
	}
	if cl.Pass == "" {
		c.r.failAt(c.path+".cluster.listen", "got %s, which others can reach, without cluster.pass: give it, or listen on 127.0.0.1", cl.Listen)
	}
}

var busClusterObject = object[spec.BusCluster]{
	title: "bus cluster",
	means: "How the embedded servers of several processes find each other. They show each other the certificate of the bus.",
	keys: []key[spec.BusCluster]{
		required(nameKey("name", "The cluster's name, the same on every server.", func(b *spec.BusCluster) *string { return &b.Name })),
		required(addressKey("listen", "host:port", "Where this server takes the others. Beyond this machine only with cert and key, ca and pass.", badListen,
			func(b *spec.BusCluster) *string { return &b.Listen })),
		required(key[spec.BusCluster]{
			name: "routes", form: "a list of host:port", means: "Where the others listen. It may hold this server too, so that all servers can have one list.",
			read: func(c cursor, b *spec.BusCluster) {
				c.list("a list of host:port, such as 192.0.2.11:6222", true, func(item cursor) {
					var s string
					if item.address("host:port, such as 192.0.2.11:6222", badListen, &s); s != "" {
						b.Routes = append(b.Routes, s)
					}
				})
			},
		}),
		pathKey("ca", "Certificates that signed those of the servers.", func(b *spec.BusCluster) *string { return &b.CA }),
		secretKey("pass", "What the servers show each other.", true, func(b *spec.BusCluster) *spec.Secret { return &b.Pass }),
	},
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
