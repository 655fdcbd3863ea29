// Package nftables is the guard in the kernel's packet filter (Linux). It holds whatever becomes of this process: killed, frozen,
// thawed or never started again.
//
// # What it does
//
// Each group has a table of its own, ham-<group>. While the guard is shut, a packet that comes to a guarded TCP port is answered with a
// reset, so that clients turn elsewhere at once, and no packet but a reset leaves that port: no acknowledgement of a write gets out,
// established connections included. No connection tracking is needed. IPv4, IPv6 and loopback are guarded alike. Addresses of Allow pass
// at all times: members replicate there, and ham looks from there; no client and no proxy may live there.
//
// Not its business are unix sockets, ports other than TCP, and a server in another network namespace than this process (a container with
// a network of its own): the executor belongs into the namespace of its server.
//
// # The lease
//
// The guard is open while the set "lease" holds the element tcp. Its time-out is the kernel's: it runs out by the kernel's clock alone.
// The kernel takes time-outs, not deadlines, so a writer that is frozen between computing what is left and writing it would lengthen the
// lease. Therefore each write is two: first a ticket is put into the set "ticket", which is valid for 30 ms; only then is the clock read;
// and what is left is written together with the removal of the ticket and, in a renewal, of the element of the lease before: in one
// transaction, which the kernel refuses as a whole where one of the two has run out. So a guard is late by the ticket's 30 ms and the tick of
// the kernel's timers (10 ms at most) in the worst case, within guard.Late.
//
// # Boot
//
// After a boot the kernel's tables are empty: the ports are open until Prepare has run. Either nothing but the executor starts the server
// (its unit is disabled), which is the rule for leased resources anyway; or Ruleset, written to a file, is loaded before the network comes up, by a
// unit of its own (nft -f). Do not include it in /etc/nftables.conf: each reload of that would shut the guard of a serving primary.
//
// "nft flush ruleset" (which "systemctl reload nftables" does on Debian) takes the guard away like everything else: the next renewal says so
// (guard.ErrAbsent), and Shut puts it back. Whoever holds no lease renews nothing, so it must look now and then (Open). A host that holds a guard had
// better flush its own tables by name.
//
// The kernel's time-outs, like all of its timers, stand still while the machine is suspended or paused: after that the guard is late by
// as long. That is the one thing that a lease assumes away.
//
// # Rights
//
// CAP_NET_ADMIN in the network namespace, and nothing else. The nft program is not needed.
//
// # Figures
//
// A renewal is two transactions: 73 µs (through the nft program it would be 22 ms), a look 24 µs; kernel 6.18, 2 cores. The last byte passed an
// established connection 3 to 13 ms before the deadline, since the kernel rounds down to its ticks (4 ms there); with a writer that was held
// up for 20 ms on the way, 14 to 17 ms after it. See BenchmarkRenewal and TestEstablishedConnectionsAreCutAtTheDeadline.
package nftables
