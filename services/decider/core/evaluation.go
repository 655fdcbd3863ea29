package core

import (
	"cmp"
	"slices"
	"time"

	"github.com/isacloud/ha-manager/pkg/message"
)

// evaluationLife is how long what an executor found of a plan counts: it looks again every few minutes.
const evaluationLife = 15 * time.Minute

// evaluated is the newest word of one executor about the plan to one standby.
type evaluated struct {
	said *message.Evaluation
	seq  uint64
	at   moment
}

// evaluationRead keeps the newest word of each executor about each standby, sorted.
func (s *State) evaluationRead(at Time, m *message.Evaluation, in SafetyRead) {
	if len(s.evaluations) >= keep {
		s.evaluations = slices.DeleteFunc(s.evaluations, func(e evaluated) bool { return at.since(e.at) >= evaluationLife })
	}
	i, found := slices.BinarySearchFunc(s.evaluations, m, func(e evaluated, m *message.Evaluation) int {
		return cmp.Or(cmp.Compare(e.said.To, m.To), cmp.Compare(e.said.Executor, m.Executor))
	})
	switch {
	case found && in.Seq <= s.evaluations[i].seq:
		return
	case !found && len(s.evaluations) >= keep:
		return
	case !found:
		s.evaluations = slices.Insert(s.evaluations, i, evaluated{})
	}
	s.evaluatedNews = true
	s.evaluations[i] = evaluated{m, in.Seq, moment{in.Stored, at.Mono}}
}

// planFails: a driver says that a step of the plan to the member would fail. What could merely not be asked keeps nobody from taking over: a proxy that
// went with the primary's site is no reason to leave the service down.
func planFails(s *State, at Time, q question) words {
	if s.spec == nil || q.to == "" || q.to == s.chain.primary() {
		return nil
	}
	kind := q.kind
	if kind != message.KindSwitchover {
		kind = message.KindFailover
	}
	for _, e := range s.evaluations {
		if e.said.To != q.to || e.said.Primary != s.chain.primary() || e.said.SpecRevision != s.spec.Revision || at.since(e.at) >= evaluationLife {
			continue
		}
		if s.executorsTold && at.Mono-max(s.executors[e.said.Executor], e.at.heard) > executorSilence {
			continue // it runs no step any more, and whoever does has looked too
		}
		for _, p := range e.said.Problems {
			if p.Kind == kind && !p.Mends {
				return words{"to": q.to, "step": p.Step, "executor": e.said.Executor, "why": clip(p.Problem, 400)}
			}
		}
	}
	return nil
}
