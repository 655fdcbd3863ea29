package setup

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/isacloud/ha-manager/pkg/spec"
)

// StandsHere says that the member stands on this machine: its data directory is here, or the process beside it is called as the machine.
func StandsHere(m spec.Member, hostname string) bool {
	if m.Postgres != nil && m.Postgres.Data != "" {
		if _, err := os.Lstat(m.Postgres.Data); err == nil {
			return true
		}
	}
	return m.Executor == hostname
}

// Host looks at the machine that the group's member stands on, below root ("/"): what starts its server by itself, whether its clock can be relied
// on, and whether ham may do what it must. It changes nothing. Level "ok" says what is right.
func Host(ctx context.Context, root string, g *spec.Group, m spec.Member) []Finding {
	h := host{ctx: ctx, root: root, m: m, guarded: g.Lease != nil && g.Lease.Guard != spec.GuardNone}
	for _, r := range g.Routes {
		h.floats = h.floats || r.VIP != nil
	}
	if m.Postgres != nil {
		h.starts(m.Postgres.Service)
		h.mount(m.Postgres.Data)
	} else if m.Redis != nil && m.Redis.Service != "" {
		h.starts(m.Redis.Service)
	}
	h.clock()
	h.rights()
	return h.found
}

type host struct {
	ctx   context.Context
	root  string
	m     spec.Member
	found []Finding
	// guarded: a filter of the kernel keeps clients from the member. floats: a floating address leads them to it.
	guarded, floats bool
}

// Socket looks whether clients on this machine get to the server past its guard, which knows nothing of unix sockets. Says nothing where only the
// server's own group does.
func Socket(root string, f Facts) []Finding {
	mode, err := strconv.ParseUint(f.Settings["unix_socket_permissions"], 8, 32)
	if err != nil || f.Socket == "" || mode&0o002 == 0 {
		return nil
	}
	if dir, err := os.Stat(filepath.Join(root, f.Socket)); err != nil || dir.Mode().Perm()&0o001 == 0 {
		return nil
	}
	return []Finding{{"warn", f.Name, fmt.Sprintf("whoever is on this host reaches %s by its socket in %s, past the guard (unix_socket_permissions is %04o)", f.Name, f.Socket, mode),
		"set unix_socket_permissions = 0770 (needs a restart), or see to it that no client on this host uses the socket"}}
}

func (h *host) add(level, found, do string) {
	h.found = append(h.found, Finding{level, h.m.Name, found, do})
}

func (h *host) read(path string) string {
	b, err := os.ReadFile(filepath.Join(h.root, path))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}

// starts looks whether anybody but ham starts the server: it would come up as whatever it was, before ham knows.
func (h *host) starts(service string) {
	unit, ok := strings.CutPrefix(service, "systemd:")
	if cluster, is := strings.CutPrefix(service, "cluster:"); is {
		version, name, _ := strings.Cut(cluster, "/")
		unit, ok = "postgresql@"+version+"-"+name+".service", true
		h.startConf(cluster)
	}
	if !ok {
		return
	}
	ctx, cancel := context.WithTimeout(h.ctx, 5*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, "systemctl", "show", "--property=Restart,UnitFileState", unit).Output()
	if err != nil {
		return // no systemd here
	}
	is := map[string]string{}
	for line := range strings.Lines(string(out)) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		is[key] = value
	}
	h.judgeUnit(unit, is)
}

// startConf looks at how Debian starts a cluster.
func (h *host) startConf(cluster string) {
	conf := "/etc/postgresql/" + cluster + "/start.conf"
	if firstWord(h.read(conf)) == "auto" {
		h.add("bad", conf+" says auto: the server is started at boot, as whatever it was", "echo manual >"+conf)
	}
}

// judgeUnit judges what systemd says of the server's unit.
func (h *host) judgeUnit(unit string, is map[string]string) {
	sound := true
	if r := is["Restart"]; r != "" && r != "no" {
		h.add("bad", "systemd starts "+unit+" again by itself (Restart="+r+"): after a failover it would act as a primary that nobody leads to",
			"printf '[Service]\\nRestart=no\\n' into /etc/systemd/system/"+unit+".d/ham.conf, then systemctl daemon-reload")
		sound = false
	}
	if s := is["UnitFileState"]; s == "enabled" || s == "enabled-runtime" {
		h.add("bad", unit+" is started at boot", "systemctl disable "+unit)
		sound = false
	}
	if sound {
		h.add("ok", "systemd does not start "+unit+" by itself", "")
	}
}

func firstWord(text string) string {
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "#")
		if fields := strings.Fields(line); len(fields) > 0 {
			return fields[0]
		}
	}
	return ""
}

// mount: a base backup takes the old directory's place in one step, which a mount point cannot be given.
func (h *host) mount(data string) {
	if data == "" {
		return
	}
	for line := range strings.Lines(h.read("/proc/self/mounts")) {
		if fields := strings.Fields(line); len(fields) > 1 && fields[1] == filepath.Clean(data) {
			h.add("bad", data+" is a mount point: a base backup cannot take its place", "move the data into a directory below it")
		}
	}
}

// sound are clock sources that go on by themselves, evenly.
var sound = []string{"tsc", "kvm-clock", "arch_sys_counter", "hyperv_clocksource_tsc_page", "hyperv_clocksource", "xen", "timebase", "tod", "riscv_clocksource"}

func (h *host) clock() {
	if source := h.read("/sys/devices/system/clocksource/clocksource0/current_clocksource"); source != "" {
		known := false
		for _, s := range sound {
			known = known || s == source
		}
		if known {
			h.add("ok", "the clock source is "+source, "")
		} else {
			h.add("warn", "the clock source is "+source+": it is slow to read, and is chosen where the processor's own was found to be uneven", "look for \"clocksource\" in dmesg; leases rest on clocks that differ by less than a tenth")
		}
	}
	if strings.Contains(" "+h.read("/proc/cpuinfo")+" ", " hypervisor ") {
		h.add("warn", "this host is a virtual machine: while it is paused or moved its clock may stop, and with it the guard, which then shuts late",
			"let nobody pause or live-migrate it while it may be primary; write durability: never-lose, or a fence agent, which hold all the same")
	}
}

// netAdmin and netRaw are the bits of CAP_NET_ADMIN and CAP_NET_RAW: capabilities(7).
const (
	netAdmin = 12
	netRaw   = 13
)

// rights looks for a process of ham here that may set the guard, and bring a floating address and announce it.
func (h *host) rights() {
	processes, err := filepath.Glob(filepath.Join(h.root, "/proc/[0-9]*/comm"))
	if err != nil {
		return
	}
	self := strconv.Itoa(os.Getpid())
	running, admin, raw := false, false, false
	for _, path := range processes {
		pid := filepath.Base(filepath.Dir(path))
		words := strings.Split(h.read("/proc/"+pid+"/cmdline"), "\x00")
		if h.read("/proc/"+pid+"/comm") != "ham" || pid == self || len(words) < 2 || words[1] != "up" && words[1] != "executor" {
			continue
		}
		running = true
		for line := range strings.Lines(h.read("/proc/" + pid + "/status")) {
			if hex, ok := strings.CutPrefix(line, "CapEff:"); ok {
				bits, err := strconv.ParseUint(strings.TrimSpace(hex), 16, 64)
				admin = admin || err == nil && bits&(1<<netAdmin) != 0
				raw = raw || err == nil && bits&(1<<netRaw) != 0
			}
		}
	}
	if !running {
		h.add("bad", "no process of ham with an executor runs here", "start `ham up` or `ham executor`, with ham.name: "+h.m.Executor)
		return
	}
	sound := true
	if h.guarded && !admin {
		h.add("bad", "the process of ham here may not set the guard (CAP_NET_ADMIN)", "AmbientCapabilities=CAP_NET_ADMIN in its unit")
		sound = false
	}
	if h.floats && !admin {
		h.add("bad", "the process of ham here may not bring the floating address (CAP_NET_ADMIN)", "AmbientCapabilities=CAP_NET_ADMIN CAP_NET_RAW in its unit")
		sound = false
	}
	if h.floats && !raw {
		h.add("bad", "the process of ham here may not announce the floating address (CAP_NET_RAW): clients would go on to the host that had it", "AmbientCapabilities=CAP_NET_ADMIN CAP_NET_RAW in its unit")
		sound = false
	}
	if sound {
		h.add("ok", fmt.Sprintf("the process of ham beside %s may do what it must", h.m.Name), "")
	}
}
