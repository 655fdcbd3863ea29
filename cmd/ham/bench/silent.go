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
	looks := func(what, check string) contest {
		return contest{
			what: what, place: pl, rules: switched, runs: b.runs(20, 3), phase: 100 * time.Millisecond, enter: enterHam(ham, pl, check, "fall: 2, rise: 2"),
			note: caveat + "3 vantages, quorum 2, fall 2",
		}
	}
	theirs := func(what string, rules settings) contest {
		return contest{what: what, place: pl, rules: rules, runs: b.runs(20, 3), phase: 100 * time.Millisecond, enter: enterChecks, note: "one observer, no quorum"}
	}
	return b.contests(ctx, []contest{
		looks("the host gone silent, checks every 100 ms, time-out 50 ms → clients served by the other", "every: 100ms, timeout: 50ms"),
		{what: "limit: a script that knows of it at once", place: pl, rules: switched, runs: b.runs(20, 3), phase: 50 * time.Millisecond, enter: enterLimit},
		theirs("HAProxy's own checks, tuned (100 ms, fall 2, time-out 50 ms)", hasty),
		looks("ham with a time-out of 100 ms", "every: 100ms, timeout: 100ms"),
		theirs("HAProxy's own checks with a time-out of 100 ms", tuned),
	}, atMost("median", 350, "ms"))
}
