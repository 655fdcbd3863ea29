package main_test

import (
	"encoding/json"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/isacloud/ha-manager/pkg/client/haproxy/haproxytest"
	"github.com/isacloud/ha-manager/pkg/message"
)

// What the desk has, by the commands alone: a second person, drills planned ahead, the shadow ledger.
func TestTheDeskByItsCommands(t *testing.T) {
	w := newWorld(t)
	a, b := haproxytest.NewSite(t, "a"), haproxytest.NewSite(t, "b")
	proxy := haproxytest.Start(t, haproxytest.Pair(a.Addr(), b.Addr()))
	declare := func(mode, policy string) string {
		// The checks have patience: this machine may do much else, and a look that fails halts a drill.
		return w.file("web.yaml", strings.Replace(w.ownTwoServers(mode, a.Addr(), b.Addr(), proxy.Runtime("admin-tcp"), "{stable_for: 1s, rise: 2, cooldown: 0s, undo_window: 0s"+policy+"}"), "every: 200ms, timeout: 150ms", "every: 2s, timeout: 2s", 1))
	}
	w.start(ham, "up", "--config", declare("manual", ", two_person: true"))
	rests := func() bool {
		s := w.status("web")
		for _, m := range s.Members {
			if !m.Ready {
				return false
			}
		}
		return s.Held && s.Swap == nil && s.Drill == nil && servedBy(proxy.URL("front")) == s.Primary
	}
	w.until("roles are adopted and b is ready", rests)

	t.Log("a swap waits for a second person, who is not the first")
	out, code := w.run("switchover", "web", "--yes", "--reason", "kernel")
	require.Equal(t, 3, code, out)
	require.Contains(t, out, "Waits: this waits for a second person")
	out, code = w.run("status", "web")
	require.Zero(t, code, out)
	require.Contains(t, out, "waits for a second person until ")
	request := w.status("web").Approvals[0].Request
	require.Contains(t, out, "`ham approve web "+request+"`")
	out, code = w.run("approve", "web", request, "--yes")
	require.Equal(t, 3, code, out)
	require.Contains(t, out, "tester asked for it, so somebody else has to approve")

	t.Log("the second person is at a terminal, and presses the same button")
	if _, err := exec.LookPath("tmux"); err == nil {
		p := w.newPane(ham + " watch web --as bob; cat")
		p.shows("waits for a second person", "y approve")
		p.keys("y")
		p.shows("approve  a → b   epoch 1 → 2", "STEPS")
		p.keys("Enter")
		p.keys("-l", "web")
		p.keys("Enter")
		p.shows("ARMED")
		w.until("it has fired", func() bool { p.keys("Space"); return !strings.Contains(p.screen(), "ARMED") })
		p.shows("epoch 2, b is primary")
	} else {
		out, code = w.run("approve", "web", request, "--yes", "--as", "bob")
		require.Zero(t, code, out)
	}
	w.until("b serves", func() bool { return rests() && w.status("web").Primary == "b" })
	out, code = w.run("approve", "web", request, "--yes", "--as", "carl")
	require.Zero(t, code, out)
	require.Equal(t, uint64(2), w.status("web").Epoch, "approved twice is done once: %s", out)
	out, code = w.run("reject", "web", request, "--as", "dora")
	require.Equal(t, 3, code, out)
	require.Contains(t, out, "R361")

	t.Log("what is to be done afterwards is an action item of the incident")
	out, code = w.run("note", "web", "--item", "todo", "a second disk")
	require.Equal(t, 2, code, out)
	out, code = w.run("note", "web", "--of", "web-1", "--item", "todo", "ana: a second disk")
	require.Zero(t, code, out)
	w.until("the post-mortem lists it", func() bool {
		out, code := w.run("postmortem", "web-1")
		return code == 0 && strings.Contains(out, "| ana: a second disk |")
	})

	t.Log("a drill is planned, by two, and taken back")
	out, code = w.run("drill", "web", "--at", "+1h", "--yes")
	require.Equal(t, 3, code, out)
	out, code = w.run("approve", "web", w.status("web").Approvals[0].Request, "--yes", "--as", "bob")
	require.Zero(t, code, out)
	name := regexp.MustCompile(`web-at-[0-9]{8}-[0-9]{6}`).FindString(out)
	require.NotEmpty(t, name, out)
	out, code = w.run("drills", "web")
	require.Zero(t, code, out)
	require.Contains(t, out, name+", planned by tester")
	out, code = w.run("drills", "cancel", name, "--reason", "not today")
	require.Zero(t, code, out)
	out, code = w.run("drills", "cancel", name)
	require.Equal(t, 3, code, out)
	require.Contains(t, out, "R373")
	out, code = w.run("drills", "cancel", "tomorrow")
	require.Equal(t, 2, code, out)

	t.Log("one that is due goes there and back while nobody looks")
	out, code = w.run("apply", declare("manual", ""))
	require.Zero(t, code, out)
	w.until("one person is enough", func() bool { return rests() && w.status("web").SpecRevision > 1 })
	for ahead := 3 * time.Second; ; ahead *= 2 { // a machine that does much else may be later than that
		if out, code = w.run("drill", "web", "--at", "+"+ahead.String(), "--hold", "0s", "--yes"); code == 0 {
			break
		}
		require.Contains(t, out, "R369")
	}
	require.Eventually(t, func() bool { return w.status("web").DrilledAt > 0 && rests() }, 3*time.Minute, 100*time.Millisecond, "it was there and back")
	out, code = w.run("drills", "web")
	require.Zero(t, code, out)
	require.Contains(t, out, "succeeded   web-drill-")
	require.NotContains(t, out, "No drill of web")
	out, code = w.run("status", "web")
	require.Zero(t, code, out)
	require.Contains(t, out, "the last drill that went there and back ended")

	t.Log("in dry run the primary dies: the shadow is judged, and counts")
	out, code = w.run("apply", declare("dry-run", ""))
	require.Zero(t, code, out)
	w.until("it only rehearses", func() bool { return w.status("web").Mode == "dry-run" && rests() })
	b.Kill()
	var ledger struct {
		List []struct {
			ID     string
			Judged *message.Judgement
		}
	}
	shadows := func() int {
		out, code := w.run("shadow", "web", "--output", "json")
		require.Zero(t, code, out)
		require.NoError(t, json.Unmarshal([]byte(out), &ledger), out)
		return len(ledger.List)
	}
	w.until("the shadow is written", func() bool { return shadows() == 1 })
	out, code = w.run("shadow", "judge", "web", ledger.List[0].ID, "right", "--reason", "it was gone")
	require.Zero(t, code, out)
	out, code = w.run("shadow", "judge", "web", "shadow.web.none", "right", "--reason", "it was gone")
	require.Equal(t, 3, code, out)
	require.Contains(t, out, "R368")
	out, code = w.run("shadow", "miss", "web", "--reason", "tuesday")
	require.Zero(t, code, out)
	w.until("the judgement is read", func() bool { l := w.status("web").Ledger; return l != nil && l.Right == 1 && l.Missed == 1 })
	require.Equal(t, 2, shadows())
	require.Equal(t, "right", ledger.List[0].Judged.Judge)
	out, code = w.run("status", "web")
	require.Zero(t, code, out)
	require.Contains(t, out, "shadow ledger: 1 right, 0 wrong, 0 not judged, 1 missed; precision 100%; recall 50%")
	require.Equal(t, "b", w.status("web").Primary, "nothing moved")
}
