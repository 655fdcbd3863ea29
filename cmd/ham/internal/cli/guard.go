package cli

import (
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/isacloud/ha-manager/cmd/ham/internal/setup"
	"github.com/isacloud/ha-manager/pkg/spec"
	"github.com/isacloud/ha-manager/pkg/spec/store"
	"github.com/isacloud/ha-manager/services/executor"
)

// guard prints the rules, for people to read and for a host to load at boot. It changes nothing.
func (a *app) guard() *cobra.Command {
	var path, member string
	c := &cobra.Command{
		Use: "guard GROUP", Short: "Print what a member's guard puts into the kernel, as a file for nft", Args: cobra.ExactArgs(1),
		Long: "Print what a member's guard puts into the kernel, shut, as a file for the nft program. Nothing is changed.\nWithout --file the spec in force is asked of the bus. See docs/guard.md.",
		RunE: func(c *cobra.Command, args []string) error {
			name, err := groupArg(args[0])
			if err != nil {
				return err
			}
			g, err := a.groupOf(c, name, path)
			if err != nil {
				return err
			}
			m, err := memberOf(g, member)
			if err != nil {
				return err
			}
			rules, err := executor.GuardFile(g, m)
			if err != nil {
				return err
			}
			if a.output == "json" {
				return a.json(map[string]string{"group": g.Name, "member": m.Name, "rules": rules})
			}
			_, err = fmt.Fprint(a.Out, rules)
			return err
		},
	}
	c.Flags().StringVarP(&path, "file", "f", "", "`FILE` of the spec; default: the spec in force")
	c.Flags().StringVarP(&member, "member", "m", "", "whose guard; default: that of the member on this host")
	return c
}

// groupOf reads the group's spec from a file, or where there is none from the bus.
func (a *app) groupOf(c *cobra.Command, name, path string) (*spec.Group, error) {
	if path != "" {
		f, err := readSpec(path)
		if err != nil {
			return nil, err
		}
		if g, ok := f.Group(name); ok {
			return g.Group, nil
		}
		return nil, usagef("%s declares no group %s", path, name)
	}
	b, err := a.connect(c.Context())
	if err != nil {
		return nil, err
	}
	defer b.Close()
	applied, err := store.Get(c.Context(), b, name)
	if err != nil {
		return nil, err
	}
	if applied.Spec == nil {
		return nil, hinted{fmt.Errorf("group %s is not declared", name), "`ham apply FILE`, or name the file by --file"}
	}
	return applied.Spec, nil
}

// memberOf is the member of that name, or with "" the one that stands on this host.
func memberOf(g *spec.Group, name string) (spec.Member, error) {
	own, _ := os.Hostname()
	for _, m := range g.Members {
		if m.Name == name || name == "" && setup.StandsHere(m, asName(own)) {
			return m, nil
		}
	}
	if name == "" {
		return spec.Member{}, usagef("no member of %s stands on this host: name one by --member: %s", g.Name, strings.Join(g.MemberNames(), ", "))
	}
	return spec.Member{}, usagef("group %s has no member %s: want one of %s", g.Name, name, strings.Join(g.MemberNames(), ", "))
}
