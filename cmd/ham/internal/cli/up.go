package cli

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/isacloud/ha-manager/cmd/ham/internal/build"
	"github.com/isacloud/ha-manager/cmd/ham/internal/stack"
	"github.com/isacloud/ha-manager/pkg/spec"
	"github.com/isacloud/ha-manager/pkg/spec/file"
)

func (a *app) up() *cobra.Command {
	var config string
	c := &cobra.Command{
		Use: "up", Short: "Run everything in one process, with an embedded bus", Args: cobra.NoArgs,
		Long: "up runs prober, decider, executor, notifier and console in one process, with an embedded nats-server unless the file names\n" +
			"another bus, and puts the groups of the file into force. Ctrl-C ends it in order; roles stay as they are.",
		RunE: func(c *cobra.Command, _ []string) error { return a.runServices(c.Context(), config, nil) },
	}
	c.Flags().StringVarP(&config, "config", "c", "", "the `file` with groups and with the set-up of this process")
	return c
}

func (a *app) service(name string) *cobra.Command {
	var config string
	c := &cobra.Command{
		Use: name, Short: "Run the " + name + " alone, on a bus that runs elsewhere", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return a.runServices(c.Context(), config, []string{name}) },
	}
	c.Flags().StringVarP(&config, "config", "c", "", "the `file` with the set-up of this process")
	return c
}

func (a *app) busAlone() *cobra.Command {
	var config string
	c := &cobra.Command{
		Use: "bus", Short: "Run the embedded bus alone, for services that run elsewhere", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return a.runServices(c.Context(), config, []string{}) },
	}
	c.Flags().StringVarP(&config, "config", "c", "", "the `file` with the set-up of this process")
	return c
}

// runServices runs the services (nil: all, with an embedded bus if no other is named) until ctx ends.
func (a *app) runServices(ctx context.Context, config string, services []string) error {
	f := &file.File{}
	if config != "" {
		var err error
		if f, err = readSpec(config); err != nil {
			return err
		}
		if err := f.CheckSecrets(spec.LookupSecret); err != nil {
			return usageError{err}
		}
	}
	p := a.process(f.Process)
	if len(services) > 0 && len(p.Bus.URLs) == 0 {
		p.Bus.URLs = []string{a.serverURL()} // one service alone brings no bus of its own
		p.Bus.Creds, p.Bus.NKey = cmp.Or(p.Bus.Creds, a.creds), cmp.Or(p.Bus.NKey, a.nkey)
	}
	log, err := a.logger("info")
	if err != nil {
		return err
	}
	log.Info("starting", "version", build.Version(), "name", p.Name, "site", p.Site, "state", p.StateDir)
	startCtx := ctx
	if p.Bus.Cluster == nil { // a server of a cluster waits for the others as long as it takes
		var cancel context.CancelFunc
		startCtx, cancel = context.WithTimeout(ctx, 30*time.Second)
		defer cancel()
	}
	s, err := stack.Start(startCtx, stack.Options{Process: p, Services: services, Out: a.Out, Log: log})
	if err != nil {
		return portHint(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			log.Error("stop the bus", "error", err)
		}
	}()
	applied, err := applyGroups(startCtx, s.Bus, f, a.who(), "ham up "+config)
	if err != nil {
		return err
	}
	for _, g := range applied {
		log.Info("group is in force", "group", g.Group, "revision", g.Revision, "changed", g.Changed)
	}
	log.Info("running", "bus", cmp.Or(s.URL(), "in this process only"), "http", s.HTTP, "console", cmp.Or(s.Console, "none"))
	if err := s.Run(ctx); err != nil {
		return err
	}
	log.Info("stopped")
	return nil
}

// portHint says what to do about a port that is taken: nats-server reports it as text alone.
func portHint(err error) error {
	if !strings.Contains(err.Error(), syscall.EADDRINUSE.Error()) {
		return err
	}
	return hinted{err, "something listens there already, perhaps another `ham up` or a nats-server: end it, or name another address in the file (ham.bus.listen, ham.http)"}
}

// process completes what the file says of this process.
func (a *app) process(declared *spec.Process) spec.Process {
	p := spec.Process{}
	if declared != nil {
		p = *declared
	}
	if p.Name == "" {
		host, err := os.Hostname()
		if err != nil {
			host = fmt.Sprintf("ham-%d", os.Getpid())
		}
		p.Name = asName(host)
	}
	p.Site = cmp.Or(p.Site, "local")
	p.HTTP = cmp.Or(p.HTTP, "127.0.0.1:8322")
	p.Console.Listen = cmp.Or(p.Console.Listen, spec.DefaultConsoleListen)
	p.StateDir = cmp.Or(p.StateDir, stack.DefaultStateDir(a.Env))
	if len(p.Bus.URLs) == 0 {
		p.Bus.Listen = cmp.Or(p.Bus.Listen, "127.0.0.1:4222")
	}
	if len(p.Prober.Vantages) == 0 {
		p.Prober.Vantages = []string{p.Site}
	}
	return p
}
