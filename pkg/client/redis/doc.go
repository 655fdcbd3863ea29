// Package redis speaks to Redis servers (RESP2, Redis 6.2 and newer): the few commands that looking after a pair takes. Standard library only.
//
// It is not built on a general client, such as go-redis: those own a pool of connections and dial behind one's back, while here the
// connection itself is the point. Its loss is what wakes a prober, it must not be remade silently, and one that is idle must cost nothing.
//
// # A bar against writes
//
// A server that must take no writes is barred ([Conn.Bar]): min-replicas-to-write is set to 1 000 000 000 and what it was before, so that it
// refuses every write with NOREPLICAS, and so that [Conn.Unbar] finds the operator's own number again wherever it is called. The bar holds
// for a server in either role: one that stops being a replica by whatever hand still takes no writes. It does not outlive the process
// unless it is written into the configuration ([Conn.Rewrite]).
//
// Redis runs one command at a time, so that when Bar has returned, no write will be acknowledged that had not been done before; what was
// done and not yet read by its client goes with [Conn.Cut].
//
// # Looking whether it writes
//
// [Conn.Probe] deletes a key that does not exist. That passes all the checks which a write must pass (role, bar, replicas, failed saves, a
// pause) but the one for memory, and changes nothing: nothing is replicated, nothing is written to a file.
package redis
