package console_test

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/isacloud/ha-manager/pkg/bus"
	"github.com/isacloud/ha-manager/pkg/bus/embedded/bustest"
	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec/store"
	"github.com/isacloud/ha-manager/pkg/subject"
	"github.com/isacloud/ha-manager/pkg/who"
	"github.com/isacloud/ha-manager/services/console"
)

func TestMain(m *testing.M) { bustest.Main(m) }

// patience is for a machine that does other things too.
const patience = 30 * time.Second

const specText = `group: %
mode: auto
objectives: {rto: 5s}
members:
  a: {site: sp, url: "http://127.0.0.1:1"}
  b: {site: rj, url: "http://127.0.0.1:2"}
adopt: a
checks:
  alive: {http: /alive, every: 1s, timeout: 300ms, from: [sp]}
policy: {quorum: 1}
`

// world is a bus with a decider that says what the test wants, and a console before it.
type world struct {
	t       testing.TB
	srv     *bustest.Server
	bus     *bus.Bus // the test's own
	decider *bus.Service
	base    string
	client  *http.Client
	clock   atomic.Int64 // how far the console's clock is ahead

	mu      sync.Mutex
	status  func(group string) *message.GroupStatus
	preview func(*message.Request) *message.Preview
	answer  func(*message.Request) *message.Outcome
	asked   []*message.Request
	person  *who.Person // of the test's door
}

// door lets everybody in as the person that the test names.
type door struct{ w *world }

func (d door) Wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		d.w.mu.Lock()
		p := d.w.person
		d.w.mu.Unlock()
		next.ServeHTTP(rw, r.WithContext(who.With(r.Context(), p)))
	})
}
func (door) Routes(*http.ServeMux) {}

func healthy(group string) *message.GroupStatus {
	return &message.GroupStatus{
		Group: group, Sentence: "If a died now: b takes over within about 1.8s.", Mode: "auto", Epoch: 3, Kind: message.KindSwitchover, Held: true, Primary: "a",
		Members: []message.MemberStatus{
			{Name: "a", Site: "sp", Role: message.RolePrimary, Verdict: message.VerdictUp, Ready: true, Views: []message.View{{Member: "a", Vantage: "sp", Check: "alive", Says: "up", AgoMS: 120}}},
			{Name: "b", Site: "rj", Role: message.RoleStandby, Verdict: message.VerdictUp, Ready: true, Views: []message.View{{Member: "b", Vantage: "sp", Check: "alive", Says: "up", AgoMS: 130}}},
		},
		SpecRevision: 1, Decider: "d1", At: time.Now().UnixMicro(),
	}
}

func previewOf(r *message.Request) *message.Preview {
	return &message.Preview{
		Group: r.Group, Verb: r.Verb, From: "a", To: "b", Epoch: 4, Accepted: true, Sentence: r.Actor + " asked for a switchover", WayBack: "ham failback web, at once",
		Plan: &message.Plan{Graceful: true, Hash: "055e51b70905a500", PredictedRTO: message.Duration(40 * time.Millisecond), Limit: message.Duration(time.Minute), Steps: []message.Step{
			{Name: "route-front", Phase: message.PhaseAct, Driver: "haproxy", On: "any", Timeout: message.Duration(time.Second), OnFailure: message.FailPause, Says: "send clients of web to b"},
		}},
	}
}

func accepted(r *message.Request) *message.Outcome {
	return &message.Outcome{Request: r.ID, Group: r.Group, Verb: r.Verb, Accepted: true, Epoch: 4, Sentence: "accepted, epoch 4: as asked"}
}

// begin starts all of it, with the groups named. open: without a door.
func begin(t testing.TB, open bool, groups ...string) *world {
	t.Helper()
	w := &world{t: t, srv: bustest.Restartable(t), status: healthy, preview: previewOf, answer: accepted}
	w.person = &who.Person{Name: "ana", Via: who.Local, From: "192.0.2.7:4711", Roles: map[string]who.Role{who.Everywhere: who.Admin}, CSRF: "x"}
	dial := func(name, service string) *bus.Bus {
		return bustest.Dial(t, bus.Options{Name: name, Service: service, InProcess: w.srv})
	}
	w.bus = dial("t1", "test")
	bustest.Provision(t, w.bus)
	for _, g := range groups {
		w.declare(g)
	}
	w.decide()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	o := console.Options{Bus: dial("c1", "console"), Site: "sp", Listener: listener, Now: func() time.Time { return time.Now().Add(time.Duration(w.clock.Load())) }}
	if !open {
		o.Door = door{w}
	}
	c, err := console.New(o)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	ran := make(chan error, 1)
	go func() { ran <- c.Run(ctx) }()
	t.Cleanup(func() { cancel(); require.NoError(t, <-ran) })
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	w.base = strings.TrimSuffix(c.URL(), "/")
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	w.client = &http.Client{Jar: jar, Timeout: patience, Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return w
}

func (w *world) declare(group string) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	_, err := store.Put(ctx, w.bus, strings.Replace(specText, "%", group, 1), "test", "", store.AnyRevision)
	require.NoError(w.t, err)
}

// decide has somebody answer what deciders are asked.
func (w *world) decide() {
	w.t.Helper()
	b := bustest.Dial(w.t, bus.Options{Name: "d1", Service: "decider", InProcess: w.srv})
	s, err := b.Serve("ham-decider", "1.0.0", "says what the test wants",
		bus.Endpoint{Name: "status", Subject: subject.Root + ".query.*." + subject.QueryStatus, Queue: "deciders", Handler: func(_ context.Context, a bus.Ask) (message.Message, error) {
			w.mu.Lock()
			defer w.mu.Unlock()
			return w.status(a.Parts.Group), nil
		}},
		bus.Endpoint{Name: "preview", Subject: subject.Root + ".query.*." + subject.QueryPreview, Queue: "deciders", Handler: func(_ context.Context, a bus.Ask) (message.Message, error) {
			r := new(message.Request)
			if err := message.DecodeAs(a.Header, a.Body, r); err != nil {
				return nil, err
			}
			w.mu.Lock()
			defer w.mu.Unlock()
			return w.preview(r), nil
		}},
		bus.Endpoint{Name: "ask", Subject: subject.AllAsks, Queue: "deciders", Handler: func(_ context.Context, a bus.Ask) (message.Message, error) {
			r, err := a.Request("rq-none")
			if err != nil {
				return nil, err
			}
			w.mu.Lock()
			defer w.mu.Unlock()
			w.asked = append(w.asked, r)
			return w.answer(r), nil
		}})
	require.NoError(w.t, err)
	w.decider = s
	w.t.Cleanup(func() { s.Stop() })
}

func (w *world) as(name string, roles map[string]who.Role) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.person = &who.Person{Name: name, Via: who.Local, From: "192.0.2.7:4711", Roles: roles, CSRF: "x"}
}

func (w *world) set(f func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f()
}

// requests are those that were asked since the last call.
func (w *world) requests() []*message.Request {
	w.mu.Lock()
	defer w.mu.Unlock()
	all := w.asked
	w.asked = nil
	return all
}

type page struct {
	code   int
	header http.Header
	body   string
}

func (w *world) do(r *http.Request) page {
	w.t.Helper()
	resp, err := w.client.Do(r)
	require.NoError(w.t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(w.t, err)
	return page{resp.StatusCode, resp.Header, string(body)}
}

func (w *world) get(path string) page {
	w.t.Helper()
	r, err := http.NewRequest(http.MethodGet, w.base+path, nil)
	require.NoError(w.t, err)
	return w.do(r)
}

func (w *world) post(path string, form url.Values) page {
	w.t.Helper()
	r, err := http.NewRequest(http.MethodPost, w.base+path, strings.NewReader(form.Encode()))
	require.NoError(w.t, err)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return w.do(r)
}

// until loads the page until it holds all of the texts.
func (w *world) until(path string, texts ...string) page {
	w.t.Helper()
	var p page
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		p = w.get(path)
		if !slices.ContainsFunc(texts, func(s string) bool { return !strings.Contains(p.body, s) }) {
			return p
		}
	}
	w.t.Fatalf("%s never held %q: %s", path, texts, p.body)
	return p
}

// tell publishes an event.
// gathered stores what an executor found.
func (w *world) gathered(m *message.Gathered) {
	w.t.Helper()
	m.At = time.Now().UnixMicro()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	_, err := w.bus.Publish(ctx, subject.Gathered(m.Group, m.Executor), m)
	require.NoError(w.t, err)
}

func (w *world) tell(e *message.Event) {
	w.t.Helper()
	if e.Writer == "" {
		e.Writer = w.bus.Name()
	}
	if e.Severity == "" {
		e.Severity = message.Notice
	}
	e.At = time.Now().UnixMicro()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	_, err := w.bus.Publish(ctx, subject.Event(e.Group, e.Kind, e.Writer), e)
	require.NoError(w.t, err)
}

var hidden = regexp.MustCompile(`<input type="hidden" name="([a-z]+)" value="([^"]*)"`)

// form is what the swap page would send once it is armed and held.
func (w *world) form(path string) url.Values {
	w.t.Helper()
	p := w.get(path)
	require.Equal(w.t, http.StatusOK, p.code, p.body)
	_, text, ok := strings.Cut(p.body, `id="fire"`)
	require.True(w.t, ok, p.body)
	f := url.Values{"armed": {"yes"}}
	for _, m := range hidden.FindAllStringSubmatch(text, -1) {
		f.Set(m[1], m[2])
	}
	f.Set("held", "yes")
	return f
}

// stream follows a page's live elements: what is put, by id.
func (w *world) stream(ctx context.Context, path string, put func(id, html string)) {
	w.t.Helper()
	p := w.get(path)
	m := regexp.MustCompile(`data-live="([^"]*)"`).FindStringSubmatch(p.body)
	require.NotNil(w.t, m, p.body)
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, w.base+strings.ReplaceAll(m[1], "&amp;", "&"), nil)
	require.NoError(w.t, err)
	resp, err := (&http.Client{Transport: w.client.Transport, Jar: w.client.Jar}).Do(r)
	require.NoError(w.t, err)
	require.Equal(w.t, http.StatusOK, resp.StatusCode)
	require.Equal(w.t, "text/event-stream", resp.Header.Get("Content-Type"))
	go func() {
		defer resp.Body.Close()
		read := bufio.NewScanner(resp.Body)
		read.Buffer(nil, 4<<20)
		for read.Scan() {
			if data, ok := strings.CutPrefix(read.Text(), "data: {"); ok {
				var m struct{ ID, HTML string }
				if json.Unmarshal([]byte("{"+data), &m) == nil {
					put(m.ID, m.HTML)
				}
			}
		}
	}()
}
