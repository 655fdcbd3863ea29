// Package haproxytest runs a real HAProxy for tests: on free ports of the loopback interface, with real reloads, kills and
// restarts, and without leaving anything behind.
//
//	a, b := haproxytest.NewSite(t, "a"), haproxytest.NewSite(t, "b")
//	proxy := haproxytest.Start(t, haproxytest.Pair(a.Addr(), b.Addr()))
//	client, err := haproxy.New(proxy.Runtime("admin"), haproxy.Options{})
//	load := haproxytest.StartLoad(t, proxy.URL("front"), haproxytest.LoadOptions{})
//	// … switch from s1 to s2 …
//	report := load.Stop()
//
// A test that needs HAProxy is skipped where there is none, and fails there if HAM_REQUIRE=1 is set.
package haproxytest
