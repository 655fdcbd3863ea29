package watch

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/isacloud/ha-manager/pkg/ask"
	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/services/console/glance"
)

const (
	// armedFor is how long the button stays armed, checkEvery how often it is asked whether the plan still holds.
	armedFor   = 30 * time.Second
	checkEvery = 2 * time.Second
)

type stage int

const (
	looking stage = iota // at the plan
	arming               // typing the name
	armed                // holding the key fires
	fired                // asked; no answer yet
)

type field int

const (
	nameField field = iota
	reasonField
)

// wish is what somebody wants to see, or to press.
type wish struct {
	verb message.Verb // "": what a person would ask for now
	to   string
	hold time.Duration
	of   string // what is approved
}

// holds are the lengths of a drill that are offered.
var holds = []time.Duration{10 * time.Second, time.Minute, 2 * time.Minute, 10 * time.Minute, time.Hour}

var swapVerbs = []message.Verb{message.VerbSwitchover, message.VerbFailover, message.VerbFailback, message.VerbDrill}

// request makes the request of a wish.
func (k wish) request(id, group, actor string) *message.Request {
	r := &message.Request{ID: id, Group: group, Verb: k.verb, Actor: actor, Via: "watch", Target: k.to, Of: k.of}
	if k.verb == message.VerbDrill {
		h := message.Duration(k.hold)
		r.Hold = &h
	}
	return r
}

// swap is the page of the red button. It is a value like the model.
type swap struct {
	group     string
	wish      wish
	question  int
	requestID string
	got       *planned // nil: asked, no answer yet
	view      *glance.Plan
	aside     []string // codes that are set aside, or meant
	stage     stage
	field     field
	name      string
	reason    string
	armedAt   time.Time
	checkedAt time.Time
	hold      hold
	changed   string // why this plan is not fired any more
	unsure    bool   // it may have been fired: no answer came
	note      string
}

func newSwap(group string, s *message.GroupStatus, id string) *swap {
	k := wish{hold: message.DefaultHold.Std()}
	if s != nil {
		k.verb = ask.Likely(s)
	}
	return &swap{group: group, wish: k, question: 1, requestID: id}
}

// newApproval is the same page for what waits for a second person: its plan, what stands against it, and the button.
func newApproval(group, of, id string) *swap {
	return &swap{group: group, wish: wish{verb: message.VerbApprove, of: of}, question: 1, requestID: id}
}

// again asks for the plan anew: everything that was armed or set aside is taken back.
func (s *swap) again(id string) (*swap, []effect) {
	next := &swap{group: s.group, wish: s.wish, question: s.question + 1, requestID: id, reason: s.reason}
	return next, []effect{askPlan{next.question, next.group, next.wish}}
}

func (s *swap) planned(x planned, now time.Time) *swap {
	next := *s
	next.got, next.checkedAt = &x, now
	if x.err == nil {
		next.view = glance.PlanOf(x.status, x.preview, x.looked)
		next.wish.verb = x.preview.Verb
	}
	return &next
}

// stop takes the finger off: what was armed is armed no more.
func (s *swap) stop(why string) *swap {
	next := *s
	next.stage, next.hold, next.changed = looking, hold{}, why
	return &next
}

// request is what is fired: this plan, at the epoch that was shown.
func (s *swap) request(actor string) *message.Request {
	r := s.wish.request(s.requestID, s.group, actor)
	epoch := s.got.status.Epoch
	r.ExpectEpoch = &epoch
	if s.got.preview.Plan != nil {
		r.PlanHash = s.got.preview.Plan.Hash
	}
	r.Reason = strings.TrimSpace(s.reason)
	for _, code := range s.aside {
		if code != glance.Undoes { // naming the epoch is what sets that one aside
			r.Override = append(r.Override, code)
		}
	}
	return r
}

// shown asks about the plan that is shown, without what is only said when it is fired.
func (s *swap) shown(actor string) *message.Request {
	r := s.wish.request(s.requestID, s.group, actor)
	if s.got.preview.Plan != nil {
		r.PlanHash = s.got.preview.Plan.Hash
	}
	return r
}

// settable says whether a refusal can be set aside here.
func settable(r message.Reason) bool { return r.Overridable || r.Code == glance.Undoes }

// hopeless says why the button cannot be armed; "": it can.
func (s *swap) hopeless() string {
	switch {
	case s.got == nil:
		return "The plan is not there yet."
	case s.got.err != nil:
		return "There is no plan: nobody answered."
	case s.changed != "":
		return "This plan is not fired any more. g asks for the one of now."
	}
	v := s.got.preview
	for _, r := range v.Reasons {
		switch {
		case !settable(r):
			return r.Code + " stands against it, and cannot be set aside here."
		case !slices.Contains(s.aside, r.Code):
			return r.Code + " stands against it: set it aside first, by its number."
		}
	}
	if v.Plan == nil && s.wish.of == "" || !v.Accepted && len(v.Reasons) == 0 {
		return "There is no plan to fire: " + v.Sentence
	}
	return ""
}

// needsReason says whether something is overridden, which is written down with why.
func (s *swap) needsReason() bool {
	return slices.ContainsFunc(s.aside, func(code string) bool { return code != glance.Undoes })
}

func (m Model) swapKey(k tea.KeyPressMsg) (Model, []effect) {
	s := *m.swap
	s.note = ""
	m.swap = &s
	switch s.stage {
	case fired:
		return m, nil // one press is one request
	case arming:
		return m.armKey(k)
	case armed:
		if k.Code != tea.KeySpace {
			s.stage, s.hold, s.note = looking, hold{}, "Not armed any more."
			return m, nil
		}
		if why := m.deafened(); why != "" {
			m.swap = s.stop(why + " Nothing was asked.")
			return m, nil
		}
		held := false
		if s.hold, held = s.hold.press(m.now); !held {
			return m, nil
		}
		s.stage = fired
		return m, []effect{send{request: s.request(m.me), meant: slices.Contains(s.aside, glance.Undoes)}}
	}
	anew := func() (Model, []effect) {
		next, effects := s.again(m.newID())
		m.swap, m.scroll = next, 0
		return m, effects
	}
	switch name := k.String(); name {
	case "q":
		return m, []effect{quit{}}
	case "?":
		m.help = true
	case "esc", "left", "backspace":
		m.swap, m.screen, m.scroll = nil, groupPage, 0
	case "up", "k":
		m.move(-1)
	case "down", "j":
		m.move(1)
	case "pgup":
		m.move(-m.room())
	case "pgdown":
		m.move(m.room())
	case "g":
		return anew()
	case "v":
		if s.wish.of != "" { // what waits is what it is
			return m, nil
		}
		s.wish.verb = swapVerbs[(slices.Index(swapVerbs, s.wish.verb)+1)%len(swapVerbs)]
		return anew()
	case "t":
		if s.got != nil && s.got.err == nil && s.wish.of == "" {
			s.wish.to = nextTarget(s.got.status, s.wish.to)
			return anew()
		}
	case "h":
		if s.wish.verb == message.VerbDrill {
			s.wish.hold = holds[(slices.Index(holds, s.wish.hold)+1)%len(holds)]
			return anew()
		}
	case "enter":
		if why := s.hopeless(); why != "" {
			s.note = why
			return m, nil
		}
		s.stage, s.field, s.name = arming, nameField, ""
		if s.needsReason() && s.reason == "" {
			s.field = reasonField
		}
	default:
		if len(name) == 1 && name[0] >= '1' && name[0] <= '9' && s.got != nil && s.got.err == nil {
			s.toggle(int(name[0] - '1'))
		}
	}
	return m, nil
}

// toggle sets a refusal aside, or takes that back.
func (s *swap) toggle(i int) {
	all := s.got.preview.Reasons
	switch {
	case i >= len(all):
	case !settable(all[i]):
		s.note = all[i].Code + " cannot be set aside here."
	case slices.Contains(s.aside, all[i].Code):
		s.aside = slices.DeleteFunc(slices.Clone(s.aside), func(c string) bool { return c == all[i].Code })
	default:
		s.aside = append(slices.Clone(s.aside), all[i].Code)
	}
}

func nextTarget(status *message.GroupStatus, now string) string {
	all := []string{""} // the decider chooses
	for _, m := range status.Members {
		if m.Role != message.RolePrimary {
			all = append(all, m.Name)
		}
	}
	return all[(slices.Index(all, now)+1)%len(all)]
}

func (m Model) armKey(k tea.KeyPressMsg) (Model, []effect) {
	s := m.swap
	switch k.String() {
	case "esc":
		s.stage = looking
	case "tab", "shift+tab", "up", "down":
		s.field = 1 - s.field
	case "enter":
		switch {
		case s.needsReason() && strings.TrimSpace(s.reason) == "":
			s.field, s.note = reasonField, "Setting a refusal aside needs a reason, for the record."
		case s.name != s.group && s.field == reasonField:
			s.field = nameField
		case s.name != s.group:
			s.field, s.note = nameField, fmt.Sprintf("That is not the group's name. Type %s.", s.group)
		default:
			s.stage, s.armedAt, s.hold = armed, m.now, hold{}
		}
	default:
		if s.field == nameField {
			s.name, _ = edit(s.name, k)
		} else {
			s.reason, _ = edit(s.reason, k)
		}
	}
	return m, nil
}

func (m *Model) swapLines(w int) []line {
	s := m.swap
	if s.got == nil {
		return []line{row(t(off, "Asking what it would do …"))}
	}
	if s.got.err != nil {
		text := "No answer: " + s.got.err.Error() + "."
		if s.got.err == ask.ErrNobody {
			text = "No decider answers. Nothing was asked, and nothing will happen later."
		}
		return append(paragraph(bad, "", text, w), paragraph(plain, "", "On a host with the right key `ham status "+s.group+"` and `ham promote` work without this screen.", w)...)
	}
	v := s.got.preview
	var out []line
	add := func(l ...line) { out = append(out, l...) }
	if v.DryRun {
		add(row(t(loud, " DRY RUN: this would only be rehearsed. Nothing is changed. ")))
	}
	head := fmt.Sprintf("%s  %s → %s", v.Verb, cmp.Or(v.From, "nobody"), cmp.Or(v.To, "nobody"))
	if v.Verb == message.VerbDrill {
		head += fmt.Sprintf(", a hold of %s, and back", s.wish.hold)
	}
	add(row(t(strong, head), t(off, fmt.Sprintf("   epoch %d → %d", s.got.status.Epoch, v.Epoch))))
	add(paragraph(plain, "", v.Sentence, w)...)
	if len(v.Reasons) > 0 || !v.Accepted {
		add(nil, row(t(bad, "✗ It would be refused now:")))
		for i, r := range v.Reasons {
			box := "    "
			switch {
			case settable(r) && slices.Contains(s.aside, r.Code):
				box = fmt.Sprintf("%d [x]", i+1)
			case settable(r):
				box = fmt.Sprintf("%d [ ]", i+1)
			}
			text := r.Sentence
			switch {
			case r.Code == glance.Undoes:
				text += fmt.Sprintf("  (%d: it is meant)", i+1)
			case r.Overridable:
				text += fmt.Sprintf("  (%d sets it aside; that needs a reason)", i+1)
			default:
				text += "  (cannot be set aside)"
			}
			add(hanging(row(t(plain, " "+box+" "), t(warn, r.Code)), 13, plain, text, w)...)
		}
	}
	add(nil)
	add(hanging(row(t(strong, "recovery time")), 15, plain, s.view.RTO, w)...)
	add(hanging(row(t(strong, "would be lost")), 15, plain, s.view.RPO, w)...)
	if v.WayBack != "" {
		add(hanging(row(t(strong, "the way back")), 15, plain, v.WayBack, w)...)
	}
	if v.Plan == nil {
		return out
	}
	add(nil, row(t(strong, "STEPS"), t(off, "   plan "+v.Plan.Hash)))
	if s.view.Unlooked {
		add(paragraph(warn, "  ", "No executor answered what the steps would find now: without one nothing is carried out.", w)...)
	} else if s.view.Lookers != "" {
		add(row(t(off, "  "+s.view.Lookers+" looked what they would find now")))
	}
	for i, step := range s.view.Steps {
		add(hanging(row(t(plain, fmt.Sprintf("%2d", i+1))), 4, plain, step.Says, w)...)
		where := fmt.Sprintf("%s on %s, at most %s; if it fails %s", step.Driver, step.On, step.Limit, cmp.Or(step.OnFailure, "it waits for a person"))
		add(paragraph(off, "    ", where, w)...)
		switch {
		case step.Problem != "":
			add(paragraph(bad, "    ", "✗ "+step.Problem, w)...)
		case step.Already != "":
			add(paragraph(ok, "    ", "✓ is so already: "+step.Already, w)...)
		case step.Found != "" || step.Wanted != "":
			add(paragraph(info, "    ", step.Found+" → "+step.Wanted, w)...)
		}
	}
	return out
}

// button is the bottom of the page: how far the button is.
func (m *Model) button(w int) []line {
	s := m.swap
	what := "FIRE"
	if s.got != nil && s.got.err == nil && s.got.preview.DryRun {
		what = "REHEARSE"
	}
	var out []line
	if s.changed != "" {
		title := " NOT FIRED "
		if s.unsure {
			title = " NO ANSWER: IT MAY HAVE BEEN FIRED "
		}
		out = append(out, row(t(loud, title)))
		out = append(out, paragraph(bad, "", s.changed, w)...)
	}
	if s.note != "" {
		out = append(out, paragraph(warn, "", s.note, w)...)
	}
	switch s.stage {
	case arming:
		mark := func(f field) span {
			if s.field == f {
				return t(bar, " ")
			}
			return t(plain, " ")
		}
		why := "reason, for the record"
		if s.needsReason() {
			why = "reason, needed"
		}
		out = append(out,
			row(t(strong, "To arm, type the group's name ("+s.group+"): "), t(plain, s.name), mark(nameField)),
			row(t(plain, why+": "), t(plain, s.reason), mark(reasonField)))
	case armed:
		n := int(s.hold.progress(m.now) * 20)
		out = append(out,
			row(t(loud, " ARMED "), t(strong, fmt.Sprintf(" %s %s", s.got.preview.Verb, s.group)), t(plain, ": hold SPACE for 1.5 s to "+what+" (or tap it quickly)")),
			row(t(bad, strings.Repeat("█", n)), t(off, strings.Repeat("░", 20-n)), t(off, "  any other key disarms")))
	case fired:
		out = append(out, row(t(loud, " ASKED "), t(plain, " waiting for the answer …")))
	}
	return out
}
