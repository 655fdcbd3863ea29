// Package checktest is what every kind of check must pass. A kind brings targets that behave in a known way; the suite
// holds it to the promises of package check.
package checktest

import (
	"context"
	"errors"
	"fmt"
	"runtime/pprof"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec"
	"github.com/isacloud/ha-manager/services/prober/check"
)

// Behaviour sets up a target and returns the check that looks at it. It ends the target with t.Cleanup. Name, Kind, Every and
// Timeout of the check are filled in by the suite.
type Behaviour func(t *testing.T) spec.Check

// Suite is what a kind brings. All behaviours are required but those that say otherwise.
type Suite struct {
	Kind check.Kind
	// Up answers as it should.
	Up Behaviour
	// SaysNo answers at once that it does not serve.
	SaysNo Behaviour
	// CannotAsk is a target that the prober is not able to ask, for a reason of its own.
	CannotAsk Behaviour
	// Hangs takes the question and never answers.
	Hangs Behaviour
	// Gone gives hard evidence. Nil where the kind has none.
	Gone Behaviour
	// Floods answers much more than anybody wants, and not as it should.
	Floods Behaviour
	// Echoes does not answer as it should, and repeats everything that it was told where evidence is taken from. It is told
	// the [Secret]. Nil where the kind takes no secrets.
	Echoes Behaviour
	// Measures: a kind that measures. It says unknown wherever another kind says down, and brings what it can of the behaviours: for what it measures is no verdict.
	Measures bool
	// Unresolved is told a secret that does not exist ([Missing]). Nil where the kind takes no secrets.
	Unresolved Behaviour
}

// Secret and Missing are references that a behaviour puts where its kind takes secrets.
const (
	Secret  = spec.Secret("${env:CHECKTEST_SECRET}")
	Missing = spec.Secret("${env:CHECKTEST_MISSING}")
)

// theSecret is what Secret refers to: with a character that quoting, JSON and URLs change.
const theSecret = `s3cr3t "t0k3n"/ä`

func lookup(_, name string) (string, error) {
	if name == "CHECKTEST_SECRET" {
		return theSecret, nil
	}
	return "", errors.New("not set")
}

const (
	// timeout of the looks that are to run into it, and patience for all others: a busy machine is no failure.
	timeout  = 200 * time.Millisecond
	patience = 10 * time.Second
)

// Run holds the kind to the promises. It may run in parallel with other tests.
func Run(t *testing.T, s Suite) {
	t.Run("describes itself", func(t *testing.T) {
		require.NotEmpty(t, s.Kind.Name)
		require.NotEmpty(t, s.Kind.Summary)
	})
	t.Run("refuses a check of another kind", func(t *testing.T) {
		_, err := s.Kind.Open(check.Target{Check: spec.Check{Name: "c", Timeout: time.Second}, Wake: func() {}})
		require.Error(t, err)
	})
	answers := []struct {
		name    string
		do      Behaviour
		timeout time.Duration
		want    check.Result
	}{
		{"up", s.Up, patience, check.Result{Answer: message.Up}},
		{"target says no", s.SaysNo, patience, check.Result{Answer: message.Down}},
		{"could not ask", s.CannotAsk, patience, check.Result{Answer: message.Unknown}},
		{"hangs", s.Hangs, timeout, check.Result{Answer: message.Down, Silent: true}},
		{"gone", s.Gone, patience, check.Result{Answer: message.Down, Hard: true}},
		{"floods", s.Floods, patience, check.Result{Answer: message.Down}},
		{"secret that does not exist", s.Unresolved, patience, check.Result{Answer: message.Unknown}},
	}
	for _, a := range answers {
		if a.do == nil {
			continue
		}
		if s.Measures && a.want.Answer == message.Down {
			a.want = check.Result{Answer: message.Unknown}
		}
		t.Run(a.name, func(t *testing.T) {
			t.Parallel()
			s.leavesNothing(t, a.do(t), a.timeout, func(l check.Looker) {
				for range 3 { // what is kept between looks must not change the answer
					r := look(t, l, a.timeout)
					require.Equal(t, a.want, check.Result{Answer: r.Answer, Hard: r.Hard, Silent: r.Silent}, "evidence: %s", r.Evidence)
					if r.Answer != message.Up {
						require.NotEmpty(t, r.Evidence)
					}
				}
			})
		})
	}
	if s.Hangs == nil {
		return
	}
	t.Run("deadline is honoured", func(t *testing.T) {
		t.Parallel()
		s.leavesNothing(t, s.Hangs(t), timeout, func(l check.Looker) {
			began := time.Now()
			r := look(t, l, timeout)
			require.GreaterOrEqual(t, time.Since(began), timeout, "it ended before its time: %s", r.Evidence)
			require.Contains(t, r.Evidence, timeout.String(), "the evidence says how long was waited")
		})
	})
	t.Run("cancel stops", func(t *testing.T) {
		t.Parallel()
		s.leavesNothing(t, s.Hangs(t), time.Hour, func(l check.Looker) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
			time.AfterFunc(timeout/4, cancel) // somewhere in the middle; any moment is right
			r := bounded(t, func() check.Result { return l.Look(ctx) })
			require.False(t, r.Answer == message.Down, "a look that was stopped is no evidence: %s", r.Evidence)
		})
	})
	t.Run("cancelled before it began", func(t *testing.T) {
		t.Parallel()
		s.leavesNothing(t, s.Up(t), time.Hour, func(l check.Looker) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
			cancel()
			r := bounded(t, func() check.Result { return l.Look(ctx) })
			require.NotEqual(t, message.Down, r.Answer, "a look that was stopped is no evidence: %s", r.Evidence)
		})
	})
	if s.Echoes != nil {
		t.Run("secrets stay secret", func(t *testing.T) {
			t.Parallel()
			s.leavesNothing(t, s.Echoes(t), patience, func(l check.Looker) {
				r := look(t, l, patience)
				require.NotEqual(t, message.Up, r.Answer)
				told := fmt.Sprint(r.Evidence, r.Perf)
				require.NotContains(t, told, theSecret)
				for _, piece := range []string{"s3cr3t", "t0k3n"} {
					require.NotContains(t, told, piece)
				}
				require.Contains(t, told, "***", "the target did not repeat the secret: this test proves nothing")
			})
		})
	}
}

// look looks once and checks what holds for every answer.
func look(t *testing.T, l check.Looker, within time.Duration) check.Result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	r := bounded(t, func() check.Result { return l.Look(ctx) })
	require.LessOrEqual(t, len(r.Evidence), check.MaxEvidence)
	require.True(t, utf8.ValidString(r.Evidence), "%q", r.Evidence)
	require.Equal(t, -1, strings.IndexFunc(r.Evidence, unicode.IsControl), "%q is not one clean line", r.Evidence)
	require.LessOrEqual(t, len(r.Perf), 64)
	if r.Hard || r.Silent {
		require.Equal(t, message.Down, r.Answer)
	}
	return r
}

// bounded fails the test if f does not return.
func bounded(t *testing.T, f func() check.Result) check.Result {
	t.Helper()
	done := make(chan check.Result, 1)
	go func() { done <- f() }()
	select {
	case r := <-done:
		return r
	case <-time.After(patience + 5*time.Second):
		t.Fatal("the look does not end")
		return check.Result{}
	}
}

// serial numbers the labels: goroutines of one look are told from those of all others by theirs.
var serial struct {
	sync.Mutex
	n int
}

// leavesNothing opens the check, runs f, closes it, and demands that no goroutine is left that was started meanwhile by it.
func (s Suite) leavesNothing(t *testing.T, c spec.Check, within time.Duration, f func(check.Looker)) {
	t.Helper()
	c.Name, c.Kind, c.Every, c.Timeout = "alive", s.Kind.Name, max(within, time.Second), within
	serial.Lock()
	serial.n++
	label := fmt.Sprintf("looker-%s-%d", s.Kind.Name, serial.n)
	serial.Unlock()
	pprof.Do(t.Context(), pprof.Labels("checktest", label), func(context.Context) {
		l, err := s.Kind.Open(check.Target{
			Group: "web", Member: "a", Vantage: "sp", Check: c.For(spec.Member{Name: "a"}), Secrets: lookup, Wake: func() {},
		})
		require.NoError(t, err)
		defer l.Close()
		f(l)
	})
	// A goroutine that is asked to end needs a moment, and nothing tells when it is gone.
	deadline := time.Now().Add(patience)
	for left := running(label); left != ""; left = running(label) {
		if time.Now().After(deadline) {
			t.Fatalf("the look left goroutines behind:\n%s", left)
		}
		time.Sleep(time.Millisecond)
	}
}

// running returns the stacks of the goroutines that carry the label.
func running(label string) string {
	var all strings.Builder
	if err := pprof.Lookup("goroutine").WriteTo(&all, 1); err != nil {
		return err.Error()
	}
	var out []string
	for stack := range strings.SplitSeq(all.String(), "\n\n") {
		if strings.Contains(stack, `"`+label+`"`) {
			out = append(out, stack)
		}
	}
	return strings.Join(out, "\n\n")
}
