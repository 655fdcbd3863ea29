// Package route says which channels an event goes to, and why or why not. It is pure.
package route

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec"
	"github.com/isacloud/ha-manager/pkg/subject"
)

// Target is one place that people read: a declared channel and, where it reaches several, the recipient there.
type Target struct {
	Channel string // name of a declared channel: "slack"
	To      string // "#ops"; "" where the channel knows only one
}

// String writes the target as a rule does: "slack:#ops".
func (t Target) String() string {
	if t.To == "" {
		return t.Channel
	}
	return t.Channel + ":" + t.To
}

// Table is everything that routing rests on. The zero value routes nothing.
type Table struct {
	// Channels are those declared for the process.
	Channels []spec.Channel
	// Rules are what each group declares; a group that is not there, or declares none, has the default rule.
	Rules map[string][]spec.NotifyRule
	// Silence are the windows that the process declares, and those of each group.
	Silence      []spec.Silence
	GroupSilence map[string][]spec.Silence
}

// Decision is what becomes of an event at one target, or at one rule that leads nowhere.
type Decision struct {
	Target Target
	Send   bool
	// Why is one sentence, of a yes and of a no.
	Why string
}

// Explain returns a decision for each target that could get the event: those that the group's rules name (or the default
// rule), and every other target known, sorted by target, those of a rule that leads nowhere included. told says whether
// an earlier event of the same incident was told at a target: how it ends is then told there too, whatever its severity,
// as long as the rule is for its kind. A nil told means none was.
func (t Table) Explain(e *message.Event, told func(Target) bool) []Decision {
	if told == nil {
		told = func(Target) bool { return false }
	}
	best := map[Target]Decision{}
	note := func(d Decision) {
		if old, ok := best[d.Target]; !ok || (d.Send && !old.Send) {
			best[d.Target] = d
		}
	}
	for _, r := range t.rulesOf(e.Group) {
		note(t.apply(r, e, told))
	}
	if _, ok := addressee(e); ok {
		// What is for one target goes there, whichever rules lead there.
		for _, target := range t.Targets() {
			note(t.apply(rule{target: target}, e, told))
		}
	}
	for _, target := range t.Targets() {
		if _, ok := best[target]; !ok {
			best[target] = Decision{Target: target, Why: fmt.Sprintf("no rule of %s leads here", about(e.Group))}
		}
	}
	out := make([]Decision, 0, len(best))
	for _, d := range best {
		out = append(out, d)
	}
	slices.SortFunc(out, func(a, b Decision) int { return compare(a.Target, b.Target) })
	return out
}

// For is the decision at one target.
func (t Table) For(e *message.Event, target Target, told bool) Decision {
	for _, d := range t.Explain(e, func(Target) bool { return told }) {
		if d.Target == target {
			return d
		}
	}
	return Decision{Target: target, Why: "no rule leads here any more"}
}

// Targets are all targets that any event could go to, sorted.
func (t Table) Targets() []Target {
	var all []Target
	add := func(rules []rule) {
		for _, r := range rules {
			if r.problem == "" {
				all = append(all, r.target)
			}
		}
	}
	// What is about no group, or about a group that is gone, follows the default rule.
	add(t.defaults())
	for _, group := range sortedKeys(t.Rules) {
		add(t.rulesOf(group))
	}
	slices.SortFunc(all, compare)
	return slices.Compact(all)
}

// Problems are the rules that lead nowhere, each with the sentence that says why: "web: …".
func (t Table) Problems() []string {
	var out []string
	for _, group := range sortedKeys(t.Rules) {
		for _, r := range t.rulesOf(group) {
			if r.problem != "" {
				out = append(out, group+": "+r.problem)
			}
		}
	}
	return out
}

// rule is a declared or default rule, made ready.
type rule struct {
	target  Target
	from    message.Severity
	kinds   []string
	says    string // how to name it in a sentence
	problem string // it leads nowhere, because
}

func (t Table) rulesOf(group string) []rule {
	declared := t.Rules[group]
	if len(declared) == 0 {
		return t.defaults()
	}
	out := make([]rule, len(declared))
	for i, d := range declared {
		name, to, _ := strings.Cut(d.To, ":")
		r := rule{from: message.Severity(d.From), kinds: d.Kinds, target: Target{Channel: name, To: to}, says: fmt.Sprintf("rule %d of %s", i+1, group)}
		if r.from == "" {
			r.from = message.Warning
		}
		c, ok := t.channel(name)
		switch {
		case !ok:
			r.problem = fmt.Sprintf("rule %d names channel %q, but this notifier has %s: declare it under channels, or correct the rule", i+1, name, t.names())
		case to == "" && c.Default != "":
			r.target.To = c.Default
		case to == "" && needsRecipient(c):
			r.problem = fmt.Sprintf("rule %d names no recipient and channel %q has no default: write to: %q", i+1, name, name+":"+recipients[c.Kind])
		}
		out[i] = r
	}
	return out
}

// defaults: everything from notice on to what only prints, what is critical to what wakes people, from warning on to everybody else's default.
func (t Table) defaults() []rule {
	var out []rule
	for _, c := range t.Channels {
		r := rule{target: Target{Channel: c.Name, To: c.Default}, from: message.Warning, says: "the default rule"}
		switch c.Kind {
		case "log":
			r.from = message.Notice
		case "pagerduty":
			r.from = message.Critical // somebody is woken
		}
		if c.Default == "" && needsRecipient(c) {
			r.problem = fmt.Sprintf("channel %q has no default recipient: write default: %q", c.Name, recipients[c.Kind])
		}
		out = append(out, r)
	}
	return out
}

// recipients are examples of those that kinds of channels need.
var recipients = map[string]string{"slack": "#ops", "email": "ops@example.org", "telegram": "-1001234567890"}

func needsRecipient(c spec.Channel) bool { return recipients[c.Kind] != "" }

func (t Table) apply(r rule, e *message.Event, told func(Target) bool) Decision {
	d := Decision{Target: r.target}
	to, addressed := addressee(e)
	switch {
	case r.problem != "":
		d.Why = r.problem
	case About(e, r.target):
		d.Why = "it is about this target itself"
	case addressed && to != Key(r.target):
		d.Why = "it is for another target"
	case addressed:
		d.Send, d.Why = true, "it is for this target"
	case !matchesKind(r.kinds, e.Kind):
		d.Why = fmt.Sprintf("%s is for kinds %s, this is %s", r.says, strings.Join(r.kinds, ", "), e.Kind)
	case !Urgency(e).AtLeast(r.from):
		d.Why = fmt.Sprintf("%s is from %s on, this is %s", r.says, r.from, e.Severity)
		d.ending(e, told)
		if c, _ := t.channel(r.target.Channel); c.Kind == "pagerduty" && e.Incident != "" && Acts(e) && told(r.target) {
			d.Send, d.Why = true, fmt.Sprintf("incident %s was told here, and a person acts on it", e.Incident)
		}
	default:
		d.Send = true
		d.Why = fmt.Sprintf("%s is from %s on, this is %s", r.says, r.from, e.Severity)
	}
	return d
}

// ending turns a no into a yes for the end of what was told here: whoever was woken by the beginning wants to sleep again.
func (d *Decision) ending(e *message.Event, told func(Target) bool) {
	if e.Incident == "" || !Ends(e) || !told(d.Target) {
		return
	}
	d.Send = true
	d.Why = fmt.Sprintf("incident %s was told here, and this is how it goes on", e.Incident)
}

// Urgency is how urgent e is for a target. A figure that is well again is told wherever the warning that it ends was, and what is planned wherever
// the decision that it leads to will be: whoever is told that roles moved may know before.
func Urgency(e *message.Event) message.Severity {
	if e.Kind == message.EventThreshold && e.Threshold != nil && e.Threshold.Condition == message.ThresholdWell {
		return message.Warning
	}
	if e.Kind == message.EventPlanned && !e.Severity.AtLeast(message.Warning) {
		return message.Warning
	}
	return e.Severity
}

// Ends says whether e ends something that people wait for: an incident, a swap, a drill, a step that waited for a person.
func Ends(e *message.Event) bool {
	switch e.Kind {
	case message.EventIncident:
		return e.Opened != nil && !*e.Opened
	case message.EventDrill:
		return e.Drill != nil && e.Drill.Stage == message.DrillOver
	case message.EventRun:
		return e.Run != nil && slices.Contains([]message.State{message.StateDone, message.StateEnded, message.StateAborted, message.StateSuperseded}, e.Run.State)
	}
	return false
}

// Acts says whether e tells what a person did: asked for something that was accepted, approved or rejected, paused, wrote a note.
func Acts(e *message.Event) bool {
	if e.Actor == "" || e.Actor == message.ActorSchedule || e.Via == message.ViaSchedule {
		return false
	}
	switch e.Kind {
	case message.EventOutcome:
		return e.Outcome != nil && e.Outcome.Accepted
	case message.EventApproval, message.EventMode, message.EventMaintenance, message.EventNote, message.EventPlanned:
		return true
	}
	return false
}

func matchesKind(kinds []string, k message.EventKind) bool {
	return len(kinds) == 0 || slices.Contains(kinds, string(k))
}

// notifyPrefix begins the id of every event that tells about a target.
const notifyPrefix = "notify."

// EventID is the id of an event that tells about target: what happened to it, and at which event of the stream.
func EventID(target Target, what string, seq uint64) string {
	return fmt.Sprintf("%s%s.%s.%d", notifyPrefix, Key(target), what, seq)
}

// About says whether e tells about target: such an event goes to the others.
func About(e *message.Event, target Target) bool {
	return e.Kind == message.EventNotify && strings.HasPrefix(e.ID, notifyPrefix+Key(target)+".")
}

func (t Table) channel(name string) (spec.Channel, bool) {
	i := slices.IndexFunc(t.Channels, func(c spec.Channel) bool { return c.Name == name })
	if i < 0 {
		return spec.Channel{}, false
	}
	return t.Channels[i], true
}

func (t Table) names() string {
	if len(t.Channels) == 0 {
		return "none"
	}
	names := make([]string, len(t.Channels))
	for i, c := range t.Channels {
		names[i] = c.Name
	}
	return strings.Join(names, ", ")
}

func about(group string) string {
	if group == subject.NoGroup {
		return "the installation"
	}
	return group
}

func compare(a, b Target) int {
	return cmp.Or(cmp.Compare(a.Channel, b.Channel), cmp.Compare(a.To, b.To))
}

func sortedKeys(m map[string][]spec.NotifyRule) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
