// Package cli is the command line: it parses, asks the bus, prints. What it prints as a table for people it prints
// as JSON for programs with --output json; exit codes are 0 done, 1 failed, 2 wrong use, 3 refused.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/mattn/go-isatty"
	"github.com/spf13/cobra"

	"github.com/isacloud/ha-manager/pkg/spec"
	"github.com/isacloud/ha-manager/pkg/words"
)

// IO is what a command may touch of its surroundings.
type IO struct {
	In       io.Reader
	Out, Err io.Writer
	Env      func(string) string
}

// app is one run of the program.
type app struct {
	IO
	output  string
	lang    words.Lang
	server  string
	creds   string
	nkey    string
	tls     spec.TLS
	actor   string
	timeout time.Duration
	yes     bool
	logging struct{ level, format string }
}

// Main runs one command and returns the exit code.
func Main(ctx context.Context, args []string, io IO) int {
	a := &app{IO: io}
	root := a.root()
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	a.report(err)
	return exitCode(err)
}

func (a *app) report(err error) {
	var refused refusedError
	switch {
	case err == nil, errors.Is(err, errSilent), errors.As(err, &refused):
		return
	}
	fmt.Fprintf(a.Err, "ham: %v\n", err)
	var hint hinted
	if errors.As(err, &hint) {
		fmt.Fprintf(a.Err, "hint: %s\n", hint.hint)
	}
}

func (a *app) root() *cobra.Command {
	lang, named := "", ""
	root := &cobra.Command{
		Use:           "ham",
		Short:         "Keep a service's primary and secondary infrastructure available",
		Long:          "ham watches both infrastructures of a service, decides when their roles must swap, swaps them step by step,\ntells people what happened, and hands over the post-mortem.",
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          noSuchCommand,
		RunE:          func(c *cobra.Command, _ []string) error { return c.Help() },

		SuggestionsMinimumDistance: 2,

		PersistentPreRunE: func(c *cobra.Command, _ []string) error {
			if a.output != "table" && a.output != "json" {
				return usagef("--output is %q, want table or json", a.output)
			}
			if lang == "" {
				lang = a.Env("HAM_LANG")
			}
			var err error
			if a.lang, err = words.Parse(lang); err != nil {
				return usagef("--lang or HAM_LANG: %v", err)
			}
			if talks(c) {
				return a.useContext(c, named)
			}
			return nil
		},
	}
	root.SetOut(a.Out)
	root.SetErr(a.Err)
	root.SetIn(a.In)
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	f := root.PersistentFlags()
	f.StringVarP(&a.output, "output", "o", "table", "what is printed: `table` for people, json for programs")
	f.StringVarP(&a.server, "server", "s", "", "`URL` of the bus (default $HAM_SERVER, else "+defaultServer+")")
	f.StringVar(&a.creds, "creds", a.Env("HAM_CREDS"), "`file` with user JWT and seed (default $HAM_CREDS)")
	f.StringVar(&a.nkey, "nkey", a.Env("HAM_NKEY"), "`file` with an nkey seed (default $HAM_NKEY)")
	f.StringVar(&a.tls.CAFile, "ca", a.Env("HAM_CA"), "`file` with the certificates of the authorities that vouch for a bus with TLS (default $HAM_CA, else the system's)")
	f.StringVar(&a.tls.CertFile, "cert", a.Env("HAM_CERT"), "`file` with the certificate to show to a bus that asks for one (default $HAM_CERT)")
	f.StringVar(&a.tls.KeyFile, "key", a.Env("HAM_KEY"), "`file` with its key (default $HAM_KEY)")
	f.StringVar(&named, "context", "", "the `name` of the bus and the identity to use (default $HAM_CONTEXT, else the one in use: ham context)")
	f.StringVar(&a.actor, "as", "", "who asks, in the record (default $HAM_ACTOR, else the user's name)")
	f.StringVar(&lang, "lang", "", "`language` of what people read: en or pt-BR (default $HAM_LANG, else en); what programs read is always English")
	f.DurationVar(&a.timeout, "timeout", 10*time.Second, "how long to wait for an answer")
	f.StringVar(&a.logging.level, "log-level", "", "debug, info, warn or error (default info for services, warn for the demo)")
	f.StringVar(&a.logging.format, "log-format", "auto", "auto, text or json")

	operate := &cobra.Group{ID: "operate", Title: "Operate:"}
	look := &cobra.Group{ID: "look", Title: "Look:"}
	run := &cobra.Group{ID: "run", Title: "Run:"}
	root.AddGroup(run, look, operate)
	root.SetHelpCommandGroupID(look.ID)
	root.SetCompletionCommandGroupID(look.ID)
	add := func(group string, commands ...*cobra.Command) {
		for _, c := range commands {
			c.GroupID = group
			root.AddCommand(c)
		}
	}
	console := a.service("console")
	console.AddCommand(a.consoleCommands()...)
	add(run.ID, a.demo(), a.up(), a.service("prober"), a.service("decider"), a.service("executor"), a.service("notifier"), console, a.busAlone(), a.init(), a.validate(), a.apply(), a.history(), a.rollback(), a.contexts(), a.doctor())
	add(look.ID, a.status(), a.planned(), a.drills(), a.shadow(), a.watch(), a.plan(), a.explain(), a.incidents(), a.postmortem(), a.gather(), a.evidence(), a.replay(), a.whatIf(), a.runbook(), a.guard(), a.version())
	add(operate.ID, a.swapCommands()...)
	add(operate.ID, a.careCommands()...)
	add(operate.ID, a.maintenanceCommands()...)
	add(operate.ID, a.roll())
	wrongUse(root)
	root.AddCommand(a.demoChildren()...)
	return root
}

// talks says whether the command is one of those that a person says on a laptop: a service is where its own options say, on whichever host it runs.
func talks(c *cobra.Command) bool {
	for c.HasParent() && c.Parent().HasParent() {
		c = c.Parent()
	}
	if c.GroupID != "run" {
		return c.GroupID != ""
	}
	switch c.Name() {
	case "apply", "history", "rollback", "doctor":
		return true
	}
	return false
}

// noSuchCommand says which command may have been meant by a word that is none.
func noSuchCommand(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	if near := c.SuggestionsFor(args[0]); len(near) > 0 {
		return usagef("unknown command %q, did you mean %s? `ham help` lists them all", args[0], strings.Join(near, " or "))
	}
	return usagef("unknown command %q: `ham help` lists those there are", args[0])
}

// wrongUse makes a wrong number of arguments wrong use in every command below c.
func wrongUse(c *cobra.Command) {
	for _, below := range c.Commands() {
		below.Args = usageArgs(below.Args)
		wrongUse(below)
	}
}

// usageArgs makes a wrong number of arguments wrong use.
func usageArgs(check cobra.PositionalArgs) cobra.PositionalArgs {
	if check == nil {
		check = cobra.ArbitraryArgs
	}
	return func(c *cobra.Command, args []string) error {
		if err := check(c, args); err != nil {
			return usagef("%w; use: %s", err, c.UseLine())
		}
		return nil
	}
}

// interactive says whether a person sits at both ends.
func (a *app) interactive() bool {
	in, ok1 := a.In.(*os.File)
	out, ok2 := a.Out.(*os.File)
	return ok1 && ok2 && isatty.IsTerminal(in.Fd()) && isatty.IsTerminal(out.Fd())
}

// color says whether Out may carry colours.
func (a *app) color() bool {
	out, ok := a.Out.(*os.File)
	return ok && isatty.IsTerminal(out.Fd()) && a.Env("NO_COLOR") == ""
}
