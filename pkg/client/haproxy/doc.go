// Package haproxy speaks the runtime API of HAProxy (its "stats socket"): it reads the state of servers, changes it, and notices
// when the process it speaks to is gone or replaced. Standard library only.
//
// # Use
//
// A [Client] dials for every call, so it reaches the process that accepts connections now:
//
//	c, err := haproxy.New("unix:///run/haproxy/admin.sock", haproxy.Options{})
//	answers, err := c.Do(ctx, // one line, applied back to back
//		haproxy.SetState("web", "s2", haproxy.Ready),
//		haproxy.SetState("web", "s1", haproxy.Maint))
//	servers, err := c.ServersState(ctx, "web")
//	if servers[0].Serving().New() { … } // Serving says what a server gets; Why says it with the reason
//
// A [Conn] stays: polls are cheap and its loss is noticed at once ([Conn.Lost]). [Client.Watch] keeps one, polls, and dials again
// whenever it is lost: the loop under a reconciler.
//
// Every call ends by its context or by [Options].Timeout, whichever is first. Errors are one of the reasons in this package
// (ErrUnreachable, ErrPermission, …) in an [Error] that names proxy and command. All commands may be repeated. A line is not a
// transaction: HAProxy goes on after a command that failed, so look first whether all servers exist.
//
// # Switching without a failed request
//
// Of one server to another, both healthy, under load:
//
//  1. Look: both servers are there, the level is admin ([Client.Level]), the new one answers.
//  2. In one line: new one ready, old one maint. In this order; for a moment both get requests.
//  3. Wait until the old one is drained ([Stat.Drained]), as long as the plan allows. Requests in flight end as if nothing happened.
//  4. Only then ShutdownSessions of the old one, for what would never end (streams, tunnels): each of them fails.
//  5. Read back ([Client.Snapshot]).
//
// Where two servers must never both get requests (step 2 allows it for a moment), there are two ways: maint first, wait for the drain, then
// ready, and requests fail meanwhile; or one server line whose address is changed by [SetAddr]: that is one command, and no request fails, but
// some that HAProxy had already assigned still reach the old address.
//
// After a crash of the old one, send the same line and ShutdownSessions at once. haproxytest/recommended.cfg makes requests wait
// for it instead of failing: "retries 10", "option redispatch 1" and a short "timeout connect", which is also the pause between two attempts.
// "option redispatch" with "retries 0" does nothing.
//
// # Measured
//
// With HAProxy 2.6.12 (Debian 12) on two shared cores over loopback. Most lines have a test; the figures come from
// go test -run '^$' -bench . -benchtime 20x ./client/haproxy
//
// Switches, failed requests a switch, eight clients asking without a pause:
//
//	one line, ready new then maint old      0
//	two calls, ready new, then maint old    0
//	one line, maint old then ready new      0.7 to 1.7 (503: no server for the time between the commands)
//	two calls, maint old, then ready new    2 to 9
//	ready, maint, shutdown sessions         3          (502, cut: the requests in flight)
//	address of one server changed           0
//
// The call takes 0.1 ms on an idle machine, 0.3 to 1 ms under that load.
//
// Crash of a server, switched 50 ms later, 500 requests a second (those that the server was answering when it died are lost in any case):
//
//	retries 0                                   25 fail; the next one after the switch is served
//	retries 10, timeout connect 250 ms          0 fail, slowest 250 ms
//	retries 10, timeout connect 100 ms          0 fail, slowest 105 ms
//	retries 20, timeout connect 50 ms           0 fail, slowest 50 to 105 ms
//	retries 50, timeout connect 20 ms           0 fail, slowest 60 to 70 ms
//
// In each of them the first request served after the crash ended within 5 ms of the switch: one that comes after the switch
// does not wait. A client that asks one request after the other waits for its pause to end.
//
// States:
//   - "disabled" on a server line is forced maintenance (bits FMAINT and CMAINT) until a command says ready; CMAINT stays on as a mere memory.
//   - A reload and a restart forget all that was set at run time: states, weights, addresses. With both servers "disabled"
//     the proxy serves nobody (503) until told: 370 ms on average with Watch every 500 ms, 70 ms with 100 ms, 13 ms with 20 ms.
//   - "server-state-file" with "load-server-state-from-file global" carries states over a reload without a gap, "ready" over
//     "disabled" included, if "show servers state" was written there just before it. The file must be deleted before a start, or the proxy
//     boots with the roles of that day.
//   - maint and drain leave established sessions alone, in mode http and tcp. An idle keep-alive connection of a client is on no server: its
//     next request goes to the new one. "on-marked-down shutdown-sessions" on the server line cuts sessions at maint, not at drain.
//   - Shutdown of sessions is answered in 0.3 ms, and the sessions are gone within 1 ms: a stream is truncated, a request in flight gets 502 or
//     is cut. It does not keep new sessions away.
//   - ready takes a checked server for healthy at once, even a dead one, until its checks have failed "fall" times.
//
// Connections:
//   - The death of the process (SIGKILL, SIGTERM) reaches a Conn within 2 ms, over Unix sockets and TCP.
//   - After a reload (-sf, and SIGUSR2 to a master) a Conn stays with the old process, which answers with "Stopping: 1", refuses changes with
//     "Proxy is disabled.", and does not end before the Conn is closed. With a master the Unix socket's inode stays the same, so
//     the file tells nothing. Watch every 100 ms costs one poll of 0.1 ms each.
//   - "stats maxconn" allows 10 connections by default; one more is accepted by the kernel and goes unanswered.
//   - "stats timeout" is not heeded after "prompt", nor "set timeout cli" on the same line as "prompt"; on a later line it is.
//
// Traps:
//   - "set server … addr … port 99999" is taken as port 34463; [SetAddr] cannot send it.
//   - Errors are not all told from data by their form, and an unknown command is "information": every connection begins with
//     "set severity-output number", which numbers HAProxy's own messages.
//   - "set maxconn frontend … 0" does not hold clients back for the time of a switch: raising it again while they wait locks HAProxy up,
//     and its watchdog kills it.
//   - A master loses a SIGUSR2 that comes before its own socket (-S) answers.
package haproxy
