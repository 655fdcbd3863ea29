package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nats.go/micro"
	"github.com/spf13/cobra"

	"github.com/isacloud/ha-manager/pkg/ask"
	"github.com/isacloud/ha-manager/pkg/bus"
	"github.com/isacloud/ha-manager/pkg/expiry"
	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec"
	"github.com/isacloud/ha-manager/pkg/spec/store"
	"github.com/isacloud/ha-manager/pkg/subject"
)

// finding is one thing that doctor looked at.
type finding struct {
	// Level is ok, warn (a guarantee is weaker than it could be) or bad (a swap would fail).
	Level string `json:"level"`
	What  string `json:"what"`
	Found string `json:"found"`
	Do    string `json:"do,omitempty"`
}

// checkup collects findings.
type checkup struct{ findings []finding }

func (k *checkup) ok(what, format string, args ...any) {
	k.findings = append(k.findings, finding{"ok", what, fmt.Sprintf(format, args...), ""})
}
func (k *checkup) warn(what, found, do string) {
	k.findings = append(k.findings, finding{"warn", what, found, do})
}
func (k *checkup) bad(what, found, do string) {
	k.findings = append(k.findings, finding{"bad", what, found, do})
}

func (a *app) doctor() *cobra.Command {
	return &cobra.Command{
		Use: "doctor", Short: "Look for what would make a swap fail or a guarantee void, and say what to do", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			ctx := c.Context()
			b, err := a.connect(ctx)
			if err != nil {
				return err
			}
			defer b.Close()
			k := &checkup{}
			k.bus(ctx, b)
			k.services(ctx, b)
			k.groups(ctx, a, b)
			k.deadLetters(ctx, b)
			k.disk(ctx, b)
			k.certificates(ctx, b)
			if a.output == "json" {
				if err := a.json(k.findings); err != nil {
					return err
				}
			} else {
				a.showFindings(k.findings)
			}
			if slices.ContainsFunc(k.findings, func(f finding) bool { return f.Level == "bad" }) {
				return errSilent
			}
			return nil
		},
	}
}

func (a *app) showFindings(all []finding) {
	color := map[string]string{"ok": green, "warn": yellow, "bad": red}
	for _, f := range all {
		a.printf("%s  %-18s %s", a.paint(color[f.Level], fmt.Sprintf("%-4s", f.Level)), f.What, clean(f.Found))
		if f.Do != "" {
			a.printf("      %-18s → %s", "", f.Do)
		}
	}
}

// bus looks at the streams: do they exist, how many copies are there?
func (k *checkup) bus(ctx context.Context, b *bus.Bus) {
	k.ok("bus", "reached %s, nats-server %s", b.Conn().ConnectedServerName(), b.Conn().ConnectedServerVersion())
	for _, name := range []string{subject.StreamCommands, subject.StreamSafety, subject.StreamRequests, subject.StreamEvents, subject.StreamHeartbeats, subject.StreamDeadLetter} {
		s, err := b.JS().Stream(ctx, name)
		if errors.Is(err, jetstream.ErrStreamNotFound) {
			k.bad("stream "+name, "does not exist", "start `ham up`, or let one service with the right to make streams start first")
			continue
		}
		if err != nil {
			k.bad("stream "+name, err.Error(), "look at the nats-server's log")
			continue
		}
		info := s.CachedInfo()
		if name == subject.StreamCommands && info.Config.Replicas < 3 {
			k.warn("stream "+name, fmt.Sprintf("%d copy: losing this server's disk loses the record of who is primary", info.Config.Replicas),
				"for two sites, run three nats-servers and set ham.bus.replicas: 3")
			continue
		}
		k.ok("stream "+name, "messages: %d, bytes: %d, copies: %d", info.State.Msgs, info.State.Bytes, info.Config.Replicas)
	}
}

// services asks who is there. Instances answer $SRV.PING; silence is not an answer.
func (k *checkup) services(ctx context.Context, b *bus.Bus) {
	found, err := ping(ctx, b, 500*time.Millisecond)
	if err != nil {
		k.bad("services", err.Error(), "")
		return
	}
	for _, want := range []string{"prober", "decider", "executor", "notifier"} {
		names := found["ham-"+want]
		if len(names) == 0 {
			k.bad(want, "none answers", "start `ham up`, or `ham "+want+"` on a host that reaches this bus")
			continue
		}
		k.ok(want, "%d answer", len(names))
		if want == "decider" && len(names) == 1 {
			k.warn(want, "there is one; while its host is gone nothing is decided", "run a decider at each site")
		}
	}
}

// whoRuns names the executors and deciders that answer within patience.
func whoRuns(ctx context.Context, b *bus.Bus, patience time.Duration) (running, error) {
	found, err := pinged(ctx, b, patience, func(p micro.Ping) string { return p.Metadata["writer"] })
	return running{executors: found["ham-executor"], deciders: found["ham-decider"]}, err
}

// ping returns the ids of the service instances that answer within patience, by service name.
func ping(ctx context.Context, b *bus.Bus, patience time.Duration) (map[string][]string, error) {
	return pinged(ctx, b, patience, func(p micro.Ping) string { return p.ID })
}

func pinged(ctx context.Context, b *bus.Bus, patience time.Duration, id func(micro.Ping) string) (map[string][]string, error) {
	inbox := b.Conn().NewInbox()
	sub, err := b.Conn().SubscribeSync(inbox)
	if err != nil {
		return nil, err
	}
	defer func() { _ = sub.Unsubscribe() }() // the connection ends soon anyway
	if err := b.Conn().PublishRequest(micro.APIPrefix+".PING", inbox, nil); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	found := map[string][]string{}
	for {
		msg, err := sub.NextMsgWithContext(ctx)
		if err != nil {
			return found, nil
		}
		var p micro.Ping
		if json.Unmarshal(msg.Data, &p) == nil {
			found[p.Name] = append(found[p.Name], id(p))
		}
	}
}

// groups asks the deciders how each group stands.
func (k *checkup) groups(ctx context.Context, a *app, b *bus.Bus) {
	all, err := a.statuses(ctx, b, nil)
	if err != nil {
		k.bad("groups", err.Error(), "")
		return
	}
	if len(all) == 0 {
		k.warn("groups", "none is declared", "`ham apply FILE`")
	}
	up, err := whoRuns(ctx, b, 500*time.Millisecond)
	if err != nil {
		k.bad("groups", err.Error(), "")
	}
	for _, s := range all {
		k.group(s)
		if applied, err := store.Get(ctx, b, s.Group); err == nil && applied.Spec != nil {
			k.vantages(applied.Spec, s)
			k.leased(ctx, b, applied.Spec, s, up)
		}
	}
}

func (k *checkup) group(s *message.GroupStatus) {
	what := "group " + s.Group
	for _, f := range s.Thresholds {
		if f.Condition != message.ThresholdWell { // each has its own bound: a certificate's is the days that its check declares
			k.warn(what, f.Sentence, "`ham status "+s.Group+"` says when it is well again")
		}
	}
	switch {
	case s.Pool != nil:
		k.pool(what, s)
		return
	case s.Epoch == 0:
		k.bad(what, "no roles are adopted: "+s.Sentence, "`ham explain "+s.Group+"`")
		return
	}
	switch {
	case s.Swap != nil && s.Swap.State == message.StatePaused:
		k.bad(what, s.Sentence, "`ham status "+s.Group+"` says at which step and why: `ham retry "+s.Group+"`, `ham skip "+s.Group+"` or `ham abort "+s.Group+"`")
	case ask.PrimaryDown(s):
		k.bad(what, s.Sentence, "`ham explain "+s.Group+"`")
	case len(s.Refusals) == 0:
		k.ok(what, "%s", s.Sentence)
	}
	if s.Clients != nil && s.Clients.Outage != nil {
		k.bad(what, s.Clients.Sentence, "`ham status "+s.Group+"`")
	}
	for _, r := range s.Refusals {
		level := k.bad
		if s.Mode != string(spec.Auto) {
			level = k.warn
		}
		level(what, r.Code+" "+r.Sentence, "`ham explain "+s.Group+"`")
	}
	k.routes(what, s)
}

// pool says whether enough of a pool serve. It has no primary, and nothing of it is swapped.
func (k *checkup) pool(what string, s *message.GroupStatus) {
	if len(s.Pool.Serve) < s.Pool.Minimum {
		k.bad(what, s.Sentence, "`ham explain "+s.Group+"`")
	} else {
		k.ok(what, "%s", s.Sentence)
	}
	if s.Mode == string(spec.DryRun) {
		k.warn(what, "in dry run: `ham drain` touches no proxy, and what a reload forgets stays so", "apply the spec with mode: auto")
	}
	k.routes(what, s)
}

// routes looks whether each proxy is in reach and serves somebody.
func (k *checkup) routes(what string, s *message.GroupStatus) {
	for _, r := range s.Routes {
		if !r.Reachable {
			k.bad(what, "no executor reaches "+r.Proxy+" of route "+r.Route+": "+r.Problem, "check the proxy and its runtime API socket (level admin)")
			continue
		}
		if len(r.Serves) == 0 {
			k.bad(what, "route "+r.Route+" on "+r.Proxy+" serves nobody: its clients get errors", unserved(s))
		}
	}
}

// unserved says what leads a route to the primary again. The executors do so by themselves, unless somebody holds them back.
func unserved(s *message.GroupStatus) string {
	switch {
	case s.Pool != nil:
		return "`ham explain " + s.Group + "` says who of the pool is up; in dry run, or paused, no proxy is touched"
	case s.Swap != nil && s.Swap.State == message.StatePaused:
		return "a stopped swap touches no route: `ham retry " + s.Group + "`, `ham skip " + s.Group + "` or `ham abort " + s.Group + "`"
	case s.Paused:
		return "a paused group's routes are not touched: `ham resume " + s.Group + "`, or open the server by hand"
	case s.Mode == string(spec.DryRun):
		return "in dry run no route is touched: open the server of " + s.Primary + " by hand, or apply the spec with mode: auto or manual"
	}
	return "an executor leads it to " + s.Primary + " within seconds; if it does not, `ham explain " + s.Group + "`"
}

// vantages looks whether every declared vantage was heard.
func (k *checkup) vantages(declared *spec.Group, s *message.GroupStatus) {
	silent := map[string]bool{}
	for _, v := range declared.Vantages() {
		silent[v] = true
	}
	for _, m := range s.Members {
		for _, v := range m.Views {
			if v.Says != "silent" {
				delete(silent, v.Vantage)
			}
		}
	}
	var names []string
	for v := range silent {
		names = append(names, v)
	}
	slices.Sort(names)
	if len(names) > 0 {
		k.bad("group "+s.Group, "no prober speaks for vantage "+strings.Join(names, ", "), "start `ham prober` there with ham.prober.vantages, or take it out of `from`")
	}
	if n := len(declared.Vantages()); n < 3 {
		k.warn("group "+s.Group, fmt.Sprintf("vantages that look: %d; with fewer than three a broken link looks like a dead server", n), "add a prober at a witness site")
	}
}

// deadLetters says what was put away in the last day.
func (k *checkup) deadLetters(ctx context.Context, b *bus.Bus) {
	all, err := ask.Client{Bus: b}.Read(ctx, subject.StreamDeadLetter, subject.AllDeadLetter)
	if err != nil {
		k.bad("dead letters", err.Error(), "")
		return
	}
	recent := 0
	last := ""
	for _, r := range all {
		if d, ok := r.Message.(*message.DeadLetter); ok && time.Since(r.Time) < 24*time.Hour {
			recent++
			last = d.Subject + ": " + d.Reason
		}
	}
	if recent == 0 {
		k.ok("dead letters", "none in the last day")
		return
	}
	k.warn("dead letters", fmt.Sprintf("%d in the last day, the last: %s", recent, last), "somebody publishes what ham cannot read; stream "+subject.StreamDeadLetter+" keeps it whole")
}

// soonDays is from when on a certificate is worth a warning here.
const soonDays = 14

// certificates asks what every process knows of those that it uses itself or was shown.
func (k *checkup) certificates(ctx context.Context, b *bus.Bus) {
	all, err := expiry.Read(ctx, b)
	if err != nil {
		k.warn("certificates", err.Error(), "look at the bus")
		return
	}
	k.expiring(all, time.Now())
}

// expiring says which certificates end soon, each once, and when the first of the others does.
func (k *checkup) expiring(all []message.Expiries, now time.Time) {
	seen, fine := map[string]bool{}, 0
	var first time.Time
	for _, m := range expiry.Living(all, now) {
		for _, c := range m.Certificates {
			what := "certificate at " + m.Writer
			switch end := time.UnixMicro(c.NotAfter); {
			case c.Problem != "":
				k.warn(what, c.What+": "+c.Problem, "put a readable certificate in PEM form there")
			case seen[c.Fingerprint]:
			case !end.After(now):
				k.bad(what, expiry.Says(c, now), "renew it")
			case end.Sub(now) <= soonDays*24*time.Hour:
				k.warn(what, expiry.Says(c, now), "renew it")
			default:
				if fine++; first.IsZero() || end.Before(first) {
					first = end
				}
			}
			seen[c.Fingerprint] = true
		}
	}
	if fine > 0 {
		k.ok("certificates", "%d of ham's own are valid for more than %d days, the first until %s", fine, soonDays, first.UTC().Format("2006-01-02"))
	}
}
