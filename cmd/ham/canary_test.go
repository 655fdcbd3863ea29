package main_test

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/isacloud/ha-manager/pkg/client/haproxy/haproxytest"
)

// strictPair is an HAProxy whose requests fail at once where the server does not answer. Clients come by the frontend front, the canary alone by outside.
const strictPair = `
global
    stats socket ipv4@{{addr "admin-tcp"}} level admin
    stats socket {{unix "admin"}} level admin
defaults
    mode http
    timeout connect 100ms
    timeout client 5s
    timeout server 5s
    retries 0
frontend front
    bind {{addr "front"}}
    default_backend web
frontend outside
    bind {{addr "outside"}}
    default_backend web
backend web
    server s1 %s
    server s2 %s disabled
`

// failedAt is how many requests of a frontend HAProxy itself answered with 5xx.
func failedAt(t *testing.T, addr, frontend string) int {
	t.Helper()
	c, err := net.DialTimeout("tcp", addr, 5*time.Second)
	require.NoError(t, err)
	defer c.Close()
	require.NoError(t, c.SetDeadline(time.Now().Add(5*time.Second)))
	_, err = io.WriteString(c, "show stat\n")
	require.NoError(t, err)
	text, err := io.ReadAll(c)
	require.NoError(t, err)
	rows, err := csv.NewReader(strings.NewReader(strings.TrimSpace(strings.TrimPrefix(string(text), "# ")))).ReadAll()
	require.NoError(t, err)
	column := map[string]int{}
	for i, name := range rows[0] {
		column[name] = i
	}
	for _, r := range rows[1:] {
		if r[column["pxname"]] == frontend && r[column["svname"]] == "FRONTEND" {
			n, err := strconv.Atoi(r[column["hrsp_5xx"]])
			require.NoError(t, err)
			return n
		}
	}
	t.Fatalf("HAProxy knows no frontend %s", frontend)
	return 0
}

// A server dies behind a real HAProxy, and a person swaps after a while. What the canary says that clients lost is what HAProxy counted of its
// requests and what other clients saw; it swapped nothing, and it stands in status and post-mortem.
func TestACanarySaysWhatClientsLost(t *testing.T) {
	w := newWorld(t)
	a, b := haproxytest.NewSite(t, "a"), haproxytest.NewSite(t, "b")
	proxy := haproxytest.Start(t, fmt.Sprintf(strictPair, a.Addr(), b.Addr()))
	admin := proxy.Runtime("admin-tcp")
	path := w.file("web.yaml", fmt.Sprintf(`
group: web
mode: manual
members:
  a: {site: sp, url: "http://%s"}
  b: {site: rj, url: "http://%s"}
adopt: a
checks:
  alive: {http: /alive, every: 200ms, timeout: 150ms, from: [here]}
routes:
  front: {haproxy: %q, backend: web, servers: {a: s1, b: s2}}
canary: {http: "%s/", every: 100ms, timeout: 1s, from: [here]}
policy: {stable_for: 1s, rise: 2, max_late: 1m}
---
ham:
  name: up
  site: here
  http: 127.0.0.1:0
  bus: {listen: %q}
`, a.Addr(), b.Addr(), admin, proxy.URL("outside"), strings.TrimPrefix(w.server, "nats://")))
	w.start(ham, "up", "--config", path)
	w.until("clients are served, and b could take over", func() bool {
		s := w.status("web")
		return s.Held && s.Clients != nil && s.Clients.Outage == nil && strings.Contains(s.Clients.Sentence, "are served") && len(s.Members) == 2 && s.Members[1].Ready
	})
	before := failedAt(t, strings.TrimPrefix(admin, "tcp://"), "outside")
	load := haproxytest.StartLoad(t, proxy.URL("front"), haproxytest.LoadOptions{Every: 20 * time.Millisecond})
	require.NoError(t, load.Await(t.Context(), "a", 5))

	killed := time.Now()
	a.Kill()
	w.until("the canary loses requests", func() bool {
		c := w.status("web").Clients
		if c.Outage == nil {
			return false
		}
		failed, _ := c.Outage.Count()
		return failed >= 5
	})
	lost := time.Now()
	s := w.status("web")
	require.Equal(t, "a", s.Primary, "a canary swaps nothing, and the group is manual")
	require.Contains(t, s.Clients.Sentence, "clients of web are not served: ")
	least := time.Since(lost)
	out, code := w.run("failover", "web", "--yes")
	require.Zero(t, code, out)
	w.until("clients are served again", func() bool { c := w.status("web").Clients; return c.Outage == nil && len(c.Past) == 1 })
	most := time.Since(killed)
	require.NoError(t, load.Await(t.Context(), "b", 5))
	others := load.Stop()

	o := w.status("web").Clients.Past[0]
	failed, looks := o.Count()
	require.Equal(t, failedAt(t, strings.TrimPrefix(admin, "tcp://"), "outside")-before, failed, "HAProxy counts what the canary lost; other clients: %s", others)
	require.Equal(t, failed, looks, "nothing was served in between")
	require.False(t, o.Unseen)
	t.Logf("the canary: %d looks in %s; other clients: %s", failed, o.Lasted(0), others)
	for who, lasted := range map[string]time.Duration{"the canary": o.Lasted(0).Std(), "other clients": others.Gap} {
		require.GreaterOrEqual(t, lasted, least, who)
		require.LessOrEqual(t, lasted, most, who)
	}
	require.Positive(t, others.Failed)

	text, code := w.run("status")
	require.Zero(t, code, text)
	require.Contains(t, text, fmt.Sprintf("what clients lost last: %d of %d looks failed within ", failed, looks))
	var incidents []struct{ ID string }
	out, code = w.run("incidents", "--output", "json")
	require.Zero(t, code, out)
	require.NoError(t, json.Unmarshal([]byte(out), &incidents))
	require.NotEmpty(t, incidents)
	report, code := w.run("postmortem", incidents[len(incidents)-1].ID)
	require.Zero(t, code, report)
	require.Contains(t, report, "## What clients lost")
	require.Contains(t, report, fmt.Sprintf("%d of %d looks failed", failed, looks))
	require.Contains(t, report, "As clients saw it: ")
	out, code = w.run("replay", "web")
	require.Zero(t, code, out)
	require.Contains(t, out, "The same: ")
}
