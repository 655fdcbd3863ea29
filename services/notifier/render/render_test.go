package render_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/services/notifier/internal/golden"
	"github.com/isacloud/ha-manager/services/notifier/render"
	"github.com/isacloud/ha-manager/services/notifier/render/rendertest"
)

func TestPlainOfEveryKind(t *testing.T) {
	t.Parallel()
	seen := map[message.EventKind]bool{}
	for _, s := range rendertest.Samples() {
		seen[s.Event.Kind] = true
		if err := message.Validate(s.Event); err != nil {
			t.Errorf("sample %s: %v", s.Name, err)
		}
		golden.Check(t, s.Name+".txt", []byte(render.Event(s.Event).Plain()))
	}
	for _, k := range []message.EventKind{
		message.EventVerdict, message.EventReadiness, message.EventIncident, message.EventDecision, message.EventOutcome, message.EventRefused,
		message.EventShadow, message.EventStep, message.EventRun, message.EventRoute, message.EventDrift, message.EventMode, message.EventSpec,
		message.EventDeadLetter, message.EventService, message.EventNote, message.EventNotify, message.EventClients, message.EventThreshold, message.EventPlanned,
		message.EventApproval,
	} {
		if !seen[k] {
			t.Errorf("no sample of kind %s", k)
		}
	}
}

// What is quoted cannot move a cursor, fake a line or turn the direction of writing.
func TestPlainHoldsNothingThatActsOnATerminal(t *testing.T) {
	t.Parallel()
	for _, s := range rendertest.Samples() {
		plain := render.Event(s.Event).Plain()
		for _, r := range plain {
			if r != '\n' && (r < ' ' || r == 0x7f || r == 0x202e) {
				t.Errorf("%s: %q in %q", s.Name, r, plain)
			}
		}
		if strings.Contains(plain, "\n[info]") {
			t.Errorf("%s: quoted text began a line of its own: %q", s.Name, plain)
		}
	}
}

// Everything that was only rehearsed says so first; nothing else does.
func TestDryRunIsMarked(t *testing.T) {
	t.Parallel()
	for _, s := range rendertest.Samples() {
		for _, dry := range []bool{false, true} {
			e := *s.Event
			e.DryRun = dry
			want := dry || e.Kind == message.EventShadow
			if got := strings.HasPrefix(render.Event(&e).Head(), render.DryRunMark); got != want {
				t.Errorf("%s, dry_run=%v: marked %v, want %v", s.Name, dry, got, want)
			}
		}
	}
	deep := []message.Event{
		{Run: &message.RunResult{DryRun: true}}, {Step: &message.StepResult{DryRun: true}},
		{Command: &message.Command{DryRun: true}}, {Outcome: &message.Outcome{DryRun: true}},
	}
	for i, e := range deep {
		if !render.DryRun(&e) {
			t.Errorf("payload %d says dry run, the event was not marked", i)
		}
	}
}

// What the sentence says already is not said again as its reason; of several reasons none is left out.
func TestWhyDoesNotRepeatTheSentence(t *testing.T) {
	t.Parallel()
	reason := message.Reason{Code: "R335", Sentence: "this would undo the last swap"}
	other := message.Reason{Code: "R302", Sentence: "b is not ready"}
	for want, e := range map[int]message.Event{
		0: {Sentence: "Refused: this would undo the last swap.", Reasons: []message.Reason{reason}},
		1: {Sentence: "Refused.", Reasons: []message.Reason{reason}},
		2: {Sentence: "Refused: this would undo the last swap; and more.", Reasons: []message.Reason{reason, other}},
	} {
		if got := render.Event(&e).Why; len(got) != want {
			t.Errorf("%q: why is %q, want %d lines", e.Sentence, got, want)
		}
	}
}

// Commands are copied into shells: nothing that somebody else wrote may stand in them.
func TestCommandsHoldNoQuotedText(t *testing.T) {
	t.Parallel()
	e := &message.Event{
		Group: "web", Kind: message.EventRefused, Severity: message.Warning, Sentence: "no", Incident: "web-1; rm -rf /",
		Reasons: []message.Reason{{Code: "R1; reboot", Sentence: "x", Overridable: true}},
	}
	closed := false
	for _, kind := range []message.EventKind{message.EventRefused, message.EventIncident} {
		e.Kind, e.Opened = kind, &closed
		for _, c := range render.Event(e).Do {
			if strings.Contains(c.Run, ";") {
				t.Errorf("%s: %q", kind, c.Run)
			}
		}
	}
}

func TestCut(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("é", 300)
	for limit := 3; limit < 610; limit++ {
		got := render.Cut(long, limit)
		if len(got) > limit {
			t.Fatalf("limit %d: %d bytes", limit, len(got))
		}
		if !utf8.ValidString(got) {
			t.Fatalf("limit %d: a character was cut in two: %q", limit, got)
		}
		if len(long) > limit && !strings.Contains(got, "…") {
			t.Fatalf("limit %d: cut without a mark: %q", limit, got)
		}
	}
	if got := render.Cut("short", 100); got != "short" {
		t.Errorf("got %q", got)
	}
	if got, want := render.Cut(strings.Repeat("x", 200), 60), "bytes more)"; !strings.HasSuffix(got, want) {
		t.Errorf("got %q, want it to end in %q", got, want)
	}
}

func FuzzClean(f *testing.F) {
	f.Add(rendertest.Hostile)
	f.Add("plain")
	f.Add("\xff\xfe")
	f.Fuzz(func(t *testing.T, s string) {
		got := render.Clean(s)
		if !utf8.ValidString(got) {
			t.Errorf("%q became invalid %q", s, got)
		}
		for _, r := range got {
			if r < ' ' || r == 0x7f {
				t.Errorf("%q kept %q", s, r)
			}
		}
		if again := render.Clean(got); again != got {
			t.Errorf("%q is not stable: %q, then %q", s, got, again)
		}
	})
}
