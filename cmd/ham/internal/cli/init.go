package cli

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/isacloud/ha-manager/cmd/ham/internal/setup"
	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec"
)

func (a *app) init() *cobra.Command {
	c := &cobra.Command{Use: "init", Short: "Write what it takes to protect servers that are there", Args: cobra.NoArgs, RunE: func(c *cobra.Command, _ []string) error { return c.Help() }}
	c.AddCommand(a.initPostgres(), a.initHAProxy(), a.initKeepalived())
	return c
}

func (a *app) initPostgres() *cobra.Command {
	group, names, dir, secrets, witness, sites := "", []string{}, "", "", "", []string{}
	c := &cobra.Command{
		Use: "postgres DSN DSN", Short: "Look at two PostgreSQL servers and write the spec, roles and settings of a pair",
		Long: "postgres logs in to two servers, as a superuser or a role with pg_monitor, and changes nothing there. It writes a directory with a spec\n" +
			"in dry run, the processes of ham on the three hosts, the roles with the least rights, and the lines for PostgreSQL's configuration.\n" +
			"Passwords: ${env:NAME} and ${file:/path} in a DSN are replaced, so that they need not stand in the command line.",
		Example: "  ham init postgres 'postgres://postgres:${env:PGPASSWORD}@192.0.2.10/' 'postgres://postgres:${env:PGPASSWORD}@198.51.100.10/' \\\n    --group orders --witness 203.0.113.5 --sites sp,rj,mia",
		RunE: func(c *cobra.Command, dsns []string) error {
			if len(names) != 2 || !message.IsName(names[0]) || !message.IsName(names[1]) || names[0] == names[1] || names[0] == "witness" || names[1] == "witness" {
				return usagef("--names is %q, want two different names, such as a,b; the third process is called witness", strings.Join(names, ","))
			}
			if _, err := groupArg(group); err != nil {
				return err
			}
			if !filepath.IsAbs(secrets) {
				return usagef("--secrets is %q, want an absolute path, such as /etc/ham", secrets)
			}
			p := setup.Pair{Group: group, Secrets: secrets, Witness: witness}
			if ip, err := netip.ParseAddr(witness); witness != "" && (err != nil || ip.IsUnspecified() || ip.IsMulticast()) {
				return usagef("--witness is %q, want the address of a host, such as 203.0.113.5", witness)
			}
			if c.Flags().Changed("sites") && (len(sites) != 3 || !message.IsName(sites[0]) || !message.IsName(sites[1]) || !message.IsName(sites[2])) {
				return usagef("--sites is %q, want three names, such as sp,rj,mia: the sites of %s, of %s and of the witness", strings.Join(sites, ","), names[0], names[1])
			}
			copy(p.Sites[:], sites)
			for i, into := range []*setup.Facts{&p.A, &p.B} {
				dsn, err := spec.Secret(dsns[i]).Resolve(spec.LookupSecret)
				if err != nil {
					return usagef("server %s: %w", names[i], err)
				}
				if *into, err = setup.Look(c.Context(), names[i], dsn); err != nil {
					return err
				}
			}
			return a.initialise(p, cmp.Or(dir, group))
		},
	}
	c.Args = cobra.ExactArgs(2)
	c.Flags().StringVarP(&group, "group", "g", "postgres", "the `name` of the service")
	c.Flags().StringSliceVar(&names, "names", []string{"a", "b"}, "what the two servers are called")
	c.Flags().StringVar(&witness, "witness", "", "the `address` of the host that holds no data; without it one that you have to replace stands in five files")
	c.Flags().StringSliceVar(&sites, "sites", nil, "what the sites of the two servers and the witness are called (default: as the processes there)")
	c.Flags().StringVarP(&dir, "dir", "d", "", "the `directory` to write to (default: the group's name); what is there is not overwritten")
	c.Flags().StringVar(&secrets, "secrets", "/etc/ham", "the `directory` of the passwords on each host")
	return c
}

// initialise writes the files and says what was found, and what is next.
func (a *app) initialise(p setup.Pair, dir string) error {
	files, findings := p.Files(), setup.Judge(p.A, p.B)
	if err := writeNew(dir, files); err != nil {
		return err
	}
	if a.output == "json" {
		return a.json(struct {
			Servers  []setup.Facts   `json:"servers"`
			Findings []setup.Finding `json:"findings"`
			Dir      string          `json:"dir"`
			Files    []setup.File    `json:"files"`
		}{[]setup.Facts{p.A, p.B}, findings, dir, files})
	}
	for _, f := range []setup.Facts{p.A, p.B} {
		role := "primary"
		if f.Standby {
			role = "standby"
		}
		says, _, _ := strings.Cut(f.Says, " on ")
		a.printf("%s  %s, %s, data in %s", f.Name, clean(says), role, clean(f.Data))
	}
	for _, f := range findings {
		a.printf("%s  %s: %s", a.paint(map[string]string{"warn": yellow, "bad": red}[f.Level], fmt.Sprintf("%-4s", f.Level)), f.Server, clean(f.Found))
		a.printf("      → %s", f.Do)
	}
	a.printf("\nWritten to %s, nothing was changed on the servers:", dir)
	var rows [][]string
	for _, f := range files {
		rows = append(rows, []string{f.Name, f.For})
	}
	table(a.Out, "  ", rows)
	a.printf("\nNext: answer the lines with a question mark in %s, then follow docs/postgres.md from step 2.", filepath.Join(dir, p.Group+".yaml"))
	return nil
}

// writeNew writes files into a directory, all or none of them, over nothing that is there.
func writeNew(dir string, files []setup.File) error {
	for _, f := range files {
		path := filepath.Join(dir, f.Name)
		if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
			return usagef("%s is there already: name another directory by --dir, or take it away", path)
		}
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for _, f := range files {
		mode := os.FileMode(0o644)
		if strings.HasSuffix(f.Name, ".sh") {
			mode = 0o755
		}
		if err := os.WriteFile(filepath.Join(dir, f.Name), []byte(f.Text), mode); err != nil {
			return err
		}
	}
	return nil
}
