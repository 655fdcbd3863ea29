// Package whatif asks what would become of each group if any single thing failed: it drives the pure core over made looks with made time, from a
// state in which all is well, once for each fault, and says what the core decides, by which rule, and when the clients would be served again.
//
// # Where to read
//
// place.go says where things stand, as far as the spec and the processes' own files tell. fault.go lists the faults. world.go is what stands around
// the core during one of them. judge.go concludes.
//
// # What it promises
//
//   - Deterministic: the same files give the same report, to the byte.
//   - What is decided is decided by the core that decides in production, with its own plan of the swap. Nothing of its rules is written here again.
//   - A time that is predicted is the worst that the spec allows: each vantage has just looked when the fault begins.
//
// # What it gives up
//
// What stands in no file it cannot know, and it says what it took for granted ([Group.Assumed]): it names what it counted no time for, too. The
// executor's part, leases and databases are played by the rules of docs/how-it-works.md in a few lines, not run. Two faults at once are not looked at.
package whatif
