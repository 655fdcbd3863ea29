package main_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/isacloud/ha-manager/pkg/client/haproxy"
	"github.com/isacloud/ha-manager/pkg/client/haproxy/haproxytest"
	"github.com/isacloud/ha-manager/pkg/message"
)

// The example of a pool with the HAProxy that belongs to it, as they stand in deploy/examples: dry run first, then auto; one member is taken out and put
// back under load; nobody goes below the minimum, also when two ask at once; and the spare serves when all others are down.
func TestThePoolOfTheExamples(t *testing.T) {
	haproxytest.Require(t)
	w := newWorld(t)
	sites := map[string]*haproxytest.Site{}
	var places []string
	for i, name := range []string{"w1", "w2", "w3", "spare"} {
		sites[name] = haproxytest.NewSite(t, name)
		places = append(places, fmt.Sprintf("192.0.2.%d:8080", 11+i), sites[name].Addr())
	}
	proxy := haproxytest.Start(t, example(t, "pool.cfg", append([]string{
		"/run/haproxy/admin.sock", `{{unix "admin"}}`, "127.0.0.1:9999", `{{addr "admin-tcp"}}`, "bind :8000", `bind {{addr "front"}}`, "inter 1s", "inter 100ms",
	}, places...)...))
	spec := func(mode string) string {
		return example(t, "pool.yaml", append([]string{
			"mode: dry-run", "mode: " + mode, "tcp://127.0.0.1:9999", proxy.Runtime("admin-tcp"), "/alive, every: 1s, timeout: 300ms", "/alive, every: 200ms, timeout: 150ms",
			"pool: {minimum: 2}", "policy: {rise: 2, stable_for: 1s}\npool: {minimum: 2}",
			"  site: here\n", fmt.Sprintf("  site: here\n  http: 127.0.0.1:0\n  bus: {listen: %q}\n", strings.TrimPrefix(w.server, "nats://")),
		}, places...)...)
	}
	path := w.file("pool.yaml", spec("dry-run"))
	out, code := w.run("validate", path)
	require.Zero(t, code, out)
	stop := w.start(ham, "up", "--config", path)
	serve := func(n, free int) func() bool {
		return func() bool {
			s := w.status("web")
			return s.Pool != nil && len(s.Pool.Serve) == n && s.Pool.Free == free && len(s.Routes) == 1 && s.Routes[0].Reachable
		}
	}
	w.until("all three serve", serve(3, 1))
	require.Equal(t, "3 of 3 serve; 1 may be taken out.", w.status("web").Sentence)

	t.Log("dry run: it is answered, and nothing is touched")
	out, code = w.run("drain", "web", "w1")
	require.Zero(t, code, out)
	require.Contains(t, out, "dry run")
	admin, err := haproxy.New(proxy.Runtime("admin-tcp"), haproxy.Options{})
	require.NoError(t, err)
	serving := func(server string) string {
		s, err := admin.Snapshot(t.Context(), "web")
		require.NoError(t, err)
		is, ok := s.Server("web", server)
		require.True(t, ok)
		return is.Serving().String()
	}
	require.Equal(t, "serves", serving("s1"))
	w.file("pool.yaml", spec("auto"))
	out, code = w.run("apply", path)
	require.Zero(t, code, out)
	w.until("mode auto", func() bool { return w.status("web").Mode == "auto" && serve(3, 1)() })

	t.Log("two at once: one goes, the other is refused, and no request fails")
	load := haproxytest.StartLoad(t, proxy.URL("front"), haproxytest.LoadOptions{Workers: 2})
	type answer struct {
		member, out string
		code        int
	}
	answers := make(chan answer, 2)
	for _, m := range []string{"w1", "w2"} {
		go func() {
			out, code := w.run("drain", "web", m, "--for", "1h", "--reason", "kernel")
			answers <- answer{m, out, code}
		}()
	}
	both := []answer{<-answers, <-answers}
	slices.SortFunc(both, func(a, b answer) int { return a.code - b.code })
	require.Equal(t, []int{0, 3}, []int{both[0].code, both[1].code}, "%+v", both)
	require.Contains(t, both[0].out, both[0].member+" drains")
	require.Contains(t, both[1].out, "R434")
	away := both[0].member
	server := map[string]string{"w1": "s1", "w2": "s2"}[away]
	require.Equal(t, "drains", serving(server))
	out, code = w.run("status", "web")
	require.Zero(t, code, out)
	require.Contains(t, out, away+" is in maintenance by")
	require.Contains(t, out, "2 of 3 serve; none may be taken out")
	out, code = w.run("drain", "web", away, "--for", "3h", "--reason", "it takes longer")
	require.Zero(t, code, out)
	require.Contains(t, out, "renews the maintenance of "+away)
	require.Contains(t, out, "for 3h (it takes longer)")
	require.Contains(t, out, "2 of 3 serve; none may be taken out")
	out, code = w.run("switchover", "web", "--yes")
	require.Equal(t, 3, code, out)
	require.Contains(t, out, "R430")

	t.Log("somebody changes HAProxy behind its back: it is set right, and told")
	require.NoError(t, admin.SetState(t.Context(), "web", server, haproxy.Ready))
	w.until("it drains again", func() bool { return serving(server) == "drains" })
	out, code = w.run("undrain", "web", away)
	require.Zero(t, code, out)
	w.until("all three serve again", serve(3, 1))
	require.NoError(t, load.Await(t.Context(), away, 3))
	report := load.Stop()
	require.Empty(t, report.Failures, report.String())
	proxy.Reload()
	w.until("all three serve after a reload", serve(3, 1))

	t.Log("all are lost: the spare serves alone, and an incident is open")
	for _, m := range []string{"w1", "w2", "w3"} {
		sites[m].Kill()
	}
	w.until("the spare serves", func() bool { return servedBy(proxy.URL("front")) == "spare" })
	w.until("it is told", func() bool {
		s := w.status("web")
		return strings.HasPrefix(s.Sentence, "spare serves alone, because w1 is down") && s.Incident != ""
	})
	var incidents []struct{ ID string }
	out, code = w.run("incidents", "--output", "json")
	require.Zero(t, code, out)
	require.NoError(t, json.Unmarshal([]byte(out), &incidents))
	require.NotEmpty(t, incidents)
	out, code = w.run("postmortem", incidents[0].ID)
	require.Zero(t, code, out)
	require.Contains(t, out, "connection refused")
	var s *message.GroupStatus
	w.until("two are missing of the minimum", func() bool { s = w.status("web"); return len(s.Pool.Serve) == 0 && len(s.Pool.Backups) == 1 })
	require.Zero(t, stop(syscall.SIGTERM), "an orderly stop")
	resp, err := http.Get(proxy.URL("front"))
	require.NoError(t, err)
	resp.Body.Close()
	require.Equal(t, http.StatusOK, resp.StatusCode, "HAProxy goes on without ham")
}
