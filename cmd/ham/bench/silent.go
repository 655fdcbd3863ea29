package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// measureSilent: the host of the server that clients are led to falls silent. It needs networks of its own, so it runs in a child that has one; where
// that cannot be, the server is frozen instead.
func measureSilent(ctx context.Context, b *bench) ([]figure, error) {
	ham, err := b.ham(ctx)
	if err != nil {
		return nil, err
	}
	var out strings.Builder
	c, err := start{
		name: "the network of its own", program: b.self, args: append([]string{"child", "silent", ham, b.dir}, b.flags()...), stdout: &out, network: ownNetwork,
	}.spawn()
	if err != nil {
		b.say("no network of its own (%v): the server is frozen by SIGSTOP instead", err)
		return silentContests(ctx, b, ham, frozen{newLoopback(b.self)}, "no right to make networks here: the server was frozen by SIGSTOP instead, so its kernel still took connections; ")
	}
	select {
	case <-c.gone:
	case <-ctx.Done():
		c.stop()
		return nil, context.Cause(ctx)
	}
	var answer silentAnswer
	if err := json.Unmarshal([]byte(out.String()), &answer); err != nil {
		return nil, c.ended()
	}
	if answer.Problem != "" {
		return answer.Figures, fmt.Errorf("%s", answer.Problem)
	}
	return answer.Figures, nil
}

// silentAnswer is what the child says on its standard output.
type silentAnswer struct {
	Figures []figure `json:"figures"`
	Problem string   `json:"problem,omitempty"`
}

// silentChild is the body of that child.
func silentChild(ctx context.Context, b *bench, ham string) silentAnswer {
	var a silentAnswer
	pl, err := newBridged(ctx, b.self)
	if err == nil {
		a.Figures, err = silentContests(ctx, b, ham, pl, "")
	}
	if err != nil {
		a.Problem = err.Error()
	}
	return a
}

func silentContests(ctx context.Context, b *bench, ham string, pl place, caveat string) ([]figure, error) {
	return b.contests(ctx, []contest{
		{
			what: "the host gone silent, checks every 100 ms → clients served by the other", place: pl, rules: switched, runs: b.runs(20, 3), phase: 100 * time.Millisecond,
			enter: enterHam(ham, pl, "every: 100ms, timeout: 100ms", "fall: 2, rise: 2"),
			note:  caveat + "ham looks every 100 ms from 3 vantages, quorum 2, fall 2",
		},
		{what: "limit: a script that knows of it at once", place: pl, rules: switched, runs: b.runs(20, 3), phase: 50 * time.Millisecond, enter: enterLimit},
		{what: "HAProxy's own checks, tuned (100 ms, fall 2)", place: pl, rules: tuned, runs: b.runs(20, 3), phase: 100 * time.Millisecond, enter: enterChecks,
			note: "one observer, no quorum"},
	}, atMost("median", 350, "ms"))
}
