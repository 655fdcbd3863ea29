// Package demo is `ham demo`: the whole loop on one machine, with real processes for what is watched and swapped.
package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/isacloud/ha-manager/cmd/ham/internal/stack"
	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec"
	"github.com/isacloud/ha-manager/pkg/spec/file"
	"github.com/isacloud/ha-manager/pkg/spec/store"
)

// Options of Run.
type Options struct {
	// Program is this binary: sites run as processes of their own.
	Program string
	// Script runs the whole story and ends; otherwise the demo stays up until ctx ends.
	Script bool
	Out    io.Writer
	Color  bool
	Log    *slog.Logger
	// Listen is where the bus shall listen; a free port of loopback is taken where it is in use.
	Listen string
}

// partTime bounds each part of the story.
const partTime = 20 * time.Second

// demo is the running demo.
type demo struct {
	Options
	*story
	stack   *stack.Stack
	router  *router
	sitesMu sync.Mutex // the page's buttons and the story both start and kill
	sites   map[string]*process
	addrs   map[string]string
	clients *clients
	record  *record
	chat    *chat
	summary Summary
}

const group = "web"

// Run tells the story. The summary is filled as far as the story came; an error says which part did not happen.
func Run(ctx context.Context, o Options) (*Summary, error) {
	d := &demo{Options: o, story: &story{out: o.Out, began: time.Now(), color: o.Color}, sites: map[string]*process{}, addrs: map[string]string{}}
	d.summary.Group = group
	d.chat = d.story.chat()
	dir, err := os.MkdirTemp("", "ham-demo-")
	if err != nil {
		return &d.summary, err
	}
	defer os.RemoveAll(dir)
	defer d.stopChildren()

	err = d.play(ctx, dir)
	d.summary.OK = err == nil
	d.summary.ChatLines = d.chat.count()
	d.summary.TookMS = millis(time.Since(d.began))
	return &d.summary, err
}

// play brings everything up, tells the story, and takes it down in the reverse order.
func (d *demo) play(ctx context.Context, dir string) error {
	if err := d.part(ctx, "up", func(ctx context.Context) error { return d.start(ctx, dir) }); err != nil {
		if d.stack != nil {
			err = errors.Join(err, d.stack.Close())
		}
		return err
	}
	serveCtx, stopClients := context.WithCancel(ctx)
	clientsGone := make(chan struct{})
	go func() { defer close(clientsGone); d.clients.run(serveCtx) }()
	// The services get a context of their own, so that they end after the clients.
	runCtx, stopServices := context.WithCancel(context.WithoutCancel(ctx))
	ran := make(chan error, 1)
	go func() { ran <- d.stack.Run(runCtx) }()

	told := make(chan error, 1)
	storyCtx, stopStory := context.WithCancel(ctx)
	defer stopStory()
	go func() { told <- d.tell(storyCtx) }()

	var err error
	running := true
	select {
	case err = <-told:
		if err == nil && !d.Script {
			d.help()
			select {
			case <-ctx.Done():
			case err = <-ran:
				running = false
			}
		}
	case err = <-ran:
		running = false
		stopStory()
		<-told
	}
	if errors.Is(err, context.Canceled) && ctx.Err() != nil {
		err = nil // Ctrl-C is how the demo ends
		if d.Script {
			err = errors.New("interrupted before the story was told")
		}
	}
	stopClients()
	<-clientsGone
	stopServices()
	if running {
		err = errors.Join(err, <-ran)
	}
	err = errors.Join(err, d.stack.Close())
	if !d.Script {
		d.say(dim, "end", "everything is stopped, nothing is left behind")
	}
	return err
}

// part runs one part of the story in bounded time and notes whether it happened.
func (d *demo) part(ctx context.Context, name string, f func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, partTime)
	defer cancel()
	began := time.Now()
	err := f(ctx)
	p := Part{Name: name, OK: err == nil, TookMS: millis(time.Since(began))}
	if err != nil {
		err = fmt.Errorf("demo, part %s: %w", name, err)
		p.Problem = err.Error()
	}
	d.summary.Parts = append(d.summary.Parts, p)
	return err
}

// start brings up the sites, the router and the services.
func (d *demo) start(ctx context.Context, dir string) error {
	d.chapter("Two sites, a router in front of them, and ham")
	for _, site := range []string{"a", "b"} {
		addr, err := freeAddr()
		if err != nil {
			return err
		}
		d.addrs[site] = addr
		if d.sites[site], err = startSite(ctx, d.Program, site, addr); err != nil {
			return err
		}
		d.say(green, "site "+site, "a real HTTP server, pid %d, at http://%s", d.sites[site].pid(), addr)
	}
	var err error
	if d.router, err = startRouter(ctx, d.Program, dir, d.addrs["a"], d.addrs["b"]); err != nil {
		return err
	}
	d.summary.Router = d.router.name
	d.say(green, "router", "%s, pid %d, at %s, runtime API at %s", d.router.kind, d.router.pid(), d.router.url, d.router.admin)
	d.clients = newClients(d.router.url)

	f, err := file.Parse("demo.yaml", []byte(specText(d.addrs["a"], d.addrs["b"], d.router.admin)))
	if err != nil {
		return err
	}
	p := *f.Process
	p.StateDir = filepath.Join(dir, "state")
	p.HTTP = "127.0.0.1:0"
	p.Console = spec.Console{Listen: spec.DefaultConsoleListen}
	p.Bus.Listen = freeOr(d.Listen)
	if d.stack, err = stack.Start(ctx, stack.Options{Process: p, Out: d.chat, Log: d.Log, Faults: d.faults()}); err != nil {
		return err
	}
	d.say(green, "ham", "prober with three vantages (sp, rj, witness), decider, executor and notifier in this process; bus at %s", d.stack.URL())
	d.say(green, "page", "open %s in a browser: it shows all of this as it happens, and has the red button", d.stack.Console)
	d.record = newRecord(d.narrate)
	if err := d.record.follow(context.WithoutCancel(ctx), d.stack.Bus, group); err != nil {
		return err
	}
	_, err = store.Put(ctx, d.stack.Bus, f.Groups[0].GroupText, "demo", "the demo's group", store.AnyRevision)
	return err
}

// freeOr is addr if it is free, else a port of the system's choice.
func freeOr(addr string) string {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return "127.0.0.1:0"
	}
	l.Close()
	return addr
}

// narrate tells what goes over the bus.
func (d *demo) narrate(m message.Message) {
	switch m := m.(type) {
	case *message.Command:
		for _, v := range m.Evidence {
			if v.Says == "up" {
				continue // of a planned swap: all is well
			}
			hard := ""
			if v.Hard {
				hard = " (hard evidence: counts at once)"
			}
			d.say(yellow, "prober", "%s sees %s %s: %s%s", v.Vantage, v.Member, v.Says, v.Evidence, hard)
		}
		d.say(yellow, "decider", "epoch %d, %s to %s, by rule %s: %s", m.Epoch, m.Kind, m.Primary, m.Rule, m.Sentence)
	case *message.RunResult:
		if m.State == message.StateStarted || m.State == message.StateHeld {
			return
		}
		d.tellRun(m)
	case *message.Event:
		if m.Outcome != nil {
			d.say(yellow, "decider", "%s", m.Outcome.Sentence)
		}
	}
}

// tellRun tells the steps of a run in the order of its plan, once it has ended: step results and the chain come by different
// streams, each in its own order.
func (d *demo) tellRun(run *message.RunResult) {
	command, steps := d.record.of(run.Epoch)
	held := false
	for _, s := range command.Plan.Steps {
		if s.Phase != message.PhaseLook && !held {
			held = true
			d.say(yellow, "executor", "%s holds epoch %d: from here the swap only goes forward", run.Primary, run.Epoch)
		}
		for _, m := range steps {
			if m.Step == s.Name {
				d.say(yellow, "executor", "step %s: %s in %.1f ms%s", m.Step, m.State, microMillis(m.TookMicros), detail(m))
			}
		}
	}
	d.say(green, "executor", "%s", run.Sentence)
}

func detail(m *message.StepResult) string {
	switch {
	case m.Problem != "":
		return ": " + m.Problem
	case m.Evidence != "":
		return ": " + m.Evidence
	}
	return ""
}

func (d *demo) stopChildren() {
	if d.router != nil {
		d.router.kill()
	}
	d.sitesMu.Lock()
	defer d.sitesMu.Unlock()
	for _, s := range d.sites {
		s.kill()
	}
}

func (d *demo) help() {
	server := ""
	if d.stack.URL() != "nats://"+defaultListen {
		server = "  (set HAM_SERVER=" + d.stack.URL() + " first: the usual port was taken)"
	}
	d.chapter("It stays up. Try it from another terminal%s", server)
	d.plain("  %-44s the page with the red button, and buttons that break things", d.stack.Console)
	for _, line := range []string{
		"ham status                                   how it stands, and what would happen if the primary died now",
		"ham plan web                                 what the red button would do",
		"ham switchover web                           swap the roles, both sides healthy",
		fmt.Sprintf("kill -9 %-6d                               kill site a (b has pid %d) and watch", d.site("a").pid(), d.site("b").pid()),
		"ham incidents; ham postmortem web-1          what happened, with all times",
		"nats request ham.v1.ask.web.switchover ''    the same with any NATS client, with an answer",
		"nats publish ham.v1.request.web.failback.me ''  or without one",
	} {
		d.plain("  %s", line)
	}
	d.plain("  (`ham` is `go run ./cmd/ham`, or bin/ham after `go tool task build`.) Ctrl-C ends everything.")
}

const defaultListen = "127.0.0.1:4222"
