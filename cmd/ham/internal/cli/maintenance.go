package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/isacloud/ha-manager/pkg/message"
)

// drainPatience is how long `ham drain` and `ham undrain` watch until every proxy that answers has it so: executors look twice a second.
const drainPatience = 10 * time.Second

// maintenanceCommands take a member out of service, and put it back.
func (a *app) maintenanceCommands() []*cobra.Command {
	command := func(verb message.Verb, short, long string, flags func(*cobra.Command, *wish)) *cobra.Command {
		k := &wish{expectEpoch: -1}
		c := &cobra.Command{
			Use: string(verb) + " GROUP MEMBER", Short: short, Long: long, Args: cobra.ExactArgs(2),
			RunE: func(c *cobra.Command, args []string) error {
				k.to, k.renew = args[1], verb == message.VerbDrain
				return a.maintain(c.Context(), args[0], verb, k)
			},
		}
		k.reasonFlag(c)
		k.overrideFlag(c)
		c.Flags().BoolVar(&k.noWait, "no-wait", false, "do not wait until the proxies have it so")
		if flags != nil {
			flags(c, k)
		}
		return c
	}
	return []*cobra.Command{
		command(message.VerbDrain, "Take a member out of service for maintenance",
			"In a pool no proxy leads new clients to it any more; those that are on it stay until they have gone. It is refused where fewer than the pool's minimum\n"+
				"would be left. In a pair it takes a standby from those that are counted on: nobody is woken when it goes down. With --for it ends by itself, once the\n"+
				"member is up; without, until `ham undrain`. Of a member that is out already it renews the maintenance: by you, for your reason and your --for, from now on.",
			func(c *cobra.Command, k *wish) {
				c.Flags().DurationVar(&k.pauseFor, "for", 0, "end it by itself after this time, once the member is up")
			}),
		command(message.VerbUndrain, "Put a member back that was taken out", "", nil),
	}
}

func (a *app) maintain(ctx context.Context, group string, verb message.Verb, k *wish) error {
	if _, err := groupArg(group); err != nil {
		return err
	}
	if k.pauseFor < 0 {
		return usagef("--for is %s, want a time to come, such as 2h; without it the maintenance ends with `ham undrain`", k.pauseFor)
	}
	b, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer b.Close()
	out, err := a.send(ctx, b, k.request(group, verb, a.who()))
	if err != nil {
		return err
	}
	if err := a.outcome(out); err != nil || k.noWait || out.DryRun || a.output == "json" {
		return err
	}
	return a.watchProxies(ctx, func(ctx context.Context) (*message.GroupStatus, error) { return a.client(b).Status(ctx, group) }, verb, k.to)
}

// watchProxies waits until every proxy that answers has the member's server as it was asked for, and says how it is there. In a pair no proxy is touched.
func (a *app) watchProxies(ctx context.Context, status func(context.Context) (*message.GroupStatus, error), verb message.Verb, member string) error {
	want := "ready"
	if verb == message.VerbDrain {
		want = "drain"
	}
	ctx, cancel := context.WithTimeout(ctx, drainPatience)
	defer cancel()
	ticker := time.NewTicker(200 * time.Millisecond)
	defer ticker.Stop()
	for {
		s, err := status(ctx)
		if err == nil {
			if s.Pool == nil {
				return nil
			}
			lines, done := proxiesHave(s, member, want)
			if done {
				for _, l := range lines {
					a.printf("  %s", a.say(l))
				}
				a.printf("%s", a.say(s.Sentence))
				return nil
			}
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return hinted{errors.New("it is accepted, and not every proxy has it so yet"), "`ham status` shows the proxies; executors set them right as soon as they can"}
		}
	}
}

// proxiesHave says of each proxy of a pool how the member's server is there, and whether all that answer have it as wanted.
func proxiesHave(s *message.GroupStatus, member, want string) (lines []string, done bool) {
	done = true
	for _, r := range s.Routes {
		at := fmt.Sprintf("route %s on %s", r.Route, r.Proxy)
		i := slices.IndexFunc(r.Servers, func(x message.ServerSeen) bool { return x.Member == member })
		switch {
		case !r.Reachable:
			lines = append(lines, at+" cannot be reached: "+r.Problem)
			continue
		case i < 0 || r.Servers[i].Admin != want:
			done = false
			continue
		}
		lines = append(lines, r.Tells(r.Servers[i]))
	}
	return lines, done && len(lines) > 0
}

// showMaintenance says who is in maintenance, and how far their servers have drained.
func (a *app) showMaintenance(s *message.GroupStatus) {
	for _, m := range s.Members {
		if m.Maintenance == nil {
			continue
		}
		a.printf("  %s", a.paint(yellow, a.say(m.Maintenance.Says(m.Name))))
		for _, r := range s.Routes {
			for _, x := range r.Servers {
				if x.Member == m.Name && r.Reachable {
					a.printf("    %s", a.say(r.Tells(x)))
				}
			}
		}
	}
}
