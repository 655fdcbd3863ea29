package main_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/isacloud/ha-manager/cmd/ham/internal/load"
	"github.com/isacloud/ha-manager/cmd/ham/internal/roll"
	"github.com/isacloud/ha-manager/pkg/ask"
	"github.com/isacloud/ha-manager/pkg/bus"
	"github.com/isacloud/ha-manager/pkg/client/haproxy/haproxytest"
	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/porttest"
	"github.com/isacloud/ha-manager/services/executor/driver/drivertest"
)

// child is what the test's own program does as a child: serve, or deploy.
func child(args []string) {
	switch args[0] {
	case "serve": // address, who it is
		http.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
			time.Sleep(5 * time.Millisecond) // so that there are always requests under way
			io.WriteString(w, args[2])
		})
		fmt.Fprintln(os.Stderr, http.ListenAndServe(args[1], nil))
	case "deploy": // what is called, which does it
		resp, err := http.Post(args[1]+"?member="+os.Getenv("HAM_MEMBER")+"&url="+os.Getenv("HAM_URL")+"&group="+os.Getenv("HAM_GROUP")+"&site="+os.Getenv("HAM_SITE"), "", nil)
		if err == nil && resp.StatusCode == http.StatusOK {
			fmt.Println("deployed")
			os.Exit(0)
		}
		fmt.Fprintln(os.Stderr, resp, err)
	}
	os.Exit(1)
}

// fleet is four real server processes behind a real HAProxy, and a manager.
type fleet struct {
	*world
	self    string
	proxy   *haproxytest.Proxy
	socket  *drivertest.Relay // what leads from ham to it
	control *httptest.Server

	mu      sync.Mutex
	addrs   map[string]string
	servers map[string]*exec.Cmd
	version int
	calls   []string
	held    chan struct{} // a deployment waits until it is closed
	began   chan string   // one that waits, by member
}

const fleetConfig = `
global
    stats socket {{unix "admin"}} level admin
    stats maxconn 50
defaults
    mode http
    timeout connect 1s
    timeout client 30s
    timeout server 30s
    # No second try: what ham gets wrong is seen.
    retries 0
frontend front
    bind {{addr "front"}}
    default_backend web
backend web
    balance roundrobin
    default-server check inter 200ms fall 3 rise 1
    server s1 W1
    server s2 W2
    server s3 W3
    server s4 W4
`

func newFleet(t *testing.T) *fleet {
	haproxytest.Require(t)
	self, err := os.Executable()
	require.NoError(t, err)
	f := &fleet{world: newWorld(t), self: self, addrs: map[string]string{}, servers: map[string]*exec.Cmd{}, version: 1, began: make(chan string, 1)}
	config, members := fleetConfig, ""
	for i, name := range []string{"w1", "w2", "w3", "w4"} {
		f.addrs[name] = porttest.Hold(t)
		f.launch(name)
		config = strings.Replace(config, fmt.Sprintf("W%d", i+1), f.addrs[name], 1)
		members += fmt.Sprintf("  %s: {site: sp, url: \"http://%s\"}\n", name, f.addrs[name])
	}
	t.Cleanup(func() {
		for name := range f.addrs {
			f.kill(name)
		}
	})
	f.control = httptest.NewServer(http.HandlerFunc(f.deploy))
	t.Cleanup(f.control.Close)
	f.proxy = haproxytest.Start(t, config)
	f.socket = drivertest.NewRelay(t, f.proxy.Runtime("admin"), func(string) int { return 0 })
	f.start(ham, "up", "--config", f.file("web.yaml", fmt.Sprintf(`group: web
mode: auto
members:
%spool: {minimum: 3}
checks:
  alive: {http: /, every: 200ms, timeout: 200ms, from: [here]}
routes:
  front: {haproxy: %q, backend: web, servers: {w1: s1, w2: s2, w3: s3, w4: s4}}
policy: {fall: 10, rise: 1, max_late: 1m}
---
ham: {site: here, http: "off", bus: {listen: %q}, console: off}
`, members, "tcp://"+f.socket.Addr(), strings.TrimPrefix(f.world.server, "nats://"))))
	f.rests()
	return f
}

func (f *fleet) rests() {
	f.until("all four serve", func() bool { s := f.status("web"); return s.Pool != nil && len(s.Pool.Serve) == 4 })
}

// launch starts a server. It is there some time after this returns, as a real one is.
func (f *fleet) launch(name string) {
	cmd := exec.Command(f.self, "serve", f.addrs[name], fmt.Sprintf("%s v%d", name, f.version))
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	require.NoError(f.t, cmd.Start())
	f.servers[name] = cmd
}

// kill ends a server as kill -9 does, whatever it is doing.
func (f *fleet) kill(name string) {
	if cmd := f.servers[name]; cmd != nil {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		delete(f.servers, name)
	}
}

// deploy is what the deployment command asks for: the server is killed, and a newer one started.
func (f *fleet) deploy(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	name := r.FormValue("member")
	f.calls = append(f.calls, name)
	if r.FormValue("url") != "http://"+f.addrs[name] || r.FormValue("group") != "web" || r.FormValue("site") != "sp" {
		http.Error(w, "wrong environment", http.StatusBadRequest)
		return
	}
	if strings.HasSuffix(r.URL.Path, "/held") {
		f.began <- name
		<-f.held
	}
	f.kill(name)
	if !strings.HasSuffix(r.URL.Path, "/only-kill") {
		f.launch(name)
	}
}

func (f *fleet) deployed() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	calls := f.calls
	f.calls = nil
	return calls
}

func (f *fleet) member(name string) message.MemberStatus {
	for _, m := range f.status("web").Members {
		if m.Name == name {
			return m
		}
	}
	return message.MemberStatus{}
}

// events reads the lines of -o json.
func (f *fleet) events(out string) (all []roll.Event) {
	for line := range strings.Lines(out) {
		var e roll.Event
		if strings.HasPrefix(line, "{") {
			require.NoError(f.t, json.Unmarshal([]byte(line), &e), line)
			all = append(all, e)
		}
	}
	require.NotEmpty(f.t, all, out)
	return all
}

// putBack ends what a roll left.
func (f *fleet) putBack(name string) {
	f.mu.Lock()
	if f.servers[name] == nil {
		f.launch(name)
	}
	f.mu.Unlock()
	f.until(name+" is up", func() bool { return f.member(name).Verdict == message.VerdictUp })
	b, err := bus.Connect(f.t.Context(), bus.Options{Name: "test", Service: "cli", URLs: []string{f.world.server}})
	require.NoError(f.t, err)
	defer b.Close()
	out, err := ask.Client{Bus: b}.Send(f.t.Context(), &message.Request{ID: ask.RequestID(), Group: "web", Verb: message.VerbUndrain, Target: name, Actor: "tester"})
	require.NoError(f.t, err)
	require.True(f.t, out.Accepted, out.Sentence)
	f.rests()
}

// A rolling deployment of four real servers under 500 requests a second, in which every server is killed: no request fails, neither while it goes well nor
// when a command fails, hangs, kills its server, or somebody kills ham.
func TestRollUnderLoad(t *testing.T) {
	f := newFleet(t)
	ctx, cancel := context.WithCancel(t.Context())
	report := make(chan load.Report, 1)
	go func() { report <- load.Run(ctx, f.proxy.URL("front"), 2*time.Millisecond) }()
	t.Cleanup(cancel)

	f.version = 2
	out, code := f.run("roll", "web", "--drain", "20s", "-o", "json", "--", f.self, "deploy", f.control.URL)
	require.Zero(t, code, out)
	require.Equal(t, []string{"w1", "w2", "w3", "w4"}, f.deployed())
	events := f.events(out)
	require.Equal(t, roll.Begins, events[0].Event)
	require.Equal(t, roll.Done, events[len(events)-1].Event)
	require.Len(t, events, 2+4*6)
	require.Contains(t, out, "deployed\n", "what the command prints goes to the standard error")
	f.rests()

	t.Log("a command that fails: it stops there, the member stays out, and nobody else may go")
	out, code = f.run("roll", "web", "--only", "w1,w2", "--", "false")
	require.Equal(t, 1, code, out)
	require.Contains(t, out, "w1: the command failed with exit code 1. It stays out, for an hour at the least: put it right and go on with --only w1,w2, which begins with it; or say `ham undrain web w1`")
	w1 := f.member("w1")
	require.Equal(t, message.RoleDrained, w1.Role)
	require.Greater(t, w1.Maintenance.Until-w1.Maintenance.Since, roll.Expiry.Microseconds())
	require.Equal(t, roll.StoppedHere+"the command failed with exit code 1", w1.Maintenance.Reason)
	out, code = f.run("roll", "web", "--only", "w2", "-o", "json", "--", f.self, "deploy", f.control.URL)
	require.Equal(t, 3, code, out)
	events = f.events(out)
	require.Equal(t, "R434", events[len(events)-1].Outcome.Reasons[0].Code)
	require.Empty(t, f.deployed())
	out, code = f.run("roll", "web", "--only", "w2,w1", "-o", "json", "--", f.self, "deploy", f.control.URL)
	require.Zero(t, code, out)
	require.Equal(t, []string{"w1", "w2"}, f.deployed(), "who is out already is the first")
	require.Contains(t, f.events(out)[1].Text, "w1 is out since a roll stopped there")
	f.rests()

	t.Log("a command that hangs is ended with its children")
	out, code = f.run("roll", "web", "--only", "w2", "--timeout", "200ms", "--", "sh", "-c", "sleep 1000 & echo $! >"+filepath.Join(f.dir, "pid")+"; wait")
	require.Equal(t, 1, code, out)
	require.Contains(t, out, "w2: the command took longer than 200ms and was ended, with all its children. It stays out")
	f.gone(filepath.Join(f.dir, "pid"))
	f.putBack("w2")

	t.Log("a command that kills its server and leaves it so")
	out, code = f.run("roll", "web", "--only", "w3,w4", "--healthy", "500ms", "--", f.self, "deploy", f.control.URL+"/only-kill")
	require.Equal(t, 1, code, out)
	require.Contains(t, out, "w3: it did not come back within 500ms: ")
	require.Equal(t, []string{"w3"}, f.deployed())
	require.Equal(t, message.RoleDrained, f.member("w3").Role)
	f.putBack("w3")

	t.Log("Ctrl-C while the command runs: that member is finished, and none begun after it")
	f.held = make(chan struct{})
	cmd, said := f.rolling("w1,w2", "/held")
	<-f.began
	require.NoError(t, cmd.Process.Signal(os.Interrupt))
	close(f.held)
	require.Error(t, cmd.Wait())
	require.Equal(t, 1, cmd.ProcessState.ExitCode(), said.String())
	require.Contains(t, said.String(), "ended as asked; not begun: w2")
	require.Equal(t, []string{"w1"}, f.deployed())
	f.rests()

	t.Log("kill -9 while the command runs: the member stays out, for a time")
	f.held = make(chan struct{})
	cmd, _ = f.rolling("w4", "/held")
	<-f.began
	require.NoError(t, cmd.Process.Kill())
	require.Error(t, cmd.Wait())
	close(f.held)
	w4 := f.member("w4")
	require.Equal(t, message.RoleDrained, w4.Role)
	require.Positive(t, w4.Maintenance.Until)
	f.putBack("w4")

	t.Log("HAProxy serves on, and nothing leads to its socket any more: nobody is taken out, and where that is set aside nothing is run")
	f.socket.Gone()
	f.until("it is out of reach", func() bool { s := f.status("web"); return len(s.Routes) == 1 && !s.Routes[0].Reachable })
	out, code = f.run("drain", "web", "w2")
	require.Equal(t, 3, code, out)
	require.Contains(t, out, "no executor reaches any proxy of route front (tcp://"+f.socket.Addr()+"), so nothing could keep clients from w2")
	out, code = f.run("roll", "web", "--only", "w2", "--", f.self, "deploy", f.control.URL)
	require.Equal(t, 3, code, out)
	require.Contains(t, out, "R435")
	cmd, said = f.rolling("w2", "", "--override", "R435", "--reason", "the proxy is replaced")
	f.until("w2 is taken out", func() bool { return f.member("w2").Maintenance != nil })
	out, code = f.run("status", "web")
	require.Zero(t, code, out)
	require.NoError(t, cmd.Process.Signal(os.Interrupt))
	require.Error(t, cmd.Wait())
	require.Contains(t, said.String(), "ended as asked, before anything was run at w2; it is put back")
	require.NotContains(t, f.deployed(), "w2", "no proxy has said that it holds w2 back")

	cancel()
	r := <-report
	t.Log(r)
	require.Zero(t, r.Failed, r)
	require.Equal(t, r.Sent, r.Answered)
	for _, who := range []string{"w1 v1", "w2 v1", "w3 v1", "w4 v1", "w1 v2", "w2 v2", "w3 v2", "w4 v2"} {
		require.Positive(t, r.By[who], "%s has served: %s", who, r)
	}
}

// rolling starts ham roll.
func (f *fleet) rolling(only, path string, flags ...string) (*exec.Cmd, *bytes.Buffer) {
	args := append([]string{"roll", "web", "--only", only}, flags...)
	cmd, said := exec.Command(ham, append(args, "--", f.self, "deploy", f.control.URL+path)...), &bytes.Buffer{}
	cmd.Env, cmd.Stdout, cmd.Stderr = f.env(), said, said
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	require.NoError(f.t, cmd.Start())
	f.t.Cleanup(func() { _ = cmd.Process.Kill() })
	return cmd, said
}

// gone holds that a process whose number is in a file has ended.
func (f *fleet) gone(path string) {
	text, err := os.ReadFile(path)
	require.NoError(f.t, err)
	f.until("the command's child has ended", func() bool {
		stat, err := os.ReadFile("/proc/" + strings.TrimSpace(string(text)) + "/stat")
		return err != nil || strings.Contains(string(stat), ") Z ")
	})
}
