package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/isacloud/ha-manager/pkg/runbook"
)

// runbook prints what a person types when ham is gone.
func (a *app) runbook() *cobra.Command {
	var path string
	c := &cobra.Command{
		Use: "runbook GROUP", Short: "Print the swap as commands that a person can type when ham itself is gone", Args: cobra.ExactArgs(1),
		Long: "Print, as Markdown, what to type to make another member primary when ham itself is gone: the plan that ham would run, as commands for a shell,\n" +
			"beginning with how to be sure that the old primary cannot act. Secrets are not in it: the commands read them where ham does.\n" +
			"Without --file the spec in force is asked of the bus. Every process with an executor keeps the page of each group in runbooks in its state directory.",
		RunE: func(c *cobra.Command, args []string) error {
			name, err := groupArg(args[0])
			if err != nil {
				return err
			}
			g, err := a.groupOf(c, name, path)
			if err != nil {
				return err
			}
			page, err := runbook.Write(g)
			if err != nil {
				return err
			}
			if a.output == "json" {
				return a.json(struct {
					Group    string `json:"group"`
					Revision uint64 `json:"revision,omitempty"`
					Markdown string `json:"markdown"`
				}{g.Name, g.Revision, page})
			}
			_, err = fmt.Fprint(a.Out, page)
			return err
		},
	}
	c.Flags().StringVarP(&path, "file", "f", "", "`FILE` of the spec; default: the spec in force")
	return c
}
