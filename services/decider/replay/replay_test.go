package replay_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/isacloud/ha-manager/pkg/bus"
	"github.com/isacloud/ha-manager/pkg/evidence"
	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/subject"
	"github.com/isacloud/ha-manager/services/decider/core"
	"github.com/isacloud/ha-manager/services/decider/replay"
)

func run(t testing.TB, text []byte) *replay.Report {
	t.Helper()
	src, _, err := replay.FromPack(bytes.NewReader(text))
	require.NoError(t, err)
	r, err := replay.Run(context.Background(), src, replay.Options{})
	require.NoError(t, err)
	return r
}

// TestSimulationsReplay: what deciders decided in a simulation, each with its own order of hearing, deaths and clocks, is decided again by whoever
// has nothing but the record.
func TestSimulationsReplay(t *testing.T) {
	decisions, seeds := 0, uint64(8)
	if testing.Short() {
		seeds = 4
	}
	for seed := range seeds {
		mode := []string{"auto", "auto", "manual", "dry-run"}[seed%4]
		r := run(t, pack(t, simulate(t, seed, mode, time.Minute).records))
		require.True(t, r.Same(), "seed %d, %s: %s", seed, mode, r.First())
		decisions += len(r.Decisions)
		require.Zero(t, r.Invalid)
	}
	require.Greater(t, decisions, 5*int(seeds))
}

// laddered is the group with a ladder that is climbed before anybody takes over.
var laddered = strings.NewReplacer("site: sp,", "site: sp, executor: e1,", "site: rj,", "site: rj, executor: e1,").Replace(web) + `remedy: [{restart: "systemd:app", times: 2, wait: 1s, timeout: 1s}, {restart: "docker:cache", wait: 1s, timeout: 1s}]
remedy_reset: 6s
`

// TestLaddersReplay: the tries of ladders stand in the chain and what became of them beside it, so each try, its end and the failover after it are decided
// again from the record alone.
func TestLaddersReplay(t *testing.T) {
	rules := map[string]int{}
	for _, seed := range []uint64{0, 1, 2, 4, 7, 8, 11} {
		mode := []string{"auto", "auto", "manual", "dry-run"}[seed%4]
		w := simulateOf(t, seed, fmt.Sprintf(laddered, mode), time.Minute)
		r := run(t, pack(t, w.records))
		require.True(t, r.Same(), "seed %d, %s: %s", seed, mode, r.First())
		require.Zero(t, r.Invalid)
		for _, d := range r.Decisions {
			rules[d.Command.Rule]++
		}
	}
	t.Log(rules)
	for _, rule := range []string{"R270", "R272", "R273", "R240"} {
		require.NotZero(t, rules[rule], "%s occurs in no record: %v", rule, rules)
	}
}

// edit changes the bodies of the records for which f says so.
func edit(records []evidence.Record, f func(*evidence.Record) bool) (out []evidence.Record) {
	for _, r := range records {
		r.Body = bytes.Clone(r.Body)
		if f(&r) {
			out = append(out, r)
		}
	}
	return out
}

// TestAChangedRecordIsNoticed: a record that was changed and signed anew decides otherwise, and replay says so.
func TestAChangedRecordIsNoticed(t *testing.T) {
	w := simulate(t, 1, "auto", time.Minute)
	var failover *message.Command
	var decidedAt int64
	for _, s := range w.chain {
		if c, ok := s.m.(*message.Command); ok && c.Kind == message.KindFailover {
			failover, decidedAt = c, s.at
		}
	}
	require.NotNil(t, failover)
	replaced := func(stream, old, new string) func(*evidence.Record) bool {
		return func(r *evidence.Record) bool {
			if r.Stream == stream && bytes.Contains(r.Body, []byte(failover.ID)) {
				r.Body = bytes.ReplaceAll(r.Body, []byte(old), []byte(new))
			}
			return true
		}
	}
	cases := map[string]struct {
		change func(*evidence.Record) bool
		says   string
	}{
		"nothing":      {func(*evidence.Record) bool { return true }, ""},
		"the rule":     {replaced(subject.StreamCommands, `"rule":"R240"`, `"rule":"R239"`), `rule: recorded "R239", replayed "R240"`},
		"the sentence": {replaced(subject.StreamCommands, "seeing vantages say so", "seeing vantages swear so"), "sentence: recorded"},
		"the looks that said down": {func(r *evidence.Record) bool {
			if r.Stream == subject.StreamHeartbeats && r.Time/1000 > decidedAt-3_000_000 {
				r.Body = bytes.Replace(r.Body, []byte(`"answer":"down"`), []byte(`"answer":"up"`), 1)
			}
			return true
		}, "the replay decides nothing here"},
		"the looks are taken out": {func(r *evidence.Record) bool {
			return r.Stream != subject.StreamHeartbeats || r.Time/1000 < decidedAt-3_000_000
		}, "the replay decides nothing here"},
		"a pause is put in": {func(r *evidence.Record) bool {
			if r.Stream == bus.StreamOf(subject.BucketSpec) {
				r.Body = bytes.Replace(r.Body, []byte("budget: 50 per 24h"), []byte("budget: 1 per 24h"), 1)
			}
			return true
		}, "R310"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			r := run(t, pack(t, edit(w.records, c.change)))
			if c.says == "" {
				require.True(t, r.Same(), r.First())
				return
			}
			require.False(t, r.Same())
			require.Contains(t, r.First(), c.says)
		})
	}
}

// TestAStreamThatWasSlow: looks, and what was said of a command, lay about before they were stored, or after. The decider had heard them in time, or not
// yet, and its decisions say so.
func TestAStreamThatWasSlow(t *testing.T) {
	w := simulate(t, 1, "auto", time.Minute)
	var c *message.Command
	for _, s := range w.chain {
		if one, ok := s.m.(*message.Command); ok && one.Kind == message.KindFailover && one.Request == "" {
			c = one
		}
	}
	require.NotNil(t, c)
	at := c.Basis.Stream
	require.NotEmpty(t, c.Basis.Steady[c.Primary])
	late := edit(w.records, func(r *evidence.Record) bool {
		if r.Stream == subject.StreamHeartbeats && r.Time/1000 > at-2_000_000 && r.Time/1000 < at-400_000 && bytes.Contains(r.Body, []byte(`"member":"`+c.Primary+`"`)) {
			r.Time = (at - 400_000) * 1000
		}
		return true
	})
	slices.SortStableFunc(late, func(a, b evidence.Record) int {
		if a.Stream == b.Stream {
			return cmp.Compare(a.Time, b.Time)
		}
		return 0
	})
	r := run(t, pack(t, late))
	require.True(t, r.Same(), r.First())
}

// TestADecisionThatTheRecordDoesNotHold: the chain lacks a command that its decider must have proposed.
func TestADecisionThatTheRecordDoesNotHold(t *testing.T) {
	w := simulate(t, 1, "auto", time.Minute)
	cut := int64(0) // from the first failover on nothing is decided for a while
	var kept []evidence.Record
	for _, r := range w.records {
		if r.Stream == subject.StreamCommands && cut == 0 && bytes.Contains(r.Body, []byte(`"kind":"failover"`)) {
			cut = r.Time
		}
		decided := r.Stream == subject.StreamCommands || r.Stream == subject.StreamSafety
		if cut > 0 && decided && r.Time < cut+15e9 {
			continue
		}
		kept = append(kept, r)
	}
	require.NotZero(t, cut)
	r := run(t, pack(t, kept))
	require.False(t, r.Same())
}

// TestWithoutABasis: commands of a version that recorded less are replayed by the streams' times, and that is said.
func TestWithoutABasis(t *testing.T) {
	w := simulate(t, 2, "auto", 30*time.Second)
	r := run(t, pack(t, edit(w.records, func(r *evidence.Record) bool {
		if i := bytes.Index(r.Body, []byte(`"basis":{`)); i >= 0 {
			dec := json.NewDecoder(bytes.NewReader(r.Body[i+len(`"basis":`):]))
			var basis json.RawMessage
			require.NoError(t, dec.Decode(&basis))
			end := i + len(`"basis":`) + int(dec.InputOffset()) + len(",")
			r.Body = append(r.Body[:i:i], r.Body[end:]...)
		}
		return true
	})))
	require.NotEmpty(t, r.Decisions)
	require.Zero(t, r.Invalid)
	require.Contains(t, strings.Join(r.Assumed, "; "), "say nothing of what their decider had heard")
	require.True(t, r.Decisions[0].Same(), r.First())
}

// TestAnotherPolicy: what a quicker and what a slower policy would have decided of the same looks.
func TestAnotherPolicy(t *testing.T) {
	w := simulate(t, 5, "dry-run", 2*time.Minute)
	src, _, err := replay.FromPack(bytes.NewReader(pack(t, w.records)))
	require.NoError(t, err)
	try := func(policy string) *replay.TrialReport {
		t.Helper()
		r, err := replay.Trial(context.Background(), src, time.Time{}, "policy.yaml", []byte(policy))
		require.NoError(t, err)
		return r
	}
	same := try("{quorum: 2, fall: 2, rise: 2, stable_for: 1s, cooldown: 2s, undo_window: 1s, budget: 50 per 24h}")
	require.Equal(t, same.Declared.Swaps, same.Other.Swaps, "the declared policy beside itself")
	require.NotEmpty(t, same.Declared.Swaps)
	require.Equal(t, same, try(fmt.Sprintf(web, "manual")), "a whole spec: its policy counts alone")

	slow := try("{quorum: 2, fall: 4, rise: 2, stable_for: 1s, cooldown: 2s, undo_window: 1s, budget: 50 per 24h}")
	_, _, quick := slow.Declared.Detection()
	_, _, most := slow.Other.Detection()
	require.Greater(t, most, quick)
	require.LessOrEqual(t, len(slow.Other.Swaps), len(slow.Declared.Swaps))

	once := try("{quorum: 2, fall: 2, rise: 2, stable_for: 1s, cooldown: 0s, undo_window: 1s, budget: 1 per 24h}")
	require.Len(t, once.Other.Swaps, 1)
	require.NotZero(t, once.Other.Refused["R310"])
	calm := try("{quorum: 2, fall: 2, rise: 2, stable_for: 1s, cooldown: 24h, undo_window: 1s, budget: 9 per 24h}")
	require.Len(t, calm.Other.Swaps, 1)
	require.NotZero(t, calm.Other.Refused["R309"])

	for _, wrong := range []string{"", "- a", "{quorum: 9}", "{fal: 3}", "group: x", ": :"} {
		_, err := replay.Trial(context.Background(), src, time.Time{}, "policy.yaml", []byte(wrong))
		require.ErrorIs(t, err, replay.ErrPolicy, wrong)
	}
}

// TestWrongSwaps: an outage that ends before a swap would have is a wrong swap, one that lasts is none.
func TestWrongSwaps(t *testing.T) {
	wrong, right := 0, 0
	for seed := range uint64(4) {
		w := simulate(t, 20+seed, "dry-run", time.Minute)
		src, _, err := replay.FromPack(bytes.NewReader(pack(t, w.records)))
		require.NoError(t, err)
		r, err := replay.Trial(context.Background(), src, time.Time{}, "policy.yaml", []byte("{quorum: 2, fall: 2, rise: 2, stable_for: 0s, cooldown: 0s, budget: 99 per 24h}"))
		require.NoError(t, err)
		for _, s := range r.Other.Swaps {
			if s.Wrong {
				wrong++
				require.LessOrEqual(t, s.Back, s.Took)
				require.NotEmpty(t, s.Why)
			} else {
				right++
				require.True(t, s.Back == 0 || s.Back > s.Took)
			}
			// What the simulation knows: the primary was down when the swap was decided, and for how long from then.
			require.True(t, w.wasDown("a", s.At.UnixMicro()-1000), "%s", s.Sentence)
		}
	}
	require.NotZero(t, wrong)
	require.NotZero(t, right)
}

// TestPeoplesJudgements: what people said of a shadow stands beside the swap that a trial finds in its place.
func TestPeoplesJudgements(t *testing.T) {
	w := simulate(t, 5, "dry-run", 2*time.Minute)
	for i, s := range w.events {
		if e := s.m.(*message.Event); e.Kind == message.EventShadow && e.Request == "" {
			w.now += 1000
			how := []string{message.JudgeRight, message.JudgeWrong}[i%2]
			w.store(subject.StreamEvents, subject.Event("web", message.EventJudged, "d1"), &message.Event{
				ID: fmt.Sprintf("judged.%d", i), Group: "web", Kind: message.EventJudged, Severity: message.Info, Writer: "d1", Sentence: "judged", At: w.now,
				Judged: &message.Judgement{Entry: e.Command.ID, Judge: how, Actor: "ana", Reason: "I was there"},
			})
		}
	}
	src, _, err := replay.FromPack(bytes.NewReader(pack(t, w.records)))
	require.NoError(t, err)
	r, err := replay.Trial(context.Background(), src, time.Time{}, "policy.yaml", []byte(fmt.Sprintf(web, "auto")))
	require.NoError(t, err)
	right, wrong := r.Other.Judged()
	require.NotZero(t, right+wrong)
	require.LessOrEqual(t, right+wrong, len(r.Other.Swaps))
	for _, s := range r.Other.Swaps {
		require.True(t, s.Judged == nil || s.Judged.Actor == "ana")
	}
}

// TestTheCodesOfTheTable: what the trial refuses by itself is what the table calls so.
func TestTheCodesOfTheTable(t *testing.T) {
	for _, r := range core.Rules() {
		switch r.Code {
		case "R309":
			require.Contains(t, r.When, "cool-down")
		case "R310":
			require.Contains(t, r.When, "budget")
		}
	}
}

// FuzzPack: whatever a signed pack holds, replay ends without a panic.
func FuzzPack(f *testing.F) {
	w := simulate(f, 3, "auto", 12*time.Second)
	f.Add([]byte(`{"group":"web"}`), byte(0), uint16(3))
	for i, r := range w.records {
		if r.Stream != subject.StreamHeartbeats {
			f.Add(r.Body, byte(i), uint16(i))
		}
	}
	f.Fuzz(func(t *testing.T, body []byte, at byte, which uint16) {
		records := append([]evidence.Record(nil), w.records...)
		changed := &records[int(which)%len(records)]
		changed.Body, changed.Time = body, changed.Time+int64(int8(at))*1e7
		src, _, err := replay.FromPack(bytes.NewReader(pack(t, records)))
		require.NoError(t, err)
		if _, err := replay.Run(context.Background(), src, replay.Options{}); err != nil {
			require.ErrorIs(t, err, replay.ErrNothing)
		}
	})
}
