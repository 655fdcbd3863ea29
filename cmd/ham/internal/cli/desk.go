package cli

import (
	"cmp"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/isacloud/ha-manager/cmd/ham/internal/desk"
	"github.com/isacloud/ha-manager/pkg/bus"
	"github.com/isacloud/ha-manager/pkg/ledger"
	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/subject"
)

// drillsResult is what `ham drills` prints as JSON.
type drillsResult struct {
	Group     string                `json:"group"`
	DrilledAt int64                 `json:"drilled_at_us,omitempty"`
	Agenda    []message.AgendaEntry `json:"agenda"`
	// Blocked are the windows in which no drill begins, now and soon.
	Blocked []message.BlockedWindow `json:"blocked"`
	Drills  []*message.DrillStatus  `json:"drills"`
	// Refused are drills of the calendar that did not begin.
	Refused []*message.Event `json:"refused"`
}

// drills shows the rehearsals of a group: what the calendar holds, and what stands in the record.
func (a *app) drills() *cobra.Command {
	show := &cobra.Command{
		Use: "drills GROUP", Short: "Show past and coming drills, their times and outcomes", Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if _, err := groupArg(args[0]); err != nil {
				return err
			}
			b, err := a.connect(c.Context())
			if err != nil {
				return err
			}
			defer b.Close()
			st, err := a.client(b).Status(c.Context(), args[0])
			if err != nil {
				return err
			}
			r := drillsResult{Group: args[0], DrilledAt: st.DrilledAt, Agenda: st.Agenda, Blocked: st.Blocked, Drills: []*message.DrillStatus{}, Refused: []*message.Event{}}
			at := map[string]int{}
			for _, kind := range []message.EventKind{message.EventDrill, message.EventOutcome} {
				records, err := a.client(b).Read(c.Context(), subject.StreamEvents, subject.Event(args[0], kind, "x")[:len(subject.Event(args[0], kind, "x"))-1]+"*")
				if err != nil {
					return err
				}
				for _, rec := range records {
					e, ok := rec.Message.(*message.Event)
					switch {
					case !ok:
					case e.Drill != nil:
						if i, known := at[e.Drill.ID]; known {
							r.Drills[i] = e.Drill
						} else {
							at[e.Drill.ID] = len(r.Drills)
							r.Drills = append(r.Drills, e.Drill)
						}
					case e.Outcome != nil && e.Actor == message.ActorSchedule && !e.Outcome.Accepted:
						r.Refused = append(r.Refused, e)
					}
				}
			}
			if a.output == "json" {
				return a.json(r)
			}
			a.sayDrills(r)
			return nil
		},
	}
	show.AddCommand(a.cancelPlanned("The same as `ham planned cancel`"))
	return show
}

// missed is the code of the outcome of a drill that nobody began when it was due.
const missed = "R364"

// drillOutcome is how a drill went, in one word.
func drillOutcome(d *message.DrillStatus) string {
	switch d.How {
	case "":
		return "pending"
	case message.DrillDone:
		return "succeeded"
	case message.DrillGivenUp, message.DrillHalted:
		return "failed"
	}
	return "interrupted"
}

func (a *app) sayDrills(r drillsResult) {
	switch {
	case r.DrilledAt > 0:
		a.tell("The last drill that went there and back ended %s ago.", time.Since(time.UnixMicro(r.DrilledAt)).Round(time.Second).String())
	default:
		a.tell("No drill of %s ever went there and back.", r.Group)
	}
	for _, e := range r.Agenda {
		says := "  " + a.t("next    ") + " " + time.UnixMicro(e.At).UTC().Format(time.DateTime) + " UTC"
		if e.Name != "" {
			says += "  " + e.Name + a.t(", planned by %s", clean(e.Actor))
		}
		if e.Target != "" {
			says += a.t(" to %s", e.Target)
		}
		if e.Hold != nil {
			says += a.t(", hold %s", e.Hold.String())
		}
		if e.Blocked != "" {
			says += a.paint(yellow, a.t(", blocked: %s", clean(e.Blocked)))
		}
		a.printf("%s", says)
		for _, reason := range e.Refusals {
			a.tell("           would be refused now: %s  %s", reason.Code, a.say(reason.Sentence))
		}
	}
	for _, w := range r.Blocked {
		a.tell("  blocked  %s to %s UTC: %s", time.UnixMicro(w.From).UTC().Format(time.DateTime), time.UnixMicro(w.Until).UTC().Format(time.DateTime), clean(w.Why))
	}
	for _, d := range r.Drills {
		says := fmt.Sprintf("  %-11s %s  %s → %s", a.t(drillOutcome(d)), d.ID, d.Home, d.Away)
		for _, swap := range []*message.DrillSwap{d.There, d.Back} {
			if swap != nil && swap.Done {
				says += fmt.Sprintf(", %.0f ms", float64(swap.TookMicros())/1000)
			}
		}
		if d.RTO != nil && !d.RTO.Met {
			says += a.paint(red, a.t(", missed the objective of %s", a.fig(d.RTO.Objective.String())))
		}
		if d.OverAt > 0 {
			says += a.t(", over %s UTC", time.UnixMicro(d.OverAt).UTC().Format(time.DateTime))
		}
		a.printf("%s", says)
	}
	for _, e := range r.Refused {
		how := a.t("not begun")
		if len(e.Outcome.Reasons) > 0 && e.Outcome.Reasons[0].Code == missed {
			how = a.t("missed")
		}
		a.printf("  %-11s %s UTC: %s", how, time.UnixMicro(e.At).UTC().Format(time.DateTime), a.say(e.Outcome.Sentence))
	}
}

// shadow shows the shadow ledger, and takes judgements.
func (a *app) shadow() *cobra.Command {
	show := &cobra.Command{
		Use: "shadow GROUP", Short: "Show what would have been swapped by itself, how it was judged, and what that earns", Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if _, err := groupArg(args[0]); err != nil {
				return err
			}
			b, err := a.connect(c.Context())
			if err != nil {
				return err
			}
			defer b.Close()
			return a.showLedger(c, b, args[0])
		},
	}
	k := &wish{expectEpoch: -1}
	judge := &cobra.Command{
		Use: "judge GROUP ENTRY right|wrong", Short: "Say whether a swap that would have happened would have been right", Args: cobra.ExactArgs(3),
		RunE: func(c *cobra.Command, args []string) error {
			if args[2] != message.JudgeRight && args[2] != message.JudgeWrong {
				return usagef("got %q, want right or wrong", args[2])
			}
			k.of, k.judge = args[1], args[2]
			return a.care(c.Context(), args[0], message.VerbJudge, k)
		},
	}
	k.reasonFlag(judge)
	m := &wish{expectEpoch: -1, judge: message.JudgeMiss}
	miss := &cobra.Command{
		Use: "miss GROUP", Short: "Add a swap that should have happened and did not", Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return a.care(c.Context(), args[0], message.VerbJudge, m)
		},
	}
	m.reasonFlag(miss)
	show.AddCommand(judge, miss)
	return show
}

func (a *app) showLedger(c *cobra.Command, b *bus.Bus, group string) error {
	records, err := a.client(b).Read(c.Context(), subject.StreamEvents, subject.EventsOf(group))
	if err != nil {
		return err
	}
	var l ledger.Ledger
	for _, r := range records {
		if e, ok := r.Message.(*message.Event); ok {
			switch {
			case e.Judged != nil:
				l.Judge(e.Judged, r.Time.UnixMicro())
			case e.Kind == message.EventShadow && e.Command != nil:
				l.Shadow(e.Command)
			}
		}
	}
	score := l.Score()
	if a.output == "json" {
		type entry struct {
			ID       string             `json:"id"`
			At       int64              `json:"at_us"`
			Sentence string             `json:"sentence,omitempty"`
			Judged   *message.Judgement `json:"judged,omitempty"`
		}
		entries := []entry{}
		for _, e := range l.Entries() {
			one := entry{ID: e.ID, At: e.At, Judged: e.Judgement}
			if e.Command != nil {
				one.Sentence = e.Command.Sentence
			}
			entries = append(entries, one)
		}
		return a.json(struct {
			message.LedgerStatus
			List []entry `json:"list"`
		}{score, entries})
	}
	for _, e := range l.Entries() {
		how, why := a.t("open"), ""
		if e.Judgement != nil {
			how, why = a.t(e.Judgement.Judge), a.t("by %s: %s", e.Judgement.Actor, e.Judgement.Reason)
		}
		says := a.t("should have swapped, and did not")
		if e.Command != nil {
			says = a.say(e.Command.Sentence)
		}
		a.printf("%s  %-5s  %s  %s", time.UnixMicro(e.At).UTC().Format(time.DateTime), how, e.ID, clean(says))
		if why != "" {
			a.printf("    %s", clean(why))
		}
	}
	a.printf("%s", cmp.Or(a.say(scoreWords(score)), a.t("Nothing stands in the shadow ledger of %s.", group)))
	return nil
}

func scoreWords(s message.LedgerStatus) string {
	if s.Entries+s.Missed == 0 {
		return ""
	}
	return desk.Score(s)
}
