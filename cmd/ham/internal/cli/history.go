package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/isacloud/ha-manager/pkg/bus"
	"github.com/isacloud/ha-manager/pkg/spec/store"
)

// revision is one entry of a spec's history, as JSON shows it.
type revision struct {
	Revision uint64    `json:"revision"`
	At       time.Time `json:"at"`
	Actor    string    `json:"actor,omitempty"`
	Reason   string    `json:"reason,omitempty"`
	File     string    `json:"file,omitempty"`
	InForce  bool      `json:"in_force,omitempty"`
	Deleted  bool      `json:"deleted,omitempty"`
	Problem  string    `json:"problem,omitempty"` // why this program cannot read it
	Changed  []string  `json:"changed"`           // lines that it took out (-) and brought (+)
}

// history shows who changed the spec of a group, when, what, and why.
func (a *app) history() *cobra.Command {
	return &cobra.Command{
		Use: "history GROUP", Short: "Show who changed the spec of a group, when, what and why", Args: cobra.ExactArgs(1),
		Long: "The newest comes first. The bus keeps the last " + strconv.Itoa(bus.Revisions) + " revisions of each group. `ham rollback GROUP REVISION` puts one back into force.",
		RunE: func(c *cobra.Command, args []string) error {
			b, all, err := a.revisions(c.Context(), args[0])
			if err != nil {
				return err
			}
			b.Close()
			out := []revision{}
			before := ""
			for i, r := range all {
				one := revision{Revision: r.Revision, At: r.Stored.UTC(), Actor: r.Written.Actor, Reason: r.Written.Reason, File: r.Written.File, Deleted: r.Deleted,
					InForce: i == len(all)-1 && !r.Deleted, Changed: lineChanges(before, r.Written.Text)}
				if r.Problem != nil {
					one.Problem, _, _ = strings.Cut(r.Problem.Error(), "\n")
				}
				out, before = append(out, one), r.Written.Text
			}
			slices.Reverse(out)
			if a.output == "json" {
				return a.json(out)
			}
			for _, r := range out {
				a.sayRevision(r, r.Revision == all[0].Revision)
			}
			return nil
		},
	}
}

func (a *app) sayRevision(r revision, oldest bool) {
	head := a.paint(bold, a.t("revision %d", r.Revision)) + "  " + r.At.Format(time.DateTime) + " UTC"
	switch {
	case r.Deleted:
		head += "  " + a.paint(yellow, a.t("deleted"))
	default:
		head += "  " + clean(cmp.Or(r.Actor, "–"))
		if r.File != "" {
			head += "  " + clean(r.File)
		}
	}
	if r.InForce {
		head += "  " + a.paint(green, a.t("in force"))
	}
	a.printf("%s", head)
	if r.Reason != "" {
		a.printf("  %s", clean(r.Reason))
	}
	if r.Problem != "" {
		a.printf("  %s", a.paint(red, clean(r.Problem)))
	}
	if oldest {
		a.tell("  the oldest that is kept (the last %d are), %d lines", bus.Revisions, len(r.Changed))
		return
	}
	a.sayChanges(r.Changed)
}

func (a *app) sayChanges(lines []string) {
	for _, l := range lines {
		color := green
		if strings.HasPrefix(l, "-") {
			color = red
		}
		a.printf("  %s", a.paint(color, clean(l)))
	}
}

// rollback is a new apply of an old text, with the compare-and-set of every apply.
func (a *app) rollback() *cobra.Command {
	var reason string
	c := &cobra.Command{
		Use: "rollback GROUP REVISION", Short: "Put an earlier spec of a group back into force", Args: cobra.ExactArgs(2),
		Long: "It is a new revision with the text of that one: `ham history` shows both. If somebody changes the spec at the same time, one of the two is refused.",
		RunE: func(c *cobra.Command, args []string) error {
			ctx := c.Context()
			n, err := strconv.ParseUint(args[1], 10, 64)
			if err != nil || n == 0 {
				return usagef("revision %q: want a number, as `ham history %s` shows it", args[1], args[0])
			}
			b, all, err := a.revisions(ctx, args[0])
			if err != nil {
				return err
			}
			defer b.Close()
			now := all[len(all)-1]
			i := slices.IndexFunc(all, func(r store.Applied) bool { return r.Revision == n })
			switch {
			case i < 0:
				return usagef("no revision %d of %s is kept: `ham history %s` shows those that are", n, args[0], args[0])
			case all[i].Deleted:
				return usagef("revision %d deleted the spec of %s, so there is nothing to put back", n, args[0])
			case all[i].Problem != nil:
				return fmt.Errorf("revision %d of %s cannot be put back: %w", n, args[0], all[i].Problem)
			case !now.Deleted && now.Written.Text == all[i].Written.Text:
				return usagef("revision %d of %s says what is in force: there is nothing to put back", n, args[0])
			}
			changes := lineChanges(now.Written.Text, all[i].Written.Text)
			if a.interactive() && !a.yes {
				a.sayChanges(changes)
				if !a.confirm(ctx, fmt.Sprintf("put revision %d of %s back into force?", n, args[0])) {
					a.printf("Not confirmed; nothing was changed.")
					return errSilent
				}
			}
			why := "back to revision " + args[1]
			if reason != "" {
				why += ": " + reason
			}
			applied, err := putBack(ctx, b, all, i, a.who(), why)
			if err != nil {
				return err
			}
			if a.output == "json" {
				return a.json(revision{Revision: applied, At: time.Now().UTC(), Actor: a.who(), Reason: why, InForce: true, Changed: changes})
			}
			a.printf("group %s: applied, revision %d", args[0], applied)
			a.sayChanges(changes)
			return nil
		},
	}
	c.Flags().StringVarP(&reason, "reason", "r", "", "why, for the history")
	c.Flags().BoolVarP(&a.yes, "yes", "y", false, "do not ask")
	return c
}

// putBack applies the i-th of all the revisions anew.
//
// Invariant: it takes the place of the newest of them, which is what was looked at: where somebody has applied something since, it is refused.
func putBack(ctx context.Context, b *bus.Bus, all []store.Applied, i int, actor, why string) (uint64, error) {
	var opts []store.PutOption
	if f := all[i].Written.File; f != "" {
		opts = append(opts, store.FromFile(f))
	}
	return store.Put(ctx, b, all[i].Written.Text, actor, why, all[len(all)-1].Revision, opts...)
}

// revisions reads the history of a group, oldest first, and at least one. The caller closes the bus.
func (a *app) revisions(ctx context.Context, group string) (*bus.Bus, []store.Applied, error) {
	if _, err := groupArg(group); err != nil {
		return nil, nil, err
	}
	b, err := a.connect(ctx)
	if err != nil {
		return nil, nil, err
	}
	all, err := store.History(ctx, b, group)
	if err == nil && len(all) > 0 {
		return b, all, nil
	}
	b.Close()
	if err == nil || errors.Is(err, bus.ErrNotFound) {
		return nil, nil, usagef("no spec of %s was ever applied: `ham status` shows the groups there are", group)
	}
	return nil, nil, err
}

// mostCompared bounds the lines that are compared one by one: beyond, all are told as taken out and brought.
const mostCompared = 2000

// lineChanges are the lines that were taken out ("-…") and that came ("+…"), in their order.
func lineChanges(before, after string) []string {
	x, y := splitLines(before), splitLines(after)
	start := 0
	for start < len(x) && start < len(y) && x[start] == y[start] {
		start++
	}
	x, y = x[start:], y[start:]
	for len(x) > 0 && len(y) > 0 && x[len(x)-1] == y[len(y)-1] {
		x, y = x[:len(x)-1], y[:len(y)-1]
	}
	out := []string{}
	if len(x) > mostCompared || len(y) > mostCompared {
		for _, l := range x {
			out = append(out, "-"+l)
		}
		for _, l := range y {
			out = append(out, "+"+l)
		}
		return out
	}
	// common[i][j] is the length of the longest common subsequence of x[i:] and y[j:].
	common := make([][]int, len(x)+1)
	for i := range common {
		common[i] = make([]int, len(y)+1)
	}
	for i := len(x) - 1; i >= 0; i-- {
		for j := len(y) - 1; j >= 0; j-- {
			if x[i] == y[j] {
				common[i][j] = common[i+1][j+1] + 1
			} else {
				common[i][j] = max(common[i+1][j], common[i][j+1])
			}
		}
	}
	i, j := 0, 0
	for i < len(x) || j < len(y) {
		switch {
		case i < len(x) && j < len(y) && x[i] == y[j]:
			i, j = i+1, j+1
		case j == len(y) || i < len(x) && common[i+1][j] >= common[i][j+1]:
			out = append(out, "-"+x[i])
			i++
		default:
			out = append(out, "+"+y[j])
			j++
		}
	}
	return out
}

func splitLines(s string) []string {
	if s = strings.TrimSuffix(s, "\n"); s == "" {
		return nil
	}
	return strings.Split(s, "\n")
}
