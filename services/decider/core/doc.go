// Package core decides. It is a pure function of what it has taken in: no clock, no input or output, no goroutine, no
// randomness, no map order. [State.Step] takes one input with its time and returns what to do; the caller does it and feeds what comes
// of it back in. So the same recorded inputs always give the same decisions, in production, in a test, in a replay.
//
// # Where to read
//
// rules.go is the rule table: what is concluded, decided, refused, and the sentence for each. testdata/*.txt are the stories that it was
// tried with, one sentence each at their top. step.go is the way of one input through the core. state.go is what it remembers.
//
// # What it promises
//
//   - Nobody is down before a quorum of seeing vantages says so, each of them `fall` looks in a row or with hard evidence, and nobody who can
//     see it has seen it up since. Who is silent, late, blind or could not look does not count. (R100 to R105)
//   - After a start, a lost link or a pause of its own it starts blind: nothing is judged before it has watched for a full interval.
//   - No swap is decided while anything of section R3 holds; each reason is told, with figures and what to do.
//   - Each decision is a proposal for one place in the group's chain: it expects the entry that was read last. Two deciders that
//     decide at once propose for the same place, and the stream keeps the first. What follows from a decision follows from reading the
//     chain, never from having proposed.
//   - A failover or switchover is proposed only after an epoch that is held, to one of its members. In a leased group a failover also goes past a
//     change of terms, or a resume, that its primary did not live to hold: to a member of both the newest command and the last that was held.
//   - In a leased group only the last that held is made to act again, and nobody takes over before the guard is in force. With never-lose whoever
//     takes over was recorded as having every acknowledged write, provided that executors keep their part: see DESIGN.md.
//   - A leased group's members, deciders, ttl and the rest change one at a time, each only once the one before is held.
//   - In dry run no swap is proposed: it becomes a shadow event. In manual mode none happens by itself. While paused none happens at all,
//     and a pause is in the chain, so that a decider that has not seen it proposes in vain.
//   - Nothing is said before it is stored: decisions, outcomes and incidents are told once they were read back.
//
// # What it gives up
//
// A verdict is as good as the vantages: a quorum of probers that all stand behind the same broken switch sees a dead primary. So the first step
// of a failover looks again, from an executor, and may end it. What a decider missed while it was away it reads back from the stream, to know how
// long a standby has been up; it concludes nothing else from the past.
//
// # Time
//
// Each input carries its [Time]. Silence and rows are measured on the decider's own monotonic clock; cool-down, budget, pause and undo
// window on the stream's; wall clocks are written down for people and compared with nothing.
//
// A State is owned by one goroutine.
package core
