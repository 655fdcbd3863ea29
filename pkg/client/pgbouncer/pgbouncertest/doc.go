// Package pgbouncertest runs a real PgBouncer for tests, on a free port of the loopback interface and without leaving anything behind.
//
//	b := pgbouncertest.Start(t, pgbouncertest.Options{Databases: map[string]string{"orders": "host=127.0.0.1 port=5432"}})
//	console, err := pgbouncer.Dial(ctx, b.Admin())
//	conn, err := pgx.Connect(ctx, b.DSN("orders", "app"))
//
// The entries of [databases] lie in a file of their own, [Bouncer.File]. A test that needs PgBouncer is skipped where there is none, and fails
// there if HAM_REQUIRE=1 is set. Run as root, PgBouncer runs as nobody: it refuses to be root.
package pgbouncertest
