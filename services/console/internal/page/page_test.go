package page

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec"
	"github.com/isacloud/ha-manager/pkg/words"
	"github.com/isacloud/ha-manager/services/console/internal/board"
)

// What the guarantee card calls a proof is one: the story or the test is there.
func TestEveryPromiseHasItsProof(t *testing.T) {
	all := append(append(append([]Promise{promiseNeverLose, promiseNeverStop}, promisesAll...), promisesRouted...), append(append(promisesLeased, promisesPool...), promisesMended...)...)
	for _, p := range all {
		file, test, named := strings.Cut(p.Proof, ":")
		text, err := os.ReadFile(filepath.Join("..", "..", "..", "..", filepath.FromSlash(file)))
		require.NoError(t, err, p.Fault)
		if named {
			require.Contains(t, string(text), "func "+test+"(", p.Fault)
		}
		require.NotEmpty(t, p.Outcome)
	}
}

func TestTheMarkOfAGroup(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		edit func(*message.GroupStatus)
		age  time.Duration
		want Mark
	}{
		"all is well":            {want: covered},
		"old":                    {age: board.StaleAfter + 1, want: stale},
		"old, and it was bad":    {age: time.Hour, edit: func(s *message.GroupStatus) { s.Members[0].Verdict = message.VerdictDown }, want: stale},
		"down":                   {edit: func(s *message.GroupStatus) { s.Members[0].Verdict = message.VerdictDown }, want: down},
		"disputed":               {edit: func(s *message.GroupStatus) { s.Members[0].Verdict = message.VerdictDisputed }, want: doubt},
		"no member is primary":   {edit: func(s *message.GroupStatus) { s.Members[0].Role = message.RoleUnknown }, want: doubt},
		"a verdict of tomorrow":  {edit: func(s *message.GroupStatus) { s.Members[0].Verdict = "fine" }, want: doubt},
		"nobody is primary":      {edit: func(s *message.GroupStatus) { s.Epoch, s.Primary = 0, "" }, want: none},
		"blind":                  {edit: func(s *message.GroupStatus) { s.Blind = true }, want: blind},
		"nobody would take over": {edit: func(s *message.GroupStatus) { s.Refusals = []message.Reason{{Code: "R322"}} }, want: uncovered},
		"manual, else well":      {edit: func(s *message.GroupStatus) { s.Mode, s.Refusals = "manual", []message.Reason{{Code: "R307"}} }, want: manual},
		"manual, and not ready": {edit: func(s *message.GroupStatus) {
			s.Mode, s.Refusals = "manual", []message.Reason{{Code: "R307"}, {Code: "R322"}}
		}, want: uncovered},
		"dry run":  {edit: func(s *message.GroupStatus) { s.Mode = "dry-run" }, want: dryRun},
		"paused":   {edit: func(s *message.GroupStatus) { s.Paused = true }, want: paused},
		"swapping": {edit: func(s *message.GroupStatus) { s.Swap = &message.SwapStatus{State: message.StateStarted} }, want: swapping},
		"a step asks a person": {edit: func(s *message.GroupStatus) {
			s.Swap, s.Approvals = &message.SwapStatus{State: message.StateStarted}, []message.ApprovalStatus{{Step: "backup", State: message.ApprovalWaits}}
		}, want: waits},
		"stopped, and dry, paused": {edit: func(s *message.GroupStatus) {
			s.Mode, s.Paused, s.Swap = "dry-run", true, &message.SwapStatus{State: message.StatePaused}
		}, want: waits},
	} {
		s := &message.GroupStatus{Epoch: 3, Primary: "a", Mode: "auto", Members: []message.MemberStatus{{Name: "a", Role: message.RolePrimary, Verdict: message.VerdictUp}, {Name: "b", Role: message.RoleStandby, Verdict: message.VerdictUp, Ready: true}}}
		if c.edit != nil {
			c.edit(s)
		}
		require.Equal(t, c.want, mark(&board.Group{Status: s, Answered: now.Add(-c.age)}, now), name)
	}
	require.Equal(t, stale, mark(&board.Group{}, now), "nothing was heard yet")
}

func TestLossIsSaidInFiguresWithTheirAge(t *testing.T) {
	s := &message.GroupStatus{Lease: &message.LeaseStatus{Durability: message.NeverStop, Standbys: []message.StandbyStatus{{Member: "b", Lag: true, LagBytes: 14_200, LagMicros: 350_000, LagAgeMS: 900}}}}
	v := &message.Preview{To: "b", Plan: &message.Plan{}}
	require.Equal(t, "14.2 kB, or the writes of 350 ms, as it was 0.9 s ago", loss(s, v))
	s.Lease.Standbys[0].Lag = false
	require.Contains(t, loss(s, v), "not known")
	s.Lease.Protected = true
	require.Contains(t, loss(s, v), "nothing that was acknowledged")
	require.Contains(t, loss(&message.GroupStatus{}, v), "does not look at its data")
}

func TestFigures(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	g := &board.Group{Spec: &spec.Group{Objectives: spec.Objectives{RTO: time.Second, HasRPO: true}}, Runs: []board.Done{
		{At: now.Add(-time.Hour), Execute: 2 * time.Second}, {At: now.Add(-2 * time.Hour), DryRun: true, Execute: time.Hour}, {At: now.Add(-3 * time.Hour), Execute: 100 * time.Millisecond},
	}, Drills: []board.Drill{{At: now.Add(-50 * time.Hour), Status: &message.DrillStatus{Stage: message.DrillOver, How: message.DrillDone}}}}
	f := figures(g, now)
	require.Equal(t, Figures{RTO: "1.00 s", RPO: "nothing is lost", LastSwap: "2.00 s, 1 h ago", LastMet: "missed", LastDrill: "2 days ago", DrillMark: Mark{"succeeded", "ok", "ok"}, Typical: "2.00 s"}, f)
}

func TestAgesAreShort(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0.0 s", 340 * time.Millisecond: "0.3 s", 970 * time.Millisecond: "1 s", 12 * time.Second: "12 s", 125 * time.Second: "2 min 5 s", 20 * time.Minute: "20 min", 26 * time.Hour: "26 h", 72 * time.Hour: "3 days",
	} {
		require.Equal(t, want, age(d))
	}
	require.Equal(t, "999 B", bytesOf(999))
	require.Equal(t, "1.2 GB", bytesOf(1_200_000_000))
}

// A line that was made once is never shown for a group that is otherwise by now.
func TestAKeptLineIsTheOneThatWouldBeMade(t *testing.T) {
	p, err := New(Options{})
	require.NoError(t, err)
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	line := func(lang words.Lang, edit func(*board.Group)) (kept, fresh string) {
		g := &board.Group{Name: "web", Answered: now, Status: &message.GroupStatus{Sentence: "all is well", Epoch: 3, Primary: "a", Mode: "auto", Members: []message.MemberStatus{{Name: "a", Role: message.RolePrimary, Verdict: message.VerdictUp}}}}
		edit(g)
		l := &listed{Group: view(g, now, nil), Compact: true}
		p.rows(lang, []*listed{l})
		fresh, err := p.fragment(lang, "row", l)
		require.NoError(t, err)
		return string(l.Row), fresh
	}
	seen := map[string]string{}
	for name, edit := range map[string]func(*board.Group){
		"well":         func(*board.Group) {},
		"old":          func(g *board.Group) { g.Answered = now.Add(-time.Minute) },
		"older":        func(g *board.Group) { g.Answered = now.Add(-time.Hour) },
		"gone":         func(g *board.Group) { g.Answered, g.Problem = now.Add(-time.Hour), "no decider answers" },
		"down":         func(g *board.Group) { g.Status.Members[0].Verdict = message.VerdictDown },
		"another":      func(g *board.Group) { g.Status.Primary = "b" },
		"dry":          func(g *board.Group) { g.Status.Mode = "dry-run" },
		"paused":       func(g *board.Group) { g.Status.Paused = true },
		"told anew":    func(g *board.Group) { g.Status.Sentence = "b sleeps" },
		"another name": func(g *board.Group) { g.Name = "orders" },
	} {
		for _, lang := range words.Langs() {
			kept, fresh := line(lang, edit)
			require.Equal(t, fresh, kept, name)
			if lang == words.English {
				require.Empty(t, seen[kept], "%s looks like %s", name, seen[kept])
				seen[kept] = name
			}
		}
	}
}

func TestTheStyleSheetLoadsNothing(t *testing.T) {
	css, err := files.ReadFile("assets/style.css")
	require.NoError(t, err)
	js, err := files.ReadFile("assets/app.js")
	require.NoError(t, err)
	for _, text := range []string{string(css), string(js)} {
		for _, bad := range []string{"url(", "@import", "http:", "https:", "eval(", "document.write", "localStorage"} {
			require.NotContains(t, text, bad)
		}
	}
}

// What several checks of a place say alike is said once; what one of them says otherwise is said by its name.
func TestWhatAPlaceSaysIsSaidOnce(t *testing.T) {
	up, down := saysMark("up"), saysMark("down")
	eyes := func(views ...View) (out []string) {
		for _, e := range (Member{Views: views}).Eyes() {
			out = append(out, e.Vantage+" "+e.Mark.Word+" ("+e.Check+")"+e.Evidence)
		}
		return out
	}
	require.Equal(t, []string{"sp up (alive, main)", "rj up (alive)"}, eyes(View{Vantage: "sp", Check: "alive", Mark: up}, View{Vantage: "sp", Check: "main", Mark: up}, View{Vantage: "rj", Check: "alive", Mark: up}))
	require.Equal(t, []string{"sp up (alive, queue)", "sp main down (main)refused"},
		eyes(View{Vantage: "sp", Check: "alive", Mark: up}, View{Vantage: "sp", Check: "main", Mark: down, Evidence: "refused"}, View{Vantage: "sp", Check: "queue", Mark: up}))
	require.Empty(t, eyes())
}
