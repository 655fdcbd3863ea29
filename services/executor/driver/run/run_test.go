package run_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/isacloud/ha-manager/services/executor/driver"
	"github.com/isacloud/ha-manager/services/executor/driver/drivertest"
	"github.com/isacloud/ha-manager/services/executor/driver/run"
)

// program stands for a process: it runs while a file is there, and behaves as the file mode says.
type program struct{ dir, path string }

func newProgram(t *testing.T, name string) *program {
	t.Helper()
	p := &program{dir: t.TempDir()}
	p.path = filepath.Join(p.dir, name)
	body := `#!/bin/sh
dir=` + p.dir + `
mode=$(cat $dir/mode 2>/dev/null)
case "$mode" in
hang) while :; do sleep 0.01; done ;;
refuse) case "$1" in start|stop) echo "no room"; exit 4 ;; esac ;;
esac
case "$1" in
start) echo "start $2" >> $dir/changes; touch $dir/runs; [ "$mode" != dies ] || rm $dir/runs ;;
stop) echo "stop $2" >> $dir/changes; rm -f $dir/runs ;;
is-active) [ -e $dir/runs ] && { echo active; exit 0; }; echo "${mode:-inactive}"; exit 3 ;;
running) [ "$mode" != puzzled ] || { echo "what?"; exit 7; }; [ -e $dir/runs ] ;;
esac
`
	if err := os.WriteFile(p.path, []byte(body), 0o700); err != nil {
		t.Fatal(err)
	}
	return p
}

func (p *program) mode(t *testing.T, m string) func() {
	return func() {
		if err := os.WriteFile(filepath.Join(p.dir, "mode"), []byte(m), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func (p *program) changes() int {
	b, err := os.ReadFile(filepath.Join(p.dir, "changes"))
	if err != nil {
		return 0
	}
	return strings.Count(string(b), "\n")
}

func (p *program) with(action string) string {
	return fmt.Sprintf(`{"action": %q, "resource": "app", "member": "b", "start": [%q, "start"], "stop": [%q, "stop"], "running": [%q, "running"], "timeout_ns": 10000000000}`,
		action, p.path, p.path, p.path)
}

func TestConformance(t *testing.T) {
	drivertest.Run(t, run.Kind(), func(t *testing.T) drivertest.Target {
		p := newProgram(t, "app")
		return drivertest.Target{
			With: p.with("start"), Changes: p.changes, Tells: true, Hang: p.mode(t, "hang"), Refuse: p.mode(t, "refuse"),
			Gone: func() {
				if err := os.Remove(p.path); err != nil {
					t.Fatal(err)
				}
			},
		}
	})
}

func bind(t *testing.T, with string) (driver.Driver, driver.Input) {
	t.Helper()
	in := drivertest.In(t, with)
	d, err := run.Kind().New(json.RawMessage(with))
	if err != nil {
		t.Fatal(err)
	}
	return d, in
}

// One executor starts and stops a process, and for the newest command alone.
func TestOwn(t *testing.T) {
	for _, action := range []string{"start", "stop"} {
		for name, edit := range map[string]func(*driver.Input){
			"another executor is named": func(in *driver.Input) { in.Step.Executor = "other" },
			"none is named":             func(in *driver.Input) { in.Step.Executor = "" },
			"the command is overtaken": func(in *driver.Input) {
				in.Current = func(context.Context) error { return errors.New("a newer command stands in the chain") }
			},
		} {
			p := newProgram(t, "app")
			d, in := bind(t, p.with(action))
			edit(&in)
			if deed, err := d.Do(t.Context(), in); !errors.Is(err, driver.ErrUnasked) || deed.Applied || p.changes() != 0 {
				t.Errorf("%s, where %s: %+v, %v, %d changes", action, name, deed, err, p.changes())
			}
		}
		p := newProgram(t, "app")
		d, in := bind(t, p.with(action))
		in.Current = func(context.Context) error { return nil }
		if deed, err := d.Do(t.Context(), in); err != nil || !deed.Applied || p.changes() != 1 {
			t.Errorf("%s: %+v, %v, %d changes", action, deed, err, p.changes())
		}
	}
}

// A start that dies at once is found by the look that follows it.
func TestAStartThatDiesIsNoStart(t *testing.T) {
	p := newProgram(t, "app")
	p.mode(t, "dies")()
	d, in := bind(t, p.with("start"))
	if _, err := d.Do(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	if s, err := d.Look(t.Context(), in); err != nil || s.Done != driver.No || s.Found != "stopped" {
		t.Errorf("it says %+v, %v", s, err)
	}
}

// Whoever cannot tell whether it runs is not taken for one that says no.
func TestWhoCannotTellSaysNothing(t *testing.T) {
	p := newProgram(t, "app")
	p.mode(t, "puzzled")()
	d, in := bind(t, p.with("stop"))
	if s, err := d.Look(t.Context(), in); err == nil || s.Done == driver.Yes || !strings.Contains(err.Error(), "exit code 7, want 0 for yes or 1 for no: what?") {
		t.Errorf("it says %+v, %v", s, err)
	}
	// It is told before anybody is stopped for it: the evaluation of plans counts what is refused.
	if _, err := d.Look(t.Context(), in); !errors.Is(err, driver.ErrRefused) {
		t.Errorf("a command that says neither yes nor no: %v", err)
	}
}

// A unit is asked for by systemctl: one on its way up or down is neither there for who needs it up nor gone for who needs it gone, and a word that is not known is no answer.
func TestUnit(t *testing.T) {
	p := newProgram(t, "systemctl")
	t.Setenv("PATH", p.dir+":"+os.Getenv("PATH"))
	start, in := bind(t, `{"action": "start", "resource": "app", "member": "b", "unit": "messenger", "timeout_ns": 10000000000}`)
	stop, _ := bind(t, `{"action": "stop", "resource": "app", "member": "b", "unit": "messenger", "timeout_ns": 10000000000}`)
	for _, want := range []struct {
		mode             string
		running, started driver.Done
	}{{"inactive", driver.Yes, driver.No}, {"failed", driver.Yes, driver.No}, {"deactivating", driver.No, driver.No}, {"activating", driver.No, driver.No}, {"reloading", driver.No, driver.Yes}} {
		p.mode(t, want.mode)()
		s, err := stop.Look(t.Context(), in)
		if err != nil || s.Done != want.running {
			t.Errorf("%s: stop says %+v, %v", want.mode, s, err)
		}
		if s, err = start.Look(t.Context(), in); err != nil || s.Done != want.started {
			t.Errorf("%s: start says %+v, %v", want.mode, s, err)
		}
	}
	p.mode(t, "maintenance of some kind")()
	if s, err := stop.Look(t.Context(), in); err == nil || s.Done == driver.Yes {
		t.Errorf("an unknown word is taken for %+v", s)
	}
	if _, err := start.Do(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	if s, err := start.Look(t.Context(), in); err != nil || s.Done != driver.Yes {
		t.Errorf("it says %+v, %v", s, err)
	}
	if b, _ := os.ReadFile(filepath.Join(p.dir, "changes")); string(b) != "start messenger\n" {
		t.Errorf("systemctl was told %q", b)
	}
}
