package executor

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/isacloud/ha-manager/pkg/ask"
	"github.com/isacloud/ha-manager/pkg/bus"
	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec"
	"github.com/isacloud/ha-manager/pkg/spec/store"
	"github.com/isacloud/ha-manager/pkg/subject"
	"github.com/isacloud/ha-manager/services/executor/driver"
	"github.com/isacloud/ha-manager/services/executor/internal/gather"
)

const gatheredGroup = `
group: web
mode: dry-run
members:
  a: {site: sp, url: "http://127.0.0.1:1"}
  b: {site: rj, url: "http://127.0.0.1:1"}
checks:
  alive: {http: /alive, every: 6s, timeout: 5s, from: [sp, rj]}
gather:
  - {name: words, command: [sh, -c, 'echo "$HAM_MEMBER knows $WORD"'], env: {WORD: "${env:WORD}"}}
`

// gathering is a lab whose stream of what was gathered is followed, too, with a group that has a spec.
func gathering(t *testing.T) *lab {
	l := newLab(t)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := l.bus.Follow(ctx, bus.FollowOptions{Stream: subject.StreamGathered, From: bus.FromAll()}, l.hear); err != nil {
			t.Errorf("follow what was gathered: %v", err)
		}
	}()
	t.Cleanup(func() { cancel(); <-done })
	if _, err := store.Put(t.Context(), l.bus, gatheredGroup, "ana", "test", store.AnyRevision); err != nil {
		t.Fatal(err)
	}
	return l
}

// incident tells that one opened or ended, as deciders do: each tells the same.
func (l *lab) incident(id string, opened bool) {
	l.t.Helper()
	for _, decider := range []string{"decider-1", "decider-2"} {
		e := &message.Event{
			ID: "ev." + id + "." + map[bool]string{true: "opened", false: "ended"}[opened], Group: "web", Kind: message.EventIncident, Severity: message.Warning,
			Sentence: "x", Incident: id, Opened: &opened, Writer: decider,
		}
		ctx, cancel := context.WithTimeout(l.t.Context(), patience)
		_, err := l.bus.Publish(ctx, subject.Event("web", message.EventIncident, decider), e)
		cancel()
		if err != nil {
			l.t.Fatal(err)
		}
	}
}

func (l *lab) gathered(executor, when string) *message.Gathered {
	l.t.Helper()
	return await(l, "what "+executor+" gathered, "+when, func(m *message.Gathered) bool { return m.Executor == executor && m.When == when })
}

// What is to be seen when an incident opens, a step fails and the incident ends is in the record, from each executor beside a member; secrets are not.
func TestGathersWhenAnIncidentOpens(t *testing.T) {
	t.Parallel()
	l := gathering(t)
	secrets := func(o *Options) {
		o.Secrets = func(_, name string) (string, error) {
			if name == "WORD" {
				return "hunter2", nil
			}
			return "", errors.New("not here")
		}
	}
	l.start("x1", secrets, func(o *Options) { o.Sites = []string{"sp"} })
	l.start("x2", secrets, func(o *Options) { o.Sites = []string{"rj"} })
	l.start("x3", secrets, func(o *Options) { o.Sites = []string{"witness"} })
	l.incident("web-1", true)
	for name, site := range map[string]string{"x1": "sp", "x2": "rj"} {
		m := l.gathered(name, message.GatherOpened)
		member := map[string]string{"sp": "a", "rj": "b"}[site]
		if m.Incident != "web-1" || m.Site != site || len(m.Clues) != 2 {
			t.Fatalf("%+v", m)
		}
		if c := m.Clues[0]; c.Name != "host" || c.Text == "" {
			t.Errorf("%+v", c)
		}
		if c := m.Clues[1]; c.Name != "words at "+member || c.Text != member+" knows ***" || c.Err != "" {
			t.Errorf("%+v", c)
		}
	}
	bad := l.act("fails", `{"fails": 1000}`)
	cmd := l.command("web", 1, bad)
	cmd.Incident = "web-1"
	l.decide(cmd)
	l.step("web", 1, "fails", message.StatePaused)
	l.instruct("web", 1, message.VerbSkip, "fails", 1)
	l.run("web", 1, message.StateDone)
	if m := l.gathered("x1", message.GatherStep); m.Epoch != 1 || m.Incident != "web-1" {
		t.Errorf("%+v", m)
	}
	l.incident("web-1", false)
	l.gathered("x1", message.GatherEnded)
	l.gathered("x2", message.GatherEnded)
	if n := count(l, func(m *message.Gathered) bool { return m.Executor == "x3" || m.When == message.GatherOpened }); n != 2 {
		t.Errorf("%d were told of the opening, want one of each executor beside a member", n)
	}
}

// A look that hangs for ever delays no step of a swap, and neither does what the others found: it is stored when the swap is over.
func TestAHangingClueDelaysNoStep(t *testing.T) {
	t.Parallel()
	l := gathering(t)
	begun := make(chan struct{})
	deaf := make(chan struct{})
	defer close(deaf)
	l.start("x1", func(o *Options) {
		o.gather = func(g *gather.Options) {
			g.Limit = time.Hour
			g.Clues = func(*spec.Group, *driver.Secrets) []gather.Clue {
				return []gather.Clue{{Name: "deaf", Look: func(context.Context) (string, error) {
					close(begun)
					<-deaf
					return "", nil
				}}}
			}
		}
	})
	l.incident("web-1", true)
	select {
	case <-begun:
	case <-time.After(patience):
		t.Fatal("nothing is looked at")
	}
	l.decide(l.command("web", 1, l.look("look-again", "yes"), l.act("one"), l.verify("verify")))
	l.run("web", 1, message.StateDone)
	l.check(t, "web", 1, "one")
	if n := count(l, func(*message.Gathered) bool { return true }); n != 0 {
		t.Error("something was told although nothing came back")
	}
}

// Whoever asks is answered by every executor, and nothing is stored.
func TestGathersForWhoeverAsks(t *testing.T) {
	t.Parallel()
	l := gathering(t)
	l.start("x1", func(o *Options) { o.Sites = []string{"sp"} })
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var m message.Gathered
	l.request(t, subject.Gather("web"), nil, nil, &m)
	if m.When != message.GatherAsked || m.Executor != "x1" || len(m.Clues) != 2 {
		t.Fatalf("%+v", m)
	}
	// The same, as `ham gather` asks.
	l.start("x2", func(o *Options) { o.Sites = []string{"witness"} })
	found, silent, err := ask.Client{Bus: l.bus}.Gather(ctx, "web")
	if err != nil || len(silent) > 0 || len(found) != 1 || found[0].Executor != "x1" {
		t.Errorf("%+v, silent %v, %v", found, silent, err)
	}
	info, err := l.bus.JS().Stream(ctx, subject.StreamGathered)
	if err != nil {
		t.Fatal(err)
	}
	if n := info.CachedInfo().State.Msgs; n != 0 {
		t.Errorf("%d were stored", n)
	}
}
