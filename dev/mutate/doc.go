// Command mutate is the mutation gate: it breaks one safety rule at a time on purpose and demands that the
// test named for that rule goes red.
//
// A mutant is a small patch, mutants/<name>.patch, with a header of two lines above the diff:
//
//	Rule: An executor refuses a command of a lower epoch than the newest it has seen.
//	Test: ./services/executor/internal/plan -run ^TestStaleEpoch$
//	--- a/services/executor/internal/plan/epoch.go
//	+++ b/services/executor/internal/plan/epoch.go
//	@@ …
//
// Rule is the sentence that the patch makes untrue. Test names one package and what to run in it; -race, -count
// and -tags may follow. A third line, Slow: <why>, marks a mutant whose test takes more than about ten seconds to go red, such as one that
// shows as a test that waits in vain; -quick leaves it out.
//
// First all named tests run without any patch: each must match at least one test that passes. Then each mutant is
// judged on its own. The patched files are handed to the go command as an overlay, so nothing is written into the
// tree, the build cache is shared with everyday work, and several mutants run side by side. The overlay is passed
// in GOFLAGS, so a test that itself calls the go command builds the broken code too. What a test reads at run
// time is not patched: a mutant changes what the compiler reads.
//
// Exit code: 0 all mutants were killed, 1 at least one was not, 2 wrong use.
package main
