package main_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/isacloud/ha-manager/pkg/bus"
	"github.com/isacloud/ha-manager/pkg/client/haproxy/haproxytest"
	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/porttest"
	"github.com/isacloud/ha-manager/pkg/subject"
)

// The example of a ladder, with real processes and a real proxy: a crash that a restart does not mend is tried as often as
// the ladder says, and then the other site takes over; one that it mends moves no role. All of it is told, in its order.
func TestTheLadderOfTheExamples(t *testing.T) {
	haproxytest.Require(t)
	w := newWorld(t)
	apps := map[string]string{"sp": porttest.Hold(t), "rj": porttest.Hold(t)}
	proxy := haproxytest.Start(t, fmt.Sprintf(`
global
    stats socket {{unix "admin"}} mode 600 level admin
defaults
    mode http
    timeout connect 100ms
    timeout client 30s
    timeout server 30s
frontend front
    bind {{addr "front"}}
    default_backend app
backend app
    server s1 %s disabled
    server s2 %s disabled
`, apps["sp"], apps["rj"]))
	sp, rj := w.dataCentre("sp", apps["sp"], "app"), w.dataCentre("rj", apps["rj"], "app")
	// Silence never counts here, so that a busy machine makes nobody down; a refused connection counts at once.
	text := func(wait string) string {
		return example(t, "remedy.yaml", "wait: 20s", "wait: "+wait, "mode: dry-run", "mode: auto", "192.0.2.10:8080", apps["sp"], "198.51.100.10:8080", apps["rj"],
			"[tcp://192.0.2.2:9999, tcp://198.51.100.2:9999]", fmt.Sprintf("[%q]", proxy.Runtime("admin")), "every: 1s, timeout: 300ms", "every: 250ms, timeout: 250ms",
			"fall: 3, rise: 3, stable_for: 30s", "fall: 100, rise: 2, stable_for: 1s, cooldown: 1s")
	}
	front := func(site string) func() bool {
		return func() bool { return settled(w.status("app"), site) && servedBy(proxy.URL("front")) == site }
	}
	member := func(name string, is func(message.MemberStatus) bool) func() bool {
		return func() bool {
			return slices.ContainsFunc(w.status("app").Members, func(m message.MemberStatus) bool { return m.Name == name && is(m) })
		}
	}

	for _, d := range []*dataCentre{sp, rj} {
		require.True(t, d.systemctl("start", "app"))
	}
	w.start(ham, "up", "--config", w.file("outside.yaml", fmt.Sprintf(
		"ham: {name: outside, site: outside, http: \"off\", bus: {listen: %q}, prober: {vantages: [sp, rj, witness]}, executor: {sites: [outside]}}\n---\n%s",
		strings.TrimPrefix(w.server, "nats://"), text("1s"))))
	w.until("the bus answers", func() bool { _, code := w.run("status"); return code == 0 })
	sp.up()
	rj.up()
	w.until("sp is adopted and served", front("sp"))
	w.until("rj is ready", member("rj", func(m message.MemberStatus) bool { return m.Ready }))
	require.Contains(t, w.status("app").Sentence, "restart systemd:app is tried first")

	t.Log("a crash that a restart does not mend")
	require.NoError(t, os.WriteFile(filepath.Join(sp.dir, "broken"), nil, 0o600))
	sp.kill("app")
	w.until("rj serves", front("rj"))
	require.Equal(t, []string{"sp start app", "rj start app", "sp restart app", "sp restart app"}, w.units())
	require.EqualValues(t, 4, w.status("app").Epoch, "two tries and the failover")

	t.Log("sp is mended by hand, and ready")
	require.NoError(t, os.Remove(filepath.Join(sp.dir, "broken")))
	require.True(t, sp.systemctl("start", "app"))
	w.until("sp is ready", member("sp", func(m message.MemberStatus) bool { return m.Ready }))

	t.Log("a crash that a restart mends")
	out, code := w.run("apply", w.file("app.yaml", text("20s")), "--reason", "it may start slowly")
	require.Zero(t, code, out)
	before := len(w.units())
	rj.kill("app")
	w.until("it was restarted, and is up", member("rj", func(m message.MemberStatus) bool {
		return m.Verdict == message.VerdictUp && m.Remedy != nil && m.Remedy.Tried == 1 && m.Remedy.State != message.RemedyTrying
	}))
	w.until("rj serves", front("rj"))
	require.Equal(t, []string{"rj restart app"}, w.units()[before:])
	require.EqualValues(t, 5, w.status("app").Epoch, "one more try, and no failover")

	b, err := bus.Connect(t.Context(), bus.Options{Name: "test", Service: "test", URLs: []string{w.server}})
	require.NoError(t, err)
	defer b.Close()
	want := []string{ // of one writer, the decider
		"sp is mended where it is, try 1 of 2: restart systemd:app", "sp is mended where it is, try 2 of 2: restart systemd:app",
		"sp is not mended any more: all 2 tries were made", // this is the failover's own sentence
		"rj is mended where it is, try 1 of 2: restart systemd:app", "rj is up again",
	}
	var told []string
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(strings.Join(told, "\n"))
		}
	})
	w.until("all of it is told, in its order", func() bool {
		all, err := b.Since(t.Context(), subject.StreamEvents, subject.EventsOf("app"), 1, 1000)
		require.NoError(t, err)
		told = nil
		for _, e := range all {
			told = append(told, e.Message.(*message.Event).Sentence)
		}
		next := 0
		for _, sentence := range told {
			if next < len(want) && strings.Contains(sentence, want[next]) {
				next++
			}
		}
		return next == len(want)
	})
}
