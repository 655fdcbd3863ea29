// Package lease keeps a group to one primary at a time. It is pure: no clock, no input or output, no goroutine, no map order. [Grants] is
// one decider's half, [Holder] that of the executor beside one member. The caller carries what they say, keeps the guard and the disk,
// and hands in the time.
//
// # Where to read
//
// grants.go is 100 lines, and all that a decider does. holder.go is the rest: shares of the lease, promises given and got, the guard's
// deadline. testdata/*.txt are stories of both, one sentence each at their top. explore_test.go walks through every state of small systems made
// of these very types (system_test.go), with lost, late and repeated messages and restarts; runs_test.go says which, and which rule each rests on.
//
// # What it promises
//
// Provided that the caller keeps its duties below, and that clocks run within the margin:
//
//   - At most one member's guard is open with a resource that acts behind it, at any moment.
//   - Nobody begins to act at an epoch below one that was acted in. When held(e) is written, no other member's guard is open.
//   - An epoch's lease is taken once. Who lapsed, gave up or restarted without an open guard needs a newer epoch.
//   - It does not matter which messages are lost, late or said again, nor from how long ago: requests, grants, promises, fenced.
//   - Nor does it matter when anybody restarts. A decider needs no disk. A holder needs the four numbers of [Past].
//
// # What it gives up
//
// A decider that has just started grants nothing for the longest wait allowed, since it may have granted before; likewise a member that restarted
// without an open guard takes no lease, since it may have promised. A primary that has lost the majority of deciders goes on only while
// every other member of its epoch promises; with no other member it does not. A member that left counts until its primary has taken
// the lease of an epoch without it.
//
// # The caller's duties
//
// Executor, in this order; whatever fails, [Holder.Fence] is the way back:
//
//  1. Hand in every command of the chain in order ([Holder.Saw], [Holder.SawHeld]), after a restart too, from the start or from the epoch
//     of [Past].Acting.
//  2. Ask whom [Holder.Asks] names, several times in a ttl, with the wait of [Holder.Wait]; hand in each grant with the time at which
//     its request was sent, and renew the guard when told to, at once: a guard refuses a deadline that has passed.
//  3. [Holder.Take]; write the epoch to disk as Past.Taken; arm the guard to exactly the deadline returned, also where that shortens it.
//  4. While [Holder.MayHold] says so, write held(e), expecting command e itself.
//  5. Read held(e) back; [Holder.Open]; write the epoch to disk as Past.Acting; let the resource act.
//  6. When [Holder.Lapsed], or on purpose: shut the guard, end the resource, [Holder.Fence], write what it returns to disk, and only then
//     say it, to the deciders and to the members.
//
// Decider: hand in each request with the time at which it was received, and each fenced that was read back. To refuse is always safe.
//
// Deciders decide by these rules, which stand outside: a failover or switchover only after an epoch that is held, to one of its members; a change of
// deciders (by one at a time) or of members only after the one before is held.
//
// # Time
//
// All times are of one monotonic clock, from zero on, that goes on while the machine sleeps (CLOCK_BOOTTIME). A decider's and an executor's clocks are
// never compared. The holder counts the ttl from when it sent; the decider and the promising member count [Wait] from when they received.
//
// Grants and Holder are each owned by one goroutine.
package lease
