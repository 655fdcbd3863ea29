// Package keeper keeps one member of a group with a lease: it asks for the lease and renews it, sets the guard's deadline by it, gives it
// up, and keeps the member's resource in the role that the chain gives it.
//
// The rules of the lease are in pkg/lease, which is pure; this package brings it the time, the messages and the disk, and does what it says.
//
// # Promises
//
//   - The guard is open only while pkg/lease says that the lease, or every other member's promise, covers the member; its deadline is the end of that.
//   - What fences the member goes in this order: the guard is shut, that is written to disk, it is said. The resource is ended meanwhile. Where the
//     guard cannot be shut, the resource is ended before anything is said.
//   - What is granted, promised and renewed waits for no disk. What has to be on disk before it is said is written outside of the lock that those need.
//   - A resource that acts as primary without the lease is ended, however it came to act.
//   - Nothing is armed, renewed or settled for a group that is not armed, but that a primary which was is made to wait for nobody any more, once.
//   - That a member is fenced is said until it is stored, and each minute while its group has no primary because of it.
//   - Whatever was guarded when the executor ended is shut when it starts, unless the kernel still holds it open for an epoch that is on disk.
//
// # What it gives up
//
// A person who talks to the resource past the guard, by a unix socket or from an address that is let past it, is not kept from writing to
// a resource that acts as primary; that lasts until the resource is looked at again, at most lookEvery.
package keeper
