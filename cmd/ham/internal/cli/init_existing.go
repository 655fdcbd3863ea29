package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/isacloud/ha-manager/cmd/ham/internal/existing"
	"github.com/isacloud/ha-manager/pkg/client/haproxy"
	"github.com/isacloud/ha-manager/pkg/spec/file"
)

func (a *app) initHAProxy() *cobra.Command {
	var o existing.HAProxyOptions
	into := ""
	c := &cobra.Command{
		Use: "haproxy FILE...", Short: "Read the configuration of a HAProxy and write the spec of what stands behind it",
		Long: "haproxy reads haproxy.cfg (several files in the order in which HAProxy is given them), and with --socket what the running HAProxy says\n" +
			"of its servers. It writes a spec in dry run: a pair for one active server and one backup, a pool for several that serve side by side.\n" +
			"What the files cannot know stands in the spec as a question (# ?) and on the standard error; so does what ham cannot manage, with its line.\n" +
			"It changes nothing.",
		Example: "  ham init haproxy /etc/haproxy/haproxy.cfg --socket unix:///run/haproxy/admin.sock > web.yaml\n" +
			"  ham init haproxy haproxy.cfg --backend web --socket tcp://192.0.2.2:9999 --socket tcp://198.51.100.2:9999 --file web.yaml",
		Args: cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, paths []string) error {
			texts, err := readTexts(paths)
			if err != nil {
				return err
			}
			backends, err := existing.HAProxyBackends(texts)
			if err != nil {
				return usageError{err}
			}
			if o.Running, err = lookHAProxy(c.Context(), o.Sockets, backends); err != nil {
				return err
			}
			s, err := existing.HAProxy(texts, o)
			return a.initialised(s, err, into)
		},
	}
	c.Flags().StringArrayVar(&o.Sockets, "socket", nil, "`address` of the runtime API of a HAProxy that holds the backends, tcp://host:port or unix:///path; may be repeated (default: what the file says, and nobody is asked)")
	c.Flags().StringArrayVar(&o.Only, "backend", nil, "only the backend of this `name`; may be repeated")
	c.Flags().BoolVar(&o.Pair, "pair", false, "two servers are a pair though both serve: ham takes one of them out")
	c.Flags().StringVarP(&into, "file", "f", "", "the `file` to write to, which must not be there yet (default: the standard output)")
	return c
}

func (a *app) initKeepalived() *cobra.Command {
	var o existing.KeepalivedOptions
	into := ""
	c := &cobra.Command{
		Use: "keepalived FILE [FILE]", Short: "Read the configuration of keepalived and write the spec of its floating addresses",
		Long: "keepalived reads the keepalived.conf of one host, better of both, and writes a spec in dry run: a pair of databases behind each floating\n" +
			"address. What the files cannot know stands in the spec as a question (# ?) and on the standard error; so does what ham cannot manage,\n" +
			"with its line. It changes nothing.",
		Example: "  ham init keepalived a/keepalived.conf b/keepalived.conf > orders.yaml",
		Args:    cobra.RangeArgs(1, 2),
		RunE: func(_ *cobra.Command, paths []string) error {
			if err := existing.Holds(o.Holds); err != nil {
				return usagef("--holds is %q, %w", o.Holds, err)
			}
			texts, err := readTexts(paths)
			if err != nil {
				return err
			}
			s, err := existing.Keepalived(texts, o)
			return a.initialised(s, err, into)
		},
	}
	c.Flags().StringVar(&o.Holds, "holds", "", "`what` the addresses lead to: postgres or redis (default: what the scripts of keepalived look at)")
	c.Flags().StringVarP(&into, "file", "f", "", "the `file` to write to, which must not be there yet (default: the standard output)")
	return c
}

func readTexts(paths []string) ([]existing.Text, error) {
	var texts []existing.Text
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, usageError{err}
		}
		texts = append(texts, existing.Text{Name: path, Text: text})
	}
	return texts, nil
}

// lookHAProxy asks each running HAProxy for the state of its servers, and changes nothing.
func lookHAProxy(ctx context.Context, sockets, backends []string) ([]existing.Running, error) {
	var all []existing.Running
	for _, address := range sockets {
		c, err := haproxy.New(address, haproxy.Options{Timeout: 5 * time.Second})
		if err != nil {
			return nil, usagef("--socket: %w", err)
		}
		level, err := c.Level(ctx)
		if err != nil {
			return nil, fmt.Errorf("HAProxy at %s: %w", address, err)
		}
		if level != "admin" {
			return nil, fmt.Errorf("HAProxy at %s: its stats socket has the level %s, and ham needs admin to set the state of servers: write `level admin` in that line of the section global, and reload", address, clean(level))
		}
		r := existing.Running{Addr: address, Backends: map[string][]haproxy.Server{}}
		for _, b := range backends {
			servers, err := c.ServersState(ctx, b)
			if errors.Is(err, haproxy.ErrNoSuchBackend) {
				continue
			}
			if err != nil {
				return nil, fmt.Errorf("HAProxy at %s: %w", address, err)
			}
			r.Backends[b] = servers
		}
		all = append(all, r)
	}
	return all, nil
}

// initialised writes the spec, and tells what it could not know. failed is why there is none, nil: there is.
func (a *app) initialised(s *existing.Spec, failed error, into string) error {
	if s == nil {
		return failed
	}
	if failed == nil {
		if _, err := file.Parse("spec", []byte(s.Text)); err != nil {
			return fmt.Errorf("the spec that would be written is not right, which is a mistake of ham:\n%w", err)
		}
	}
	if failed == nil && into != "" {
		f, err := os.OpenFile(into, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
		if errors.Is(err, os.ErrExist) {
			return usagef("%s is there already: name another file by --file, or take it away", into)
		}
		if err == nil {
			_, err = f.WriteString(s.Text)
			err = errors.Join(err, f.Close())
		}
		if err != nil {
			return err
		}
	}
	if a.output == "json" {
		return errors.Join(a.json(s), failed)
	}
	if failed == nil && into == "" {
		fmt.Fprint(a.Out, s.Text)
	}
	questions := 0
	for _, n := range s.Notes {
		sign := "left out: "
		if n.Kind == existing.Question {
			sign = "? "
			questions++
		}
		where := n.Place()
		if where != "" {
			where += ": "
		}
		if n.Group != "" {
			where += n.Group + ": "
		}
		fmt.Fprintf(a.Err, "%s%s%s\n", clean(where), sign, clean(n.Text))
	}
	if failed == nil {
		next := into
		if next == "" {
			next = "FILE"
		}
		fmt.Fprintf(a.Err, "\n%d %s, %d questions, %d left out; nothing was changed. Next: answer the lines with a question mark, then `ham validate %s` and `ham up --config %s`, which only looks.\n",
			len(s.Groups), map[bool]string{true: "group", false: "groups"}[len(s.Groups) == 1], questions, len(s.Notes)-questions, next, next)
	}
	return failed
}
