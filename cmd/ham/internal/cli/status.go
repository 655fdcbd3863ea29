package cli

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/isacloud/ha-manager/cmd/ham/internal/desk"
	"github.com/isacloud/ha-manager/pkg/bus"
	"github.com/isacloud/ha-manager/pkg/message"
)

func (a *app) status() *cobra.Command {
	ofBus := false
	c := &cobra.Command{
		Use: "status [GROUP...]", Short: "Say how every group is, and what would happen if its primary died now",
		RunE: func(c *cobra.Command, groups []string) error {
			ctx := c.Context()
			b, err := a.connect(ctx)
			if err != nil {
				return err
			}
			defer b.Close()
			if ofBus {
				return a.showBus(ctx, b)
			}
			all, err := a.statuses(ctx, b, groups)
			if err != nil {
				return err
			}
			if a.output == "json" {
				return a.json(all)
			}
			for i, s := range all {
				if i > 0 {
					a.printf("")
				}
				a.showStatus(s)
			}
			if len(all) == 0 {
				a.tell("No group is declared. `ham apply FILE` declares one; `ham validate FILE` checks it before.")
			}
			return nil
		},
	}
	c.Flags().BoolVar(&ofBus, "bus", false, "what the bus's streams take of its disk instead: now, in a day, and at most")
	return c
}

// statuses asks for the groups named, or for all that are declared.
func (a *app) statuses(ctx context.Context, b *bus.Bus, groups []string) ([]*message.GroupStatus, error) {
	if len(groups) == 0 {
		var err error
		if groups, err = a.client(b).Groups(ctx); err != nil {
			return nil, unanswered(err)
		}
	}
	all := []*message.GroupStatus{}
	for _, g := range groups {
		if _, err := groupArg(g); err != nil {
			return nil, err
		}
		s, err := a.client(b).Status(ctx, g)
		if err != nil {
			return nil, unanswered(err)
		}
		all = append(all, s)
	}
	return all, nil
}

func (a *app) showStatus(s *message.GroupStatus) {
	mode := s.Mode
	if s.Paused {
		mode = a.t("paused by %s", s.PausedBy)
		if s.PausedUntil > 0 {
			mode += " " + a.t("until %s", time.UnixMicro(s.PausedUntil).UTC().Format("15:04:05 UTC"))
		}
	}
	role := a.t("nobody is primary yet")
	if p := s.Pool; p != nil {
		role = a.t("a pool: %d of %d serve, the minimum is %d", len(p.Serve), p.Active, p.Minimum)
	} else if s.Epoch > 0 {
		role = a.t("epoch %d, %s is primary", s.Epoch, s.Primary)
		if !s.Held && s.Kind != message.KindRemedy {
			role = a.t("epoch %d, %s is becoming primary", s.Epoch, s.Primary)
		}
	}
	head := fmt.Sprintf("%s  %s  %s", a.paint(bold, s.Group), a.paint(modeColor(s), mode), role)
	if s.Incident != "" {
		head += "  " + a.paint(red, a.t("incident")+" "+s.Incident)
	}
	a.printf("%s", head)
	a.printf("%s", a.say(s.Sentence))
	a.sayLines(desk.Clients(s))
	fit := "READY"
	if s.Pool != nil {
		fit = "SERVES"
	}
	rows := [][]string{a.titles("MEMBER", "SITE", "ROLE", "VERDICT", fit, "SEEN BY")}
	for _, m := range s.Members {
		ready := "–"
		switch {
		case s.Pool != nil && (slices.Contains(s.Pool.Serve, m.Name) || slices.Contains(s.Pool.Backups, m.Name)):
			ready = a.t("yes")
		case s.Pool != nil && m.Role == message.RoleBackup && m.Ready:
			ready = a.t("if nobody else does")
		case s.Pool != nil:
			ready = a.t("no")
		case m.Role != message.RolePrimary:
			ready = a.t("yes")
			if !m.Ready {
				ready = a.t("no")
			}
		}
		rows = append(rows, []string{m.Name, m.Site, a.t(string(m.Role)), a.t(string(m.Verdict)), ready, a.seen(m.Views)})
	}
	table(a.Out, "  ", rows)
	a.showMaintenance(s)
	a.showLadders(s)
	if s.Lease != nil {
		a.showLease(s.Lease)
	}
	for _, m := range s.Members {
		if !m.Ready && m.Role != message.RolePrimary {
			for _, r := range m.Reasons {
				a.printf("  %s  %s", r.Code, a.say(r.Sentence))
			}
		}
	}
	a.showResources(s)
	for _, r := range s.Routes {
		what := a.t("serves %s", strings.Join(r.Serves, ", "))
		switch {
		case !r.Reachable:
			what = a.paint(red, a.t("cannot be reached:")+" "+a.say(r.Problem))
		case len(r.Serves) == 0:
			what = a.paint(red, a.say("serves nobody"))
		}
		a.tell("  route %s on %s %s", r.Route, r.Proxy, what)
	}
	a.sayLines(desk.Figures(s))
	if s.Drill != nil {
		a.showDrill(s.Group, s.Drill, s.At)
	}
	if s.Swap != nil {
		a.showSwap(s.Swap)
	}
	a.showDesk(s)
}

// showResources says, in the order in which they come up, what each member holds and how it is.
func (a *app) showResources(s *message.GroupStatus) {
	if len(s.Resources) == 0 {
		return
	}
	rows := [][]string{a.titles("RESOURCE", "WHAT", "AFTER", "IS")}
	for _, r := range s.Resources {
		var is []string
		for _, m := range r.Members {
			is = append(is, m.Member+" "+a.t(string(m.Verdict)))
		}
		rows = append(rows, []string{r.Name, a.say(r.Says), cmp.Or(strings.Join(r.After, ", "), "–"), cmp.Or(strings.Join(is, ", "), "–")})
	}
	table(a.Out, "  ", rows)
	for _, r := range s.Resources {
		for _, m := range r.Members {
			if m.Why != "" {
				a.printf("  %s: %s", r.Name, a.say(m.Why))
			}
		}
	}
}

// showDesk says what waits for people: a second person, the next drill, a judgement.
func (a *app) showDesk(s *message.GroupStatus) {
	for i, l := range desk.Waits(s) {
		a.printf("  %s", a.paint(yellow, a.say(l.Text)))
		a.tell("    `ham approve %s %s`, or `ham reject %[1]s %[2]s`", s.Group, clean(s.Approvals[i].Request))
	}
	a.sayLines(slices.Concat(desk.Drills(s, s.At), desk.Ledger(s)))
}

func (a *app) sayLines(lines []desk.Line) {
	for _, l := range lines {
		color := map[desk.Tone]string{desk.Warn: yellow, desk.Faint: dim}[l.Tone]
		code := ""
		if l.Code != "" {
			code = l.Code + "  "
		}
		a.printf("  %s%s", code, a.paint(color, a.say(l.Text)))
	}
}

// showLease says who may act, what would be lost, and who may not act any more.
func (a *app) showLease(l *message.LeaseStatus) {
	holder := a.t("nobody holds it, by this decider")
	if l.Holder != "" {
		holder = a.t("%s holds it at epoch %d", l.Holder, l.HolderEpoch)
	}
	armed := ""
	if !l.Armed {
		armed = "; " + a.paint(yellow, a.t("not armed: no guard is in force"))
	}
	a.tell("  lease of %s by %s: %s%s", a.fig(l.TTL.String()), strings.Join(l.Deciders, ", "), holder, armed)
	if l.Protection != "" {
		color := yellow
		if l.Protected {
			color = ""
		}
		a.printf("  %s", a.paint(color, a.say(l.Protection)))
	}
	for _, s := range l.Standbys {
		text := a.say(cmp.Or(s.State, "nothing is known of it yet"))
		if s.Lag {
			text += a.t(", %d bytes behind", s.LagBytes)
		}
		if s.Why != "" {
			text += ": " + a.say(s.Why)
		}
		a.tell("  standby %s  %s", s.Member, text)
	}
	for _, f := range l.Fenced {
		if !f.Now {
			continue // it has long followed again
		}
		a.printf("  %s", a.paint(red, a.say(fmt.Sprintf("%s is fenced up to epoch %d (%s), and acts again only at a newer one", f.Member, f.Epoch, f.How))))
	}
}

func (a *app) showSwap(s *message.SwapStatus) {
	a.tell("  %s of epoch %d to %s is %s:", a.t(string(s.Kind)), s.Epoch, s.To, a.t(string(s.State)))
	rows := [][]string{}
	for _, step := range s.Steps {
		state := a.t(cmp.Or(string(step.State), "not begun"))
		rows = append(rows, []string{step.Name, state, a.say(step.Says), a.say(step.Problem)})
	}
	table(a.Out, "    ", rows)
}

func modeColor(s *message.GroupStatus) string {
	if s.Mode == "auto" && !s.Paused {
		return green
	}
	return yellow
}

// seen sums up the views: "rj up, sp up, witness down (no answer within 300ms)". Vantages that say the same for the same
// reason stand together, so that the reason is read once.
func (a *app) seen(views []message.View) string {
	var says []string
	vantages := map[string][]string{}
	for _, v := range views {
		text := a.t(v.Says)
		if v.Says != "up" && v.Evidence != "" {
			text += " (" + a.say(v.Evidence) + ")"
		}
		if vantages[text] == nil {
			says = append(says, text)
		}
		if !slices.Contains(vantages[text], v.Vantage) {
			vantages[text] = append(vantages[text], v.Vantage)
		}
	}
	if len(says) == 0 {
		return a.t("nobody yet")
	}
	for i, text := range says {
		says[i] = strings.Join(vantages[text], ", ") + " " + text
	}
	return strings.Join(says, "; ")
}
