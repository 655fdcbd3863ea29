// Package redistest runs real Redis servers for tests, on free ports of the loopback interface and without leaving anything behind.
//
//	a := redistest.Start(t, redistest.Options{})
//	b := redistest.Start(t, redistest.Options{ReplicaOf: a})
//	b.AwaitLink()
//	a.Do("SET", "k", "v")
//	a.Kill()
//
// A test that needs Redis is skipped where there is none, and fails there if HAM_REQUIRE=1 is set.
package redistest
