// Package postgres speaks to one PostgreSQL server by SQL: what it is now, how far it is, whether it takes a write.
//
//	target, err := postgres.Parse(dsn)
//	conn, err := target.Connect(ctx, postgres.Options{Name: "ham sp"})
//	state, err := conn.State(ctx)  // what a check asks several times a second
//	all, err := conn.Observe(ctx)  // everything a swap rests on
//	err = conn.Probe(ctx, "sp")    // one small transaction
//
// Every call ends with its context. A connection is kept between calls; [Options.Lost] is called as soon as the server ends it.
//
// # What it never does
//
// The probe never waits for a standby: its transactions commit with synchronous_commit=local, whatever the server, the database or the
// role has set. Otherwise a synchronous standby that is lost would make a healthy primary look dead, at the very moment when there is
// nobody to take over. https://www.postgresql.org/docs/15/runtime-config-wal.html#GUC-SYNCHRONOUS-COMMIT
//
// No error of this package holds a password, nor the DSN that it stands in. What a server says may hold anything.
//
// # What it needs
//
// A role with pg_monitor, and a table of one row a prober: see [Grants]. A missing table or right is told as [NoProbe], it is no failure of the
// server.
package postgres
