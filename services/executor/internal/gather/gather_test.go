package gather

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec"
	"github.com/isacloud/ha-manager/services/executor/driver"
)

var web = &spec.Group{Name: "web", Members: []spec.Member{{Name: "a", Site: "sp"}, {Name: "b", Site: "rj"}}}

// world is a Gatherer whose clues a test hands in, and what it published.
type world struct {
	*Gatherer
	came chan *message.Gathered
}

func start(t *testing.T, change func(*Options), clues ...Clue) *world {
	t.Helper()
	w := &world{came: make(chan *message.Gathered, 100)}
	o := Options{
		Name: "sp1", Serves: func(site string) bool { return site == "sp" }, StateDir: t.TempDir(), Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
		Secrets: func(kind, name string) (string, error) { return "", errors.New("none here") },
		Publish: func(_ context.Context, m *message.Gathered) error {
			if err := message.Validate(m); err != nil {
				t.Error(err)
			}
			w.came <- m
			return nil
		},
		Clues: func(*spec.Group, *driver.Secrets) []Clue { return clues }, Limit: Limit,
	}
	if change != nil {
		change(&o)
	}
	w.Gatherer = New(o)
	w.Spec("web", web)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = w.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	return w
}

func (w *world) next(t *testing.T) *message.Gathered {
	t.Helper()
	select {
	case m := <-w.came:
		return m
	case <-time.After(20 * time.Second):
		t.Fatal("nothing was gathered")
		return nil
	}
}

func says(name, text string) Clue {
	return Clue{Name: name, Look: func(context.Context) (string, error) { return text, nil }}
}

func opened(n int) Wish {
	return Wish{Group: "web", Incident: fmt.Sprint("web-", n), When: message.GatherOpened}
}

// TestASecretIsInNothing: whatever is gathered, by whatever way a secret came into it.
func TestASecretIsInNothing(t *testing.T) {
	const secret = "hunter2 & co"
	group := *web
	group.Gather = []spec.GatherClue{{Name: "x", Command: []string{"/bin/x"}, Env: map[string]spec.Secret{"X": "${file:/secret}"}}}
	w := start(t, func(o *Options) {
		o.Secrets = func(_, name string) (string, error) {
			if name != "/secret" {
				return "", errors.New("not here")
			}
			return secret, nil
		}
		o.Known = func() []string { return []string{"known by another service"} }
	},
		says("plain", "the word is "+secret),
		says("hidden among escapes", "the word is hunter\x1b[31m2 & co"),
		says("of another service", "known by another service"),
		says("in a dsn", "postgres://ham:Zq81xx@192.0.2.1/app"),
		says("in the name "+secret, "x"),
		Clue{Name: "in an error", What: secret, Look: func(context.Context) (string, error) { return "", errors.New("cannot log in with " + secret) }},
		// The block's beginning is beyond what is kept: its lines must not be.
		says("a key that is cut", "-----BEGIN PRIVATE KEY-----\n"+strings.Repeat("Zq81xxZq81xx\n", 6000)+"-----END PRIVATE KEY-----\n"+strings.Repeat("a line\n", 100)),
		says("far from its end", "password=Zq81xx "+strings.Repeat("x", 2*message.MaxClue)),
	)
	w.Spec("web", &group)
	w.Wish(opened(1))
	m := w.next(t)
	require.Len(t, m.Clues, 8)
	for _, c := range m.Clues {
		for _, bad := range []string{"hunter2", "known by another", "Zq81xx", "\x1b"} {
			require.NotContains(t, c.Text+c.Name+c.What+c.Err, bad, c.Name)
		}
	}
	require.Equal(t, "the word is ***", m.Clues[0].Text)
	require.Equal(t, "cannot log in with ***", m.Clues[5].Err)
	require.Contains(t, m.Clues[6].Text, "a line")
}

// TestWhatIsGatheredIsBounded: each clue, and all of them together; the newest lines are kept, whole.
func TestWhatIsGatheredIsBounded(t *testing.T) {
	var long strings.Builder
	for i := range 200_000 {
		fmt.Fprintf(&long, "line %d\n", i)
	}
	clues := []Clue{says("short", "short"), says("one line without an end", strings.Repeat("é", 1<<20)), says("much to escape", strings.Repeat("<&>\n", 1<<18))}
	for i := range 100 {
		clues = append(clues, says(fmt.Sprint("long ", i), long.String()))
	}
	w := start(t, nil, clues...)
	w.Wish(opened(1))
	m := w.next(t)
	require.Len(t, m.Clues, 64)
	require.Equal(t, 39, m.LeftOut)
	total := 0
	for _, c := range m.Clues {
		size := message.Encoded(c.Text)
		require.LessOrEqual(t, size, message.MaxClue)
		total += size
		if strings.HasPrefix(c.Name, "long") {
			require.True(t, c.Cut)
			require.True(t, strings.HasPrefix(c.Text, "line ") && strings.HasSuffix(c.Text, "line 199999\n"), "%.40q", c.Text)
		}
	}
	require.Equal(t, "short", m.Clues[0].Text)
	require.False(t, m.Clues[0].Cut)
	require.Empty(t, m.Clues[1].Text, "half a line may be half a secret")
	require.Contains(t, m.Clues[1].Err, "longer than")
	require.LessOrEqual(t, total, message.MaxGathered)
	body, err := message.Body(m)
	require.NoError(t, err)
	require.Less(t, len(body), message.MaxBody)
}

// TestWhoHangsIsLeftBehind: what does not come back costs nobody anything: the others are told in time, and it is not begun again.
func TestWhoHangsIsLeftBehind(t *testing.T) {
	var mu sync.Mutex
	begun := 0
	release := make(chan struct{})
	w := start(t, func(o *Options) { o.Limit = 50 * time.Millisecond },
		Clue{Name: "deaf", Look: func(context.Context) (string, error) {
			mu.Lock()
			begun++
			mu.Unlock()
			<-release
			return "late", nil
		}},
		Clue{Name: "slow", Look: func(ctx context.Context) (string, error) { <-ctx.Done(); return "half", context.Cause(ctx) }},
		Clue{Name: "broken", Look: func(context.Context) (string, error) { panic("no such answer") }},
		says("well", "well"),
	)
	w.Wish(opened(1))
	m := w.next(t)
	require.Equal(t, "well", m.Clues[3].Text)
	require.Contains(t, m.Clues[2].Err, "no such answer")
	require.Equal(t, "half", m.Clues[1].Text)
	require.Contains(t, m.Clues[1].Err, "did not end within 50ms")
	require.Contains(t, m.Clues[0].Err, "nothing came back within 50ms")
	w.Wish(opened(2))
	m = w.next(t)
	require.Contains(t, m.Clues[0].Err, "not begun")
	mu.Lock()
	require.Equal(t, 1, begun)
	mu.Unlock()
	close(release)
}

// TestWishingNeverWaits: neither for what hangs, nor for a bus that takes nothing, nor for a full lane.
func TestWishingNeverWaits(t *testing.T) {
	w := start(t, func(o *Options) {
		o.Publish = func(ctx context.Context, _ *message.Gathered) error { <-ctx.Done(); return context.Cause(ctx) }
	}, Clue{Name: "deaf", Look: func(ctx context.Context) (string, error) { <-ctx.Done(); return "", context.Cause(ctx) }})
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := range 1000 {
			name := fmt.Sprint("g", i)
			w.Spec(name, &spec.Group{Name: name, Members: web.Members})
			w.Wish(Wish{Group: name, Incident: name + "-1", When: message.GatherOpened})
		}
	}()
	select {
	case <-done:
	case <-time.After(20 * time.Second):
		t.Fatal("a wish waits")
	}
	require.Greater(t, w.Dropped(), uint64(900))
}

// TestNobodyIsLookedAtTooOften: once for each happening, however often it is told, and some times in a row at most.
func TestNobodyIsLookedAtTooOften(t *testing.T) {
	w := start(t, nil, says("x", "y"))
	for range 5 {
		w.Wish(opened(1))
	}
	for i := 2; i < 30; i++ {
		w.Wish(opened(i))
	}
	for i := range burst {
		require.Equal(t, fmt.Sprint("web-", i+1), w.next(t).Incident)
	}
	require.Equal(t, uint64(29-burst), w.Dropped())
	w.Wish(Wish{Group: "unknown", Incident: "unknown-1", When: message.GatherOpened})
	require.Empty(t, w.came)
}

// TestNothingIsToldDuringASwap: what is stored then would take the time of the swap's own record.
func TestNothingIsToldDuringASwap(t *testing.T) {
	var mu sync.Mutex
	busy, asked := true, 0
	w := start(t, func(o *Options) {
		o.Busy = func(string) bool { mu.Lock(); defer mu.Unlock(); asked++; return busy }
	}, says("x", "y"))
	w.Wish(opened(1))
	for {
		mu.Lock()
		n := asked
		mu.Unlock()
		if n > 2 {
			break
		}
		time.Sleep(time.Millisecond)
	}
	require.Empty(t, w.came)
	mu.Lock()
	busy = false
	mu.Unlock()
	require.Equal(t, "web-1", w.next(t).Incident)
}

func TestOneAtATimeAGroup(t *testing.T) {
	in, out := make(chan struct{}), make(chan struct{})
	w := start(t, nil, Clue{Name: "x", Look: func(context.Context) (string, error) { close(in); <-out; return "", nil }})
	done := make(chan error)
	go func() { _, err := w.Now(context.Background(), "web"); done <- err }()
	<-in
	_, err := w.Now(context.Background(), "web")
	require.ErrorIs(t, err, ErrBusy)
	close(out)
	require.NoError(t, <-done)
	m, err := w.Now(context.Background(), "nothing of mine")
	require.NoError(t, err)
	require.Empty(t, m.Clues)
}

// TestTheOwnHost: the real thing, for a group of which this executor stands beside one member.
func TestTheOwnHost(t *testing.T) {
	dir := t.TempDir()
	log := filepath.Join(dir, "a.log")
	require.NoError(t, os.WriteFile(log, []byte("first\nlast\n"), 0o600))
	group := *web
	group.Gather = []spec.GatherClue{
		{Name: "cmd", Command: []string{"sh", "-c", "echo $HAM_GROUP $HAM_MEMBER $HAM_EXECUTOR; exit 3"}, Timeout: Limit},
		{Name: "log", File: filepath.Join(dir, "${member.name}.log")},
		{Name: "folder", File: dir},
		{Name: "hangs", Command: []string{"sleep", "600"}, Timeout: 20 * time.Millisecond},
		{Name: "missing", Command: []string{"/nothing/here"}, Timeout: Limit},
	}
	w := start(t, func(o *Options) { o.Clues = nil })
	w.Spec("web", &group)
	m, err := w.Now(t.Context(), "web")
	require.NoError(t, err)
	require.Equal(t, "sp", m.Site)
	by := map[string]message.Clue{}
	for _, c := range m.Clues {
		by[c.Name] = c
	}
	require.Len(t, m.Clues, 6)
	require.Contains(t, by["host"].Text, "load: ")
	require.Contains(t, by["host"].Text, "disk of /: ")
	require.Equal(t, "web a sp1", by["cmd at a"].Text)
	require.Equal(t, "exit code 3", by["cmd at a"].Err)
	require.Equal(t, "first\nlast\n", by["log at a"].Text)
	require.Contains(t, by["folder at a"].Err, "is no file")
	require.Contains(t, by["hangs at a"].Err, "did not end within 20ms")
	require.Contains(t, by["missing at a"].Err, "not started")
}

func TestTailIsOfWholeLines(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	require.NoError(t, os.WriteFile(path, []byte("password=Zq81xx\nlast\n"), 0o600))
	text, err := tail(path, 9)
	require.NoError(t, err)
	require.Equal(t, "last\n", text)
	text, err = tail(path, 3)
	require.NoError(t, err)
	require.Empty(t, text)
}

func TestShare(t *testing.T) {
	for _, c := range []struct{ want, got []int }{
		{[]int{}, []int{}}, {[]int{1, 2}, []int{1, 2}}, {[]int{100, 1, 100}, []int{50, 1, 49}}, {[]int{90, 90, 90, 90}, []int{25, 25, 25, 25}}, {[]int{0, 200}, []int{0, 100}},
	} {
		got := share(c.want, 100)
		sum := 0
		for i := range got {
			require.LessOrEqual(t, got[i], c.want[i])
			sum += got[i]
		}
		require.LessOrEqual(t, sum, 100)
		require.ElementsMatch(t, c.got, got)
	}
}

func TestNewest(t *testing.T) {
	require.Equal(t, "b\nc\n", newest("a\nb\nc\n", 6))
	require.Equal(t, "c", newest("a\nb\nc", 2))
	require.Equal(t, "é", newest("éé", 3))
	require.Equal(t, "", newest("a", 0))
	require.Equal(t, "abc", newest("abc", 3))
}

// BenchmarkFinish: how long the processor is busy with the most that can be gathered.
func BenchmarkFinish(b *testing.B) {
	line := "2026-11-22 15:19:00.123 UTC [4711] ham@postgres LOG:  connection authorized: user=ham database=postgres application_name=ham\n"
	var clues []message.Clue
	for range 64 {
		clues = append(clues, message.Clue{Name: "x", Text: strings.Repeat(line, 1000)})
	}
	for b.Loop() {
		m := &message.Gathered{Clues: append([]message.Clue{}, clues...)}
		finish(m, driver.NewSecrets(nil))
	}
}
