package replay_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"

	"github.com/isacloud/ha-manager/pkg/bus"
	"github.com/isacloud/ha-manager/pkg/bus/embedded/bustest"
	"github.com/isacloud/ha-manager/pkg/evidence"
	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec/store"
	"github.com/isacloud/ha-manager/pkg/subject"
	"github.com/isacloud/ha-manager/services/decider"
	"github.com/isacloud/ha-manager/services/decider/replay"
)

// stage is a real bus with real deciders; probers and the executor are played.
type stage struct {
	t    *testing.T
	bus  *bus.Bus
	down [2]atomic.Bool
}

func (s *stage) probe(ctx context.Context) {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for seq := uint64(1); ; seq++ {
		for i, member := range []string{"a", "b"} {
			for _, v := range []string{"sp", "rj", "witness"} {
				hb := &message.Heartbeat{Group: "web", Member: member, Vantage: v, Check: "alive", Boot: "1", Seq: seq, Answer: message.Up, EveryMicros: 1_000_000, At: time.Now().UnixMicro()}
				if s.down[i].Load() {
					hb.Answer, hb.Hard, hb.Evidence = message.Down, true, "refused"
				}
				h, body, err := message.Encode(hb, "/ham/prober/"+v, time.Now())
				if err != nil {
					s.t.Error(err)
					return
				}
				_ = s.bus.Conn().PublishMsg(&nats.Msg{Subject: subject.Heartbeat("web", member, v), Header: nats.Header(h), Data: body}) // losing one is harmless
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (s *stage) execute(ctx context.Context) {
	_ = s.bus.Follow(ctx, bus.FollowOptions{Stream: subject.StreamCommands}, func(d bus.Delivery) {
		c, ok := d.Message.(*message.Command)
		if !ok {
			return
		}
		held := &message.Held{ID: "held." + c.ID, Group: c.Group, Epoch: c.Epoch, Primary: c.Primary, Command: c.ID, Executor: "stage"}
		if r, err := s.bus.Propose(ctx, subject.Command(c.Group), held, d.Seq); err != nil || !r.Won {
			return
		}
		_, _ = s.bus.Publish(ctx, subject.Safety(c.Group, subject.SafetyRun, "stage"), &message.RunResult{ID: "done." + c.ID, Group: c.Group, Epoch: c.Epoch,
			Command: c.ID, Kind: c.Kind, Primary: c.Primary, State: message.StateDone, Executor: "stage", Sentence: "done", ExecuteMicros: 1000, VerifyMicros: 1000})
	})
}

// TestRealDecidersReplay: deciders over a real bus adopt, fail over, are asked to go back; from what the bus holds, and from a pack of it,
// the same is decided again.
func TestRealDecidersReplay(t *testing.T) {
	srv := bustest.Start(t)
	ctx, end := context.WithCancel(t.Context())
	defer end()
	s := &stage{t: t, bus: bustest.Connect(t, srv, "stage")}
	began := time.Now()
	_, err := store.Put(ctx, s.bus, strings.Replace(fmt.Sprintf(web, "auto"), "every: 200ms", "every: 1s", 1) /* nobody is silent for being slow */, "tester", "", 0)
	require.NoError(t, err)
	go s.probe(ctx)
	go s.execute(ctx)
	var deciders []*decider.Decider
	for _, name := range []string{"d1", "d2"} {
		d, err := decider.New(decider.Options{Bus: bustest.Connect(t, srv, name), Name: name})
		require.NoError(t, err)
		done := make(chan error, 1)
		go func() { done <- d.Run(ctx) }()
		defer func() { require.NoError(t, <-done) }()
		defer end()
		deciders = append(deciders, d)
	}
	until := func(what string, is func(*message.GroupStatus) bool) {
		t.Helper()
		require.Eventually(t, func() bool {
			for _, d := range deciders {
				if st, ok := d.Status("web"); !ok || !is(st) {
					return false
				}
			}
			return true
		}, time.Minute, 20*time.Millisecond, what)
	}
	swappable := func(primary string) func(*message.GroupStatus) bool {
		return func(st *message.GroupStatus) bool {
			return st.Primary == primary && st.Held && st.Swap == nil && len(st.Refusals) == 0
		}
	}
	until("a is primary and b ready", swappable("a"))
	s.down[0].Store(true)
	until("b took over", func(st *message.GroupStatus) bool { return st.Primary == "b" && st.Held })
	s.down[0].Store(false)
	until("a is ready", swappable("b"))
	// On a machine without time to spare the vantages are silent now and then, and what is asked at that moment is refused: then it is asked again.
	var o message.Outcome
	for end := time.Now().Add(time.Minute); !o.Accepted && time.Now().Before(end); {
		msg, err := s.bus.Conn().Request("ham.v1.ask.web.switchover", []byte(`{"reason": "back"}`), 20*time.Second)
		require.NoError(t, err)
		o = message.Outcome{}
		require.NoError(t, message.DecodeAs(message.Header(msg.Header), msg.Data, &o))
	}
	require.True(t, o.Accepted, o.Sentence)
	until("a is back", swappable("a"))

	// What was gathered is part of the pack, and of no decision.
	_, err = s.bus.Publish(ctx, subject.Gathered("web", "x1"), &message.Gathered{
		Group: "web", Incident: "web-1", When: message.GatherOpened, Executor: "x1", Clues: []message.Clue{{Name: "host", Text: "load: 1 password=***"}},
	})
	require.NoError(t, err)

	now := time.Now()
	check := func(src replay.Source) {
		t.Helper()
		r, err := replay.Run(ctx, src, replay.Options{})
		require.NoError(t, err)
		require.Len(t, r.Decisions, 3)
		for _, d := range r.Decisions {
			// Of three vantages that fail within a millisecond a decider may have heard another two first than the stream stored: then the sentence
			// names those, and nothing else differs.
			require.True(t, d.Same() || strings.HasPrefix(d.Difference, "sentence: "), d.Difference)
		}
		require.Empty(t, r.Extras, r.First())
		require.Greater(t, r.Heartbeats, uint64(100))
	}
	check(replay.FromBus(s.bus, "web", began.Add(-time.Minute), now))

	from, last, err := evidence.Span(ctx, s.bus, "web", "web-1")
	require.NoError(t, err)
	require.True(t, from.After(began.Add(-time.Minute)) && last.After(from) && last.Before(now.Add(time.Minute)), "%s %s", from, last)
	_, _, err = evidence.Span(ctx, s.bus, "web", "web-77")
	require.ErrorIs(t, err, evidence.ErrNoIncident)
	var out bytes.Buffer
	key := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{1}, 32))
	w, err := evidence.NewWriter(&out, key, evidence.Head{Group: "web", Incident: "web-1"})
	require.NoError(t, err)
	wrote, err := evidence.Pack(ctx, s.bus, evidence.Around("web", began.Add(-time.Minute), now), w)
	require.NoError(t, err)
	found, err := evidence.Verify(bytes.NewReader(out.Bytes()), key.Public().(ed25519.PublicKey))
	require.NoError(t, err)
	require.Equal(t, wrote.Messages, found.Messages)
	require.Zero(t, found.Masked)
	require.Contains(t, out.String(), "ham.v1.gathered.web.x1")
	require.Contains(t, out.String(), "load: 1 password=***")
	src, _, err := replay.FromPack(bytes.NewReader(out.Bytes()))
	require.NoError(t, err)
	check(src)
}
