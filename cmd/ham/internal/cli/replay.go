package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/isacloud/ha-manager/pkg/evidence"
	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/services/decider/replay"
)

func (a *app) replay() *cobra.Command {
	var policy string
	var since time.Duration
	c := &cobra.Command{
		Use: "replay FILE|GROUP", Short: "Decide again what was decided, from the record alone", Args: cobra.ExactArgs(1),
		Long: "Runs the decider over the recorded messages, in the order in which the decider that decided had them, and compares: exit code 0 where it\n" +
			"decides the same, 1 where it does not. FILE is an evidence pack; for a GROUP the bus is read, as far back as --since.\n" +
			"With --policy it shows what another policy would have decided.",
		RunE: func(c *cobra.Command, args []string) error {
			var other []byte
			if policy != "" {
				var err error
				if other, err = os.ReadFile(policy); err != nil {
					return usageError{err}
				}
			}
			src, since, done, err := a.replaySource(c.Context(), args[0], since, c.Flags().Changed("since"))
			if err != nil {
				return err
			}
			defer done()
			if policy != "" {
				return a.trial(c.Context(), src, since, policy, other)
			}
			r, err := replay.Run(c.Context(), src, replay.Options{Since: since})
			if err != nil {
				return unreplayed(args[0], err)
			}
			if err := a.replayed(r); err != nil {
				return err
			}
			if !r.Same() {
				return errSilent
			}
			return nil
		},
	}
	c.Flags().StringVar(&policy, "policy", "", "what this policy would have decided: a `file` with a group's spec, or with its policy alone")
	c.Flags().DurationVar(&since, "since", 24*time.Hour, "of a GROUP: how far back the heartbeats are read")
	return c
}

// replaySource is a pack where there is such a file, else the bus.
func (a *app) replaySource(ctx context.Context, name string, back time.Duration, said bool) (src replay.Source, since time.Time, done func(), err error) {
	f, err := os.Open(name)
	switch {
	case err == nil:
		if said {
			_ = f.Close()
			return src, since, nil, usagef("--since is for a GROUP: a pack is replayed as a whole")
		}
		var head evidence.Head
		if src, head, err = replay.FromPack(f); err != nil {
			_ = f.Close()
			return src, since, nil, unreplayed(name, err)
		}
		return src, head.Began, func() { _ = f.Close() }, nil
	case !errors.Is(err, os.ErrNotExist):
		return src, since, nil, usageError{err}
	case !message.IsName(name):
		return src, since, nil, usagef("%s: there is no such file, and it is no group's name", name)
	case back <= 0:
		return src, since, nil, usagef("--since is %s, want a length of time above 0", back)
	}
	b, err := a.connect(ctx)
	if err != nil {
		return src, since, nil, err
	}
	now := time.Now()
	since = now.Add(-back)
	return replay.FromBus(b, name, since.Add(-lookBack(ctx, b, name)), now), since, func() { b.Close() }, nil
}

func unreplayed(name string, err error) error {
	var broken *evidence.Broken
	switch {
	case errors.As(err, &broken), errors.Is(err, evidence.ErrSignature):
		return fmt.Errorf("%s is not to be relied on: %w", name, err)
	case errors.Is(err, replay.ErrNothing):
		return hinted{fmt.Errorf("%s: %w", name, err), "`ham status` lists the groups, `ham incidents` what is on record"}
	}
	return err
}

func (a *app) replayed(r *replay.Report) error {
	if a.output == "json" {
		return a.json(struct {
			*replay.Report
			Same  bool   `json:"same"`
			First string `json:"first_difference,omitempty"`
		}{r, r.Same(), r.First()})
	}
	rows := [][]string{{"DECIDED (UTC)", "EPOCH", "WHAT", "RULE", "BY", "REPLAYED"}}
	for _, d := range r.Decisions {
		same := "the same"
		if !d.Same() {
			same = "DIFFERENT"
		}
		what := string(d.Command.Kind) + " → " + d.Command.Primary
		if d.Command.DryRun {
			what += " (dry run)"
		}
		rows = append(rows, []string{d.Stored.UTC().Format("2006-01-02 15:04:05.000"), fmt.Sprint(d.Command.Epoch), what, d.Command.Rule, d.Command.Decider, same})
	}
	if len(r.Decisions) > 0 {
		table(a.Out, "", rows)
	}
	for _, x := range r.Refused {
		a.printf("refused at %s: %s (%s)", x.At.UTC().Format("15:04:05.000"), clean(x.Sentence), strings.Join(x.Codes, ", "))
	}
	for _, s := range r.Assumed {
		a.printf("assumed: %s", clean(s))
	}
	switch {
	case !r.Same():
		a.printf("%s", a.paint(red, "The first difference: "+clean(r.First())))
	case len(r.Decisions) == 0:
		a.printf("The record of %s holds no decision, and so nothing to compare (%d messages, %d heartbeats).", r.Group, r.Messages, r.Heartbeats)
	default:
		a.printf("%s", a.paint(green, fmt.Sprintf("The same: %d decisions of %s, by %s, from %d messages, %d of them heartbeats.",
			len(r.Decisions), r.Group, strings.Join(r.Deciders, ", "), r.Messages, r.Heartbeats)))
	}
	return nil
}

// trial shows what another policy would have decided, beside the declared one.
func (a *app) trial(ctx context.Context, src replay.Source, since time.Time, name string, policy []byte) error {
	r, err := replay.Trial(ctx, src, since, name, policy)
	if errors.Is(err, replay.ErrPolicy) {
		return usageError{err}
	}
	if err != nil {
		return unreplayed(src.Group, err)
	}
	if a.output == "json" {
		return a.json(r)
	}
	rows := [][]string{{"POLICY", "SWAPS", "WRONG", "DETECTION min / median / max", "REFUSED"}}
	for _, t := range []struct {
		name string
		*replay.Tried
	}{{"declared", r.Declared}, {name, r.Other}} {
		least, median, most := t.Detection()
		rows = append(rows, []string{t.name, fmt.Sprint(len(t.Swaps)), fmt.Sprint(t.Wrong()),
			fmt.Sprintf("%s / %s / %s", brief(least), brief(median), brief(most)), counted(t.Refused)})
	}
	a.printf("%s, %s to %s UTC, %d heartbeats", r.Group, r.From.UTC().Format("2006-01-02 15:04:05"), r.Until.UTC().Format("2006-01-02 15:04:05"), r.Heartbeats)
	table(a.Out, "", rows)
	for _, s := range r.Other.Swaps {
		line := s.At.UTC().Format("2006-01-02 15:04:05.000") + "  " + s.Rule + "  " + clean(s.Sentence)
		if s.Wrong {
			line += a.paint(red, "  WRONG: "+s.Why)
		}
		if j := s.Judged; j != nil {
			line += "  judged " + j.Judge + " by " + clean(j.Actor) + ": " + clean(j.Reason)
		}
		if !s.Recorded.IsZero() {
			line += "  (recorded " + brief(s.Recorded.Sub(s.At)) + " later)"
		}
		a.printf("%s", line)
	}
	for _, c := range r.Other.Missed {
		a.printf("not by then: epoch %d, %s (%s)", c.Epoch, clean(c.Sentence), c.Rule)
	}
	for _, s := range r.Assumed {
		a.printf("assumed: %s", s)
	}
	return nil
}

func brief(d time.Duration) string { return d.Round(time.Millisecond).String() }

func counted(codes map[string]int) string {
	var out []string
	for _, code := range slices.Sorted(maps.Keys(codes)) {
		out = append(out, fmt.Sprintf("%s ×%d", code, codes[code]))
	}
	return cmp.Or(strings.Join(out, ", "), "none")
}
