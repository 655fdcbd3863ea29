package core

import (
	"strconv"
	"time"

	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec"
)

// watched is one check of one member, seen from its vantages.
type watched struct {
	check  *spec.Check
	sights []*sight // in the order of the check's vantages, sorted
	tally  tally
	rule   *verdictRule
	// together: it makes the member down only with all others that are so.
	together bool
	// counts: the member is judged by it. What only the primary's side runs says nothing about a standby.
	counts bool
}

// tally is what the vantages say together.
type tally struct {
	blind    bool // the decider itself does not judge yet
	quorum   int
	vantages int
	seeing   int
	downs    int // say down, and their newest look was down
	ups      int // have seen it up since the first of the downs was first seen failing
	failing  int // something failed, enough to say down or not
	// since is when the first of the downs was first seen failing.
	since time.Duration
}

// count tallies the vantages that see. Who is silent, slow, blind or could not look does not count.
func (w *watched) count(at time.Duration, quorum int, blind bool) {
	t := tally{blind: blind, quorum: quorum, vantages: len(w.sights)}
	for _, v := range w.sights {
		if !v.sees(at) {
			continue
		}
		t.seeing++
		if v.saysDown || !v.up() {
			t.failing++
		}
		if v.saysDown && !v.up() {
			if t.downs == 0 || v.failingSince < t.since {
				t.since = v.failingSince
			}
			t.downs++
		}
	}
	w.tally = t
	if t.downs > 0 {
		for _, v := range w.sights {
			if w.objects(at, v) {
				w.tally.ups++
			}
		}
	}
}

// objects says whether the vantage has seen the member up since the first of the downs was first seen failing. One that
// falls silent takes its word with it only when a quorum was heard to say down after that: where all of them fall silent, one has to be
// the first, and those that say down must not win by lasting a moment longer.
func (w *watched) objects(at time.Duration, v *sight) bool {
	if !v.heard || !v.witnesses() || !v.up() || v.heardAt <= w.tally.since {
		return false
	}
	if !v.silent(at) {
		return true
	}
	after := 0
	for _, d := range w.sights {
		if d.sees(at) && d.saysDown && !d.up() && d.heardAt > v.heardAt+v.limit {
			after++
		}
	}
	return after < w.tally.quorum
}

// judge finds the rule that holds of the check. The last one always does.
func (w *watched) judge() {
	for i := range verdictRules {
		if verdictRules[i].holds(&w.tally) {
			w.rule = &verdictRules[i]
			return
		}
	}
}

// begunSince counts the downs whose row of failures began after t.
func (w *watched) begunSince(at, t time.Duration) int {
	n := 0
	for _, v := range w.sights {
		if v.sees(at) && v.saysDown && !v.up() && v.failingSince > t {
			n++
		}
	}
	return n
}

// words fill the sentence of the check's rule.
func (w *watched) words(at time.Duration, member string) words {
	t := w.tally
	var downs, ups, failing, out []string
	evidence, serving := "", 0
	for _, v := range w.sights {
		switch {
		case !v.sees(at):
			out = append(out, v.vantage+" is "+v.says(at))
		case v.saysDown && !v.up():
			downs = append(downs, v.vantage)
		case v.up():
			serving++
		}
		if t.downs > 0 && w.objects(at, v) {
			ups = append(ups, v.vantage)
		}
		if v.sees(at) && (v.saysDown || !v.up()) {
			failing = append(failing, v.vantage)
			if evidence == "" && v.evidence != "" && !v.up() {
				evidence = " (" + clip(v.evidence, 200) + ")"
			}
		}
	}
	if len(failing) > 0 && evidence == "" && len(downs) == 0 && serving >= len(failing) {
		evidence = " (up again, not yet often enough)"
	}
	saying := ""
	if len(downs) > 0 {
		saying = "; " + list(downs) + " says down" + evidence
	}
	missing := ""
	if len(out) > 0 {
		missing = "; " + list(out)
	}
	return words{
		"member": member, "check": w.check.Name, "quorum": strconv.Itoa(t.quorum), "seeing": strconv.Itoa(t.seeing),
		"vantages": strconv.Itoa(t.vantages), "downs": list(downs), "ups": list(ups), "failing": list(failing),
		"evidence": evidence, "missing": missing, "saying": saying, "count": strconv.Itoa(t.downs),
	}
}

// weight orders verdicts for a member with several checks: any check that is down makes it down.
func weight(v message.Verdict) int {
	switch v {
	case message.VerdictDown:
		return 4
	case message.VerdictDisputed:
		return 3
	case message.VerdictSuspect:
		return 2
	case message.VerdictUnknown:
		return 1
	}
	return 0
}
