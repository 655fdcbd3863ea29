package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/isacloud/ha-manager/cmd/ham/internal/roll"
	"github.com/isacloud/ha-manager/pkg/ask"
	"github.com/isacloud/ha-manager/pkg/bus"
	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec/store"
	"github.com/isacloud/ha-manager/pkg/subject"
	"github.com/isacloud/ha-manager/pkg/words"
	"github.com/isacloud/ha-manager/services/executor/driver/process"
)

func (a *app) roll() *cobra.Command {
	o := roll.Options{}
	c := &cobra.Command{
		Use: "roll GROUP [flags] -- COMMAND [ARG...]", Short: "Run a command for each member of a pool in turn, each taken out of service meanwhile",
		Long: "roll takes one member after the other out of service, backups first: no proxy leads new clients to it. It waits for its clients to be done, runs the\n" +
			"command here, waits until vantages, deciders and proxies find the member up again, puts it back, and waits until it serves. It stops at\n" +
			"the first that fails, and leaves that one out; the next roll begins with it. The deciders let it take out nobody below the pool's minimum.\n\n" +
			"The command is run without a shell, once a member, with HAM_GROUP, HAM_MEMBER, HAM_SITE and HAM_URL set; ${member.name}, ${member.site},\n" +
			"${member.url}, ${member.<var>} and ${group} in its words are replaced. Ctrl-C ends it after the member that is under way.",
		Example: "  ham roll web -- ssh '${member.host}' sudo systemctl restart app\n" +
			"  ham roll web --only w2,w3 --drain 1m --reason 'version 7' -- ./deploy.sh",
		Args: func(c *cobra.Command, args []string) error {
			if dash := c.ArgsLenAtDash(); dash != 1 || len(args) < 2 {
				return usagef("want one group, and the command behind --, such as: ham roll web -- systemctl restart app")
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			o.Argv = args[1:]
			for flag, d := range map[string]time.Duration{"--drain": o.Drain, "--timeout": o.Timeout, "--healthy": o.Healthy} {
				if d < 0 || d > 24*time.Hour || d == 0 && flag != "--drain" {
					return usagef("%s is %s, want a time up to 24h", flag, d)
				}
			}
			return a.rollOver(c.Context(), args[0], o)
		},
	}
	f := c.Flags()
	f.StringSliceVar(&o.Only, "only", nil, "only these `members`")
	f.DurationVar(&o.Drain, "drain", 30*time.Second, "how long the clients of a member are waited for before the command is run all the same")
	f.DurationVar(&o.Timeout, "timeout", 5*time.Minute, "how long the command may take at one member; then it is ended, with all its children")
	f.DurationVar(&o.Healthy, "healthy", 2*time.Minute, "how long a member may take to be up again after its command")
	f.StringVarP(&o.Reason, "reason", "r", "", "why, for the record")
	f.StringSliceVar(&o.Override, "override", nil, "set aside the refusals with these `codes`, such as R473 in a freeze; needs --reason")
	return c
}

func (a *app) rollOver(ctx context.Context, group string, o roll.Options) error {
	if _, err := groupArg(group); err != nil {
		return err
	}
	b, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer b.Close()
	applied, err := store.Get(ctx, b, group)
	if err != nil {
		return err
	}
	if o.Group = applied.Spec; o.Group == nil {
		return fmt.Errorf("the spec of %s cannot be read by this program: %w", group, cmp.Or(applied.Problem, errors.New("the group was deleted")))
	}
	o.Actor, o.From, o.RequestID = a.who(), ask.Place(a.Env), ask.RequestID
	var mu sync.Mutex // an event is one line, whatever the command prints meanwhile
	o.Tell = func(e roll.Event) {
		mu.Lock()
		defer mu.Unlock()
		if a.output == "json" {
			_ = json.NewEncoder(a.Out).Encode(e) // whoever does not read any more is not told
			return
		}
		color := map[string]string{roll.Failed: red, roll.Done: green, roll.Serves: green}[e.Event]
		a.printf("%s  %s", e.At.Format("15:04:05"), a.paint(color, clean(e.In(words.Of(a.lang)))))
	}
	output := a.Out
	if a.output == "json" {
		output = a.Err
	}
	r, err := roll.New(rollWorld{a.client(b), b, group, output}, o)
	if err != nil {
		return usageError{err}
	}
	err = r.Run(ctx)
	var refused roll.Refused
	switch {
	case errors.As(err, &refused):
		if a.output != "json" {
			a.reasons(refused.Outcome.Reasons)
		}
		return refusedError{refused.Outcome}
	case err != nil:
		return errSilent
	}
	return nil
}

// rollWorld is the real one.
type rollWorld struct {
	client ask.Client
	bus    *bus.Bus
	group  string
	output io.Writer
}

func (w rollWorld) Status(ctx context.Context) (*message.GroupStatus, error) {
	return w.client.Status(ctx, w.group)
}

func (w rollWorld) Send(ctx context.Context, r *message.Request) (*message.Outcome, error) {
	if err := message.Validate(r); err != nil {
		return nil, err
	}
	return w.client.Send(ctx, r)
}

func (w rollWorld) Looks(ctx context.Context, member string, saw func(*message.Heartbeat)) error {
	return w.bus.FollowHeartbeats(ctx, bus.HeartbeatOptions{Subjects: []string{subject.HeartbeatsOf(w.group)}, From: bus.FromNew()},
		func(h *message.Heartbeat, _ bus.HeartbeatMeta) {
			if h.Member == member {
				saw(h)
			}
		})
}

func (w rollWorld) Command(ctx context.Context, argv, env []string) roll.Ended {
	result, err := process.Run(ctx, process.Command{Argv: argv, Env: env, Also: w.output})
	if err != nil && !errors.Is(err, process.ErrNotStarted) {
		fmt.Fprintln(w.output, err)
		return roll.Ended{Code: -1, Cut: true}
	}
	return roll.Ended{Code: result.Code, Cut: result.Cut, NotStarted: err}
}
