package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/isacloud/ha-manager/cmd/ham/internal/desk"
	"github.com/isacloud/ha-manager/pkg/message"
)

// planLong is said of each command that may be planned.
const planLong = "--at plans it for later, once: whichever decider runs then decides it anew, with everything that refuses it then, and tells where\n" +
	"it is refused. `ham planned` shows what is planned, `ham planned cancel NAME` takes it back."

// later is when something is to happen that is only planned now.
type later struct{ at, zone string }

func (l *later) flags(c *cobra.Command) {
	c.Flags().StringVar(&l.at, "at", "", "plan it for this `time`: \"2026-11-28 03:00\", \"03:00\" (the next one), or \"+2h\"")
	c.Flags().StringVar(&l.zone, "zone", "", "whose clocks --at is read by, such as America/Sao_Paulo (default UTC)")
}

// due reads it into the wish, whose due stays 0 where nothing is planned.
func (l *later) due(k *wish, now time.Time) (time.Time, error) {
	switch {
	case l.zone != "" && l.at == "":
		return time.Time{}, usagef("--zone says whose clocks --at is read by: want both")
	case l.at == "":
		return time.Time{}, nil
	case k.planHash != "":
		return time.Time{}, usagef("--plan fires the plan of now, and --at decides anew later: want one of them")
	}
	due, err := moment(l.at, l.zone, now)
	if err == nil && due.UnixMicro() <= 0 { // 0 in a request is no time: it would begin at once
		err = usagef("--at is %q, want a time such as 2026-11-28 03:00, 03:00, or +2h", l.at)
	}
	if err == nil {
		k.due = due.UnixMicro()
	}
	return due, err
}

// moment reads a time that is to come: a date and a time of a zone's clocks, a time of day (the next one), RFC 3339, or a while from now.
func moment(text, zone string, now time.Time) (time.Time, error) {
	where, err := time.LoadLocation(zone) // "": UTC
	if err != nil || zone == "Local" {
		return time.Time{}, usagef("--zone is %q, want the name of a time zone, such as America/Sao_Paulo", zone)
	}
	if strings.HasPrefix(text, "+") {
		if d, err := time.ParseDuration(text[1:]); err == nil {
			return now.Add(d).Truncate(time.Second), nil
		}
	}
	for _, layout := range []string{"2006-01-02 15:04", "2006-01-02 15:04:05", "2006-01-02T15:04", "2006-01-02T15:04:05", time.RFC3339} {
		if t, err := time.ParseInLocation(layout, text, where); err == nil {
			return t, nil
		}
	}
	for _, layout := range []string{"15:04", "15:04:05"} {
		if t, err := time.ParseInLocation(layout, text, where); err == nil {
			today := now.In(where)
			at := func(day int) time.Time {
				return time.Date(today.Year(), today.Month(), today.Day()+day, t.Hour(), t.Minute(), t.Second(), 0, where)
			}
			if at(0).After(now) {
				return at(0), nil
			}
			return at(1), nil
		}
	}
	return time.Time{}, usagef("--at is %q, want a time such as 2026-11-28 03:00, 03:00, or +2h", text)
}

// planFor asks for it at a time that is to come. Nothing is to be watched: it is decided then.
func (a *app) planFor(ctx context.Context, group string, verb message.Verb, due time.Time, k *wish) error {
	if _, err := groupArg(group); err != nil {
		return err
	}
	b, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer b.Close()
	if a.interactive() && !a.yes {
		preview, err := a.preview(ctx, b, group, verb, k)
		if err != nil {
			return err
		}
		a.printf("%s", a.say(preview.Sentence))
		if !a.confirm(ctx, fmt.Sprintf("plan a %s of %s for %s, %s UTC?", verb, group, due.Format("Monday 2006-01-02 15:04:05 MST"), due.UTC().Format(time.DateTime))) {
			a.printf("Not confirmed; nothing was asked.")
			return refusedError{&message.Outcome{Sentence: "not confirmed; nothing was asked"}}
		}
	}
	out, err := a.send(ctx, b, k.request(group, verb, a.who()))
	if err != nil {
		return err
	}
	return a.outcome(out)
}

// plannedResult is what `ham planned` prints as JSON, for each group.
type plannedResult struct {
	Group   string                  `json:"group"`
	Agenda  []message.AgendaEntry   `json:"agenda"`
	Blocked []message.BlockedWindow `json:"blocked"`
}

// planned shows what is to happen, and when nothing may.
func (a *app) planned() *cobra.Command {
	show := &cobra.Command{
		Use: "planned [GROUP...]", Short: "Show what is planned for a time, what would refuse it, and when changes are frozen",
		RunE: func(c *cobra.Command, groups []string) error {
			for _, g := range groups {
				if _, err := groupArg(g); err != nil {
					return err
				}
			}
			b, err := a.connect(c.Context())
			if err != nil {
				return err
			}
			defer b.Close()
			all, err := a.statuses(c.Context(), b, groups)
			if err != nil {
				return err
			}
			if a.output == "json" {
				out := []plannedResult{}
				for _, s := range all {
					out = append(out, plannedResult{s.Group, append([]message.AgendaEntry{}, s.Agenda...), append([]message.BlockedWindow{}, s.Blocked...)})
				}
				return a.json(out)
			}
			quiet := []string{}
			for _, s := range all {
				lines := desk.Planned(s, s.At)
				if len(lines) == 0 {
					quiet = append(quiet, s.Group)
					continue
				}
				a.printf("%s", a.paint(bold, s.Group))
				a.sayLines(lines)
			}
			if len(quiet) > 0 {
				a.tell("Nothing is planned, and no time is blocked: %s.", strings.Join(quiet, ", "))
			}
			return nil
		},
	}
	show.AddCommand(a.cancelPlanned("Take back what was planned with --at and has not begun"))
	return show
}

// cancelPlanned takes something planned back. The name alone tells which: it begins with the group's.
func (a *app) cancelPlanned(short string) *cobra.Command {
	k := &wish{expectEpoch: -1, end: message.EndCancel}
	c := &cobra.Command{
		Use: "cancel NAME", Short: short, Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			i := strings.LastIndex(args[0], "-at-")
			if i < 1 {
				return usagef("%q is no name of something planned, such as web-at-20261128-030000: `ham planned` shows them", args[0])
			}
			k.of = args[0]
			return a.care(c.Context(), args[0][:i], message.VerbDrill, k)
		},
	}
	k.reasonFlag(c)
	return c
}
