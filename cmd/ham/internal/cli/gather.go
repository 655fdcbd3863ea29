package cli

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/isacloud/ha-manager/pkg/ask"
	"github.com/isacloud/ha-manager/pkg/incident"
	"github.com/isacloud/ha-manager/pkg/mask"
	"github.com/isacloud/ha-manager/pkg/words"
)

func (a *app) gather() *cobra.Command {
	return &cobra.Command{
		Use: "gather GROUP", Short: "Show what executors see on their hosts and at the routes now: states, logs", Args: cobra.ExactArgs(1),
		Long: "Ask every executor beside a member of the group, and each that reaches its routes, what is to be seen now: the host, the servers, their logs, the proxies, and what gather:\n" +
			"of the spec names. It is what they keep by themselves when an incident opens. Nothing is changed and nothing stored; secrets are masked.",
		RunE: func(c *cobra.Command, args []string) error {
			group, err := groupArg(args[0])
			if err != nil {
				return err
			}
			b, err := a.connect(c.Context())
			if err != nil {
				return err
			}
			defer b.Close()
			found, silent, err := a.client(b).Gather(c.Context(), group)
			if errors.Is(err, ask.ErrNoExecutor) {
				return hinted{err, "start `ham up`, or `ham executor` on the hosts of the members"}
			}
			if err != nil {
				return err
			}
			all := make([]incident.Gathered, len(found))
			for i, m := range found {
				all[i] = incident.NewGathered(m, time.Time{})
			}
			if a.output == "json" {
				if err := a.json(all); err != nil {
					return err
				}
			} else {
				for i, g := range all {
					if i > 0 {
						a.printf("")
					}
					a.gathered(g)
				}
				if len(all) == 0 {
					a.printf("No executor stands beside a member of %s or reaches a route of it.", group)
				}
			}
			if len(silent) > 0 {
				return fmt.Errorf("no answer from %s", strings.Join(silent, ", "))
			}
			return nil
		},
	}
}

// gathered prints what one executor found. Texts of other programs are clean already, and shown line by line behind a mark, so that none is taken for ham's own.
func (a *app) gathered(g incident.Gathered) {
	say := words.Of(a.lang)
	a.printf("%s", a.paint(bold, clean(g.Where())+", "+g.At.UTC().Format("2006-01-02 15:04:05.000")+" UTC"))
	for _, c := range g.Clues {
		title := clean(c.Name)
		if c.What != "" {
			title += a.paint(dim, ": "+clean(c.What))
		}
		a.printf("\n%s", title)
		if c.Cut {
			a.printf("  %s", a.paint(dim, say.T("The newest lines; what is older was not kept.")))
		}
		if text := strings.TrimRight(mask.Clean(c.Text), "\n"); text != "" {
			for line := range strings.SplitSeq(text, "\n") {
				a.printf("  | %s", clean(strings.ReplaceAll(line, "\t", "    ")))
			}
		}
		if c.Err != "" {
			a.printf("  %s", a.paint(yellow, say.T("problem: %s", clean(c.Err))))
		}
	}
	if g.LeftOut > 0 {
		a.printf("\n%s", say.T("%d more had no place.", g.LeftOut))
	}
}
