// Package pgbouncer speaks to PgBouncer's admin console and edits the one thing in its configuration that a swap changes: the server of a
// database. It uses pgx's connection (pgconn) alone: the console knows the simple query protocol and nothing else.
//
// # What PgBouncer does, as measured with 1.18
//
//   - PAUSE db returns when no server connection of that database is left: in transaction pooling when the last transaction has ended and
//     its connection was closed. SHOW DATABASES says "paused" from the moment the command is given, while transactions still run:
//     [State.Held] therefore also looks whether a server connection is left.
//   - A PAUSE db outlives the console that gave it, and a RELOAD; nothing but RESUME db, KILL's resume or a restart ends it. Clients that wait
//     longer than query_wait_timeout (default 120 s) are disconnected.
//   - RELOAD with another host or port in the entry marks every server connection of the database as not to be used again: idle ones
//     are closed at once, others as soon as their transaction ends (in session pooling: with server_fast_close = 1, else with the session). After a
//     PAUSE there are none. So nothing is left for RECONNECT to do, which marks them in the same way. KILL would drop the clients too, those
//     that wait as well: it is never right here.
//   - After a connection to a server has failed, the pool makes no other for server_login_retry (default 15 s), whatever RELOAD and RESUME say
//     meanwhile, and clients wait. A server that refuses counts, and so does a connection that PAUSE cut off while it logged in. SET
//     server_login_retry takes effect at once; the next RELOAD takes it back.
//   - A client that logs in to a pool without any connection is not welcomed while the pause lasts (client_login_timeout, default 60 s).
//   - What ends a transaction whose server has gone silent is TCP alone: set tcp_keepalive, tcp_keepidle, tcp_keepintvl and tcp_user_timeout.
//   - server_lifetime closes idle connections only by and by; nothing rests on it.
//   - RELOAD answers RELOAD also when the file is wrong, and goes on with what it had: read back.
package pgbouncer
