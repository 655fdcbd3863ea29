package main

import (
	"context"
	"time"
)

// measureKill: kill -9 of the server that clients are led to, behind a real HAProxy.
func measureKill(ctx context.Context, b *bench) ([]figure, error) {
	ham, err := b.ham(ctx)
	if err != nil {
		return nil, err
	}
	pl := newLoopback(b.self)
	return b.contests(ctx, []contest{
		{
			what: "kill -9 of the primary HTTP server behind HAProxy → clients served by the other", place: pl, rules: switched, runs: b.runs(20, 3), phase: time.Second,
			enter: enterHam(ham, pl, "every: 1s, timeout: 300ms", "fall: 3, rise: 1"),
			note:  "ham looks every 1 s from 3 vantages, quorum 2; gap between two answers, one request every 5 ms",
		},
		{what: "limit: a script that knows of the kill at once", place: pl, rules: switched, runs: b.runs(20, 3), phase: 50 * time.Millisecond, enter: enterLimit},
		{what: "HAProxy's own checks, tuned (100 ms, fall 2)", place: pl, rules: tuned, runs: b.runs(20, 3), phase: 100 * time.Millisecond, enter: enterChecks},
		{
			what: "the same, also judging by clients' traffic (observe layer4)", place: pl, rules: watching, runs: b.runs(20, 3), phase: 100 * time.Millisecond,
			enter: enterChecks,
		},
		{what: "HAProxy's own checks, default", place: pl, rules: byDefault, runs: b.runs(5, 1), phase: 2 * time.Second, enter: enterChecks},
	}, atMost("median", 60, "ms"))
}
