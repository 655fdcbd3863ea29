// Package drivertest is the suite that every driver passes: it holds them to the promises of package driver.
//
//	drivertest.Run(t, exec.Kind(), func(t *testing.T) drivertest.Target { … })
package drivertest

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"maps"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/services/executor/driver"
)

// Secret is what the reference ${env:SUITE_SECRET} holds in the suite. A target that can should show it where it fails.
const Secret = `hunter2&"quoted"/x`

// Target is something that a driver can be tried on. The functions change how it behaves from then on; one that is nil says that the
// driver has no such case.
type Target struct {
	// With is the configuration that points at it. Where the kind takes secrets, it refers to ${env:SUITE_SECRET}.
	With string
	// Lease is what the executor keeps of the group's lease. Nil for a driver that does not ask for one.
	Lease driver.Lease
	// Groups answers for other groups. Nil for a driver that does not ask about any.
	Groups driver.Groups
	// Changes counts how often the target was changed. Nil for a driver that never changes anything.
	Changes func() int
	// Tells: the target can tell whether the step is done already.
	Tells bool
	// Hang makes it take what is asked and never answer.
	Hang func()
	// Refuse makes it say no to what is asked.
	Refuse func()
	// Gone makes it impossible to ask it.
	Gone func()
}

// Run runs the suite; open makes a new target that is reachable, willing and not yet as wanted.
func Run(t *testing.T, kind driver.Kind, open func(t *testing.T) Target) {
	t.Run("describes itself", func(t *testing.T) {
		if err := driver.Check([]driver.Kind{kind}); err != nil {
			t.Error(err)
		}
		if _, err := kind.New(json.RawMessage(kind.Example)); err != nil {
			t.Errorf("its own example is refused: %v", err)
		}
	})
	t.Run("names the wrong key", func(t *testing.T) { wrongKey(t, kind, open(t)) })
	t.Run("does it", func(t *testing.T) { does(t, kind, open(t)) })
	t.Run("a look changes nothing", func(t *testing.T) { looks(t, kind, open(t)) })
	t.Run("done is done", func(t *testing.T) { idempotent(t, kind, open(t)) })
	t.Run("a dry run changes nothing", func(t *testing.T) { rehearses(t, kind, open(t)) })
	t.Run("keeps the deadline", func(t *testing.T) { deadline(t, kind, open(t)) })
	t.Run("stops when cancelled", func(t *testing.T) { cancelled(t, kind, open(t)) })
	t.Run("the target says no", func(t *testing.T) { refused(t, kind, open(t)) })
	t.Run("the target cannot be asked", func(t *testing.T) { gone(t, kind, open(t)) })
	t.Run("tells no secret", func(t *testing.T) { secrets(t, kind, open) })
	t.Run("leaves no goroutine", func(t *testing.T) { leaks(t, kind, open(t)) })
}

// In is the input of a step, as the engine gives it.
func In(t testing.TB, with string) driver.Input {
	return driver.Input{
		Command: &message.Command{ID: "suite", Group: "web", Epoch: 7, Kind: message.KindFailover, From: "a", Primary: "b", Members: []string{"a", "b"}},
		Step: &message.Step{Name: "suite", Phase: message.PhaseAct, On: "new", Executor: "suite", With: json.RawMessage(with), Timeout: message.Duration(10 * time.Second),
			OnFailure: message.FailPause, Says: "be tried"},
		Executor: "suite", Log: slog.New(slog.DiscardHandler), Now: time.Now,
		Secrets: driver.NewSecrets(func(kind, name string) (string, error) {
			if kind == "env" && name == "SUITE_SECRET" {
				return Secret, nil
			}
			return "", errors.New("no such secret")
		}),
	}
}

// of is the input of a step that is about the target.
func of(t testing.TB, target Target) driver.Input {
	in := In(t, target.With)
	in.Lease, in.Groups, in.Attempt = target.Lease, target.Groups, 1
	return in
}

// bound binds as the executor does.
func bound(t testing.TB, kind driver.Kind, in driver.Input) driver.Driver {
	t.Helper()
	in.Step.Driver = kind.Name
	d, err := driver.Bind([]driver.Kind{kind})(in.Step)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { driver.Close(d) })
	return d
}

func within(t testing.TB, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

// patience is what a target that behaves may take.
const patience = 10 * time.Second

func wrongKey(t *testing.T, kind driver.Kind, target Target) {
	var with map[string]any
	if err := json.Unmarshal([]byte(target.With), &with); err != nil {
		t.Fatal(err)
	}
	check := func(key string, with map[string]any) {
		t.Helper()
		b, err := json.Marshal(with)
		if err != nil {
			t.Fatal(err)
		}
		_, err = kind.New(b)
		var wrong *driver.ConfigError
		if !errors.As(err, &wrong) || !strings.Contains(err.Error(), key) {
			t.Errorf("with %s it says %v, want a ConfigError that names %q", b, err, key)
		}
	}
	unknown := maps.Clone(with)
	unknown["no_such_key"] = 1
	check("no_such_key", unknown)
	for _, key := range slices.Sorted(maps.Keys(with)) {
		misshapen := maps.Clone(with)
		misshapen[key] = []any{map[string]any{"x": 1}} // no key of any kind is a list of such objects
		check(key, misshapen)
	}
	for _, empty := range []string{"", "{}", "null", "[]", `{"a":1} {}`} {
		if _, err := kind.New(json.RawMessage(empty)); err == nil {
			t.Errorf("the configuration %q is accepted", empty)
		}
	}
}

func changes(t Target) int {
	if t.Changes == nil {
		return 0
	}
	return t.Changes()
}

func does(t *testing.T, kind driver.Kind, target Target) {
	in := of(t, target)
	d := bound(t, kind, in)
	ctx := within(t, patience)
	before, err := d.Look(ctx, in)
	if err != nil {
		t.Fatalf("look: %v", err)
	}
	if before.Done == driver.Yes {
		t.Fatalf("it is done before it began: %+v", before)
	}
	if before.Wanted == "" || before.Found == "" {
		t.Errorf("the difference is not told: %+v", before)
	}
	deed, err := d.Do(ctx, in)
	if err != nil {
		t.Fatalf("do: %v", err)
	}
	if deed.Applied != (target.Changes != nil) {
		t.Errorf("applied is %t, and it changed the target %d times", deed.Applied, changes(target))
	}
	if target.Changes != nil && changes(target) == 0 {
		t.Error("the target was not changed")
	}
	after, err := d.Look(ctx, in)
	if err != nil {
		t.Fatalf("look again: %v", err)
	}
	want := driver.Unknown
	if target.Tells {
		want = driver.Yes
	}
	if after.Done != want && !(want == driver.Unknown && after.Done == driver.No) {
		t.Errorf("afterwards done is %s, want %s: %+v", after.Done, want, after)
	}
}

func looks(t *testing.T, kind driver.Kind, target Target) {
	in := of(t, target)
	d := bound(t, kind, in)
	for range 3 {
		if _, err := d.Look(within(t, patience), in); err != nil {
			t.Fatal(err)
		}
	}
	if n := changes(target); n != 0 {
		t.Errorf("looking changed the target %d times", n)
	}
}

func idempotent(t *testing.T, kind driver.Kind, target Target) {
	if !target.Tells || target.Changes == nil {
		t.Log("the target cannot tell, or nothing is changed")
		return
	}
	in := of(t, target)
	d := bound(t, kind, in)
	ctx := within(t, patience)
	if _, err := d.Do(ctx, in); err != nil {
		t.Fatal(err)
	}
	n := changes(target)
	sight, err := d.Look(ctx, in)
	if err != nil || sight.Done != driver.Yes {
		t.Errorf("a second look does not find it done: %+v, %v", sight, err)
	}
	if again := changes(target); again != n {
		t.Errorf("it was changed %d times, and after a look %d times", n, again)
	}
}

func rehearses(t *testing.T, kind driver.Kind, target Target) {
	in := of(t, target)
	in.Step.Driver = kind.Name
	d, err := driver.Rehearse(driver.Bind([]driver.Kind{kind}))(in.Step)
	if err != nil {
		t.Fatal(err)
	}
	defer driver.Close(d)
	if _, err := d.Look(within(t, patience), in); err != nil {
		t.Error(err)
	}
	if _, err := d.Do(within(t, patience), in); !errors.Is(err, driver.ErrRehearsed) {
		t.Errorf("do in a dry run says %v", err)
	}
	if n := changes(target); n != 0 {
		t.Errorf("a dry run changed the target %d times", n)
	}
}

// both calls Look and Do and gives how long each took and what it said.
func both(ctx func() context.Context, d driver.Driver, in driver.Input) (took []time.Duration, errs []error) {
	for _, f := range []func(context.Context) error{
		func(ctx context.Context) error { _, err := d.Look(ctx, in); return err },
		func(ctx context.Context) error { _, err := d.Do(ctx, in); return err },
	} {
		began := time.Now()
		errs = append(errs, f(ctx()))
		took = append(took, time.Since(began))
	}
	return took, errs
}

func deadline(t *testing.T, kind driver.Kind, target Target) {
	if target.Hang == nil {
		t.Log("it cannot hang")
		return
	}
	in := of(t, target)
	d := bound(t, kind, in)
	target.Hang()
	took, errs := both(func() context.Context { return within(t, 150*time.Millisecond) }, d, in)
	for i, what := range []string{"look", "do"} {
		if took[i] > 150*time.Millisecond+driver.Grace {
			t.Errorf("%s took %s with a time limit of 150ms", what, took[i])
		}
	}
	if errs[1] == nil {
		t.Error("do hung and says that it was done")
	}
}

func cancelled(t *testing.T, kind driver.Kind, target Target) {
	if target.Hang == nil {
		t.Log("it cannot hang")
		return
	}
	in := of(t, target)
	d := bound(t, kind, in)
	target.Hang()
	took, errs := both(func() context.Context {
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(100*time.Millisecond, func() { cancel(errors.New("epoch 8 took its place")) })
		return ctx
	}, d, in)
	for i, what := range []string{"look", "do"} {
		if took[i] > 100*time.Millisecond+driver.Grace {
			t.Errorf("%s went on for %s after it was cancelled", what, took[i])
		}
	}
	if errs[1] == nil {
		t.Error("do was cancelled and says that it was done")
	}
}

func refused(t *testing.T, kind driver.Kind, target Target) {
	if target.Refuse == nil {
		t.Log("it cannot refuse")
		return
	}
	in := of(t, target)
	d := bound(t, kind, in)
	target.Refuse()
	if _, err := d.Do(within(t, patience), in); !errors.Is(err, driver.ErrRefused) || errors.Is(err, driver.ErrUnasked) {
		t.Errorf("the target said no, and do says: %v", err)
	}
}

func gone(t *testing.T, kind driver.Kind, target Target) {
	if target.Gone == nil {
		t.Log("it can always be asked")
		return
	}
	in := of(t, target)
	d := bound(t, kind, in)
	target.Gone()
	if _, err := d.Do(within(t, time.Second), in); !errors.Is(err, driver.ErrUnasked) || errors.Is(err, driver.ErrRefused) {
		t.Errorf("the target could not be asked, and do says: %v", err)
	}
}

func secrets(t *testing.T, kind driver.Kind, open func(*testing.T) Target) {
	for _, c := range []struct {
		name string
		make func(Target) func()
	}{
		{"willing", func(Target) func() { return func() {} }},
		{"refusing", func(t Target) func() { return t.Refuse }},
		{"hanging", func(t Target) func() { return t.Hang }},
		{"gone", func(t Target) func() { return t.Gone }},
	} {
		target := open(t)
		set := c.make(target)
		if set == nil || !strings.Contains(target.With, "${env:SUITE_SECRET}") {
			continue
		}
		set()
		in := of(t, target)
		d := bound(t, kind, in)
		ctx := within(t, time.Second)
		sight, lookErr := d.Look(ctx, in)
		deed, doErr := d.Do(ctx, in)
		said := []string{sight.Found, sight.Wanted, sight.Evidence, deed.Evidence}
		for _, err := range []error{lookErr, doErr} {
			if err != nil {
				said = append(said, err.Error())
			}
		}
		for _, s := range said {
			if strings.Contains(s, "hunter2") {
				t.Errorf("%s: the secret is told: %s", c.name, s)
			}
		}
	}
}

func leaks(t *testing.T, kind driver.Kind, target Target) {
	in := of(t, target)
	d := bound(t, kind, in)
	before := runtime.NumGoroutine()
	for range 5 {
		_, _ = both(func() context.Context { return within(t, patience) }, d, in)
	}
	if target.Hang != nil {
		target.Hang()
		_, _ = both(func() context.Context { return within(t, 100*time.Millisecond) }, d, in)
	}
	driver.Close(d)
	var now int
	for until := time.Now().Add(5 * time.Second); time.Now().Before(until); time.Sleep(10 * time.Millisecond) {
		if now = runtime.NumGoroutine(); now <= before {
			return
		}
	}
	stacks := make([]byte, 1<<16)
	t.Errorf("%d goroutines before, %d after:\n%s", before, now, stacks[:runtime.Stack(stacks, true)])
}
