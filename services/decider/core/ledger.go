package core

import (
	"strconv"

	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec"
)

// codeTrust refuses what the shadow ledger does not yet speak for.
const codeTrust = "R366"

// codeDryRun refuses what the mode only rehearses.
const codeDryRun = "R308"

// rehearsed says that nothing refuses the swap but that it is not to be done for real yet: then it is recorded in the shadow ledger.
func rehearsed(reasons []message.Reason) bool {
	for _, r := range reasons {
		if r.Code != codeDryRun && r.Code != codeTrust {
			return false
		}
	}
	return len(reasons) > 0
}

// untrusted: mode auto swaps by itself only once people have found enough of its shadows right.
func untrusted(s *State, _ Time, _ question) words {
	if s.spec == nil || s.spec.Mode != spec.Auto || s.spec.Policy.Trust.Swaps <= 0 {
		return nil
	}
	t, score := s.spec.Policy.Trust, s.ledger.Score()
	judged := score.Right + score.Wrong
	if judged >= t.Swaps && score.Precision >= t.Precision {
		return nil
	}
	percent := func(f float64) string { return strconv.FormatFloat(f*100, 'f', 0, 64) + "%" }
	return words{
		"right": strconv.Itoa(score.Right), "judged": strconv.Itoa(judged), "swaps": strconv.Itoa(t.Swaps), "precision": percent(t.Precision),
	}
}

func noEntry(s *State, _ Time, q question) words {
	if q.request == nil || q.request.Judge == message.JudgeMiss || s.ledger.Has(q.request.Of) {
		return nil
	}
	return words{"entry": q.request.Of}
}

func (s *State) askedJudge(at Time, a *ask, _ question, rule *requestRule) {
	r := a.request
	j := &message.Judgement{Entry: r.Of, Judge: r.Judge, Actor: r.Actor, Reason: r.Reason}
	if r.Judge == message.JudgeMiss {
		j.Entry = "miss." + r.ID
	}
	w := words{"actor": r.Actor, "entry": j.Entry, "judge": r.Judge, "reason": because(r.Reason)}
	s.tell(at, message.Event{
		ID: "judged." + r.ID, Kind: message.EventJudged, Severity: message.Info, Epoch: s.chain.epoch(), Code: rule.Code,
		Sentence: fill(rule.Says, w), Request: r.ID, Actor: r.Actor, Judged: j,
	})
	o := s.outcome(a)
	o.Accepted, o.Sentence = true, "accepted: written down"
	s.answer(at, o, rule.Code)
}
