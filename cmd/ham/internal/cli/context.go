package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v4"

	"github.com/isacloud/ha-manager/pkg/message"
)

// bookmark is one named context: which bus, and who one is there. It names the files of secrets, and holds none.
type bookmark struct {
	Server string `yaml:"server,omitempty" json:"server,omitempty"`
	Creds  string `yaml:"creds,omitempty" json:"creds,omitempty"`
	NKey   string `yaml:"nkey,omitempty" json:"nkey,omitempty"`
	CA     string `yaml:"ca,omitempty" json:"ca,omitempty"`
	Cert   string `yaml:"cert,omitempty" json:"cert,omitempty"`
	Key    string `yaml:"key,omitempty" json:"key,omitempty"`
	As     string `yaml:"as,omitempty" json:"as,omitempty"`
}

// bookmarks is the file.
type bookmarks struct {
	Current  string              `yaml:"current,omitempty" json:"current,omitempty"`
	Contexts map[string]bookmark `yaml:"contexts" json:"contexts"`
}

// whereFlags are those that a context stands for, whereEnv the variables.
var (
	whereFlags = []string{"server", "creds", "nkey", "ca", "cert", "key"}
	whereEnv   = []string{"HAM_SERVER", "HAM_CREDS", "HAM_NKEY", "HAM_CA", "HAM_CERT", "HAM_KEY"}
)

// bookmarksPath is where the contexts are kept; "" where there is no home.
func (a *app) bookmarksPath() string {
	dir := a.Env("XDG_CONFIG_HOME")
	if dir == "" {
		home := a.Env("HOME")
		if home == "" {
			return ""
		}
		dir = filepath.Join(home, ".config")
	}
	return filepath.Join(dir, "ham", "contexts.yaml")
}

// readBookmarks reads them. A file that others may write is refused: whoever writes it says where commands go.
func (a *app) readBookmarks() (bookmarks, error) {
	all := bookmarks{Contexts: map[string]bookmark{}}
	path := a.bookmarksPath()
	if path == "" {
		return all, nil
	}
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return all, nil
	}
	if err != nil {
		return all, fmt.Errorf("read the contexts: %w", err)
	}
	if info.Mode().Perm()&0o022 != 0 {
		return all, hinted{fmt.Errorf("%s may be written by others (mode %04o): whoever does says where your commands go", path, info.Mode().Perm()), "chmod 600 " + path}
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return all, fmt.Errorf("read the contexts: %w", err)
	}
	if err := yaml.Load(text, &all, yaml.WithKnownFields()); err != nil {
		return all, hinted{fmt.Errorf("%s is no file of contexts: %w", path, err), "mend it, or take it away and say `ham context set NAME --server …` anew"}
	}
	if all.Contexts == nil {
		all.Contexts = map[string]bookmark{}
	}
	return all, nil
}

// writeBookmarks puts a new file in the place of the old one, for its owner alone.
func (a *app) writeBookmarks(all bookmarks) error {
	path := a.bookmarksPath()
	if path == "" {
		return usagef("there is no place for contexts: neither XDG_CONFIG_HOME nor HOME is set")
	}
	text, err := yaml.Dump(all)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("write the contexts: %w", err)
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".contexts-*") // mode 0600
	if err != nil {
		return fmt.Errorf("write the contexts: %w", err)
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("write the contexts: %w", errors.Join(err, os.Remove(f.Name())))
	}
	return nil
}

// useContext fills in where the bus is and who one is there, from the context that is named or that is in use. What a flag says counts more. A context that
// is merely in use gives way as a whole to a flag or a variable that says where the bus is: no identity goes to a bus that it was not meant for.
func (a *app) useContext(c *cobra.Command, named string) error {
	said := func(flags ...string) bool {
		return slices.ContainsFunc(flags, func(f string) bool { return c.Flags().Changed(f) })
	}
	if named == "" {
		named = a.Env("HAM_CONTEXT")
	}
	explicit := named != ""
	if !explicit && (said(whereFlags...) || slices.ContainsFunc(whereEnv, func(v string) bool { return a.Env(v) != "" })) {
		return nil
	}
	all, err := a.readBookmarks()
	if err != nil {
		return err
	}
	if named == "" {
		if named = all.Current; named == "" {
			return nil
		}
	}
	b, ok := all.Contexts[named]
	if !ok {
		return usagef("there is no context %q: `ham context list` shows those there are", named)
	}
	if explicit && said("server") {
		return usagef("--server and context %q both say where the bus is: want one of them", named)
	}
	for _, path := range []string{b.Creds, b.NKey, b.Key} {
		if err := secretFile(path); err != nil {
			return err
		}
	}
	for _, f := range []struct {
		flag string
		into *string
		says string
	}{{"server", &a.server, b.Server}, {"creds", &a.creds, b.Creds}, {"nkey", &a.nkey, b.NKey}, {"ca", &a.tls.CAFile, b.CA}, {"cert", &a.tls.CertFile, b.Cert}, {"key", &a.tls.KeyFile, b.Key}} {
		if !said(f.flag) {
			*f.into = f.says
		}
	}
	if b.As != "" && !said("as") {
		a.actor = b.As
	}
	return nil
}

// secretFile refuses a file with a secret that others may read, as ssh does.
func secretFile(path string) error {
	if path == "" {
		return nil
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil // who connects says so
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return hinted{fmt.Errorf("%s holds a secret, and others may read it (mode %04o)", path, mode), "chmod 600 " + path}
	}
	return nil
}

// contexts are the commands about them.
func (a *app) contexts() *cobra.Command {
	top := &cobra.Command{
		Use: "context", Short: "Name buses and identities: list, use, set, delete", Args: cobra.NoArgs,
		Long: "A context says which bus a command talks to, and who you are there. It names the files of secrets and holds none of them.\n" +
			"--context NAME or HAM_CONTEXT takes one for a command; `ham context use NAME` for all that say nothing else.",
		RunE: func(c *cobra.Command, _ []string) error { return a.listContexts() },
	}
	list := &cobra.Command{Use: "list", Short: "Show the contexts, and which is in use", Args: cobra.NoArgs, RunE: func(*cobra.Command, []string) error { return a.listContexts() }}
	use := &cobra.Command{
		Use: "use NAME", Short: "Take this one from now on", Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			all, err := a.readBookmarks()
			if err != nil {
				return err
			}
			if _, ok := all.Contexts[args[0]]; !ok {
				return usagef("there is no context %q: `ham context list` shows those there are", args[0])
			}
			all.Current = args[0]
			if err := a.writeBookmarks(all); err != nil {
				return err
			}
			return a.listContexts()
		},
	}
	remove := &cobra.Command{
		Use: "delete NAME", Short: "Forget a context", Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			all, err := a.readBookmarks()
			if err != nil {
				return err
			}
			if _, ok := all.Contexts[args[0]]; !ok {
				return usagef("there is no context %q: `ham context list` shows those there are", args[0])
			}
			delete(all.Contexts, args[0])
			if all.Current == args[0] {
				all.Current = ""
			}
			if err := a.writeBookmarks(all); err != nil {
				return err
			}
			return a.listContexts()
		},
	}
	set := &cobra.Command{
		Use: "set NAME", Short: "Write a context down, from --server, --creds, --nkey, --ca, --cert, --key and --as", Args: cobra.ExactArgs(1),
		Long: "What a flag says is written down; of a context that exists the rest stays. The first one is in use from then on.",
		RunE: func(c *cobra.Command, args []string) error { return a.setContext(c, args[0]) },
	}
	top.AddCommand(list, use, set, remove)
	return top
}

func (a *app) setContext(c *cobra.Command, name string) error {
	if !message.IsName(name) {
		return usagef("context %q: want 1 to %d letters, digits, '-' or '_'", name, message.MaxName)
	}
	all, err := a.readBookmarks()
	if err != nil {
		return err
	}
	b := all.Contexts[name]
	for _, f := range []struct {
		flag string
		into *string
		path bool
	}{{"server", &b.Server, false}, {"creds", &b.Creds, true}, {"nkey", &b.NKey, true}, {"ca", &b.CA, true}, {"cert", &b.Cert, true}, {"key", &b.Key, true}, {"as", &b.As, false}} {
		if !c.Flags().Changed(f.flag) {
			continue
		}
		said, err := c.Flags().GetString(f.flag)
		if err != nil {
			return err
		}
		if f.path && said != "" {
			if said, err = filepath.Abs(said); err != nil {
				return err
			}
		}
		*f.into = said
	}
	for _, one := range strings.Split(b.Server, ",") {
		if u, err := url.Parse(one); err != nil || u.User != nil {
			return usagef("--server has a user or a password in it, and a context holds no secret: want an address alone, and --creds or --nkey with the file that has it")
		}
	}
	if b.Server == "" {
		return usagef("a context says where the bus is: want --server")
	}
	for _, path := range []string{b.Creds, b.NKey, b.Key} {
		if err := secretFile(path); err != nil {
			return err
		}
	}
	all.Contexts[name] = b
	if all.Current == "" {
		all.Current = name
	}
	if err := a.writeBookmarks(all); err != nil {
		return err
	}
	return a.listContexts()
}

func (a *app) listContexts() error {
	all, err := a.readBookmarks()
	if err != nil {
		return err
	}
	if a.output == "json" {
		return a.json(all)
	}
	if len(all.Contexts) == 0 {
		a.tell("No context is named. `ham context set NAME --server tls://… --creds FILE --as YOU` names one.")
		return nil
	}
	rows := [][]string{a.titles("", "CONTEXT", "SERVER", "AS", "BY")}
	for _, name := range slices.Sorted(maps.Keys(all.Contexts)) {
		b, mark := all.Contexts[name], ""
		if name == all.Current {
			mark = "*"
		}
		by := "–"
		for _, path := range []string{b.Cert, b.NKey, b.Creds} {
			if path != "" {
				by = path
			}
		}
		rows = append(rows, []string{mark, name, clean(b.Server), clean(b.As), clean(by)})
	}
	table(a.Out, "", rows)
	return nil
}
