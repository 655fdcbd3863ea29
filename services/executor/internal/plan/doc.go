// Package plan is the pure engine of a run: it says what happens next to a command's steps. No clock, no I/O, no
// goroutine, no randomness of its own: time and chance are handed in, so that the same inputs always give the same moves.
//
// All executors hold one [Record] of a run together, in the journal. It changes by compare-and-set only, and each turns it by
// the same rules:
//
//	settle   what my own attempts came to, and what a person instructed
//	yield    a newer epoch ends the run; a paused group begins nothing
//	begin    claim steps whose turn it is; take over from a holder that has gone
//	conclude held, done, ended, aborted
//
// [Run.Next] gives the record as it should be and the work that follows from it. Work is begun only once that record is stored.
//
// # Promises
//
//   - A step is in the record as started, with its attempt, before it is done.
//   - At most one claim on a step stands at a time: a claim is a change of the record that was first.
//   - No act or verify step is begun before every look step is settled and `held` stands in the chain.
//   - Nothing is begun once the record says superseded, ended, aborted or done, nor while the group is paused.
//   - A taken-over attempt whose target cannot tell whether it is done pauses for a person.
//   - An instruction counts for the attempt that it names, once.
package plan
