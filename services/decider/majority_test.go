package decider_test

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/isacloud/ha-manager/pkg/bus"
	"github.com/isacloud/ha-manager/pkg/bus/embedded/bustest"
	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec/store"
)

// TestNoMajorityIsNoCover: two of the three servers of the bus are gone. The one that is left passes heartbeats on, so that everything looks well;
// but no decision could be stored, and that is said.
func TestNoMajorityIsNoCover(t *testing.T) {
	t.Parallel()
	servers := bustest.Cluster(t)
	b := bustest.Dial(t, bus.Options{Name: "stand", URLs: []string{servers[0].URL()}})
	layout := bustest.Layout
	layout.Replicas = 3
	require.NoError(t, b.Provision(t.Context(), layout))
	ctx, end := context.WithCancel(t.Context())
	t.Cleanup(end)
	s := &stand{t: t, end: end, bus: b, answer: map[string]*atomic.Value{}}
	_, err := store.Put(t.Context(), b, fmt.Sprintf(web, "auto"), "tester", "", 0)
	require.NoError(t, err)
	for _, m := range []string{"a", "b"} {
		s.answer[m] = new(atomic.Value)
		s.answer[m].Store(message.Up)
	}
	go s.probe(ctx)
	go s.execute(ctx)
	d := s.decideOn(bustest.Dial(t, bus.Options{Name: "d1", URLs: []string{servers[0].URL()}}), "d1")
	s.until(d, "covered", ready)

	servers[1].Stop()
	servers[2].Stop()
	said := s.until(d, "not covered", func(st *message.GroupStatus) bool {
		return verdict(st, "a") == message.VerdictUp && len(st.Refusals) == 1 && st.Refusals[0].Code == "R375"
	})
	require.True(t, strings.HasPrefix(said.Sentence, "If a died now: nobody takes over, because no majority of the bus's servers answers"), said.Sentence)

	servers[1].Start()
	s.until(d, "covered again", ready)
}
