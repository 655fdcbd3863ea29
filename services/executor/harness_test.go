package executor

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/isacloud/ha-manager/pkg/bus"
	"github.com/isacloud/ha-manager/pkg/bus/embedded"
	"github.com/isacloud/ha-manager/pkg/bus/embedded/bustest"
	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/subject"
	"github.com/isacloud/ha-manager/services/executor/driver"
)

// patience bounds each wait for something that must happen.
const patience = 20 * time.Second

// ledger is a target that outlives processes: a file with a line for each time that a step was applied.
type ledger string

func (l ledger) add(line string) error {
	f, err := os.OpenFile(string(l), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = f.WriteString(line + "\n") // one write of one line: whole or not at all
	return err
}

func (l ledger) lines() []string {
	b, err := os.ReadFile(string(l))
	if err != nil {
		return nil
	}
	return strings.Fields(string(b))
}

func (l ledger) has(line string) bool { return slices.Contains(l.lines(), line) }

// fake is a driver on a ledger. Its configuration says how it behaves.
type fake struct {
	Ledger ledger `json:"ledger"`
	// Says: what Look answers: "" as the ledger has it, "yes", "blind" (unknown), "ends".
	Says string `json:"says"`
	// Fails makes Do fail so many times, as counted in the ledger, without applying anything.
	Fails int `json:"fails"`
	// Slow makes Do wait for the file to be there before it applies.
	Slow string `json:"slow"`
	// Leased makes Do fail where this executor does not keep its member.
	Leased bool `json:"leased"`
}

func (f *fake) line(in driver.Input) string {
	return fmt.Sprintf("%s.%d.%s", in.Command.Group, in.Command.Epoch, in.Step.Name)
}

func (f *fake) Look(_ context.Context, in driver.Input) (driver.Sight, error) {
	s := driver.Sight{Found: "nothing", Wanted: f.line(in), Done: driver.No}
	switch {
	case f.Says == "yes":
		s.Done = driver.Yes
	case f.Says == "blind":
		s.Done = driver.Unknown
	case f.Says == "ends":
		s.Ends, s.Found = true, "the old primary is up"
	case f.Ledger.has(f.line(in)):
		s.Done, s.Found = driver.Yes, f.line(in)
	}
	return s, nil
}

func (f *fake) Do(ctx context.Context, in driver.Input) (driver.Deed, error) {
	if f.Leased && in.Lease == nil {
		return driver.Deed{}, driver.Unasked("the lease is not kept by this executor")
	}
	failed := 0
	for _, l := range f.Ledger.lines() {
		if l == "fail."+f.line(in) {
			failed++
		}
	}
	if failed < f.Fails {
		if err := f.Ledger.add("fail." + f.line(in)); err != nil {
			return driver.Deed{}, err
		}
		return driver.Deed{}, driver.Refused("it says no")
	}
	for f.Slow != "" {
		if _, err := os.Stat(f.Slow); err == nil {
			break
		}
		select {
		case <-time.After(2 * time.Millisecond):
		case <-ctx.Done():
			return driver.Deed{}, driver.InDoubt("%w", context.Cause(ctx))
		}
	}
	return driver.Deed{Applied: true}, f.Ledger.add(f.line(in))
}

func fakeKind() driver.Kind {
	return driver.Kind{
		Name: "fake", Summary: "writes into a file", Example: "{}", Guarantee: driver.Guarantee{Fences: "nothing", FailsClosedWithin: "never", LateEffect: "none", LeavesToAPerson: "nothing"},
		New: func(with json.RawMessage) (driver.Driver, error) {
			f := &fake{}
			return f, json.Unmarshal(with, f)
		},
	}
}

// lab is a bus with executors on it.
type lab struct {
	t      testing.TB
	server *embedded.Server
	opts   embedded.Options // of the server
	bus    *bus.Bus         // as a decider
	ledger ledger
	*record
}

// record is everything that was told on the bus.
type record struct {
	mu   sync.Mutex
	told []message.Message
	more chan struct{}
}

func (r *record) heard() []message.Message {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.told
}

func newLab(t testing.TB, edit ...func(*embedded.Options)) *lab {
	t.Helper()
	l := &lab{t: t, ledger: ledger(filepath.Join(t.TempDir(), "ledger")), record: &record{more: make(chan struct{})}}
	l.server = bustest.Start(t, append(edit, func(o *embedded.Options) { l.opts = *o })...)
	bustest.Connect(t, l.server, "provision").Close()
	l.bus = bustest.Dial(t, l.dial("decider-1", "decider"))
	for _, stream := range []string{subject.StreamSafety, subject.StreamEvents} {
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan struct{})
		go func() {
			defer close(done)
			if err := l.bus.Follow(ctx, bus.FollowOptions{Stream: stream, From: bus.FromAll()}, l.hear); err != nil {
				t.Errorf("follow %s: %v", stream, err)
			}
		}()
		t.Cleanup(func() { cancel(); <-done })
	}
	return l
}

// dial says how to reach the bus: by a socket where it listens, since only so the server can be restarted.
func (l *lab) dial(name, service string) bus.Options {
	if url := l.server.ClientURL(); url != "" {
		return bus.Options{Name: name, Service: service, URLs: []string{url}}
	}
	return l.server.BusOptions(name, service)
}

// restart stops the server, does something meanwhile, and starts it again on the same port and store.
func (l *lab) restart(t *testing.T, meanwhile func()) {
	t.Helper()
	l.opts.Listen = strings.TrimPrefix(l.server.ClientURL(), "nats://")
	bustest.Stop(t, l.server)
	meanwhile()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	again, err := embedded.Start(ctx, l.opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { bustest.Stop(t, again) })
}

// request asks an endpoint.
func (l *lab) request(t *testing.T, subj string, h message.Header, body []byte, into message.Message) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	answer, err := l.bus.Conn().RequestMsgWithContext(ctx, &nats.Msg{Subject: subj, Header: nats.Header(h), Data: body})
	if err != nil {
		t.Fatal(err)
	}
	if err := message.DecodeAs(message.Header(answer.Header), answer.Data, into); err != nil {
		t.Fatalf("%s: %v: %s %v", subj, err, answer.Data, answer.Header)
	}
}

func (l *lab) hear(d bus.Delivery) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.told = append(l.told, d.Message)
	close(l.more)
	l.more = make(chan struct{})
}

// await waits until something was told that f wants, and returns it.
func await[T message.Message](l *lab, what string, f func(T) bool) T {
	l.t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	for next := 0; ; {
		l.mu.Lock()
		told, more := l.told, l.more
		l.mu.Unlock()
		for ; next < len(told); next++ {
			if m, ok := told[next].(T); ok && f(m) {
				return m
			}
		}
		select {
		case <-more:
		case <-deadline.C:
			l.t.Fatalf("nobody told of %s; told was:\n%s", what, l.story())
		}
	}
}

func (l *lab) run(group string, epoch uint64, state message.State) *message.RunResult {
	l.t.Helper()
	return await(l, fmt.Sprintf("run %s %d %s", group, epoch, state), func(m *message.RunResult) bool {
		return m.Group == group && m.Epoch == epoch && m.State == state
	})
}

func (l *lab) step(group string, epoch uint64, step string, state message.State) *message.StepResult {
	l.t.Helper()
	return await(l, fmt.Sprintf("step %s %d %s %s", group, epoch, step, state), func(m *message.StepResult) bool {
		return m.Group == group && m.Epoch == epoch && m.Step == step && m.State == state
	})
}

func (l *lab) story() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var b strings.Builder
	for _, m := range l.told {
		switch m := m.(type) {
		case *message.StepResult:
			fmt.Fprintf(&b, "  %s by %s %s %s\n", m.ID, m.By(), m.Found, m.Problem)
		case *message.RunResult:
			fmt.Fprintf(&b, "  %s by %s: %s\n", m.ID, m.Executor, m.Sentence)
		case *message.Event:
			fmt.Fprintf(&b, "  event %s %s: %s\n", m.Kind, m.Severity, m.Sentence)
		}
	}
	return b.String()
}

// count counts what was told.
func count[T message.Message](l *lab, f func(T) bool) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := 0
	for _, m := range l.told {
		if m, ok := m.(T); ok && f(m) {
			n++
		}
	}
	return n
}

// command makes a command with these steps, each after the one before.
func (l *lab) command(group string, epoch uint64, steps ...message.Step) *message.Command {
	cmd := &message.Command{
		ID: fmt.Sprintf("%s-%d", group, epoch), Group: group, Epoch: epoch, Kind: message.KindFailover, From: "a", Primary: "b", Members: []string{"a", "b"},
		Rule: "R100", Sentence: "a is down", Decider: "decider-1",
		Plan: message.Plan{Steps: steps, Hash: "x", Limit: message.Duration(time.Minute)},
	}
	for i := range cmd.Plan.Steps {
		s := &cmd.Plan.Steps[i]
		if i > 0 && s.After == nil {
			s.After = []string{cmd.Plan.Steps[i-1].Name}
		}
	}
	return cmd
}

func (l *lab) say(says string) json.RawMessage {
	return json.RawMessage(fmt.Sprintf(`{"ledger": %q, "says": %q}`, l.ledger, says))
}

func (l *lab) look(name, says string) message.Step {
	return message.Step{Name: name, Phase: message.PhaseLook, Driver: "fake", With: l.say(says), On: "any", Timeout: message.Duration(5 * time.Second), OnFailure: message.FailPause, Says: "look"}
}

func (l *lab) act(name string, with ...string) message.Step {
	s := message.Step{Name: name, Phase: message.PhaseAct, Driver: "fake", With: l.say(""), On: "any", Timeout: message.Duration(5 * time.Second), OnFailure: message.FailPause, Says: "act"}
	if len(with) > 0 {
		s.With = json.RawMessage(strings.Replace(with[0], "{", fmt.Sprintf(`{"ledger": %q, `, l.ledger), 1))
	}
	return s
}

func (l *lab) verify(name string) message.Step {
	s := l.look(name, "yes")
	s.Phase = message.PhaseVerify
	return s
}

// decide writes an entry of the chain as a decider does.
func (l *lab) decide(m message.Message) uint64 {
	l.t.Helper()
	ctx, cancel := context.WithTimeout(l.t.Context(), patience)
	defer cancel()
	for {
		var after uint64
		if last, err := l.bus.Last(ctx, subject.StreamCommands, subject.Command(m.MessageGroup())); err == nil {
			after = last.Seq
		}
		r, err := l.bus.Propose(ctx, subject.Command(m.MessageGroup()), m, after)
		if err != nil {
			l.t.Fatalf("decide: %v", err)
		}
		if r.Won {
			return r.Entry.Seq
		}
	}
}

// chain reads the whole chain of a group.
func (l *lab) chain(group string) []message.Message {
	l.t.Helper()
	entries, err := l.bus.Since(l.t.Context(), subject.StreamCommands, subject.Command(group), 1, 100)
	if err != nil {
		l.t.Fatal(err)
	}
	var out []message.Message
	for _, e := range entries {
		out = append(out, e.Message)
	}
	return out
}

func (l *lab) held(group string, epoch uint64) int {
	n := 0
	for _, m := range l.chain(group) {
		if h, ok := m.(*message.Held); ok && h.Epoch == epoch {
			n++
		}
	}
	return n
}

// instruct writes an instruction as a decider does.
func (l *lab) instruct(group string, epoch uint64, verb message.Verb, step string, attempt int) {
	l.t.Helper()
	in := &message.Instruction{
		ID: fmt.Sprintf("in.%s.%d.%s.%s.%d", group, epoch, step, verb, attempt), Group: group, Epoch: epoch, Step: step, Attempt: attempt,
		Verb: verb, Actor: "ana", Reason: "seen", Decider: "decider-1",
	}
	if _, err := l.bus.Publish(l.t.Context(), subject.Safety(group, subject.SafetyInstruction, "decider-1"), in); err != nil {
		l.t.Fatal(err)
	}
}

// member is a running executor.
type member struct {
	*Executor
	stop context.CancelFunc
	done chan error
}

// options are those of an executor in a test: it takes over quickly.
func (l *lab) options(name, dir string) Options {
	return Options{
		StateDir: dir, Drivers: append(Drivers(), fakeKind()), TakeOver: 400 * time.Millisecond, Every: 50 * time.Millisecond, Yield: 50 * time.Millisecond, Watch: 100 * time.Millisecond,
		Bus: bustest.Dial(l.t, l.dial(name, "executor")),
	}
}

// start runs an executor until the test ends, or stop is called.
func (l *lab) start(name string, edit ...func(*Options)) *member {
	l.t.Helper()
	o := l.options(name, filepath.Join(l.t.TempDir(), name))
	if testing.Verbose() {
		o.Log = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug})).With("x", name)
	}
	ready := make(chan string, 10)
	o.Ready = func(part, reason string) {
		if reason == "" {
			ready <- part
		}
	}
	for _, f := range edit {
		f(&o)
	}
	x, err := New(o)
	if err != nil {
		l.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	m := &member{Executor: x, stop: cancel, done: make(chan error, 1)}
	go func() { m.done <- x.Run(ctx) }()
	l.t.Cleanup(func() { m.end(l.t) })
	select {
	case <-ready:
	case err := <-m.done:
		m.done <- err
		l.t.Fatalf("executor %s ended: %v", name, err)
	case <-time.After(patience):
		l.t.Fatalf("executor %s does not become ready", name)
	}
	return m
}

// end stops it and waits.
func (m *member) end(t testing.TB) {
	m.stop()
	select {
	case err := <-m.done:
		m.done <- nil
		if err != nil {
			t.Errorf("executor %s ended with %v", m.name, err)
		}
	case <-time.After(patience):
		t.Errorf("executor %s does not stop", m.name)
	}
}
