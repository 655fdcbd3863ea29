package cli

import (
	"bufio"
	"context"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/isacloud/ha-manager/cmd/ham/internal/stack"
	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/services/executor/control"
)

// promote is the glass to break: it needs no bus, and is asked of the executor of this very host.
func (a *app) promote() *cobra.Command {
	var words, state string
	c := &cobra.Command{
		Use: "promote GROUP --vouch WORDS", Short: "Without a bus: make this host's member primary on your word", Args: cobra.ExactArgs(1),
		Long: "promote is for the hour in which no majority of deciders can be reached and nobody else can act. It is run on the surviving\n" +
			"host, and asks the executor there. You vouch, in exact words that it prints, that the other primary cannot take a write: that\n" +
			"nothing checks. If it is not so, there are two primaries. What you vouched for is in the record as soon as the bus is back.",
		RunE: func(c *cobra.Command, args []string) error {
			if state == "" {
				state = filepath.Join(stack.DefaultStateDir(a.Env), "executor")
			}
			return a.vouch(c.Context(), args[0], state, words, c.Flags().Changed("vouch"))
		},
	}
	c.Flags().StringVar(&words, "vouch", "", "the exact `words` that you vouch with; without them they are printed")
	c.Flags().StringVar(&state, "executor-state", "", "the executor's own `folder` (default executor/ in the state directory of ham)")
	return c
}

func (a *app) vouch(ctx context.Context, group, state, words string, given bool) error {
	asked, err := control.Ask(ctx, state, control.Promote{Group: group})
	if err != nil {
		return err
	}
	if asked.Problem != "" {
		return a.notPromoted(asked)
	}
	switch {
	case given:
		words = strings.TrimSpace(words)
	case a.interactive() && a.output != "json":
		fmt.Fprintf(a.Out, "Nobody checks whether the other primary still takes writes. If it does, there are two. Where the record can be reached (ham status %s\n"+
			"answers), ask for a failover there instead. Make sure that the other cannot take a write. Then type these words:\n\n  %s\n\n> ", group, asked.Want)
		line, err := bufio.NewReader(a.In).ReadString('\n')
		if err != nil {
			return fmt.Errorf("nothing was promoted: %w", err)
		}
		words = strings.TrimSpace(line)
	}
	if words == "" { // the executor would take it for the question after the words
		if a.output != "json" {
			a.printf("Run it again with the words that you vouch with, exactly:\n\n  ham promote %s --vouch %q", group, asked.Want)
		}
		asked.Problem = "nobody vouched"
		return a.notPromoted(asked)
	}
	done, err := control.Ask(ctx, state, control.Promote{Group: group, Words: words, Actor: a.who()})
	if err != nil {
		return err
	}
	if !done.Done {
		return a.notPromoted(done)
	}
	if a.output == "json" {
		return a.json(done)
	}
	a.printf("%s has a primary on this host now, on your word. Its guard is open; lead clients here if their route cannot follow by itself.", group)
	return nil
}

func (a *app) notPromoted(p control.Promoted) error {
	if a.output == "json" {
		if err := a.json(p); err != nil {
			return err
		}
	} else {
		a.printf("not promoted: %s", p.Problem)
	}
	return refusedError{&message.Outcome{Sentence: p.Problem}}
}
