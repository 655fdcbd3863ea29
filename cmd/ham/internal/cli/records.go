package cli

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/isacloud/ha-manager/cmd/ham/internal/build"
	"github.com/isacloud/ha-manager/pkg/incident"
)

// incidentRow is one line of `ham incidents`.
type incidentRow struct {
	ID      string    `json:"id"`
	Group   string    `json:"group"`
	Open    bool      `json:"open"`
	From    time.Time `json:"from"`
	Until   time.Time `json:"until"`
	Swaps   int       `json:"swaps"`
	Refused int       `json:"refused"`
	Summary string    `json:"summary"`
}

func (a *app) incidents() *cobra.Command {
	return &cobra.Command{
		Use: "incidents [GROUP]", Short: "List the incidents on record, the newest first", Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			group := ""
			if len(args) == 1 {
				var err error
				if group, err = groupArg(args[0]); err != nil {
					return err
				}
			}
			b, err := a.connect(c.Context())
			if err != nil {
				return err
			}
			defer b.Close()
			all, err := a.client(b).Records(c.Context(), group)
			if err != nil {
				return err
			}
			rows := []incidentRow{}
			for _, id := range incident.IDs(all) {
				r := incident.Build(id, 0, all)
				rows = append(rows, incidentRow{ID: id, Group: r.Group, Open: r.Open, From: r.From, Until: r.Until, Swaps: len(r.Swaps), Refused: len(r.Refused), Summary: r.Summary})
			}
			slices.SortFunc(rows, func(x, y incidentRow) int { return cmp.Or(y.From.Compare(x.From), cmp.Compare(x.ID, y.ID)) })
			if a.output == "json" {
				return a.json(rows)
			}
			if len(rows) == 0 {
				a.printf("No incident is on record.")
				return nil
			}
			lines := [][]string{{"INCIDENT", "BEGAN (UTC)", "LASTED", "SWAPS", "WHAT"}}
			for _, r := range rows {
				lasted := r.Until.Sub(r.From).Round(time.Millisecond).String()
				if r.Open {
					lasted = "open"
				}
				lines = append(lines, []string{r.ID, r.From.UTC().Format("2006-01-02 15:04:05"), lasted, fmt.Sprint(r.Swaps), clean(r.Summary)})
			}
			table(a.Out, "", lines)
			return nil
		},
	}
}

func (a *app) postmortem() *cobra.Command {
	format, zone := "", ""
	c := &cobra.Command{
		Use: "postmortem INCIDENT", Short: "Write an incident's post-mortem as Markdown or as one HTML page", Args: cobra.ExactArgs(1),
		Long: "Write an incident's post-mortem: as Markdown, or as one HTML page that needs nothing else, to be mailed, printed and kept.\n" +
			"--lang pt-BR (or HAM_LANG) writes it in Portuguese; the record itself stays English.",
		RunE: func(c *cobra.Command, args []string) error {
			id := args[0]
			if format != "md" && format != "html" {
				return usagef("--format is %q, want md or html", format)
			}
			where, err := time.LoadLocation(zone)
			if err != nil {
				return usagef("--zone is %q, want the name of a time zone that this host knows, such as America/Sao_Paulo: %v", zone, err)
			}
			group, ok := incident.GroupOf(id)
			if !ok {
				return usagef("incident %q: want <group>-<number>, as `ham incidents` lists them", id)
			}
			b, err := a.connect(c.Context())
			if err != nil {
				return err
			}
			defer b.Close()
			all, err := a.client(b).Records(c.Context(), group)
			if err != nil {
				return err
			}
			objective, err := a.client(b).Objective(c.Context(), group)
			if err != nil {
				return err
			}
			r := incident.Build(id, objective, all)
			if len(r.Timeline) == 0 {
				return hinted{fmt.Errorf("incident %s is not on record", id), "`ham incidents` lists those that are"}
			}
			specs, err := a.client(b).Specs(c.Context(), group)
			if err != nil {
				return err
			}
			r.InForce(specs, build.Version())
			found, err := a.client(b).Gathered(c.Context(), group, r.From.Add(-time.Minute))
			if err != nil {
				return err
			}
			r.Gather(found)
			switch {
			case a.output == "json":
				return a.json(r)
			case format == "html":
				_, err = fmt.Fprint(a.Out, r.HTMLIn(a.lang, where))
			default:
				_, err = fmt.Fprint(a.Out, r.MarkdownIn(a.lang, where))
			}
			return err
		},
	}
	c.Flags().StringVarP(&format, "format", "f", "md", "`md` or html")
	c.Flags().StringVar(&zone, "zone", "UTC", "time `zone` of the times, such as America/Sao_Paulo")
	return c
}
