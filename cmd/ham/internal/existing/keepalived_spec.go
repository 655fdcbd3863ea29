package existing

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// KeepalivedOptions say what the files do not.
type KeepalivedOptions struct {
	// Holds is what the floating address leads to: "postgres", "redis", or "" for what the scripts of keepalived tell.
	Holds string
}

// instance is one vrrp_instance of one host.
type instance struct {
	statement
	name string
	host int // whose file
	file statement
}

// Keepalived writes a group for each floating address that ham can manage, from the keepalived.conf of one host, or of both. An address needs a
// lease, and a lease is about what ham can stop and promote: a pair of PostgreSQL or Redis servers. It fails where nothing can be managed.
func Keepalived(texts []Text, o KeepalivedOptions) (*Spec, error) {
	if len(texts) < 1 || len(texts) > 2 {
		return nil, fmt.Errorf("%d files, want the keepalived.conf of one host or of both", len(texts))
	}
	w := &keepalivedWriter{holds: o.Holds}
	var order []string // of the groups, by their key
	together := map[string][]instance{}
	for host, t := range texts {
		file, err := readKeepalived(t)
		if err != nil {
			return nil, err
		}
		w.files = append(w.files, file)
		sync := map[string]string{} // instance → sync group
		for _, s := range file.find("vrrp_sync_group") {
			for _, g := range s.find("group") {
				for _, member := range g.block {
					sync[member.words[0]] = s.arg(1)
				}
				for _, member := range g.words[1:] {
					sync[member] = s.arg(1)
				}
			}
		}
		for _, s := range file.block {
			switch s.words[0] {
			case "vrrp_instance":
				i := instance{s, s.arg(1), host, file}
				if s.depends || file.depends {
					w.leftOut(s.at, "vrrp_instance %s: lines with @ or ~ count on some hosts only, or several times, as keepalived alone knows; write the file out", short(i.name))
					continue
				}
				// The instances of both hosts are the same by their router's id, whatever they are called.
				key := "router " + s.value("virtual_router_id")
				if g := sync[i.name]; g != "" {
					key = "group " + g
				}
				if together[key] == nil {
					order = append(order, key)
				}
				together[key] = append(together[key], i)
			case "virtual_server", "virtual_server_group":
				w.leftOut(s.at, "%s %s: the kernel's load balancer is nothing that ham manages; it stays with keepalived", s.words[0], short(strings.Join(s.words[1:], " ")))
			case "static_ipaddress", "static_routes", "static_rules":
				w.leftOut(s.at, "%s: what a host has at all times is its network's configuration, not a role", s.words[0])
			case "include", "includer", "includem", "includew", "includeb", "includea":
				w.leftOut(s.at, "%s %s: that file is not read; put what it has into this one", s.words[0], short(s.arg(1)))
			case "bfd_instance":
				w.leftOut(s.at, "bfd_instance %s: ham looks by its own checks", short(s.arg(1)))
			}
		}
	}
	for _, key := range order {
		w.instances(key, together[key])
	}
	out := w.spec(names(texts))
	if len(w.groups) == 0 {
		return out, ErrNothing
	}
	return out, nil
}

type keepalivedWriter struct {
	writer
	files []statement
	holds string
}

// floating is one address.
type floating struct {
	at         place
	prefix     netip.Prefix
	interfaces [2]string // by host
}

// proxies are the programs that a floating address often stands in front of, and that ham does not start and promote.
var (
	proxies   = regexp.MustCompile(`(?i)haproxy|nginx|httpd|apache|envoy|traefik|varnish|squid|lvs|mysql|mariadb|rabbitmq`)
	databases = []struct {
		holds string
		words *regexp.Regexp
	}{
		{"postgres", regexp.MustCompile(`(?i)postgres|pg_|psql|patroni|\b5432\b`)},
		{"redis", regexp.MustCompile(`(?i)redis|valkey|\b6379\b`)},
	}
)

// scripts are the commands by which keepalived looks, as an instance names them.
func (i instance) scripts() (texts []string, at place) {
	at = i.at
	for _, track := range append(i.find("track_script"), i.find("track_process")...) {
		for _, t := range track.block {
			at = t.at
			texts = append(texts, t.words[0])
			for _, s := range append(i.file.find("vrrp_script"), i.file.find("vrrp_track_process")...) {
				if s.arg(1) == t.words[0] {
					texts = append(texts, s.value("script"), s.value("process"))
				}
			}
		}
	}
	return texts, at
}

func (w *keepalivedWriter) instances(key string, all []instance) {
	first := all[0]
	name := first.name
	if g, ok := strings.CutPrefix(key, "group "); ok {
		name = g
	}
	looks, lookAt := first.scripts()
	lookText := strings.Join(looks, " ")
	holds := w.holds
	for _, d := range databases {
		if holds == "" && d.words.MatchString(lookText) {
			holds = d.holds
		}
	}
	if found := proxies.FindString(lookText); holds == "" && found != "" {
		w.leftOut(lookAt, "vrrp_instance %s: it follows %s. ham moves a floating address with what it can stop and promote, a pair of PostgreSQL or Redis servers. Leave this one to keepalived; the servers behind a HAProxy are found by `ham init haproxy`",
			short(first.name), found)
		return
	}
	addresses := w.addresses(all)
	if len(addresses) == 0 {
		w.leftOut(first.at, "vrrp_instance %s: it has no address that can be read", short(first.name))
		return
	}
	if len(w.groups) == 0 {
		w.head(first.at)
	}
	w.begin(name)
	w.line("# vrrp_instance %s of %s, virtual_router_id %s", comment(first.name), first.at, comment(cmp.Or(first.value("virtual_router_id"), "none")))
	w.line("group: %s", scalar(w.group))
	w.line("mode: dry-run                # it looks, and applies nothing. Then manual, then auto")
	if holds == "" {
		w.ask("", first.at, "what does the address lead to? A pair of PostgreSQL servers is assumed; --holds redis writes a pair of Redis servers. In front of anything else leave it to keepalived")
		holds = "postgres"
	}
	w.line("use: %s-pair\nwith:\n  members:", holds)
	members := w.members(all, holds)
	w.ask("  ", place{}, "the witness, a third place that looks and decides: its address?")
	w.line("  witness: {site: witness, host: 203.0.113.5}")
	if holds == "postgres" {
		w.ask("  ", place{}, "the passwords of the roles on the servers, where they have any; and what gives way when the standby is gone: the service (never-lose) or the last writes (never-stop)? `ham init postgres` looks at the servers and answers most of this")
		w.line("  # password: \"${file:/etc/ham/postgres.password}\"\n  # replication_password: \"${file:/etc/ham/replication.password}\"\n  durability: never-lose")
	} else {
		w.ask("  ", place{}, "password: \"${file:/etc/ham/redis.password}\", if the servers have one; service: systemd:redis-server, if ham is to start them")
	}
	for _, i := range all {
		w.scripts(i)
	}
	w.line("routes:")
	for n, a := range addresses {
		route := "vip"
		if n > 0 {
			route += "-" + strconv.Itoa(n+1)
		}
		if len(w.files) == 1 {
			w.ask("  ", a.at, "interfaces: is it %s on the other host, too?", a.interfaces[0])
			a.interfaces[1] = a.interfaces[0]
		}
		w.line("  %s: {vip: %s, interfaces: {%s: %s, %s: %s}}", route, scalar(a.prefix.String()), scalar(members[0]), scalar(a.interfaces[0]), scalar(members[1]), scalar(cmp.Or(a.interfaces[1], a.interfaces[0])))
	}
	w.adopt(all, members)
}

func (w *keepalivedWriter) head(at place) {
	w.line("# Written by `ham init keepalived`. Lines with a question mark hold what the files cannot know: answer them, and take them out.")
	w.line("# keepalived gives the address back to the host of the higher priority by itself; ham never does: `ham failback`.")
	w.ask("", at, "two managers of one address put it on two hosts: when the mode leaves dry-run, is keepalived stopped and disabled on both hosts (systemctl disable --now keepalived)? Before that, ham's own processes run on both hosts and the witness: docs/postgres.md")
}

var interfaceName = regexp.MustCompile(`^[A-Za-z0-9_@-][A-Za-z0-9_.@-]{0,14}$`)

// addresses are the floating addresses of all, each once.
func (w *keepalivedWriter) addresses(all []instance) []floating {
	var out []floating
	for _, i := range all {
		for _, k := range []string{"virtual_routes", "virtual_rules"} {
			for _, s := range i.find(k) {
				w.leftOut(s.at, "vrrp_instance %s: %s: ham moves addresses, not routes and rules of the network; a step of its own can (steps: exec)", short(i.name), k)
			}
		}
		for _, s := range append(i.find("virtual_ipaddress"), i.find("virtual_ipaddress_excluded")...) {
			for _, a := range s.block {
				prefix, err := netip.ParsePrefix(a.words[0])
				if err != nil {
					ip, ipErr := netip.ParseAddr(a.words[0])
					if ipErr != nil || ip.Zone() != "" {
						w.leftOut(a.at, "vrrp_instance %s: the address %q cannot be read, want one such as 192.0.2.100/24", short(i.name), short(a.words[0]))
						continue
					}
					prefix = netip.PrefixFrom(ip, ip.BitLen()) // as keepalived takes it
				}
				if ip := prefix.Addr(); ip.IsUnspecified() || ip.IsMulticast() || ip.IsLoopback() || !prefix.IsSingleIP() && prefix.Masked().Addr() == ip {
					w.leftOut(a.at, "vrrp_instance %s: %s can be no floating address, want that of a host, such as 192.0.2.100/24", short(i.name), prefix)
					continue
				}
				dev := cmp.Or(i.value("interface"), "eth0")
				for n, word := range a.words {
					if word == "dev" {
						dev = a.arg(n + 1)
					}
				}
				if !interfaceName.MatchString(dev) {
					w.leftOut(a.at, "vrrp_instance %s: %q can be no interface", short(i.name), short(dev))
					continue
				}
				n := slices.IndexFunc(out, func(f floating) bool { return f.prefix.Addr() == prefix.Addr() })
				if n < 0 {
					out = append(out, floating{at: a.at, prefix: prefix})
					n = len(out) - 1
				}
				out[n].interfaces[i.host] = dev
				if out[n].interfaces[0] == "" {
					out[n].interfaces[0] = dev
				}
			}
		}
	}
	return out
}

// members writes both members, and gives their names: as the hosts are called in the files, else a and b.
func (w *keepalivedWriter) members(all []instance, holds string) []string {
	members, hosts, at := []string{"a", "b"}, make([]string, 2), []place{all[0].at, all[0].at}
	for host := range w.files {
		for _, g := range w.files[host].find("global_defs") {
			if id := g.value("router_id"); id != "" && id != members[1-host] && id != "witness" {
				members[host] = unique(id, "host", members[1-host:2-host])
			}
		}
		for _, i := range all {
			if i.host == host {
				at[host] = i.at
			}
		}
		for _, i := range w.files[host].find("vrrp_instance") { // all of them: the hosts are the same
			hosts[host] = cmp.Or(hosts[host], hostAddress(i.value("unicast_src_ip")))
			peers := i.find("unicast_peer")
			if len(peers) == 1 && len(peers[0].block) == 1 {
				hosts[1-host] = cmp.Or(hosts[1-host], hostAddress(peers[0].block[0].words[0]))
			}
		}
	}
	if hosts[0] == hosts[1] {
		hosts[1] = ""
	}
	for n, name := range members {
		what := "what is the site of " + name + " called"
		if hosts[n] == "" {
			hosts[n] = []string{"192.0.2.10", "198.51.100.10"}[n]
			what += ", and at which address do the others reach its host? What stands here is made up"
		} else {
			what += "?"
		}
		w.ask("    ", at[n], "%s", what)
		text := fmt.Sprintf("site: %s, host: %s", scalar(name), scalar(hosts[n]))
		if holds == "postgres" {
			w.ask("    ", at[n], "who runs the server of %s: pg_ctl (the executor alone), systemd:<unit>, or cluster:<version>/<name>?", name)
			text += ", service: cluster:15/main"
		}
		w.line("    %s: {%s}", scalar(name), text)
	}
	return members
}

// hostAddress is an IP address, or "".
func hostAddress(s string) string {
	if ip, err := netip.ParseAddr(s); err != nil || ip.Zone() != "" || ip.IsUnspecified() || ip.IsMulticast() || ip.IsLoopback() {
		return ""
	}
	return s
}

// scripts asks about what keepalived runs.
func (w *keepalivedWriter) scripts(i instance) {
	for _, s := range i.block {
		switch k := s.words[0]; {
		case strings.HasPrefix(k, "notify"):
			w.ask("", s.at, "%s runs %s: is it still wanted, as a step of a swap (steps: - {name: …, exec: […], on: new})?", k, short(strings.Join(s.words[1:], " ")))
		case strings.HasPrefix(k, "track_"):
			w.ask("", s.at, "%s of %s makes keepalived leave a host: ham looks by the checks of the preset; is there something else to look at (checks: with effect ready or down)?", k, short(i.name))
		case k == "use_vmac":
			w.ask("", s.at, "use_vmac: the address has a hardware address of its own, which moves along; ham tells the network by gratuitous ARP instead: do all clients hear it?")
		}
	}
}

func (w *keepalivedWriter) adopt(all []instance, members []string) {
	var priority [2]int
	master := -1
	for _, i := range all {
		if n, err := strconv.Atoi(i.value("priority")); err == nil {
			priority[i.host] = n
		}
		if i.value("state") == "MASTER" {
			master = i.host
		} else if master < 0 && len(w.files) == 1 && i.value("state") == "BACKUP" {
			master = 1
		}
	}
	if len(w.files) == 2 && priority[0] != priority[1] {
		master = 0
		if priority[1] > priority[0] {
			master = 1
		}
	}
	w.ask("", all[0].at, "adopt: which host has the address, and the primary, today? keepalived's priorities say who should (`ip -brief address` says who has)")
	w.line("adopt: %s", scalar(members[max(0, master)]))
}

// Holds checks what an operator says that the addresses lead to.
func Holds(s string) error {
	if s != "" && s != "postgres" && s != "redis" {
		return errors.New("want postgres or redis")
	}
	return nil
}
