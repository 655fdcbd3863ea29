package group_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/isacloud/ha-manager/pkg/ask"
	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/services/executor/driver"
	"github.com/isacloud/ha-manager/services/executor/driver/drivertest"
	"github.com/isacloud/ha-manager/services/executor/driver/group"
)

const with = `{"action": "move", "group": "web-db", "member": "y", "resource": "db", "timeout_ns": 10000000000}`

// deciders answer for group web-db, whose members are x and y. A swap takes until it was looked at a few times.
type deciders struct {
	mu      sync.Mutex
	epoch   uint64
	primary string
	under   int // looks until the swap that is under way is done
	to      string
	verdict message.Verdict // of the primary
	swaps   int
	sent    []message.Request
	seen    map[string]*message.Outcome
	refuse  []message.Reason
	dryRun  bool
	fails   bool // a swap comes to nothing
	err     error
	lost    int // answers that get lost after the request was stored
	hang    bool
}

func newDeciders() *deciders {
	return &deciders{epoch: 4, primary: "x", verdict: message.VerdictUp, seen: map[string]*message.Outcome{}}
}

func (d *deciders) ready(ctx context.Context) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.hang {
		d.mu.Unlock()
		<-ctx.Done()
		d.mu.Lock()
		return ask.ErrLate
	}
	return d.err
}

func (d *deciders) Status(ctx context.Context, name string) (*message.GroupStatus, error) {
	if err := d.ready(ctx); err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	s := &message.GroupStatus{Group: name, Epoch: d.epoch, Primary: d.primary, Held: true}
	if d.under > 0 {
		d.under--
		s.Primary, s.Held = d.to, false
		s.Swap = &message.SwapStatus{Epoch: d.epoch, Kind: message.KindSwitchover, To: d.to}
		if d.under == 0 && !d.fails {
			d.primary = d.to
		}
	}
	s.Members = []message.MemberStatus{{Name: s.Primary, Role: message.RolePrimary, Verdict: d.verdict}}
	return s, nil
}

func (d *deciders) Preview(ctx context.Context, r *message.Request) (*message.Preview, error) {
	if err := d.ready(ctx); err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return &message.Preview{Group: r.Group, Accepted: len(d.refuse) == 0, DryRun: d.dryRun, Reasons: d.refuse, Sentence: "y takes over from x"}, nil
}

func (d *deciders) Send(ctx context.Context, r *message.Request) (*message.Outcome, error) {
	if err := d.ready(ctx); err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.sent = append(d.sent, *r)
	o := d.seen[r.ID]
	if o == nil {
		o = &message.Outcome{Request: r.ID, Group: r.Group, Verb: r.Verb, Epoch: d.epoch, Sentence: "refused", Reasons: d.refuse, DryRun: d.dryRun}
		switch {
		case r.ExpectEpoch != nil && *r.ExpectEpoch != d.epoch:
			o.Reasons = []message.Reason{{Code: "R333", Sentence: "the epoch is another"}}
		case len(d.refuse) == 0:
			o.Accepted, o.Sentence = true, "accepted"
			if !d.dryRun {
				d.epoch++
				o.Epoch, d.under, d.to, d.swaps = d.epoch, 3, r.Target, d.swaps+1
			}
		}
		d.seen[r.ID] = o
	}
	if d.lost > 0 {
		d.lost--
		return nil, ask.ErrLate
	}
	return o, nil
}

func (d *deciders) set(f func()) func() {
	return func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		f()
	}
}

func TestConformance(t *testing.T) {
	drivertest.Run(t, group.Kind(), func(*testing.T) drivertest.Target {
		d := newDeciders()
		return drivertest.Target{
			With: with, Groups: d, Tells: true,
			Changes: func() int { d.mu.Lock(); defer d.mu.Unlock(); return d.swaps },
			Hang:    d.set(func() { d.hang = true }),
			Refuse:  d.set(func() { d.refuse = []message.Reason{{Code: "R305", Sentence: "web-db was paused by ana"}} }),
			Gone:    d.set(func() { d.err = ask.ErrNobody }),
		}
	})
}

func bind(t *testing.T, d *deciders, with string) (driver.Driver, driver.Input) {
	t.Helper()
	in := drivertest.In(t, with)
	in.Groups, in.Attempt = d, 1
	k, err := group.Kind().New(json.RawMessage(with))
	if err != nil {
		t.Fatal(err)
	}
	return k, in
}

func short(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// A refusal there is the step's failure, with its reasons; nothing is overridden, whatever could be.
func TestARefusalIsNeverOverridden(t *testing.T) {
	d := newDeciders()
	d.refuse = []message.Reason{{Code: "R324", Sentence: "y is not ready: it lags", Overridable: true}, {Code: "R303", Sentence: "a swap is under way"}}
	k, in := bind(t, d, with)
	_, err := k.Do(short(t), in)
	if !errors.Is(err, driver.ErrRefused) || !strings.Contains(err.Error(), "R324 y is not ready: it lags") {
		t.Errorf("it says %v", err)
	}
	if d.swaps != 0 || len(d.sent) != 1 {
		t.Errorf("%d swaps of %d requests", d.swaps, len(d.sent))
	}
	for _, r := range d.sent {
		if len(r.Override) > 0 || r.ExpectEpoch == nil {
			t.Errorf("it asked with %+v", r)
		}
	}
	if s, err := k.Look(short(t), in); err != nil || s.Ends || s.Done != driver.No || !strings.Contains(s.Found, "R324") {
		t.Errorf("look says %+v, %v", s, err)
	}
	// Asked beforehand it ends the swap of the one that asks, before anything is changed.
	k, in = bind(t, d, strings.Replace(with, "move", "ready", 1))
	if s, err := k.Look(short(t), in); err != nil || !s.Ends || !strings.Contains(s.Found, "R324") {
		t.Errorf("look says %+v, %v", s, err)
	}
}

// What is only rehearsed has not moved.
func TestADryRunIsARefusal(t *testing.T) {
	d := newDeciders()
	d.dryRun = true
	k, in := bind(t, d, with)
	if _, err := k.Do(short(t), in); !errors.Is(err, driver.ErrRefused) || !strings.Contains(err.Error(), "dry-run") {
		t.Errorf("it says %v", err)
	}
}

// However often it is asked, from wherever: the other group swaps once.
func TestAskedTwiceIsOneSwap(t *testing.T) {
	d := newDeciders()
	d.lost = 2 // stored, and the answer was lost
	var all sync.WaitGroup
	for attempt := range 4 {
		all.Go(func() {
			k, in := bind(t, d, with)
			in.Attempt = 1 + attempt/2
			if _, err := k.Do(short(t), in); err != nil {
				t.Errorf("it says %v", err)
			}
		})
	}
	all.Wait()
	if d.swaps != 1 || d.primary != "y" {
		t.Errorf("%d swaps, primary %s: %+v", d.swaps, d.primary, d.sent)
	}
	ids := map[string]bool{}
	for _, r := range d.sent {
		ids[r.ID] = true
	}
	if len(ids) > 2 {
		t.Errorf("an attempt asks under one id, got %d: %v", len(ids), ids)
	}
}

// A request that is late must not move the group back that has moved on since: it names the epoch that was seen.
func TestALateRequestMovesNothing(t *testing.T) {
	d := newDeciders()
	k, in := bind(t, d, with)
	s, _ := d.Status(t.Context(), "web-db")
	d.epoch++ // somebody moved it
	if _, err := k.Do(short(t), in); err != nil {
		t.Fatal(err)
	}
	late := d.sent[0]
	late.ID = "late"
	late.ExpectEpoch = &s.Epoch
	if o, err := d.Send(t.Context(), &late); err != nil || o.Accepted || d.swaps != 1 {
		t.Errorf("%+v, %v, %d swaps", o, err, d.swaps)
	}
	if slices.ContainsFunc(d.sent[:len(d.sent)-1], func(r message.Request) bool { return *r.ExpectEpoch != 5 }) {
		t.Errorf("it asked at another epoch than it saw: %+v", d.sent)
	}
}

// A swap that comes to nothing is told, and not asked for again and again.
func TestASwapThatComesToNothing(t *testing.T) {
	d := newDeciders()
	d.fails = true
	k, in := bind(t, d, with)
	if _, err := k.Do(short(t), in); !errors.Is(err, driver.ErrRefused) || !strings.Contains(err.Error(), "came to nothing: x is primary of web-db (epoch 5)") {
		t.Errorf("it says %v", err)
	}
	if len(d.sent) != 1 {
		t.Errorf("it asked %d times", len(d.sent))
	}
}

// Which swap is asked for depends on the primary there; while that is not clear nothing is asked.
func TestTheVerdictDecidesTheVerb(t *testing.T) {
	d := newDeciders()
	d.verdict = message.VerdictUnknown
	k, in := bind(t, d, with)
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if _, err := k.Do(ctx, in); !errors.Is(err, driver.ErrUnasked) || len(d.sent) != 0 {
		t.Errorf("it says %v after %d requests", err, len(d.sent))
	}
	d.verdict = message.VerdictDown
	if _, err := k.Do(short(t), in); err != nil || d.sent[0].Verb != message.VerbFailover {
		t.Errorf("it says %v, asked for %s", err, d.sent[0].Verb)
	}
}
