package watch

import (
	"cmp"
	"slices"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/isacloud/ha-manager/pkg/ask"
	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/services/console/glance"
)

// Snapshot is what the board knew At a time.
type Snapshot struct {
	At     time.Time
	Bus    glance.Link
	Listed bool // the groups that are declared were read
	Groups []glance.Known
}

// asked says that of every group it is known how it is, or why that is not known.
func (s Snapshot) asked() bool {
	return s.Listed && !slices.ContainsFunc(s.Groups, func(g glance.Known) bool { return g.Status == nil && g.Problem == "" })
}

// What happens to the model besides keys and sizes.
type (
	// ticked says that time went on.
	ticked struct{}
	// planned answers an askPlan.
	planned struct {
		question int
		status   *message.GroupStatus
		preview  *message.Preview
		looked   *message.Looked
		err      error
	}
	// checked answers a check: "" where the plan is still the one shown.
	checked struct {
		question int
		changed  string
	}
	// answered says what became of a request.
	answered struct {
		request *message.Request
		outcome *message.Outcome
		err     error
	}
)

// An effect is something for the shell to do.
type effect any

type (
	quit    struct{}
	askPlan struct {
		question int
		group    string
		wish     wish
	}
	// check asks whether the plan of that request would still be fired.
	check struct {
		question int
		request  *message.Request
	}
	// send asks for the request. Unless the undoing of a swap of the last minutes is meant, it is looked for first.
	send struct {
		request *message.Request
		meant   bool
	}
)

type screen int

const (
	overview screen = iota
	groupPage
	swapPage
)

// Model is everything on the screen. It is a value: Update gives the next one.
type Model struct {
	me            string
	groups        []string // shown; empty: all
	ascii         bool
	width, height int
	now           time.Time
	snap          Snapshot

	screen   screen
	selected string // of the overview, by name: the order changes
	group    string // that is open
	scroll   int
	help     bool
	prompt   *prompt
	swap     *swap
	said     *said
	newID    func() string
}

// prompt asks for a word before a request is sent.
type prompt struct {
	title, warns string
	request      message.Request
	text         string
	needed       bool // the text may not be empty
}

// said is the last answer.
type said struct {
	at    time.Time
	tone  tone
	text  string
	group string
}

// NewModel makes the model for somebody of that name. The groups are those to show; none: all. newID makes ids of requests.
func NewModel(me string, groups []string, ascii bool, newID func() string) Model {
	if newID == nil {
		newID = ask.RequestID
	}
	m := Model{me: me, groups: groups, ascii: ascii, width: 80, height: 24, newID: newID}
	if len(groups) == 1 {
		m.screen, m.group, m.selected = groupPage, groups[0], groups[0]
	}
	return m
}

// Update takes what happened at that time.
func (m Model) Update(at time.Time, happened any) (Model, []effect) {
	if at.After(m.now) {
		m.now = at
	}
	switch x := happened.(type) {
	case Snapshot:
		m.take(x)
	case ticked:
		return m.tick()
	case tea.WindowSizeMsg:
		m.width, m.height = x.Width, x.Height
	case planned:
		if m.swap != nil && m.swap.question == x.question {
			m.swap = m.swap.planned(x, m.now)
		}
	case checked:
		if m.swap != nil && m.swap.question == x.question && x.changed != "" {
			m.swap = m.swap.stop(x.changed)
		}
	case answered:
		m.answered(x)
	case tea.KeyReleaseMsg: // few terminals tell; where one does, it is believed
		if m.swap != nil && m.swap.stage == armed && x.Code == tea.KeySpace {
			s := *m.swap
			s.hold = hold{}
			m.swap = &s
		}
	case tea.KeyPressMsg:
		return m.key(x)
	case tea.PasteMsg:
		m.typed(x.Content)
	}
	return m, nil
}

func (m *Model) take(s Snapshot) {
	if len(m.groups) > 0 {
		s.Groups = slices.DeleteFunc(slices.Clone(s.Groups), func(g glance.Known) bool { return !slices.Contains(m.groups, g.Name) })
	}
	m.snap = s
	if m.selected == "" && len(s.Groups) > 0 {
		m.selected = m.ordered()[0].Name
	}
}

func (m Model) tick() (Model, []effect) {
	s := m.swap
	if s == nil {
		return m, nil
	}
	next := *s
	if next.stage == armed && m.now.Sub(next.armedAt) > armedFor {
		next.stage, next.hold, next.note = looking, hold{}, "It was armed for half a minute and nobody fired: it is not armed any more."
	}
	m.swap = &next
	if next.stage == fired || next.got == nil || next.got.err != nil || next.changed != "" || m.now.Sub(next.checkedAt) < checkEvery {
		return m, nil
	}
	m.swap.checkedAt = m.now
	return m, []effect{check{next.question, next.shown(m.me)}}
}

func (m *Model) answered(x answered) {
	r := x.request
	m.said = &said{at: m.now, group: r.Group}
	switch {
	case x.err != nil:
		m.said.tone, m.said.text = bad, unanswered(r, x.err)
	case !x.outcome.Accepted:
		m.said.tone, m.said.text = warn, "Refused: "+reasons(x.outcome)
	default:
		m.said.tone, m.said.text = ok, x.outcome.Sentence
		if x.outcome.DryRun {
			m.said.text = "DRY RUN, nothing is changed: " + x.outcome.Sentence
		}
	}
	if m.swap == nil || m.swap.requestID != r.ID {
		return
	}
	if x.err == nil && x.outcome.Accepted {
		m.swap, m.screen, m.scroll = nil, groupPage, 0
		return
	}
	m.swap = m.swap.stop(m.said.text)
	if x.err != nil && x.err != ask.ErrNobody {
		m.swap.unsure = true
	}
}

func reasons(o *message.Outcome) string {
	if len(o.Reasons) == 0 {
		return o.Sentence
	}
	var all []string
	for _, r := range o.Reasons {
		all = append(all, r.Code+" "+r.Sentence)
	}
	return strings.Join(all, "  ")
}

func unanswered(r *message.Request, err error) string {
	if err == ask.ErrNobody {
		return "No decider answers. Nothing was asked, and nothing will happen later."
	}
	return "No answer to " + string(r.Verb) + " (" + r.ID + "): " + err.Error() + ". It may still be carried out: what is shown here tells."
}

// typed puts text into the field that is open, if one is.
func (m *Model) typed(text string) {
	text = strings.TrimSpace(clean(text))
	switch {
	case m.prompt != nil:
		p := *m.prompt
		p.text = limited(p.text + text)
		m.prompt = &p
	case m.swap != nil && m.swap.stage == arming && m.swap.field == reasonField: // a name is typed, not pasted: that is what it is for
		s := *m.swap
		s.reason = limited(s.reason + text)
		m.swap = &s
	}
}

// limited keeps a reason within what a request may carry.
func limited(s string) string {
	const most = 1000
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "")
	}
	return s
}

// edit is what a key does to a text in a field; false where it does nothing there.
func edit(text string, k tea.KeyPressMsg) (string, bool) {
	switch {
	case k.Code == tea.KeyBackspace:
		r := []rune(text)
		return string(r[:max(0, len(r)-1)]), true
	case k.String() == "ctrl+u":
		return "", true
	case k.Text != "" && !k.Mod.Contains(tea.ModCtrl) && !k.Mod.Contains(tea.ModAlt):
		return limited(text + clean(k.Text)), true
	}
	return text, false
}

func (m Model) key(k tea.KeyPressMsg) (Model, []effect) {
	name := k.String()
	if name == "ctrl+c" {
		return m, []effect{quit{}}
	}
	switch {
	case m.help:
		m.help = false
		return m, nil
	case m.prompt != nil:
		return m.promptKey(k)
	case m.screen == swapPage && m.swap != nil:
		return m.swapKey(k)
	}
	switch name {
	case "q":
		return m, []effect{quit{}}
	case "?":
		m.help = true
	case "up", "k":
		m.move(-1)
	case "down", "j":
		m.move(1)
	case "pgup":
		m.move(-m.room())
	case "pgdown":
		m.move(m.room())
	case "home":
		m.move(-1 << 20)
	case "end":
		m.move(1 << 20)
	case "enter", "right":
		if m.screen == overview && m.selected != "" {
			m.screen, m.group, m.scroll = groupPage, m.selected, 0
		}
	case "esc", "left", "backspace":
		if m.screen == groupPage {
			m.screen, m.scroll = overview, 0
		}
	default:
		return m.act(name)
	}
	return m, nil
}

// act is what a key asks for in the group that is chosen or open.
func (m Model) act(key string) (Model, []effect) {
	name := m.group
	if m.screen == overview {
		name = m.selected
	}
	g := m.find(name)
	if g == nil {
		return m, nil
	}
	open := func(title, warns string, verb message.Verb, needed bool) {
		m.prompt = &prompt{title: title, warns: warns, needed: needed, request: message.Request{ID: m.newID(), Group: name, Verb: verb, Actor: m.me, Via: "watch"}}
	}
	v := glance.Of(g, m.now, m.me)
	switch key {
	case "m":
		if g.Status != nil && g.Status.Pool != nil {
			m.said = &said{m.now, warn, name + " is a pool: it has no roles to move. `ham drain " + name + " MEMBER` takes one out, `ham undrain` puts it back.", name}
			return m, nil
		}
		s := newSwap(name, g.Status, m.newID())
		m.swap, m.screen, m.group, m.scroll = s, swapPage, name, 0
		return m, []effect{askPlan{s.question, name, s.wish}}
	case "n":
		open("Write down what was seen or done in "+name, "", message.VerbNote, true)
	case "p":
		switch {
		case g.Stale(m.now):
			m.said = &said{m.now, warn, "It is not known whether " + name + " is paused, so nothing was asked.", name}
		case g.Status.Paused:
			open("End the pause of "+name, "", message.VerbResume, false)
		default:
			open("Pause "+name+": no swap happens and no step begins until somebody resumes it", "", message.VerbPause, false)
		}
	case "y", "x":
		switch {
		case g.Stale(m.now):
			m.said = &said{m.now, warn, "It is not known what of " + name + " waits for a person, so nothing was asked.", name}
		case len(g.Status.Approvals) == 0:
			m.said = &said{m.now, off, "Nothing of " + name + " waits for a person.", name}
		case key == "y":
			s := newApproval(name, g.Status.Approvals[0].Request, m.newID())
			m.swap, m.screen, m.group, m.scroll = s, swapPage, name, 0
			return m, []effect{askPlan{s.question, name, s.wish}}
		default:
			w := g.Status.Approvals[0]
			title := "Reject " + w.Request + " of " + w.Actor + ": it does not happen"
			if w.Step != "" {
				title = "Reject step " + w.Step + ": the swap of " + w.Actor + " ends there"
			}
			open(title, w.Sentence, message.VerbReject, false)
			m.prompt.request.Of = w.Request
		}
	case "r", "s", "a":
		verb := map[string]message.Verb{"r": message.VerbRetry, "s": message.VerbSkip, "a": message.VerbAbort}[key]
		var epoch uint64
		switch {
		case g.Stale(m.now):
			m.said = &said{m.now, warn, "It is not known how the swap of " + name + " stands, so nothing was asked.", name}
			return m, nil
		case v.Stopped != nil:
			epoch = v.Stopped.Epoch
		case verb == message.VerbAbort && g.Status.Swap != nil:
			epoch = g.Status.Swap.Epoch
		default:
			m.said = &said{m.now, off, "No swap of " + name + " waits for that.", name}
			return m, nil
		}
		title := map[message.Verb]string{
			message.VerbRetry: "Try the step again at which the swap of " + name + " stopped", message.VerbSkip: "Go on without the step at which the swap of " + name + " stopped",
			message.VerbAbort: "End the swap of " + name + " where it is",
		}[verb]
		warns := ""
		if verb != message.VerbRetry {
			warns = "What was done stays done, and what was not done is not done later. The record has it under your name."
		}
		open(title, warns, verb, false)
		m.prompt.request.ExpectEpoch = &epoch
		if v.Stopped != nil && verb != message.VerbAbort {
			m.prompt.request.Step = v.Stopped.Step
		}
	}
	return m, nil
}

func (m Model) promptKey(k tea.KeyPressMsg) (Model, []effect) {
	p := *m.prompt
	m.prompt = &p
	switch k.String() {
	case "esc":
		m.prompt = nil
		return m, nil
	case "enter":
		if p.needed && strings.TrimSpace(p.text) == "" {
			return m, nil
		}
		m.prompt = nil
		r := p.request
		r.Reason = strings.TrimSpace(p.text)
		m.said = &said{m.now, info, "Asked: " + string(r.Verb) + " " + r.Group + " …", r.Group}
		return m, []effect{send{request: &r, meant: true}}
	}
	p.text, _ = edit(p.text, k)
	return m, nil
}

// move goes up or down: the choice on the overview, the page elsewhere.
func (m *Model) move(by int) {
	if m.screen != overview {
		m.scroll = max(0, m.scroll+by) // drawing keeps it within the page
		return
	}
	all := m.ordered()
	if len(all) == 0 {
		return
	}
	at := slices.IndexFunc(all, func(v *glance.Group) bool { return v.Name == m.selected })
	m.selected = all[max(0, min(len(all)-1, at+by))].Name
}

func (m *Model) find(name string) *glance.Known {
	for i := range m.snap.Groups {
		if m.snap.Groups[i].Name == name {
			return &m.snap.Groups[i]
		}
	}
	return nil
}

// ordered are the groups as they are shown, the loudest first.
func (m *Model) ordered() []*glance.Group {
	var all []*glance.Group
	for i := range m.snap.Groups {
		all = append(all, glance.Of(&m.snap.Groups[i], m.now, m.me))
	}
	rank := []string{"bad", "off", "info", "warn", "ok"}
	slices.SortStableFunc(all, func(a, b *glance.Group) int {
		return cmp.Or(cmp.Compare(slices.Index(rank, a.Mark.Tone), slices.Index(rank, b.Mark.Tone)), cmp.Compare(a.Name, b.Name))
	})
	return all
}
