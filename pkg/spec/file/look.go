package file

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/isacloud/ha-manager/pkg/spec"
)

const (
	formCommand = "a list of words, such as [/usr/local/bin/check, --fast]; no shell is used"
	formStatus  = "status codes: 200, or a list such as [200, 300-399]"
)

// okStatus are the codes that are accepted where none are written.
var okStatus = spec.StatusRange{From: 200, To: 299}

var httpObject = object[spec.HTTPCheck]{
	title: "http",
	short: "url",
	means: "A check of kind http. The connection is kept open between looks, so that a reset or a close is noticed at once. A plain value stands for url.",
	keys: []key[spec.HTTPCheck]{
		required(key[spec.HTTPCheck]{
			name: "url", form: "a path or an address", means: "What is asked for. A path such as /alive is added to the member's url. It may hold ${member.…}.",
			read: func(c cursor, h *spec.HTTPCheck) { c.expanding("a path or an address", ofMember, badCheckURL, &h.URL) },
		}),
		methodKey(http.MethodGet, func(h *spec.HTTPCheck) *string { return &h.Method }),
		statusKey(func(h *spec.HTTPCheck) *[]spec.StatusRange { return &h.Status }),
		{
			name: "body", form: "a regular expression", means: "The first 64 KiB of the answer must match it.",
			read: func(c cursor, h *spec.HTTPCheck) { c.pattern(&h.Body) },
		},
		headersKey(ofMember, func(h *spec.HTTPCheck) *map[string]spec.Secret { return &h.Headers }),
		number("redirects", 0, 0, 10, "How many redirects are followed. At 0 a redirect is an answer with its own status.", func(h *spec.HTTPCheck) *int { return &h.Redirects }),
		defaulting(duration("slower_than", 0, time.Millisecond, mostEvery, "An answer that took longer counts as degraded.", func(h *spec.HTTPCheck) *time.Duration { return &h.SlowerThan }), "never"),
		nested("tls", &tlsObject, "How TLS is spoken.", func(h *spec.HTTPCheck) *spec.TLS { return &h.TLS }),
	},
}

var tcpObject = object[spec.TCPCheck]{
	title: "tcp",
	short: "address",
	means: "A check of kind tcp. A plain value stands for address.",
	keys: []key[spec.TCPCheck]{
		{
			name: "address", form: "host:port", def: "that of the member's url", means: "Where to connect. It may hold ${member.…}.",
			read: func(c cursor, t *spec.TCPCheck) {
				c.expanding("host:port", ofMember, func(s string, _ spec.Member) string { return badHostPort(s) }, &t.Address)
			},
		},
		{
			name: "send", form: "a text", means: "Sent once connected.",
			read: func(c cursor, t *spec.TCPCheck) { c.expanding("a text", ofMember, nil, &t.Send) },
		},
		{
			name: "expect", form: "a regular expression", means: "What comes back must match it.",
			read: func(c cursor, t *spec.TCPCheck) { c.pattern(&t.Expect) },
		},
		flagKey("hold", "Keep the connection open, so that its end is noticed at once.", func(t *spec.TCPCheck) *bool { return &t.Hold }),
		flagKey("soft", "A refusal counts like silence: fall of them in a row are needed. For what may be restarted without harm.", func(t *spec.TCPCheck) *bool { return &t.Soft }),
		{
			name: "tls", form: "a mapping with " + tlsObject.names(), section: tlsObject.title, def: "plain", means: "Speak TLS; {} for the defaults.",
			read: func(c cursor, t *spec.TCPCheck) {
				t.TLS = new(spec.TLS)
				tlsObject.read(c, t.TLS)
			},
		},
	},
}

var execObject = object[spec.ExecCheck]{
	title: "exec",
	short: "command",
	means: "A check of kind exec. A plain list stands for command.",
	keys: []key[spec.ExecCheck]{
		required(commandKey("command", "The command, run by the prober. It may hold ${member.…}.", ofMember, func(e *spec.ExecCheck) *[]string { return &e.Command })),
		envKey(ofMember, func(e *spec.ExecCheck) *map[string]spec.Secret { return &e.Env }),
		dirKey(ofMember, func(e *spec.ExecCheck) *string { return &e.Dir }),
	},
}

var postgresCheckObject = object[spec.PostgresCheck]{
	title: "check postgres",
	means: "A check of kind postgres. The connection is kept open, so that its end is noticed at once.",
	keys: []key[spec.PostgresCheck]{
		{
			name: "dsn", form: formDSN, def: "the member's", means: "Where to log in. It may hold ${member.…}.",
			read: func(c cursor, p *spec.PostgresCheck) {
				var s spec.Secret
				if c.secret(formDSN, false, &s); s == "" {
					return
				}
				if len(spec.Refs(string(s))) == 0 || strings.Contains(string(s), "://") || strings.Contains(string(s), "=") {
					if problem := badDSN(string(s)); problem != "" {
						c.fail("%s", problem)
						return
					}
				}
				c.template(template{text: string(s), scope: ofMember, secret: true})
				p.DSN = s
			},
		},
		flagKey("read_only", "Leave out the write on a primary. A full or stalled disk is not seen then.", func(p *spec.PostgresCheck) *bool { return &p.ReadOnly }),
	},
}

var redisCheckObject = object[spec.RedisCheck]{
	title: "check redis",
	means: "A check of kind redis.",
	keys: []key[spec.RedisCheck]{
		{
			name: "address", form: "host:port", def: "the member's", means: "Where to connect. It may hold ${member.…}.",
			read: func(c cursor, r *spec.RedisCheck) {
				c.expanding("host:port", ofMember, func(s string, _ spec.Member) string { return badHostPort(s) }, &r.Address)
			},
		},
		defaulting(secretKey("password", "Its password.", true, func(r *spec.RedisCheck) *spec.Secret { return &r.Password }), "the member's"),
	},
}

var tlsObject = object[spec.TLS]{
	title: "tls",
	means: "How TLS is spoken. Paths are those of the machine that speaks it.",
	keys: []key[spec.TLS]{
		defaulting(pathKey("ca", "Certificates that are trusted instead of the system's.", func(t *spec.TLS) *string { return &t.CAFile }), "the system's"),
		pathKey("cert", "The client's certificate; with key.", func(t *spec.TLS) *string { return &t.CertFile }),
		pathKey("key", "The client's key; with cert.", func(t *spec.TLS) *string { return &t.KeyFile }),
		defaulting(addressKey("server_name", "a host name", "The name that the server's certificate must have.", func(s string) string {
			if strings.ContainsAny(s, " /:@$") {
				return "want a host name without port"
			}
			return ""
		}, func(t *spec.TLS) *string { return &t.ServerName }), "the address's host"),
		flagKey("insecure_skip_verify", "Accept any certificate. Whoever stands between can then answer in the member's place.", func(t *spec.TLS) *bool { return &t.InsecureSkipVerify }),
	},
	also: func(c cursor, written map[string]bool, _ *spec.TLS) {
		if written["cert"] != written["key"] {
			c.fail("got only one of cert and key, want both or none")
		}
	},
}

// expanding reads a text that may hold ${…}; bad is asked once they are replaced.
func (c cursor) expanding(form string, sc scope, bad func(string, spec.Member) string, into *string) {
	if c.text(form, into); *into != "" {
		c.template(template{text: *into, scope: sc, bad: bad})
	}
}

func badCheckURL(full string, m spec.Member) string {
	if !strings.HasPrefix(full, "/") {
		return badURL(full, "http", "https")
	}
	if m.URL == "" {
		return "which is a path, but member " + m.Name + " has no url: give it one, or write the whole address"
	}
	if problem := badURL(m.URL, "http", "https"); problem != "" {
		return "which is a path, but the url of member " + m.Name + " is no http:// or https:// address: write the whole address"
	}
	return badURL(strings.TrimSuffix(m.URL, "/")+full, "http", "https")
}

func methodKey[T any](def string, get func(*T) *string) key[T] {
	return choice("method", def, []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}, "The HTTP method.", get)
}

func statusKey[T any](get func(*T) *[]spec.StatusRange) key[T] {
	return key[T]{
		name: "status", form: formStatus, def: "200-299", means: "The accepted codes.",
		read: func(c cursor, into *T) {
			*get(into) = nil
			c.list(formStatus, true, func(item cursor) { item.status(get(into)) })
		},
		fill: func(into *T) { *get(into) = []spec.StatusRange{okStatus} },
	}
}

func (c cursor) status(into *[]spec.StatusRange) {
	from, to, ranged := strings.Cut(c.node.Value, "-")
	if !ranged {
		to = from
	}
	f, err := strconv.Atoi(from)
	t, err2 := strconv.Atoi(to)
	if !c.scalar() || err != nil || err2 != nil || f < 100 || t > 599 || f > t {
		c.want("a status code or a range from 100 to 599, such as 200 or 300-399")
		return
	}
	*into = append(*into, spec.StatusRange{From: f, To: t})
}

// dirKey is where a command runs.
func dirKey[T any](sc scope, get func(*T) *string) key[T] {
	return key[T]{
		name: "dir", form: formPath, def: "that of the process", means: "Where it runs.",
		read: func(c cursor, into *T) {
			c.expanding(formPath, sc, func(s string, _ spec.Member) string { return badPath(s) }, get(into))
		},
	}
}

func commandKey[T any](name, means string, sc scope, get func(*T) *[]string) key[T] {
	return key[T]{
		name: name, form: "a command (list)", means: means,
		read: func(c cursor, into *T) { c.command(sc, get(into)) },
	}
}

// command reads the words of a command. One word may stand alone.
func (c cursor) command(sc scope, into *[]string) {
	*into = nil
	if c.scalar() && strings.ContainsAny(c.node.Value, " \t\n") {
		c.want(formCommand)
		return
	}
	c.list(formCommand, true, func(item cursor) {
		word := item.node.Value // may be empty: "" is a word
		if !item.scalar() || len(word) > maxText || strings.ContainsRune(word, 0) {
			item.want(fmt.Sprintf("a word of at most %d bytes; put numbers and special signs in quotes where YAML reads them otherwise", maxText))
			return
		}
		item.template(template{text: word, scope: sc, loose: true})
		*into = append(*into, word)
	})
	if len(*into) > 0 && (*into)[0] == "" {
		c.want(formCommand)
		return
	}
	if len(*into) > 256 {
		c.fail("has %d words, want at most 256", len(*into))
	}
}
