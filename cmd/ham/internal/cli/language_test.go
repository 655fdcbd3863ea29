package cli

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/words"
	"github.com/isacloud/ha-manager/pkg/words/wordstest"
)

// Whoever writes a text of a command writes its Portuguese, in pkg/words.
func TestEveryTextOfTheCommandsIsInPortuguese(t *testing.T) {
	files, err := filepath.Glob("*.go")
	require.NoError(t, err)
	n := 0
	for _, name := range files {
		source, err := os.ReadFile(name)
		require.NoError(t, err)
		for _, m := range regexp.MustCompile(`a\.(?:t|tell)\(("(?:[^"\\]|\\.)*")`).FindAllSubmatch(source, -1) {
			text, err := strconv.Unquote(string(m[1]))
			require.NoError(t, err)
			require.True(t, words.Of(words.Portuguese).Known(text), "%s: no Portuguese in pkg/words for %q", name, text)
			n++
		}
	}
	require.Greater(t, n, 50, "texts are said in another way now")
}

// What `ham status` and `ham explain` print is Portuguese whole.
func TestStatusAndExplainInPortuguese(t *testing.T) {
	var out bytes.Buffer
	a := &app{lang: words.Portuguese}
	a.Out = &out
	s := &message.GroupStatus{
		Group: "web", Sentence: "If a died now: nobody takes over, because b would lose too much: it was 39.1 KiB, 4s behind, 320ms ago, and the objective is 500ms.", Mode: "manual", Paused: true, PausedBy: "ana",
		PausedUntil: 1, Epoch: 3, Held: true, Primary: "a", Incident: "web-1", Refusals: []message.Reason{{Code: "R322", Sentence: "b is not ready: it has been steady for 2.5s of 10s", Overridable: true}},
		Members: []message.MemberStatus{
			{Name: "a", Site: "sp", Role: message.RolePrimary, Verdict: message.VerdictUp, Views: []message.View{{Vantage: "sp", Check: "alive", Says: "up", InARow: 2, AgoMS: 120}}},
			{Name: "b", Site: "rj", Role: message.RoleStandby, Verdict: message.VerdictSuspect, Reasons: []message.Reason{{Code: "R322", Sentence: "b is not ready: b is suspect"}},
				Views: []message.View{{Vantage: "rj", Check: "alive", Says: "down", Hard: true, InARow: 3, AgoMS: 90, Evidence: "no answer within 300ms"}}},
			{Name: "c", Role: message.RoleStandby, Verdict: message.VerdictUnknown},
		},
		Routes: []message.RouteSeen{{Route: "front", Proxy: "px1"}, {Route: "front", Proxy: "px2", Reachable: true}, {Route: "front", Proxy: "px3", Reachable: true, Serves: []string{"a"}}},
		Lease:  &message.LeaseStatus{Deciders: []string{"d1"}, TTL: message.Duration(1500e6), Standbys: []message.StandbyStatus{{Member: "b", State: message.StandbyStreaming, Lag: true, LagBytes: 9}, {Member: "c"}}, Fenced: []message.FencedStatus{{Member: "b", Epoch: 2, Now: true, How: "guard"}}},
		Resources: []message.ResourceStatus{
			{Name: "queue", Says: "group web-queue", Group: "web-queue", Down: true, Members: []message.ResourceMember{{Member: "a", Verdict: message.VerdictDown, Why: "b is not ready: b is suspect"}}},
			{Name: "main", Says: "process web-main", After: []string{"queue"}}, {Name: "edge", Says: "route edge"},
		},
		Drill: &message.DrillStatus{ID: "web-drill-2", Actor: "ana", Stage: message.DrillHolds, Home: "b", Away: "a", BackAt: 1e12},
		Swap:  &message.SwapStatus{Kind: message.KindFailover, Epoch: 4, To: "b", State: message.StatePaused, Steps: []message.StepStatus{{Name: "front", Says: "send clients of web to b (server s2) on 1 proxy"}}},
	}
	a.showStatus(s)
	a.showWhy(s)
	require.Empty(t, wordstest.English(out.String()), out.String())
	require.Contains(t, out.String(), "época 3, a é primário")
	require.Contains(t, out.String(), "lease de 1,5s por d1")
}

// Of a pool the table says who serves; who is ready to take over from whom is no question there.
func TestStatusSaysWhoOfAPoolServes(t *testing.T) {
	var out bytes.Buffer
	a := &app{}
	a.Out = &out
	three := 3
	a.showStatus(&message.GroupStatus{
		Group: "web", Mode: "auto", Sentence: "1 of 2 serve; none may be taken out: w1 is in maintenance by ana.", Pool: &message.PoolStatus{Minimum: 1, Active: 2, Serve: []string{"w2"}},
		Members: []message.MemberStatus{
			{Name: "spare", Role: message.RoleBackup, Verdict: message.VerdictUp, Ready: true},
			{Name: "w1", Role: message.RoleDrained, Verdict: message.VerdictUp, Ready: true, Maintenance: &message.MaintenanceStatus{By: "ana"}},
			{Name: "w2", Role: message.RoleActive, Verdict: message.VerdictUp, Ready: true},
		},
		Routes: []message.RouteSeen{{Route: "front", Proxy: "px1", Reachable: true, Serves: []string{"w2"}, Servers: []message.ServerSeen{{Member: "w1", Server: "s1", Admin: "drain", Says: "up", Sessions: &three}}}},
	})
	require.Regexp(t, `MEMBER +SITE +ROLE +VERDICT +SERVES`, out.String())
	require.Regexp(t, `spare +backup +up +if nobody else does`, out.String())
	require.Regexp(t, `w1 +drained +up +no`, out.String())
	require.Regexp(t, `w2 +active +up +yes`, out.String())
	require.Contains(t, out.String(), "route front on px1: w1 drains, 3 sessions are still on it")
}

// Of a pool nothing is said about a primary that it does not have.
func TestExplainOfAPool(t *testing.T) {
	for lang, says := range map[words.Lang]string{words.English: "A pool has no primary: nothing of it is swapped.", words.Portuguese: "Um pool não tem primário: nada nele é trocado."} {
		var out bytes.Buffer
		a := &app{lang: lang}
		a.Out = &out
		a.showWhy(&message.GroupStatus{Group: "web", Pool: &message.PoolStatus{Minimum: 2, Active: 3}})
		require.Contains(t, out.String(), says)
		require.NotContains(t, out.String(), "Nothing stands against")
	}
}

// What the members hold is named by `ham explain` as by `ham status`, with what makes a member down.
func TestExplainNamesResources(t *testing.T) {
	for _, test := range []struct {
		together bool
		says     string
	}{{false, "A member is down when any of db, queue is."}, {true, "A member is down only when all of db, queue are."}} {
		s := &message.GroupStatus{Group: "web", Epoch: 3, Held: true, Primary: "a", Resources: []message.ResourceStatus{
			{Name: "db", Says: "process db", Down: true, Together: test.together, Members: []message.ResourceMember{{Member: "a", Verdict: message.VerdictDown, Why: "a is down: gone"}}},
			{Name: "queue", Says: "process queue", Down: true, Together: test.together}, {Name: "app", Says: "process app", After: []string{"db"}},
		}}
		for _, lang := range []words.Lang{words.English, words.Portuguese} {
			var out bytes.Buffer
			a := &app{lang: lang}
			a.Out = &out
			a.showStatus(s)
			require.Regexp(t, `(?s)RESOURCE.*db.*process db.*queue.*app.*db: .*gone|RECURSO.*db.*queue.*app.*db: `, out.String())
			a.showWhy(s)
			if lang == words.English {
				require.Contains(t, out.String(), test.says)
			} else {
				require.NotContains(t, out.String(), "A member")
			}
		}
	}
}
