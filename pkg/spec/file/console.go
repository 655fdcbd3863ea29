package file

import (
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/password"
	"github.com/isacloud/ha-manager/pkg/spec"
)

// consoleRoles are what a person may do, from the least.
var consoleRoles = []string{"viewer", "operator", "admin"}

const formRoles = "a role for all groups (viewer, operator or admin), or a mapping from groups to roles"

var consoleObject = object[spec.Console]{
	title: "console",
	short: "listen",
	means: "The page with the red button, and who may press it. Without users and oidc nobody signs in, and it is for this machine alone.",
	keys: []key[spec.Console]{
		{
			name: "listen", form: "host:port, or off", def: spec.DefaultConsoleListen, means: "Where the console is served. Beyond this machine only with users or oidc, and with cert and key or behind trusted_proxies.",
			fill: func(s *spec.Console) { s.Listen = spec.DefaultConsoleListen },
			read: func(c cursor, s *spec.Console) {
				c.address("host:port, or off", func(text string) string {
					if text == "off" || badListen(text) == "" {
						return ""
					}
					return "want an address to listen on, such as " + spec.DefaultConsoleListen + ", or off"
				}, &s.Listen)
			},
		},
		addressKey("url", "an address", "What people type, without a path: https://ham.example.org:8321. Required with oidc, which sends them back there.", badOrigin,
			func(s *spec.Console) *string { return &s.URL }),
		pathKey("cert", "The console's certificate; with key. It is read again when it changes.", func(s *spec.Console) *string { return &s.Cert }),
		pathKey("key", "The console's key; with cert.", func(s *spec.Console) *string { return &s.Key }),
		pathKey("client_ca", "The certificates that signed those of people: users with a certificate sign in with it.", func(s *spec.Console) *string { return &s.ClientCA }),
		{
			name: "users", form: "a mapping from names to users", section: consoleUserObject.title, means: "Who may come in. The name stands in the record of all that they ask for.",
			read: readConsoleUsers,
		},
		{
			name: "oidc", form: "a mapping with " + oidcObject.names(), section: oidcObject.title, means: "An identity provider that people sign in with.",
			read: func(c cursor, s *spec.Console) {
				s.OIDC = &spec.OIDC{}
				oidcObject.read(c, s.OIDC)
			},
		},
		defaulting(networksKey("networks", "From where people may come.", func(s *spec.Console) *[]string { return &s.Networks }), "from everywhere"),
		networksKey("trusted_proxies", "The proxies that stand before the console and speak TLS with people: they tell the address of each in X-Forwarded-For. Nobody else is believed.",
			func(s *spec.Console) *[]string { return &s.TrustedProxies }),
		{
			name: "siblings", form: "a mapping from names to addresses", means: "The consoles of the other sites, to go to when this one's site is the one in trouble. Each has its own sessions.",
			read: func(c cursor, s *spec.Console) {
				c.entries("a mapping from names to addresses", func(k, v cursor) {
					var sibling spec.Sibling
					if k.name(&sibling.Name); sibling.Name == "" {
						return
					}
					v.address("an address such as https://ham-rj.example.org:8321", func(text string) string { return badURL(text, "https", "http") }, &sibling.URL)
					s.Siblings = append(s.Siblings, sibling)
				})
			},
		},
		{
			name: "session", form: "a mapping with " + sessionObject.names(), def: "those of its keys", section: sessionObject.title, means: "When a session ends by itself.",
			read: func(c cursor, s *spec.Console) { sessionObject.read(c, s) },
			fill: func(s *spec.Console) { s.Idle, s.Max = spec.DefaultSessionIdle, spec.DefaultSessionMax },
		},
	},
	also: consoleAlso,
}

var sessionObject = object[spec.Console]{
	title: "session",
	means: "When a session ends by itself. Sign-out ends it at once, and so does the end of the process.",
	keys: []key[spec.Console]{
		duration("idle", spec.DefaultSessionIdle, time.Minute, 31*day, "After this long without a request. A page that is merely left open makes none.", func(s *spec.Console) *time.Duration { return &s.Idle }),
		duration("max", spec.DefaultSessionMax, time.Minute, 31*day, "This long after sign-in, in any case.", func(s *spec.Console) *time.Duration { return &s.Max }),
	},
	also: func(c cursor, written map[string]bool, s *spec.Console) {
		if s.Idle > s.Max {
			at := "idle"
			if !written["idle"] {
				at = "max"
			}
			c.r.failAt(c.path+"."+at, "idle is %s and max is %s, want idle to be at most max", show(s.Idle), show(s.Max))
		}
	},
}

var consoleUserObject = object[spec.ConsoleUser]{
	title: "console user",
	means: "One person, by one or more ways: a password, a certificate, what the identity provider knows them by.",
	keys: []key[spec.ConsoleUser]{
		{
			name: "password", form: "an argon2id hash, or a reference to one: ${file:/path}", means: "The hash of the password, as `ham console hash` prints it.",
			read: func(c cursor, u *spec.ConsoleUser) {
				if len(spec.Refs(c.node.Value)) > 0 {
					c.processSecret("an argon2id hash, or a reference to one: ${file:/path}", true, &u.Password)
					return
				}
				var s spec.Secret
				if c.secret("an argon2id hash, or a reference to one: ${file:/path}", false, &s); s == "" {
					return
				}
				if _, err := password.Parse(string(s)); err != nil {
					c.fail("%v", err)
					return
				}
				u.Password = s
			},
		},
		defaulting(textKey("certificate", "a text", "The common name, or an alternative name (a mail address, a DNS name, a URI), of the person's certificate. Needs client_ca.",
			func(u *spec.ConsoleUser) *string { return &u.Certificate }), "with client_ca and without password and subject: the user's name"),
		textKey("subject", "a text", "What the identity provider calls the person: the claim sub. They come in under this user's name then, with its roles beside those of their groups.",
			func(u *spec.ConsoleUser) *string { return &u.Subject }),
		required(rolesKey("roles", "What the person may do.", func(u *spec.ConsoleUser) *spec.Roles { return &u.Roles })),
	},
}

var oidcObject = object[spec.OIDC]{
	title: "oidc",
	means: "An identity provider that speaks OpenID Connect. ham asks for a code with PKCE, state and nonce; the client's address to come back to is <url>/sign-in/oidc/callback.",
	keys: []key[spec.OIDC]{
		required(addressKey("issuer", "an address", "The provider, exactly as it calls itself.", badSecureURL, func(o *spec.OIDC) *string { return &o.Issuer })),
		required(textKey("client_id", "a text", "What the provider calls ham.", func(o *spec.OIDC) *string { return &o.ClientID })),
		secretKey("client_secret", "What ham shows the provider; left out: it is a public client.", true, func(o *spec.OIDC) *spec.Secret { return &o.ClientSecret }),
		defaulting(pathKey("ca", "Certificates that vouch for the provider.", func(o *spec.OIDC) *string { return &o.CA }), "the system's"),
		{
			name: "scopes", form: "a list of texts", def: "openid, profile, email", means: "What is asked of the provider; openid always is.",
			read: func(c cursor, o *spec.OIDC) {
				o.Scopes = nil
				c.list("a list of texts", true, func(item cursor) {
					item.address("a scope", func(text string) string {
						if strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' || r == '"' || r == '\\' }) {
							return "want one scope, without spaces"
						}
						o.Scopes = append(o.Scopes, text)
						return ""
					}, new(string))
				})
			},
			fill: func(o *spec.OIDC) { o.Scopes = []string{"openid", "profile", "email"} },
		},
		claimKey("name_claim", "preferred_username", "The claim that holds the person's name. Characters that no name has become '-'.", func(o *spec.OIDC) *string { return &o.NameClaim }),
		claimKey("groups_claim", "groups", "The claim that lists the person's groups.", func(o *spec.OIDC) *string { return &o.GroupsClaim }),
		{
			name: "roles", form: "a mapping from the provider's groups to roles", means: "What the members of each of the provider's groups may do. Who is in none of them, and is no user with a subject, stays outside.",
			read: func(c cursor, o *spec.OIDC) {
				o.Roles = map[string]spec.Roles{}
				c.entries("a mapping from the provider's groups to roles", func(k, v cursor) {
					if k.node.Value == "" {
						k.fail("got an empty name, want that of a group of the provider")
						return
					}
					o.Roles[k.node.Value] = v.roles()
				})
			},
		},
	},
}

func claimKey(name, def, means string, get func(*spec.OIDC) *string) key[spec.OIDC] {
	k := defaulting(textKey(name, "a text", means, get), def)
	k.fill = func(o *spec.OIDC) { *get(o) = def }
	return k
}

// networksKey is a list of addresses and networks.
func networksKey[T any](name, means string, get func(*T) *[]string) key[T] {
	form := "a list of addresses and networks"
	return key[T]{
		name: name, form: form, means: means,
		read: func(c cursor, into *T) {
			c.list(form, true, func(item cursor) {
				var s string
				if item.address("an address such as 192.0.2.10, or a network such as 192.0.2.0/24", badPrefix, &s); s != "" {
					*get(into) = append(*get(into), s)
				}
			})
		},
	}
}

func rolesKey[T any](name, means string, get func(*T) *spec.Roles) key[T] {
	return key[T]{name: name, form: formRoles, means: means, read: func(c cursor, into *T) { *get(into) = c.roles() }}
}

// roles reads a role for all groups, or a mapping from groups to roles.
func (c cursor) roles() spec.Roles {
	out := spec.Roles{}
	if c.scalar() {
		role := ""
		if readChoice(c, consoleRoles, &role); role != "" {
			out["*"] = role
		}
		return out
	}
	c.entries(formRoles, func(k, v cursor) {
		if k.node.Value != "*" && !message.IsName(k.node.Value) {
			k.fail("got %s, want the name of a group, or \"*\" for all of them", k.got())
			return
		}
		role := ""
		if readChoice(v, consoleRoles, &role); role != "" {
			out[k.node.Value] = role
		}
	})
	if isMapping(c) && len(c.node.Content) == 0 {
		c.fail("the mapping is empty: name at least one role")
	}
	return out
}

func readConsoleUsers(c cursor, s *spec.Console) {
	c.entries("a mapping from names to users", func(k, v cursor) {
		var u spec.ConsoleUser
		if k.name(&u.Name); u.Name == "" {
			return
		}
		consoleUserObject.read(v, &u)
		s.Users = append(s.Users, u)
	})
	if isMapping(c) && len(c.node.Content) == 0 {
		c.fail("the mapping is empty: name at least one user, or leave the key out")
	}
}

func consoleAlso(c cursor, written map[string]bool, s *spec.Console) {
	if s.Off() {
		return
	}
	fail := func(key, format string, args ...any) { c.r.failAt(c.path+"."+key, format, args...) }
	if written["cert"] != written["key"] {
		c.fail("got only one of cert and key, want both or none")
	}
	if written["client_ca"] && !written["cert"] {
		fail("client_ca", "means nothing without cert and key: people show certificates to a console that speaks TLS")
	}
	if written["client_ca"] && !written["users"] {
		fail("client_ca", "lets nobody in without users: a certificate says who somebody is, users what they may do")
	}
	for i := range s.Users {
		consoleUserAlso(c, written, s, &s.Users[i])
	}
	if s.OIDC != nil {
		if !written["url"] {
			fail("url", "is missing, want what people type, such as https://ham.example.org:8321: the provider sends them back there")
		}
		if len(s.OIDC.Roles) == 0 && !slices.ContainsFunc(s.Users, func(u spec.ConsoleUser) bool { return u.Subject != "" }) {
			fail("oidc.roles", "is missing, want a mapping from the provider's groups to roles, or users with a subject: else nobody who signs in may do anything")
		}
	}
	if written["trusted_proxies"] && !s.SignIn() {
		fail("trusted_proxies", "means people who come from elsewhere, but nobody signs in: give users or oidc")
	}
	if s.Listen == "" || loopback(s.Listen) {
		return
	}
	if !s.SignIn() {
		fail("listen", "got %s, which others can reach, and nobody signs in: give users or oidc, or listen on 127.0.0.1", s.Listen)
	}
	if s.Cert == "" && len(s.TrustedProxies) == 0 {
		fail("listen", "got %s, which others can reach, without TLS: give cert and key, or trusted_proxies that speak it, or listen on 127.0.0.1", s.Listen)
	}
}

// consoleUserAlso holds a user to have a way in that is open.
func consoleUserAlso(c cursor, written map[string]bool, s *spec.Console, u *spec.ConsoleUser) {
	path := c.path + ".users." + u.Name
	if !c.r.clean(path) {
		return
	}
	if written["client_ca"] && u.Password == "" && u.Subject == "" && u.Certificate == "" {
		u.Certificate = u.Name
	}
	switch {
	case u.Password == "" && u.Subject == "" && u.Certificate == "":
		c.r.failAt(path, "has no way in: give password, certificate or subject")
	case u.Certificate != "" && !written["client_ca"]:
		c.r.failAt(path+".certificate", "means nothing without client_ca, which says whose certificates count")
	case u.Subject != "" && s.OIDC == nil:
		c.r.failAt(path+".subject", "means nothing without oidc, which says who knows them by it")
	}
	for _, other := range s.Users {
		if other.Name == u.Name {
			break
		}
		if u.Certificate != "" && other.Certificate == u.Certificate {
			c.r.failAt(path+".certificate", "is that of %s too: give each their own", other.Name)
		}
		if u.Subject != "" && other.Subject == u.Subject {
			c.r.failAt(path+".subject", "is that of %s too: give each their own", other.Name)
		}
	}
}

// badOrigin wants scheme and host alone, safe from listeners on the way.
func badOrigin(s string) string {
	if problem := badSecureURL(s); problem != "" {
		return problem
	}
	if u, err := url.Parse(s); err != nil || (u.Path != "" && u.Path != "/") || u.RawQuery != "" {
		return "want it without a path, such as https://ham.example.org:8321"
	}
	return ""
}

// badSecureURL wants https, or http to this machine.
func badSecureURL(s string) string {
	if problem := badURL(s, "https", "http"); problem != "" {
		return problem
	}
	u, err := url.Parse(s)
	if err != nil {
		return "want an address such as https://192.0.2.10:8080"
	}
	ip, _ := netip.ParseAddr(u.Hostname())
	if u.Scheme == "http" && u.Hostname() != "localhost" && !ip.IsLoopback() {
		return "want https: what is secret goes over it"
	}
	return ""
}
