// Package digest says what a stretch of time was like, out of the record and of how the groups are now. It is pure: the same input always gives
// the same digest. Its sentences are English, as all that is stored; whoever shows it translates.
package digest

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/isacloud/ha-manager/pkg/expiry"
	"github.com/isacloud/ha-manager/pkg/message"
)

// Codes of the two.
const (
	CodeWeek  = "N107"
	CodeDaily = "N108"
)

// Record is an event as its stream stored it.
type Record struct {
	Time  time.Time
	Event *message.Event
}

// Input is all that a digest rests on.
type Input struct {
	From, Until time.Time
	// Records are the events stored from From on and before Until, in their order.
	Records []Record
	// Groups are those declared, Status how each is; one that is not there was not answered for.
	Groups []string
	Status map[string]*message.GroupStatus
	// Certificates are what each process knows of those of ham's own.
	Certificates []message.Expiries
}

const (
	day      = 24 * time.Hour
	maxLines = 40
	maxUntil = 8 // pieces of what was not told
)

func clock(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }

// Week is the sentence and the lines of a digest: near misses that recovered, the age of drills, pauses that end or are forgotten, figures
// that are too far, certificates that end soon, and what could not be told.
func Week(in Input) (sentence string, lines []message.Reason) {
	incidents, swapped := map[string]bool{}, map[string]bool{}
	group, last := map[string]string{}, map[string]Record{}
	swaps, refused, untold, letters := 0, 0, 0, 0
	var lost []string
	for _, r := range in.Records {
		e := r.Event
		if e.Incident != "" {
			last[e.Incident], group[e.Incident] = r, e.Group
		}
		switch e.Kind {
		case message.EventIncident:
			if e.Opened != nil && *e.Opened {
				incidents[e.Incident] = true
			}
		case message.EventDecision:
			if e.Command != nil && (e.Command.Kind == message.KindFailover || e.Command.Kind == message.KindSwitchover) {
				swaps++
				swapped[e.Incident] = true
			}
		case message.EventRefused, message.EventShadow:
			refused++
		case message.EventDeadLetter:
			letters++
		case message.EventNotify:
			if e.Code == "N104" { // given up at a channel
				if untold++; len(lost) < maxUntil {
					lost = append(lost, e.Sentence)
				}
			}
		}
	}
	sentence = fmt.Sprintf("The week from %s to %s: incidents %d, swaps %d, refused or would-be swaps %d, not told somewhere %d, dead letters %d.",
		clock(in.From), clock(in.Until), len(incidents), swaps, refused, untold, letters)
	add := func(format string, args ...any) {
		s := fmt.Sprintf(format, args...)
		if len(s) > 900 {
			s = strings.ToValidUTF8(s[:900], "") + "…"
		}
		lines = append(lines, message.Reason{Code: CodeWeek, Sentence: s})
	}
	// A near miss: an incident that was over without a swap.
	misses, newest := map[string]int{}, map[string]Record{}
	for _, id := range slices.Sorted(maps.Keys(incidents)) {
		end := last[id]
		closed := end.Event.Kind == message.EventIncident && end.Event.Opened != nil && !*end.Event.Opened
		if swapped[id] || !closed {
			continue
		}
		g := group[id]
		if misses[g]++; newest[g].Event == nil || !end.Time.Before(newest[g].Time) {
			newest[g] = end
		}
	}
	for _, g := range slices.Sorted(maps.Keys(misses)) {
		add("%s: %d near misses that recovered by themselves, the last at %s: %s", g, misses[g], clock(newest[g].Time), newest[g].Event.Sentence)
	}
	for _, g := range in.Groups {
		s := in.Status[g]
		if s == nil {
			add("%s: nobody answers for it", g)
			continue
		}
		switch {
		case s.DrilledAt == 0:
			add("%s: no drill ever went there and back", g)
		default:
			add("%s: the last drill that went there and back was %d days ago", g, max(0, in.Until.Sub(time.UnixMicro(s.DrilledAt))/day))
		}
		by := s.PausedBy
		if by == "" {
			by = "somebody"
		}
		switch {
		case s.Paused && s.PausedUntil > 0:
			add("%s is paused by %s until %s", g, by, clock(time.UnixMicro(s.PausedUntil)))
		case s.Paused:
			add("%s is paused by %s until somebody resumes it: is that meant?", g, by)
		}
	}
	for _, g := range in.Groups {
		if s := in.Status[g]; s != nil {
			for _, f := range s.Thresholds {
				if f.Condition != message.ThresholdWell {
					add("%s: %s", g, f.Sentence)
				}
			}
		}
	}
	for _, c := range ending(in) {
		add("%s", expiry.Says(c, in.Until))
	}
	for _, l := range lost {
		add("not told: %s", l)
	}
	if len(lines) > maxLines {
		lines = lines[:maxLines]
	}
	return sentence, lines
}

// soon is how far a digest looks ahead.
const soon = 30 * day

// ending are the certificates of ham's own that end soon, or have ended, each once, the soonest first.
func ending(in Input) []message.Certificate {
	var out []message.Certificate
	for _, m := range expiry.Living(in.Certificates, in.Until) {
		for _, c := range m.Certificates {
			same := func(o message.Certificate) bool { return o.Fingerprint == c.Fingerprint }
			if c.NotAfter > 0 && time.UnixMicro(c.NotAfter).Sub(in.Until) <= soon && !slices.ContainsFunc(out, same) {
				out = append(out, c)
			}
		}
	}
	slices.SortStableFunc(out, func(a, b message.Certificate) int { return cmp.Compare(a.NotAfter, b.NotAfter) })
	return out
}

// Daily is one line that says how all groups are; its coming says that the notifier lives.
func Daily(in Input) (sentence string, lines []message.Reason) {
	for _, g := range in.Groups {
		s := "nobody answers for it"
		if st := in.Status[g]; st != nil {
			s = st.Sentence
		}
		if len(s) > 900 {
			s = strings.ToValidUTF8(s[:900], "") + "…"
		}
		if len(lines) < maxLines {
			if in.Status[g] == nil {
				s = g + ": " + s
			}
			lines = append(lines, message.Reason{Code: CodeDaily, Sentence: s})
		}
	}
	return fmt.Sprintf("%d groups, as the deciders say at %s.", len(in.Groups), clock(in.Until)), lines
}
