package replay

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec"
	"github.com/isacloud/ha-manager/pkg/spec/file"
	"github.com/isacloud/ha-manager/services/decider/core"
)

// ErrPolicy says what is wrong with a policy that is to be tried.
var ErrPolicy = errors.New("the policy cannot be tried")

// Swap is a failover that a policy would have decided.
type Swap struct {
	At       time.Time `json:"at"`
	From     string    `json:"from"`
	To       string    `json:"to"`
	Rule     string    `json:"rule"`
	Sentence string    `json:"sentence"`
	// Detect is the time from the first failing observation to the decision.
	Detect time.Duration `json:"detect_ns"`
	// Took is how long the swap would have taken: as predicted then, else the declared RTO, else AssumedTook.
	Took time.Duration `json:"took_ns"`
	// Back is how long after the decision a quorum saw the primary serving again; 0: not within the record, or somebody else was primary by then.
	Back time.Duration `json:"back_ns,omitempty"`
	// Wrong: no outage followed that would have been longer than the swap. Why says it.
	Wrong bool   `json:"wrong"`
	Why   string `json:"why,omitempty"`
	// Recorded is when the record has a failover from the same primary in its place; zero: it has none.
	Recorded time.Time `json:"recorded,omitzero"`
	// Judged is what a person said of the entry of the shadow ledger in its place; nil: nobody did, or there is none.
	Judged *message.Judgement `json:"judged,omitempty"`

	back map[string]bool // vantages that have seen it serving since
	says map[string]bool // vantage and check that said down
	need int
}

// AssumedTook is what a swap takes where none was measured and no objective is declared.
const AssumedTook = 2 * time.Second

// Tried is what one policy would have decided.
type Tried struct {
	Swaps []*Swap `json:"swaps"`
	// Refused counts outages whose swap was refused, by the code of the reason; one may have several.
	Refused map[string]int `json:"refused"`
	// Missed are recorded failovers, decided without anybody asking, that this policy would not have decided by then.
	Missed []*message.Command `json:"missed,omitempty"`
}

// Wrong counts the swaps that were wrong.
func (t *Tried) Wrong() (n int) {
	for _, s := range t.Swaps {
		if s.Wrong {
			n++
		}
	}
	return n
}

// Judged counts what people said of the swaps: in the shadow ledger, of the same moment.
func (t *Tried) Judged() (right, wrong int) {
	for _, s := range t.Swaps {
		switch {
		case s.Judged == nil:
		case s.Judged.Judge == message.JudgeRight:
			right++
		default:
			wrong++
		}
	}
	return right, wrong
}

// Detection is how long the swaps' detection took: the least, the median, the most. Zero where there was none.
func (t *Tried) Detection() (least, median, most time.Duration) {
	var all []time.Duration
	for _, s := range t.Swaps {
		all = append(all, s.Detect)
	}
	if len(all) == 0 {
		return 0, 0, 0
	}
	slices.Sort(all)
	return all[0], all[len(all)/2], all[len(all)-1]
}

// TrialReport is what [Trial] found: what the other policy would have decided, and beside it what the declared one does in the same way.
type TrialReport struct {
	Group      string    `json:"group"`
	From       time.Time `json:"from"`
	Until      time.Time `json:"until"`
	Heartbeats uint64    `json:"heartbeats"`
	Declared   *Tried    `json:"declared"`
	Other      *Tried    `json:"other"`
	Assumed    []string  `json:"assumed"`
}

// Trial asks what another policy would have decided, of each moment of the record since then, and what the declared policies would have. Policy is a group's spec
// in YAML, of which only its policy counts, or a policy alone. It changes nothing. Errors: [ErrPolicy], and as of [Run].
func Trial(ctx context.Context, src Source, since time.Time, name string, policy []byte) (*TrialReport, error) {
	other, err := policyOf(name, policy)
	if err != nil {
		return nil, err
	}
	s, err := newSurvey(ctx, src, since)
	if err != nil {
		return nil, err
	}
	declared, tried := newTrial(s), newTrial(s)
	var bad error
	report := &Report{}
	feed := feeder{survey: s, seats: []*seat{declared.seat, tried.seat}, report: report}
	feed.change = func(seat *seat, d *declaredSpec) core.SpecChanged {
		if d.group == nil {
			return core.SpecChanged{}
		}
		g := d.group
		if seat == tried.seat {
			changed, err := withPolicy(d, other)
			if err != nil && bad == nil {
				bad = err
			}
			if err == nil {
				g = changed
			}
		}
		own := *g
		own.Mode = spec.Auto // in manual mode and in dry run nothing would be decided at all
		for _, t := range []*trial{declared, tried} {
			if t.seat == seat {
				t.spec = &own
			}
		}
		return core.SpecChanged{Spec: &own}
	}
	judged := judgements{said: map[string]*message.Judgement{}}
	feed.each = func(it *item) {
		judged.see(it)
		declared.see(it)
		tried.see(it)
	}
	if err := feed.run(ctx, src); err != nil {
		return nil, err
	}
	if bad != nil {
		return nil, bad
	}
	judged.of(declared.Swaps)
	judged.of(tried.Swaps)
	return &TrialReport{
		Group: src.Group, From: report.From, Until: report.Until, Heartbeats: report.Heartbeats, Declared: &declared.Tried, Other: &tried.Tried,
		Assumed: []string{
			"each moment is judged from the roles as they were recorded: a swap that would have been made moves nobody, but counts for cool-down and budget",
			"mode auto, one decider that never stopped, and heartbeats at the moment at which they were stored",
			"every executor is there",
		},
	}, nil
}

// policyOf finds the policy in a file.
func policyOf(name string, text []byte) (*yaml.Node, error) {
	var doc yaml.Node
	if err := yaml.Unmarshal(text, &doc); err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrPolicy, name, err)
	}
	if len(doc.Content) != 1 || doc.Content[0].Kind != yaml.MappingNode {
		return nil, fmt.Errorf("%w: %s holds no keys, want a group's spec with its policy, or a policy alone: {quorum: 2, fall: 3, …}", ErrPolicy, name)
	}
	root := doc.Content[0]
	if p := valueOf(root, "policy"); p != nil {
		return p, nil
	}
	if valueOf(root, "group") != nil {
		return nil, fmt.Errorf("%w: %s declares a group without a policy", ErrPolicy, name)
	}
	return root, nil
}

func valueOf(m *yaml.Node, key string) *yaml.Node {
	for i := 0; i+1 < len(m.Content); i += 2 {
		if m.Content[i].Value == key {
			return m.Content[i+1]
		}
	}
	return nil
}

// withPolicy is a declared spec with another policy, read as strictly as any spec.
func withPolicy(d *declaredSpec, policy *yaml.Node) (*spec.Group, error) {
	var doc yaml.Node
	if err := yaml.Unmarshal([]byte(d.text), &doc); err != nil {
		return nil, err
	}
	root := doc.Content[0]
	if p := valueOf(root, "policy"); p != nil {
		*p = *policy
	} else {
		root.Content = append(root.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: "policy"}, policy)
	}
	text, err := yaml.Marshal(&doc)
	if err != nil {
		return nil, err
	}
	g, err := file.ParseGroup("policy", string(text))
	if err != nil {
		return nil, fmt.Errorf("%w, with revision %d of the spec: %w", ErrPolicy, d.revision, err)
	}
	g.Revision = d.revision
	return g, nil
}

// judgements are what people said of the shadows of the record.
type judgements struct {
	shadows []*message.Command
	at      []int64
	said    map[string]*message.Judgement
}

func (j *judgements) see(it *item) {
	switch e := it.event; {
	case e == nil:
	case e.Judged != nil:
		j.said[e.Judged.Entry] = e.Judged // the newest counts
	case e.Kind == message.EventShadow && e.Command != nil && e.Command.Request == "":
		j.shadows, j.at = append(j.shadows, e.Command), append(j.at, it.at)
	}
}

// of gives each swap what was said of the shadow in its place.
func (j *judgements) of(swaps []*Swap) {
	for _, s := range swaps {
		for i, c := range j.shadows {
			if d := j.at[i] - s.At.UnixMicro(); c.From == s.From && max(d, -d) < patience && j.said[c.ID] != nil {
				s.Judged = j.said[c.ID]
			}
		}
	}
}

// trial watches one core that decides alone.
type trial struct {
	Tried
	seat *seat
	spec *spec.Group
	open *Swap            // the one whose outage lasts
	now  *message.Command // the newest that the chain holds
	// waits are the codes that were counted for this outage.
	waits    map[string]bool
	imagined []int64 // when it decided
}

func newTrial(s *survey) *trial {
	t := &trial{waits: map[string]bool{}}
	t.Refused = map[string]int{}
	t.seat = newSeat(s.group, "replay", s.first, s.first, nil)
	t.seat.alone = true
	t.seat.decided, t.seat.told = t.decided, t.told
	return t
}

// see takes what is to be known before the core is fed.
func (t *trial) see(it *item) {
	if c, ok := it.chain.(*message.Command); ok {
		if c.Kind == message.KindFailover && c.Request == "" && c.Drill == nil && it.at >= t.seat.start {
			t.recorded(c, it.at)
		}
		t.now = c
		t.over()
		return
	}
	hb := it.heartbeat
	if hb == nil || t.open == nil || hb.Member != t.open.From || it.at <= t.open.At.UnixMicro() {
		return
	}
	if serves := hb.Answer == message.Up || hb.Answer == message.Degraded; !t.open.says[hb.Check] || hb.Blind || hb.Answer == message.Unknown {
		return
	} else if !serves {
		delete(t.open.back, hb.Vantage)
		return
	}
	t.open.back[hb.Vantage] = true
	if len(t.open.back) >= t.open.need {
		s := t.open
		s.Back = max(time.UnixMicro(it.at).Sub(s.At), 1)
		if s.Back <= s.Took {
			s.Wrong, s.Why = true, "the primary served again "+round(s.Back)+" later, and the swap would have taken "+round(s.Took)
		}
		t.over()
	}
}

// recorded notes a failover that the record decided by itself.
func (t *trial) recorded(c *message.Command, at int64) {
	for _, s := range slices.Backward(t.Swaps) {
		if s.From == c.From && s.Recorded.IsZero() && (s == t.open || at-s.At.UnixMicro() < patience) {
			s.Recorded = time.UnixMicro(at).UTC()
			return
		}
	}
	t.Missed = append(t.Missed, c)
}

// over ends an outage: the core may decide again.
func (t *trial) over() {
	t.open = nil
	clear(t.waits)
	if p := t.seat.pending; p != nil && p.patiently {
		t.seat.resolve()
	}
}

// decided is told of what the core decides.
func (t *trial) decided(m *made) {
	c := m.command
	if c.Kind != message.KindFailover || c.Request != "" || c.Drill != nil {
		return // nothing becomes of it, unless the record says so
	}
	if code := t.spent(m.at); code != "" {
		t.refuse(code)
		return
	}
	t.seat.pending.patiently = true
	s := &Swap{
		At: time.UnixMicro(m.at).UTC(), From: c.From, To: c.Primary, Rule: c.Rule, Sentence: c.Sentence,
		Detect: time.Duration((c.DetectMicros + c.DecideMicros) * micro), Took: c.Plan.PredictedRTO.Std(), back: map[string]bool{}, says: map[string]bool{}, need: 1,
	}
	if s.Took <= 0 && t.spec != nil {
		s.Took = t.spec.Objectives.RTO
	}
	if s.Took <= 0 {
		s.Took = AssumedTook
	}
	if t.spec != nil {
		if s.need = t.spec.Policy.Quorum; s.need <= 0 {
			s.need = len(t.spec.Vantages())/2 + 1
		}
	}
	for _, v := range c.Evidence {
		if v.Member == c.From && v.Says == "down" {
			s.says[v.Check] = true
		}
	}
	t.Swaps = append(t.Swaps, s)
	t.open = s
	t.imagined = append(t.imagined, m.at)
}

// Cool-down and budget, of which the core knows the recorded swaps alone.
const (
	codeCooldown = "R309"
	codeBudget   = "R310"
)

// spent is the code of why an imagined swap would be refused for those before it; "": it would not.
func (t *trial) spent(at int64) string {
	if t.spec == nil || len(t.imagined) == 0 {
		return ""
	}
	p := &t.spec.Policy
	if since := time.Duration((at - t.imagined[len(t.imagined)-1]) * micro); since < p.Cooldown {
		return codeCooldown
	}
	n := 0
	for _, before := range t.imagined {
		if time.Duration((at-before)*micro) < p.BudgetWindow {
			n++
		}
	}
	if n >= p.Budget {
		return codeBudget
	}
	return ""
}

func (t *trial) refuse(code string) {
	if !t.waits[code] {
		t.waits[code] = true
		t.Refused[code]++
	}
}

// told is told of the core's events.
func (t *trial) told(_ int64, e *message.Event) {
	switch {
	case e.Kind == message.EventRefused:
		for _, code := range codesOf(e) {
			t.refuse(code)
		}
	case e.Kind == message.EventVerdict && e.Verdict != nil && e.Verdict.To == message.VerdictUp && t.open == nil && t.now != nil && e.Member == t.now.Primary:
		clear(t.waits)
	}
}

func round(d time.Duration) string {
	if d < time.Second {
		return d.Round(time.Millisecond).String()
	}
	return strings.TrimSuffix(d.Round(10*time.Millisecond).String(), "0s")
}
