package core

import (
	"cmp"
	"reflect"
	"slices"
	"strconv"
	"time"

	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec"
)

// What clients lost is seen by a canary, which asks as they do, from outside. It is measured and told; nothing is decided by it, and nothing else of the
// core reads it. That is a rule with a test of its own: the same story with and without a canary has the same decisions.
//
// Times are of the stream's clock, so that every decider measures the same, also one that was restarted meanwhile: it reads the last looks back, and what
// was told before them from the events.

const (
	// canarySettle is the least time that a canary must be served again for an outage to be over: clients that are served now and then are in one outage.
	canarySettle = 2 * time.Second
	// canaryLost is the least time without evidence after which nobody knows any more how an outage ended.
	canaryLost = time.Minute
	// canaryKeep is how many outages that are over are known.
	canaryKeep = 8
)

// canary is what is known of the service as clients see it.
type canary struct {
	check  *spec.Check
	target string
	eyes   []*eye // sorted by vantage
	outage *outage
	// open is what some decider told of an outage that has not ended, as far as was read.
	open *message.ClientsOutage
	past []message.ClientsOutage // over, the newest first
}

// eye is what one vantage sees. All times are in microseconds of the stream's clock.
type eye struct {
	sight
	// good: the newest looks were served, the first of them began at goodSince. seenAt is when the newest evidence was heard.
	good              bool
	goodSince, seenAt int64
	// losing: its part of the outage is not over. lost is that part; nil: it has none. tail are the looks since the last that failed.
	losing  bool
	lost    *message.ClientsLoss
	tail    int
	lastBad int64
	// none are looks in its part that were no evidence.
	none int
}

// outage is the one that lasts.
type outage struct {
	id   string
	from int64
	told bool
	// unseen: a part of it ended without anybody seeing how.
	unseen bool
}

// What is told of clients; none of it decides anything.
var (
	clientsBegin = Rule{"R495", "the canary begins to fail", "it is told, nothing is decided",
		"clients of {group} are not served, asked from {from}{evidence}"}
	clientsOver = Rule{"R496", "the canary is served again from everywhere, for a while", "it is told with what clients lost",
		"clients of {group} are served again: {failed} of {looks} looks failed within {lasted}, asked from {from}{missed}"}
	clientsUnseen = Rule{"R497", "nobody has seen how what clients lost came to its end", "it is told as far as it was seen",
		"nobody saw how clients of {group} were served again: {failed} of {looks} looks failed within {lasted}, asked from {from}{missed}"}
)

// arrangeCanary takes what the spec declares. A canary that asks otherwise than before begins anew.
func (s *State) arrangeCanary(at Time, c *spec.Check) {
	k := &s.canary
	if k.check != nil && c != nil && reflect.DeepEqual(*k.check, *c) {
		k.check = c
		return
	}
	if k.outage != nil {
		for _, e := range k.eyes {
			e.endUnseen(k.outage)
		}
		s.endOutage(at)
	}
	*k = canary{check: c, open: k.open, past: k.past}
	if c == nil {
		return
	}
	k.target = clip(c.Asks(), 500)
	for _, vantage := range slices.Compact(slices.Sorted(slices.Values(c.From))) {
		k.eyes = append(k.eyes, &eye{sight: sight{vantage: vantage, limit: 2*max(c.Every, c.Timeout) + c.Timeout}})
	}
}

// canaryPolicy is how a look counts: each by itself.
func (s *State) canaryPolicy() *spec.Policy {
	return &spec.Policy{Fall: 1, Rise: 1, MaxLate: s.spec.Policy.MaxLate}
}

// aboutClients says that an input concerns the canary alone.
func aboutClients(in Input) bool {
	switch in := in.(type) {
	case *HeartbeatSeen:
		return in.Heartbeat.Member == message.ClientsMember
	case ClientsRead:
		return true
	}
	return false
}

// stepClients takes what concerns the canary alone, and tells what follows. Nothing else is concluded.
func (s *State) stepClients(at Time, in Input) []Output {
	switch in := in.(type) {
	case *HeartbeatSeen:
		s.hbSeq = max(s.hbSeq, in.Seq)
		if !s.seeClients(at, in) {
			return nil
		}
	case ClientsRead:
		s.clientsRead(in)
	}
	s.keepCanary(at)
	out := s.out
	s.out = nil
	return out
}

// seeClients takes a look of the canary, and says whether something follows. A look that lay in the stream counts at the time it was stored.
func (s *State) seeClients(at Time, in *HeartbeatSeen) bool {
	k, hb := &s.canary, in.Heartbeat
	i := slices.IndexFunc(k.eyes, func(e *eye) bool { return e.vantage == hb.Vantage })
	if i < 0 || hb.Check != message.ClientsCheck {
		return false
	}
	e := k.eyes[i]
	if e.old(hb) {
		return false
	}
	now, mono := at.Stream, at.Mono
	if age := at.Stream - in.Stored; in.Stored > 0 && age > 0 {
		now, mono = in.Stored, at.Mono-time.Duration(age)*time.Microsecond
	}
	s.settle(e, now) // by what was seen before this look
	e.take(mono, in, s.canaryPolicy(), true)
	if !e.witnesses() {
		e.none++
		return e.losing
	}
	began := now - hb.LatencyMicros
	e.seenAt = now
	if e.up() {
		if !e.good {
			e.good, e.goodSince = true, began
		}
		if e.losing {
			e.lost.Looks++
			e.tail++
		}
		return e.losing
	}
	e.good = false
	if k.outage == nil {
		k.outage = &outage{id: s.group + ".clients." + hash(hb.Vantage, hb.Boot, strconv.FormatUint(hb.Seq, 10)), from: began}
	}
	if e.lost == nil {
		e.lost, e.none = &message.ClientsLoss{Vantage: e.vantage, From: began, Evidence: clip(hb.Evidence, 500), Boot: hb.Boot, Seq: hb.Seq}, 0
	}
	k.outage.from = min(k.outage.from, began)
	e.losing, e.lost.Until, e.tail, e.lastBad = true, 0, 0, now
	e.lost.Looks++
	e.lost.Failed++
	return true
}

// settle ends a vantage's part in the outage once it was served for a while, dated back to the first look that was.
func (s *State) settle(e *eye, now int64) {
	c := s.canary.check
	if e.losing && e.good && now-e.goodSince >= max(canarySettle, 5*c.Every, 2*c.Timeout).Microseconds() {
		e.end(e.goodSince)
	}
}

// endUnseen ends its part where it was last seen to fail.
func (e *eye) endUnseen(o *outage) {
	if e.losing {
		o.unseen = true
		e.end(e.lastBad)
	}
}

// end ends its part. A prober numbers its looks, so that those which this decider did not hear of are known as such.
func (e *eye) end(until int64) {
	l := e.lost
	if l.Boot == e.boot && e.seq >= l.Seq {
		l.Missed = max(0, int(e.seq-l.Seq)+1-l.Looks-e.none)
	}
	e.losing, l.Until = false, until
	l.Looks, e.tail = l.Looks-e.tail, 0
}

// keepCanary ends what is over and tells it.
func (s *State) keepCanary(at Time) {
	k := &s.canary
	if k.check == nil || !s.judging(at) {
		return
	}
	for _, e := range k.eyes {
		s.settle(e, at.Stream)
		if e.losing && at.Stream-e.seenAt > max(canaryLost, 20*k.check.Every).Microseconds() {
			e.endUnseen(k.outage)
		}
	}
	s.joinTold(at)
	o := k.outage
	if o == nil {
		return
	}
	lasts := slices.ContainsFunc(k.eyes, func(e *eye) bool { return e.losing })
	if !o.told && !lasts && slices.ContainsFunc(k.past, func(p message.ClientsOutage) bool { return p.ID == o.id || p.From <= o.from && o.from <= p.Until }) {
		s.forgetOutage() // the end of one that was told: this decider was restarted, and read no more of it
		return
	}
	if !o.told {
		o.told = true
		s.tellClients(at, &clientsBegin)
	}
	if !lasts {
		s.endOutage(at)
	}
}

// joinTold makes one of what is seen here and what some decider told before: by another, or by this one before it was restarted.
func (s *State) joinTold(at Time) {
	k := &s.canary
	switch {
	case k.open == nil:
	case k.outage != nil:
		if !k.outage.told || k.open.ID < k.outage.id {
			k.outage.id, k.outage.told = k.open.ID, true
		}
		k.outage.from = min(k.outage.from, k.open.From)
		for _, e := range k.eyes {
			for _, v := range k.open.Vantages {
				if e.lost != nil && v.Vantage == e.vantage && v.From < e.lost.From {
					e.lost.From, e.lost.Boot, e.lost.Seq = v.From, v.Boot, v.Seq
				}
			}
		}
	case at.Stream-k.open.From > canaryLost.Microseconds() && !slices.ContainsFunc(k.eyes, func(e *eye) bool { return !e.good || at.Stream-e.goodSince < canarySettle.Microseconds() }):
		// Everybody is served, and nobody was there when that began.
		k.outage = &outage{id: k.open.ID, from: k.open.From, told: true, unseen: true}
		for _, e := range k.eyes {
			for _, v := range k.open.Vantages {
				if v.Vantage == e.vantage {
					e.lost = &v
					e.lost.Until = e.goodSince
				}
			}
		}
	}
}

// endOutage tells what clients lost.
func (s *State) endOutage(at Time) {
	k := &s.canary
	what := &clientsOver
	if k.outage.unseen {
		what = &clientsUnseen
	}
	over := s.clientsOutage(true)
	if len(over.Vantages) > 0 && !s.knownOver(over.ID) {
		s.tellClients(at, what)
		s.pastOutage(over)
	}
	s.forgetOutage()
}

func (s *State) forgetOutage() {
	k := &s.canary
	k.outage, k.open = nil, nil
	for _, e := range k.eyes {
		e.lost = nil
	}
}

func (s *State) knownOver(id string) bool {
	return slices.ContainsFunc(s.canary.past, func(o message.ClientsOutage) bool { return o.ID == id })
}

func (s *State) pastOutage(o message.ClientsOutage) {
	k := &s.canary
	if s.knownOver(o.ID) {
		return
	}
	k.past = append(k.past, o)
	slices.SortStableFunc(k.past, func(a, b message.ClientsOutage) int {
		return cmp.Or(cmp.Compare(b.From, a.From), cmp.Compare(a.ID, b.ID))
	})
	k.past = k.past[:min(len(k.past), canaryKeep)]
}

// clientsRead takes what some decider told.
func (s *State) clientsRead(in ClientsRead) {
	k, o := &s.canary, in.Outage
	if o.Until == 0 {
		if !s.knownOver(o.ID) && (k.open == nil || k.open.ID != o.ID) {
			k.open = o
		}
		return
	}
	s.pastOutage(*o)
	if k.open != nil && (k.open.ID == o.ID || k.open.From <= o.Until) { // two deciders may have told of its beginning at once
		k.open = nil
	}
}

// clientsOutage is the outage that lasts, as it is told.
func (s *State) clientsOutage(over bool) message.ClientsOutage {
	k := &s.canary
	o := message.ClientsOutage{ID: k.outage.id, Target: k.target, From: max(0, k.outage.from), Unseen: over && k.outage.unseen, Vantages: []message.ClientsLoss{}}
	for _, e := range k.eyes {
		if e.lost == nil {
			continue
		}
		lost := *e.lost
		lost.From = max(0, lost.From)
		if !over {
			lost.Looks -= e.tail
		} else {
			o.Until = max(o.Until, lost.Until)
		}
		o.Vantages = append(o.Vantages, lost)
	}
	if over {
		o.Until = max(o.Until, o.From, 1)
	}
	return o
}

func (s *State) tellClients(at Time, rule *Rule) {
	over := rule != &clientsBegin
	o := s.clientsOutage(over)
	e := message.Event{
		ID: o.ID + ".begins", Kind: message.EventClients, Severity: message.Warning, Epoch: s.chain.epoch(), Code: rule.Code, Clients: &o,
		Sentence: fill(rule.Says, s.lossWords(at, &o)),
	}
	if over { // as severe: whoever was told of the beginning wants to know what was lost
		e.ID = o.ID + ".over"
	}
	s.tell(at, e)
}

func (s *State) lossWords(at Time, o *message.ClientsOutage) words {
	failed, looks := o.Count()
	evidence, missed := "", 0
	for _, v := range o.Vantages {
		missed += v.Missed
	}
	if len(o.Vantages) > 0 && o.Vantages[0].Evidence != "" {
		evidence = " (" + clip(o.Vantages[0].Evidence, 300) + ")"
	}
	w := words{
		"group": s.group, "from": list(o.Places()), "evidence": evidence, "failed": strconv.Itoa(failed), "looks": strconv.Itoa(looks),
		"lasted": span(o.Lasted(at.Stream).Std()), "missed": "",
	}
	if missed > 0 {
		w["missed"] = fill("; {n} more looks were not heard of", words{"n": strconv.Itoa(missed)})
	}
	return w
}

// clients is what the canary sees now; nil where the spec declares none.
func (s *State) clients(at Time) *message.ClientsStatus {
	k := &s.canary
	if k.check == nil {
		return nil
	}
	st := &message.ClientsStatus{Target: k.target, Every: message.Duration(k.check.Every), Views: []message.View{}, Past: slices.Clone(k.past)}
	var seeing, not []string
	for _, e := range k.eyes {
		v := e.view(at.Mono, message.ClientsMember, message.ClientsCheck)
		st.Views = append(st.Views, v)
		if e.sees(at.Mono) {
			seeing = append(seeing, e.vantage)
		} else {
			not = append(not, fill("{who} is {says}", words{"who": e.vantage, "says": v.Says}))
		}
	}
	blind := ""
	if len(not) > 0 {
		blind = "; " + list(not)
	}
	switch {
	case k.outage != nil:
		o := s.clientsOutage(false)
		st.Outage = &o
		w := s.lossWords(at, &o)
		w["blind"] = blind
		st.Sentence = fill("clients of {group} are not served: {failed} of {looks} looks failed within {lasted}, asked from {from}{blind}", w)
	case len(seeing) == 0:
		st.Sentence = fill("nobody can say how clients of {group} are served: {blind}", words{"group": s.group, "blind": list(not)})
	default:
		st.Sentence = fill("clients of {group} are served, asked from {from}{blind}", words{"group": s.group, "from": list(seeing), "blind": blind})
	}
	st.Sentence = clip(st.Sentence, 1000)
	return st
}
