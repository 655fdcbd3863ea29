package cli

import (
	"cmp"
	"os"

	"github.com/spf13/cobra"

	"github.com/isacloud/ha-manager/cmd/ham/internal/watch"
	"github.com/isacloud/ha-manager/pkg/ask"
)

func (a *app) watch() *cobra.Command {
	return &cobra.Command{
		Use: "watch [GROUP...]", Short: "Show every group live on the whole screen, with the red button; without a terminal, a line for each change",
		Long: "watch is the console for whoever has a terminal and nothing else: every group as it is now, with the age of what is shown, its events,\n" +
			"a swap step by step, and the guarded button. ? shows the keys, q leaves.\n\n" +
			"Where the output is no terminal it prints one line for each change; with --output json, one object a line.",
		RunE: func(c *cobra.Command, groups []string) error {
			for _, g := range groups {
				if _, err := groupArg(g); err != nil {
					return err
				}
			}
			b, err := a.connect(c.Context())
			if err != nil {
				return err
			}
			defer b.Close()
			o := watch.Options{Bus: b, Me: a.who(), From: ask.Place(a.Env), Groups: groups, Timeout: a.timeout, Env: a.Env}
			if a.interactive() && a.output != "json" && cmp.Or(a.Env("TERM"), "dumb") != "dumb" {
				o.In, o.Out = a.In.(*os.File), a.Out.(*os.File)
				return watch.Run(c.Context(), o)
			}
			return watch.Lines(c.Context(), o, a.Out, a.output == "json")
		},
	}
}
