package replay_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/subject"
)

// leased is a pair of PostgreSQL servers of which at most one may act.
const leased = `group: web
mode: %s
use: postgres-pair
with:
  members:
    a: {site: sp, host: 192.0.2.10}
    b: {site: rj, host: 198.51.100.10}
  witness: {site: mg, host: 203.0.113.5}
  service: systemd:postgresql@15-main
  password: "${file:/etc/ham/postgres.password}"
  replication_password: "${file:/etc/ham/replication.password}"
  durability: %s
  route: {haproxy: "tcp://203.0.113.20:9999", backend: web}
adopt: a
policy: {stable_for: 1s, cooldown: 2s, undo_window: 1s, budget: 50 per 24h}
`

// keeper is what the executors beside two servers with a lease do and say.
type keeper struct {
	acting string // "": nobody
	epoch  uint64
	seq    uint64
	state  string // of the other one, as it was said last
	said   uint64 // the epoch that was said for
	since  int64  // since when it is as it is
	up     bool
	fenced map[string]uint64
	unable map[string]bool
}

func (k *keeper) perf(member string) map[string]float64 {
	if member == k.acting {
		return map[string]float64{"recovery": 0, "lsn": 1000}
	}
	return map[string]float64{"recovery": 1, "lsn": 1000, "received": 1000}
}

// takes: the primary of a command is about to hold it; at a switchover the one before gives up first.
func (w *world) takes(c *message.Command) {
	k := &w.keeper
	if c.Lease == nil {
		return
	}
	if k.acting != "" && k.acting != c.Primary {
		w.fence(k.acting, c.Epoch, true)
	}
	k.acting, k.epoch = c.Primary, c.Epoch
}

func (w *world) fence(member string, epoch uint64, able bool) {
	k := &w.keeper
	if k.fenced == nil {
		k.fenced, k.unable = map[string]uint64{}, map[string]bool{}
	}
	if k.acting == member {
		k.acting = ""
	}
	k.fenced[member], k.unable[member] = epoch, !able
	k.seq++
	w.report(subject.SafetyFenced, member, &message.Fenced{
		ID: fmt.Sprintf("fenced.%d", k.seq), Group: "web", Member: member, Epoch: epoch, How: message.FencedItself, Able: able, Executor: member, Sentence: "its guard is shut", At: w.now,
	})
}

// keep is what the keepers do all the time: a primary that crashed is fenced, one that is well again says so, and the primary tells what its standby is.
func (w *world) keep() {
	w.after(100*time.Millisecond, w.keep)
	k := &w.keeper
	for _, m := range []string{"a", "b"} {
		if k.unable[m] && !w.down[m] && m != k.acting {
			w.fence(m, k.fenced[m], true)
		}
	}
	if k.acting == "" {
		return
	}
	if w.down[k.acting] {
		if !w.soft { // else nobody there says anything
			w.fence(k.acting, k.epoch, false)
		}
		return
	}
	other := map[string]string{"a": "b", "b": "a"}[k.acting]
	if up := !w.down[other]; up != k.up || k.since == 0 {
		k.up, k.since = up, w.now
	}
	state := k.state
	switch lasts := time.Duration(w.now-k.since) * time.Microsecond; {
	case k.up && lasts > 500*time.Millisecond:
		state = map[bool]string{true: message.StandbySynchronous, false: message.StandbyStreaming}[w.spec.Durability == message.NeverLose]
	case !k.up && lasts > time.Second:
		state = message.StandbyLost
	}
	if state == "" || state == k.state && k.said == k.epoch {
		return
	}
	k.state, k.said = state, k.epoch
	k.seq++
	w.report(subject.SafetyReplication, k.acting, &message.Replication{
		ID: fmt.Sprintf("replication.%d", k.seq), Group: "web", Epoch: k.epoch, Primary: k.acting, Executor: k.acting, Seq: k.seq, At: w.now,
		Standbys: []message.Standby{{Member: other, State: state}},
	})
}

// TestLeasedGroupsReplay: of a group with a lease too, the same is decided again from the record alone: failovers by quorum and by a fence, who is
// promotable, resumes, changes of terms.
func TestLeasedGroupsReplay(t *testing.T) {
	kinds := map[message.Kind]int{}
	rules := map[string]int{}
	for seed := range uint64(8) {
		durability := []string{"never-lose", "never-stop"}[seed%2]
		mode := []string{"auto", "auto", "auto", "manual"}[seed%4]
		w := simulateOf(t, seed, fmt.Sprintf(leased, mode, durability), time.Minute)
		r := run(t, pack(t, w.records))
		require.True(t, r.Same(), "seed %d, %s, %s: %s", seed, durability, mode, r.First())
		require.Zero(t, r.Invalid, r.First())
		for _, s := range w.chain {
			if c, ok := s.m.(*message.Command); ok {
				kinds[c.Kind]++
				rules[c.Rule]++
				require.True(t, c.Epoch == 1 || c.Lease != nil, "epoch %d", c.Epoch)
			}
		}
	}
	t.Log(kinds, rules)
	for _, k := range []message.Kind{message.KindFailover, message.KindSwitchover, message.KindReconfigure, message.KindResume} {
		require.NotZero(t, kinds[k], "%s occurs in no record: %v", k, kinds)
	}
	for _, rule := range []string{"R231", "R232", "R239"} {
		require.NotZero(t, rules[rule], "%s occurs in no record: %v", rule, rules)
	}
}
