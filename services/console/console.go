// Package console serves the page with the red button: every group as it is now, what a swap would do, the button that does it, incidents
// and what came of them.
//
// It promises:
//
//   - What it shows is what deciders and the record say, with its age. What is older than a few seconds is shown as old, in words; a page that no
//     longer hears from its console says so over everything else. A wrong green is worse than no page.
//   - The button fires the plan that was shown, or nothing: plan hash and epoch travel with the request, and deciders refuse what has changed.
//   - It decides nothing and holds nothing: started anew, it shows the same. What is kept is bounded.
//   - Text from elsewhere (evidence, reasons, names) is never markup. No other host is contacted, nothing inline runs.
//   - Who may is the door's word. Without one it serves loopback alone.
package console

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/isacloud/ha-manager/pkg/ask"
	"github.com/isacloud/ha-manager/pkg/bus"
	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec"
	"github.com/isacloud/ha-manager/services/console/internal/act"
	"github.com/isacloud/ha-manager/services/console/internal/board"
	"github.com/isacloud/ha-manager/services/console/internal/page"
	"github.com/isacloud/ha-manager/services/console/internal/tongue"
)

// Version of the service as $SRV.INFO says it.
const Version = "1.0.0"

// ErrOptions says what is wrong with the options.
var ErrOptions = errors.New("wrong console options")

// Sibling is the console of another site.
type Sibling struct{ Name, URL string }

// Fault is a button of the demo: it breaks something, or mends it.
type Fault struct {
	Name  string // a message name
	Label string // on the button
	Says  string // what it does
	Group string
	Do    func(ctx context.Context) error
}

// Options of a console. Bus and Listener are required.
type Options struct {
	// Bus must be provisioned.
	Bus *bus.Bus
	// Name and Site of this console; the name defaults to the bus's.
	Name, Site string
	// Program is the version of the program that it is part of, for post-mortems. May be empty.
	Program string
	// Listener is where it serves, with TLS already where that is wanted. Run closes it.
	Listener net.Listener
	// Door says who may. Nil: nobody signs in, and only loopback is served.
	Door Door
	// Faults are the demo's.
	Faults   []Fault
	Siblings []Sibling
	// Log gets what happens to the service and what was pressed; nil: nothing is logged.
	Log *slog.Logger
	// Metrics takes this console's metrics. Nil: none are kept.
	Metrics prometheus.Registerer
	// Ready is called with the reason why it does not serve yet, and with "" once it does. May be nil.
	Ready func(reason string)
	// Now tells the time; default time.Now.
	Now func() time.Time
}

// Console serves pages. Run it once.
type Console struct {
	o       Options
	board   *board.Board
	handler http.Handler
}

// New checks the options and makes the pages. It asks nothing of the bus.
func New(o Options) (*Console, error) {
	switch {
	case o.Bus == nil:
		return nil, fmt.Errorf("%w: no bus", ErrOptions)
	case o.Listener == nil:
		return nil, fmt.Errorf("%w: no listener", ErrOptions)
	}
	o.Name = cmp.Or(o.Name, o.Bus.Name())
	if !message.IsName(o.Name) {
		return nil, fmt.Errorf("%w: name is %q, want 1 to %d letters, digits, '-' or '_'", ErrOptions, o.Name, message.MaxName)
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Ready == nil {
		o.Ready = func(string) {}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	c := &Console{o: o, board: board.New(board.Options{Bus: o.Bus, Log: o.Log, Now: o.Now})}
	open := o.Door == nil
	if open {
		var err error
		if o.Door, _, err = OpenDoor(DoorOptions{Console: spec.Console{Listen: o.Listener.Addr().String()}, Name: o.Name, Site: o.Site, Log: o.Log}); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrOptions, err)
		}
	} else if d, ok := o.Door.(interface{ Open() bool }); ok {
		open = d.Open()
	}
	pages, err := page.New(page.Options{
		Board: c.board, Bus: o.Bus, Name: o.Name, Site: o.Site, Program: o.Program, Siblings: siblings(o.Siblings), Faults: shown(o.Faults), Open: open, Log: o.Log, Now: o.Now,
	})
	if err != nil {
		return nil, err
	}
	var faults []act.Fault
	for i, f := range shown(o.Faults) {
		faults = append(faults, act.Fault{Fault: f, Do: o.Faults[i].Do})
	}
	pressed := newMetrics(o.Metrics)
	desk := act.New(act.Options{Ask: ask.Client{Bus: o.Bus}, Pages: pages, Faults: faults, Log: o.Log, Pressed: pressed})
	inside := http.NewServeMux()
	pages.Routes(inside)
	desk.Routes(inside)
	all := http.NewServeMux()
	o.Door.Routes(all)
	all.Handle("/assets/", pages.Assets())
	all.Handle("/", inside)
	c.handler = guarded(tongue.Remember(o.Door.Wrap(all))) // the door reads a request before any mux does: what could be read in two ways goes no further
	return c, nil
}

func siblings(all []Sibling) []page.Sibling {
	var out []page.Sibling
	for _, s := range all {
		out = append(out, page.Sibling(s))
	}
	return out
}

func shown(all []Fault) []page.Fault {
	var out []page.Fault
	for _, f := range all {
		out = append(out, page.Fault{Name: f.Name, Label: f.Label, Says: f.Says, Group: f.Group})
	}
	return out
}

// newMetrics counts what is pressed.
func newMetrics(to prometheus.Registerer) func(*message.Request, *message.Outcome) {
	if to == nil {
		return nil
	}
	pressed := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "ham_console_pressed_total", Help: "Requests that people sent from the console, by verb and answer: accepted, refused, unanswered.",
	}, []string{"verb", "answer"})
	to.MustRegister(pressed)
	return func(r *message.Request, o *message.Outcome) {
		answer := "unanswered"
		if o != nil {
			answer = map[bool]string{true: "accepted", false: "refused"}[o.Accepted]
		}
		pressed.WithLabelValues(string(r.Verb), answer).Inc()
	}
}

// policy lets a page load its own style sheet, script and pictures, and nothing else; nothing inline runs.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"

// guarded puts on every answer what keeps a browser from doing more than it should with it.
func guarded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Permissions-Policy", "camera=(), microphone=(), geolocation=()")
		h.Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}

// Handler is what it serves, for who brings a server of their own.
func (c *Console) Handler() http.Handler { return c.handler }

// URL is where it is.
func (c *Console) URL() string {
	scheme := "http"
	if d, ok := c.o.Door.(interface{ TLS() *tls.Config }); ok && d.TLS() != nil {
		scheme = "https"
	}
	return scheme + "://" + c.o.Listener.Addr().String() + "/"
}

// Run serves until ctx ends. Its errors are those that no retry mends: a missing permission, a bus that is not provisioned, a listener that broke.
func (c *Console) Run(ctx context.Context) error {
	service, err := c.o.Bus.Serve("ham-console", Version, "shows people how every group is, and takes what they press")
	if err != nil {
		return errors.Join(err, c.o.Listener.Close())
	}
	defer service.Stop()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	server := &http.Server{
		Handler: c.handler, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 15 * time.Second, WriteTimeout: 30 * time.Second, IdleTimeout: 2 * time.Minute,
		MaxHeaderBytes: 32 << 10, BaseContext: func(net.Listener) context.Context { return ctx }, ErrorLog: slog.NewLogLogger(c.o.Log.Handler(), slog.LevelDebug),
	}
	ends := make(chan error, 2)
	go func() { ends <- c.board.Run(ctx) }()
	go func() {
		err := server.Serve(c.o.Listener)
		if errors.Is(err, http.ErrServerClosed) {
			err = nil
		}
		ends <- err
	}()
	c.o.Ready("")
	var first error
	select {
	case <-ctx.Done():
	case first = <-ends:
		ends <- nil
	}
	stop() // streams end with it
	bound, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	if err := server.Shutdown(bound); err != nil {
		_ = server.Close() // what does not end by then is cut
	}
	return cmp.Or(first, <-ends, <-ends)
}
