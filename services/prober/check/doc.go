// Package check is what every kind of check has in common: how it is described, what it is given, and what one look
// may say. The kinds are leaf packages below this one; the prober lists them in checks.go. A kind is proved by the
// suite in checktest.
//
// # What a look promises
//
// It ends when its context ends, whatever the target does. It tells "the target says no" (down) from "nobody could
// ask" (unknown): a prober's own trouble must never look like a dead member. It calls evidence hard only where the
// operating system of the target, or whoever answers for it, said that nobody is there: refused, or reset on a
// connection that was new. It puts no secret into its evidence, and leaves nothing running behind.
package check
