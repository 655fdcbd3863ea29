package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"
)

// row is one line of work: it measures one or more figures, one after the other rows.
type row struct {
	name  string // for -run
	about string // one line, for -list and for progress
	// limit bounds the row as a whole; what is not measured by then is an error.
	limit time.Duration
	// measure returns what it found, or why it could not be measured or was wrong. Being slow is no error.
	measure func(context.Context, *bench) ([]figure, error)
}

// figure is one measured thing. Those without a goal stand beside the one before them: a peer, or a limit that nothing can beat, measured
// in the same run.
type figure struct {
	What string `json:"what"`
	// Unit of the values: ms, s, /s, cores, % of a core, MB, …
	Unit   string `json:"unit"`
	Values sample `json:"values"`
	Goal   *goal  `json:"goal,omitempty"`
	// Note is one circumstance that a reader must know.
	Note string `json:"note,omitempty"`
}

// goal is what a figure should reach.
type goal struct {
	// Of is the quantile that counts: min, median, p99 or max; "" for a figure of one value.
	Of    string  `json:"of,omitempty"`
	Least bool    `json:"least,omitempty"` // at least Limit, else at most
	Limit float64 `json:"limit"`
	Unit  string  `json:"unit"`
}

func atMost(of string, limit float64, unit string) *goal {
	return &goal{Of: of, Limit: limit, Unit: unit}
}

func atLeast(of string, limit float64, unit string) *goal {
	return &goal{Of: of, Least: true, Limit: limit, Unit: unit}
}

func (g *goal) String() string {
	sign := "≤"
	if g.Least {
		sign = "≥"
	}
	text := fmt.Sprintf("%s %s %s", sign, grouped(strconv.FormatFloat(g.Limit, 'f', -1, 64)), g.Unit)
	if g.Of != "" {
		text = g.Of + " " + text
	}
	return text
}

func (s sample) of(name string) float64 {
	switch name {
	case "min":
		return s.min()
	case "median", "":
		return s.median()
	case "p99":
		return s.p99()
	case "max":
		return s.max()
	}
	panic("no quantile is named " + name)
}

// reached says whether the figure is as good as it should be. A figure without values reaches nothing.
func (f figure) reached() bool {
	v := f.Values.of(f.Goal.Of)
	if f.Goal.Least {
		return v >= f.Goal.Limit
	}
	return v <= f.Goal.Limit
}

// result is what became of a row.
type result struct {
	Name    string   `json:"name"`
	Figures []figure `json:"figures"`
	Problem string   `json:"problem,omitempty"`
	TookS   float64  `json:"took_s"`
}

// run measures a row in bounded time. A panic is a mistake of the program and stays one.
func (r row) run(ctx context.Context, b *bench) result {
	ctx, cancel := context.WithTimeoutCause(ctx, r.limit, fmt.Errorf("not measured within %s", r.limit))
	defer cancel()
	began := time.Now()
	figures, err := r.measure(ctx, b)
	out := result{Name: r.name, Figures: figures, TookS: time.Since(began).Seconds()}
	if err == nil && len(figures) == 0 {
		err = fmt.Errorf("nothing was measured")
	}
	for _, f := range figures {
		if err == nil && len(f.Values) == 0 {
			err = fmt.Errorf("%s: no value", f.What)
		}
	}
	if err != nil {
		if cause := context.Cause(ctx); ctx.Err() != nil && !errors.Is(err, cause) {
			err = fmt.Errorf("%w (%w)", err, cause)
		}
		out.Problem = err.Error()
	}
	return out
}

// millis are what figures of time hold.
func millis(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e6 }
