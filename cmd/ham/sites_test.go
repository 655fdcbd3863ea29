package main_test

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/isacloud/ha-manager/pkg/bus"
	"github.com/isacloud/ha-manager/pkg/client/haproxy/haproxytest"
	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/porttest"
	"github.com/isacloud/ha-manager/pkg/subject"
)

// instance is a process of the automation server: this binary again, which answers at an address, or only runs, for as long as the test does.
func instance() {
	name, listen := os.Getenv("INSTANCE"), os.Getenv("INSTANCE_LISTEN")
	test, err := strconv.Atoi(os.Getenv("INSTANCE_OF"))
	if err != nil {
		os.Exit(2)
	}
	if listen != "" {
		server := &http.Server{Addr: listen, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, name) })}
		go func() {
			if server.ListenAndServe() != nil {
				os.Exit(1)
			}
		}()
	}
	for syscall.Kill(test, 0) == nil {
		time.Sleep(500 * time.Millisecond)
	}
	os.Exit(0)
}

// dataCentre is one site of the test: a systemctl of its own, whose units are real processes, and a process of ham.
type dataCentre struct {
	w         *world
	name, dir string
	stop      func(os.Signal) int
}

// systemctl knows start, stop, restart, is-active and show of units that are files here, tells what it did, and holds a start back while the file hold is there.
// While the file broken is there, what it starts dies at once.
const systemctl = `#!/bin/sh
dir=%s
for word; do
  case "$word" in -*) ;; *) words="$words $word" ;; esac
done
set -- $words
alive() { # read in one go: a dead process waits for its reaper, and may go at any moment
  pid=$(cat "$dir/$1.pid" 2>/dev/null) || return 1
  case "$(sed -n 's/.*) \([A-Za-z]\) .*/\1/p' "/proc/$pid/stat" 2>/dev/null)" in ""|Z|X) return 1 ;; esac
}
run() {
  [ ! -e "$dir/broken" ] || return 0
  listen=$(cat "$dir/$1.listen" 2>/dev/null)
  INSTANCE=%s INSTANCE_LISTEN=$listen INSTANCE_OF=%d setsid %s </dev/null >/dev/null 2>&1 &
  echo $! > "$dir/$1.pid"
}
end() {
  alive "$1" || return 0
  kill "$(cat "$dir/$1.pid")"
  while alive "$1"; do sleep 0.02; done
}
case "$1" in
is-active) alive "$2" && { echo active; exit 0; }; echo inactive; exit 3 ;;
start)
  alive "$2" && exit 0
  echo "%s start $2" >> %s
  while [ -e "$dir/hold" ]; do sleep 0.02; done
  run "$2" ;;
stop)
  alive "$2" || exit 0
  echo "%s stop $2" >> %s
  end "$2" ;;
restart)
  echo "%s restart $2" >> %s
  end "$2"
  run "$2" ;;
show)
  alive "$2" && state=active || state=failed
  printf 'LoadState=loaded\nActiveState=%%s\nSubState=%%s\nResult=signal\n' $state $state ;;
esac
`

// dataCentre makes a site with the units, of which the first listens.
func (w *world) dataCentre(name, listen string, units ...string) *dataCentre {
	d := &dataCentre{w: w, name: name, dir: filepath.Join(w.dir, name)}
	t := w.t
	require.NoError(t, os.MkdirAll(d.dir, 0o700))
	self, err := os.Executable()
	require.NoError(t, err)
	log := filepath.Join(w.dir, "units.log")
	script := fmt.Sprintf(systemctl, d.dir, name, os.Getpid(), self, name, log, name, log, name, log)
	require.NoError(t, os.WriteFile(filepath.Join(d.dir, "systemctl"), []byte(script), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(d.dir, units[0]+".listen"), []byte(listen), 0o600))
	t.Cleanup(func() {
		for _, unit := range units {
			d.kill(unit)
		}
	})
	return d
}

func (d *dataCentre) systemctl(verb, unit string) bool {
	return exec.Command(filepath.Join(d.dir, "systemctl"), verb, unit).Run() == nil
}

func (d *dataCentre) runs(unit string) bool { return d.systemctl("is-active", unit) }

// kill ends the unit's process as a crash does.
func (d *dataCentre) kill(unit string) {
	text, err := os.ReadFile(filepath.Join(d.dir, unit+".pid"))
	if pid, bad := strconv.Atoi(strings.TrimSpace(string(text))); err == nil && bad == nil {
		_ = syscall.Kill(pid, syscall.SIGKILL) // gone already is as good
	}
}

// up starts the executor at the site.
func (d *dataCentre) up() {
	config := d.w.file(d.name+".yaml", fmt.Sprintf("ham: {name: %s1, site: %s, http: \"off\", state_dir: %q, bus: {urls: [%q]}, executor: {sites: [%s]}}\n",
		d.name, d.name, filepath.Join(d.dir, "state"), d.w.server, d.name))
	d.stop = d.w.startIn([]string{"PATH=" + d.dir + ":" + os.Getenv("PATH")}, ham, "executor", "--config", config)
}

// units is what the sites' units were told to do, in its order.
func (w *world) units() []string {
	text, err := os.ReadFile(filepath.Join(w.dir, "units.log"))
	if err != nil {
		return nil
	}
	return strings.Split(strings.TrimSpace(string(text)), "\n")
}

// settled: the member is primary for good.
func settled(s *message.GroupStatus, primary string) bool {
	return s.Primary == primary && s.Held && s.Swap == nil
}

// The example of two sites, with real processes and two real proxies: one button moves queue, application and routes; what the queue refuses refuses
// the whole; a manager that is killed in the middle goes on; and a side that could not be reached is cleaned up when it is back.
func TestTwoSites(t *testing.T) {
	const proxies = `
global
    stats socket {{unix "admin"}} mode 600 level admin
    stats maxconn 50
defaults
    timeout connect 100ms
    timeout client 30s
    timeout server 30s
    retries 10
    option redispatch 1
frontend front
    mode http
    bind {{addr "front"}}
    default_backend web
backend web
    mode http
    server s1 %s disabled
    server s2 %s disabled
frontend jobs
    mode tcp
    bind {{addr "jobs"}}
    default_backend queue
backend queue
    mode tcp
    server q1 %s disabled
    server q2 %s disabled
`
	w := newWorld(t)
	mains := map[string]string{"sp": porttest.Hold(t), "rj": porttest.Hold(t)}
	queues := map[string]*haproxytest.Site{"sp": haproxytest.NewSite(t, "queue-sp"), "rj": haproxytest.NewSite(t, "queue-rj")}
	config := fmt.Sprintf(proxies, mains["sp"], mains["rj"], queues["sp"].Addr(), queues["rj"].Addr())
	edges := []*haproxytest.Proxy{haproxytest.Start(t, config), haproxytest.Start(t, config)}
	units := []string{"automation-main", "automation-worker"}
	sp, rj := w.dataCentre("sp", mains["sp"], units...), w.dataCentre("rj", mains["rj"], units...)
	require.NoError(t, os.WriteFile(filepath.Join(w.dir, "queue"), []byte(fmt.Sprintf(`#!/bin/sh
case "$1" in
promote) echo "queue $2" >> %s/units.log; echo "$2" > %s/queue.primary ;;
is-primary) [ "$(cat %s/queue.primary 2>/dev/null)" = "$2" ] ;;
esac
`, w.dir, w.dir, w.dir)), 0o700))
	policy := "policy: {stable_for: 1s, rise: 2, undo_window: 100ms}\n"
	text := example(t, "two-sites.yaml",
		"192.0.2.10:5678", mains["sp"], "198.51.100.10:5678", mains["rj"], "192.0.2.11:6379", queues["sp"].Addr(), "198.51.100.11:6379", queues["rj"].Addr(),
		"tcp://192.0.2.2:9999", edges[0].Runtime("admin"), "tcp://198.51.100.2:9999", edges[1].Runtime("admin"), "/usr/local/lib/ham/queue", filepath.Join(w.dir, "queue"),
		"https://automation.example.org/healthz", edges[1].URL("front")+"/healthz", "every: 1s, timeout: 300ms", "every: 400ms, timeout: 400ms",
		"adopt: sp\n", "adopt: sp\n"+policy)
	// Under load a look may be late, and the standby not ready for a moment: then it is asked again.
	press := func(verb string) string {
		for began := time.Now(); ; {
			if out, code := w.run(verb, "automation", "--yes"); code != 3 || time.Since(began) > 30*time.Second {
				return out
			}
		}
	}
	front := func(site string) bool {
		return servedBy(edges[0].URL("front")) == site && servedBy(edges[1].URL("front")) == site
	}

	t.Log("sp serves; at rj somebody has left the application running, which must not be")
	for _, unit := range units {
		require.True(t, sp.systemctl("start", unit))
	}
	require.True(t, rj.systemctl("start", "automation-main"))
	w.start(ham, "up", "--config", w.file("outside.yaml", fmt.Sprintf(
		"ham: {name: outside, site: outside, http: \"off\", bus: {listen: %q}, prober: {vantages: [sp, rj, outside]}, executor: {sites: [outside]}}\n---\n%s",
		strings.TrimPrefix(w.server, "nats://"), text)))
	w.until("the bus answers", func() bool { _, code := w.run("status"); return code == 0 })
	sp.up()
	rj.up()
	// A second executor serves both sites, from another host. It must start and stop nothing: its units are not those of the members.
	elsewhere := filepath.Join(w.dir, "elsewhere")
	require.NoError(t, os.MkdirAll(elsewhere, 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(elsewhere, "systemctl"), []byte(fmt.Sprintf(
		"#!/bin/sh\ncase $1 in start|stop) echo \"$*\" >> %s/told ;; *) echo inactive; exit 3 ;; esac\n", elsewhere)), 0o700))
	w.startIn([]string{"PATH=" + elsewhere + ":" + os.Getenv("PATH")}, ham, "executor", "--config", w.file("spare.yaml", fmt.Sprintf(
		"ham: {name: spare, site: sp, http: \"off\", state_dir: %q, bus: {urls: [%q]}, executor: {sites: [sp, rj]}}\n", filepath.Join(elsewhere, "state"), w.server)))
	w.until("sp is adopted and served", func() bool { return settled(w.status("automation"), "sp") && front("sp") })
	w.until("what ran at rj is stopped", func() bool { return !rj.runs("automation-main") })
	ready := func(group, member string) func() bool {
		return func() bool {
			return slices.ContainsFunc(w.status(group).Members, func(m message.MemberStatus) bool { return m.Name == member && m.Ready })
		}
	}
	w.until("rj is ready", ready("automation", "rj"))
	out, code := w.run("status", "automation")
	require.Zero(t, code, out)
	for _, want := range []string{"group automation-queue", "process automation-main", "route edge"} {
		require.Contains(t, out, want)
	}
	out, code = w.run("plan", "automation")
	require.Zero(t, code, out)
	for _, want := range []string{"stop main on sp", "have group automation-queue make rj its primary", "start main on rj", "seen from outside"} {
		require.Contains(t, out, want)
	}

	t.Log("the queue refuses: nothing is changed, and its reason is told")
	before := w.units()
	out, code = w.run("pause", "automation-queue", "--reason", "backup")
	require.Zero(t, code, out)
	require.Contains(t, press("switchover"), "automation-queue was paused by tester")
	w.until("sp stays primary", func() bool { s := w.status("automation"); return settled(s, "sp") && s.Epoch == 3 })
	require.Equal(t, before, w.units(), "nothing was stopped or started")
	require.True(t, front("sp"))
	out, code = w.run("resume", "automation-queue")
	require.Zero(t, code, out)
	w.until("rj is ready", ready("automation", "rj"))

	t.Log("the button: killed in the middle it goes on")
	hold := filepath.Join(rj.dir, "hold")
	require.NoError(t, os.WriteFile(hold, nil, 0o600))
	pressed := make(chan string, 1)
	go func() { pressed <- press("switchover") }()
	w.until("the new side is about to start", func() bool { return slices.Contains(w.units()[len(before):], "rj start automation-main") })
	require.Equal(t, []string{"sp stop automation-worker", "sp stop automation-main", "queue rj", "rj start automation-main"}, w.units()[len(before):],
		"the old side stops, last first; then the queue moves; then the new side starts")
	require.False(t, sp.runs("automation-main"))
	rj.stop(syscall.SIGKILL)
	require.NoError(t, os.Remove(hold))
	rj.up()
	w.until("clients are served by rj", func() bool { return front("rj") })
	w.until("rj is primary", func() bool { return settled(w.status("automation"), "rj") })
	require.True(t, rj.runs("automation-worker"))
	queue := w.status("automation-queue")
	require.True(t, settled(queue, "rj") && queue.Epoch == 2, "the queue has swapped once: epoch %d, primary %s", queue.Epoch, queue.Primary)
	<-pressed

	t.Log("rj fails, and nobody can be asked to stop what runs there")
	w.until("sp is ready", ready("automation", "sp"))
	before = w.units()
	rj.stop(syscall.SIGKILL)
	rj.kill("automation-main")
	w.until("rj is down", func() bool {
		return slices.ContainsFunc(w.status("automation").Members, func(m message.MemberStatus) bool {
			return m.Name == "rj" && m.Verdict == message.VerdictDown
		})
	})
	require.Contains(t, press("failover"), "step stop-main waits for a person", "somebody has to say that the one main instance is stopped")
	require.NotContains(t, w.units()[len(before):], "sp start automation-main")
	out, code = w.run("skip", "automation", "--reason", "the host is off")
	require.Zero(t, code, out)
	w.until("clients are served by sp", func() bool { return front("sp") })
	w.until("sp is primary", func() bool { return settled(w.status("automation"), "sp") })
	require.True(t, rj.runs("automation-worker"), "nobody could stop it")

	t.Log("rj is back: what still runs there is stopped, and told")
	rj.up()
	w.until("the worker at rj is stopped", func() bool { return !rj.runs("automation-worker") })
	require.True(t, sp.runs("automation-worker"))
	require.True(t, sp.runs("automation-main"))
	b, err := bus.Connect(t.Context(), bus.Options{Name: "test", Service: "test", URLs: []string{w.server}})
	require.NoError(t, err)
	defer b.Close()
	w.until("it is told", func() bool {
		told, err := b.Since(t.Context(), subject.StreamEvents, subject.Event("automation", message.EventDrift, "rj1"), 1, 100)
		return err == nil && slices.ContainsFunc(told, func(e bus.Entry) bool {
			return strings.Contains(e.Message.(*message.Event).Sentence, "process worker of automation still ran beside rj although sp is primary, and was stopped")
		})
	})
	told, err := os.ReadFile(filepath.Join(elsewhere, "told"))
	require.ErrorIs(t, err, os.ErrNotExist, "the second executor at the sites has started or stopped something: %s", told)
}
