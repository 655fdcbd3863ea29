package reconcile

import (
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec"
	"github.com/isacloud/ha-manager/services/executor/driver"
	"github.com/isacloud/ha-manager/services/executor/driver/run"
	"github.com/isacloud/ha-manager/services/executor/internal/group"
)

// oneDesk has the target that it was given. Confirm says yes where nothing is to be waited for, after asked.
type oneDesk struct {
	target group.Target
	asked  func()
	newer  bool // the chain holds an entry that the target knows nothing of
}

func (d *oneDesk) Target() group.Target { return d.target }
func (d *oneDesk) Confirm(_ context.Context, order uint64) bool {
	if d.asked != nil {
		d.asked()
	}
	return !d.newer && d.target.Wait == "" && d.target.Epoch == order
}

// beside is the process app beside a, which runs while the file runs is there. It is stopped by the program stop, which takes the file away, unless the file
// stuck is there.
type beside struct {
	*process
	desk *oneDesk
	dir  string
	told []string
}

func newBeside(t *testing.T) *beside {
	t.Helper()
	dir := t.TempDir()
	res := spec.RunResource{Standby: spec.StandbyStopped, Timeout: time.Minute}
	file := func(name string) string { return filepath.Join(dir, name) }
	res.Start = []string{"touch", file("runs")}
	res.Stop = []string{"sh", "-c", `[ -e "$1/stuck" ] && { echo no; exit 4; }; echo stop >> "$1/changes"; rm "$1/runs"`, "sh", dir}
	res.Running = []string{"test", "-e", file("runs")}
	b := &beside{dir: dir, desk: &oneDesk{target: group.Target{Group: "web", Spec: &spec.Group{}, Epoch: 4, Order: 4, Primary: "b"}}}
	r := New(Options{Name: "ex1", Boot: 1, Wall: time.Now, Log: slog.New(slog.DiscardHandler), Tell: func(ms ...message.Message) {
		for _, m := range ms {
			e := m.(*message.Event)
			if err := message.Validate(e); err != nil {
				t.Error(err)
			}
			b.told = append(b.told, string(e.Severity)+" "+e.Sentence)
		}
	}})
	b.process = &process{r: r, desk: b.desk, group: "web", name: "app", member: spec.Member{Name: "a"}, run: res}
	b.write(t, "runs")
	return b
}

func (b *beside) write(t *testing.T, name string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(b.dir, name), nil, 0o600); err != nil {
		t.Fatal(err)
	}
}

func (b *beside) has(name string) bool {
	_, err := os.Stat(filepath.Join(b.dir, name))
	return err == nil
}

// says looks once, and checks what is told: want are the severity and some words of each event.
func (b *beside) says(t *testing.T, want ...string) {
	t.Helper()
	b.told = nil
	b.once(t.Context())
	if len(b.told) != len(want) {
		t.Fatalf("told %q, want %q", b.told, want)
	}
	for i, w := range want {
		severity, words, _ := strings.Cut(w, " ")
		if !strings.HasPrefix(b.told[i], severity+" ") || !strings.Contains(b.told[i], words) {
			t.Errorf("told %q, want %q", b.told[i], w)
		}
	}
}

// A process beside a member that is not primary is stopped, and told of.
func TestAProcessBesideAStandbyIsStopped(t *testing.T) {
	b := newBeside(t)
	b.says(t, "warning still ran beside a although b is primary, and was stopped")
	if b.has("runs") {
		t.Fatal("it runs")
	}
	b.says(t)
}

// Beside the primary it runs; it is left alone while a run sees to it, and while nothing may be changed, which is told once.
func TestAProcessIsLeftAlone(t *testing.T) {
	b := newBeside(t)
	t.Run("beside the primary", func(t *testing.T) {
		b.desk.target.Primary = "a"
		b.says(t)
		b.desk.target.Primary = "b"
	})
	t.Run("before an epoch is held", func(t *testing.T) {
		b.desk.target.Epoch = 0
		b.says(t)
		b.desk.target.Epoch = 4
	})
	for _, wait := range []string{"the group is paused", "dry run"} {
		t.Run(wait, func(t *testing.T) {
			b.desk.target.Wait = wait
			b.says(t, "critical is left alone: "+wait)
			b.says(t)
			b.alarm = ""
		})
	}
	t.Run("during a swap", func(t *testing.T) {
		b.desk.target.Wait = group.WaitSwap
		b.says(t)
		b.desk.target.Wait = ""
	})
	t.Run("a newer command stands in the chain", func(t *testing.T) {
		b.desk.newer = true
		b.says(t)
	})
	if !b.has("runs") || b.has("changes") {
		t.Error("it was stopped")
	}
}

// Of two executors at a site the one alone stops a process that the member names.
func TestOneExecutorStopsAProcess(t *testing.T) {
	g := &spec.Group{
		Name: "web", Members: []spec.Member{{Name: "a", Site: "sp", Executor: "ex1"}, {Name: "b", Site: "rj", Executor: "ex3"}},
		Resources: []spec.Resource{{Name: "app", Run: &spec.RunResource{Unit: "app", Standby: spec.StandbyStopped, Timeout: time.Minute}}},
	}
	for name, want := range map[string]string{"ex1": "a", "ex2": "", "ex3": "b"} {
		r := New(Options{Name: name, Serves: func(string) bool { return true }, Log: slog.New(slog.DiscardHandler)})
		r.Add("web", &oneDesk{target: group.Target{Group: "web", Spec: g}})
		var watched []string
		for _, p := range r.processes() {
			watched = append(watched, p.member.Name)
		}
		if got := strings.Join(watched, " "); got != want {
			t.Errorf("%s watches the process beside %q, want %q", name, got, want)
		}
	}
}

// Before anything is adopted a process that does not run as is declared is told of, once, and left alone: on the wrong side, on both, on none.
func TestAProcessBeforeTheAdoption(t *testing.T) {
	b := newBeside(t)
	b.desk.target.Epoch, b.desk.target.Order, b.desk.target.Primary, b.desk.target.Wait = 0, 0, "", group.WaitFirst
	declare := func(member string) {
		b.desk.target.Spec = &spec.Group{Adopt: member}
		b.first, b.alarm = "", ""
		b.says(t) // one look alone may be that of a moment
	}
	declare("b")
	b.says(t, "notice runs beside a, and nothing is adopted yet: it is left alone now")
	b.says(t)
	declare("a")
	b.says(t)
	if !b.has("runs") || b.has("changes") {
		t.Fatal("it was stopped")
	}
	if err := os.Remove(filepath.Join(b.dir, "runs")); err != nil {
		t.Fatal(err)
	}
	declare("a")
	b.says(t, "notice does not run beside a, which is to be adopted: adopting starts nothing")
	b.says(t)
	declare("b")
	b.says(t)
	b.write(t, "runs")
	b.desk.target.Epoch, b.desk.target.Order, b.desk.target.Primary, b.desk.target.Wait = 1, 1, "b", ""
	b.says(t, "warning was stopped") // b was adopted
}

// One that cannot be stopped is alarmed about once, and told again when it is gone.
func TestAProcessThatCannotBeStopped(t *testing.T) {
	b := newBeside(t)
	b.write(t, "stuck")
	b.says(t, "critical cannot be stopped")
	b.says(t)
	if err := os.Remove(filepath.Join(b.dir, "runs")); err != nil {
		t.Fatal(err)
	}
	b.says(t, "notice does not run beside a any more")
	b.says(t)
}

// A swap back that begins while the process is being stopped waits for that, and then starts it: what a step has found running or started is never stopped by a
// word that is older than the swap.
func TestASwapBackWaitsForTheStop(t *testing.T) {
	b := newBeside(t)
	args := b.run.For(b.member)
	args.Action, args.Resource = "start", b.name
	with, err := json.Marshal(args)
	if err != nil {
		t.Fatal(err)
	}
	step, err := run.Kind().New(with)
	if err != nil {
		t.Fatal(err)
	}
	defer driver.Close(step)
	in := driver.Input{
		Command: &message.Command{Group: "web", Epoch: 5, Primary: "a", From: "b"}, Step: &message.Step{Name: "start-app", Driver: "run", Executor: "ex1"},
		Executor: "ex1", Now: time.Now, Log: slog.New(slog.DiscardHandler), Secrets: driver.NewSecrets(nil),
	}
	type seen struct {
		driver.Sight
		err error
	}
	looked := make(chan seen, 1)
	b.desk.asked = func() { // the chain confirms epoch 4, and the next entry is the command that leads back
		ctx, cancel := context.WithCancel(t.Context())
		cancel() // a look that has no time to wait takes nothing for running
		if s, err := step.Look(ctx, in); err != nil || s.Done != driver.No || s.Found != "being stopped" {
			t.Errorf("found %+v, %v while it is about to be stopped", s, err)
		}
		if deed, err := step.Do(ctx, in); err == nil || deed.Applied {
			t.Errorf("started while it is about to be stopped: %+v", deed)
		}
		go func() {
			s, err := step.Look(t.Context(), in)
			looked <- seen{s, err}
		}()
	}
	b.says(t, "warning was stopped")
	s := <-looked
	if s.err != nil || s.Done != driver.No {
		t.Fatalf("found %+v, %v: it is stopped", s.Sight, s.err)
	}
	if _, err := step.Do(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	if !b.has("runs") {
		t.Fatal("the swap did not start it")
	}
}
