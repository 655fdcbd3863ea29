// Package schedule decides when each check looks, and makes it look.
//
// There is no queue and no pool of workers: each check has one timer of the runtime, and a goroutine only while it
// looks. So nothing that one target does can delay another's check, and a check that waits costs a timer. Time is the
// runtime's monotonic clock throughout: a wall clock that jumps changes nothing.
package schedule
