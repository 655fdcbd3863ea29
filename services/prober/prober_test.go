package prober

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"

	"github.com/isacloud/ha-manager/pkg/bus"
	"github.com/isacloud/ha-manager/pkg/bus/embedded/bustest"
	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec"
	"github.com/isacloud/ha-manager/pkg/subject"
	"github.com/isacloud/ha-manager/services/prober/check"
	"github.com/isacloud/ha-manager/services/prober/check/checktest"
)

func serve(t *testing.T, f http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(f)
	t.Cleanup(s.Close)
	return s.URL
}

func well(http.ResponseWriter, *http.Request) {}

// The process dies between two looks, which are ten seconds apart: the connection that is kept tells at once, and the
// refusal that follows needs no repetition.
func TestKilledSiteIsHardDownAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	a := checktest.Start(t, "site")
	w.apply("http://"+a.Addr, serve(t, well), "  alive: {http: /alive, every: 10s, timeout: 1s, from: [sp]}")
	w.until("a is up", says("a", message.Up))
	killed := time.Now()
	a.Kill()
	hb := w.until("a is down", says("a", message.Down))
	took := time.Since(killed)
	t.Logf("kill -9 to the stored heartbeat: %s", took.Round(10*time.Microsecond))
	require.True(t, hb.Hard, hb.Evidence)
	// The kernel closes the connection a moment before the port, or after: the next knock is refused, or reset.
	require.Contains(t, []string{
		fmt.Sprintf("GET http://%s/alive: connect %s: connection refused", a.Addr, a.Addr), fmt.Sprintf("GET http://%s/alive: connection reset by peer", a.Addr),
	}, hb.Evidence)
	require.False(t, hb.Blind)
	require.Less(t, took, 5*time.Second, "that was not the connection, but the next look")
}

// A frozen process keeps its connections and says nothing: that is soft, and certain after fall time-outs.
func TestFrozenSiteIsSoftDownAfterFallTimeouts(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	a := checktest.Start(t, "site")
	w.apply("http://"+a.Addr, serve(t, well), "  alive: {http: /alive, every: 5s, timeout: 200ms, from: [sp]}\npolicy: {fall: 8}")
	w.until("a is up", says("a", message.Up))
	a.Freeze(t)
	first := w.until("a is down", says("a", message.Down))
	last := first
	for range 2 {
		require.False(t, last.Hard)
		require.Contains(t, last.Evidence, "no answer within 200ms")
		last = w.until("a is still down", says("a", message.Down))
	}
	require.Less(t, time.Duration(last.At-first.At)*time.Microsecond, 5*time.Second, "the looks came an interval apart, not a time-out")
}

// A prober that is stopped while it looks and goes on later finds every deadline passed. That is its own silence, not the
// target's, which has answered in time.
func TestFrozenProberBlamesNobody(t *testing.T) {
	t.Parallel()
	w := emptyWorld(t)
	asked, answer := make(chan struct{}), make(chan struct{})
	var hold atomic.Bool
	url := serve(t, func(http.ResponseWriter, *http.Request) {
		if hold.CompareAndSwap(true, false) {
			asked <- struct{}{}
			<-answer
		}
	})
	w.apply(url, serve(t, well), "  alive: {http: /, every: 300ms, timeout: 300ms, from: [sp]}\npolicy: {fall: 1}")
	p := checktest.Start(t, "prober", busURL+"="+w.server.ClientURL())
	before := w.until("a is up", says("a", message.Up))
	for range 3 {
		hold.Store(true)
		<-asked
		p.Freeze(t)
		answer <- struct{}{}
		time.Sleep(time.Second) // longer than the time-out: the passing of time is what is tested
		p.Thaw(t)
		n := 0
		w.until("it looks again", func(hb *message.Heartbeat) bool {
			require.NotEqual(t, message.Down, hb.Answer, "%+v", *hb)
			if hb.Member == "a" && hb.Seq > before.Seq {
				n++
			}
			return n == 5
		})
	}
}

func TestUnansweringSitesDelayNobody(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	var checks strings.Builder
	for i := range 30 {
		fmt.Fprintf(&checks, "  hung%d: {http: /, every: 500ms, timeout: 500ms, from: [sp], members: [b]}\n", i)
		fmt.Fprintf(&checks, "  stuck%d: {exec: [sleep, '1000'], every: 1s, timeout: 1s, from: [sp], members: [b]}\n", i)
	}
	checks.WriteString("  alive: {http: /alive, every: 100ms, timeout: 100ms, from: [sp], members: [a]}")
	w.apply(serve(t, well), "http://"+checktest.Silent(t), checks.String())
	first := w.until("a is up", says("a", message.Up))
	hung := w.until("b is down", says("b", message.Down))
	require.False(t, hung.Hard)
	last := w.until("a is up for the fiftieth time", func(hb *message.Heartbeat) bool { return hb.Member == "a" && hb.Seq == first.Seq+50 })
	require.Less(t, time.Duration(last.At-first.At)*time.Microsecond, time.Minute, "50 looks, 100 ms apart: behind each other they would take 45 s each")
}

// Several vantages in one process look each for itself.
func TestSeveralVantages(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(o *Options) { o.Vantages = []string{"witness", "sp", "rj", "sp"} })
	var connections atomic.Int64
	s := httptest.NewUnstartedServer(http.HandlerFunc(well))
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			connections.Add(1)
		}
	}
	s.Start()
	t.Cleanup(s.Close)
	w.apply(s.URL, serve(t, well), "  alive: {http: /alive, every: 200ms, timeout: 200ms, from: [sp, rj, elsewhere]}")
	seen := map[string]bool{}
	w.until("both vantages see both members", func(hb *message.Heartbeat) bool {
		require.Equal(t, message.Up, hb.Answer)
		seen[hb.Vantage+"/"+hb.Member] = true
		return len(seen) == 4
	})
	require.Equal(t, map[string]bool{"sp/a": true, "sp/b": true, "rj/a": true, "rj/b": true}, seen)
	require.EqualValues(t, 2, connections.Load())
	require.Len(t, w.prober.Looks(), 4)
}

// A changed spec is taken while running: what did not change goes on over the same connection.
func TestSpecChangeIsTakenWithoutRestart(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	var connections atomic.Int64
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/broken" {
			rw.WriteHeader(500)
		}
	}))
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			connections.Add(1)
		}
	}
	s.Start()
	t.Cleanup(s.Close)
	alive := "  alive: {http: /alive, every: 1s, timeout: 1s, from: [sp], members: [a]}\n  b: {http: /, every: 1h, from: [sp], members: [b]}\n"
	w.apply(s.URL, serve(t, well), alive+"  extra: {http: /well, every: 1s, timeout: 1s, from: [sp], members: [a]}")
	is := func(check string, answer message.Answer) func(*message.Heartbeat) bool {
		return func(hb *message.Heartbeat) bool { return hb.Check == check && hb.Answer == answer }
	}
	before := w.until("extra is up", is("extra", message.Up))
	w.apply(s.URL, serve(t, well), alive+"  extra: {http: /broken, every: 1s, timeout: 1s, from: [sp], members: [a]}")
	after := w.until("extra is down", is("extra", message.Down))
	require.Greater(t, after.Seq, before.Seq)
	require.Greater(t, after.SpecRevision, before.SpecRevision)
	hb := w.until("alive is up by the new spec", is("alive", message.Up))
	require.Equal(t, after.SpecRevision, hb.SpecRevision)
	require.EqualValues(t, 3, connections.Load(), "alive kept its connection")

	w.apply(s.URL, serve(t, well), alive)
	require.Eventually(t, func() bool { return len(w.prober.Looks()) == 2 }, ample, time.Millisecond)
}

// While the bus is away the prober goes on looking; when it is back, the newest of each check comes, once, and the rest
// was counted.
func TestBusAway(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	var status, looks atomic.Int64
	status.Store(200)
	url := serve(t, func(rw http.ResponseWriter, _ *http.Request) {
		looks.Add(1)
		rw.WriteHeader(int(status.Load()))
	})
	const checks = 20
	var text strings.Builder
	for i := range checks {
		fmt.Fprintf(&text, "  c%d: {http: /, every: 50ms, timeout: 50ms, from: [sp], members: [a]}\n", i)
	}
	text.WriteString("  b: {http: /, every: 1h, from: [sp], members: [b]}")
	w.apply(url, serve(t, well), text.String())
	seen := map[string]bool{}
	w.until("all are up", func(hb *message.Heartbeat) bool {
		seen[hb.Check] = hb.Member == "a" || seen[hb.Check]
		return len(seen) == checks+1
	})

	w.cut.set(true)
	from := looks.Load()
	require.Eventually(t, func() bool { return looks.Load() > from+10*checks }, ample, time.Millisecond, "it stopped looking")
	status.Store(503)
	from = looks.Load()
	require.Eventually(t, func() bool { return looks.Load() > from+20*checks }, ample, time.Millisecond, "it stopped looking")
	require.Eventually(t, func() bool { return w.prober.writer.Stats().Waiting >= checks }, ample, time.Millisecond, "the newest of each waits")
	require.Greater(t, w.prober.writer.Dropped(), uint64(20*checks), "what was given up is counted")
	missed := map[string]uint64{}
	for _, l := range w.prober.Looks() {
		missed[l.Check] = l.Seq
	}
	for len(w.beats) > 0 {
		<-w.beats
	}

	w.cut.set(false)
	old := 0
	down := map[string]bool{}
	w.until("all are down", func(hb *message.Heartbeat) bool {
		if hb.Seq < missed[hb.Check] {
			old++
		}
		if hb.Answer == message.Down {
			down[hb.Check] = true
		}
		return len(down) == checks
	})
	// What was under way when the link broke may still be sent again, one of each; what was looked at since has been replaced.
	require.LessOrEqual(t, old, checks, "a flood of old news")
}

func TestSecretsReachTheTargetAndNobodyElse(t *testing.T) {
	t.Parallel()
	const secret = "geheim-4711"
	w := newWorld(t, func(o *Options) {
		o.Secrets = func(_, name string) (string, error) {
			if name == "TOKEN" {
				return secret, nil
			}
			return "", errors.New("not set")
		}
	})
	told := make(chan string, 100)
	url := serve(t, func(rw http.ResponseWriter, r *http.Request) {
		select {
		case told <- r.Header.Get("Authorization"):
		default:
		}
		http.Redirect(rw, r, "/login/"+r.Header.Get("Authorization"), http.StatusFound)
	})
	w.apply(url, url, `
  page: {http: {url: /, headers: {Authorization: "Bearer ${env:TOKEN}"}}, every: 200ms, timeout: 200ms, from: [sp]}
  plugin: {exec: {command: [/bin/sh, -c, 'echo "login with $TOKEN failed|$TOKEN=1"; exit 2'], env: {TOKEN: "${env:TOKEN}"}}, every: 1s, timeout: 1s, from: [sp]}
  missing: {http: {url: /, headers: {Authorization: "Bearer ${env:NONE}"}}, every: 200ms, timeout: 200ms, from: [sp]}`)
	seen := map[string]*message.Heartbeat{}
	w.until("all three kinds spoke", func(hb *message.Heartbeat) bool {
		require.NotContains(t, fmt.Sprintf("%+v", *hb), secret)
		seen[hb.Check] = hb
		return len(seen) == 3
	})
	require.Equal(t, "Bearer "+secret, <-told)
	require.Contains(t, seen["page"].Evidence, "***")
	require.Contains(t, seen["plugin"].Evidence, "login with *** failed")
	require.Equal(t, message.Unknown, seen["missing"].Answer)
	require.Contains(t, seen["missing"].Evidence, "${env:NONE}")
	for _, l := range w.prober.Looks() {
		require.NotContains(t, l.Evidence, secret)
	}
}

// A prober that loses sight of its references says so in each heartbeat, and tells people; and again when it sees.
func TestBlindnessIsToldAndCarried(t *testing.T) {
	t.Parallel()
	reference := checktest.Start(t, "site")
	other := checktest.Nobody(t)
	w := newWorld(t, func(o *Options) { o.References = []string{"tcp://" + reference.Addr, "http://" + other + "/"} })
	told := make(chan *message.Event, 10)
	cancel, err := w.mine.Hear([]string{subject.AllEvents}, func(d bus.Delivery) {
		if e, ok := d.Message.(*message.Event); ok && e.Kind == message.EventService {
			told <- e
		}
	})
	require.NoError(t, err)
	t.Cleanup(cancel)
	w.apply(serve(t, well), "http://"+checktest.Silent(t), "  alive: {http: /, every: 200ms, timeout: 100ms, from: [sp]}")
	w.until("a is up and counts", func(hb *message.Heartbeat) bool { return hb.Member == "a" && !hb.Blind })
	w.until("b is down and counts", func(hb *message.Heartbeat) bool {
		return hb.Member == "b" && hb.Answer == message.Down && !hb.Blind
	})
	require.False(t, w.prober.Blind())
	reference.Kill()
	w.until("a is up, seen by a blind prober", func(hb *message.Heartbeat) bool { return hb.Member == "a" && hb.Answer == message.Up && hb.Blind })
	w.until("b is down, seen by a blind prober", func(hb *message.Heartbeat) bool { return hb.Member == "b" && hb.Blind })
	require.True(t, w.prober.Blind())
	e := <-told
	require.Equal(t, message.Warning, e.Severity)
	require.Equal(t, subject.NoGroup, e.Group)
	require.Contains(t, e.Sentence, "prober p1 (vantages sp) is blind: it sees none of its 2 reference targets")
	require.Contains(t, e.Sentence, "connection refused")
}

func TestUnknownKindAnswersUnknown(t *testing.T) {
	t.Parallel()
	l := open(check.Target{Member: "a", Check: spec.Check{Name: "x", Kind: "carrier-pigeon"}})
	r := l.Look(t.Context())
	require.Equal(t, message.Unknown, r.Answer)
	require.Contains(t, r.Evidence, `no check of kind "carrier-pigeon", only http, tcp, exec`)
	l = open(check.Target{Member: "a", Check: spec.Check{Name: "x", Kind: spec.CheckTCP, TCP: &spec.TCPCheck{}}})
	r = l.Look(t.Context())
	require.Equal(t, message.Unknown, r.Answer)
	require.Contains(t, r.Evidence, "check x of a cannot be made: there is no address")
}

func TestKindsAreListedOnce(t *testing.T) {
	t.Parallel()
	seen := map[spec.CheckKind]bool{}
	for _, k := range Checks() {
		require.NotEmpty(t, k.Summary)
		require.NotNil(t, k.Open)
		require.False(t, seen[k.Name])
		seen[k.Name] = true
	}
}

func TestOptionsAreChecked(t *testing.T) {
	t.Parallel()
	b := bustest.Connect(t, bustest.Start(t), "p1")
	good := Options{Bus: b, Name: "p1", Vantages: []string{"sp"}}
	for want, edit := range map[string]func(*Options){
		"there is no bus":                 func(o *Options) { o.Bus = nil },
		"name is \"a b\"":                 func(o *Options) { o.Name = "a b" },
		"there is no vantage":             func(o *Options) { o.Vantages = nil },
		"vantage is \"s.p\"":              func(o *Options) { o.Vantages = []string{"s.p"} },
		"reference timeout is 2s":         func(o *Options) { o.ReferenceTimeout = 2 * time.Second },
		"want tcp://host:port":            func(o *Options) { o.References = []string{"192.0.2.1:53"} },
		"want tcp://host:port or http":    func(o *Options) { o.References = []string{"icmp://192.0.2.1"} },
		"reference tcp://192.0.2.1":       func(o *Options) { o.References = []string{"tcp://192.0.2.1"} },
		"reference http:///x":             func(o *Options) { o.References = []string{"http:///x"} },
		"duplicate metrics collector":     func(o *Options) { o.Metrics = taken(t, b) },
		"reference ftp://ana:xxxxx@host/": func(o *Options) { o.References = []string{"ftp://ana:geheim@host/"} },
	} {
		o := good
		edit(&o)
		_, err := New(o)
		require.ErrorContains(t, err, want)
	}
	p, err := New(good)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.NoError(t, p.Run(ctx))
	require.Error(t, p.Run(ctx), "twice")
}

// taken is a registry where a prober is already.
func taken(t *testing.T, b *bus.Bus) prometheus.Registerer {
	r := prometheus.NewRegistry()
	_, err := New(Options{Bus: b, Name: "p1", Vantages: []string{"sp"}, Metrics: r})
	require.NoError(t, err)
	return r
}

func TestMetricsAndReadiness(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	ready := make(chan string, 10)
	w := newWorld(t, func(o *Options) { o.Metrics, o.Ready = registry, func(why string) { ready <- why } })
	require.Equal(t, "waiting for the specs", <-ready)
	require.Empty(t, <-ready)
	w.apply(serve(t, well), "http://"+checktest.Nobody(t), "  alive: {http: /, every: 100ms, timeout: 100ms, from: [sp]}")
	w.until("a is up", says("a", message.Up))
	w.until("b is down", says("b", message.Down))
	w.stop()
	problems, err := testutil.GatherAndLint(registry)
	require.NoError(t, err)
	require.Empty(t, problems)
	families, err := registry.Gather()
	require.NoError(t, err)
	values := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			name := f.GetName()
			for _, l := range m.GetLabel() {
				name += "/" + l.GetValue()
			}
			values[name] = m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
	}
	for _, name := range []string{
		"ham_prober_looks_total/up", "ham_prober_looks_total/down", "ham_prober_look_seconds", "ham_prober_late_seconds", "ham_prober_heartbeats_stored_total",
	} {
		require.Positive(t, values[name], name)
	}
	require.Zero(t, values["ham_prober_blind"])
	require.Zero(t, values["ham_prober_looks_total/unknown"])
}
