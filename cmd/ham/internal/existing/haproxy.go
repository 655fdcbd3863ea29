package existing

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// line is one line of a section: its words, the first of which is the keyword.
type line struct {
	at    place
	words []word
}

// has says whether the line begins with these words.
func (l line) has(words ...string) bool {
	if len(l.words) < len(words) {
		return false
	}
	for i, w := range words {
		if l.words[i].text != w {
			return false
		}
	}
	return true
}

// arg is a word of the line; "" where it has none.
func (l line) arg(i int) string {
	if i < len(l.words) {
		return l.words[i].text
	}
	return ""
}

// env is the first environment variable in the words.
func env(words []word) string {
	for _, w := range words {
		if w.env != "" {
			return w.env
		}
	}
	return ""
}

// section is a section of haproxy.cfg.
type section struct {
	line
	kind, name string
	lines      []line
	// defaults is the section that gives what this one does not say; nil: none.
	defaults *section
	// depends is where a part of it begins that only an .if decides about.
	depends *place
}

// all are the lines that begin with the words: the section's own, or else those of its defaults.
func (s *section) all(words ...string) []line {
	for ; s != nil; s = s.defaults {
		var found []line
		for _, l := range s.lines {
			if l.has(words...) {
				found = append(found, l)
			}
		}
		if found != nil {
			return found
		}
	}
	return nil
}

// last is the last of them, the one that counts of a keyword that may stand once.
func (s *section) last(words ...string) (line, bool) {
	all := s.all(words...)
	if len(all) == 0 {
		return line{}, false
	}
	return all[len(all)-1], true
}

func (s *section) mode() string {
	if l, ok := s.last("mode"); ok {
		return l.arg(1)
	}
	return "tcp"
}

var sectionKinds = []string{"global", "defaults", "frontend", "backend", "listen", "peers", "resolvers", "userlist", "cache", "mailers", "program",
	"ring", "http-errors", "log-forward", "fcgi-app", "crt-store", "traces", "log-profile", "acme"}

// haproxyFiles is a configuration of HAProxy.
type haproxyFiles struct {
	sections []*section
}

// readHAProxy reads files in the order in which HAProxy is given them. It refuses what HAProxy itself would not read.
func readHAProxy(texts []Text) (*haproxyFiles, error) {
	h := &haproxyFiles{}
	var bad []string
	var defaults *section // the last one, whose successors it holds for
	for _, t := range texts {
		if err := readable(t); err != nil {
			return nil, err
		}
		var now *section
		depth, began := 0, place{}
		n := 0
		for text := range strings.Lines(string(t.Text)) {
			n++
			at := place{t.Name, n}
			words, err := splitHAProxy(strings.TrimRight(text, "\r\n"))
			if err != nil {
				bad = append(bad, fmt.Sprintf("%s: %v", at, err))
				continue
			}
			if len(words) == 0 {
				continue
			}
			l := line{at, words}
			switch keyword := words[0].text; {
			case keyword == ".if":
				if depth++; depth == 1 {
					began = at
				}
			case keyword == ".endif":
				if depth--; depth < 0 {
					bad = append(bad, fmt.Sprintf("%s: .endif without an .if", at))
					depth = 0
				}
			case strings.HasPrefix(keyword, "."):
				// .elif and .else belong to an .if; .notice and its like only print.
			case slices.Contains(sectionKinds, keyword):
				now = &section{line: l, kind: keyword, name: l.arg(1)}
				from, ok := "", false
				if i := slices.IndexFunc(words, func(w word) bool { return w.text == "from" }); i > 0 {
					from, ok = l.arg(i+1), true
					if i == 1 {
						now.name = "" // defaults from OTHER
					}
				}
				switch {
				case ok:
					i := slices.IndexFunc(h.sections, func(s *section) bool { return s.kind == "defaults" && s.name == from && from != "" })
					if i < 0 {
						bad = append(bad, fmt.Sprintf("%s: takes its defaults from %q, and no section defaults above has that name", at, from))
					} else {
						now.defaults = h.sections[i]
					}
				case keyword == "frontend" || keyword == "backend" || keyword == "listen":
					now.defaults = defaults
				}
				if keyword == "defaults" {
					defaults = now
				}
				h.sections = append(h.sections, now)
			case now == nil:
				bad = append(bad, fmt.Sprintf("%s: %q stands before the first section: is this a haproxy.cfg?", at, short(keyword)))
			default:
				now.lines = append(now.lines, l)
			}
			if depth > 0 && now != nil && now.depends == nil && !strings.HasPrefix(words[0].text, ".") {
				now.depends = &place{began.file, began.line}
			}
		}
		if depth > 0 {
			bad = append(bad, fmt.Sprintf("%s: .if without an .endif", began))
		}
	}
	const most = 10
	if len(bad) > most {
		bad = append(bad[:most:most], fmt.Sprintf("and %d more", len(bad)-most))
	}
	if bad != nil {
		return nil, fmt.Errorf("HAProxy would not read it either:\n  %s", strings.Join(bad, "\n  "))
	}
	if len(h.sections) == 0 {
		return nil, fmt.Errorf("%s: no section of HAProxy stands in it", strings.Join(names(texts), ", "))
	}
	return h, nil
}

func short(s string) string {
	if r := []rune(s); len(r) > 40 {
		return string(r[:40]) + "…"
	}
	return s
}

// server is one line "server" of a backend.
type server struct {
	at   place
	name string
	// host and port are where it stands; "" where the file does not say, with why.
	host, port, why string
	// check is where HAProxy's checks look if that is another place; checked: they do.
	checkHost, checkPort      string
	checked                   bool
	backup, disabled          bool
	ssl, insecure             bool
	track, cookie, agent, sni string
	inter, fall, rise         string
	unknown                   []string
}

// The parameters of a server that matter here, and those that do not, by how many words follow them. What stands in neither is told.
var (
	serverTakes = []string{"addr", "agent-addr", "agent-inter", "agent-port", "agent-send", "alpn", "ca-file", "check-alpn", "check-proto", "check-sni",
		"ciphers", "ciphersuites", "cookie", "crl-file", "crt", "curves", "error-limit", "fall", "fastinter", "downinter", "force-persist", "guid",
		"id", "init-addr", "init-state", "inter", "log-bufsize", "log-proto", "max-reuse", "maxconn", "maxqueue", "minconn", "namespace", "npn", "observe", "on-error",
		"on-marked-down", "on-marked-up", "pool-conn-name", "pool-low-conn", "pool-max-conn", "pool-purge-delay", "port", "proto", "redir", "resolve-net",
		"resolve-opts", "resolve-prefer", "resolvers", "rise", "send-proxy-v2-options", "proxy-v2-options", "set-proxy-v2-tlv-fmt", "shard", "sigalgs", "client-sigalgs", "slowstart", "sni",
		"socks4", "source", "ssl-max-ver", "ssl-min-ver", "tcp-ut", "track", "usesrc", "verify", "verifyhost", "weight", "ws", "ktls", "renegotiate", "hash-key", "interface"}
	serverAlone = []string{"agent-check", "allow-0rtt", "backup", "check", "check-reuse-pool", "check-send-proxy", "check-ssl", "check-via-socks4", "disabled", "enabled",
		"force-sslv3", "force-tlsv10", "force-tlsv11", "force-tlsv12", "force-tlsv13", "no-agent-check", "no-backup", "no-check", "no-check-reuse-pool", "no-check-send-proxy", "no-check-ssl",
		"no-force-sslv3", "no-send-proxy", "no-send-proxy-v2", "no-send-proxy-v2-ssl", "no-send-proxy-v2-ssl-cn", "no-ssl", "no-ssl-reuse", "no-sslv3", "no-tls-tickets", "no-tlsv10", "no-tlsv11",
		"no-tlsv12", "no-tlsv13", "no-tfo", "no-verifyhost", "non-stick", "send-proxy", "send-proxy-v2", "send-proxy-v2-ssl", "send-proxy-v2-ssl-cn", "ssl",
		"ssl-reuse", "sslv3", "stick", "strict-maxconn", "tfo", "tls-tickets", "tlsv10", "tlsv11", "tlsv12"}
)

// parameters reads what follows a server's address, or default-server.
func (s *server) parameters(words []word) {
	for i := 0; i < len(words); i++ {
		name, value := words[i].text, ""
		switch {
		case slices.Contains(serverAlone, name):
		case slices.Contains(serverTakes, name):
			if i++; i < len(words) {
				value = words[i].text
				if words[i].env != "" {
					value = ""
				}
			}
		default:
			if !slices.Contains(s.unknown, name) {
				s.unknown = append(s.unknown, name)
			}
		}
		switch name {
		case "check":
			s.checked = true
		case "no-check":
			s.checked = false
		case "backup":
			s.backup = true
		case "no-backup":
			s.backup = false
		case "disabled":
			s.disabled = true
		case "enabled":
			s.disabled = false
		case "ssl":
			s.ssl = true
		case "no-ssl":
			s.ssl = false
		case "verify":
			s.insecure = value == "none"
		case "agent-check":
			s.agent = name
		case "no-agent-check":
			s.agent = ""
		case "sni":
			s.sni = value
		case "track":
			s.track = value
		case "cookie":
			s.cookie = value
		case "port":
			s.checkPort = value
		case "addr":
			s.checkHost = value
		case "inter":
			s.inter = value
		case "fall":
			s.fall = value
		case "rise":
			s.rise = value
		}
	}
}

// servers are those of a section, in their order.
func (s *section) servers() []server {
	var base server
	var out []server
	var inherited []line
	for d := s.defaults; d != nil; d = d.defaults {
		inherited = append(d.lines, inherited...)
	}
	for _, l := range inherited {
		if l.has("default-server") {
			base.parameters(l.words[1:])
		}
	}
	for _, l := range s.lines {
		switch {
		case l.has("default-server"):
			base.parameters(l.words[1:])
		case l.has("server"):
			v := base
			v.unknown = slices.Clone(base.unknown)
			v.at, v.name = l.at, l.arg(1)
			if len(l.words) > 2 {
				v.host, v.port, v.why = address(l.words[2])
				v.parameters(l.words[3:])
			} else {
				v.why = "has no address"
			}
			out = append(out, v)
		}
	}
	return out
}

// address reads where a server stands. why says what is missing, in words that follow the server's name.
func address(w word) (host, port, why string) {
	s := w.text
	switch {
	case w.env != "":
		return "", "", fmt.Sprintf("holds the environment variable %s of HAProxy in its address", w.env)
	case strings.HasPrefix(s, "ipv4@"), strings.HasPrefix(s, "ipv6@"):
		s = s[len("ipv4@"):]
	case strings.Contains(s, "@") || strings.HasPrefix(s, "/"):
		return "", "", socketInstead
	}
	i := strings.LastIndexByte(s, ':')
	// Without a port an IPv6 address ends in a colon's number all the same: HAProxy, too, takes the last one as the port.
	if i < 0 {
		return hostOf(s), "", "has no port, so that HAProxy takes the one that the client came to"
	}
	host, port = hostOf(s[:i]), s[i+1:]
	switch {
	case port == "":
		return host, "", "has no port, so that HAProxy takes the one that the client came to"
	case port[0] == '+' || port[0] == '-':
		return host, "", fmt.Sprintf("has the port %s, counted from the one that the client came to", short(port))
	case host == "":
		return "", "", fmt.Sprintf("has the address %q, which ham cannot read", short(w.text))
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return host, "", fmt.Sprintf("has the port %q", short(port))
	} else {
		port = strconv.FormatUint(n, 10)
	}
	return host, port, ""
}

// socketInstead is why a server at no address of the network has none that ham could look at.
const socketInstead = "it stands at a socket of the host, not at an address: ham's probers look over the network"

// hostOf takes the brackets off, and is "" for what is neither an IP address nor a host name.
func hostOf(s string) string {
	if strings.HasPrefix(s, "[") && strings.HasSuffix(s, "]") {
		s = s[1 : len(s)-1]
	}
	if !hostName.MatchString(s) && !isIP(s) {
		return ""
	}
	return s
}

// frontends are the sections that clients come to, and where each leads.
func (h *haproxyFiles) frontends() []*section {
	var out []*section
	for _, s := range h.sections {
		if s.kind == "frontend" || s.kind == "listen" {
			out = append(out, s)
		}
	}
	return out
}
