package replay

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/isacloud/ha-manager/pkg/evidence"
	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/services/decider/core"
)

// ErrNothing says that the record holds nothing of the group that could be replayed.
var ErrNothing = errors.New("the record holds no spec of the group: there is nothing to replay")

// Decision is one command or shadow of the record, and what the replay makes of it.
type Decision struct {
	// Command is as it was recorded; DryRun for a shadow. Stored is when.
	Command *message.Command `json:"command"`
	Stored  time.Time        `json:"stored"`
	// Replayed is what the replay decides; nil: nothing.
	Replayed *message.Command `json:"replayed,omitempty"`
	// Difference says what differs; "": nothing does.
	Difference string `json:"difference,omitempty"`

	after      uint64 // the entry of the chain before it
	stored     int64
	replayedAt int64
}

// Same says that the replay decides what the record says.
func (d *Decision) Same() bool { return d.Difference == "" }

// Early is by how much earlier than the record the replay decides; below zero: later.
func (d *Decision) Early() time.Duration {
	if d.Replayed == nil || d.basis() == nil {
		return 0
	}
	return time.Duration((d.basis().Stream - d.replayedAt) * micro)
}

func (d *Decision) basis() *message.Basis { return d.Command.Basis }

// compare finds the first difference.
func (d *Decision) compare() {
	was, is := d.Command, d.Replayed
	for _, f := range []struct{ name, was, is string }{
		{"epoch", strconv.FormatUint(was.Epoch, 10), strconv.FormatUint(is.Epoch, 10)},
		{"kind", string(was.Kind), string(is.Kind)}, {"primary", was.Primary, is.Primary}, {"rule", was.Rule, is.Rule}, {"sentence", was.Sentence, is.Sentence},
	} {
		if f.was != f.is && !(f.name == "sentence" && sameWords(f.was, f.is)) {
			d.Difference = fmt.Sprintf("%s: recorded %q, replayed %q", f.name, f.was, f.is)
			return
		}
	}
}

// sayMoment is by how much a time that a sentence says may differ: to the millisecond nobody knows when a decider heard of what it counts from.
const sayMoment = 50 * time.Millisecond

var spans = regexp.MustCompile(`[0-9][0-9.]*(?:[nµm]?s|h|m)(?:[0-9.]+[hms]+)*`)

// sameWords says that two sentences are the same but for times that differ by a moment.
func sameWords(was, is string) bool {
	a, b := spans.FindAllString(was, -1), spans.FindAllString(is, -1)
	if len(a) != len(b) || spans.ReplaceAllLiteralString(was, "…") != spans.ReplaceAllLiteralString(is, "…") {
		return false
	}
	for i := range a {
		x, err := time.ParseDuration(a[i])
		y, err2 := time.ParseDuration(b[i])
		if a[i] != b[i] && (err != nil || err2 != nil || (x-y).Abs() > sayMoment) {
			return false
		}
	}
	return true
}

// Extra is what the replay decides and the record does not hold.
type Extra struct {
	At      time.Time        `json:"at"`
	Decider string           `json:"decider"`
	Command *message.Command `json:"command"`
}

// Refused is a swap that did not happen, as it was told.
type Refused struct {
	At       time.Time `json:"at"`
	Codes    []string  `json:"codes"`
	Sentence string    `json:"sentence"`
}

// Report is what [Run] found.
type Report struct {
	Group string `json:"group"`
	// From and Until are the first and the last heartbeat.
	From  time.Time `json:"from"`
	Until time.Time `json:"until"`
	// Messages counts all, Heartbeats those of this group, Invalid those that nobody could read.
	Messages   uint64 `json:"messages"`
	Heartbeats uint64 `json:"heartbeats"`
	Invalid    uint64 `json:"invalid,omitempty"`
	// Deciders are those whose decisions were replayed.
	Deciders  []string    `json:"deciders"`
	Decisions []*Decision `json:"decisions"`
	Extras    []Extra     `json:"extras,omitempty"`
	Refused   []Refused   `json:"refused,omitempty"`
	// Assumed are sentences: what was not in the record and had to be taken for something.
	Assumed []string `json:"assumed,omitempty"`
}

// Same says that the replay decides what the record says, no more and no less.
func (r *Report) Same() bool {
	return len(r.Extras) == 0 && !slices.ContainsFunc(r.Decisions, func(d *Decision) bool { return !d.Same() })
}

// First says what the first difference is; "": there is none.
func (r *Report) First() string {
	first, at := "", time.Time{}
	for _, d := range r.Decisions {
		if !d.Same() {
			first, at = fmt.Sprintf("epoch %d, decided by %s at %s: %s", d.Command.Epoch, d.Command.Decider, clock(d.Stored), d.Difference), d.Stored
			break
		}
	}
	if len(r.Extras) > 0 && (first == "" || r.Extras[0].At.Before(at)) {
		e := r.Extras[0]
		first = fmt.Sprintf("the replay of %s decides %s of %s at %s by %s (%s), and the record does not hold it",
			e.Decider, e.Command.Kind, e.Command.Primary, clock(e.At), e.Command.Rule, e.Command.Sentence)
	}
	return first
}

func clock(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05.000") }

// Options of [Run].
type Options struct {
	// Since leaves out decisions that were stored before: the heartbeats that they rest on may be gone. Zero: none.
	Since time.Time
}

// Run replays the record and compares. It reads the record twice and holds of it what the streams hold of decisions, not of heartbeats. The error
// is [ErrNothing], the source's (an [evidence.Broken] or evidence.ErrSignature for a pack that was changed), or the context's cause.
func Run(ctx context.Context, src Source, o Options) (*Report, error) {
	s, err := newSurvey(ctx, src, o.Since)
	if err != nil {
		return nil, err
	}
	seats := s.seats()
	r := &Report{Group: src.Group, Decisions: s.decisions, Refused: s.refused, Deciders: s.deciders}
	feed := feeder{survey: s, seats: seats, report: r}
	if err := feed.run(ctx, src); err != nil {
		return nil, err
	}
	for _, seat := range seats {
		r.Extras = append(r.Extras, s.extras(seat)...)
	}
	slices.SortStableFunc(r.Extras, func(a, b Extra) int { return a.At.Compare(b.At) })
	r.Assumed = s.assumed(r, seats)
	return r, nil
}

// survey is what the first reading finds.
type survey struct {
	group     string
	decisions []*Decision // in the order in which they were stored
	deciders  []string
	chain     []place
	refused   []Refused
	// by says which decider got a request.
	by     map[string]string
	specs  int
	first  int64 // heartbeat, as far as is known
	last   int64 // message
	stable time.Duration
}

type place struct {
	seq uint64
	at  int64
}

// newSurvey reads everything but heartbeats.
func newSurvey(ctx context.Context, src Source, since time.Time) (*survey, error) {
	s := &survey{group: src.Group, by: map[string]string{}}
	from := int64(0)
	if !since.IsZero() {
		from = since.UnixMicro()
	}
	dec := newDecoder(src.Group)
	var it item
	err := src.Each(ctx, false, func(rec *evidence.Record) error {
		if !strings.HasPrefix(rec.Subject, beats) && dec.decode(rec, &it) {
			s.see(&it, from)
		}
		return nil
	})
	if err == nil {
		var first time.Time
		if first, err = src.First(ctx); err == nil && !first.IsZero() {
			s.first = first.UnixMicro()
		}
	}
	s.first = cmp.Or(s.first, from, s.last)
	if err == nil && s.specs == 0 {
		err = ErrNothing
	}
	return s, err
}

func (s *survey) see(it *item, since int64) {
	s.last = max(s.last, it.at)
	switch {
	case it.spec != nil:
		s.specs++
		if it.spec.group != nil {
			s.stable = max(s.stable, it.spec.group.Policy.StableFor)
		}
	case it.chain != nil:
		before := uint64(0)
		if n := len(s.chain); n > 0 {
			before = s.chain[n-1].seq
		}
		s.chain = append(s.chain, place{it.seq, it.at})
		if c, ok := it.chain.(*message.Command); ok {
			s.decided(c, it.at, before, since)
		}
	case it.event != nil:
		e := it.event
		switch {
		case e.Outcome != nil:
			s.by[e.Outcome.Request] = e.Writer
		case e.Kind == message.EventShadow && e.Command != nil:
			s.decided(e.Command, it.at, 0, since)
		case e.Kind == message.EventRefused && it.at >= since:
			s.refused = append(s.refused, Refused{At: time.UnixMicro(it.at).UTC(), Codes: codesOf(e), Sentence: e.Sentence})
		}
	}
}

func (s *survey) decided(c *message.Command, at int64, after uint64, since int64) {
	if c.Request != "" {
		s.by[c.Request] = c.Decider
	}
	if at >= since {
		s.decisions = append(s.decisions, &Decision{Command: c, Stored: time.UnixMicro(at).UTC(), after: after, stored: at})
	}
}

func codesOf(e *message.Event) []string {
	var codes []string
	for _, r := range e.Reasons {
		codes = append(codes, r.Code)
	}
	if len(codes) == 0 && e.Code != "" {
		codes = []string{e.Code}
	}
	return codes
}

// sameLife is how far apart two estimates of a decider's start may lie: the bus's clock is read twice a minute.
const sameLife = 2 * int64(time.Second) / micro

// seats are one for each life of each decider that decided.
func (s *survey) seats() []*seat {
	type life struct {
		name  string
		start int64
		waits []*Decision
	}
	var lives []*life
	for _, d := range s.decisions {
		start := s.first // where it is not known
		if b := d.basis(); b != nil {
			start = b.Stream - b.RunningMicros
		}
		i := slices.IndexFunc(lives, func(l *life) bool {
			return l.name == d.Command.Decider && max(l.start-start, start-l.start) <= sameLife
		})
		if i < 0 {
			i = len(lives)
			lives = append(lives, &life{name: d.Command.Decider, start: start})
			if !slices.Contains(s.deciders, d.Command.Decider) {
				s.deciders = append(s.deciders, d.Command.Decider)
			}
		}
		lives[i].waits = append(lives[i].waits, d)
	}
	slices.Sort(s.deciders)
	var seats []*seat
	for _, l := range lives {
		// Decisions are judged at the moment at which they were made, which need not be the order in which they were stored.
		slices.SortStableFunc(l.waits, func(a, b *Decision) int {
			if a.basis() == nil || b.basis() == nil {
				return 0
			}
			return cmp.Compare(a.basis().Stream, b.basis().Stream)
		})
		seat := newSeat(s.group, l.name, l.start, s.first, l.waits)
		seat.calls = executorsOf(l.waits)
		seats = append(seats, seat)
	}
	return seats
}

// patience is how long after a decision of the replay the record may come to hold it.
const patience = 10 * int64(time.Second) / micro

// extras are what a seat decided and the record does not hold.
func (s *survey) extras(seat *seat) []Extra {
	if len(seat.waits) == 0 {
		return nil
	}
	last := seat.waits[len(seat.waits)-1]
	if last.basis() == nil {
		return nil // nobody knows when it lived
	}
	var out []Extra
	for _, m := range seat.made {
		if m.matched || m.at >= last.basis().Stream || m.at < s.first {
			continue
		}
		if m.command.DryRun {
			if slices.ContainsFunc(s.decisions, func(d *Decision) bool {
				return d.Command.DryRun && d.Command.Epoch == m.command.Epoch && roles(d.Command) == roles(m.command) && max(d.stored-m.at, m.at-d.stored) < patience
			}) {
				continue
			}
		} else if i := slices.IndexFunc(s.chain, func(p place) bool { return p.seq > m.after }); i >= 0 && s.chain[i].at-m.at < patience {
			continue // another decider was quicker, or a person
		}
		out = append(out, Extra{At: time.UnixMicro(m.at).UTC(), Decider: seat.name, Command: m.command})
	}
	return out
}

// assumed says what the record does not hold.
func (s *survey) assumed(r *Report, seats []*seat) []string {
	var out []string
	say := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	without := 0
	for _, d := range s.decisions {
		if d.basis() == nil {
			without++
		}
	}
	if without > 0 {
		say("%d decisions say nothing of what their decider had heard (an older ham): they are replayed by the streams' times alone", without)
	}
	for _, seat := range seats {
		first := seat.waits[0].basis()
		if first == nil {
			continue
		}
		if seat.start < s.first && first.Stream-s.first < (s.stable+5*time.Second).Microseconds() {
			say("%s had run since %s, and the heartbeats of the record begin at %s: how long a standby had been up before its first decision is taken from there on",
				seat.name, clock(time.UnixMicro(seat.start)), clock(time.UnixMicro(s.first)))
		}
		if seat.missing > 0 {
			say("%d looks that %s had heard when it decided are not in the record", seat.missing, seat.name)
		}
		if seat.cut > 0 {
			say("%d decisions of %s rest on more looks than they name", seat.cut, seat.name)
		}
	}
	if r.Invalid > 0 {
		say("%d messages cannot be read and are passed over, as deciders do", r.Invalid)
	}
	return out
}

// feeder feeds a record to seats.
type feeder struct {
	*survey
	seats  []*seat
	report *Report
	seen   core.HeartbeatSeen
	// each sees every item before the seats do. May be nil.
	each func(*item)
	// change replaces the spec for a seat. May be nil.
	change func(*seat, *declaredSpec) core.SpecChanged
}

func (f *feeder) run(ctx context.Context, src Source) error {
	dec := newDecoder(src.Group)
	var it item
	err := src.Each(ctx, true, func(rec *evidence.Record) error {
		f.report.Messages++
		if dec.decode(rec, &it) {
			f.take(&it)
		}
		return nil
	})
	if err != nil {
		return err
	}
	f.report.Invalid = dec.invalid
	for _, s := range f.seats {
		s.end(f.last)
	}
	return nil
}

func (f *feeder) take(it *item) {
	f.last = max(f.last, it.at)
	if f.each != nil {
		f.each(it)
	}
	if hb := it.heartbeat; hb != nil {
		if f.report.Heartbeats++; f.report.Heartbeats == 1 {
			f.report.From = time.UnixMicro(it.at).UTC()
		}
		f.report.Until = time.UnixMicro(it.at).UTC()
		f.seen = core.HeartbeatSeen{Heartbeat: hb, Seq: it.seq, Stored: it.at}
		for _, s := range f.seats {
			s.take(it, &f.seen)
		}
		return
	}
	for _, s := range f.seats {
		if in := f.input(s, it); in != nil {
			s.takeRest(it, in)
		}
	}
}

// input is what a decider's shell makes of a message.
func (f *feeder) input(s *seat, it *item) core.Input {
	switch {
	case it.chain != nil:
		in := core.ChainRead{Entry: it.chain, Seq: it.seq, Stored: it.at, InOrder: true}
		if _, ok := it.chain.(unread); ok {
			in.Entry = nil
		}
		return in
	case it.safety != nil:
		return core.SafetyRead{Message: it.safety, Seq: it.seq, Stored: it.at}
	case it.spec != nil:
		if f.change != nil {
			return f.change(s, it.spec)
		}
		return core.SpecChanged{Spec: it.spec.group}
	case it.request != nil:
		if f.by[it.request.ID] == s.name {
			return core.RequestReceived{Request: it.request, Stored: it.at}
		}
	case it.event != nil:
		e := it.event
		switch {
		case e.Route != nil:
			return core.RouteRead{Route: e.Route, Seq: it.seq, Executor: e.Writer}
		case e.Clients != nil:
			return core.ClientsRead{Outage: e.Clients}
		case e.Judged != nil:
			return core.JudgedRead{Judgement: e.Judged, Stored: it.at}
		case e.Outcome != nil:
			return core.OutcomeRead{Outcome: e.Outcome}
		case e.Kind == message.EventShadow && e.Command != nil:
			return core.ShadowRead{Command: e.Command}
		case e.Kind == message.EventIncident && e.Opened != nil && !s.alone:
			return s.incident(e, it.at)
		}
	}
	return nil
}
