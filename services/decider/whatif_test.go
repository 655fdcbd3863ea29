package decider_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/isacloud/ha-manager/pkg/bus"
	"github.com/isacloud/ha-manager/pkg/bus/embedded/bustest"
	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec"
	"github.com/isacloud/ha-manager/pkg/spec/file"
	"github.com/isacloud/ha-manager/pkg/subject"
	"github.com/isacloud/ha-manager/services/decider/whatif"
)

// TestWhatIfIsWhatHappens: a real bus and a real decider decide of a fault what ham what-if said of it.
func TestWhatIfIsWhatHappens(t *testing.T) {
	text := fmt.Sprintf(web, "auto")
	declared, err := file.ParseGroup("web", text)
	require.NoError(t, err)
	said, err := whatif.Run(t.Context(), []*spec.Group{declared}, whatif.Options{})
	require.NoError(t, err)

	for _, c := range []struct {
		fault   string
		outcome string
		down    []string // vantage/member
	}{
		{"process a", whatif.Swapped, []string{"sp/a", "rj/a", "witness/a"}},
		{"check alive everywhere", whatif.Refused, []string{"sp/a", "rj/a", "witness/a", "sp/b", "rj/b", "witness/b"}},
		{"prober sp sees nothing", whatif.Refused, []string{"sp/a", "sp/b"}},
	} {
		t.Run(c.fault, func(t *testing.T) {
			t.Parallel()
			rows := said.Groups[0].Rows
			i := slices.IndexFunc(rows, func(r whatif.Row) bool { return r.Name() == c.fault })
			require.GreaterOrEqual(t, i, 0)
			want := rows[i]
			require.Equal(t, c.outcome, want.Outcome)

			s := newStandOf(t, text)
			s.end() // its probers all see the same; those of here do not
			ctx, end := context.WithCancel(t.Context())
			defer end()
			go s.execute(ctx)
			broken := make(chan struct{})
			go s.probeUntil(ctx, broken, c.down)
			d, _ := s.decide("d1")
			s.until(d, "ready", ready)

			told := make(chan *message.Event, 64)
			listener := bustest.Connect(t, s.srv, "listener")
			go func() {
				_ = listener.Follow(ctx, bus.FollowOptions{Stream: subject.StreamEvents}, func(d bus.Delivery) {
					if e, ok := d.Message.(*message.Event); ok && (e.Kind == message.EventRefused || e.Kind == message.EventDecision) && e.Epoch > 0 {
						select {
						case told <- e:
						case <-ctx.Done():
						}
					}
				})
			}()
			close(broken)
			for {
				var e *message.Event
				select {
				case e = <-told:
				case <-time.After(time.Minute):
					t.Fatalf("nobody decides anything of %s, want %s by %s %v", c.fault, want.Outcome, want.Rule, want.Reasons)
				}
				if want.Outcome == whatif.Swapped && e.Command != nil && e.Command.Kind == message.KindFailover {
					require.Equal(t, want.Rule, e.Command.Rule)
					require.Equal(t, want.To, e.Command.Primary)
					return
				}
				var codes []string
				for _, r := range e.Reasons {
					codes = append(codes, r.Code)
				}
				if want.Outcome == whatif.Refused && e.Kind == message.EventRefused {
					if !slices.Equal(codes, want.Reasons) {
						continue // on the way there, the first look of a moment ago still counted
					}
					require.Len(t, s.commands(), 1, "the adoption alone")
					return
				}
			}
		})
	}
}

// probeUntil is probe, until the fault: then those see nobody up.
func (s *stand) probeUntil(ctx context.Context, broken <-chan struct{}, down []string) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for seq := uint64(1); ; seq++ {
		fault := false
		select {
		case <-broken:
			fault = true
		default:
		}
		for _, member := range []string{"b", "a"} { // the standby first: who is refused must not look better for a moment
			for _, vantage := range []string{"sp", "rj", "witness"} {
				a := message.Up
				if fault && slices.Contains(down, vantage+"/"+member) {
					a = message.Down
				}
				s.publish(member, vantage, seq, a)
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}
