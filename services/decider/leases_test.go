package decider

import (
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"

	"github.com/isacloud/ha-manager/pkg/bus"
	"github.com/isacloud/ha-manager/pkg/bus/embedded/bustest"
	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec"
	"github.com/isacloud/ha-manager/pkg/subject"
)

// shares are those of a decider that began at the time returned.
func shares(t testing.TB) (*leases, time.Time) {
	t.Helper()
	m, err := newMetrics(nil)
	require.NoError(t, err)
	began := time.Now()
	return newLeases("d1", slog.New(slog.DiscardHandler), m, began), began
}

func asks(member string, epoch uint64) *message.LeaseRequest {
	return &message.LeaseRequest{Group: "orders", Member: member, Executor: member + "-x", Epoch: epoch, TTL: message.Duration(spec.DefaultTTL)}
}

func adopted(epoch uint64) *message.Command { return &message.Command{Group: "orders", Epoch: epoch} }

// A decider that has just started may have granted before: it grants nothing until the longest lease there may be has run out.
func TestARestartedDeciderWaits(t *testing.T) {
	l, began := shares(t)
	l.saw(adopted(1), began.Add(-time.Hour))
	l.chainsRead(began.UnixMicro())
	l.saw(adopted(7), began.Add(-time.Minute))
	a := l.answer(began.Add(time.Second), asks("a", 7))
	require.False(t, a.Granted)
	require.Equal(t, longestWait-time.Second, a.Retry.Std())
	require.Equal(t, uint64(7), a.Newest)
	require.True(t, l.answer(began.Add(longestWait), asks("a", 7)).Granted)
}

// The first command of a group that this life saw begin needs no wait. One that was stored before its chain was read, or whose chain was not
// read yet, may have been granted before.
func TestTheFirstCommandOfAGroupNeedsNoWait(t *testing.T) {
	for name, c := range map[string]struct {
		read    bool
		stored  time.Duration
		epoch   uint64
		granted bool
	}{
		"begun under our eyes": {true, time.Second, 1, true},
		"not read yet":         {false, time.Second, 1, false},
		"stored before":        {true, -time.Second, 1, false},
		"a later epoch":        {true, time.Second, 2, false},
	} {
		t.Run(name, func(t *testing.T) {
			l, began := shares(t)
			l.answer(began, asks("a", 1)) // asking early changes nothing
			if c.read {
				l.chainsRead(began.UnixMicro())
			}
			l.saw(adopted(c.epoch), began.Add(c.stored))
			require.Equal(t, c.granted, l.answer(began.Add(2*time.Second), asks("a", c.epoch)).Granted)
		})
	}
}

// A grant ends by the word that its holder is fenced, stored or said with a request, and by nothing else before its time.
func TestAFencedHolderMakesWay(t *testing.T) {
	l, began := shares(t)
	at := began.Add(longestWait)
	require.True(t, l.answer(at, asks("a", 3)).Granted)
	a := l.answer(at.Add(time.Millisecond), asks("b", 4))
	require.False(t, a.Granted)
	require.Greater(t, a.Retry.Std(), 1700*time.Millisecond)
	l.fenced(&message.Fenced{Group: "orders", Member: "a", Epoch: 2})
	require.False(t, l.answer(at.Add(2*time.Millisecond), asks("b", 4)).Granted, "fenced for an older epoch")
	l.fenced(&message.Fenced{Group: "orders", Member: "a", Epoch: 3})
	require.True(t, l.answer(at.Add(3*time.Millisecond), asks("b", 4)).Granted)
	require.Equal(t, map[string]holder{"orders": {"b", 4, 0}}, left0(l.holdersAt(at.Add(4*time.Millisecond))))
	again := asks("b", 4)
	again.Fenced = 4
	require.False(t, l.answer(at.Add(5*time.Millisecond), again).Granted, "nobody is granted what it is fenced for")
	said := asks("b", 5)
	said.Fenced = 4
	l.answer(at.Add(6*time.Millisecond), said)
	require.Equal(t, uint64(5), l.holdersAt(at.Add(6 * time.Millisecond))["orders"].epoch)
}

func left0(in map[string]holder) map[string]holder {
	for k, h := range in {
		h.left = 0
		in[k] = h
	}
	return in
}

// A newer command in the chain refuses whoever asks for an older one.
func TestAnOldEpochIsRefused(t *testing.T) {
	l, began := shares(t)
	at := began.Add(longestWait)
	l.saw(adopted(4), began)
	a := l.answer(at, asks("a", 3))
	require.False(t, a.Granted)
	require.Equal(t, uint64(4), a.Newest)
	long := asks("a", 4)
	long.TTL = message.Duration(spec.LongestTTL + time.Second)
	require.False(t, l.answer(at, long).Granted, "no lease may be longer than a restarted decider waits")
	require.True(t, l.answer(at, asks("a", 4)).Granted)
}

func TestMadeUpGroupsCostLittle(t *testing.T) {
	l, began := shares(t)
	for i := range mostGroups + 5 {
		r := asks("a", 1)
		r.Group = fmt.Sprint("g", i)
		l.answer(began, r)
	}
	require.Len(t, l.groups, mostGroups)
}

// Over the bus, while everything else of the decider stands still: the answer does not wait for it.
func TestALeaseIsAnsweredWhateverTheDeciderDoes(t *testing.T) {
	t.Parallel()
	srv := bustest.Start(t)
	d, err := New(Options{Bus: bustest.Connect(t, srv, "d1"), Name: "d1"})
	require.NoError(t, err)
	d.leases.began = d.leases.began.Add(-longestWait)
	stop, err := d.leases.serve(d.bus)
	require.NoError(t, err)
	defer stop()
	d.mu.Lock() // a core that thinks
	defer d.mu.Unlock()
	x := bustest.Dial(t, srv.BusOptions("a-x", "executor"))
	a := request(t, x, asks("a", 3))
	require.True(t, a.Granted, a.Reason)
	require.Equal(t, uint64(3), a.Epoch)
	require.False(t, request(t, x, asks("b", 3)).Granted)

	msg, err := x.Conn().Request(subject.Lease("orders", "d1"), []byte(`{"group": "orders"}`), 10*time.Second)
	require.NoError(t, err)
	require.Equal(t, "400", msg.Header.Get("Nats-Service-Error-Code"))
	h, body, err := message.Encode(asks("a", 3), x.Source(), time.Now())
	require.NoError(t, err)
	msg, err = x.Conn().RequestMsg(&nats.Msg{Subject: subject.Lease("other", "d1"), Header: nats.Header(h), Data: body}, 10*time.Second)
	require.NoError(t, err)
	require.Contains(t, msg.Header.Get("Nats-Service-Error"), "the group that the subject names")
}

func request(t testing.TB, b *bus.Bus, r *message.LeaseRequest) *message.LeaseAnswer {
	t.Helper()
	h, body, err := message.Encode(r, b.Source(), time.Now())
	require.NoError(t, err)
	msg, err := b.Conn().RequestMsg(&nats.Msg{Subject: subject.Lease(r.Group, "d1"), Header: nats.Header(h), Data: body}, 10*time.Second)
	require.NoError(t, err)
	a := new(message.LeaseAnswer)
	require.NoError(t, message.DecodeAs(message.Header(msg.Header), msg.Data, a), "%v", msg.Header)
	return a
}

// BenchmarkLease is one renewal over loopback: request, grant, answer.
func BenchmarkLease(b *testing.B) {
	srv := bustest.Start(b, bustest.Listening)
	d, err := New(Options{Bus: bustest.Dial(b, bus.Options{Name: "d1", URLs: []string{srv.ClientURL()}}), Name: "d1"})
	require.NoError(b, err)
	d.leases.began = d.leases.began.Add(-longestWait)
	stop, err := d.leases.serve(d.bus)
	require.NoError(b, err)
	defer stop()
	x := bustest.Dial(b, bus.Options{Name: "x", URLs: []string{srv.ClientURL()}})
	var took []time.Duration
	for b.Loop() {
		began := time.Now()
		require.True(b, request(b, x, asks("a", 3)).Granted)
		took = append(took, time.Since(began))
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds()), "p50-µs")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-µs")
}
