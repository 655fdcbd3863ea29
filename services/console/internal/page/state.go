package page

import (
	"slices"
	"time"

	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/services/console/internal/board"
)

// Mark is a state as it is shown: a word, a shape, and how loud. The colour only repeats what the other two say.
type Mark struct {
	Word string
	Icon string // the id of a symbol in the sprite
	Tone string // ok, warn, bad, info, off
}

// rank orders groups on the overview: the loudest first.
func (m Mark) rank() int { return slices.Index([]string{"bad", "off", "info", "warn", "ok"}, m.Tone) }

var (
	stale     = Mark{"Not known", "gone", "off"}
	waits     = Mark{"Waits for you", "hand", "bad"}
	second    = Mark{"Waits for a second person", "hand", "bad"}
	swapping  = Mark{"Swapping", "swap", "info"}
	down      = Mark{"Primary down", "cross", "bad"}
	none      = Mark{"No primary", "cross", "bad"}
	doubt     = Mark{"In doubt", "ask", "warn"}
	paused    = Mark{"Paused", "pause", "warn"}
	drills    = Mark{"Drill", "swap", "info"}
	mending   = Mark{"Being mended", "swap", "info"}
	unserved  = Mark{"Clients not served", "cross", "bad"}
	blind     = Mark{"Just begun to watch", "ask", "warn"}
	dryRun    = Mark{"Dry run", "dry", "warn"}
	manual    = Mark{"By hand", "hand", "ok"}
	uncovered = Mark{"Not covered", "warn", "warn"}
	covered   = Mark{"Covered", "ok", "ok"}

	// Those of a pool.
	nobody    = Mark{"Nobody serves", "cross", "bad"}
	byBackup  = Mark{"Backup alone", "cross", "bad"}
	tooFew    = Mark{"Below the minimum", "warn", "bad"}
	tended    = Mark{"Maintenance", "hand", "info"}
	someServe = Mark{"Some are missing", "warn", "warn"}
	allServe  = Mark{"All serve", "ok", "ok"}
)

// asksForApproval: a step of the swap under way waits until a person approves it.
func asksForApproval(s *message.GroupStatus) bool {
	return slices.ContainsFunc(s.Approvals, func(a message.ApprovalStatus) bool {
		return a.Step != "" && a.State == message.ApprovalWaits
	})
}

// mark is the one state of a group: the first that holds.
func mark(g *board.Group, now time.Time) Mark {
	s := g.Status
	if g.Stale(now) || s == nil {
		return stale
	}
	if s.Pool != nil {
		return poolMark(s)
	}
	verdict := primaryVerdict(s)
	switch {
	case s.Swap != nil && s.Swap.State == message.StatePaused:
		return waits
	case s.Swap != nil && s.Swap.Kind == message.KindRemedy:
		return mending
	case s.Swap != nil && asksForApproval(s):
		return waits
	case s.Swap != nil:
		return swapping
	case s.Epoch == 0 || s.Primary == "":
		return none
	case verdict == message.VerdictDown && mends(s):
		return mending
	case verdict == message.VerdictDown:
		return down
	case slices.ContainsFunc(s.Approvals, func(a message.ApprovalStatus) bool { return a.State == message.ApprovalWaits }):
		return second
	case losing(s):
		return unserved
	case s.Blind:
		return blind
	case verdict != message.VerdictUp:
		return doubt
	case s.Paused:
		return paused
	case s.Drill != nil:
		return drills
	case s.Mode == "dry-run":
		return dryRun
	case s.Mode == "manual" && !slices.ContainsFunc(s.Refusals, func(r message.Reason) bool { return r.Code != "R307" }):
		return manual
	case len(s.Refusals) > 0:
		return uncovered
	}
	return covered
}

// poolMark is the one state of a pool: the first that holds.
func poolMark(s *message.GroupStatus) Mark {
	p := s.Pool
	switch {
	case s.Blind:
		return blind
	case len(p.Serve) == 0 && len(p.Backups) > 0:
		return byBackup
	case len(p.Serve) == 0 && slices.ContainsFunc(s.Members, func(m message.MemberStatus) bool { return m.Verdict == message.VerdictUnknown }):
		return doubt
	case len(p.Serve) == 0:
		return nobody
	case len(p.Serve) < p.Minimum:
		return tooFew
	case losing(s):
		return unserved
	case s.Paused:
		return paused
	case slices.ContainsFunc(s.Members, func(m message.MemberStatus) bool {
		return m.Role == message.RoleActive && m.Maintenance == nil && !slices.Contains(p.Serve, m.Name)
	}):
		return someServe
	case slices.ContainsFunc(s.Members, func(m message.MemberStatus) bool { return m.Maintenance != nil }):
		return tended
	case s.Mode == "dry-run":
		return dryRun
	}
	return allServe
}

// losing says that a canary is not served, whatever the checks say.
func losing(s *message.GroupStatus) bool { return s.Clients != nil && s.Clients.Outage != nil }

// mends says that something is being tried on the primary, or was a moment ago, before anybody takes over.
func mends(s *message.GroupStatus) bool {
	return slices.ContainsFunc(s.Members, func(m message.MemberStatus) bool {
		return m.Role == message.RolePrimary && m.Remedy != nil && (m.Remedy.State == message.RemedyTrying || m.Remedy.State == message.RemedyWaiting)
	})
}

func primaryVerdict(s *message.GroupStatus) message.Verdict {
	for _, m := range s.Members {
		if m.Role == message.RolePrimary {
			return m.Verdict
		}
	}
	return message.VerdictUnknown
}

// verdictMark shows a member's verdict. What nobody knows any more is never shown as up.
func verdictMark(v message.Verdict, fresh bool) Mark {
	if !fresh {
		return Mark{"was " + string(v), "gone", "off"}
	}
	switch v {
	case message.VerdictUp:
		return Mark{"up", "ok", "ok"}
	case message.VerdictDown:
		return Mark{"down", "cross", "bad"}
	case message.VerdictSuspect:
		return Mark{"suspect", "warn", "warn"}
	case message.VerdictDisputed:
		return Mark{"disputed", "ask", "warn"}
	}
	return Mark{"unknown", "ask", "off"}
}

// saysMark shows what one vantage says.
func saysMark(says string) Mark {
	switch says {
	case "up":
		return Mark{"up", "ok", "ok"}
	case "down":
		return Mark{"down", "cross", "bad"}
	case "suspect", "slow":
		return Mark{says, "warn", "warn"}
	}
	return Mark{says, "ask", "off"} // silent, blind, unknown
}

// stepMark shows the state of a step; "" is not begun.
func stepMark(s message.State) Mark {
	switch s {
	case "":
		return Mark{"to come", "dot", "off"}
	case message.StateStarted:
		return Mark{"runs", "swap", "info"}
	case message.StateDone:
		return Mark{"done", "ok", "ok"}
	case message.StateSkipped:
		return Mark{"skipped", "skip", "warn"}
	case message.StateFailed:
		return Mark{"failed", "warn", "warn"}
	case message.StatePaused:
		return Mark{"waits for you", "hand", "bad"}
	}
	return Mark{string(s), "ask", "off"}
}

// runMark shows the state of a run.
func runMark(kind message.Kind, s message.State, dry bool) Mark {
	if kind == message.KindRemedy && s == message.StateDone && !dry {
		return Mark{"was tried", "note", "info"} // whether it helped, the member's verdict says
	}
	switch s {
	case message.StateDone:
		if dry {
			return Mark{"rehearsed", "dry", "info"}
		}
		return Mark{"done", "ok", "ok"}
	case message.StateStarted, message.StateHeld:
		return Mark{"under way", "swap", "info"}
	case message.StatePaused:
		return Mark{"waits for you", "hand", "bad"}
	case message.StateEnded:
		return Mark{"ended by itself", "skip", "warn"}
	case message.StateAborted:
		return Mark{"aborted", "cross", "warn"}
	case message.StateSuperseded:
		return Mark{"superseded", "skip", "warn"}
	}
	return Mark{"not told", "ask", "off"}
}

// severityMark shows how loud an event is.
func severityMark(s message.Severity) Mark {
	switch s {
	case message.Debug, message.Info:
		return Mark{string(s), "dot", "off"}
	case message.Notice:
		return Mark{"notice", "note", "info"}
	case message.Warning:
		return Mark{"warning", "warn", "warn"}
	}
	return Mark{string(s), "cross", "bad"}
}
