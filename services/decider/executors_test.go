package decider

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/isacloud/ha-manager/pkg/bus"
	"github.com/isacloud/ha-manager/pkg/bus/embedded/bustest"
	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/subject"
	"github.com/isacloud/ha-manager/services/decider/core"
)

// Those who execute are called by the name of their service, and known by the name of their process.
func TestExecutorsAreCalled(t *testing.T) {
	t.Parallel()
	srv := bustest.Start(t)
	d, err := New(Options{Bus: bustest.Connect(t, srv, "d1"), Name: "d1"})
	require.NoError(t, err)
	require.Empty(t, d.whoExecutes(t.Context()))
	for _, name := range []string{"sp1", "rj1"} {
		x := bustest.Dial(t, srv.BusOptions(name, "executor"))
		s, err := x.Serve("ham-executor", "1.0.0", "a test", bus.Endpoint{Name: "look", Subject: subject.Look(name), Handler: func(context.Context, bus.Ask) (message.Message, error) { return nil, nil }})
		require.NoError(t, err)
		defer s.Stop()
	}
	other := bustest.Dial(t, srv.BusOptions("wit", "prober"))
	s, err := other.Serve("ham-prober", "1.0.0", "a test")
	require.NoError(t, err)
	defer s.Stop()
	require.Equal(t, []string{"rj1", "sp1"}, d.whoExecutes(t.Context()))
}

// Servers bear the primaries of all groups with a lease, and nothing is moved while roles are.
func TestBurden(t *testing.T) {
	t.Parallel()
	srv := bustest.Start(t)
	d, err := New(Options{Bus: bustest.Connect(t, srv, "d1"), Name: "d1"})
	require.NoError(t, err)
	burden, leased := d.burden()
	require.Empty(t, burden)
	require.False(t, leased)
	ctx, cancel := context.WithCancel(t.Context())
	defer d.lanes.Wait()
	defer cancel()
	d.life = ctx
	at := time.Now()
	for group, primary := range map[string]string{"orders": "a", "stock": "a", "web": "b"} {
		c := &message.Command{ID: group + "1", Group: group, Epoch: 1, Kind: message.KindReconfigure, Primary: primary, Members: []string{"a", "b"}, Lease: &message.Lease{
			Deciders: []string{"d1"}, TTL: 1, Armed: true, Beside: []message.Beside{{Member: "a", Executor: "sp1"}, {Member: "b", Executor: "rj1"}}}}
		d.step(group, core.ChainRead{Entry: c, Seq: 1, Stored: at.UnixMicro(), InOrder: true})
		burden, leased = d.burden()
		require.Empty(t, burden, "%s is not held yet", group)
		require.True(t, leased)
		d.step(group, core.ChainRead{Entry: &message.Held{ID: group + "h", Group: group, Epoch: 1, Primary: primary, Command: c.ID}, Seq: 2, Stored: at.UnixMicro(), InOrder: true})
	}
	burden, leased = d.burden()
	require.Equal(t, map[string]int{"sp1": 201, "rj1": 102}, burden)
	require.True(t, leased)
}
