package route_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec"
	"github.com/isacloud/ha-manager/pkg/subject"
	"github.com/isacloud/ha-manager/services/notifier/route"
)

func table() route.Table {
	return route.Table{
		Channels: []spec.Channel{
			{Name: "slack", Kind: "slack", Default: "#ops"},
			{Name: "pager", Kind: "webhook"},
			{Name: "console", Kind: "log"},
			{Name: "quiet", Kind: "slack"},
			{Name: "pd", Kind: "pagerduty"},
		},
		Rules: map[string][]spec.NotifyRule{
			"web": {
				{To: "slack:#web", From: "warning"},
				{To: "pager", From: "critical", Kinds: []string{"verdict", "incident"}},
				{To: "slack:#audit", From: "debug", Kinds: []string{"decision"}},
			},
			"broken": {{To: "slak:#ops"}, {To: "quiet"}},
			"plain":  {},
			"paged":  {{To: "pd", From: "critical"}, {To: "slack:#web", From: "critical"}},
		},
	}
}

func sent(t route.Table, e *message.Event, told func(route.Target) bool) string {
	var out []string
	for _, d := range t.Explain(e, told) {
		if d.Send {
			out = append(out, d.Target.String())
		}
	}
	return strings.Join(out, " ")
}

func TestExplain(t *testing.T) {
	t.Parallel()
	closed := false
	all := func(route.Target) bool { return true }
	for _, c := range []struct {
		name  string
		event message.Event
		told  func(route.Target) bool
		want  string
	}{
		{"by severity", message.Event{Group: "web", Kind: "route", Severity: "warning"}, nil, "slack:#web"},
		{"a figure that went too far", message.Event{Group: "web", Kind: "threshold", Severity: "warning", Threshold: &message.ThresholdState{Condition: "over"}}, nil, "slack:#web"},
		{"its end is told wherever it was", message.Event{Group: "web", Kind: "threshold", Severity: "notice", Threshold: &message.ThresholdState{Condition: "well"}}, nil, "slack:#web"},
		{"below it", message.Event{Group: "web", Kind: "route", Severity: "notice"}, nil, ""},
		{"by kind", message.Event{Group: "web", Kind: "verdict", Severity: "critical"}, nil, "pager slack:#web"},
		{"by kind, severity below all others", message.Event{Group: "web", Kind: "decision", Severity: "debug"}, nil, "slack:#audit"},
		{"unknown severity is not hidden", message.Event{Group: "web", Kind: "verdict", Severity: "apocalyptic"}, nil, "pager slack:#web"},
		{"group that declares none", message.Event{Group: "plain", Kind: "route", Severity: "notice"}, nil, "console"},
		{"group that is not known", message.Event{Group: "ghost", Kind: "route", Severity: "warning"}, nil, "console pager slack:#ops"},
		{"no group", message.Event{Group: subject.NoGroup, Kind: "service", Severity: "critical"}, nil, "console pager pd slack:#ops"},
		{"default rule from notice", message.Event{Group: "plain", Kind: "route", Severity: "info"}, nil, ""},
		{"end of an incident that was told", message.Event{Group: "web", Kind: "incident", Severity: "info", Incident: "web-1", Opened: &closed}, all, "pager slack:#web"},
		{"end of one that was not", message.Event{Group: "web", Kind: "incident", Severity: "info", Incident: "web-1", Opened: &closed}, nil, ""},
		{"in the middle of one that was told", message.Event{Group: "web", Kind: "step", Severity: "info", Incident: "web-1"}, all, ""},
		{"end of a swap that was told", message.Event{Group: "web", Kind: "run", Severity: "info", Incident: "web-1", Run: &message.RunResult{State: message.StateDone}}, all, "slack:#web"},
		{"a person acts on what woke somebody", message.Event{Group: "paged", Kind: "outcome", Severity: "info", Incident: "web-1", Actor: "ana", Outcome: &message.Outcome{Accepted: true}}, all, "pd"},
		{"a person is refused", message.Event{Group: "paged", Kind: "outcome", Severity: "info", Incident: "web-1", Actor: "ana", Outcome: &message.Outcome{}}, all, ""},
		{"the schedule acts", message.Event{Group: "paged", Kind: "outcome", Severity: "info", Incident: "web-1", Actor: "schedule", Outcome: &message.Outcome{Accepted: true}}, all, ""},
		{"a person acts on what woke nobody", message.Event{Group: "paged", Kind: "note", Severity: "info", Incident: "web-1", Actor: "ana"}, nil, ""},
		{"for one target alone", message.Event{ID: route.AddressID(route.Target{Channel: "slack", To: "#audit"}, "quiet", "7"), Group: "web", Kind: "notify", Severity: "critical"}, nil, "slack:#audit"},
		{"for one that no rule of the group leads to", message.Event{ID: route.AddressID(route.Target{Channel: "slack", To: "#audit"}, "digest", "7"), Group: "plain", Kind: "notify", Severity: "info"}, nil, "slack:#audit"},
		{"rules that lead nowhere", message.Event{Group: "broken", Kind: "verdict", Severity: "critical"}, nil, ""},
	} {
		if got := sent(table(), &c.event, c.told); got != c.want {
			t.Errorf("%s: went to %q, want %q\n%v", c.name, got, c.want, table().Explain(&c.event, c.told))
		}
	}
}

// Every yes and every no has its sentence, and names what would be right.
func TestExplainSaysWhy(t *testing.T) {
	t.Parallel()
	why := map[string]string{}
	for _, group := range []string{"web", "broken"} {
		for _, d := range table().Explain(&message.Event{Group: group, Kind: "route", Severity: "notice"}, nil) {
			if d.Why == "" {
				t.Errorf("%s: %s without a reason", group, d.Target)
			}
			why[group+" "+d.Target.String()] = d.Why
		}
	}
	for key, want := range map[string]string{
		"web slack:#web":   "rule 1 of web is from warning on, this is notice",
		"web pager":        "rule 2 of web is for kinds verdict, incident, this is route",
		"web slack:#ops":   "no rule of web leads here",
		"broken slak:#ops": `rule 1 names channel "slak", but this notifier has slack, pager, console, quiet`,
		"broken quiet":     `rule 2 names no recipient and channel "quiet" has no default`,
	} {
		if !strings.Contains(why[key], want) {
			t.Errorf("%s: %q, want %q", key, why[key], want)
		}
	}
	if got := fmt.Sprint(table().Problems()); !strings.Contains(got, "slak") || !strings.Contains(got, "quiet") {
		t.Errorf("problems: %s", got)
	}
}

// What tells that a target is broken goes to the others.
func TestAboutItself(t *testing.T) {
	t.Parallel()
	ops := route.Target{Channel: "slack", To: "#ops"}
	e := &message.Event{ID: route.EventID(ops, "broken", 7), Group: subject.NoGroup, Kind: message.EventNotify, Severity: message.Critical}
	if got, want := sent(table(), e, nil), "console pager pd"; got != want {
		t.Errorf("went to %q, want %q", got, want)
	}
	if d := table().For(e, ops, true); d.Send || d.Why != "it is about this target itself" {
		t.Errorf("at itself: %+v", d)
	}
}

func TestTargetsAndKeys(t *testing.T) {
	t.Parallel()
	var names []string
	keys := map[string]route.Target{}
	for _, target := range table().Targets() {
		names = append(names, target.String())
		k := route.Key(target)
		if !message.IsName(k) {
			t.Errorf("key %q of %s is no name", k, target)
		}
		if other, twice := keys[k]; twice {
			t.Errorf("%s and %s have the same key", other, target)
		}
		keys[k] = target
	}
	if got, want := strings.Join(names, " "), "console pager pd slack:#audit slack:#ops slack:#web"; got != want {
		t.Errorf("targets %q, want %q", got, want)
	}
	long := route.Key(route.Target{Channel: strings.Repeat("x", 80), To: "#über-ops/:*"})
	if !message.IsName(long) {
		t.Errorf("key %q is no name", long)
	}
}

// What is planned reaches whoever hears that roles moved, before they do; who wants critical things alone is left in peace.
func TestWhatIsPlannedIsTold(t *testing.T) {
	t.Parallel()
	table := route.Table{Channels: []spec.Channel{{Name: "slack", Kind: "slack", Default: "#ops"}, {Name: "pager", Kind: "pagerduty"}}}
	for _, stage := range []string{message.PlanStands, message.PlanSoon, message.PlanCancelled} {
		e := &message.Event{Group: "web", Kind: message.EventPlanned, Severity: message.Notice, Actor: "ana", Planned: &message.PlanChange{Stage: stage}}
		if d := table.For(e, route.Target{Channel: "slack", To: "#ops"}, false); !d.Send {
			t.Errorf("%s is not told in the chat: %s", stage, d.Why)
		}
		if d := table.For(e, route.Target{Channel: "pager"}, false); d.Send {
			t.Errorf("%s wakes somebody: %s", stage, d.Why)
		}
	}
}
