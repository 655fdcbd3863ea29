// Package story_test is the console as people use it: a real Chromium before a real ham, with real HTTP servers and the embedded bus.
package story_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"

	"github.com/isacloud/ha-manager/cmd/ham/internal/browser"
	"github.com/isacloud/ha-manager/cmd/ham/internal/stack"
	"github.com/isacloud/ha-manager/pkg/ask"
	"github.com/isacloud/ha-manager/pkg/bus/embedded"
	"github.com/isacloud/ha-manager/pkg/bus/embedded/bustest"
	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/password"
	"github.com/isacloud/ha-manager/pkg/spec"
	"github.com/isacloud/ha-manager/pkg/spec/store"
	"github.com/isacloud/ha-manager/pkg/subject"
	"github.com/isacloud/ha-manager/services/console"
)

// patience is for a machine that does many other things: what is awaited comes, or never.
const patience = 90 * time.Second

// server is a member: a web server that is up until it is killed. It keeps its address.
type server struct {
	t    testing.TB
	addr string
	mu   sync.Mutex
	now  *httptest.Server
}

func newServer(t testing.TB) *server {
	s := &server{t: t}
	s.start()
	t.Cleanup(s.kill)
	return s
}

func (s *server) start() {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") }))
	if s.addr != "" { // again, where it was
		l, err := net.Listen("tcp", s.addr)
		require.NoError(s.t, err)
		_ = now.Listener.Close()
		now.Listener = l
	}
	now.Start()
	s.addr, s.now = strings.TrimPrefix(now.URL, "http://"), now
}

// kill makes its port refuse: hard evidence, whatever the machine's speed.
func (s *server) kill() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.now == nil {
		return
	}
	_ = s.now.Listener.Close()
	_ = s.now.Config.Close()
	s.now.Close()
	s.now = nil
}

// world is one ham: bus, prober, decider, executor and console in this process.
type world struct {
	t     testing.TB
	bus   *bustest.Server
	ask   ask.Client
	base  string
	a, b  *server
	stop  func() // ends ham
	Stack *stack.Stack
	mu    sync.Mutex
	asked []*message.Request
}

// options of a world.
type options struct {
	mode   string // default auto
	policy string // of the group
	steps  string // lines of the spec, after the policy
	users  []spec.ConsoleUser
	faults []console.Fault
}

// secretPassword is everybody's in the stories.
const secretPassword = "three plain words"

var hashOnce = sync.OnceValues(func() (string, error) {
	h, err := password.New(secretPassword)
	return h.String(), err
})

func user(t testing.TB, name, role string) spec.ConsoleUser {
	hash, err := hashOnce()
	require.NoError(t, err)
	return spec.ConsoleUser{Name: name, Password: spec.Secret(hash), Roles: spec.Roles{"*": role}}
}

// specText is the group of the stories. Its checks are patient: a slow machine is not a dead member.
func (w *world) specText(o options) string {
	mode, policy := o.mode, o.policy
	if mode == "" {
		mode = "auto"
	}
	if policy == "" {
		policy = "{quorum: 1, fall: 5, rise: 1, stable_for: 0s, cooldown: 0s, undo_window: 0s, budget: 100 per 1h}"
	}
	return fmt.Sprintf(`group: web
mode: %s
objectives: {rto: 30s}
members:
  a: {site: sp, url: "http://%s"}
  b: {site: rj, url: "http://%s"}
adopt: a
checks:
  alive: {http: /alive, every: 2s, timeout: 1800ms, from: [sp]}
policy: %s
%s`, mode, w.a.addr, w.b.addr, policy, o.steps)
}

// begin starts a ham whose group can swap.
func begin(t testing.TB, o options) *world {
	t.Helper()
	w := &world{t: t, a: newServer(t), b: newServer(t)}
	w.bus = bustest.Restartable(t, bustest.Listening, func(e *embedded.Options) { e.MaxStore = 1 << 30 })
	w.run(o)
	w.declare(o)
	return w
}

// run starts ham's process; w.stop ends it.
func (w *world) run(o options) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	p := spec.Process{
		Name: "sp1", Site: "sp", HTTP: "off", StateDir: w.t.TempDir(), Bus: spec.Bus{URLs: []string{w.bus.URL()}},
		Prober: spec.Prober{Vantages: []string{"sp"}}, Console: spec.Console{Listen: "127.0.0.1:0", Users: o.users},
	}
	if w.base != "" { // a second time: where the first one was
		p.Console.Listen = strings.TrimSuffix(strings.TrimPrefix(w.base, "http://"), "/")
	}
	s, err := stack.Start(ctx, stack.Options{
		Process: p, Services: []string{stack.Prober, stack.Decider, stack.Executor, stack.Console}, Log: slog.New(slog.DiscardHandler), Layout: bustest.Layout, Faults: o.faults,
	})
	require.NoError(w.t, err)
	w.Stack, w.base, w.ask = s, strings.TrimSuffix(s.Console, "/"), ask.Client{Bus: s.Bus, Timeout: patience}
	w.hear()
	runCtx, end := context.WithCancel(context.Background())
	ran := make(chan error, 1)
	go func() { ran <- s.Run(runCtx) }()
	w.stop = sync.OnceFunc(func() {
		end()
		if err := errors.Join(<-ran, s.Close()); err != nil {
			w.t.Errorf("ham did not end in order: %v", err)
		}
	})
	w.t.Cleanup(w.stop)
}

// declare puts the group's spec and waits until a is primary, both are seen to be up, and nothing is under way.
func (w *world) declare(o options) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	_, err := store.Put(ctx, w.ask.Bus, w.specText(o), "test", "", store.AnyRevision)
	require.NoError(w.t, err)
	w.until("the group is adopted and both are up", func(s *message.GroupStatus) bool {
		up := 0
		for _, m := range s.Members {
			if m.Verdict == message.VerdictUp {
				up++
			}
		}
		return s.Mode == strings.TrimSpace(orElse(o.mode, "auto")) && s.Held && s.Swap == nil && up == 2
	})
}

// also declares more groups: %[1]s and %[2]s in the text are the addresses of the two servers.
func (w *world) also(text string) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for _, one := range strings.Split(fmt.Sprintf(text, w.a.addr, w.b.addr), "---\n") {
		_, err := store.Put(ctx, w.ask.Bus, one, "test", "", store.AnyRevision)
		require.NoError(w.t, err)
	}
}

// mode declares the group in another mode.
func (w *world) mode(name string) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	_, err := store.Put(ctx, w.ask.Bus, w.specText(options{mode: name}), "test", "", store.AnyRevision)
	require.NoError(w.t, err)
}

func orElse(a, b string) string {
	if a == "" {
		return b
	}
	return a
}

// status is how a decider says that web is; nil where none answers.
func (w *world) status() *message.GroupStatus {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	s, err := w.ask.Status(ctx, "web")
	if err != nil {
		return nil
	}
	return s
}

// until asks the decider until it is so: it tells nobody when it is.
func (w *world) until(what string, so func(*message.GroupStatus) bool) {
	w.t.Helper()
	require.Eventually(w.t, func() bool { s := w.status(); return s != nil && so(s) }, patience, 50*time.Millisecond, what)
}

// hear keeps what is asked on the bus from now on.
func (w *world) hear() {
	w.t.Helper()
	_, err := w.ask.Bus.Conn().Subscribe(subject.AllAsks, func(m *nats.Msg) {
		r := new(message.Request)
		if message.DecodeAs(message.Header(m.Header), m.Data, r) == nil {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.asked = append(w.asked, r)
		}
	})
	require.NoError(w.t, err)
}

// requests are those of a verb that were asked, in their order. The bus tells of them before it tells anybody what became of them.
func (w *world) requests(verb message.Verb) (out []*message.Request) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, r := range w.asked {
		if r.Verb == verb {
			out = append(out, r)
		}
	}
	return out
}

// pageOf is a browser's page, with the test that fails when something goes wrong in it.
type pageOf struct {
	*browser.Tab
	t    testing.TB
	base string
	// forbids: the story is about something that the page's policy forbids, or that goes wrong on purpose.
	forbids atomic.Bool
}

// sit starts a browser for one person. It ends with the test, and must have reached nothing but this machine.
func sit(t testing.TB, base string, o browser.Options) *pageOf {
	t.Helper()
	if _, err := browser.Find(); err != nil {
		if os.Getenv("HAM_REQUIRE") == "1" {
			require.NoError(t, err, "HAM_REQUIRE=1 asks for it (dev/servers.txt names its package)")
		}
		t.Skip(err)
	}
	o.Profile = filepath.Join(t.TempDir(), "profile")
	b, err := browser.Start(context.Background(), o)
	require.NoError(t, err)
	p := &pageOf{Tab: b.First(), t: t, base: base}
	t.Cleanup(func() {
		if t.Failed() {
			text, _ := b.First().Text() // it may be gone already
			at, _ := b.First().At()
			t.Logf("the page at %s said:\n%s", at, text)
			if picture, err := b.First().Picture(); err == nil && os.Getenv("HAM_PICTURE") != "" {
				_ = os.WriteFile(os.Getenv("HAM_PICTURE"), picture, 0o600)
			}
		}
		if err := b.Close(); err != nil {
			t.Error(err)
		}
		if b.Asked() == 0 {
			t.Error("the browser told of no request: what it asks is not watched")
		}
		for _, s := range b.Strangers() {
			t.Errorf("the page asked for %s, which is not on this machine", s)
		}
		for _, s := range b.Complaints() {
			if !p.forbids.Load() {
				t.Errorf("the browser complained: %s", s)
			}
		}
	})
	p.must(p.Screen(1280, 900, false))
	return p
}

func (p *pageOf) must(err error) {
	p.t.Helper()
	require.NoError(p.t, err)
}

// open loads a page of the console, or a file.
func (p *pageOf) open(path string) {
	p.t.Helper()
	if !strings.HasPrefix(path, "file:") {
		path = p.base + path
	}
	p.must(p.Go(path))
}

// so waits until the expression is true in the page.
func (p *pageOf) so(expression string) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	p.must(p.Until(ctx, expression))
}

// reads waits until a person can read all of the texts on the page.
func (p *pageOf) reads(texts ...string) {
	p.t.Helper()
	for _, s := range texts {
		p.so(fmt.Sprintf("document.body.innerText.includes(%s)", browser.JS(s)))
	}
}

// lacks fails where the page shows the text now.
func (p *pageOf) lacks(text string) {
	p.t.Helper()
	all, err := p.Text()
	p.must(err)
	require.NotContains(p.t, all, text)
}

// has says whether the page has such an element now.
func (p *pageOf) has(selector string) bool {
	p.t.Helper()
	found := false
	p.must(p.Eval("!!document.querySelector("+browser.JS(selector)+")", &found))
	return found
}

// value is what an expression is in the page.
func (p *pageOf) value(expression string) string {
	p.t.Helper()
	var v string
	p.must(p.Eval("String("+expression+")", &v))
	return v
}

// click clicks once the element is there.
func (p *pageOf) click(selector string) {
	p.t.Helper()
	p.so("document.querySelector(" + browser.JS(selector) + ")")
	p.must(p.Click(selector))
}

// leads clicks what leads to another page, and waits until that is there. Like a person it clicks again where nothing came of it, and says so: on a machine
// that is busy Chromium has lost a click.
func (p *pageOf) leads(selector string) {
	p.t.Helper()
	const there = "!window.before && document.readyState === 'complete'"
	p.must(p.Eval("window.before = true", nil))
	for range 3 {
		p.click(selector)
		ctx, cancel := context.WithTimeout(context.Background(), patience/4)
		err := p.Until(ctx, there)
		cancel()
		if err == nil {
			return
		}
		p.t.Logf("clicked %s, and nothing came of it: %v", selector, err)
	}
	p.so(there)
}

// armed says in the page that the button can be pressed.
const armed = "document.querySelector('#red')?.getAttribute('aria-disabled') === 'false'"

// arm arms the button of the plan that is open; again, where nobody could say for a moment whether the plan still holds.
func (p *pageOf) arm() {
	p.t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); {
		p.so(armed + " || document.querySelector('#arm:not(:disabled):not(:checked)')")
		if p.value(armed) == "true" {
			return
		}
		p.must(p.Click("#arm"))
		p.so(armed + " || document.querySelector('#arm:not(:checked)')")
	}
	require.Fail(p.t, "the button was never armed")
}

// full presses the button and holds it until it is full: with the mouse, or however press and release do it.
func (p *pageOf) full(press, release func() error) {
	p.t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); {
		p.arm()
		p.must(press())
		p.so("document.querySelector('#red.full') || !(" + armed + ")")
		if p.has("#red.full") {
			return
		}
		p.must(release()) // somebody could not say for a moment: it is not armed any more
	}
	require.Fail(p.t, "the button was never full")
}

// hold holds the button until it is full, and lets go: the page that follows says what became of it.
func (p *pageOf) hold() {
	p.t.Helper()
	down, up := func() error { return p.Down("#red") }, func() error { return p.Up("#red") }
	for end := time.Now().Add(patience); time.Now().Before(end); {
		p.must(p.Eval("window.before = true", nil))
		p.full(down, up)
		p.must(up())
		p.so("!window.before && document.readyState === 'complete' || document.querySelector('#arm:not(:checked)')")
		if p.value("!window.before") == "true" {
			return
		}
	}
	require.Fail(p.t, "the button was never fired")
}

// signIn signs in by name and password.
func (p *pageOf) signIn(name string) {
	p.t.Helper()
	p.open("/")
	p.reads("Sign in")
	p.click("input[name=name]")
	p.must(p.Type(name))
	p.click("input[name=password]")
	p.must(p.Type(secretPassword))
	p.leads("form button")
}
