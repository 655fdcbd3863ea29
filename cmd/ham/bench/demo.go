package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// measureDemo: the scripted demo from start to exit, by an operator's clock.
func measureDemo(ctx context.Context, b *bench) ([]figure, error) {
	ham, err := b.ham(ctx)
	if err != nil {
		return nil, err
	}
	f := figure{What: "ham demo --script, once built", Unit: "s", Goal: atMost("max", 30, "s"), Note: "a failover, a rejoin and three ways to ask for a swap"}
	for range b.runs(3, 1) {
		var out strings.Builder
		began := time.Now()
		c, err := start{name: "ham demo", program: ham, args: []string{"demo", "--script", "--output", "json", "--listen", "127.0.0.1:0"}, stdout: &out}.spawn()
		if err != nil {
			return nil, err
		}
		select {
		case <-c.gone:
		case <-ctx.Done():
			c.stop()
			return nil, context.Cause(ctx)
		}
		took := time.Since(began)
		var summary struct {
			OK    bool
			Parts []struct {
				Name    string
				OK      bool
				Problem string
			}
		}
		if err := json.Unmarshal([]byte(out.String()), &summary); err != nil {
			return nil, fmt.Errorf("no summary: %w: %w", err, c.ended())
		}
		if c.err != nil || !summary.OK {
			return nil, fmt.Errorf("the demo did not succeed: %+v: %w", summary.Parts, c.ended())
		}
		f.Values = append(f.Values, took.Seconds())
	}
	return []figure{f}, nil
}
