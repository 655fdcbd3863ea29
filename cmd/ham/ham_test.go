package main_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/isacloud/ha-manager/pkg/client/haproxy"
	"github.com/isacloud/ha-manager/pkg/client/haproxy/haproxytest"
	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/porttest"
)

// ham is the binary under test, built once.
var ham string

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && !strings.HasPrefix(os.Args[1], "-") {
		child(os.Args[1:])
	}
	if os.Getenv("INSTANCE") != "" {
		instance()
	}
	dir, err := os.MkdirTemp("", "ham-test-")
	if err != nil {
		panic(err)
	}
	ham = filepath.Join(dir, "ham")
	if out, err := exec.Command("go", "build", "-o", ham, ".").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build ham: %v\n%s", err, out)
		os.Exit(1)
	}
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

// world is one installation of the test: its own directory, home and bus.
type world struct {
	t      *testing.T
	dir    string
	server string
}

func newWorld(t *testing.T) *world {
	return &world{t: t, dir: t.TempDir(), server: "nats://" + porttest.Hold(t)}
}

func (w *world) env() []string {
	return append(os.Environ(), "HOME="+w.dir, "HAM_STATE_DIR="+filepath.Join(w.dir, "state"), "HAM_SERVER="+w.server, "HAM_ACTOR=tester", "NO_COLOR=1")
}

func (w *world) file(name, text string) string {
	path := filepath.Join(w.dir, name)
	require.NoError(w.t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

// run runs one command to its end.
func (w *world) run(args ...string) (out string, code int) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), 30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, ham, args...)
	cmd.Env = w.env()
	var buf bytes.Buffer
	cmd.Stdout, cmd.Stderr = &buf, &buf
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		require.NoError(w.t, err)
	}
	return buf.String(), cmd.ProcessState.ExitCode()
}

// start runs a command until the test ends; stop it earlier with what it returns.
func (w *world) start(program string, args ...string) (stop func(os.Signal) int) {
	w.t.Helper()
	return w.startIn(nil, program, args...)
}

// startIn is start with more in the environment.
func (w *world) startIn(env []string, program string, args ...string) (stop func(os.Signal) int) {
	w.t.Helper()
	cmd := exec.Command(program, args...)
	cmd.Env = append(w.env(), env...)
	log := &bytes.Buffer{}
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	require.NoError(w.t, cmd.Start())
	stopped := false
	stop = func(sig os.Signal) int {
		if !stopped {
			stopped = true
			_ = cmd.Process.Signal(sig) // gone already is as good
			_ = cmd.Wait()
		}
		return cmd.ProcessState.ExitCode()
	}
	w.t.Cleanup(func() {
		stop(syscall.SIGTERM)
		if w.t.Failed() {
			w.t.Logf("%s %s:\n%s", filepath.Base(program), strings.Join(args, " "), log)
		}
	})
	return stop
}

// until polls what another process shows, which tells of no event that a test could wait for.
func (w *world) until(what string, look func() bool) {
	w.t.Helper()
	require.Eventually(w.t, look, 30*time.Second, 50*time.Millisecond, what)
}

func (w *world) status(group string) *message.GroupStatus {
	out, code := w.run("status", group, "--output", "json")
	var all []*message.GroupStatus
	if code != 0 || json.Unmarshal([]byte(out), &all) != nil || len(all) != 1 {
		return &message.GroupStatus{Sentence: out}
	}
	return all[0]
}

func servedBy(url string) string {
	client := &http.Client{Timeout: time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get(url)
	if err != nil {
		return err.Error()
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body) // a broken body is not the site's name
	return strings.TrimSpace(string(body))
}

func TestTheScriptedDemoTellsItsWholeStory(t *testing.T) {
	w := newWorld(t)
	ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
	defer cancel()
	taken, err := net.Listen("tcp", "127.0.0.1:0") // the usual port is often in use: it takes another one
	require.NoError(t, err)
	defer taken.Close()
	cmd := exec.CommandContext(ctx, ham, "demo", "--script", "--output", "json", "--listen", taken.Addr().String())
	scratch := filepath.Join(w.dir, "scratch")
	require.NoError(t, os.Mkdir(scratch, 0o700))
	cmd.Env = append(w.env(), "TMPDIR="+scratch)
	var out, story bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &story
	require.NoError(t, cmd.Run(), "%s\n%s", out.String(), story.String())
	var s struct {
		OK        bool
		Group     string
		ChatLines int `json:"chat_lines"`
		Parts     []struct {
			Name string
			OK   bool
		}
		Swaps []struct {
			Epoch uint64
			Kind  string
			Rule  string
			To    string
			Steps []string
		}
	}
	require.NoError(t, json.Unmarshal(out.Bytes(), &s), out.String())
	require.True(t, s.OK)
	require.Len(t, s.Parts, 7)
	for _, p := range s.Parts {
		require.True(t, p.OK, p.Name)
	}
	require.Len(t, s.Swaps, 4)
	require.Equal(t, "failover", s.Swaps[0].Kind)
	require.Equal(t, "b", s.Swaps[0].To)
	require.NotEmpty(t, s.Swaps[0].Rule)
	require.NotEmpty(t, s.Swaps[0].Steps)
	for i := 1; i < len(s.Swaps); i++ {
		require.Equal(t, "switchover", s.Swaps[i].Kind)
		require.Greater(t, s.Swaps[i].Epoch, s.Swaps[i-1].Epoch)
	}
	require.Positive(t, s.ChatLines, "the chat messages are part of the story")
	left, err := os.ReadDir(scratch)
	require.NoError(t, err)
	require.Empty(t, left, "the demo leaves nothing behind")
}

// TestABrokenConnectionEndsNothing: a process that serves goes on when one of its peers has closed a connection that it writes to. The kernel
// tells it so by the signal that also says that nobody reads its output.
func TestABrokenConnectionEndsNothing(t *testing.T) {
	w := newWorld(t)
	config := w.file("up.yaml", fmt.Sprintf("ham: {name: up, http: \"off\", bus: {listen: %q}}\n", strings.TrimPrefix(w.server, "nats://")))
	cmd := exec.Command(ham, "up", "--config", config)
	cmd.Env, cmd.SysProcAttr = w.env(), &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	up := func() bool { _, code := w.run("status"); return code == 0 }
	w.until("it is up", up)
	for range 10 {
		require.NoError(t, cmd.Process.Signal(syscall.SIGPIPE))
		require.True(t, up())
	}
	require.NoError(t, cmd.Process.Signal(syscall.SIGTERM))
	require.NoError(t, cmd.Wait(), "it ends in order when it is asked to")
}

// example is the text of one of deploy/examples for this machine: each pair is something that stands in it, and what stands there instead.
func example(t *testing.T, name string, pairs ...string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "examples", name)) // by a link, so that the test cache follows the files
	require.NoError(t, err)
	for i := 0; i < len(pairs); i += 2 {
		require.Contains(t, string(text), pairs[i], name)
	}
	return strings.NewReplacer(pairs...).Replace(string(text))
}

// ownTwoServers is the one file of the page "Your own two servers", and the example of an HTTP pair: two HTTP servers behind an HAProxy, and the process
// that keeps them.
func (w *world) ownTwoServers(mode, a, b, runtime, policy string) string {
	return example(w.t, "http-pair.yaml",
		"mode: dry-run", "mode: "+mode, "{rto: 5s}", "{rto: 30s}", "192.0.2.10:8080", a, "198.51.100.10:8080", b, "tcp://127.0.0.1:9999", runtime,
		"/alive, every: 1s, timeout: 300ms", "/alive, every: 200ms, timeout: 150ms", "adopt: a ", "policy: "+policy+"\nadopt: a ",
		"  site: here\n", fmt.Sprintf("  site: here\n  http: 127.0.0.1:0\n  bus: {listen: %q}\n", strings.TrimPrefix(w.server, "nats://")))
}

// The page "Your own two servers", followed to the letter: two servers, an HAProxy, one file; dry run first, then auto.
func TestOnesOwnTwoServers(t *testing.T) {
	w := newWorld(t)
	a, b := haproxytest.NewSite(t, "a"), haproxytest.NewSite(t, "b")
	proxy := haproxytest.Start(t, haproxytest.Pair(a.Addr(), b.Addr()))
	runtime := proxy.Runtime("admin-tcp")
	spec := func(mode string) string {
		return w.ownTwoServers(mode, a.Addr(), b.Addr(), runtime, "{stable_for: 1s, rise: 2, cooldown: 1s}")
	}
	path := w.file("web.yaml", spec("dry-run"))

	out, code := w.run("validate", path)
	require.Zero(t, code, out)
	require.Contains(t, out, "is right: group web")

	stop := w.start(ham, "up", "--config", path)
	admin, err := haproxy.New(runtime, haproxy.Options{})
	require.NoError(t, err)
	require.NoError(t, admin.SetState(t.Context(), "web", "s1", "ready"), "in dry run the operator leads the proxy")
	w.until("roles are adopted", func() bool { s := w.status("web"); return s.Epoch == 1 && s.Held && s.Primary == "a" })

	t.Log("dry run: the button is pressed, and nothing changes")
	w.until("b is ready", func() bool {
		for _, m := range w.status("web").Members {
			if m.Name == "b" {
				return m.Ready
			}
		}
		return false
	})
	out, code = w.run("switchover", "web", "--yes")
	require.Zero(t, code, out)
	require.Contains(t, out, "DRY RUN")
	require.Equal(t, "a", servedBy(proxy.URL("front")))
	require.Equal(t, uint64(1), w.status("web").Epoch)

	t.Log("mode auto: the primary dies, clients are served by the standby")
	w.file("web.yaml", spec("auto"))
	out, code = w.run("apply", path)
	require.Zero(t, code, out)
	w.until("nothing stands against a swap", func() bool { s := w.status("web"); return s.Mode == "auto" && len(s.Refusals) == 0 })
	a.Kill()
	w.until("clients are served by b", func() bool { return servedBy(proxy.URL("front")) == "b" })
	w.until("b holds the role", func() bool { s := w.status("web"); return s.Primary == "b" && s.Held && s.Swap == nil })

	t.Log("the post-mortem tells what happened")
	var incidents []struct{ ID string }
	out, code = w.run("incidents", "--output", "json")
	require.Zero(t, code, out)
	require.NoError(t, json.Unmarshal([]byte(out), &incidents))
	require.NotEmpty(t, incidents)
	out, code = w.run("postmortem", incidents[0].ID)
	require.Zero(t, code, out)
	for _, want := range []string{"# Post-mortem " + incidents[0].ID, "a → b", "| detect | decide | execute | verify |", "connection refused"} {
		require.Contains(t, out, want)
	}

	t.Log("the incident's evidence: signed, verified, decided again; changed, it is noticed")
	pack := filepath.Join(w.dir, "pack.evidence")
	out, code = w.run("evidence", incidents[0].ID, "-f", pack)
	require.Zero(t, code, out)
	require.Contains(t, out, "its public key is")
	out, code = w.run("evidence", "verify", pack)
	require.Zero(t, code, out)
	require.Contains(t, out, "is intact")
	out, code = w.run("replay", pack)
	require.Zero(t, code, out)
	require.Contains(t, out, "The same: ")
	out, code = w.run("replay", "web")
	require.Zero(t, code, out)
	require.Contains(t, out, "The same: ")
	out, code = w.run("replay", "web", "--policy", w.file("policy.yaml", "{quorum: 1, fall: 9, rise: 2, stable_for: 1s}\n"))
	require.Zero(t, code, out)
	require.Contains(t, out, "DETECTION")
	text, err := os.ReadFile(pack)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(pack, bytes.Replace(text, []byte("connection refused"), []byte("connection accepted"), 1), 0o600))
	for _, args := range [][]string{{"evidence", "verify", pack}, {"replay", pack}} {
		out, code = w.run(args...)
		require.Equal(t, 1, code, out)
		require.Regexp(t, `is not to be relied on: line \d+ `, out)
	}

	t.Log("a request that cannot be: refused with its reasons, exit code 3")
	out, code = w.run("switchover", "web", "--yes")
	require.Equal(t, 3, code, out)
	out, code = w.run("failover", "nowhere", "--yes")
	require.Equal(t, 3, code, out)

	require.Zero(t, stop(syscall.SIGTERM), "an orderly stop")
}

// A drill through a real proxy: there, held, back; ended by hand; and gone on with by a manager that was restarted meanwhile.
func TestADrillGoesThereAndBack(t *testing.T) {
	w := newWorld(t)
	a, b := haproxytest.NewSite(t, "a"), haproxytest.NewSite(t, "b")
	proxy := haproxytest.Start(t, haproxytest.Pair(a.Addr(), b.Addr()))
	path := w.file("web.yaml", w.ownTwoServers("auto", a.Addr(), b.Addr(), proxy.Runtime("admin-tcp"), "{stable_for: 1s, rise: 2}"))
	stop := w.start(ham, "up", "--config", path)
	whole := func() bool {
		s := w.status("web")
		return s.Held && s.Swap == nil && s.Drill == nil && len(s.Refusals) == 0 && servedBy(proxy.URL("front")) == s.Primary
	}
	w.until("roles are adopted and nothing stands against a swap", whole)
	require.Equal(t, "a", w.status("web").Primary)

	t.Log("there, held, and back")
	out, code := w.run("drill", "web", "--hold", "1s", "--yes", "--reason", "every month")
	require.Zero(t, code, out)
	for _, want := range []string{"b took over from a in", "epoch 2; it goes back in 1s", "takes back over", "is over: b took over from a in", "the recovery objective of 30s is met"} {
		require.Contains(t, out, want)
	}
	w.until("a serves again", whole)
	require.Equal(t, uint64(3), w.status("web").Epoch)

	t.Log("the record shows it as a drill")
	var incidents []struct{ ID, Summary string }
	out, code = w.run("incidents", "--output", "json")
	require.Zero(t, code, out)
	require.NoError(t, json.Unmarshal([]byte(out), &incidents))
	require.Len(t, incidents, 1)
	require.Contains(t, incidents[0].Summary, "drill")
	out, code = w.run("postmortem", incidents[0].ID)
	require.Zero(t, code, out)
	require.Contains(t, out, "## Drill web-drill-2")
	require.Contains(t, out, "```yaml", "the spec in force")
	out, code = w.run("postmortem", incidents[0].ID, "--format", "html", "--lang", "pt-BR", "--zone", "America/Sao_Paulo")
	require.Zero(t, code, out)
	require.Contains(t, out, `<html lang="pt-BR">`)
	require.Contains(t, out, "Os horários são de America/Sao_Paulo")
	require.Regexp(t, `Um ensaio de [a-z]+: b assumiu no lugar de a em [0-9,]+m?s`, out)
	out, code = w.run("replay", "web")
	require.Zero(t, code, out)

	t.Log("Ctrl-C ends the watching, not the drill")
	watch := exec.Command(ham, "drill", "web", "--hold", "1h", "--yes")
	watch.Env = w.env()
	watch.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var said bytes.Buffer
	watch.Stdout, watch.Stderr = &said, &said
	require.NoError(t, watch.Start())
	interrupted := make(chan error, 1)
	go func() { interrupted <- watch.Wait() }()
	w.until("it holds", func() bool { d := w.status("web").Drill; return d != nil && d.Stage == message.DrillHolds })
	require.NoError(t, watch.Process.Signal(syscall.SIGINT))
	select {
	case err := <-interrupted:
		require.Error(t, err)
	case <-time.After(30 * time.Second):
		require.NoError(t, watch.Process.Kill())
		<-interrupted
		t.Fatal("it watches on")
	}
	require.Contains(t, said.String(), "stopped watching; the drill goes on")
	require.Contains(t, said.String(), "ham drill web --back")

	t.Log("ended by hand: back at once")
	require.Equal(t, "b", servedBy(proxy.URL("front")))
	out, code = w.run("status", "web")
	require.Zero(t, code, out)
	require.Contains(t, out, "b is primary until")
	out, code = w.run("drill", "web", "--yes")
	require.Equal(t, 3, code, out)
	require.Contains(t, out, "R337")
	w.until("a is ready", func() bool { return len(w.status("web").Refusals) == 0 })
	out, code = w.run("drill", "web", "--back", "--yes", "--output", "json")
	require.Zero(t, code, out)
	var back struct{ Drill *message.DrillStatus }
	require.NoError(t, json.Unmarshal([]byte(out), &back), out)
	require.Equal(t, message.DrillDone, back.Drill.How)
	w.until("a serves again", whole)

	t.Log("the manager is restarted during the hold; it goes back all the same")
	out, code = w.run("drill", "web", "--hold", "3s", "--no-wait", "--yes")
	require.Zero(t, code, out)
	w.until("it holds", func() bool { d := w.status("web").Drill; return d != nil && d.Stage == message.DrillHolds })
	require.Zero(t, stop(syscall.SIGTERM))
	stop = w.start(ham, "up", "--config", path)
	w.until("a serves again", func() bool { s := w.status("web"); return s.Epoch == 7 && whole() })
	require.Equal(t, "a", w.status("web").Primary)

	t.Log("ended where it is: nothing goes back")
	out, code = w.run("drill", "web", "--hold", "1h", "--no-wait", "--yes")
	require.Zero(t, code, out)
	w.until("it holds", func() bool { d := w.status("web").Drill; return d != nil && d.Stage == message.DrillHolds })
	out, code = w.run("drill", "web", "--stay")
	require.Zero(t, code, out)
	require.Contains(t, out, "b stays primary")
	w.until("b serves", whole)
	require.Equal(t, "b", w.status("web").Primary)
	out, code = w.run("drill", "web", "--back", "--yes")
	require.Equal(t, 3, code, out)
	require.Zero(t, stop(syscall.SIGTERM), "an orderly stop")
}

// The same loop with every service as a process of its own.
func TestEachServiceInItsOwnProcess(t *testing.T) {
	w := newWorld(t)
	a, b := haproxytest.NewSite(t, "a"), haproxytest.NewSite(t, "b")
	proxy := haproxytest.Start(t, haproxytest.Pair(a.Addr(), b.Addr()))
	config := func(name, more string) string {
		return w.file(name+".yaml", fmt.Sprintf("ham:\n  name: %s\n  site: sp\n  http: \"off\"\n  state_dir: %s\n%s", name, filepath.Join(w.dir, name), more))
	}
	elsewhere := fmt.Sprintf("  bus: {urls: [%q]}\n", w.server)
	w.start(ham, "bus", "--config", config("bus", fmt.Sprintf("  bus: {listen: %q}\n", strings.TrimPrefix(w.server, "nats://"))))
	w.until("the bus answers", func() bool { _, code := w.run("incidents"); return code == 0 })
	for _, vantage := range []string{"sp", "rj", "witness"} {
		w.start(ham, "prober", "--config", config("prober-"+vantage, elsewhere+"  prober: {vantages: ["+vantage+"]}\n"))
	}
	w.start(ham, "decider", "--config", config("decider-1", elsewhere))
	stopDecider := w.start(ham, "decider", "--config", config("decider-2", elsewhere))
	w.start(ham, "executor", "--config", config("executor-1", elsewhere))
	w.start(ham, "notifier", "--config", config("notifier-1", elsewhere))
	group := w.file("web.yaml", fmt.Sprintf(`group: web
mode: auto
members:
  a: {site: sp, url: "http://%s"}
  b: {site: rj, url: "http://%s"}
adopt: a
checks:
  alive: {http: /, every: 200ms, timeout: 150ms, from: [sp, rj, witness]}
routes:
  front: {haproxy: [%q], backend: web, servers: {a: s1, b: s2}}
policy: {quorum: 2, stable_for: 1s, rise: 2, cooldown: 1s}
`, a.Addr(), b.Addr(), proxy.Runtime("admin-tcp")))
	out, code := w.run("apply", group)
	require.Zero(t, code, out)
	w.until("clients are served by a", func() bool { return servedBy(proxy.URL("front")) == "a" })
	w.until("nothing stands against a swap", func() bool { s := w.status("web"); return s.Held && len(s.Refusals) == 0 })

	out, code = w.run("doctor")
	require.Zero(t, code, out)
	require.Contains(t, out, "decider            2 answer")

	t.Log("one decider dies, then the primary: the other decides")
	stopDecider(syscall.SIGKILL)
	a.Kill()
	w.until("clients are served by b", func() bool { return servedBy(proxy.URL("front")) == "b" })
	w.until("b holds the role", func() bool { s := w.status("web"); return s.Primary == "b" && s.Held && s.Swap == nil })
	require.Equal(t, uint64(2), w.status("web").Epoch, "one swap, whoever decided it")
}

func TestBadFilesAreRefusedWithLineAndColumn(t *testing.T) {
	w := newWorld(t)
	path := w.file("bad.yaml", "group: web\nmode: automatic\nmembers:\n  a: {site: sp, url: http://127.0.0.1:1}\n  b: {site: rj, url: http://127.0.0.1:2}\nchecks:\n  alive: {http: /, every: 5, from: [sp]}\n")
	out, code := w.run("validate", path)
	require.Equal(t, 2, code)
	require.Contains(t, out, path+":2:7: ")
	require.Contains(t, out, path+":7:27: ")
	out, code = w.run("up", "--config", path)
	require.Equal(t, 2, code, out)
}

func TestWrongUseIsExitCodeTwo(t *testing.T) {
	w := newWorld(t)
	for _, args := range [][]string{{"nonsense"}, {"status", "--nonsense"}, {"switchover"}, {"status", "--output", "xml"}, {"postmortem", "web"},
		{"postmortem", "web-1", "--format", "pdf"}, {"postmortem", "web-1", "--zone", "Nowhere/At_All"}, {"status", "--lang", "tlh"},
		{"evidence", "web"}, {"evidence", "verify"}, {"replay"}, {"replay", "no.such.file"}, {"replay", "web", "--since", "-1h"},
		{"replay", "web", "--policy", "no.such.file"},
		{"drill", "web", "--back", "--stay"}, {"drill", "web", "--back", "--hold", "1m"}, {"drill", "web", "--hold", "25h", "--yes"}} {
		_, code := w.run(args...)
		require.Equal(t, 2, code, strings.Join(args, " "))
	}
	out, code := w.run("status")
	require.Equal(t, 1, code, out)
	require.Contains(t, out, "hint: is `ham up` or `ham demo` running?")
}
