package page

import (
	"path"
	"strings"

	"github.com/isacloud/ha-manager/services/console/internal/board"
)

// Promise is one row of the guarantee card: what happens when something breaks, and what shows that it does.
type Promise struct {
	Fault   string
	Outcome string
	// Proof is the test, as <folder or file>:<name of the test or of the story>; a test holds every one of them to exist.
	Proof string
}

// Short is the name of the proof alone: of the test, or of the story.
func (p Promise) Short() string {
	if _, test, ok := strings.Cut(p.Proof, ":"); ok {
		return test
	}
	return strings.ReplaceAll(strings.TrimSuffix(path.Base(p.Proof), ".txt"), "_", " ")
}

// promisesAll hold for every group, promisesRouted for groups without a lease, promisesLeased for those with one.
var (
	promisesAll = []Promise{
		{"Every decider or the whole bus is lost", "The roles stay as they are: losing them never swaps anything.", "services/decider/core/testdata/probers_lost.txt"},
		{"One place sees a failure, others do not", "Nothing moves: a quorum has to say so, and none may contradict.", "services/decider/core/testdata/disputed.txt"},
		{"The standby is not ready", "Nobody is moved to it by itself, and the page says why.", "services/decider/core/testdata/standby_not_ready.txt"},
		{"An executor dies in the middle of a swap", "Another one goes on from the journal; nothing is done twice.", "services/executor/crash_test.go:TestCrashWalk"},
		{"A step fails", "The swap stops there and waits for a person, as its plan says.", "services/decider/core/testdata/paused_step.txt"},
	}
	promisesRouted = []Promise{
		{"The primary's process dies", "The standby takes over as soon as a quorum has seen it refuse.", "services/decider/core/testdata/failover_hard.txt"},
		{"The primary freezes or falls silent", "The standby takes over after the declared number of looks in a row, not before.", "services/decider/core/testdata/failover_silent.txt"},
		{"A proxy cannot be reached", "It is alarmed, and set right as soon as it answers. Until then it sends clients where it did: this group has no fence.", "services/executor/routes_test.go:TestRoutesAreKeptRight"},
	}
	promisesLeased = []Promise{
		{"The primary's process dies", "Its executor says so, which is proof: the standby takes over at once.", "services/decider/core/testdata/lease_crash.txt"},
		{"The primary's host is lost", "The standby takes over when the lease has run out, never before.", "services/decider/core/testdata/lease_host_lost.txt"},
		{"The primary is cut off, or its executor freezes", "Its guard shuts by itself at the end of the lease, in the kernel.", "services/executor/guard/nftables/deadline_linux_test.go:TestEstablishedConnectionsAreCutAtTheDeadline"},
		{"The old primary thaws or comes back", "It stays shut until a newer epoch names it.", "services/executor/guard/nftables/deadline_linux_test.go:TestAThawedProcessStaysShut"},
		{"Somebody promotes a standby by hand", "It is told, it is ended, and no swap happens until it is over.", "services/executor/internal/keeper/keeper_test.go:TestWhoIsPromotedByHandIsEnded"},
	}
	// promisesPool hold for pools: none of the others does, since nobody there is primary.
	promisesPool = []Promise{
		{"A member dies", "HAProxy leads nobody to it, by its own checks, with ham or without. ham tells it.", "services/executor/pool_test.go:TestPoolBackup"},
		{"Somebody takes out one too many", "It is refused below the minimum, also where two ask at once.", "services/decider/core/pool_test.go:TestTwoDrainsAtOnce"},
		{"It is paused, or in dry run", "No proxy is touched.", "services/executor/pool_test.go:TestPoolIsLeftAlone"},
		{"A proxy is restarted or reloaded", "Who was taken out is taken out there again within moments.", "services/executor/pool_test.go:TestPoolIsKeptRight"},
	}
	// promisesMended stand in for the first two of those, where something is tried before anybody takes over.
	promisesMended = []Promise{
		{"The primary's process dies, freezes or falls silent", "It is mended where it is, as often as the ladder says. The standby takes over when that did not help, or made it worse.", "services/decider/core/testdata/remedy_ladder.txt"},
		{"What is tried makes it worse", "The ladder ends at once: nothing more is tried.", "services/decider/core/testdata/remedy_worse.txt"},
	}
	promiseNeverLose = Promise{"The standby is lost, then the primary", "Nobody takes over: no acknowledged write is given up.", "services/decider/core/testdata/lease_standby_lost.txt"}
	promiseNeverStop = Promise{"The primary dies while the standby lags", "The loss is shown at all times; beyond the objective a person decides, seeing the figures.", "services/decider/core/testdata/lease_never_stop.txt"}
)

// promises are those that hold of the group.
func promises(g *board.Group) []Promise {
	if g.Spec == nil {
		return nil
	}
	if g.Spec.Pool != nil {
		return promisesPool
	}
	var out []Promise
	switch {
	case g.Spec.Lease == nil && len(g.Spec.Remedy) > 0:
		out = append(append(out, promisesMended...), promisesRouted[2:]...)
	case g.Spec.Lease == nil:
		out = append(out, promisesRouted...)
	default:
		out = append(out, promisesLeased...)
		switch g.Spec.Durability {
		case "never-lose":
			out = append(out, promiseNeverLose)
		case "never-stop":
			out = append(out, promiseNeverStop)
		}
	}
	return append(out, promisesAll...)
}

// vouched says by whom what no test of ham can show is vouched for.
func vouched(g *board.Group) string {
	switch {
	case g.Spec == nil:
		return ""
	case g.Spec.Pool != nil:
		return "That HAProxy's own configuration balances, checks and falls back is not looked after here: whoever runs it vouches for it."
	case g.Spec.Lease == nil:
		return "That only one member acts is not fenced here: whoever wrote this group's spec vouches that both may run for a moment."
	}
	return "That a clock does not stop with its machine (a paused or migrated VM) is vouched for by whoever runs the hosts."
}
