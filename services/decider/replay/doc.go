// Package replay makes a decider's decisions again from what the streams recorded: the pure core, fed with the recorded messages in the order
// and at the times at which the decider that decided had them. It reads an evidence pack, or the bus itself.
//
// # How the same order comes about
//
// Deciders hear heartbeats as they pass, a little before the stream has them, and each hears them in an order of its own. So a command carries
// its basis (message.Basis): the moment it was decided at by the bus's clock, for how long its decider had run and watched, the newest look of
// each vantage that it had heard, and how far it had read chain, safety messages and what proxies were seen to do (Positions). Around each decision replay puts the messages
// into that order: what the basis names comes before the decision, at the moment at which it was heard; everything else comes after it. Away from decisions a
// message comes when it was stored.
//
// A decider's life begins where the basis says: what was stored before is read at once, as after a start, and it is blind until it has watched
// for an interval. A command without a basis (of an older version) is replayed by the streams' times alone, and [Report.Assumed] says so, as it
// says everything else that no record holds.
//
// # What is compared
//
// Every command of the chain and every shadow of a dry run: epoch, kind, primary, rule and sentence. A replay that decides what the record does
// not hold is a difference too, as long as its decider is known to have lived.
//
// # Another policy
//
// [Trial] asks what a policy would have decided. It judges each moment from the roles as they were recorded: a swap that it would have made moves nobody,
// but counts for its cool-down and its budget.
package replay
