package cli

import (
	"github.com/spf13/cobra"

	"github.com/isacloud/ha-manager/cmd/ham/internal/build"
)

func (a *app) version() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print the version", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if a.output == "json" {
				return a.json(map[string]string{"version": build.Version()})
			}
			a.printf("ham %s", build.Version())
			return nil
		},
	}
}
