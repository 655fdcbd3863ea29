package console_test

import (
	"context"
	"net/http"
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/runbook"
	"github.com/isacloud/ha-manager/pkg/spec/file"
	"github.com/isacloud/ha-manager/pkg/spec/store"
	"github.com/isacloud/ha-manager/pkg/who"
)

const poolSpec = `group: shop
mode: auto
members:
  w1: {site: sp, url: "http://127.0.0.1:1"}
  w2: {site: sp, url: "http://127.0.0.1:2"}
  w3: {site: sp, url: "http://127.0.0.1:3"}
  spare: {site: sp, url: "http://127.0.0.1:4", backup: true}
pool: {minimum: 1}
checks:
  alive: {http: /alive, every: 1s, timeout: 300ms, from: [sp]}
routes:
  front: {haproxy: ["tcp://127.0.0.1:9", "tcp://127.0.0.1:10"], backend: web, servers: {w1: s1, w2: s2, w3: s3, spare: s4}}
freeze:
  - {from: 2000-01-01T00:00:00Z, until: 2100-01-01T00:00:00Z, why: month end}
`

const sitesSpec = `group: automation
mode: auto
objectives: {rto: 2m}
members:
  sp: {site: sp, executor: sp1, url: "http://127.0.0.1:1", vars: {unit: app}}
  rj: {site: rj, executor: rj1, url: "http://127.0.0.1:2", vars: {unit: app}}
adopt: sp
resources:
  queue: {group: automation-queue}
  main:
    run: systemd:automation-main
    check: {http: /healthz, every: 1s, timeout: 300ms, from: [sp, rj, outside]}
    after: queue
  worker: {run: systemd:automation-worker, after: main}
  edge:
    route: {haproxy: ["tcp://127.0.0.1:9"], backend: web, servers: {sp: s1, rj: s2}}
    after: main
down_when: any of [queue, main]
verify: {http: "https://automation.example.org/healthz", from: outside}
canary: {http: "https://automation.example.org/", every: 1s, timeout: 1s, from: [outside]}
remedy:
  - {restart: "systemd:${member.unit}", times: 2, wait: 20s, timeout: 20s, for: [main]}
  - {exec: {command: [/usr/local/bin/rebuild-cache], done: [/bin/true]}, times: 1, wait: 1m}
`

// shop is a pool: w1 is taken out and still has clients, w2 is down.
func shop() *message.GroupStatus {
	now, three := time.Now(), 3
	servers := func(n *int) []message.ServerSeen {
		return []message.ServerSeen{{Member: "w1", Server: "s1", Admin: "drain", Says: "up", Sessions: n}, {Member: "w2", Server: "s2", Admin: "ready", Says: "down"}, {Member: "w3", Server: "s3", Admin: "ready", Says: "up"}}
	}
	none := 0
	return &message.GroupStatus{
		Group: "shop", Mode: "auto", Sentence: "1 of 3 serve; none may be taken out: w1 is in maintenance by ana (new kernel); w2 is down: 1 of 1 seeing vantages say so by check alive, sp (connection refused); the quorum is 1.",
		Pool: &message.PoolStatus{Minimum: 1, Active: 3, Serve: []string{"w3"}},
		Members: []message.MemberStatus{
			{Name: "spare", Site: "sp", Role: message.RoleBackup, Verdict: message.VerdictUp, Ready: true, Views: []message.View{{Member: "spare", Vantage: "sp", Check: "alive", Says: "up", AgoMS: 100}}},
			{Name: "w1", Site: "sp", Role: message.RoleDrained, Verdict: message.VerdictUp, Ready: true, Views: []message.View{{Member: "w1", Vantage: "sp", Check: "alive", Says: "up", AgoMS: 100}},
				Maintenance: &message.MaintenanceStatus{By: "ana", Reason: "new kernel", Since: now.Add(-10 * time.Minute).UnixMicro(), Until: now.Add(50 * time.Minute).UnixMicro()}},
			{Name: "w2", Site: "sp", Role: message.RoleActive, Verdict: message.VerdictDown, Views: []message.View{{Member: "w2", Vantage: "sp", Check: "alive", Says: "down", Hard: true, InARow: 4, AgoMS: 90, Evidence: "connection refused"}},
				Reasons: []message.Reason{{Code: "R104", Sentence: "w2 is down: 1 of 1 seeing vantages say so by check alive, sp (connection refused); the quorum is 1"}}},
			{Name: "w3", Site: "sp", Role: message.RoleActive, Verdict: message.VerdictUp, Ready: true, Views: []message.View{{Member: "w3", Vantage: "sp", Check: "alive", Says: "up", AgoMS: 110}}},
		},
		Routes: []message.RouteSeen{
			{Route: "front", Proxy: "tcp://127.0.0.1:9", Reachable: true, Serves: []string{"w3"}, Servers: servers(&three)},
			{Route: "front", Proxy: "tcp://127.0.0.1:10", Reachable: true, Serves: []string{"w3"}, Servers: servers(&none)},
		},
		Blocked: []message.BlockedWindow{{From: now.Add(-time.Hour).UnixMicro(), Until: now.Add(time.Hour).UnixMicro(), Why: "month end", Freeze: true}},
		Thresholds: []message.ThresholdStatus{
			{Member: "w1", Check: "host", Figure: "cpu", Unit: "%", Value: 12, Measured: true, Max: 90, Clear: 80, Condition: message.ThresholdWell, Sentence: "cpu of w1: 12%, the bound is 90% (check host)"},
			{Member: "w3", Check: "host", Figure: "disk /", Unit: "%", Value: 93, Measured: true, Max: 90, Clear: 85, Condition: message.ThresholdOver, Sentence: "disk / of w3: 93%, the bound is 90% (check host): too far since 2026-03-01 12:01:18 UTC, resolves at 85%"},
		},
		SpecRevision: 1, Decider: "d1", At: now.UnixMicro(),
	}
}

// automation is a whole infrastructure whose main instance has died: its ladder is at its second try, and clients are not served.
func automation() *message.GroupStatus {
	now := time.Now()
	up := func(m, check string, ago int64) message.View {
		return message.View{Member: m, Vantage: "sp", Check: check, Says: "up", AgoMS: ago}
	}
	refused := message.View{Member: "sp", Vantage: "rj", Check: "main", Says: "down", Hard: true, InARow: 6, AgoMS: 150, Evidence: "connection refused"}
	return &message.GroupStatus{
		Group: "automation", Mode: "auto", Epoch: 7, Kind: message.KindSwitchover, Held: true, Primary: "sp", Incident: "automation-4",
		Sentence: "sp is down and is being mended: restart systemd:app is under way (try 2 of 2); if that does not help, rj takes over.",
		Members: []message.MemberStatus{
			{Name: "rj", Site: "rj", Role: message.RoleStandby, Verdict: message.VerdictUp, Ready: true, Views: []message.View{up("rj", "queue", 200)},
				Remedy: &message.RemedyStatus{State: message.RemedyReady, Rung: 1, Rungs: 2, Try: 1, Times: 2, Does: "restart systemd:app", Tries: 3, Sentence: "nothing was tried lately; it would begin with: restart systemd:app"}},
			{Name: "sp", Site: "sp", Role: message.RolePrimary, Verdict: message.VerdictDown, Views: []message.View{up("sp", "queue", 210), refused},
				Remedy: &message.RemedyStatus{State: message.RemedyTrying, Rung: 1, Rungs: 2, Try: 2, Times: 2, Does: "restart systemd:app", Tried: 2, Tries: 3, AgainAt: now.Add(time.Hour).UnixMicro(),
					Sentence: "restart systemd:app is under way (try 2 of 2)"}},
		},
		Resources: []message.ResourceStatus{
			{Name: "queue", Says: "group automation-queue", Group: "automation-queue", Down: true, Members: []message.ResourceMember{{Member: "rj", Verdict: message.VerdictUp}, {Member: "sp", Verdict: message.VerdictUp}}},
			{Name: "main", Says: "process automation-main", After: []string{"queue"}, Down: true, Members: []message.ResourceMember{{Member: "sp", Verdict: message.VerdictDown, Why: "sp is down: 2 of 3 seeing vantages say so by check main, rj and sp (connection refused); the quorum is 2"}}},
			{Name: "edge", Says: "route edge", After: []string{"main"}},
			{Name: "worker", Says: "process automation-worker", After: []string{"main"}},
		},
		Routes: []message.RouteSeen{{Route: "edge", Proxy: "tcp://127.0.0.1:9", Reachable: true, Serves: []string{"sp"}}},
		Clients: &message.ClientsStatus{
			Target: "https://automation.example.org/", Every: message.Duration(time.Second), Sentence: "clients of automation are not served: 41 of 41 looks failed within 41s, asked from outside",
			Views:  []message.View{{Member: "_clients", Vantage: "outside", Check: "canary", Says: "down", InARow: 41, AgoMS: 300, Evidence: "503 Service Unavailable"}},
			Outage: &message.ClientsOutage{ID: "o2", Target: "https://automation.example.org/", From: now.Add(-41 * time.Second).UnixMicro(), Vantages: []message.ClientsLoss{{Vantage: "outside", From: now.Add(-41 * time.Second).UnixMicro(), Looks: 41, Failed: 41, Boot: "b", Seq: 1}}},
			Past: []message.ClientsOutage{{ID: "o1", Target: "https://automation.example.org/", From: now.Add(-50 * time.Hour).UnixMicro(), Until: now.Add(-50*time.Hour + 7*time.Second).UnixMicro(),
				Vantages: []message.ClientsLoss{{Vantage: "outside", From: now.Add(-50 * time.Hour).UnixMicro(), Until: now.Add(-50*time.Hour + 7*time.Second).UnixMicro(), Looks: 8, Failed: 7, Boot: "b", Seq: 1}}}},
		},
		Agenda:       []message.AgendaEntry{{Verb: message.VerbSwitchover, At: now.Add(3 * time.Hour).UnixMicro(), Target: "rj", Actor: "ana", Reason: "new power supply", Name: "automation-at-x"}},
		SpecRevision: 1, Decider: "d1", At: now.UnixMicro(),
	}
}

// featured is a console of a pool and of a whole infrastructure, both in trouble.
func featured(t testing.TB) *world {
	w := begin(t, false)
	w.status = func(group string) *message.GroupStatus {
		switch group {
		case "shop":
			return shop()
		case "automation":
			return automation()
		}
		return healthy(group)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for _, text := range []string{poolSpec, sitesSpec} {
		_, err := store.Put(ctx, w.bus, text, "test", "", store.AnyRevision)
		require.NoError(t, err)
	}
	return w
}

// What moves, mends, measures and serves beside the roles stands on the pages: no operator has to ask a second tool for it.
func TestPagesShowPoolsResourcesAndLadders(t *testing.T) {
	w := featured(t)
	p := w.until("/", "shop", "automation is being mended.")
	for _, want := range []string{
		"clients of automation are not served: 41 of 41 looks failed", "Being mended", "Planned", "new power supply", "its ladder:", "restart systemd:app is under way (try 2 of 2)", // automation
		"Some are missing", "Changes are frozen until", "month end", "w1 is in maintenance by ana (new kernel)", "w1 drains, 3 sessions are still on it", "disk / of w3: 93%", "1 of 3", // shop
	} {
		require.Contains(t, p.body, want)
	}
	require.NotContains(t, p.body, "cpu of w1", "what is well is no news")

	p = w.get("/g/automation")
	for _, want := range []string{
		"They come up in this order", `<td class="num">1</td><td><strong>queue</strong>`, `<td class="num">4</td><td><strong>worker</strong>`, `href="/g/automation-queue"`, "sp is down: 2 of 3 seeing vantages say so by check main",
		"tcp://127.0.0.1:9", "no check of its own looks at it", "its member is down", "moves nothing by itself", "https://automation.example.org/healthz",
		"What is tried first", "restart systemd:app", "run /usr/local/bin/rebuild-cache", "2 of 3 tries used", "a try runs now", "counted anew from", "Tries are counted anew 1 h after the last one.",
		"not served", "7 of 8 looks failed", "503 Service Unavailable", `href="/g/automation/runbook"`,
	} {
		require.Contains(t, p.body, want)
	}
	p = w.get("/g/shop")
	for _, want := range []string{"1 of 3 serve, the minimum is 1", "What is measured", "cpu of w1: 12%", "disk / of w3", "nobody is on it any more", "TestPoolIsKeptRight"} {
		require.Contains(t, p.body, want)
	}
	for _, not := range []string{"The red button", "The standby takes over", "last drill", "None ever went there and back", "What is tried first", "What clients get"} {
		require.NotContains(t, p.body, not, "a pool has no primary")
	}
	for _, path := range []string{"/", "/g/shop", "/g/automation"} {
		w.portuguese(path)
	}

	w.clock.Store(int64(time.Hour))
	w.srv.Stop() // what is known is old now: nothing stands there as if it were so
	p = w.get("/g/automation")
	for _, not := range []string{"a try runs now", "its ladder:", "Being mended"} {
		require.NotContains(t, p.body, not)
	}
}

// The runbook is there without any executor's file, and is what `ham runbook` prints: for who may see the group alone.
func TestTheRunbookIsAPage(t *testing.T) {
	w := featured(t)
	w.until("/", "shop", "automation")
	p := w.get("/g/automation/runbook")
	require.Equal(t, http.StatusOK, p.code)
	for _, want := range []string{"<h2>Part A: rj is lost, make sp primary</h2>", "<pre><code>systemctl stop automation-main\n", "<strong>Start main of sp</strong>", "<code>ham status</code>", "<th>what happened</th>"} {
		require.Contains(t, p.body, want)
	}
	require.NotContains(t, p.body, "**")
	page := w.portugueseBut("/g/automation/runbook", regexp.MustCompile(`(?s)<div lang="en">.*</div></section>`))
	require.Contains(t, page.body, "À mão: automation")
	g, err := file.ParseGroup("automation", sitesSpec)
	require.NoError(t, err)
	md := w.get("/g/automation/runbook.md")
	require.Equal(t, "text/markdown; charset=utf-8", md.header.Get("Content-Type"))
	g.Revision = 2
	want, err := runbook.Write(g)
	require.NoError(t, err)
	require.Equal(t, want, md.body)
	require.Contains(t, w.get("/g/shop/runbook").body, "Take a server out")
	w.as("bob", map[string]who.Role{"shop": who.Viewer})
	require.Equal(t, http.StatusOK, w.get("/g/shop/runbook").code)
	for _, path := range []string{"/g/automation/runbook", "/g/automation/runbook.md", "/g/none/runbook"} {
		require.Equal(t, http.StatusNotFound, w.get(path).code, path)
	}
	require.NotContains(t, w.get("/").body, "automation")
}

// Whatever the checks say: where clients are not served, no page is calm about it.
func TestClientsThatAreNotServedAreLoud(t *testing.T) {
	w := begin(t, false, "web")
	w.until("/", "All is well.", "Covered")
	w.set(func() {
		w.status = func(group string) *message.GroupStatus {
			s := healthy(group)
			s.Clients = automation().Clients
			return s
		}
	})
	p := w.until("/", "41 of 41 looks failed")
	require.Contains(t, p.body, "web needs you.")
	require.Contains(t, p.body, "Clients not served")
	require.NotContains(t, p.body, "Covered")
	require.NotContains(t, w.until("/g/web", "41 of 41 looks failed").body, "Covered")
}
