package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/isacloud/ha-manager/pkg/ask"
	"github.com/isacloud/ha-manager/pkg/bus"
	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/subject"
)

// wish is what the flags of a request say.
type wish struct {
	to, reason, planHash, step string
	expectEpoch                int64
	override                   []string
	pauseFor                   time.Duration
	renew                      bool
	noWait                     bool
	hold                       *message.Duration
	end                        string
	of, judge, item            string
	due                        int64
}

func (k *wish) reasonFlag(c *cobra.Command) {
	c.Flags().StringVarP(&k.reason, "reason", "r", "", "why, for the record")
}

func (k *wish) epochFlag(c *cobra.Command) {
	c.Flags().Int64Var(&k.expectEpoch, "expect-epoch", -1, "refuse unless the group is at this epoch")
}

func (k *wish) overrideFlag(c *cobra.Command) {
	c.Flags().StringSliceVar(&k.override, "override", nil, "set aside the refusals with these `codes`; needs --reason")
}

func (k *wish) request(group string, verb message.Verb, actor string) *message.Request {
	r := &message.Request{
		ID: ask.RequestID(), Group: group, Verb: verb, Actor: actor, Via: "cli", Target: k.to, Reason: k.reason,
		PlanHash: k.planHash, Override: k.override, Step: k.step, For: message.Duration(k.pauseFor), Hold: k.hold, End: k.end,
		Of: k.of, Renew: k.renew, Judge: k.judge, Due: k.due, Item: k.item,
	}
	if k.expectEpoch >= 0 {
		e := uint64(k.expectEpoch)
		r.ExpectEpoch = &e
	}
	return r
}

// swapCommands are those that swap roles: they ask first, show what happens, and end when the swap has.
func (a *app) swapCommands() []*cobra.Command {
	swap := func(verb message.Verb, short, long string) *cobra.Command {
		k := &wish{}
		when := &later{}
		c := &cobra.Command{
			Use: string(verb) + " GROUP", Short: short, Long: long, Args: cobra.ExactArgs(1),
			RunE: func(c *cobra.Command, args []string) error {
				due, err := when.due(k, time.Now())
				if err != nil {
					return err
				}
				if k.due != 0 {
					return a.planFor(c.Context(), args[0], verb, due, k)
				}
				return a.swap(c.Context(), args[0], verb, k)
			},
		}
		if verb != message.VerbFailover {
			when.flags(c)
		}
		k.reasonFlag(c)
		k.epochFlag(c)
		c.Flags().StringVar(&k.to, "to", "", "the `member` that shall be primary (default: the decider chooses)")
		c.Flags().StringVar(&k.planHash, "plan", "", "fire exactly the plan with this `hash`, as `ham plan` showed it")
		k.overrideFlag(c)
		c.Flags().BoolVarP(&a.yes, "yes", "y", false, "do not ask")
		c.Flags().BoolVar(&k.noWait, "no-wait", false, "do not wait for the swap to end")
		return c
	}
	return []*cobra.Command{
		swap(message.VerbFailover, "Make a standby primary without the old primary's help",
			"The big red button. The old primary is taken to be gone: nothing is asked of it."),
		swap(message.VerbSwitchover, "Swap the roles with both sides healthy",
			"Nothing is lost: clients are led over while both sides help.\n"+planLong),
		swap(message.VerbFailback, "Swap the roles back to the primary before",
			"A switchover to the member that was primary before the last swap.\n"+planLong),
		a.drill(),
	}
}

// careCommands are the other requests.
func (a *app) careCommands() []*cobra.Command {
	simple := func(verb message.Verb, short string, flags func(*cobra.Command, *wish)) *cobra.Command {
		k := &wish{expectEpoch: -1}
		c := &cobra.Command{
			Use: string(verb) + " GROUP", Short: short, Args: cobra.ExactArgs(1),
			RunE: func(c *cobra.Command, args []string) error { return a.care(c.Context(), args[0], verb, k) },
		}
		k.reasonFlag(c)
		if flags != nil {
			flags(c, k)
		}
		return c
	}
	step := func(c *cobra.Command, k *wish) {
		c.Flags().StringVar(&k.step, "step", "", "the paused `step` (default: the one that is paused)")
	}
	adopt := &cobra.Command{
		Use: "adopt GROUP MEMBER", Short: "Accept the roles that are there: MEMBER is the primary", Args: cobra.ExactArgs(2),
	}
	k := &wish{expectEpoch: -1}
	k.reasonFlag(adopt)
	k.overrideFlag(adopt)
	adopt.RunE = func(c *cobra.Command, args []string) error {
		k.to = args[1]
		return a.care(c.Context(), args[0], message.VerbAdopt, k)
	}
	var about, item string
	note := &cobra.Command{
		Use: "note GROUP TEXT", Short: "Write down what was seen or done by hand, into the open incident", Args: cobra.MinimumNArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			w := &wish{expectEpoch: -1, reason: strings.Join(args[1:], " "), of: about, item: item}
			if item == message.ItemTodo && about == "" {
				return usagef("--item todo adds to the action items of an incident: name it, with --of %s", message.IncidentID(args[0], 1))
			}
			return a.care(c.Context(), args[0], message.VerbNote, w)
		},
	}
	note.Flags().StringVar(&about, "of", "", "the `incident` it is about, also one long over (default: the open one); with --item done, the item")
	note.Flags().StringVar(&item, "item", "", "make it an action item of the post-mortem: todo, or done; say in TEXT who does it, until when")
	return []*cobra.Command{
		simple(message.VerbPause, "Let no swap happen, and no step begin, until resumed", func(c *cobra.Command, k *wish) {
			c.Flags().DurationVar(&k.pauseFor, "for", 0, "end the pause by itself after this time")
		}),
		simple(message.VerbResume, "End a pause", nil),
		simple(message.VerbRetry, "Try the step again at which a swap stopped", step),
		simple(message.VerbSkip, "Go on without the step at which a swap stopped", step),
		simple(message.VerbAbort, "End the swap that is under way", nil),
		a.about(message.VerbApprove, "approve GROUP [REQUEST]", "Approve what waits for a person: a swap as its second person, or a step of one"),
		a.about(message.VerbReject, "reject GROUP [REQUEST]", "Reject what waits for a person: a swap, or a step of one"),
		adopt, note, a.promote(),
	}
}

// about is a request about something that waits.
func (a *app) about(verb message.Verb, use, short string) *cobra.Command {
	k := &wish{expectEpoch: -1}
	c := &cobra.Command{
		Use: use, Short: short, Args: cobra.RangeArgs(1, 2),
		Long: short + ".\nWithout REQUEST it is about the one thing that waits; `ham status GROUP` shows what does, with its name.",
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 2 {
				k.of = args[1]
			} else if err := a.theOneThatWaits(c.Context(), args[0], k); err != nil {
				return err
			}
			if verb == message.VerbApprove {
				return a.swap(c.Context(), args[0], verb, k)
			}
			return a.care(c.Context(), args[0], verb, k)
		},
	}
	k.reasonFlag(c)
	if verb == message.VerbApprove {
		c.Flags().BoolVarP(&a.yes, "yes", "y", false, "do not ask")
		c.Flags().BoolVar(&k.noWait, "no-wait", false, "do not wait for the swap to end")
	}
	return c
}

// theOneThatWaits names what waits for a person, where it is one thing. Where nothing does the deciders say so.
func (a *app) theOneThatWaits(ctx context.Context, group string, k *wish) error {
	if _, err := groupArg(group); err != nil {
		return err
	}
	b, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer b.Close()
	s, err := a.client(b).Status(ctx, group)
	if err != nil {
		return unanswered(err)
	}
	var names []string
	for _, w := range s.Approvals {
		names = append(names, clean(w.Request))
	}
	if len(names) > 1 {
		return usagef("%d things of %s wait: say which of %s", len(names), group, strings.Join(names, ", "))
	}
	if len(names) == 1 {
		k.of = s.Approvals[0].Request
	}
	return nil
}

func (a *app) care(ctx context.Context, group string, verb message.Verb, k *wish) error {
	if _, err := groupArg(group); err != nil {
		return err
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
	return a.outcome(out)
}

// send asks the deciders and returns their answer.
func (a *app) send(ctx context.Context, b *bus.Bus, r *message.Request) (*message.Outcome, error) {
	if len(r.Override) > 0 && r.Reason == "" {
		return nil, usagef("--override %s needs --reason: say why, for the record", strings.Join(r.Override, ","))
	}
	r.From = ask.Place(a.Env)
	if err := message.Validate(r); err != nil {
		return nil, usageError{err}
	}
	out, err := a.client(b).Send(ctx, r)
	if errors.Is(err, ask.ErrNobody) {
		return nil, hinted{errors.New("no decider answers; nothing was asked and nothing will happen later"),
			"start a decider, or leave the request for when one starts: publish it on " + subject.Request(r.Group, r.Verb, r.Actor)}
	}
	if err != nil {
		return nil, hinted{fmt.Errorf("no answer to request %s: %w", r.ID, err), "it may still be carried out: `ham status " + r.Group + "` tells"}
	}
	return out, nil
}

// outcome prints an answer; a refusal becomes the exit code.
func (a *app) outcome(o *message.Outcome) error {
	if a.output == "json" {
		if err := a.json(o); err != nil {
			return err
		}
	} else {
		a.sayOutcome(o)
	}
	if !o.Accepted {
		return refusedError{o}
	}
	return nil
}

// undoes is the code of the refusal that is set aside by naming the epoch; its sentence speaks of the message's field.
const undoes = "R335"

// waitsForSecond is the code of an outcome that is neither: another person has to approve.
const waitsForSecond = "R360"

func (a *app) sayOutcome(o *message.Outcome) {
	if !o.Accepted {
		if len(o.Reasons) == 0 {
			a.printf("%s %s", a.paint(red, "Refused:"), clean(o.Sentence))
			return
		}
		if o.Reasons[0].Code == waitsForSecond {
			a.printf("%s %s", a.paint(yellow, "Waits:"), clean(o.Sentence))
			return
		}
		a.printf("%s", a.paint(red, "Refused:"))
		a.reasons(o.Reasons)
		if slices.ContainsFunc(o.Reasons, func(r message.Reason) bool { return r.Code == undoes }) {
			a.printf("If that is meant, repeat the command with --expect-epoch %d.", o.Epoch)
		}
		return
	}
	mark := ""
	if o.DryRun {
		mark = a.paint(yellow, "DRY RUN, nothing is changed: ")
	}
	a.printf("%s%s", mark, clean(o.Sentence))
}

// swap asks, shows each step as it happens, and ends with the swap.
func (a *app) swap(ctx context.Context, group string, verb message.Verb, k *wish) error {
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
		a.showPreview(preview, a.client(b).Look(ctx, preview))
		if !a.confirm(ctx, fmt.Sprintf("%s %s now?", verb, group)) {
			a.printf("Not confirmed; nothing was asked.")
			return refusedError{&message.Outcome{Sentence: "not confirmed; nothing was asked"}}
		}
		if k.planHash == "" && preview.Plan != nil && verb != message.VerbApprove { // what waits has its plan
			k.planHash = preview.Plan.Hash // what was shown is what is fired
		}
	}
	follow, err := a.follow(b, group)
	if err != nil {
		return err
	}
	defer follow.stop()
	out, err := a.send(ctx, b, k.request(group, verb, a.who()))
	if err != nil {
		return err
	}
	if !out.Accepted || k.noWait || out.Command == "" || verb == message.VerbApprove && a.over(ctx, b, out) {
		return a.outcome(out)
	}
	if a.output != "json" {
		a.sayOutcome(out)
	}
	if verb == message.VerbDrill && !out.DryRun {
		hold := time.Duration(0)
		if k.hold != nil {
			hold = k.hold.Std()
		}
		return a.waitDrill(ctx, follow, out, hold)
	}
	return a.wait(ctx, follow, out)
}

// over says whether what an approval led to has long been done: whoever repeats one has nothing to wait for.
func (a *app) over(ctx context.Context, b *bus.Bus, out *message.Outcome) bool {
	s, err := a.client(b).Status(ctx, out.Group)
	return err == nil && s.Epoch >= out.Epoch && s.Held && s.Swap == nil
}

// confirm asks a yes-or-no question; anything but y or yes is no, and so is the end of ctx, which is what Ctrl-C is.
func (a *app) confirm(ctx context.Context, question string) bool {
	fmt.Fprintf(a.Out, "%s [y/N] ", question)
	answer := make(chan string, 1) // the reader below may outlive the question: the program ends soon
	go func() {
		line, _ := bufio.NewReader(a.In).ReadString('\n') // no answer is no
		answer <- line
	}()
	select {
	case <-ctx.Done():
		return false
	case line := <-answer:
		switch strings.ToLower(strings.TrimSpace(line)) {
		case "y", "yes":
			return ctx.Err() == nil
		}
		return false
	}
}

// swapResult is what a swap prints as JSON.
type swapResult struct {
	*message.Outcome
	Run   *message.RunResult    `json:"run,omitempty"`
	Steps []*message.StepResult `json:"steps"`
}

// wait prints the steps of the command as they happen, until its run ends, pauses, or ctx ends.
func (a *app) wait(ctx context.Context, f *follower, out *message.Outcome) error {
	result := swapResult{Outcome: out, Steps: []*message.StepResult{}}
	deadline := time.NewTimer(a.patience())
	defer deadline.Stop()
	for {
		select {
		case <-ctx.Done():
			return hinted{errors.New("stopped watching; the swap goes on"), "`ham status " + out.Group + "` tells how it stands"}
		case <-deadline.C:
			return hinted{errors.New("the swap has not ended yet; it goes on"), "`ham status " + out.Group + "` tells how it stands"}
		case m := <-f.messages:
			switch m := m.(type) {
			case *message.StepResult:
				if m.Command != out.Command {
					continue
				}
				if m.State != message.StateStarted {
					result.Steps = append(result.Steps, m)
				}
				if a.output != "json" {
					a.sayStep(m)
				}
			case *message.RunResult:
				if m.Command != out.Command {
					continue
				}
				done, err := a.sayRun(m)
				if !done {
					continue
				}
				result.Run = m
				if a.output == "json" {
					if err := a.json(result); err != nil {
						return err
					}
				}
				return err
			}
		}
	}
}

// patience is how long to watch a swap: plans have time-outs of their own, this one only ends the watching.
func (a *app) patience() time.Duration { return max(a.timeout, 5*time.Minute) }

func (a *app) sayStep(m *message.StepResult) {
	switch m.State {
	case message.StateDone:
		detail := m.Evidence
		if m.DryRun {
			detail = "found " + m.Found + ", wanted " + m.Wanted
		}
		a.printf("  %s %-16s %6.1f ms  %s", a.paint(green, "done  "), m.Step, float64(m.TookMicros)/1000, clean(detail))
	case message.StateFailed:
		a.printf("  %s %-16s %s", a.paint(yellow, "failed"), m.Step, clean(m.Problem))
	case message.StatePaused:
		a.printf("  %s %-16s %s", a.paint(red, "PAUSED"), m.Step, clean(m.Problem))
	case message.StateWaiting:
		a.printf("  %s %-16s %s: `ham approve %s`, or `ham reject %[4]s`", a.paint(yellow, "WAITS "), m.Step, clean(m.Wanted), m.Group)
	case message.StateSkipped:
		a.printf("  %s %-16s %s", a.paint(yellow, "skip  "), m.Step, clean(m.Evidence))
	}
}

// sayRun says whether watching ends with this state of the run, and with which error.
func (a *app) sayRun(m *message.RunResult) (bool, error) {
	text := a.output != "json"
	switch m.State {
	case message.StateStarted, message.StateHeld:
		return false, nil
	case message.StateDone:
		if text {
			a.printf("%s %s", a.paint(green, "Done."), clean(m.Sentence))
		}
		return true, nil
	case message.StatePaused:
		if text {
			a.printf("%s %s", a.paint(red, "Paused."), clean(m.Sentence))
			a.printf("Go on with `ham retry %s`, `ham skip %s` or `ham abort %s`.", m.Group, m.Group, m.Group)
		}
	default:
		if text {
			a.printf("%s %s", a.paint(red, "Not done ("+string(m.State)+")."), clean(m.Sentence))
		}
	}
	return true, errSilent
}

// follower hears what happens to one group from before the request is sent.
type follower struct {
	messages chan message.Message
	stop     func()
}

// follow hears safety messages once stored, and the events of a rehearsal. What cannot be taken in time is left out: the
// record has it all.
func (a *app) follow(b *bus.Bus, group string) (*follower, error) {
	f := &follower{messages: make(chan message.Message, 1024)}
	put := func(m message.Message) {
		select {
		case f.messages <- m:
		default:
		}
	}
	stop, err := b.Hear([]string{subject.StoredSafetyOf(group), subject.EventsOf(group)}, func(d bus.Delivery) {
		switch m := d.Message.(type) {
		case *message.StepResult, *message.RunResult:
			put(m)
		case *message.Event:
			switch {
			case m.Step != nil && m.Step.DryRun:
				put(m.Step)
			case m.Run != nil && m.Run.DryRun:
				put(m.Run)
			case m.Drill != nil:
				put(m)
			}
		}
	})
	if err != nil {
		return nil, fmt.Errorf("listen to %s: %w", group, err)
	}
	f.stop = stop
	return f, nil
}

func (a *app) preview(ctx context.Context, b *bus.Bus, group string, verb message.Verb, k *wish) (*message.Preview, error) {
	p, err := a.client(b).Preview(ctx, k.request(group, verb, a.who()))
	return p, unanswered(err)
}
