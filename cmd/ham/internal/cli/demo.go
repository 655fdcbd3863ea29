package cli

import (
	"os"

	"github.com/spf13/cobra"

	"github.com/isacloud/ha-manager/cmd/ham/internal/demo"
)

func (a *app) demo() *cobra.Command {
	var script bool
	var listen string
	c := &cobra.Command{
		Use: "demo", Short: "Show the whole loop on this machine: a primary dies, its standby takes over", Args: cobra.NoArgs,
		Long: "demo starts an embedded bus, all services, two small HTTP sites as processes of their own and a router in front of\n" +
			"them (HAProxy where it is installed), kills the primary, and tells what happens. Then it stays up to play with.\n" +
			"Everything is on loopback; Ctrl-C ends everything and leaves nothing behind.",
		RunE: func(c *cobra.Command, _ []string) error {
			program, err := os.Executable()
			if err != nil {
				return err
			}
			log, err := a.logger("error")
			if err != nil {
				return err
			}
			out := a.Out
			if a.output == "json" {
				out = a.Err // the story; Out carries the summary alone
			}
			summary, err := demo.Run(c.Context(), demo.Options{
				Program: program, Script: script, Out: out, Color: a.color() && a.output != "json", Log: log, Listen: listen,
			})
			if a.output == "json" {
				if jsonErr := a.json(summary); jsonErr != nil {
					return jsonErr
				}
			}
			return err
		},
	}
	c.Flags().BoolVar(&script, "script", false, "run the whole story through and exit: 0 only if every part happened")
	c.Flags().StringVar(&listen, "listen", "127.0.0.1:4222", "where the bus listens; another port is taken where this one is in use")
	return c
}

// demoChildren are the processes that the demo starts of itself.
func (a *app) demoChildren() []*cobra.Command {
	return []*cobra.Command{{
		Use: "demo-site NAME ADDRESS", Hidden: true, Args: cobra.ExactArgs(2),
		RunE: func(c *cobra.Command, args []string) error { return demo.ServeSite(c.Context(), args[0], args[1]) },
	}, {
		Use: "demo-router ADDRESS ADMIN A B", Hidden: true, Args: cobra.ExactArgs(4),
		RunE: func(c *cobra.Command, args []string) error {
			return demo.ServeRouter(c.Context(), args[0], args[1], map[string]string{"s1": args[2], "s2": args[3]})
		},
	}}
}
