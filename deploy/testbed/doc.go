// Testbed runs a PostgreSQL pair under a manager on hosts made of network namespaces, breaks them, and measures what the clients saw.
//
// What it promises:
//
//   - The same hosts, faults, client and measure for each manager that stands on it; see README.md for how each is set up.
//   - Nothing of a run is left: every process, mount, namespace and directory is gone when it ends, also after an interrupt. After a crash of this
//     program its next start, or `testbed down`, takes away what its state file names. Only what it made is touched: processes are ended
//     by their id, and are known by the namespace that they are in.
//   - All traffic stays in the namespaces. The bridge is in one of its own and leads nowhere else.
package main
