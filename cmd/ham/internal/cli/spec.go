package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/isacloud/ha-manager/pkg/bus"
	"github.com/isacloud/ha-manager/pkg/spec"
	"github.com/isacloud/ha-manager/pkg/spec/file"
	"github.com/isacloud/ha-manager/pkg/spec/store"
)

// readSpec reads one file and everything that is wrong with it.
func readSpec(path string) (*file.File, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, usageError{err}
	}
	f, err := file.Parse(path, text)
	if err != nil {
		return nil, usageError{err}
	}
	return f, nil
}

func (a *app) validate() *cobra.Command {
	var expanded bool
	c := &cobra.Command{
		Use: "validate FILE...", Short: "Check files without touching anything", Args: cobra.MinimumNArgs(1),
		RunE: func(_ *cobra.Command, paths []string) error {
			if expanded {
				return a.expand(paths)
			}
			type verdict struct {
				File   string   `json:"file"`
				Groups []string `json:"groups"`
				Error  string   `json:"error,omitempty"`
			}
			var all []verdict
			failed := false
			for _, path := range paths {
				v := verdict{File: path, Groups: []string{}}
				f, err := readSpec(path)
				if err == nil {
					for _, g := range f.Groups {
						v.Groups = append(v.Groups, g.Name)
					}
					err = f.CheckSecrets(spec.LookupSecret)
				}
				if err != nil {
					v.Error, failed = err.Error(), true
				}
				all = append(all, v)
			}
			if a.output == "json" {
				if err := a.json(all); err != nil {
					return err
				}
			} else {
				for _, v := range all {
					if v.Error != "" {
						fmt.Fprintln(a.Err, v.Error)
						continue
					}
					a.printf("%s is right: %s", v.File, groupsOf(v.Groups))
				}
			}
			if failed {
				return errUsageSilent
			}
			return nil
		},
	}
	c.Flags().BoolVar(&expanded, "expanded", false, "print the groups with what their presets give, and check no secret")
	return c
}

// expand prints groups as they are without their presets. What it prints is a file again.
func (a *app) expand(paths []string) error {
	type whole struct {
		Group string `json:"group"`
		Text  string `json:"text"`
	}
	all := []whole{}
	for _, path := range paths {
		f, err := readSpec(path)
		if err != nil {
			return err
		}
		for _, g := range f.Groups {
			all = append(all, whole{g.Name, cmp.Or(g.Expanded, g.GroupText)})
		}
	}
	if a.output == "json" {
		return a.json(all)
	}
	for i, g := range all {
		if i > 0 {
			a.printf("---")
		}
		fmt.Fprint(a.Out, g.Text)
	}
	return nil
}

// errUsageSilent ends with exit code 2; what is wrong was printed already.
var errUsageSilent = usageError{errSilent}

func groupsOf(names []string) string {
	switch len(names) {
	case 0:
		return "it declares no group"
	case 1:
		return "group " + names[0]
	}
	text := "groups "
	for i, n := range names {
		if i > 0 {
			text += ", "
		}
		text += n
	}
	return text
}

func (a *app) apply() *cobra.Command {
	var reason string
	c := &cobra.Command{
		Use: "apply FILE", Short: "Put the groups of a file into force", Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			f, err := readSpec(args[0])
			if err != nil {
				return err
			}
			b, err := a.connect(c.Context())
			if err != nil {
				return err
			}
			defer b.Close()
			applied, err := applyGroups(c.Context(), b, f, a.who(), reason)
			if err != nil {
				return err
			}
			if a.output == "json" {
				return a.json(applied)
			}
			for _, x := range applied {
				what := "unchanged"
				if x.Changed {
					what = "applied"
				}
				a.printf("group %s: %s, revision %d", x.Group, what, x.Revision)
			}
			return nil
		},
	}
	c.Flags().StringVarP(&reason, "reason", "r", "", "why, for the history")
	return c
}

// appliedGroup is what became of one group of a file.
type appliedGroup struct {
	Group    string `json:"group"`
	Revision uint64 `json:"revision"`
	Changed  bool   `json:"changed"`
}

// applyGroups stores the groups that differ from what is in force. Groups that the file does not name stay as they are.
func applyGroups(ctx context.Context, b *bus.Bus, f *file.File, actor, reason string) ([]appliedGroup, error) {
	out := []appliedGroup{}
	for _, g := range f.Groups {
		now, err := store.Get(ctx, b, g.Name)
		switch {
		case errors.Is(err, bus.ErrNotFound):
			now.Revision = 0
		case err != nil:
			return out, err
		case !now.Deleted && now.Written.Text == g.GroupText:
			out = append(out, appliedGroup{Group: g.Name, Revision: now.Revision})
			continue
		}
		revision, err := store.Put(ctx, b, g.GroupText, actor, reason, now.Revision, store.FromFile(f.Name))
		if err != nil {
			return out, err
		}
		out = append(out, appliedGroup{Group: g.Name, Revision: revision, Changed: true})
	}
	return out, nil
}
