package runbook

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec"
)

// Action is one thing that a person does.
type Action struct {
	// Does says what, Where on which machine.
	Does, Where string
	// Run is a command for a POSIX shell, of one line or several.
	Run string
	// Prints is what it prints when it went well, Else what to do when it does not.
	Prints, Else string
}

// scene is the swap that a step is part of.
type scene struct {
	group    *spec.Group
	from, to spec.Member
}

// driverWords says what a step of the driver is in commands.
type driverWords func(*scene, *message.Step) ([]Action, error)

// drivers is the list of all that have words: adding a driver is a line here.
func drivers() map[string]driverWords {
	return map[string]driverWords{
		"exec":      (*scene).exec,
		"http":      (*scene).http,
		"haproxy":   (*scene).haproxy,
		"pgbouncer": (*scene).pgbouncer,
		"vip":       (*scene).vip,
		"fence":     (*scene).fence,
		"assert":    (*scene).assert,
		"wait":      (*scene).wait,
		"postgres":  (*scene).postgres,
		"redis":     (*scene).redis,
		"run":       (*scene).run,
		"group":     (*scene).other,
		"restart":   (*scene).restart,

		message.DriverApprove: (*scene).approve,
	}
}

// Step is what a person does in place of one step of a swap. The error names a driver that has no words here, or a configuration that is not the driver's.
func Step(g *spec.Group, from, to string, step *message.Step) ([]Action, error) {
	of, ok := drivers()[step.Driver]
	if !ok {
		return nil, fmt.Errorf("runbook: nobody wrote what a step of the driver %q is in commands", step.Driver)
	}
	s := scene{group: g}
	s.from, _ = g.Member(from)
	s.to, _ = g.Member(to)
	actions, err := of(&s, step)
	if err != nil {
		return nil, fmt.Errorf("runbook: step %s: %w", step.Name, err)
	}
	if len(actions) == 0 {
		return nil, fmt.Errorf("runbook: step %s: the driver %q has no words for this", step.Name, step.Driver)
	}
	for i := range actions {
		actions[i].Does = cmp.Or(actions[i].Does, "Step "+step.Name)
	}
	return actions, nil
}

// where says on which machine a step is done.
func (s *scene) where(step *message.Step) string {
	if name, ok := strings.CutPrefix(step.On, "executor:"); ok {
		return "on the host of " + name
	}
	switch step.On {
	case "new":
		return onHost(s.to)
	case "old":
		return onHost(s.from)
	}
	return anywhere
}

const anywhere = "on any machine that reaches it"

func onHost(m spec.Member) string {
	where := "on the host of " + m.Name
	if h := address(m); h != "" {
		where += " (" + h + ")"
	}
	if m.Site != "" {
		where += ", site " + m.Site
	}
	return where
}

// address is the host of a member, as its addresses have it.
func address(m spec.Member) string {
	for _, hostPort := range []string{m.Peer, m.HostPort()} {
		if h, _, err := net.SplitHostPort(hostPort); err == nil && h != "" {
			return h
		}
	}
	if m.Redis != nil {
		h, _, _ := net.SplitHostPort(m.Redis.Address)
		return h
	}
	if m.Postgres != nil {
		h, _ := postgresAt(m.Postgres)
		return h
	}
	return ""
}

// seconds are those of a time limit, one at least, for a tool that knows no parts of them.
func seconds(d time.Duration) int { return max(1, int((d+time.Second-1)/time.Second)) }

// --- haproxy

func (s *scene) haproxy(step *message.Step) ([]Action, error) {
	var a spec.HAProxyArgs
	if err := json.Unmarshal(step.With, &a); err != nil {
		return nil, err
	}
	var ask []string
	target := func(server string) string { return a.Backend + "/" + server }
	for _, server := range slices.Sorted(maps.Keys(a.Addresses)) {
		if host, port, err := net.SplitHostPort(a.Addresses[server]); err == nil {
			ask = append(ask, "set server "+target(server)+" addr "+host+" port "+port)
		}
	}
	for _, server := range slices.Sorted(maps.Keys(a.Weights)) {
		ask = append(ask, fmt.Sprintf("set server %s weight %d", target(server), a.Weights[server]))
	}
	rest := slices.DeleteFunc(slices.Sorted(maps.Keys(a.States)), func(server string) bool { return slices.Contains(a.First, server) })
	slices.SortStableFunc(rest, func(x, y string) int { // whoever is shut comes before who opens
		rank := map[bool]int{true: 1}
		return rank[a.States[x] == "ready"] - rank[a.States[y] == "ready"]
	})
	for _, server := range slices.Concat(a.First, rest) {
		ask = append(ask, "set server "+target(server)+" state "+a.States[server])
	}
	for _, server := range a.ShutSessions {
		ask = append(ask, "shutdown sessions server "+target(server))
	}
	loop := "for p in"
	for _, p := range a.Proxies {
		loop += " " + literal(socat(p))
	}
	talk := func(what, tail string) string {
		return loop + "; do echo \"== $p\"; printf '%s\\n' " + literal(what) + ` | socat -t 5 - "$p"` + tail + "; done"
	}
	var serving []string
	for server, state := range a.States {
		if state == "ready" {
			serving = append(serving, server+" UP (or \"no check\")")
		} else {
			serving = append(serving, server+" "+strings.ToUpper(state))
		}
	}
	slices.Sort(serving)
	other := "A proxy that refuses or does not answer goes on as it is: go to its host, or stop it. One line that says anything else is an error: read it, the servers of " +
		line(a.Backend) + " may be called otherwise there."
	where := anywhere
	if slices.ContainsFunc(a.Proxies, func(p string) bool { return strings.HasPrefix(p, "unix://") }) {
		where = "on each host with a proxy"
	}
	out := []Action{{
		Does: "Lead clients: " + line(step.Says), Where: where, Run: talk(strings.Join(ask, "; "), ""),
		Prints: "the name of each proxy, and empty lines", Else: other,
	}, {
		Does: "See that it is so", Where: where,
		Run:    talk("show stat", " | awk -F, -v b="+literal(a.Backend)+` '$1 == b && $2 != "BACKEND" && $2 != "FRONTEND" {print $2, $18}'`),
		Prints: "for each proxy: " + line(strings.Join(serving, "; ")), Else: "Give the command before it again.",
	}}
	if len(a.WaitSessions) > 0 {
		out[0].Else += " You may wait before it until the sessions of " + line(strings.Join(a.WaitSessions, ", ")) + " have ended: field 5 of show stat."
	}
	return out, nil
}

// socat is a runtime API's address as socat writes it.
func socat(proxy string) string {
	if path, ok := strings.CutPrefix(proxy, "unix://"); ok {
		return "UNIX-CONNECT:" + path
	}
	return "TCP:" + strings.TrimPrefix(proxy, "tcp://")
}

// --- pgbouncer

func (s *scene) pgbouncer(step *message.Step) ([]Action, error) {
	var a spec.PgBouncerArgs
	if err := json.Unmarshal(step.With, &a); err != nil {
		return nil, err
	}
	each := func(command string) string {
		var out []string
		for _, dsn := range a.Admins {
			out = append(out, "psql "+word(string(dsn))+" -c "+literal(command))
		}
		return strings.Join(out, "\n")
	}
	where := s.where(step)
	quoted := `"` + strings.ReplaceAll(a.Database, `"`, `""`) + `"`
	if a.Action == "pause" {
		return []Action{{Does: "Hold the clients of " + line(a.Database) + " back", Where: where, Run: each("PAUSE " + quoted), Prints: "PAUSE, once their transactions are over",
			Else: "Ctrl-C takes it back."}}, nil
	}
	var out []Action
	if a.Server != "" {
		host, port, _ := net.SplitHostPort(a.Server)
		file := literal(a.File)
		out = append(out, Action{Does: "Point " + line(a.Database) + " at " + line(a.Server), Where: where,
			Run: "cp -p " + file + " " + literal(a.File+".before") + "\nsed -i -E " + literal("/^[[:space:]]*"+pattern(a.Database)+"[[:space:]]*=/ { s/(host=)[^[:space:]]+/\\1"+pattern(host)+"/; s/(port=)[^[:space:]]+/\\1"+port+"/ }") +
				" " + file + "\ngrep -E " + literal("^[[:space:]]*"+pattern(a.Database)+"[[:space:]]*=") + " " + file,
			Prints: "the entry, with host=" + line(host) + " port=" + line(port), Else: "Change the entry by hand: nano " + file}, Action{
			Does: "Have it read", Where: where, Run: each("RELOAD"), Prints: "RELOAD", Else: "Is PgBouncer running? It reads the file when it starts."})
	}
	return append(out, Action{Does: "Let the clients go", Where: where, Run: each("RESUME " + quoted), Prints: "RESUME; or \"is not paused\", which is as good", Else: "Restart PgBouncer."}), nil
}

// pattern writes a text as an extended regular expression for itself, also within s/…/…/.
func pattern(s string) string {
	var out strings.Builder
	for _, r := range s {
		if strings.ContainsRune(`.[]{}()*+?^$|\/&`, r) {
			out.WriteByte('\\')
		}
		out.WriteRune(r)
	}
	return out.String()
}

// --- vip

func (s *scene) vip(step *message.Step) ([]Action, error) {
	var a spec.VIPArgs
	if err := json.Unmarshal(step.With, &a); err != nil {
		return nil, err
	}
	ip, _, _ := strings.Cut(a.Address, "/")
	dev := literal(a.Interface)
	if !a.Present {
		return []Action{{Does: "Take " + line(a.Address) + " off", Where: s.where(step), Run: "ip address del " + literal(a.Address) + " dev " + dev, Prints: "nothing",
			Else: "\"Cannot assign requested address\": it was not there, which is as good."}}, nil
	}
	out := []Action{{
		Does: "Put " + line(a.Address) + " on", Where: s.where(step),
		Run:    "ip address replace " + literal(a.Address) + " dev " + dev + "\nip -brief address show dev " + dev,
		Prints: "the interface, with " + line(a.Address) + " among its addresses",
		Else:   "Is the interface called otherwise? ip -brief link",
	}}
	if !strings.Contains(ip, ":") {
		out = append(out, Action{Does: "Tell the network", Where: s.where(step), Run: "arping -U -c 3 -I " + dev + " " + literal(ip), Prints: "that 3 were sent",
			Else: "Without arping neighbours learn it within about a minute. A reply from another machine says that somebody else has the address: take it off there first."})
	}
	return out, nil
}

// --- fence

func (s *scene) fence(step *message.Step) ([]Action, error) {
	var a spec.FenceArgs
	if err := json.Unmarshal(step.With, &a); err != nil {
		return nil, err
	}
	options := func(action string) string {
		lines := []string{"action=" + action, "plug=" + a.Plug}
		for _, name := range slices.Sorted(maps.Keys(a.Options)) {
			lines = append(lines, name+"="+string(a.Options[name]))
		}
		return "printf '%s\\n' " + words(lines) + " | " + word(a.Agent)
	}
	return []Action{{
		Does: "Switch the host of " + a.Member + " off", Where: "where the agent is installed, as beside " + s.to.Name, Run: options("off") + "; echo \"exit code $?\"", Prints: "exit code 0",
		Else: "Switch it off by hand: its management board, the hypervisor, the plug in the wall.",
	}, {
		Does: "See that it is off", Where: "there", Run: options("status") + "; echo \"exit code $?\"", Prints: "Status: OFF, exit code 2", Else: "It may still run. Somebody has to look.",
	}}, nil
}

// --- looks

func (s *scene) assert(step *message.Step) ([]Action, error) {
	var a spec.AssertArgs
	if err := json.Unmarshal(step.With, &a); err != nil {
		return nil, err
	}
	return s.look(step, a.That, "Go on only if "), nil
}

func (s *scene) wait(step *message.Step) ([]Action, error) {
	var a spec.WaitArgs
	if err := json.Unmarshal(step.With, &a); err != nil {
		return nil, err
	}
	return s.look(step, a.Until, "Wait until "), nil
}

func (s *scene) look(step *message.Step, l spec.LookArgs, begin string) []Action {
	target := line(l.Target())
	out := Action{Does: begin + target + " is " + l.Want, Where: s.where(step), Else: "Give it again after a moment; if it stays so, do not go on before you know why."}
	limit := seconds(l.Timeout)
	switch {
	case l.HTTP != "":
		out.Run = fmt.Sprintf("curl -sS -m %d -o /dev/null -w '%%{http_code}\\n'%s%s %s", limit, tlsOf(l.TLS), headers(l.Headers), word(l.HTTP))
		out.Prints = statuses(l.Status)
		if l.Want == "down" {
			out.Prints = "000, or anything but " + statuses(l.Status)
		} else if l.Body != "" {
			out.Run = fmt.Sprintf("curl -sS -m %d%s%s %s | grep -E %s", limit, tlsOf(l.TLS), headers(l.Headers), word(l.HTTP), literal(l.Body))
			out.Prints = "the line that matches " + line(l.Body)
		}
	case l.TCP != "":
		host, port, _ := net.SplitHostPort(l.TCP)
		out.Run = fmt.Sprintf("socat -u -T %d OPEN:/dev/null TCP:%s,connect-timeout=%d && echo open || echo closed", limit, literal(net.JoinHostPort(host, port)), limit)
		out.Prints = map[string]string{"up": "open", "down": "closed"}[l.Want]
	case l.Postgres != "":
		out.Run = fmt.Sprintf("PGCONNECT_TIMEOUT=%d psql %s -Atc 'SELECT pg_is_in_recovery()'", limit, word(string(l.Postgres)))
		out.Prints = map[string]string{spec.RolePrimary: "f", spec.RoleStandby: "t"}[l.Role]
		out.Prints = cmp.Or(out.Prints, "f or t")
		if l.Want == "down" {
			out.Prints = "an error: nobody answers, or t"
		}
	default:
		out.Run = in(l.Dir, variables(l.Env)+words(l.Command)) + "; echo \"exit code $?\""
		out.Prints = "exit code 0 or 1"
		if l.Want == "down" {
			out.Prints = "exit code 2"
		}
	}
	return []Action{out}
}

func statuses(all []spec.StatusRange) string {
	if len(all) == 0 {
		return "200 to 299"
	}
	var out []string
	for _, r := range all {
		one := fmt.Sprint(r.From)
		if r.To != r.From {
			one += " to " + fmt.Sprint(r.To)
		}
		out = append(out, one)
	}
	return strings.Join(out, ", ")
}

func headers(all map[string]spec.Secret) string {
	out := ""
	for _, name := range slices.Sorted(maps.Keys(all)) {
		out += " -H " + word(name+": "+string(all[name]))
	}
	return out
}

func tlsOf(t *spec.TLS) string {
	if t == nil {
		return ""
	}
	out := ""
	for _, o := range []struct{ flag, value string }{{"--cacert", t.CAFile}, {"--cert", t.CertFile}, {"--key", t.KeyFile}} {
		if o.value != "" {
			out += " " + o.flag + " " + word(o.value)
		}
	}
	if t.InsecureSkipVerify {
		out += " -k"
	}
	return out
}

// --- the operator's own

// env is what ham tells an operator's command of the swap.
func (s *scene) env(step *message.Step) string {
	role := map[string]string{"new": "new", "old": "old"}[step.On]
	member := map[string]string{"new": s.to.Name, "old": s.from.Name}[step.On]
	return variables(map[string]spec.Secret{
		"HAM_GROUP": spec.Secret(s.group.Name), "HAM_OLD": spec.Secret(s.from.Name), "HAM_NEW": spec.Secret(s.to.Name), "HAM_STEP": spec.Secret(step.Name), "HAM_KIND": "failover",
		"HAM_ROLE": spec.Secret(role), "HAM_MEMBER": spec.Secret(member), "HAM_EPOCH": "0", "HAM_GRACEFUL": "false", "HAM_DRY_RUN": "false",
		"HAM_COMMAND": "by-hand", "HAM_EXECUTOR": "by-hand",
	})
}

func (s *scene) exec(step *message.Step) ([]Action, error) {
	var a spec.ExecArgs
	if err := json.Unmarshal(step.With, &a); err != nil {
		return nil, err
	}
	env := s.env(step) + variables(a.Env)
	var out []Action
	if len(a.Done) > 0 {
		out = append(out, Action{Does: "Is it done already?", Where: s.where(step), Run: in(a.Dir, env+words(a.Done)) + "; echo \"exit code $?\"", Prints: "exit code 1: not yet",
			Else: "exit code 0: it is done, leave out the next command."})
	}
	return append(out, Action{Does: line(step.Says), Where: s.where(step), Run: in(a.Dir, env+words(a.Command)) + "; echo \"exit code $?\"", Prints: "exit code 0", Else: "Find out why before you go on."}), nil
}

// run starts or stops a process.
func (s *scene) run(step *message.Step) ([]Action, error) {
	var a spec.RunArgs
	if err := json.Unmarshal(step.With, &a); err != nil {
		return nil, err
	}
	m, _ := s.group.Member(a.Member)
	out := Action{Where: onHost(m)}
	start := a.Action == "start"
	if out.Does = "Stop " + a.Resource + " of " + a.Member; start {
		out.Does = "Start " + a.Resource + " of " + a.Member
	}
	switch {
	case a.Unit != "":
		out.Run = "systemctl " + literal(a.Action) + " " + literal(a.Unit) + "\nsystemctl is-active " + literal(a.Unit)
		out.Prints = map[bool]string{true: "active", false: "inactive"}[start]
	default:
		argv := a.Stop
		if start {
			argv = a.Start
		}
		out.Run = s.env(step) + words(argv) + "\n" + s.env(step) + words(a.Running) + "; echo \"exit code $?\""
		out.Prints = map[bool]string{true: "exit code 0 in the end: it runs", false: "exit code 1 in the end: it does not run"}[start]
	}
	if out.Else = "Its host does not answer: it goes on there if the host lives. Switch that off, or have it cut from its clients."; start {
		out.Else = "Read what it logs. One that starts and dies at once does not run."
	}
	return []Action{out}, nil
}

// approve is a person's word, which whoever types this page needs as much.
func (s *scene) approve(step *message.Step) ([]Action, error) {
	var a spec.ApproveArgs
	if err := json.Unmarshal(step.With, &a); err != nil {
		return nil, err
	}
	return []Action{{
		Does: "Have somebody else say yes: " + line(a.Text), Where: "wherever you are", Run: "printf 'who said yes, and when? '; read -r yes",
		Prints: "nothing. Write the name down", Else: "Nobody is there to ask: then it is your own decision. Write down why.",
	}}, nil
}

// restart mends a member where it is.
func (s *scene) restart(step *message.Step) ([]Action, error) {
	var a spec.RestartArgs
	if err := json.Unmarshal(step.With, &a); err != nil {
		return nil, err
	}
	m, _ := s.group.Member(a.Member)
	m.Name = a.Member
	out := Action{Where: onHost(m), Else: "It does not come up by this: go on."}
	kind, name, _ := strings.Cut(a.Service, ":")
	switch {
	case a.Exec != nil:
		out.Does, out.Run, out.Prints = "Mend "+a.Member+" where it is", in(a.Exec.Dir, s.env(step)+variables(a.Exec.Env)+words(a.Exec.Command))+"; echo \"exit code $?\"", "exit code 0"
	case kind == "docker":
		out.Does, out.Run, out.Prints = "Restart the container of "+a.Member, "docker restart "+literal(name), line(name)
	default:
		out.Does, out.Run, out.Prints = "Restart "+a.Member, "systemctl restart "+literal(name)+"\nsystemctl is-active "+literal(name), "active"
	}
	return []Action{out}, nil
}

// other moves a group that is moved along: it has a page of its own.
func (s *scene) other(step *message.Step) ([]Action, error) {
	var a spec.GroupArgs
	if err := json.Unmarshal(step.With, &a); err != nil {
		return nil, err
	}
	does := "Make " + a.Member + " primary of group " + a.Group + ", by its own page, and come back here"
	if a.Action == "ready" {
		does = "See who is primary of group " + a.Group + ": it is to be " + a.Member + " in a moment"
	}
	return []Action{{Does: does, Where: "where the pages are: the state directory of ham, on each host with an executor", Run: "less /var/lib/ham/runbooks/" + literal(a.Group) + ".md",
		Prints: "the page of " + a.Group + ": take the part that makes " + a.Member + " primary. Where " + a.Member + " is primary already, leave it out", Else: "No such file: it is on the other hosts, too; else ham runbook " + literal(a.Group) + " --file with the file of its spec."}}, nil
}

// variables are assignments before a command.
func variables(env map[string]spec.Secret) string {
	out := ""
	for _, name := range slices.Sorted(maps.Keys(env)) {
		out += name + "=" + word(string(env[name])) + " "
	}
	return out
}

func in(dir, command string) string {
	if dir == "" {
		return command
	}
	return "(cd " + word(dir) + " && " + command + ")"
}

func (s *scene) http(step *message.Step) ([]Action, error) {
	var a spec.HTTPArgs
	if err := json.Unmarshal(step.With, &a); err != nil {
		return nil, err
	}
	curl := "curl -sS -m " + fmt.Sprint(seconds(step.Timeout.Std())) + " -o /dev/null -w '%{http_code}\\n'" + tlsOf(a.TLS) + headers(a.Headers)
	var out []Action
	if a.Done != "" {
		out = append(out, Action{Does: "Is it done already?", Where: s.where(step), Run: curl + " " + word(a.Done), Prints: "anything but " + statuses(a.Status),
			Else: statuses(a.Status) + ": it is done, leave out the next command."})
	}
	body := ""
	if a.Body != "" {
		body = " --data-raw " + word(a.Body)
	}
	return append(out, Action{Does: line(step.Says), Where: s.where(step), Run: curl + " -X " + literal(cmp.Or(a.Method, "POST")) + body + " " + word(a.URL), Prints: statuses(a.Status),
		Else: "Find out why before you go on."}), nil
}

// --- postgres

// postgresAt is where a server answers: its DSN's host and port.
func postgresAt(p *spec.Postgres) (host, port string) {
	port = "5432"
	dsn := string(p.DSN)
	if u, err := url.Parse(dsn); err == nil && u.Hostname() != "" {
		return u.Hostname(), cmp.Or(u.Port(), port)
	}
	if _, after, ok := strings.Cut(dsn, "@"); ok { // a reference stands where no URL may have one
		hostPort, _, _ := strings.Cut(after, "/")
		if h, p, err := net.SplitHostPort(hostPort); err == nil {
			return h, p
		}
		return hostPort, port
	}
	for _, part := range strings.Fields(dsn) {
		switch key, value, _ := strings.Cut(part, "="); key {
		case "host":
			host = value
		case "port":
			port = value
		}
	}
	return host, port
}

// owner runs a command as who owns the data.
func owner(p *spec.Postgres) string {
	user := literal(p.RunAs)
	if p.RunAs == "" {
		user = "postgres"
		if p.Data != "" {
			user = `"$(stat -c %U ` + literal(p.Data) + `)"`
		}
	}
	return "runuser -u " + user + " -- "
}

// sql runs statements beside the server, by its socket, as its superuser.
func sql(p *spec.Postgres, statements ...string) string {
	_, port := postgresAt(p)
	socket := ""
	for _, part := range strings.Fields(string(p.Local)) {
		switch key, value, _ := strings.Cut(part, "="); key {
		case "host":
			socket = " -h " + word(value)
		case "port":
			port = value
		}
	}
	out := owner(p) + "psql" + socket + " -p " + literal(port) + " -d postgres -At"
	for _, st := range statements {
		out += " -c " + literal(st)
	}
	return out
}

// ctl starts or stops the server.
func ctl(p *spec.Postgres, verb string) string {
	kind, name, _ := strings.Cut(p.Service, ":")
	switch kind {
	case "systemd":
		return "systemctl " + verb + " " + literal(name)
	case "cluster":
		version, cluster, _ := strings.Cut(name, "/")
		return "pg_ctlcluster " + literal(version) + " " + literal(cluster) + " " + verb + map[string]string{"stop": " -m fast"}[verb]
	}
	bin := "pg_ctl"
	if p.Bin != "" {
		bin = strings.TrimSuffix(p.Bin, "/") + "/pg_ctl"
	}
	return owner(p) + literal(bin) + " -D " + literal(p.Data) + " -w " + verb + map[string]string{"stop": " -m fast", "start": " -l " + literal(strings.TrimSuffix(p.Data, "/")+"/by-hand.log")}[verb]
}

func (s *scene) postgres(step *message.Step) ([]Action, error) {
	var a spec.PostgresArgs
	if err := json.Unmarshal(step.With, &a); err != nil {
		return nil, err
	}
	p, m := &a.Server, a.Member
	host, port := postgresAt(p)
	where := s.where(step)
	ready := "pg_isready -t 2 -h " + word(host) + " -p " + literal(port)
	switch a.Action {
	case "still-down":
		return []Action{{Does: "See that " + m + " answers nobody", Where: "where clients are, or " + onHost(s.to), Run: ready, Prints: "no response", Else: "\"accepting connections\": it is up. Stop it, or do not go on."}}, nil
	case "streaming", "catch-up":
		return []Action{{Does: "See how far " + m + " is", Where: onHost(s.to), Run: sql(p, "SELECT pg_is_in_recovery(), pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn()"), Prints: "t, and two positions that are close to each other",
			Else: "Nobody answers: start it, " + ctl(p, "start")}}, nil
	case "checkpoint":
		return []Action{{Does: "Let " + m + " write down what is dirty", Where: where, Run: sql(p, "CHECKPOINT"), Prints: "CHECKPOINT", Else: "It can be left out: its stop takes longer then."}}, nil
	case "give-up":
		return []Action{{Does: "Stop " + m, Where: where, Run: ctl(p, "stop"), Prints: "nothing, or \"server stopped\"", Else: "Do not go on while it runs."}}, nil
	case "promote":
		out := []Action{{Does: "See that " + m + " is a standby, and what it has", Where: where, Run: sql(p, "SELECT pg_is_in_recovery(), pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn()"),
			Prints: "t, and how far it has received and replayed the log. Write it down", Else: "f: it is primary already, leave the promotion out. Nobody answers: " + ctl(p, "start")}}
		if s.group.Lease != nil && s.group.Lease.Guard == spec.GuardNFTables {
			out = append(out, guardAway(s.group.Name, where))
		}
		return append(out, Action{Does: "Promote it", Where: where, Run: sql(p, "SELECT pg_promote(true, 60)"), Prints: "t", Else: "Read the server's log. f: it was too slow; ask it again whether it is in recovery."},
			Action{Does: "Let it wait for no standby: there is none now", Where: where, Run: sql(p, "ALTER SYSTEM SET synchronous_standby_names = ''", "SELECT pg_reload_conf()"), Prints: "ALTER SYSTEM, t",
				Else: "Every write would wait for ever: put it into postgresql.conf, and reload."}), nil
	case "writable":
		return []Action{{Does: "See that " + m + " takes a write", Where: onHost(s.to), Run: sql(p, "CREATE TABLE ham_by_hand ()", "DROP TABLE ham_by_hand"), Prints: "CREATE TABLE, DROP TABLE",
			Else: "\"read-only transaction\": it is a standby still. It hangs: synchronous_standby_names, above."}}, nil
	}
	return nil, fmt.Errorf("no words for the action %q of postgres", a.Action)
}

func guardAway(group, where string) Action {
	return Action{Does: "Take its guard away, which keeps clients out while ham gives no lease", Where: where, Run: "nft delete table inet " + literal("ham-"+group), Prints: "nothing",
		Else: "\"No such file or directory\": there is none, which is as good."}
}

// --- redis

func (s *scene) redis(step *message.Step) ([]Action, error) {
	var a spec.RedisArgs
	if err := json.Unmarshal(step.With, &a); err != nil {
		return nil, err
	}
	m, where := a.Member, s.where(step)
	cli := func(args ...string) string { return redisCLI(&a.Server, "") + " " + words(args) }
	switch a.Action {
	case "still-down":
		return []Action{{Does: "See that " + m + " answers nobody", Where: "where clients are, or " + onHost(s.to), Run: redisCLI(&a.Server, "timeout 2 ") + " PING", Prints: "nothing, or \"Could not connect\"", Else: "PONG: it is up. Stop it, or do not go on."}}, nil
	case "streaming":
		return []Action{{Does: "See how far " + m + " is", Where: where, Run: cli("INFO", "replication"), Prints: "role:slave, and slave_repl_offset", Else: "Nobody answers: start it."}}, nil
	case "give-up":
		return []Action{{Does: "Bar " + m + " from writes", Where: where, Run: cli("CONFIG", "SET", "min-replicas-to-write", "1000000000"), Prints: "OK", Else: "Stop it."},
			{Does: "Cut its clients", Where: where, Run: cli("CLIENT", "KILL", "TYPE", "normal"), Prints: "how many there were", Else: "Stop it."}}, nil
	case "promote":
		out := []Action{{Does: "See that " + m + " is a replica, and what it has", Where: where, Run: cli("INFO", "replication"), Prints: "role:slave, and slave_repl_offset. Write it down", Else: "role:master: leave the promotion out. Nobody answers: " + redisCtl(&a.Server, "start")}}
		if s.group.Lease != nil && s.group.Lease.Guard == spec.GuardNFTables {
			out = append(out, guardAway(s.group.Name, where))
		}
		return append(out, Action{Does: "Promote it", Where: where, Run: cli("REPLICAOF", "NO", "ONE"), Prints: "OK", Else: "Read the server's log."},
			Action{Does: "Let it take writes without a replica", Where: where, Run: cli("CONFIG", "SET", "min-replicas-to-write", "0"), Prints: "OK", Else: "NOREPLICAS at each write says that it is still barred."}), nil
	case "writable":
		return []Action{{Does: "See that " + m + " takes a write", Where: where, Run: cli("SET", "ham:by-hand", "1", "EX", "60"), Prints: "OK", Else: "READONLY: it is a replica still. NOREPLICAS: it is barred, above."}}, nil
	}
	return nil, fmt.Errorf("no words for the action %q of redis", a.Action)
}

// redisCLI is redis-cli, under another command where there is one.
func redisCLI(r *spec.Redis, under string) string {
	host, port, _ := net.SplitHostPort(r.Address)
	auth := ""
	if r.Password != "" {
		auth = "REDISCLI_AUTH=" + word(string(r.Password)) + " "
	}
	return auth + under + "redis-cli -h " + word(host) + " -p " + literal(port)
}

// redisCtl starts or stops the server.
func redisCtl(r *spec.Redis, verb string) string {
	if unit, ok := strings.CutPrefix(r.Service, "systemd:"); ok {
		return "systemctl " + verb + " " + literal(unit)
	}
	if verb == "stop" {
		return redisCLI(r, "") + " SHUTDOWN"
	}
	return "as it is started at your place"
}
