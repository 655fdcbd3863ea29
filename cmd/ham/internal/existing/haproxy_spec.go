package existing

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/isacloud/ha-manager/pkg/client/haproxy"
)

// HAProxyOptions say what the files do not.
type HAProxyOptions struct {
	// Sockets are the addresses of the runtime APIs of all proxies that hold the backends; none: those that the files declare at level admin.
	Sockets []string
	// Running is what the processes behind Sockets said of their backends ("show servers state"); a backend that one has not is missing in it.
	Running []Running
	// Only are the backends that are wanted; none: all.
	Only []string
	// Pair has a backend of two servers become a pair though both serve.
	Pair bool
}

// Running is one process of HAProxy.
type Running struct {
	Addr     string
	Backends map[string][]haproxy.Server
}

// unknownHosts stand for an address that nobody knows yet: from a network for documentation (RFC 5737).
const unknownHosts = "192.0.2."

var (
	hostName     = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9._-]{0,251}[A-Za-z0-9])?$`)
	haproxyName  = regexp.MustCompile(`^[A-Za-z0-9_.:-]{1,255}$`)
	checkedPath  = regexp.MustCompile(`^/[A-Za-z0-9/._~!&'()*+,;=:@%?-]*$`)
	statusCodes  = regexp.MustCompile(`^[1-5][0-9][0-9](-[1-5][0-9][0-9])?$`)
	checkMethods = []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
)

func isIP(s string) bool {
	ip, err := netip.ParseAddr(s)
	return err == nil && ip.Zone() == ""
}

// HAProxyBackends are the backends of the files that have servers, by name: what a running HAProxy can be asked about.
func HAProxyBackends(texts []Text) ([]string, error) {
	h, err := readHAProxy(texts)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, s := range h.backends() {
		if haproxyName.MatchString(s.name) && len(s.servers()) > 0 && !slices.Contains(out, s.name) {
			out = append(out, s.name)
		}
	}
	return out, nil
}

func (h *haproxyFiles) backends() []*section {
	var out []*section
	for _, s := range h.sections {
		if s.kind == "backend" || s.kind == "listen" {
			out = append(out, s)
		}
	}
	return out
}

// HAProxy writes a group for each backend that ham can manage: a pair (one active server and one backup), or a pool (several servers that
// serve side by side). What it cannot manage stands in the notes. It fails where nothing at all can be managed.
func HAProxy(texts []Text, o HAProxyOptions) (*Spec, error) {
	h, err := readHAProxy(texts)
	if err != nil {
		return nil, err
	}
	w := &haproxyWriter{files: h, options: o}
	if err := w.global(); err != nil {
		return nil, err
	}
	w.leading()
	var chosen []*section
	for _, s := range h.backends() {
		if len(o.Only) == 0 || slices.Contains(o.Only, s.name) {
			chosen = append(chosen, s)
		}
	}
	for _, name := range o.Only {
		if !slices.ContainsFunc(chosen, func(s *section) bool { return s.name == name }) {
			return nil, fmt.Errorf("no backend is called %q, there are %s", name, strings.Join(backendNames(h), ", "))
		}
	}
	seen := map[string]place{}
	for _, s := range chosen {
		if first, twice := seen[s.name]; twice && s.name != "" {
			w.leftOut(s.at, "a second backend %s, the first stands in %s: the runtime API cannot tell them apart", short(s.name), first)
			continue
		}
		seen[s.name] = s.at
		w.backend(s)
	}
	out := w.spec(names(texts))
	if len(w.groups) == 0 {
		return out, ErrNothing
	}
	return out, nil
}

// ErrNothing: no group could be written. The notes of the spec that comes with it say why.
var ErrNothing = errors.New("nothing was found that ham can manage")

func backendNames(h *haproxyFiles) []string {
	var out []string
	for _, s := range h.backends() {
		out = append(out, strconv.Quote(s.name))
	}
	if out == nil {
		return []string{"none"}
	}
	return out
}

type haproxyWriter struct {
	writer
	files   *haproxyFiles
	options HAProxyOptions
	sockets []string
	// led is which frontends lead to a backend, by its name.
	led map[string][]string
}

// global finds the runtime APIs, and writes the head of the file.
func (w *haproxyWriter) global() error {
	w.sockets = w.options.Sockets
	var weak []string
	var at place
	var found []string
	for _, s := range w.files.sections {
		if s.kind != "global" {
			continue
		}
		at = s.at
		for _, l := range s.lines {
			switch {
			case l.has("nbproc") && l.arg(1) != "1":
				return fmt.Errorf("%s: nbproc %s: several processes each have servers of their own, of which one runtime API reaches one; write nbthread instead", l.at, short(l.arg(1)))
			case l.has("stats", "socket"):
				address, why := socket(l)
				if why != "" {
					weak = append(weak, fmt.Sprintf("%s: stats socket %s %s", l.at, short(l.arg(2)), why))
				} else {
					found = append(found, address)
					at = l.at
				}
			}
		}
	}
	if len(w.sockets) == 0 {
		w.sockets = found[:min(len(found), 1)] // all of them lead to the same process
	}
	if len(w.sockets) == 0 {
		const want = "stats socket /run/haproxy/admin.sock mode 660 level admin"
		if weak == nil {
			return fmt.Errorf("%s: no stats socket is declared, by which ham would set the state of servers: write `%s` into the section global, reload HAProxy, and run this again; or name another by --socket",
				w.files.sections[0].at.file, want)
		}
		return fmt.Errorf("ham sets the state of servers by a stats socket at level admin, and there is none:\n  %s\nWrite `%s` into the section global, reload HAProxy, and run this again; or name another by --socket",
			strings.Join(weak, "\n  "), want)
	}
	w.line("# Written by `ham init haproxy`. Lines with a question mark hold what the files cannot know: answer them, and take them out.")
	w.line("# HAProxy's own configuration stays as it is: ham changes the admin state of servers over the runtime API, and nothing else.")
	if len(w.options.Sockets) == 0 {
		if strings.HasPrefix(w.sockets[0], "unix://") {
			w.ask("", at, "routes: an executor reaches %s only on this host, as root or as a user whom the socket's mode lets in. Is this the only HAProxy? All those that hold a backend belong into its route: for another host declare `stats socket ipv4@<address>:9999 level admin` there, at an address that only managers reach",
				w.sockets[0])
		} else {
			w.ask("", at, "routes: does the executor reach HAProxy at %s? And is this the only HAProxy? All those that hold a backend belong into its route", w.sockets[0])
		}
	}
	w.ask("", place{}, "site and from: where does each server stand, and from where is it looked at? With one vantage a broken link of that place looks like servers that are down: three are right, one of them at neither site")
	return nil
}

// socket reads one line "stats socket"; why says, after its address, what keeps ham from it.
func socket(l line) (address, why string) {
	if name := env(l.words); name != "" {
		return "", fmt.Sprintf("holds the environment variable %s of HAProxy: name the socket by --socket", name)
	}
	level := "operator"
	for i, w := range l.words {
		if w.text == "level" {
			level = l.arg(i + 1)
		}
	}
	if level != "admin" {
		return "", fmt.Sprintf("has the level %s, want admin", short(level))
	}
	at := strings.TrimPrefix(l.arg(2), "unix@")
	if strings.HasPrefix(at, "/") {
		if a, err := haproxy.ParseAddress(at); err == nil {
			return a.String(), ""
		}
	}
	for _, family := range []string{"ipv4@", "ipv6@"} {
		at = strings.TrimPrefix(at, family)
	}
	if i := strings.LastIndexByte(at, ':'); i >= 0 && !strings.Contains(at, ",") {
		host := strings.Trim(at[:i], "[]")
		if host == "" || host == "*" || host == "0.0.0.0" || host == "::" {
			host = "127.0.0.1"
		}
		if a, err := haproxy.ParseAddress("tcp://" + net.JoinHostPort(host, at[i+1:])); err == nil && isIP(host) {
			return a.String(), ""
		}
	}
	return "", "is not one that ham can reach, want the path of a socket or an IP address with a port"
}

// leading finds who leads to which backend, and tells of choices that are made anew for each request.
func (w *haproxyWriter) leading() {
	w.led = map[string][]string{}
	lead := func(to, from string) {
		if !slices.Contains(w.led[to], from) {
			w.led[to] = append(w.led[to], from)
		}
	}
	for _, f := range w.files.frontends() {
		label := f.kind + " " + short(f.name)
		var binds []string
		for _, l := range f.lines {
			if l.has("bind") {
				binds = append(binds, short(l.arg(1)))
			}
		}
		if binds != nil {
			label += " (" + strings.Join(binds, " ") + ")"
		}
		if f.kind == "listen" {
			lead(f.name, label)
		}
		if l, ok := f.last("default_backend"); ok {
			if l.words[min(1, len(l.words)-1)].env != "" {
				w.leftOut(l.at, "default_backend %s: the name holds an environment variable of HAProxy, so that it is not known which backend %s leads to; nothing of that changes", short(l.arg(1)), label)
			} else {
				lead(l.arg(1), label)
			}
		}
		for _, l := range f.lines {
			switch to := l.arg(1); {
			case !l.has("use_backend"):
			case strings.Contains(to, "%[") || strings.Contains(to, "%{") || len(l.words) > 1 && l.words[1].env != "":
				w.leftOut(l.at, "use_backend %s: %s chooses the backend by a map or an expression, for each request anew. ham leads clients among the servers of a backend, never among backends; the line stays as it is", short(to), label)
			default:
				lead(to, label+", by a rule")
			}
		}
	}
}

// cannot says why a backend cannot be a group, with the line that makes it so; "": it can.
func (w *haproxyWriter) cannot(s *section, servers []server) (at place, why string) {
	if s.depends != nil {
		return *s.depends, "part of it stands under an .if, of which only HAProxy itself knows how it ends"
	}
	if s.name == "" {
		return s.at, "it has no name: HAProxy does not start with it"
	}
	if len(s.words) > 1 && s.words[1].env != "" {
		return s.at, fmt.Sprintf("its name holds the environment variable %s of HAProxy; write the name", s.words[1].env)
	}
	if !haproxyName.MatchString(s.name) {
		return s.at, "its name has characters that HAProxy does not allow"
	}
	for _, l := range s.lines {
		switch l.arg(0) {
		case "server-template":
			return l.at, "server-template makes its servers out of what DNS says: ham manages servers that have a name and stay; write them out as `server` lines"
		case "dispatch":
			return l.at, "dispatch sends clients to one address without a server: write a `server` line"
		}
	}
	if mode := s.mode(); mode != "http" && mode != "tcp" {
		l, _ := s.last("mode")
		return l.at, fmt.Sprintf("its mode is %s, want http or tcp", short(mode))
	}
	switch n := len(servers); {
	case n == 0:
		return s.at, "it has no server, so that there is nothing to manage"
	case n == 1:
		return servers[0].at, fmt.Sprintf("it has one server, %s: nobody could take over, and none may be taken out", short(servers[0].name))
	case n > 64:
		return s.at, fmt.Sprintf("it has %d servers, a group has at most 64 members", n)
	}
	if !slices.ContainsFunc(servers, func(v server) bool { return !v.backup }) {
		return servers[0].at, "all its servers are backups: take `backup` out of the line of at least one"
	}
	seen := map[string]bool{}
	for _, v := range servers {
		switch {
		case !haproxyName.MatchString(v.name):
			return v.at, fmt.Sprintf("the name of server %q has characters that HAProxy does not allow, or an environment variable", short(v.name))
		case seen[v.name]:
			return v.at, fmt.Sprintf("a second server %s: the runtime API cannot tell them apart", v.name)
		case v.why == socketInstead:
			return v.at, fmt.Sprintf("server %s: %s", v.name, v.why)
		case v.track != "":
			return v.at, fmt.Sprintf("server %s tracks %s, whose state it takes over: manage that one, or take `track` out", v.name, short(v.track))
		}
		seen[v.name] = true
	}
	return place{}, ""
}

// backend writes one group.
func (w *haproxyWriter) backend(s *section) {
	servers := s.servers()
	if at, why := w.cannot(s, servers); why != "" {
		w.leftOut(at, "%s %s: %s", s.kind, cmp.Or(short(s.name), "without a name"), why)
		return
	}
	var active, backup int
	for _, v := range servers {
		if v.backup {
			backup++
		} else {
			active++
		}
	}
	// Two that serve side by side today go on so: a pair would take one of them out.
	pair := len(servers) == 2 && (w.options.Pair || backup == 1 || servers[0].disabled != servers[1].disabled || servers[0].disabled)

	w.begin(s.name)
	from := "no frontend names it"
	if led := w.led[s.name]; led != nil {
		from = "led to by " + strings.Join(led, "; ")
	}
	w.line("# %s", comment(fmt.Sprintf("%s %s of %s, %s", s.kind, s.name, s.at, from)))
	w.line("group: %s", scalar(w.group))
	w.line("mode: dry-run                # it looks, and applies nothing. Then manual, then auto")
	w.state(s, servers, pair)
	c := w.check(s, servers)

	members := make([]string, len(servers))
	w.line("members:")
	for i := range servers {
		members[i] = unique(servers[i].name, "server", members[:i])
		w.member(s, &servers[i], i, members[i], pair, c)
	}
	if pair {
		w.pair(s, servers, members, active)
	} else {
		at := s.at
		minimum := max(1, active-1)
		w.ask("", at, "pool: how many servers must stay, at the least, for the load? %d lets one at a time be taken out", minimum)
		w.line("pool: {minimum: %d}", minimum)
	}
	w.line("checks:")
	for _, q := range c.questions {
		w.ask("  ", q.at, "%s", q.text)
	}
	w.line("  alive: {%s, every: %s, from: [local]}", c.text, c.every)
	w.route(s, servers, members)
	if c.policy != "" {
		w.line("policy: {%s}", c.policy)
	}
}

func (w *haproxyWriter) pair(s *section, servers []server, members []string, active int) {
	primary, sure := 0, active == 1 || servers[0].disabled != servers[1].disabled
	for i, v := range servers {
		if active == 1 && !v.backup || active != 1 && !v.disabled {
			primary = i
			break
		}
	}
	if serving := w.serving(s, servers); len(serving) == 1 && serving[0] != primary {
		w.ask("", servers[primary].at, "adopt: in the running HAProxy %s serves, not %s: is that meant to last?", servers[serving[0]].name, servers[primary].name)
		primary, sure = serving[0], true
	} else if len(serving) == 1 {
		sure = true
	}
	if !sure {
		w.ask("", s.at, "adopt: which of the two is to serve? The files do not say")
	}
	if !servers[0].disabled || !servers[1].disabled {
		w.ask("", s.at, "servers that do not begin as `disabled` serve after a restart of HAProxy until ham has told it whom, up to two seconds: may both? If not, add `disabled` to both lines")
	}
	if s.mode() == "tcp" {
		w.ask("", s.at, "is it a database, or something else of which only one may act as primary? Then it needs a lease: begin with `ham init postgres`, or with use: redis-pair")
	}
	w.line("adopt: %s", scalar(members[primary]))
}

// member writes one line of members.
func (w *haproxyWriter) member(s *section, v *server, i int, name string, pair bool, c check) {
	host, port := v.host, v.port
	running, known := w.running(s, v.name)
	known = known && isIP(running.Addr) && running.Port > 0
	if port == "" || host == "" {
		switch {
		case known:
			w.ask("  ", v.at, "server %s %s: is it this one, which the running HAProxy has?", v.name, v.why)
			host, port = running.Addr, strconv.Itoa(running.Port)
		default:
			w.ask("  ", v.at, "server %s %s: where does it answer? What stands here is made up", v.name, cmp.Or(v.why, "has an address that ham cannot read"))
			host, port = cmp.Or(host, unknownHosts+strconv.Itoa(10+i)), cmp.Or(port, map[string]string{"http": "80", "https": "443", "tcp": "80"}[c.scheme])
		}
	} else if known && isIP(host) && (netip.MustParseAddr(host) != netip.MustParseAddr(running.Addr) || port != strconv.Itoa(running.Port)) {
		w.ask("  ", v.at, "server %s stands at %s in the file, and at %s in the running HAProxy: which one is right?", v.name, net.JoinHostPort(host, port),
			net.JoinHostPort(running.Addr, strconv.Itoa(running.Port)))
	}
	if v.unknown != nil {
		w.ask("  ", v.at, "server %s has parameters that are not known here: %s. Do they change who is served, or when?", v.name, short(strings.Join(v.unknown, " ")))
	}
	text := fmt.Sprintf("site: local, url: %s", scalar(c.scheme+"://"+net.JoinHostPort(host, port)))
	if c.elsewhere {
		text += fmt.Sprintf(", vars: {check: %s}", scalar(net.JoinHostPort(elseHost(v.checkHost, host), elsePort(v.checkPort, port))))
	}
	if v.backup && !pair {
		text += ", backup: true"
	}
	w.line("  %s: {%s}", scalar(name), text)
}

func elseHost(s, otherwise string) string { return cmp.Or(hostOf(s), otherwise) }

func elsePort(s, otherwise string) string {
	n, err := strconv.ParseUint(s, 10, 16)
	if err != nil || n == 0 {
		return otherwise
	}
	return strconv.FormatUint(n, 10)
}

func (w *haproxyWriter) route(s *section, servers []server, members []string) {
	if l, ok := s.last("cookie"); ok {
		w.ask("", l.at, "cookie: a client whose cookie names a server goes on there while that server drains: is it taken out for long enough, or in maintenance?")
	}
	for _, k := range [][]string{{"stick", "on"}, {"stick", "match"}, {"stick", "store-request"}} {
		if l, ok := s.last(k...); ok {
			w.ask("", l.at, "%s: a client that sticks to a server goes on there while that server drains", strings.Join(k, " "))
			break
		}
	}
	if l, ok := s.last("use-server"); ok {
		w.ask("", l.at, "use-server: a rule sends some clients to server %s past the balance; when ham takes it out they go to the others: may they?", short(l.arg(1)))
	}
	if i := slices.IndexFunc(servers, func(v server) bool { return v.agent != "" }); i >= 0 {
		w.ask("", servers[i].at, "agent-check: an agent beside the servers may take them out by itself, which ham does not see: is it still wanted?")
	}
	if !slices.ContainsFunc(servers, func(v server) bool { return v.checked }) {
		w.ask("", s.at, "HAProxy itself checks none of these servers, so that a dead one gets requests until ham notices: add `check` to their lines?")
	}
	w.line("routes:")
	pairs := make([]string, len(servers))
	for i, v := range servers {
		pairs[i] = scalar(members[i]) + ": " + scalar(v.name)
	}
	w.line("  front: {haproxy: %s, backend: %s, servers: {%s}}", list(w.sockets), scalar(s.name), strings.Join(pairs, ", "))
}

// running is what the first process that has it says of a server.
func (w *haproxyWriter) running(s *section, name string) (haproxy.Server, bool) {
	for _, r := range w.options.Running {
		for _, v := range r.Backends[s.name] {
			if v.Name == name {
				return v, true
			}
		}
	}
	return haproxy.Server{}, false
}

// serving are the servers, by index, that the running processes send clients to; nil: nobody was asked.
func (w *haproxyWriter) serving(s *section, servers []server) []int {
	var all []int
	for i, v := range servers {
		r, ok := w.running(s, v.name)
		if ok && !r.Admin.Maint() && !r.Admin.Drain() && r.Oper != haproxy.OperStopped {
			all = append(all, i)
		}
	}
	// HAProxy sends nobody to a backup while another is up.
	if i := slices.IndexFunc(all, func(i int) bool { return !servers[i].backup }); i >= 0 {
		all = slices.DeleteFunc(all, func(i int) bool { return servers[i].backup })
	}
	return all
}

// state tells where the running processes differ from the files.
func (w *haproxyWriter) state(s *section, servers []server, pair bool) {
	for _, r := range w.options.Running {
		now, ok := r.Backends[s.name]
		if !ok {
			w.ask("", s.at, "the HAProxy at %s has no such backend: was it reloaded since the file was written?", r.Addr)
			continue
		}
		for _, v := range servers {
			i := slices.IndexFunc(now, func(n haproxy.Server) bool { return n.Name == v.name })
			switch {
			case i < 0:
				w.ask("", v.at, "the HAProxy at %s has no server %s: was it reloaded since the file was written?", r.Addr, v.name)
			case now[i].Admin.Maint() && !pair, now[i].Admin.Drain():
				w.ask("", v.at, "server %s is held back in the HAProxy at %s (%s): ham would let it serve again. `ham drain` takes it out in ham's knowledge, too", v.name, r.Addr, now[i].Admin)
			case now[i].Oper == haproxy.OperStopped && !now[i].Admin.Maint():
				w.ask("", v.at, "server %s is down by the checks of the HAProxy at %s: is it meant to be?", v.name, r.Addr)
			}
		}
		for _, n := range now {
			if !slices.ContainsFunc(servers, func(v server) bool { return v.name == n.Name }) {
				w.ask("", s.at, "the HAProxy at %s has a server %s, which the file has not: ham would leave it alone", r.Addr, short(n.Name))
			}
		}
	}
}

type question struct {
	at   place
	text string
}

// check is how ham looks at the servers of a backend, as HAProxy does.
type check struct {
	scheme, text, every, policy string
	// elsewhere: HAProxy looks at another port or address than clients come to.
	elsewhere bool
	questions []question
}

// looks are the options that say how HAProxy looks, with how ham may do it.
var looks = map[string]string{
	"tcp-check": "", "httpchk": "", "ssl-hello-chk": "", "smtpchk": "", "ldap-check": "", "spop-check": "", "external-check": "", "mysql-check": "",
	"pgsql-check": "is this PostgreSQL? Then `ham init postgres` protects it better: ham logs in and sees who is primary",
	"redis-check": "is this Redis? Then use: redis-pair protects it better: ham sees who is primary",
}

func (w *haproxyWriter) check(s *section, servers []server) check {
	c := check{scheme: "tcp", text: "tcp: {}", every: "1s"}
	ask := func(at place, format string, args ...any) {
		c.questions = append(c.questions, question{at, fmt.Sprintf(format, args...)})
	}
	ssl := slices.ContainsFunc(servers, func(v server) bool { return v.ssl })
	insecure := slices.ContainsFunc(servers, func(v server) bool { return v.insecure })
	if s.mode() == "http" {
		c.scheme = "http"
	}
	how, at := "", s.at
	for d := s; d != nil && how == ""; d = d.defaults {
		for _, l := range d.lines {
			if _, known := looks[l.arg(1)]; known && l.has("option") {
				how, at = l.arg(1), l.at
			}
		}
	}
	c.elsewhere = slices.ContainsFunc(servers, func(v server) bool { return elsePort(v.checkPort, "") != "" || hostOf(v.checkHost) != "" })
	switch {
	case how == "httpchk":
		c.scheme = "http"
		c.text = w.httpCheck(s, ssl, insecure, c.elsewhere, ask)
	default:
		if c.elsewhere {
			c.text = `tcp: "${member.check}"`
		}
		if hint, known := looks[how]; known && how != "tcp-check" {
			ask(at, "option %s: ham looks only whether the port answers; %s", how, cmp.Or(hint, "an exec check may look closer"))
		} else if known {
			ask(at, "option tcp-check: ham looks only whether the port answers; what is sent and expected there belongs into tcp: {send: …, expect: …}")
		} else {
			ask(s.at, "is there an address that says whether a server is well, such as http: /alive? The port alone answers also where nothing works behind it")
		}
	}
	if ssl && c.scheme == "http" {
		c.scheme = "https"
	}
	var fall, rise []string
	for i, v := range servers {
		every, ok := haproxyTime(v.inter)
		if i == 0 && ok {
			c.every = every
		}
		fall, rise = append(fall, number(v.fall)), append(rise, number(v.rise))
	}
	same := func(key string, all []string) {
		if all[0] != "" && !slices.ContainsFunc(all, func(s string) bool { return s != all[0] }) {
			c.policy += strings.Repeat(", ", min(1, len(c.policy))) + key + ": " + all[0]
		}
	}
	same("fall", fall)
	same("rise", rise)
	return c
}

// number is a count as a policy takes it; "": it is none.
func number(s string) string {
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 || n > 1000 {
		return ""
	}
	return strconv.Itoa(n)
}

// httpCheck writes the check that HAProxy makes by HTTP.
func (w *haproxyWriter) httpCheck(s *section, ssl, insecure, elsewhere bool, ask func(place, string, ...any)) string {
	// Without a URI HAProxy asks OPTIONS /, and takes each answer from 200 to 399.
	method, path, status, at := "OPTIONS", "/", "200-399", s.at
	if l, ok := s.last("option", "httpchk"); ok {
		at = l.at
		switch {
		case len(l.words) == 3:
			path = l.arg(2)
		case len(l.words) > 3:
			method, path = l.arg(2), l.arg(3)
		}
		if len(l.words) > 5 || strings.Contains(l.arg(4), "\n") {
			ask(l.at, "option httpchk sends headers: those that matter belong into http: {headers: {…}}")
		}
		if name := env(l.words); name != "" {
			ask(l.at, "option httpchk holds the environment variable %s of HAProxy: what is asked for?", name)
			method, path = "GET", "/"
		}
	}
	if l, ok := s.last("http-check", "send"); ok {
		at = l.at
		for i := 2; i+1 < len(l.words); i++ {
			switch l.arg(i) {
			case "meth":
				method = l.arg(i + 1)
			case "uri":
				path = l.arg(i + 1)
			case "hdr", "body":
				ask(l.at, "http-check send has a %s: it belongs into http: {headers: {…}}, or is it not needed?", map[string]string{"hdr": "header", "body": "body"}[l.arg(i)])
			default:
				continue
			}
			i++
		}
		if name := env(l.words); name != "" {
			ask(l.at, "http-check send holds the environment variable %s of HAProxy: what is asked for?", name)
			method, path = "GET", "/"
		}
	}
	for i, l := range s.all("http-check", "expect") {
		rest := l.words[2:]
		for len(rest) >= 2 && !slices.Contains([]string{"status", "rstatus", "string", "rstring", "hdr", "fhdr", "!"}, rest[0].text) {
			rest = rest[1:] // min-recv, comment, ok-status, … and their values
		}
		codes := []string(nil)
		if len(rest) == 2 && rest[0].text == "status" {
			codes = strings.Split(rest[1].text, ",")
		}
		if i > 0 || codes == nil || slices.ContainsFunc(codes, func(c string) bool { return !statusCodes.MatchString(c) }) {
			ask(l.at, "http-check expect: which answer says that a server is well? status and body (a regular expression) of http say it")
			continue
		}
		status = strings.Join(codes, ", ")
	}
	if len(s.all("http-check", "connect"))+len(s.all("http-check", "send")) > 2 {
		ask(at, "http-check looks in several steps, ham asks once: which of them says that a server is well?")
	}
	if !checkedPath.MatchString(path) {
		ask(at, "HAProxy asks for %q, which ham cannot write: which path says that a server is well?", short(path))
		path = "/"
	}
	if !slices.Contains(checkMethods, method) {
		ask(at, "HAProxy asks by %q: GET is written", short(method))
		method = "GET"
	}
	if elsewhere {
		scheme := "http"
		if ssl {
			scheme = "https"
		}
		path = scheme + "://${member.check}" + path
	}
	text := fmt.Sprintf("http: {url: %s, method: %s, status: [%s]", scalar(path), method, status)
	if ssl && insecure {
		text += ", tls: {insecure_skip_verify: true}"
	}
	return text + "}"
}

// haproxyTime reads HAProxy's time (a number is milliseconds) as a duration that a check may be made in.
func haproxyTime(s string) (string, bool) {
	unit := time.Millisecond
	for _, u := range []struct {
		suffix string
		is     time.Duration
	}{{"us", time.Microsecond}, {"ms", time.Millisecond}, {"s", time.Second}, {"m", time.Minute}, {"h", time.Hour}, {"d", 24 * time.Hour}} {
		if rest, ok := strings.CutSuffix(s, u.suffix); ok {
			s, unit = rest, u.is
			break
		}
	}
	n, err := strconv.ParseInt(s, 10, 32)
	if err != nil || n <= 0 || n > int64(time.Hour/unit) {
		return "", false
	}
	return max(50*time.Millisecond, time.Duration(n)*unit).String(), true
}
