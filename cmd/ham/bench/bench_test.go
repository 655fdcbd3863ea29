package main

import (
	"context"
	"errors"
	"math"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestQuantiles(t *testing.T) {
	hundred := make(sample, 100)
	for i := range hundred {
		hundred[i] = float64(100 - i)
	}
	for _, c := range []struct {
		s                     sample
		min, median, p99, max float64
	}{
		{sample{7}, 7, 7, 7, 7},
		{sample{3, 1, 2}, 1, 2, 3, 3},
		{sample{4, 1, 3, 2}, 1, 2, 4, 4},
		{hundred, 1, 50, 99, 100},
		{append(hundred, 500), 1, 51, 100, 500},
	} {
		if c.s.min() != c.min || c.s.median() != c.median || c.s.p99() != c.p99 || c.s.max() != c.max {
			t.Errorf("%v: min %v median %v p99 %v max %v", c.s, c.s.min(), c.s.median(), c.s.p99(), c.s.max())
		}
	}
	if !math.IsNaN(sample{}.median()) {
		t.Error("an empty sample has a median")
	}
	if hundred[0] != 100 {
		t.Error("the sample was sorted in place: its order is part of what is kept")
	}
}

func TestShow(t *testing.T) {
	for v, want := range map[float64]string{
		0: "0", 0.1234: "0.123", 0.99999: "1.00", 1.234: "1.23", 9.999: "10.0", 12.34: "12.3", 99.96: "100", 123.4: "123",
		1234: "1 234", 1234567: "1 234 567", -1234: "-1 234", 0.00012345: "0.000123",
	} {
		if got := show(v); got != want {
			t.Errorf("show(%v) = %q, want %q", v, got, want)
		}
	}
}

func TestGoalInWords(t *testing.T) {
	for want, g := range map[string]*goal{
		"median ≤ 60 ms": atMost("median", 60, "ms"), "median ≥ 1 000 000 /s": atLeast("median", 1_000_000, "/s"), "≤ 2.5 MB": atMost("", 2.5, "MB"), "max ≤ 0.001 each": atMost("max", 0.001, "each"),
	} {
		if got := g.String(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestReached(t *testing.T) {
	values := sample{10, 20, 30}
	for _, c := range []struct {
		g    *goal
		want bool
	}{
		{atMost("median", 20, "ms"), true},
		{atMost("median", 19, "ms"), false},
		{atMost("p99", 29, "ms"), false},
		{atLeast("median", 20, "/s"), true},
		{atLeast("min", 20, "/s"), false},
	} {
		if got := (figure{Values: values, Goal: c.g}).reached(); got != c.want {
			t.Errorf("%v of %v: reached %t", c.g, values, got)
		}
		if (figure{Goal: c.g}).reached() {
			t.Errorf("%v is reached by nothing", c.g)
		}
	}
}

// One table for people, one for the docs: peers stand with the figure before them, and what could not be measured is said.
func TestTables(t *testing.T) {
	results := []result{
		{Name: "kill", Figures: []figure{
			{What: "ours", Unit: "ms", Values: sample{40, 50, 70}, Goal: atMost("median", 60, "ms"), Note: "a circumstance"},
			{What: "theirs", Unit: "ms", Values: sample{100, 200}},
			{What: "ours too", Unit: "MB", Values: sample{80}, Goal: atMost("", 70, "MB")},
		}},
		{Name: "idle", Problem: "the server is away"},
	}
	var text, md strings.Builder
	printTable(&text, results)
	printMarkdown(&md, results)
	const wantText = `
                   min  median    p99     n  target          reached
--------------------------------------------------------------------
ours [1]       40.0 ms  50.0 ms  70.0 ms  3  median ≤ 60 ms  yes
  beside: theirs  100 ms  100 ms  200 ms  2
ours too       80.0 MB  80.0 MB  80.0 MB  1  ≤ 70 MB  not reached
idle: NOT MEASURED
[1] a circumstance
[2] idle: the server is away
`
	if got, want := squeezed(text.String()), squeezed(wantText); got != want {
		t.Errorf("table:\n%s\nwant, but for spaces:\n%s", text.String(), wantText)
	}
	const wantMD = `| row | what | min / median / p99 (n) | target | reached | beside it, in the same run |
|---|---|---|---|---|---|
| kill | ours (a circumstance) | 40.0 / 50.0 / 70.0 ms (3) | median ≤ 60 ms | yes | theirs: 100 / 100 / 200 ms (2) |
| kill | ours too | 80.0 MB | ≤ 70 MB | not reached |  |
| idle | not measured: the server is away | | | no | |
`
	if md.String() != wantMD {
		t.Errorf("Markdown:\n%s\nwant:\n%s", md.String(), wantMD)
	}
}

// squeezed makes rows of spaces and dashes one, so that a test reads the words of a table and not its widths.
func squeezed(s string) string {
	var lines []string
	for line := range strings.Lines(s) {
		if line = strings.Join(strings.Fields(line), " "); line != "" && strings.Trim(line, "-") != "" {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "\n")
}

func TestRowsHaveNamesAndLimits(t *testing.T) {
	seen := map[string]bool{}
	for _, r := range rows() {
		if r.name == "" || r.about == "" || r.limit <= 0 || r.measure == nil || seen[r.name] {
			t.Errorf("row %+v is not complete, or not the only one of its name", r)
		}
		seen[r.name] = true
	}
}

func TestChoose(t *testing.T) {
	all := []row{{name: "kill"}, {name: "silent"}, {name: "idle"}}
	got, err := choose(all, "^(kill|idle)$")
	if err != nil || len(got) != 2 || got[0].name != "kill" || got[1].name != "idle" {
		t.Errorf("chose %v, %v", got, err)
	}
	if _, err := choose(all, "nothing"); err == nil || !strings.Contains(err.Error(), "kill silent idle") {
		t.Errorf("no row: %v, want the names that there are", err)
	}
	if _, err := choose(all, "("); err == nil {
		t.Error("a broken expression was taken")
	}
}

// A row that is slow is measured; one that cannot be measured, measures nothing or takes too long is a problem.
func TestRowProblems(t *testing.T) {
	fine := []figure{{What: "x", Values: sample{1e9}, Goal: atMost("max", 1, "ms")}}
	for name, c := range map[string]struct {
		measure func(context.Context, *bench) ([]figure, error)
		want    string
	}{
		"slow":     {func(context.Context, *bench) ([]figure, error) { return fine, nil }, ""},
		"wrong":    {func(context.Context, *bench) ([]figure, error) { return fine, errors.New("not served") }, "not served"},
		"nothing":  {func(context.Context, *bench) ([]figure, error) { return nil, nil }, "nothing was measured"},
		"no value": {func(context.Context, *bench) ([]figure, error) { return []figure{{What: "x"}}, nil }, "x: no value"},
		"endless": {func(ctx context.Context, _ *bench) ([]figure, error) {
			<-ctx.Done()
			return fine, ctx.Err()
		}, "not measured within 10ms"},
	} {
		got := row{name: name, limit: 10 * time.Millisecond, measure: c.measure}.run(t.Context(), nil)
		if (c.want == "") != (got.Problem == "") || !strings.Contains(got.Problem, c.want) {
			t.Errorf("%s: problem %q, want %q", name, got.Problem, c.want)
		}
	}
}

// What clients notice is counted from the last answer before the fault to the first one after it.
func TestGap(t *testing.T) {
	c := newClient("")
	at := func(ms int) time.Time { return time.Unix(1000, 0).Add(time.Duration(ms) * time.Millisecond) }
	c.note("a", nil, at(0))
	c.note("a", nil, at(300)) // before the take: not of this fault
	c.take()
	c.note("", errors.New("reset"), at(310))
	c.note("b", nil, at(350))
	c.note("b", nil, at(355))
	if n := c.take(); n.gap != 50*time.Millisecond || n.total != 3 || n.failed != 1 {
		t.Errorf("noticed %+v, want a gap of 50 ms, 1 of 3 failed", n)
	}
	if n := c.take(); n != (noticed{}) {
		t.Errorf("noticed %+v after a take, want nothing", n)
	}
}

// Served means the same site many times in a row, without an error in between.
func TestServed(t *testing.T) {
	c := newClient("")
	for range steady {
		c.note("a", nil, time.Now())
	}
	if err := c.served(t.Context(), "a"); err != nil {
		t.Error(err)
	}
	c.note("", errors.New("closed"), time.Now())
	c.note("a", nil, time.Now())
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := c.served(ctx, "a"); err == nil {
		t.Error("served right after an error")
	}
}

// The client against a real server that goes away and comes back on the same address.
func TestClientSeesAnOutage(t *testing.T) {
	t.Parallel()
	serve := func(addr string) (net.Listener, *http.Server) {
		l, err := net.Listen("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("X-Site", "a") })}
		go s.Serve(l)
		return l, s
	}
	l, s := serve("127.0.0.1:0")
	c := newClient(l.Addr().String())
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	done := make(chan struct{})
	go func() { defer close(done); c.run(ctx) }()
	if err := c.served(ctx, "a"); err != nil {
		t.Fatal(err)
	}
	c.take()
	s.Close()
	for c.noticedFailures() == 0 {
		time.Sleep(time.Millisecond)
	}
	_, s = serve(l.Addr().String())
	defer s.Close()
	if err := c.served(ctx, "a"); err != nil {
		t.Fatal(err)
	}
	if n := c.take(); n.failed == 0 || n.gap < clientEvery {
		t.Errorf("noticed %+v of an outage", n)
	}
	cancel()
	<-done
}

func (c *client) noticedFailures() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.failed
}

// A child tells what it used, can be frozen, and is gone after a kill with nothing left.
func TestChild(t *testing.T) {
	t.Parallel()
	in, hold, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer hold.Close()
	defer in.Close()
	c, err := start{name: "waiter", program: "/bin/sh", args: []string{"-c", "echo why >&2; echo here; read line"}, stdin: in}.spawn()
	if err != nil {
		t.Fatal(err)
	}
	defer c.kill()
	if line, err := c.line(t.Context()); err != nil || line != "here" {
		t.Fatalf("said %q, %v", line, err)
	}
	u, err := c.used()
	if err != nil || u.rss <= 0 || u.rss > 100 || u.cpu < 0 {
		t.Errorf("used %+v, %v", u, err)
	}
	if err := c.freeze(); err != nil {
		t.Error(err)
	}
	c.kill()
	if _, err := os.Stat("/proc/" + strconv.Itoa(c.pid())); err == nil {
		t.Error("still there after a kill")
	}
	if err := c.ended(); !strings.Contains(err.Error(), "killed") || !strings.Contains(err.Error(), "why") {
		t.Errorf("ended: %v, want how, and its last words", err)
	}
}

// A child that says more than anybody reads is not held up by it.
func TestChildTalksToNobody(t *testing.T) {
	t.Parallel()
	c, err := start{name: "talker", program: "/bin/sh", args: []string{"-c", "i=0; while [ $i -lt 20000 ]; do echo a line of words $i; i=$((i+1)); done"}}.spawn()
	if err != nil {
		t.Fatal(err)
	}
	select {
	case <-c.gone:
	case <-time.After(30 * time.Second):
		c.kill()
		t.Fatal("held up by its own output")
	}
}

func TestWrongUse(t *testing.T) {
	for _, args := range [][]string{{"-nonsense"}, {"kill"}, {"-run", "("}, {"-run", "no such row"}} {
		var out, problems strings.Builder
		if code := run(t.Context(), args, &out, &problems); code != 2 || problems.Len() == 0 {
			t.Errorf("bench %v: exit %d, said %q; want 2 and why", args, code, problems.String())
		}
	}
	var out, problems strings.Builder
	if code := run(t.Context(), []string{"-list"}, &out, &problems); code != 0 || !strings.Contains(out.String(), "kill") {
		t.Errorf("bench -list: exit %d: %s%s", code, out.String(), problems.String())
	}
}
