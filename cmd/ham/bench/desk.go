package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/isacloud/ha-manager/cmd/ham/internal/browser"
	"github.com/isacloud/ha-manager/pkg/bus"
	"github.com/isacloud/ha-manager/pkg/bus/embedded"
	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec/store"
	"github.com/isacloud/ha-manager/pkg/subject"
	"github.com/isacloud/ha-manager/services/console"
)

// desk is a console before a decider that answers at once, and a Chromium before the console. Beside it stands a page of nothing but what is
// measured: what no page can beat on this machine, in this browser.
type desk struct {
	bus     *bus.Bus // of the bench
	tab     *browser.Tab
	console string // where it is
	bare    string // where the page of nothing is
	sse     chan string
	pressed chan time.Time // when the bare page's press came
	asked   chan time.Time // when a request was on the bus
	closers []func() error
}

const deskGroups = 200

// measureDesk: what somebody waits for who sits before the page, in a real browser.
func measureDesk(ctx context.Context, b *bench) (_ []figure, err error) {
	d := &desk{sse: make(chan string, 1024), pressed: make(chan time.Time, 1), asked: make(chan time.Time, 1)}
	defer func() { err = firstOf(err, d.close()) }()
	if err := d.open(ctx, b); err != nil {
		return nil, err
	}
	var all []figure
	for _, measure := range []func(context.Context, *bench) ([]figure, error){d.paint, d.shown, d.press, d.memory} {
		figures, err := measure(ctx, b)
		if all = append(all, figures...); err != nil {
			return all, err
		}
	}
	return all, nil
}

func (d *desk) close() (err error) {
	for i := len(d.closers) - 1; i >= 0; i-- {
		err = firstOf(err, d.closers[i]())
	}
	return err
}

func (d *desk) open(ctx context.Context, b *bench) error {
	// In a process of its own: what it keeps of each message is not the console's.
	addr := newLoopback(b.self).addr("desk")
	server, err := listening(ctx, start{name: "the bus of the desk", program: b.self, args: []string{"child", "desk", filepath.Join(b.dir, "desk"), addr}})
	if err != nil {
		return err
	}
	d.closers = append(d.closers, func() error { server.stop(); return nil })
	dial := func(name, service string) (*bus.Bus, error) {
		c, err := bus.Connect(ctx, bus.Options{Name: name, Service: service, URLs: []string{"nats://" + addr}})
		if err == nil {
			d.closers = append(d.closers, func() error { c.Close(); return nil })
		}
		return c, err
	}
	if d.bus, err = dial("bench", "bench"); err != nil {
		return err
	}
	if err := d.bus.Provision(ctx, bus.Layout{}); err != nil {
		return err
	}
	for i := range deskGroups {
		if _, err := store.Put(ctx, d.bus, strings.ReplaceAll(deskSpec, "%", deskGroup(i)), "bench", "", store.AnyRevision); err != nil {
			return err
		}
	}
	if err := d.decide(dial); err != nil {
		return err
	}
	own, err := dial("desk", "console")
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	c, err := console.New(console.Options{Bus: own, Site: "sp", Listener: l})
	if err != nil {
		return errors.Join(err, l.Close())
	}
	runCtx, stop := context.WithCancel(context.WithoutCancel(ctx))
	ran := make(chan error, 1)
	go func() { ran <- c.Run(runCtx) }()
	d.closers = append(d.closers, func() error { stop(); return <-ran })
	d.console = strings.TrimSuffix(c.URL(), "/")
	if err := d.openBare(); err != nil {
		return err
	}
	chromium, err := browser.Start(context.WithoutCancel(ctx), browser.Options{Profile: filepath.Join(b.dir, "chromium")})
	if err != nil {
		return err
	}
	d.closers = append(d.closers, chromium.Close)
	d.tab = chromium.First()
	if err := errors.Join(d.tab.Screen(1280, 900, false), d.tab.Forget(), d.tab.Go(d.console+"/")); err != nil {
		return err
	}
	return d.tab.Until(ctx, fmt.Sprintf("document.body.innerText.includes('All is well: %d groups.')", deskGroups))
}

// serveDeskBus is a server that acknowledges before it syncs: the disk is no part of these figures.
func serveDeskBus(ctx context.Context, dir, listen string) error {
	s, err := embedded.Start(ctx, embedded.Options{Name: "desk", StoreDir: dir, Listen: listen, NoSync: true})
	if err != nil {
		return err
	}
	fmt.Println("listening")
	<-ctx.Done()
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	return s.Shutdown(end)
}

// deskSpec is a group that nobody looks at: its decider is the bench.
const deskSpec = `group: %
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

func deskGroup(i int) string { return fmt.Sprintf("group-%03d", i) }

// decide answers what the console asks deciders.
func (d *desk) decide(dial func(name, service string) (*bus.Bus, error)) error {
	c, err := dial("decider", "decider")
	if err != nil {
		return err
	}
	up := func(name, site string, role message.Role) message.MemberStatus {
		return message.MemberStatus{Name: name, Site: site, Role: role, Verdict: message.VerdictUp, Ready: true, Views: []message.View{{Member: name, Vantage: "sp", Check: "alive", Says: "up", AgoMS: 120}}}
	}
	s, err := c.Serve("ham-decider", "1.0.0", "answers at once",
		bus.Endpoint{Name: "status", Subject: subject.Root + ".query.*." + subject.QueryStatus, Queue: "deciders", Handler: func(_ context.Context, a bus.Ask) (message.Message, error) {
			return &message.GroupStatus{
				Group: a.Parts.Group, Sentence: "If a died now: b takes over within about 1.8s.", Mode: "auto", Epoch: 3, Kind: message.KindSwitchover, Held: true, Primary: "a",
				Members: []message.MemberStatus{up("a", "sp", message.RolePrimary), up("b", "rj", message.RoleStandby)}, SpecRevision: 1, Decider: "decider", At: time.Now().UnixMicro(),
			}, nil
		}},
		bus.Endpoint{Name: "preview", Subject: subject.Root + ".query.*." + subject.QueryPreview, Queue: "deciders", Handler: func(_ context.Context, a bus.Ask) (message.Message, error) {
			r := new(message.Request)
			if err := message.DecodeAs(a.Header, a.Body, r); err != nil {
				return nil, err
			}
			return &message.Preview{
				Group: r.Group, Verb: r.Verb, From: "a", To: "b", Epoch: 4, Accepted: true, Sentence: r.Actor + " asked for a switchover", Plan: &message.Plan{
					Graceful: true, Hash: "055e51b70905a500", PredictedRTO: message.Duration(40 * time.Millisecond), Limit: message.Duration(time.Minute), Steps: []message.Step{
						{Name: "route-front", Phase: message.PhaseAct, Driver: "haproxy", On: "any", Timeout: message.Duration(time.Second), OnFailure: message.FailPause, Says: "send clients to b"},
					}},
			}, nil
		}},
		bus.Endpoint{Name: "ask", Subject: subject.AllAsks, Queue: "deciders", Handler: func(_ context.Context, a bus.Ask) (message.Message, error) {
			r, err := a.Request("rq-none")
			if err != nil {
				return nil, err
			}
			return &message.Outcome{Request: r.ID, Group: r.Group, Verb: r.Verb, Accepted: true, Epoch: 4, Sentence: "accepted, epoch 4: as asked"}, nil
		}})
	if err != nil {
		return err
	}
	d.closers = append(d.closers, func() error { s.Stop(); return nil })
	_, err = d.bus.Conn().Subscribe(subject.AllAsks, func(*nats.Msg) { d.asked <- time.Now() })
	return errors.Join(err, d.bus.Conn().Flush())
}

// openBare serves a page of one sentence, what is sent to d.sse as it comes, and takes a press.
func (d *desk) openBare() error {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = fmt.Fprint(w, `<!doctype html><title>bare</title><p id="g-lines">nothing</p><form method="post" action="/press"><button id="red">press</button></form>`)
	})
	mux.HandleFunc("GET /sse", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		out := http.NewResponseController(w)
		for _ = out.Flush(); ; _ = out.Flush() {
			select {
			case text := <-d.sse:
				_, _ = fmt.Fprintf(w, "data: %s\n\n", text)
			case <-r.Context().Done():
				return
			}
		}
	})
	mux.HandleFunc("POST /press", func(w http.ResponseWriter, r *http.Request) {
		d.pressed <- time.Now()
		http.Redirect(w, r, "/", http.StatusSeeOther)
	})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	d.closers = append(d.closers, func() error { err := server.Close(); <-served; return err })
	d.bare = "http://" + l.Addr().String()
	return nil
}

// paint: from the call of the page to its first content, by the browser's own clock.
func (d *desk) paint(ctx context.Context, b *bench) ([]figure, error) {
	page := figure{What: fmt.Sprintf("overview of %d groups, first contentful paint in Chromium", deskGroups), Unit: "ms", Goal: atMost("p99", 500, "ms"), Note: "loopback, nothing cached"}
	bare := figure{What: "a page of one sentence, the same", Unit: "ms"}
	for range b.runs(30, 5) {
		for f, address := range map[*figure]string{&page: d.console + "/", &bare: d.bare + "/"} {
			if err := d.tab.Go(address); err != nil {
				return nil, err
			}
			const first = "performance.getEntriesByName('first-contentful-paint')[0]"
			if err := d.tab.Until(ctx, first); err != nil {
				return nil, err
			}
			var ms float64
			if err := d.tab.Eval(first+".startTime", &ms); err != nil {
				return nil, err
			}
			f.Values = append(f.Values, ms)
		}
	}
	return []figure{page, bare}, nil
}

// watchLines notes in the page when the frame began that shows the event of each number.
const watchLines = `(() => {
	window.shown = {};
	const look = () => {
		const fresh = [...document.getElementById('g-lines').textContent.matchAll(/event no\. (\d+)\./g)].map((m) => m[1]).filter((n) => !(n in shown));
		for (const n of fresh) shown[n] = 0;
		if (fresh.length) requestAnimationFrame(() => { for (const n of fresh) shown[n] = performance.timeOrigin + performance.now(); });
	};
	new MutationObserver(look).observe(document.body, { subtree: true, childList: true, characterData: true });
	look();
})()`

// shown: events at 50 a second, from the call that publishes each until the page shows it.
func (d *desk) shown(ctx context.Context, b *bench) ([]figure, error) {
	n := b.runs(1000, 100)
	page := figure{What: "event on the bus → shown in the page, at 50 events/s", Unit: "ms", Goal: atMost("p99", 200, "ms"), Note: "a group's page; changes of 40 ms are gathered; until the frame begins that shows it"}
	bare := figure{What: "a bare server-sent event → shown in a page of one sentence, at 50/s", Unit: "ms"}
	bus := figure{What: "a bare message of the bus, published → received", Unit: "ms"}
	heard := make(chan time.Time, 1)
	sub, err := d.bus.Conn().Subscribe("desk.bare", func(*nats.Msg) { heard <- time.Now() })
	if err != nil {
		return nil, err
	}
	defer func() { _ = sub.Unsubscribe() }()
	if err := d.tab.Go(d.console + "/g/" + deskGroup(0)); err != nil {
		return nil, err
	}
	if page.Values, err = d.numbered(ctx, n, func(i int) error {
		began := time.Now()
		if err := d.bus.Conn().Publish("desk.bare", nil); err != nil {
			return err
		}
		select {
		case at := <-heard:
			bus.Values = append(bus.Values, millis(at.Sub(began)))
		case <-ctx.Done():
			return ctx.Err()
		}
		return d.tell(ctx, i)
	}); err != nil {
		return nil, err
	}
	if err := d.tab.Go(d.bare + "/"); err != nil {
		return nil, err
	}
	if err := d.tab.Eval(`new Promise((ready) => {
		const source = new EventSource('/sse');
		source.onopen = () => ready(true);
		source.onmessage = (e) => { document.getElementById('g-lines').textContent = e.data; };
	})`, nil); err != nil {
		return nil, err
	}
	bare.Values, err = d.numbered(ctx, n, func(i int) error { d.sse <- fmt.Sprintf("this is event no. %d.", i); return nil })
	return []figure{page, bare, bus}, err
}

// tell publishes the event of that number.
func (d *desk) tell(ctx context.Context, i int) error {
	e := d.event(i)
	_, err := d.bus.Publish(ctx, subject.Event(e.Group, e.Kind, e.Writer), e)
	return err
}

func (d *desk) event(i int) *message.Event {
	return &message.Event{
		ID: fmt.Sprintf("desk.%d", i), Group: deskGroup(0), Kind: message.EventNote, Severity: message.Notice, Sentence: fmt.Sprintf("this is event no. %d.", i),
		Actor: "ana", Writer: d.bus.Name(), At: time.Now().UnixMicro(),
	}
}

// numbered sends n numbered things at 50 a second, and returns how many milliseconds after each began the page showed it.
func (d *desk) numbered(ctx context.Context, n int, send func(int) error) (sample, error) {
	if err := d.tab.Eval(watchLines, nil); err != nil {
		return nil, err
	}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	sent := make([]time.Time, n)
	for i := range n {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		sent[i] = time.Now()
		if err := send(i); err != nil {
			return nil, err
		}
	}
	if err := d.tab.Until(ctx, fmt.Sprintf("window.shown[%d]", n-1)); err != nil {
		return nil, err
	}
	var shown map[string]float64
	if err := d.tab.Eval("window.shown", &shown); err != nil {
		return nil, err
	}
	var took sample
	missed := 0
	for i, at := range sent {
		if ms := shown[fmt.Sprint(i)]; ms > 0 {
			took = append(took, ms-float64(at.UnixMicro())/1e3)
		} else {
			missed++ // the list had moved on before a frame showed it
		}
	}
	if missed > n/100 {
		return nil, fmt.Errorf("%d of %d were never shown", missed, n)
	}
	return took, nil
}

// press: from the moment at which the browser has the button's release to the request on the bus.
func (d *desk) press(ctx context.Context, b *bench) ([]figure, error) {
	page := figure{What: "button released in Chromium → request on the bus", Unit: "ms", Goal: atMost("p99", 50, "ms"), Note: "the form's way to the server, and the question whether it would undo a swap, are in it"}
	bare := figure{What: "a button of a page of one sentence released → its form at the server", Unit: "ms"}
	const note = "addEventListener('pointerup', (e) => sessionStorage.setItem('up', performance.timeOrigin + e.timeStamp), true)"
	for range b.runs(40, 5) {
		if err := errors.Join(d.tab.Go(d.console+"/g/"+deskGroup(1)+"/swap"), d.tab.Eval(note, nil)); err != nil {
			return nil, err
		}
		if err := d.tab.Eval("document.querySelector('#red').dataset.hold = '50'", nil); err != nil {
			return nil, err
		}
		if err := d.tab.Click("#arm"); err != nil {
			return nil, err
		}
		if err := d.tab.Until(ctx, "document.querySelector('#red').getAttribute('aria-disabled') === 'false'"); err != nil {
			return nil, err
		}
		if err := d.tab.Down("#red"); err != nil {
			return nil, err
		}
		if err := d.tab.Until(ctx, "document.querySelector('#red.full')"); err != nil {
			return nil, err
		}
		if err := d.released(ctx, &page, d.asked, "location.pathname.endsWith('"+deskGroup(1)+"')"); err != nil {
			return nil, err
		}
		if err := errors.Join(d.tab.Go(d.bare+"/"), d.tab.Eval(note, nil), d.tab.Down("#red")); err != nil {
			return nil, err
		}
		if err := d.released(ctx, &bare, d.pressed, "location.pathname === '/'"); err != nil {
			return nil, err
		}
	}
	return []figure{page, bare}, nil
}

// released lets go of the button and notes how long it took until it came.
func (d *desk) released(ctx context.Context, f *figure, came <-chan time.Time, there string) error {
	if err := d.tab.Up("#red"); err != nil {
		return err
	}
	select {
	case at := <-came:
		if err := d.tab.Until(ctx, "document.readyState === 'complete' && "+there); err != nil {
			return err
		}
		var up float64
		if err := d.tab.Eval("Number(sessionStorage.getItem('up'))", &up); err != nil {
			return err
		}
		f.Values = append(f.Values, float64(at.UnixMicro())/1e3-up)
		return nil
	case <-ctx.Done():
		return fmt.Errorf("what was pressed never came: %w", ctx.Err())
	}
}

// memory: what the console and its page hold after some events, and after many more.
func (d *desk) memory(ctx context.Context, b *bench) ([]figure, error) {
	some, many := b.runs(20_000, 2_000), b.runs(200_000, 10_000)
	heap := figure{What: fmt.Sprintf("memory of the console's process after %d events more (Go heap)", many), Unit: "MB more", Goal: atMost("", 4, "MB more")}
	script := figure{What: "memory of its page after the same events (JavaScript heap)", Unit: "MB more", Goal: atMost("", 4, "MB more")}
	before := figure{What: "the console's process before them", Unit: "MB"}
	beforePage := figure{What: "its page before them", Unit: "MB"}
	if err := d.tab.Go(d.console + "/g/" + deskGroup(0)); err != nil {
		return nil, err
	}
	told := 1_000_000 // numbers that no other figure uses
	tell := func(n int) error {
		var wait sync.WaitGroup
		errs := make(chan error, 16)
		for w := range 16 {
			wait.Go(func() {
				for i := w; i < n; i += 16 {
					if err := d.tell(ctx, told+i); err != nil {
						errs <- err
						return
					}
				}
			})
		}
		wait.Wait()
		told += n
		select {
		case err := <-errs:
			return err
		default:
		}
		last := told // one by itself, so that it is the newest
		told++
		if err := d.tell(ctx, last); err != nil {
			return err
		}
		return d.tab.Until(ctx, fmt.Sprintf("document.getElementById('g-lines').textContent.includes('no. %d.')", last))
	}
	weigh := func() (float64, float64, error) {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		page, err := d.tab.Heap()
		return float64(m.HeapAlloc) / 1e6, page / 1e6, err
	}
	if err := tell(some); err != nil {
		return nil, err
	}
	goBefore, pageBefore, err := weigh()
	if err != nil {
		return nil, err
	}
	if err := tell(many); err != nil {
		return nil, err
	}
	goAfter, pageAfter, err := weigh()
	heap.Values, script.Values = sample{goAfter - goBefore}, sample{pageAfter - pageBefore}
	before.Values, beforePage.Values = sample{goBefore}, sample{pageBefore}
	return []figure{heap, before, script, beforePage}, err
}
