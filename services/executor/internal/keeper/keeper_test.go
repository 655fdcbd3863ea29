package keeper_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/isacloud/ha-manager/pkg/lease"
	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec"
	"github.com/isacloud/ha-manager/services/executor/driver"
	"github.com/isacloud/ha-manager/services/executor/guard"
	"github.com/isacloud/ha-manager/services/executor/guard/guardtest"
	"github.com/isacloud/ha-manager/services/executor/internal/chain"
	"github.com/isacloud/ha-manager/services/executor/internal/epochs"
	"github.com/isacloud/ha-manager/services/executor/internal/keeper"
	"github.com/isacloud/ha-manager/services/executor/resource"
)

const (
	ttl  = time.Second
	late = 50 * time.Millisecond
)

var wait = lease.Wait(ttl, late)

// world is two members with their keepers, three deciders and a chain, in virtual time.
type world struct {
	t     *testing.T
	began time.Time
	ctx   context.Context

	mu       sync.Mutex
	deciders map[string]*lease.Grants
	view     chain.View
	seq      uint64
	members  map[string]*side
	noBus    map[string]bool          // members that the bus does not reach
	noPeer   map[string]bool          // members that other members do not reach
	noStore  map[string]bool          // members whose words are not stored, and not refused either
	slow     time.Duration            // how long each answer travels back
	asked    map[string]time.Duration // the shortest wait that each member asked a promise for
	lied     bool                     // a person vouched for what was not so: two may be open
	told     []string
}

// side is one member.
type side struct {
	w      *world
	name   string
	store  *epochs.Store
	guard  *tracked
	res    *database
	keeper *keeper.Keeper
	stop   func()

	stalled atomic.Int64 // when the disk takes writes again
}

func in(t *testing.T, story func(w *world)) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, began: time.Now(), ctx: t.Context(), deciders: map[string]*lease.Grants{}, members: map[string]*side{}, noBus: map[string]bool{}, noPeer: map[string]bool{}, noStore: map[string]bool{}, asked: map[string]time.Duration{}}
		for _, d := range []string{"d1", "d2", "d3"} {
			w.deciders[d] = lease.NewGrants(-time.Hour, wait)
		}
		for _, m := range []string{"a", "b"} {
			w.members[m] = w.side(m, t.TempDir())
			w.members[m].start()
		}
		defer func() {
			for _, s := range w.members {
				s.stop()
				_ = s.store.Close()
			}
		}()
		story(w)
	})
}

func (w *world) now() time.Duration { return time.Since(w.began) }

func (w *world) say(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.told = append(w.told, fmt.Sprintf(format, args...))
}

// heard returns what was said since the last call, without what is said again and again.
func (w *world) heard() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	out := strings.Join(w.told, "\n")
	w.told = nil
	return out
}

func (w *world) side(name, dir string) *side {
	store, err := epochs.Open(dir)
	if err != nil {
		w.t.Fatal(err)
	}
	s := &side{w: w, name: name, store: store, res: &database{w: w, name: name, died: make(chan struct{}, 1)}}
	fake := guardtest.NewFake(w.now)
	s.guard = &tracked{Guard: fake, fake: fake, side: s}
	return s
}

// start begins a life of the executor.
func (s *side) start() {
	w := s.w
	k, err := keeper.New(keeper.Options{
		Group: "orders", Executor: "x-" + s.name, Member: spec.Member{Name: s.name}, Store: disk{s.store, s}, Guard: s.guard, Late: late, Longest: wait,
		Resource: s.res, Ask: s.ask, Peers: peers{s}, Publish: s.publish, Tell: func(ms ...message.Message) {
			for _, m := range ms {
				w.say("%s: %s", s.name, m.(*message.Event).Sentence)
			}
		},
		Now: w.now, Wall: time.Now, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		w.t.Fatal(err)
	}
	k.Spec(&spec.Group{Name: "orders", Members: []spec.Member{{Name: "a"}, {Name: "b"}}})
	s.keeper = k
	ctx, cancel := context.WithCancel(w.ctx)
	done := make(chan struct{})
	go func() { defer close(done); _ = k.Run(ctx) }()
	s.stop = func() { cancel(); <-done }
	w.mu.Lock()
	view := w.view
	w.mu.Unlock()
	k.Chain(view, false)
}

func (s *side) ask(ctx context.Context, decider string, r *message.LeaseRequest) (*message.LeaseAnswer, error) {
	w := s.w
	defer w.travel()
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.noBus[s.name] {
		return nil, errors.New("no answer")
	}
	g := w.deciders[decider]
	if r.Fenced > 0 {
		g.Fenced(r.Member, r.Fenced)
	}
	if r.Fenced >= r.Epoch {
		return nil, errors.New("nobody is granted what it is fenced for")
	}
	a := g.Ask(w.now(), lease.Request{Member: r.Member, Epoch: r.Epoch, Wait: lease.Wait(r.TTL.Std(), late)})
	return &message.LeaseAnswer{Group: r.Group, Decider: decider, Granted: a.Granted, Epoch: r.Epoch, Newest: a.Newest, Retry: message.Duration(a.Retry), Reason: a.Reason}, nil
}

func (w *world) waits() map[string]time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	return maps.Clone(w.asked)
}

func (w *world) travel() {
	w.mu.Lock()
	d := w.slow
	w.mu.Unlock()
	if d > 0 {
		time.Sleep(d)
	}
}

func (s *side) publish(ctx context.Context, m message.Message) error {
	w := s.w
	w.mu.Lock()
	cut, hangs := w.noBus[s.name], w.noStore[s.name]
	w.mu.Unlock()
	if cut {
		return errors.New("no answer")
	}
	if hangs {
		<-ctx.Done()
		return context.Cause(ctx)
	}
	f, ok := m.(*message.Fenced)
	if !ok {
		return nil
	}
	w.say("%s says fenced %d", s.name, f.Epoch)
	w.mu.Lock()
	for _, g := range w.deciders {
		g.Fenced(f.Member, f.Epoch)
	}
	w.mu.Unlock()
	for _, other := range w.members {
		if other != s {
			other.keeper.Fenced(f)
		}
	}
	return nil
}

type peers struct{ s *side }

func (p peers) Ask(_ context.Context, address string, wish keeper.Wish) (keeper.Answer, error) {
	w := p.s.w
	w.mu.Lock()
	cut := w.noPeer[p.s.name] || w.noPeer[address]
	w.mu.Unlock()
	defer w.travel()
	if wish.Epoch > 0 {
		w.mu.Lock()
		if was, ok := w.asked[p.s.name]; !ok || wish.Wait.Std() < was {
			w.asked[p.s.name] = wish.Wait.Std()
		}
		w.mu.Unlock()
	}
	if cut {
		return keeper.Answer{}, errors.New("no answer")
	}
	return w.members[address].keeper.Promise(wish), nil
}

// command puts a command on the chain, for whom the bus reaches.
func (w *world) command(kind message.Kind, from, primary string, edit ...func(*message.Command)) *message.Command {
	c := &message.Command{
		ID: fmt.Sprintf("c%d", w.view.Epoch()+1), Group: "orders", Epoch: w.view.Epoch() + 1, Kind: kind, From: from, Primary: primary, Members: []string{"a", "b"},
		Lease: &message.Lease{
			Deciders: []string{"d1", "d2", "d3"}, TTL: message.Duration(ttl), Armed: true,
			Beside: []message.Beside{{Member: "a", Executor: "x-a", Peer: "a"}, {Member: "b", Executor: "x-b", Peer: "b"}},
		},
	}
	for _, e := range edit {
		e(c)
	}
	w.add(c)
	return c
}

func (w *world) add(m message.Message) {
	w.mu.Lock()
	w.seq++
	w.view.Add(w.seq, time.Now(), m)
	view := w.view
	if c, ok := m.(*message.Command); ok {
		for _, g := range w.deciders {
			g.Saw(c.Epoch)
		}
	}
	var reached []*side
	for _, name := range []string{"a", "b"} {
		if s := w.members[name]; s != nil && !w.noBus[name] {
			reached = append(reached, s)
		}
	}
	w.mu.Unlock()
	for _, s := range reached {
		if c := view.Command; c != nil {
			_, _ = s.store.Saw("orders", c.Epoch)
		}
		s.keeper.Chain(view, false)
	}
}

// hold has the command held, and its member promoted, as a run would.
func (w *world) hold(ctx context.Context, c *message.Command) error {
	s := w.members[c.Primary]
	err := s.keeper.Hold(ctx, c, func(context.Context) error {
		if w.view.Command.Epoch != c.Epoch {
			return errors.New("a newer command stands in the chain")
		}
		w.say("held %d by %s", c.Epoch, s.name)
		w.add(&message.Held{Group: "orders", Epoch: c.Epoch, Primary: c.Primary, Command: c.ID, Executor: "x-" + s.name})
		return nil
	})
	if err == nil {
		s.res.set(true, true)
	}
	return err
}

func (w *world) mustHold(c *message.Command) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.ctx, time.Minute)
	defer cancel()
	if err := w.hold(ctx, c); err != nil {
		w.t.Fatal(err)
	}
}

// adopted is where most stories begin: a is primary of epoch 1.
func (w *world) adopted() {
	w.t.Helper()
	w.members["a"].res.set(true, true)
	w.members["b"].res.set(true, false)
	w.mustHold(w.command(message.KindAdopt, "", "a"))
	synctest.Wait()
	w.heard()
}

// cut takes members off the bus, or from each other's reach.
func (w *world) cut(from map[string]bool, names ...string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, n := range names {
		from[n] = true
	}
}

func (w *world) open(name string) bool {
	_, open, _ := w.members[name].guard.Open()
	return open
}

// tracked watches a guard: at no time are two open while their resources act.
type tracked struct {
	guard.Guard
	fake  *guardtest.Fake
	side  *side
	stuck atomic.Bool
}

func (g *tracked) Arm(deadline time.Duration) error {
	w := g.side.w
	w.mu.Lock()
	newest := w.view.Command
	w.mu.Unlock()
	if g.side.store.Vouched("orders") == nil && newest != nil && newest.Primary == g.side.name && g.side.store.Taken("orders") < newest.Epoch {
		w.t.Errorf("the guard of %s opens for epoch %d, which is not on its disk", g.side.name, newest.Epoch)
	}
	err := g.Guard.Arm(deadline)
	for name := range g.side.w.members {
		if name != g.side.name && g.side.w.open(name) && !g.side.w.lied {
			g.side.w.t.Errorf("at %s the guard of %s was armed while that of %s was open", g.side.w.now(), g.side.name, name)
		}
	}
	return err
}

func (g *tracked) Shut() error {
	if g.stuck.Load() {
		return errors.New("the packet filter does not answer")
	}
	if g.side.w.open(g.side.name) {
		g.side.w.say("%s shuts", g.side.name)
	}
	return g.Guard.Shut()
}

// disk says what is written about fencing. It may stall: whoever writes waits, and nobody else.
type disk struct {
	*epochs.Store
	side *side
}

// stall has the disk take nothing for a time from now on.
func (s *side) stall(d time.Duration) { s.stalled.Store(int64(s.w.now() + d)) }

// wait comes before each write. Whoever needs the keeper must be answered meanwhile: grants, promises, and what shuts the guard.
func (d disk) wait() {
	if d.side.keeper == nil {
		return // it is being made, and nobody knows it yet
	}
	var answered atomic.Bool
	go func() { d.side.keeper.State(); answered.Store(true) }()
	for range 1_000_000 {
		if answered.Load() {
			time.Sleep(time.Duration(d.side.stalled.Load()) - d.side.w.now())
			return
		}
		runtime.Gosched()
	}
	d.side.w.t.Error("the disk is written to while the keeper answers nobody")
}

func (d disk) Take(group string, epoch uint64) error {
	d.wait()
	return d.Store.Take(group, epoch)
}

func (d disk) Act(group string, epoch uint64) error {
	d.wait()
	return d.Store.Act(group, epoch)
}

func (d disk) Guard(group string, epoch uint64, on bool) error {
	d.wait()
	return d.Store.Guard(group, epoch, on)
}

func (d disk) SetVouched(group string, what []byte) error {
	d.wait()
	return d.Store.SetVouched(group, what)
}

func (d disk) Fence(group string, epoch uint64) error {
	d.wait()
	if err := d.Store.Fence(group, epoch); err != nil {
		return err
	}
	d.side.w.say("%s writes fenced %d", d.side.name, epoch)
	return nil
}

// database is a resource.
type database struct {
	w    *world
	name string
	died chan struct{}

	lingers atomic.Int64 // how long it takes to end it

	mu              sync.Mutex
	running, acting bool
	role            resource.Role
	waits           []string
	standbys        []message.Standby
}

func (d *database) set(running, acting bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.running, d.acting = running, acting
}

func (d *database) is() (running, acting bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.running, d.acting
}

func (d *database) settled() resource.Role {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.role
}

func (d *database) follows(state string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.standbys = []message.Standby{{Member: "b", State: state}}
}

func (d *database) crash() {
	d.set(false, false)
	d.died <- struct{}{}
}

func (d *database) Watch(ctx context.Context, lost func(string)) error {
	for {
		select {
		case <-d.died:
			lost("process 42 is gone")
		case <-ctx.Done():
			return nil
		}
	}
}

func (d *database) Kill(context.Context) (string, error) {
	time.Sleep(time.Duration(d.lingers.Load()))
	d.w.say("%s is ended", d.name)
	d.set(false, false)
	return "no process is left", nil
}

func (d *database) Look(context.Context) (resource.Sight, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return resource.Sight{Running: d.running, Acting: d.acting, Says: "a test", Standbys: d.standbys}, nil
}

func (d *database) Settle(_ context.Context, r resource.Role) (string, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.role = r
	if r.Upstream != nil {
		d.running = true // it follows again
	}
	waits := d.waits
	if d.waits = slices.Clone(r.Wanted); r.Primary && !slices.Equal(waits, d.waits) {
		return fmt.Sprintf("waits for %v", d.waits), nil
	}
	return "", nil
}

func TestFirstPrimaryIsGuardedFromTheFirstEpochOn(t *testing.T) {
	in(t, func(w *world) {
		w.members["a"].res.set(true, true)
		w.members["b"].res.set(true, false)
		time.Sleep(10 * wait)
		if _, acting := w.members["a"].res.is(); !acting || w.heard() != "" {
			t.Error("something was done to a primary that nobody has adopted")
		}
		w.mustHold(w.command(message.KindAdopt, "", "a"))
		time.Sleep(10 * wait)
		if !w.open("a") || w.open("b") {
			t.Error("a is not the one that is open")
		}
		if left, ok := w.members["a"].keeper.Holds(1); !ok || left <= 0 || left > ttl {
			t.Errorf("a holds for %s, %v", left, ok)
		}
	})
}

func TestAnAdoptedPrimaryIsNotStoodDownOnTheWay(t *testing.T) {
	in(t, func(w *world) {
		a := w.members["a"]
		a.res.set(true, true)
		w.members["b"].res.set(true, false)
		c := w.command(message.KindAdopt, "", "a")
		go func() {
			err := a.keeper.Hold(w.ctx, c, func(context.Context) error {
				a.stall(2 * ttl) // it is held, and the disk takes its time over that
				w.add(&message.Held{Group: "orders", Epoch: c.Epoch, Primary: c.Primary, Command: c.ID, Executor: "x-a"})
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		}()
		time.Sleep(ttl)
		synctest.Wait()
		if r := a.res.settled(); r.Epoch != 0 {
			t.Errorf("it was settled before it was known what it is: %+v", r)
		}
		time.Sleep(2 * ttl)
		synctest.Wait()
		if r := a.res.settled(); !r.Primary {
			t.Errorf("it is not kept as primary: %+v", r)
		}
	})
}

func TestTakingOverWaitsForTheOldLease(t *testing.T) {
	in(t, func(w *world) {
		w.adopted()
		w.cut(w.noBus, "a")
		w.cut(w.noPeer, "a") // its host is cut off, and it does not know of epoch 2
		began := w.now()
		w.mustHold(w.command(message.KindFailover, "a", "b"))
		if took := w.now() - began; took < wait-ttl/4 || took > wait+ttl/4 {
			t.Errorf("it took %s, want about %s", took, wait)
		}
		synctest.Wait()
		got := strings.Split(w.heard(), "\n")
		slices.Sort(got[:2])                                                                              // the resource is ended while that is written
		if want := []string{"a is ended", "a writes fenced 1", "held 2 by b"}; !slices.Equal(got, want) { // it shut by itself
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

func TestProofEndsTheWait(t *testing.T) {
	in(t, func(w *world) {
		w.adopted()
		began := w.now()
		w.members["a"].res.crash()
		synctest.Wait()
		w.mustHold(w.command(message.KindFailover, "a", "b"))
		if took := w.now() - began; took > 20*time.Millisecond {
			t.Errorf("it took %s although a is fenced", took)
		}
		got := strings.Split(w.heard(), "\n")
		// The resource is ended while the word travels; everything else has its order.
		order := slices.DeleteFunc(slices.Clone(got), func(s string) bool { return s == "a is ended" })
		if want := []string{"a shuts", "a writes fenced 1", "a says fenced 1", "held 2 by b"}; !slices.Equal(order, want) || !slices.Contains(got, "a is ended") {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

func TestNewerCommandFencesTheOldPrimaryAtOnce(t *testing.T) {
	in(t, func(w *world) {
		w.adopted()
		began := w.now()
		w.mustHold(w.command(message.KindFailover, "a", "b")) // nothing is wrong with a: a person wants it
		if took := w.now() - began; took > 20*time.Millisecond {
			t.Errorf("it took %s", took)
		}
		synctest.Wait()
		if running, acting := w.members["a"].res.is(); acting || w.open("a") {
			t.Errorf("a runs %v, acts %v, open %v", running, acting, w.open("a"))
		}
		time.Sleep(time.Second)
		if r := w.members["a"].res.settled(); r.Upstream == nil || r.Upstream.Name != "b" {
			t.Errorf("a does not follow b: %+v", r)
		}
	})
}

func TestSwitchoverLeavesTheOldPrimaryItsLeaseUntilItGivesUp(t *testing.T) {
	in(t, func(w *world) {
		w.adopted()
		c := w.command(message.KindSwitchover, "a", "b")
		ctx, cancel := context.WithTimeout(w.ctx, 10*wait)
		defer cancel()
		if err := w.hold(ctx, c); err == nil {
			t.Fatal("b took the lease that a had not given up")
		}
		if !w.open("a") {
			t.Error("a is shut, though it was never asked to give up")
		}
		began := w.now()
		a := w.members["a"].keeper
		if err := a.Shut(w.ctx, 2); err != nil {
			t.Fatal(err)
		}
		w.members["a"].res.set(false, false)
		if err := a.Say(w.ctx, 2, true, "a gave up"); err != nil {
			t.Fatal(err)
		}
		w.mustHold(c)
		if took := w.now() - began; took > 20*time.Millisecond {
			t.Errorf("it took %s", took)
		}
	})
}

// A newer epoch took the place of a switchover while its give-up waited for the resource: the member stays what it is.
func TestAGiveUpThatWasOvertakenShutsNothing(t *testing.T) {
	in(t, func(w *world) {
		w.adopted()
		ctx, cancel := context.WithCancelCause(w.ctx)
		overtaken := errors.New("epoch 3 took its place")
		cancel(overtaken)
		if err := w.members["a"].keeper.Shut(ctx, 2); !errors.Is(err, overtaken) || !w.open("a") {
			t.Errorf("%v, open %t", err, w.open("a"))
		}
	})
}

// A step may say that the member is fenced when its keeper has ended already: it is stored, and nothing goes on beside.
func TestNothingGoesOnAfterTheKeeperHasEnded(t *testing.T) {
	in(t, func(w *world) {
		w.adopted()
		a := w.members["a"]
		if err := a.keeper.Shut(w.ctx, 1); err != nil {
			t.Fatal(err)
		}
		a.stop()
		w.mu.Lock()
		w.slow = time.Second
		w.mu.Unlock()
		w.members["b"].stop() // it would renew what it asks beside
		before := runtime.NumGoroutine()
		if err := a.keeper.Say(w.ctx, 1, true, "a gave up"); err != nil {
			t.Error(err)
		}
		if after := runtime.NumGoroutine(); after > before {
			t.Errorf("%d goroutines before the word, %d after it", before, after)
		}
	})
}

func TestBusGoneAndEveryMemberAnswers(t *testing.T) {
	in(t, func(w *world) {
		w.adopted()
		w.cut(w.noBus, "a", "b")
		time.Sleep(20 * wait)
		if !w.open("a") {
			t.Fatal("a stopped, though b answers it")
		}
		w.cut(w.noPeer, "b")
		time.Sleep(2 * ttl)
		if _, acting := w.members["a"].res.is(); w.open("a") || acting {
			t.Error("a goes on without deciders and without b")
		}
	})
}

func TestNobodyTakesOverFromAPrimaryThatItPromised(t *testing.T) {
	in(t, func(w *world) {
		w.adopted()
		w.cut(w.noBus, "a")
		time.Sleep(2 * wait) // its grants are long gone; it lives by b's promises
		w.cut(w.noPeer, "a") // and cannot be told that its time is over
		c := w.command(message.KindFailover, "a", "b")
		ctx, cancel := context.WithTimeout(w.ctx, wait/2)
		defer cancel()
		if err := w.hold(ctx, c); err == nil {
			t.Fatal("b took over within what it had promised")
		}
		w.mustHold(c) // it refuses further promises, since it has seen epoch 2
		time.Sleep(wait)
		if w.open("a") || !w.open("b") {
			t.Error("b is not the one that is open")
		}
	})
}

func TestRestartUnderAnOpenGuardGoesOn(t *testing.T) {
	in(t, func(w *world) {
		w.adopted()
		a := w.members["a"]
		a.stop()
		time.Sleep(ttl / 2)
		a.start()
		time.Sleep(5 * wait)
		if _, acting := a.res.is(); !w.open("a") || !acting {
			t.Errorf("a did not go on: open %v, acting %v\n%s", w.open("a"), acting, w.heard())
		}
	})
}

func TestRestartUnderAShutGuardIsFenced(t *testing.T) {
	in(t, func(w *world) {
		w.adopted()
		a := w.members["a"]
		a.stop()
		time.Sleep(2 * ttl)
		if w.open("a") {
			t.Fatal("the guard is open though nobody renewed it")
		}
		a.start()
		time.Sleep(time.Second)
		if _, acting := a.res.is(); acting {
			t.Error("a acts as primary, behind a shut guard")
		}
		if got := w.heard(); !strings.Contains(got, "a says fenced 1") {
			t.Errorf("nobody was told that nobody has to wait for a: %s", got)
		}
		w.mustHold(w.command(message.KindResume, "a", "a"))
		time.Sleep(2 * time.Second)
		if _, acting := a.res.is(); !acting || !w.open("a") {
			t.Error("a did not resume at a newer epoch")
		}
	})
}

// The stream that says who is fenced may answer nobody for long, while everything else goes on.
func TestAWordThatIsNotStoredKeepsNoResourceAlive(t *testing.T) {
	in(t, func(w *world) {
		w.adopted()
		a := w.members["a"]
		w.cut(w.noStore, "a")
		w.cut(w.noBus, "a")
		w.cut(w.noPeer, "b")
		time.Sleep(2 * wait)
		if _, acting := a.res.is(); acting || w.open("a") {
			t.Fatal("a acts without a lease")
		}
		w.mu.Lock()
		w.noBus["a"], w.noPeer["b"] = false, false
		w.mu.Unlock()
		w.mustHold(w.command(message.KindResume, "a", "a"))
		a.res.set(true, true)
		w.cut(w.noBus, "a")
		w.cut(w.noPeer, "b")
		time.Sleep(2 * wait)
		if _, acting := a.res.is(); acting || w.open("a") {
			t.Error("a acts, though its lease ran out while an older word was to be stored")
		}
	})
}

func TestWhoIsPromotedByHandIsEnded(t *testing.T) {
	in(t, func(w *world) {
		w.adopted()
		w.members["b"].res.set(true, true)
		time.Sleep(time.Second)
		if _, acting := w.members["b"].res.is(); acting || w.open("b") {
			t.Error("b goes on as a second primary")
		}
		if got := w.heard(); !strings.Contains(got, "b acts as primary without the lease") {
			t.Errorf("nobody was told: %s", got)
		}
		if _, acting := w.members["a"].res.is(); !acting || !w.open("a") {
			t.Error("a was disturbed")
		}
	})
}

func TestDisarmedGroupIsLeftAlone(t *testing.T) {
	in(t, func(w *world) {
		w.adopted()
		unarmed := func(c *message.Command) { c.Lease.Armed = false }
		w.mustHold(w.command(message.KindReconfigure, "a", "a", unarmed))
		w.heard()
		w.members["b"].res.set(true, true)
		time.Sleep(5 * wait)
		for _, s := range w.members { // nor by a life that begins later
			s.stop()
			s.start()
		}
		time.Sleep(5 * wait)
		if got := strings.ReplaceAll(w.heard(), "a writes fenced 1", ""); got != "" {
			t.Errorf("something was done: %s", got)
		}
		if !w.members["a"].guard.fake.LetsIn() {
			t.Error("clients are shut out of a group that is not armed")
		}
		for _, name := range []string{"a", "b"} {
			if _, acting := w.members[name].res.is(); !acting {
				t.Errorf("%s was ended", name)
			}
		}
	})
}

// What was granted or promised counts from when it was asked for: who answers began to wait no earlier than that.
func TestGrantsAndPromisesCountFromWhenTheyWereAsked(t *testing.T) {
	for _, by := range []string{"lease", "promises"} {
		t.Run(by, func(t *testing.T) {
			in(t, func(w *world) {
				w.adopted()
				const travel = 400 * time.Millisecond
				w.mu.Lock()
				w.slow = travel
				w.mu.Unlock()
				time.Sleep(5 * ttl)
				if by == "promises" {
					w.cut(w.noBus, "a")
				} else {
					w.cut(w.noPeer, "b")
				}
				for range 500 {
					time.Sleep(10 * time.Millisecond)
					if left, _ := w.members["a"].keeper.Holds(1); left > ttl-travel {
						t.Fatalf("%s is left right after an answer that travelled %s", left, travel)
					}
				}
				if !w.open("a") {
					t.Error("slow answers closed a")
				}
			})
		})
	}
}

// A guard that cannot be shut: the resource goes before anything is said.
func TestNothingIsSaidWhileTheGuardCannotBeShut(t *testing.T) {
	in(t, func(w *world) {
		w.adopted()
		a := w.members["a"]
		a.guard.stuck.Store(true)
		a.res.lingers.Store(int64(100 * time.Millisecond))
		w.heard()
		a.keeper.Fence(w.ctx, true, "a test")
		time.Sleep(time.Second)
		got := strings.Split(w.heard(), "\n")
		if last := len(got) - 1; got[last] != "a says fenced 1" || !slices.Contains(got[:last], "a writes fenced 1") || !slices.Contains(got[:last], "a is ended") {
			t.Errorf("got %q", got)
		}
	})
}

const word = "I vouch that a acknowledges no write from now on and will not be started but by ham"

// The bus is gone and a with it. A person vouches for a, b serves, and the record joins in when the bus is back.
func TestVouchedPrimaryServesWithoutTheBusAndJoinsTheRecord(t *testing.T) {
	in(t, func(w *world) {
		w.adopted()
		b := w.members["b"]
		w.cut(w.noBus, "a", "b")
		w.cut(w.noPeer, "a")
		time.Sleep(2 * wait) // a is shut by now
		promote := func(_ context.Context, l driver.Lease) error {
			if left, ok := l.Holds(2); !ok || left <= 0 {
				t.Error("the driver is shown no right to promote")
			}
			b.res.set(true, true)
			return nil
		}
		for _, words := range []string{"", "yes", word + "."} {
			if err := b.keeper.Vouch(w.ctx, words, "ana", promote); !errors.Is(err, keeper.ErrWords) || w.open("b") {
				t.Fatalf("%q: %v", words, err)
			}
		}
		if err := b.keeper.Vouch(w.ctx, word, "ana", promote); err != nil {
			t.Fatal(err)
		}
		b.stop()
		b.start() // it outlives a restart
		time.Sleep(20 * wait)
		if _, acting := b.res.is(); !w.open("b") || !acting || w.open("a") {
			t.Fatal("b does not serve")
		}
		w.heard()
		w.mu.Lock()
		w.noBus["b"] = false
		w.mu.Unlock()
		time.Sleep(time.Second)
		if got := w.heard(); !strings.Contains(got, "b says fenced 1") {
			t.Fatalf("the record was not told: %s", got)
		}
		w.mustHold(w.command(message.KindFailover, "a", "b"))
		if left, ok := b.keeper.Holds(2); !ok || left > ttl {
			t.Errorf("b does not hold epoch 2: %s, %v", left, ok)
		}
		synctest.Wait() // the disk is real
		if b.store.Vouched("orders") != nil {
			t.Error("the word stands in the place of a lease though there is one")
		}
		w.cut(w.noBus, "b")
		time.Sleep(2 * wait)
		if w.open("b") {
			t.Error("b still lives by the word")
		}
	})
}

// Once the lease of an epoch is taken, others count on its end: the guard of a vouched primary is open for no longer than that, also before held is
// written, whether its executor then dies, is overtaken, or lapses. The word does not outlive it.
func TestAWordOpensNothingBeyondALeaseThatIsTaken(t *testing.T) {
	for _, end := range []string{"dies", "lapses", "restarts"} {
		t.Run(end, func(t *testing.T) {
			in(t, func(w *world) {
				w.adopted()
				b := w.members["b"]
				w.cut(w.noBus, "a", "b")
				w.cut(w.noPeer, "a")
				time.Sleep(2 * wait) // a is shut by now
				if err := b.keeper.Vouch(w.ctx, word, "ana", func(context.Context, driver.Lease) error { b.res.set(true, true); return nil }); err != nil {
					t.Fatal(err)
				}
				w.mu.Lock()
				w.noBus["b"] = false
				w.mu.Unlock()
				c := w.command(message.KindFailover, "a", "b")
				ctx, stop := context.WithCancel(w.ctx)
				defer stop()
				taken := make(chan struct{})
				ended := make(chan struct{})
				go func() {
					defer close(ended)
					_ = b.keeper.Hold(ctx, c, func(ctx context.Context) error { // and the chain takes nothing
						close(taken)
						<-ctx.Done()
						return context.Cause(ctx)
					})
				}()
				<-taken
				for range 20 {
					time.Sleep(ttl / 4)
					if deadline, open, _ := b.guard.Open(); !open || deadline > w.now()+ttl {
						t.Fatalf("at %s the guard is open until %s, and the lease lasts %s", w.now(), deadline, ttl)
					}
				}
				stop()
				<-ended
				switch end {
				case "dies":
					b.stop()
				case "lapses":
					w.cut(w.noBus, "b")
				case "restarts":
					b.stop()
					b.start()
				}
				time.Sleep(ttl + late)
				if w.open("b") {
					t.Error("the guard outlives the lease")
				}
				if end == "dies" {
					return
				}
				time.Sleep(10 * wait)
				synctest.Wait()
				if _, acting := b.res.is(); acting || w.open("b") || b.store.Vouched("orders") != nil || b.store.Fenced("orders") != c.Epoch {
					t.Errorf("b acts %t, open %t, vouched %s, fenced %d", acting, w.open("b"), b.store.Vouched("orders"), b.store.Fenced("orders"))
				}
			})
		})
	}
}

// In dry run ham promotes nobody, whatever a person vouches for.
func TestNobodyIsVouchedInWhereTheGroupIsNotArmed(t *testing.T) {
	in(t, func(w *world) {
		w.adopted()
		c := w.command(message.KindReconfigure, "", "a", func(c *message.Command) { c.Lease.Armed = false })
		w.mustHold(c)
		err := w.members["b"].keeper.Vouch(w.ctx, word, "ana", func(context.Context, driver.Lease) error { t.Error("it is promoted"); return nil })
		if err == nil || !strings.Contains(err.Error(), "is not armed") {
			t.Error(err)
		}
	})
}

// The record went another way meanwhile: whoever was vouched in is stopped, loudly.
func TestVouchedPrimaryYieldsToTheRecord(t *testing.T) {
	in(t, func(w *world) {
		w.adopted()
		b := w.members["b"]
		w.lied = true
		w.cut(w.noPeer, "b")
		time.Sleep(ttl) // b cannot know that a acts
		if err := b.keeper.Vouch(w.ctx, word, "ana", func(context.Context, driver.Lease) error { b.res.set(true, true); return nil }); err != nil {
			t.Fatal(err)
		}
		w.mustHold(w.command(message.KindResume, "a", "a")) // it was a that went on
		time.Sleep(time.Second)
		if _, acting := b.res.is(); acting || w.open("b") || !w.open("a") {
			t.Error("two primaries")
		}
		if got := w.heard(); !strings.Contains(got, "both may have taken writes") {
			t.Errorf("nobody was told: %s", got)
		}
	})
}

// Who asks to be let go on acts as primary, whatever a person believes.
func TestNobodyIsVouchedInBesideAPrimaryThatAsks(t *testing.T) {
	in(t, func(w *world) {
		w.adopted()
		b := w.members["b"]
		promote := func(context.Context, driver.Lease) error { b.res.set(true, true); return nil }
		w.cut(w.noBus, "a", "b")
		time.Sleep(2 * wait) // a lives by b's promises
		if _, err := b.keeper.Words(); err == nil || !strings.Contains(err.Error(), "a acts as primary") || !strings.Contains(err.Error(), "stop ham on the host of a") {
			t.Errorf("words are offered to vouch with: %v", err)
		}
		if err := b.keeper.Vouch(w.ctx, word, "ana", promote); err == nil || w.open("b") || !w.open("a") {
			t.Fatalf("b was promoted beside a: %v", err)
		}
		w.cut(w.noPeer, "b")
		time.Sleep(2 * wait) // a has shut
		if err := b.keeper.Vouch(w.ctx, word, "ana", promote); err != nil || !w.open("b") || w.open("a") {
			t.Errorf("b was not promoted when a had stopped: %v", err)
		}
	})
}

// A word that is not so has two primaries. It ends as soon as the other one needs a promise of the one that was promoted.
func TestAVouchedPrimaryPromisesNobody(t *testing.T) {
	in(t, func(w *world) {
		w.adopted()
		b := w.members["b"]
		w.lied = true
		w.cut(w.noBus, "b")
		w.cut(w.noPeer, "b")
		time.Sleep(ttl)
		if err := b.keeper.Vouch(w.ctx, word, "ana", func(context.Context, driver.Lease) error { b.res.set(true, true); return nil }); err != nil {
			t.Fatal(err)
		}
		w.mu.Lock()
		w.noPeer["b"] = false
		w.mu.Unlock()
		time.Sleep(ttl)
		w.cut(w.noBus, "a")
		time.Sleep(2 * wait)
		if _, acting := w.members["a"].res.is(); w.open("a") || acting || !w.open("b") {
			t.Error("a goes on, by the promise of the one that was promoted in its place")
		}
	})
}

// A guard that shut before it was renewed, or that somebody took away: the epoch is lost for the member.
func TestAGuardThatIsLostFencesThePrimary(t *testing.T) {
	in(t, func(w *world) {
		w.adopted()
		a := w.members["a"]
		a.guard.fake.Lose()
		time.Sleep(ttl)
		if _, acting := a.res.is(); acting || a.guard.fake.LetsIn() {
			t.Errorf("acting %v, lets in %v", acting, a.guard.fake.LetsIn())
		}
		if got := w.heard(); !strings.Contains(got, "a says fenced 1") {
			t.Error(got)
		}
	})
}

func TestAGuardThatWasTakenAwayFromAStandbyIsPutBack(t *testing.T) {
	in(t, func(w *world) {
		w.adopted()
		b := w.members["b"]
		b.guard.fake.Lose()
		if !b.guard.fake.LetsIn() {
			t.Fatal("it is not lost")
		}
		time.Sleep(time.Second)
		if b.guard.fake.LetsIn() {
			t.Error("clients reach a standby")
		}
	})
}

// A failover looks whether the old primary's executor does its work. Where it does not, that something lives there is no reason to stay.
func TestALeaseIsRenewedOnlyWhileSomebodyDoesIt(t *testing.T) {
	for name, story := range map[string]struct {
		cut     func(w *world)
		renewed bool
	}{
		"all is well":          {func(*world) {}, true},
		"a lives by promises":  {func(w *world) { w.cut(w.noBus, "a") }, true},
		"a's executor is dead": {func(w *world) { w.members["a"].stop() }, false},
		"a is cut off":         {func(w *world) { w.cut(w.noBus, "a"); w.cut(w.noPeer, "a") }, false},
	} {
		t.Run(name, func(t *testing.T) {
			in(t, func(w *world) {
				w.adopted()
				story.cut(w)
				time.Sleep(ttl / 2)
				w.command(message.KindFailover, "a", "b")
				if got := w.members["b"].keeper.Renewed(w.ctx, "a"); got != story.renewed {
					t.Errorf("renewed: %v", got)
				}
				if story.renewed && !w.open("a") {
					t.Error("a was fenced by a look")
				}
			})
		})
	}
}

// A failover that ends at its first look costs the old primary nothing: it goes on under the epoch that names it again.
func TestAFailoverThatEndsCostsNothing(t *testing.T) {
	in(t, func(w *world) {
		w.adopted()
		w.command(message.KindFailover, "a", "b")
		time.Sleep(ttl / 2) // b looks, and finds a up
		w.mustHold(w.command(message.KindResume, "a", "a"))
		time.Sleep(5 * wait)
		if got := w.heard(); !w.open("a") || strings.Contains(got, "shuts") {
			t.Errorf("a was interrupted: %s", got)
		}
	})
}

func alone(c *message.Command) { c.Members, c.Lease.Durability = []string{"a"}, message.NeverLose }
func together(c *message.Command) {
	c.Members, c.Lease.Durability = []string{"a", "b"}, message.NeverLose
}

// A standby is recorded as promotable only once the primary waits for it: it may have dropped since it was last seen synchronous.
func TestPromotableOnlyOncePrimaryWaitsForIt(t *testing.T) {
	in(t, func(w *world) {
		a := w.members["a"]
		a.res.set(true, true)
		w.mustHold(w.command(message.KindAdopt, "", "a", alone))
		a.res.follows(message.StandbySynchronous)
		time.Sleep(time.Second)
		a.res.follows(message.StandbyLost) // between the word and the command
		c := w.command(message.KindReconfigure, "a", "a", together)
		ctx, cancel := context.WithTimeout(w.ctx, 10*time.Second)
		defer cancel()
		if err := w.hold(ctx, c); err == nil || !strings.Contains(err.Error(), "b is not synchronous") {
			t.Fatalf("b counts as promotable: %v", err)
		}
		if r := a.res.settled(); !slices.Contains(r.Synchronous, "b") {
			t.Errorf("the primary was not made to wait for b: %+v", r)
		}
		a.res.follows(message.StandbySynchronous)
		w.mustHold(c)
	})
}

// Who was fenced is not made primary again by a change of terms, which starts nothing.
func TestAChangeOfTermsDoesNotHideAFence(t *testing.T) {
	in(t, func(w *world) {
		w.adopted()
		w.members["a"].res.crash()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(w.ctx, 5*wait)
		defer cancel()
		if err := w.hold(ctx, w.command(message.KindReconfigure, "a", "a")); err == nil || w.open("a") {
			t.Errorf("it was held: %v", err)
		}
		w.mustHold(w.command(message.KindResume, "a", "a"))
	})
}

// The group gives its lease up: the primary goes on as it did before there was one.
func TestAGroupThatGivesUpItsLeaseIsLeftAlone(t *testing.T) {
	in(t, func(w *world) {
		w.adopted()
		w.command(message.KindReconfigure, "a", "a", func(c *message.Command) { c.Lease = nil })
		time.Sleep(5 * wait)
		a := w.members["a"]
		if _, acting := a.res.is(); !acting || !a.guard.fake.LetsIn() {
			t.Errorf("acting %v, lets in %v", acting, a.guard.fake.LetsIn())
		}
	})
}

// Leaving dry run: clients of the primary are shut out at no moment, also where the lease is a while in coming.
func TestArmingShutsNobodyOut(t *testing.T) {
	in(t, func(w *world) {
		a := w.members["a"]
		a.res.set(true, true)
		unarmed := func(c *message.Command) { c.Lease.Armed = false }
		w.mustHold(w.command(message.KindAdopt, "", "a", unarmed))
		c := w.command(message.KindReconfigure, "a", "a")
		for range 100 {
			time.Sleep(10 * time.Millisecond)
			if !a.guard.fake.LetsIn() {
				t.Fatal("clients are shut out before the lease is there")
			}
		}
		w.mustHold(c)
		if !a.guard.fake.LetsIn() {
			t.Error("clients are shut out")
		}
	})
}

// A promise is asked for as long as it is counted on: by the ttl of its own epoch, whatever a newer command says.
func TestAPromiseIsAskedByItsOwnEpochsTerms(t *testing.T) {
	in(t, func(w *world) {
		w.adopted()
		w.command(message.KindReconfigure, "a", "a", func(c *message.Command) { c.Lease.TTL = message.Duration(ttl / 2) }) // not held yet
		w.cut(w.noBus, "a", "b")
		time.Sleep(2 * ttl)
		for name, asked := range w.waits() {
			if asked < wait {
				t.Errorf("%s asks for a promise of %s, and counts on it for %s", name, asked, ttl)
			}
		}
	})
}

// A disk that stalls while the primary takes the lease of another epoch: the one that it has is renewed meanwhile.
func TestAStalledDiskCostsNoLease(t *testing.T) {
	in(t, func(w *world) {
		w.adopted()
		a := w.members["a"]
		a.stall(5 * ttl)
		began := w.now()
		w.mustHold(w.command(message.KindReconfigure, "a", "a"))
		if took := w.now() - began; took < 5*ttl {
			t.Errorf("epoch 2 was held after %s, before the disk took it", took)
		}
		time.Sleep(2 * wait)
		if got := w.heard(); got != "held 2 by a" || !w.open("a") {
			t.Errorf("got\n%s", got)
		}
	})
}

// A disk that stalls beside a standby: the primary is promised what it needs meanwhile.
func TestAStalledDiskKeepsNoPromiseBack(t *testing.T) {
	in(t, func(w *world) {
		w.members["b"].stall(20 * wait) // it has no guard yet, and cannot write down that there is one
		w.adopted()
		w.cut(w.noBus, "a", "b")
		time.Sleep(10 * wait)
		if !w.open("a") {
			t.Error("a has stopped, though b could have promised")
		}
	})
}

// A disk that stalls while a primary is fenced: nothing is said before it is written, and what could acknowledge is ended at once.
func TestAStalledDiskKeepsNoResourceAlive(t *testing.T) {
	in(t, func(w *world) {
		w.adopted()
		a := w.members["a"]
		a.stall(10 * ttl)
		go a.keeper.Fence(w.ctx, true, "a test")
		time.Sleep(time.Second)
		if got, want := w.heard(), "a shuts\na is ended"; got != want {
			t.Errorf("got\n%s\nwant\n%s", got, want)
		}
		time.Sleep(10 * ttl)
		if got, want := w.heard(), "a writes fenced 1\na says fenced 1"; got != want {
			t.Errorf("got\n%s\nwant\n%s", got, want)
		}
	})
}

// A pair that must not lose is disarmed: the primary waits for its standby until that is held, and then for nobody, who might be lost.
func TestADisarmedPrimaryWaitsForNobody(t *testing.T) {
	in(t, func(w *world) {
		a := w.members["a"]
		pair := func() {
			a.keeper.Spec(&spec.Group{Name: "orders", Durability: message.NeverLose, Members: []spec.Member{{Name: "a"}, {Name: "b"}}})
		}
		pair()
		a.res.set(true, true)
		w.mustHold(w.command(message.KindAdopt, "", "a", alone))
		a.res.follows(message.StandbySynchronous)
		w.mustHold(w.command(message.KindReconfigure, "a", "a", together))
		time.Sleep(time.Second)
		w.heard()
		c := w.command(message.KindReconfigure, "a", "a", together, func(c *message.Command) { c.Lease.Armed = false })
		time.Sleep(time.Second)
		if got := w.heard(); strings.Contains(got, "waits") {
			t.Errorf("before it is held: %s", got)
		}
		w.mustHold(c)
		time.Sleep(time.Second)
		if got := w.heard(); !strings.Contains(got, "a: waits for [], since the group is not armed any more") {
			t.Errorf("got %q", got)
		}
		a.res.mu.Lock()
		a.res.waits = []string{"by a person's own hand"}
		a.res.mu.Unlock()
		a.stop()
		a.start()
		pair()
		time.Sleep(time.Second)
		if got := w.heard(); strings.Contains(got, "waits") {
			t.Errorf("what is taken back once is left alone: %s", got)
		}
		w.mustHold(w.command(message.KindReconfigure, "a", "a", alone)) // armed again
		time.Sleep(time.Second)
		w.heard()
		w.mustHold(w.command(message.KindReconfigure, "a", "a", alone, func(c *message.Command) { c.Lease.Armed = false }))
		time.Sleep(time.Second)
		if got := w.heard(); !strings.Contains(got, "a: waits for []") {
			t.Errorf("the second time: %q", got)
		}
	})
}

// That a member is fenced is what lets its group have a primary again. It is said until it is stored, and again for as long as it matters: it may be
// lost on the way, and streams are trimmed.
func TestThatAMemberIsFencedIsSaidUntilItIsHeard(t *testing.T) {
	in(t, func(w *world) {
		w.adopted()
		w.cut(w.noBus, "a")
		w.members["a"].res.crash()
		time.Sleep(10 * time.Minute)
		if got := w.heard(); strings.Contains(got, "says") {
			t.Fatalf("the bus is not gone: %s", got)
		}
		w.mu.Lock()
		w.noBus["a"] = false
		w.mu.Unlock()
		time.Sleep(time.Minute)
		if got := w.heard(); !strings.Contains(got, "a says fenced 1") {
			t.Errorf("the bus is back, and nobody is told: %q", got)
		}
		time.Sleep(10 * time.Minute)
		if n := strings.Count(w.heard(), "a says fenced 1"); n < 5 || n > 15 {
			t.Errorf("it is said %d times in ten minutes", n)
		}
		w.mustHold(w.command(message.KindResume, "a", "a"))
		w.heard()
		time.Sleep(10 * time.Minute)
		if got := w.heard(); got != "" {
			t.Errorf("a is primary: %s", got)
		}
	})
}
