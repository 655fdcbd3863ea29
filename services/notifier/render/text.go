package render

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/subject"
	"github.com/isacloud/ha-manager/pkg/words"
)

// DryRunMark begins everything that is said of something that was only rehearsed.
const DryRunMark = "DRY RUN, nothing was changed"

// Text is one event in words. All strings are clean (see [Clean]); none is escaped for a particular notation.
type Text struct {
	ID       string
	Group    string // "" for what is about the installation as a whole
	Incident string
	Epoch    uint64
	Kind     message.EventKind
	Severity message.Severity
	Code     string
	// At is when it happened, by the clock of who told it.
	At     time.Time
	DryRun bool

	// Title is a few words, What the event's own sentence.
	Title, What string
	// Why are reasons, each with its code; Seen is what each vantage saw; Facts are figures and findings.
	Why, Seen, Facts []string
	Do               []Command
	// Event is what all this was made from.
	Event *message.Event

	speaker *words.Speaker // nil: English
}

// Command is something to type, and what it does.
type Command struct{ Run, Says string }

// Limits that keep one event readable. What is left out is counted.
const (
	maxWhy   = 8
	maxLines = 50
	maxSeen  = 10
	maxLine  = 400
	maxWhat  = 1200
)

// T says a word of the frame around the event in its language.
func (t Text) T(text string, args ...any) string {
	if t.speaker == nil {
		return words.Of(words.English).T(text, args...)
	}
	return t.speaker.T(text, args...)
}

// Event puts e in English words.
func Event(e *message.Event) Text { return EventIn(words.English, e) }

// EventIn puts e in words of a language. What others wrote in it, and what nobody has translated, stays as it is.
func EventIn(lang words.Lang, e *message.Event) Text {
	sp := words.Of(lang)
	t := Text{
		ID: Clean(e.ID), Incident: Clean(e.Incident), Epoch: e.Epoch, Kind: e.Kind, Severity: e.Severity, Code: Clean(e.Code),
		At: time.UnixMicro(e.At).UTC(), DryRun: DryRun(e), Title: title(sp, e), What: Cut(Clean(sp.Say(e.Sentence)), maxWhat),
		Why: why(sp, e), Seen: seen(sp, e), Facts: facts(sp, e), Do: commands(e), Event: e, speaker: sp,
	}
	for i := range t.Do {
		t.Do[i].Says = sp.T(t.Do[i].Says)
	}
	if e.Group != subject.NoGroup {
		t.Group = e.Group
	}
	if t.Epoch == 0 && e.Command != nil {
		t.Epoch = e.Command.Epoch
	}
	if t.Code == "" && e.Command != nil {
		t.Code = Clean(e.Command.Rule)
	}
	return t
}

// DryRun says whether e tells of something that was only rehearsed.
func DryRun(e *message.Event) bool {
	return e.DryRun || e.Kind == message.EventShadow ||
		e.Command != nil && e.Command.DryRun || e.Step != nil && e.Step.DryRun ||
		e.Run != nil && e.Run.DryRun || e.Outcome != nil && e.Outcome.DryRun
}

// Head is the first line: severity, group, title, marked where nothing was changed.
func (t Text) Head() string {
	about := t.Group
	if about == "" {
		about = "ham"
	}
	h := fmt.Sprintf("[%s] %s: %s", t.T(string(t.Severity)), about, t.Title)
	if t.DryRun {
		h = t.T(DryRunMark) + ": " + h
	}
	return h
}

// Line says the event in one line, for a list: time, head, sentence.
func (t Text) Line() string { return t.At.Format("15:04:05") + " " + t.Head() + ". " + t.What }

func line(format string, args ...any) string {
	return Cut(Clean(fmt.Sprintf(format, args...)), maxLine)
}

// why leaves out what the event's own sentence already says, word for word.
func why(sp *words.Speaker, e *message.Event) []string {
	var out []string
	reasons := e.Reasons
	if e.Command != nil {
		if !strings.Contains(e.Sentence, e.Command.Sentence) {
			out = append(out, line("%s %s", e.Command.Rule, sp.Say(e.Command.Sentence)))
		}
		if e.Command.Actor != "" {
			out = append(out, line("%s", sp.T("asked by %s%s", e.Command.Actor, because(sp, e.Command.Why))))
		}
		for _, r := range e.Command.Reasons {
			out = append(out, line("%s", sp.T("set aside by name: %s %s", r.Code, sp.Say(r.Sentence))))
		}
	}
	if e.Outcome != nil && len(reasons) == 0 {
		reasons = e.Outcome.Reasons
	}
	for _, r := range reasons {
		if len(reasons) > 1 || !strings.Contains(e.Sentence, r.Sentence) {
			out = append(out, line("%s %s", r.Code, sp.Say(r.Sentence)))
		}
	}
	most := maxWhy
	if e.Kind == message.EventNotify {
		most = maxLines // the lines of a summary are what it is for
	}
	return few(sp, out, most)
}

func because(sp *words.Speaker, why string) string {
	if why == "" {
		return ""
	}
	return sp.T(", because: %s", why)
}

// seen is the evidence by vantage, so that who saw what stands together.
func seen(sp *words.Speaker, e *message.Event) []string {
	views := e.Views
	if len(views) == 0 && e.Command != nil {
		views = e.Command.Evidence
	}
	views = slices.Clone(views)
	slices.SortStableFunc(views, func(a, b message.View) int {
		return strings.Compare(a.Vantage+" "+a.Member+" "+a.Check, b.Vantage+" "+b.Member+" "+b.Check)
	})
	out := make([]string, len(views))
	for i, v := range views {
		var how []string
		if v.Hard {
			how = append(how, sp.T("hard"))
		}
		if v.InARow > 1 {
			how = append(how, sp.T("%d in a row", v.InARow))
		}
		how = append(how, sp.T("%s before", round(time.Duration(v.AgoMS)*time.Millisecond)))
		evidence := ""
		if v.Evidence != "" {
			evidence = ": " + v.Evidence
		}
		out[i] = line("%s", sp.T("from %s: %s of %s says %s (%s)%s", v.Vantage, v.Check, v.Member, sp.T(string(v.Says)), strings.Join(how, ", "), evidence))
	}
	return few(sp, out, maxSeen)
}

func few(sp *words.Speaker, lines []string, most int) []string {
	if len(lines) <= most {
		return lines
	}
	return append(lines[:most-1:most-1], sp.T("… and %d more", len(lines)-most+1))
}

// round keeps three digits at most: nobody needs microseconds of minutes.
func round(d time.Duration) string {
	switch {
	case d >= 10*time.Second:
		return d.Round(time.Second).String()
	case d >= time.Second:
		return d.Round(10 * time.Millisecond).String()
	case d >= 10*time.Millisecond:
		return d.Round(time.Millisecond).String()
	}
	return d.Round(10 * time.Microsecond).String()
}
