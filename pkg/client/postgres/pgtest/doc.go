// Package pgtest runs real PostgreSQL servers for tests: on free ports of the loopback interface and on unix sockets, with real kills,
// freezes and streaming standbys, and without leaving anything behind.
//
//	a := pgtest.Start(t, pgtest.Options{})
//	b := pgtest.Standby(t, a, pgtest.StandbyOptions{Name: "b"})
//	a.Exec("CREATE TABLE t (n int)")
//	a.Kill9()                       // the postmaster alone: its port refuses, its sessions end
//	a.Launch()                      // crash recovery, on the same port
//	b.Freeze(); b.Thaw()            // silence
//	conn := b.Connect(pgtest.Super) // a pgx connection that ends with the test
//
// The first server of a test binary runs initdb; the others are written from memory. A test that needs PostgreSQL is skipped where there is none,
// and fails there if HAM_REQUIRE=1 is set. Run as root, the servers run as the system user postgres.
package pgtest
