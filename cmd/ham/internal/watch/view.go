package watch

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/isacloud/ha-manager/services/console/glance"
)

// shapes are those of the page, in one cell each.
var shapes = map[string]string{
	"ok": "✓", "cross": "✗", "warn": "!", "ask": "?", "gone": "?", "hand": "»", "swap": "⇄", "pause": "‖", "dry": "◌", "dot": "·", "skip": "↷", "note": "•",
}

var tones = map[string]tone{"ok": ok, "warn": warn, "bad": bad, "info": info, "off": off}

func mark(k glance.Mark) span { return t(tones[k.Tone], cmp.Or(shapes[k.Icon], "·")+" "+k.Word) }

// screenful is the room of each part of the screen, top to bottom.
type screenful struct {
	head, body, foot []line
	scrolls          bool
}

// View draws the screen: height rows of at most width cells.
func (m Model) View() string {
	s := m.parts()
	height, width := max(1, m.height), max(1, m.width)
	if len(s.head) > height {
		s.head = s.head[:height]
	}
	if len(s.head)+len(s.foot) > height { // a tiny terminal: what is wrong comes before what can be done
		s.foot = s.foot[:height-len(s.head)]
	}
	room := height - len(s.head) - len(s.foot)
	from := 0
	if s.scrolls {
		from = max(0, min(m.scroll, len(s.body)-room))
	}
	body := s.body[min(from, len(s.body)):]
	if len(body) > room {
		body = slices.Clone(body[:room])
		if room > 1 {
			body[room-1] = row(t(off, fmt.Sprintf("… %d more rows: ↓", len(s.body)-from-room+1)))
		}
	}
	rows := slices.Clone(s.head)
	rows = append(rows, body...)
	for len(rows) < height-len(s.foot) {
		rows = append(rows, nil)
	}
	rows = append(rows, s.foot...)
	var b strings.Builder
	for i, l := range rows {
		if i > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(l.render(width, m.ascii))
	}
	return b.String()
}

// room is how many rows the body has.
func (m Model) room() int {
	s := m.parts()
	return max(1, m.height-len(s.head)-len(s.foot)-1)
}

func (m Model) parts() screenful {
	w := max(10, m.width)
	s := screenful{head: append([]line{m.title()}, m.alarms(w)...)}
	if m.help {
		s.body, s.scrolls, s.foot = helpLines(w), true, []line{row(t(off, "any key goes back"))}
		return s
	}
	switch {
	case m.screen == swapPage && m.swap != nil:
		s.body, s.scrolls = m.swapLines(w), true
		s.foot = append(s.foot, rule(w))
		s.foot = append(s.foot, m.button(w)...)
		s.foot = append(s.foot, keys(w, m.swapKeys()...))
		return s
	case m.screen == groupPage:
		s.body, s.scrolls = m.groupLines(w), true
	default:
		s.body = m.overviewLines(w, m.height-len(s.head)-1-m.newsRows())
	}
	s.foot = append(s.foot, m.news(w)...)
	switch {
	case m.prompt != nil:
		p := m.prompt
		s.foot = append(s.foot, rule(w))
		s.foot = append(s.foot, paragraph(strong, "", p.title+".", w)...)
		if p.warns != "" {
			s.foot = append(s.foot, paragraph(warn, "", p.warns, w)...)
		}
		label := "reason, for the record: "
		if p.needed {
			label = "text: "
		}
		s.foot = append(s.foot, row(t(plain, label), t(strong, p.text), t(bar, " ")), keys(w, "enter", "ask for it", "esc", "back"))
	case m.screen == groupPage:
		s.foot = append(s.foot, m.saying(w)...)
		s.foot = append(s.foot, keys(w, m.groupKeys()...))
	default:
		s.foot = append(s.foot, m.saying(w)...)
		s.foot = append(s.foot, keys(w, "↑↓", "choose", "enter", "open", "m", "move its roles", "?", "keys", "q", "leave"))
	}
	return s
}

func rule(w int) line { return row(t(off, strings.Repeat("─", w))) }

// keys are what can be pressed: key, what it does, key, what it does. What has no room is left out from the middle: the last two stay.
func keys(w int, pairs ...string) line {
	length := func(p []string) int {
		n := 0
		for i, s := range p {
			n += len([]rune(s)) + 1 + i%2
		}
		return n
	}
	for length(pairs) > w && len(pairs) > 4 {
		pairs = slices.Delete(slices.Clone(pairs), len(pairs)-6, len(pairs)-4)
	}
	var l line
	for i := 0; i+1 < len(pairs); i += 2 {
		l = append(l, t(strong, pairs[i]), t(off, " "+pairs[i+1]+"  "))
	}
	return l
}

// title is the first row: where one is, and that time goes on.
func (m Model) title() line {
	where := "ham watch"
	switch {
	case m.help:
		where += "  keys"
	case m.screen == swapPage && m.swap != nil:
		where += map[bool]string{true: "  move the roles of ", false: "  approve for "}[m.swap.wish.of == ""] + m.swap.group
	case m.screen == groupPage:
		where += "  " + m.group
	default:
		where += fmt.Sprintf("  %d group%s", len(m.snap.Groups), map[bool]string{true: "", false: "s"}[len(m.snap.Groups) == 1])
	}
	clock := ""
	if !m.now.IsZero() {
		clock = glance.Clock(m.now) + " UTC"
	}
	gap := m.width - len([]rune(where)) - len(clock) - 2
	if gap < 1 {
		return row(t(bar, " "+where+" "))
	}
	return row(t(bar, " "+where+strings.Repeat(" ", gap)+clock+" "))
}

// deaf is for how long nothing came from the board before that is said.
const deaf = 3 * time.Second

// deafened says why nothing on the screen is how it is now; "": it may be.
func (m Model) deafened() string {
	if quiet := m.now.Sub(m.snap.At); quiet > deaf {
		return "OLD: this program has learnt nothing for " + glance.Age(quiet) + "."
	}
	if !m.snap.Bus.Up {
		return "OLD: the bus is away for " + glance.Age(m.now.Sub(m.snap.Bus.Since)) + "."
	}
	return ""
}

// alarms say what of the screen is not so any more. They stand above everything else, on every screen.
func (m Model) alarms(w int) []line {
	var out []line
	shout := func(text string) {
		for _, l := range paragraph(loud, "", text, w-2) {
			out = append(out, row(t(loud, " "), t(loud, strings.TrimRight(l[1].text, " "))))
		}
	}
	if m.snap.At.IsZero() {
		return []line{row(t(off, " reading what is declared …"))}
	}
	if why := m.deafened(); why != "" {
		shout(why + " What stands below is how it was; nothing can be asked. Without a bus: `ham promote` on the host.")
		return out
	}
	why := map[string][]string{}
	var order []string
	for i := range m.snap.Groups {
		g := &m.snap.Groups[i]
		if !g.Stale(m.now) || m.screen != overview && g.Name != m.group {
			continue
		}
		text := cmp.Or(g.Problem, "it was not asked yet")
		age, known := g.Age(m.now)
		if known {
			text = cmp.Or(g.Problem, "no newer answer came")
		}
		if known && m.screen != overview {
			text += ", the last answer is " + glance.Age(age) + " old"
		}
		if why[text] == nil {
			order = append(order, text)
		}
		why[text] = append(why[text], g.Name)
	}
	for _, text := range order {
		names := why[text]
		if len(names) > 4 {
			names = append(slices.Clone(names[:3]), fmt.Sprintf("%d more", len(names)-3))
		}
		shout("NOT KNOWN how " + strings.Join(names, ", ") + " stands: " + text + ".")
	}
	return out
}

func (m Model) saying(w int) []line {
	if m.said == nil || m.now.Sub(m.said.at) > time.Minute {
		return nil
	}
	text := paragraph(m.said.tone, "", glance.Clock(m.said.at)+"  "+m.said.text, w)
	return text[:min(len(text), 4)]
}

func (m Model) overviewLines(w, room int) []line {
	all := m.ordered()
	if len(all) == 0 {
		if !m.snap.Listed {
			return nil
		}
		return paragraph(plain, "", "No group is declared here. `ham apply FILE` declares one; `ham validate FILE` checks it before.", w)
	}
	two := len(all)*2 <= room // the sentence of each, where there is room
	per := 1
	if two {
		per = 2
	}
	at := max(0, slices.IndexFunc(all, func(v *glance.Group) bool { return v.Name == m.selected }))
	shown := max(1, (room-1)/per)
	from := max(0, min(at-shown/2, len(all)-shown))
	var out []line
	name := 8
	for _, v := range all {
		name = max(name, min(len(v.Name)+2, 24))
	}
	wide := w >= name+70
	if wide {
		out = append(out, row(cell(off, "", 2), cell(off, "GROUP", name), cell(off, "STATE", 22), cell(off, "PRIMARY", 10), cell(off, "LEASE", 18), cell(off, "LAG, AGE", 19)))
	}
	for _, v := range all[from:min(len(all), from+shown)] {
		point := "  "
		nameTone := plain
		if v.Name == m.selected {
			point, nameTone = "> ", strong
		}
		k := mark(v.Mark)
		l := row(t(strong, point), cell(nameTone, v.Name, name), cell(k.tone, k.text, 22))
		if wide {
			lease, lag := "none", "–"
			leaseTone := off
			if v.Lease != nil {
				x := mark(v.Lease.Mark)
				lease, leaseTone = x.text, x.tone
			}
			for _, b := range v.Members {
				if b.Lag != "" {
					size, _, _ := strings.Cut(b.Lag, ", ") // how much; how long stands on the group's page
					lag = size + ", " + b.LagAge
				}
			}
			primary := cmp.Or(v.Primary, "nobody")
			if v.Pool != nil {
				primary = fmt.Sprintf("%d of %d", v.Pool.Serve, v.Pool.Active)
			}
			if !v.Fresh {
				primary = "was " + primary
			}
			l = append(l, cell(plain, primary, 10), cell(leaseTone, lease, 18), cell(plain, lag, 19))
		}
		incident := t(plain, "")
		if v.Incident != "" {
			incident = t(bad, v.Incident+"  ")
		}
		if !two {
			l = append(l, incident)
		}
		out = append(out, l)
		if two {
			sentence := cmp.Or(v.Sentence, v.Problem)
			if !v.Fresh && v.Sentence != "" {
				sentence = "was: " + sentence
			}
			out = append(out, row(t(plain, "    "), incident, t(off, sentence)))
		}
	}
	if left := len(all) - shown; left > 0 {
		out = append(out, row(t(off, fmt.Sprintf("  … %d of %d shown", shown, len(all)))))
	}
	return out
}

// newsRows is how many events are shown below.
func (m Model) newsRows() int { return max(0, min(8, m.height/4)) }

// news are the newest events of what is shown, the newest last.
func (m Model) news(w int) []line {
	type told struct {
		group string
		line  *glance.Line
	}
	var all []told
	for i := range m.snap.Groups {
		g := &m.snap.Groups[i]
		if m.screen == groupPage && g.Name != m.group {
			continue
		}
		for _, l := range g.Lines {
			all = append(all, told{g.Name, l})
		}
	}
	slices.SortStableFunc(all, func(a, b told) int { return cmp.Compare(b.line.Seq, a.line.Seq) })
	n := m.newsRows()
	if n < 2 {
		return nil
	}
	all = all[:min(len(all), n-1)]
	slices.Reverse(all)
	out := []line{rule(w)}
	for _, x := range all {
		l := row(t(off, glance.Clock(x.line.At)+" "), eventMark(x.line))
		if m.screen != groupPage {
			l = append(l, t(strong, " "+x.group))
		}
		out = append(out, append(l, t(plain, " "+x.line.Event.Sentence)))
	}
	return out
}

func eventMark(l *glance.Line) span {
	switch l.Event.Severity {
	case "debug", "info":
		return t(off, "·")
	case "notice":
		return t(info, "•")
	case "warning":
		return t(warn, "!")
	}
	return t(bad, "✗")
}

func (m Model) groupKeys() []string {
	out := []string{"m", "move the roles"}
	if g := m.find(m.group); g != nil {
		v := glance.Of(g, m.now, m.me)
		if v.Pool != nil {
			out = nil
		}
		switch {
		case v.Stopped != nil:
			out = []string{"r", "retry", "s", "skip", "a", "abort"}
		case v.Run != nil && !v.Run.Over:
			out = []string{"a", "abort"}
		case v.Paused != "":
			out = append(out, "p", "resume")
		default:
			out = append(out, "p", "pause")
		}
		if g.Status != nil && len(g.Status.Approvals) > 0 {
			out = append([]string{"y", "approve", "x", "reject"}, out...)
		}
	}
	return append(out, "n", "note", "↑↓", "scroll", "esc", "all groups", "?", "keys", "q", "leave")
}

func (m Model) swapKeys() []string {
	s := m.swap
	switch s.stage {
	case arming:
		return []string{"enter", "arm", "tab", "other field", "esc", "back"}
	case armed:
		return []string{"SPACE", "hold", "esc", "disarm"}
	case fired:
		return []string{"ctrl+c", "leave (it goes on)"}
	}
	out := []string{"enter", "arm", "v", "other swap", "t", "other target"}
	if s.wish.of != "" {
		out = []string{"enter", "arm"}
	}
	if s.wish.verb == "drill" {
		out = append(out, "h", "hold")
	}
	return append(out, "g", "ask anew", "↑↓", "scroll", "esc", "back", "?", "keys")
}

func helpLines(w int) []line {
	var out []line
	for _, k := range [][2]string{
		{"↑ ↓ k j", "choose a group; scroll a page. PgUp, PgDn, Home, End go further"},
		{"enter →", "open the group"},
		{"esc ←", "go back"},
		{"m", "move the roles: the plan, what stands against it, then the button"},
		{"p", "pause the group, or end its pause"},
		{"n", "write a note into the record"},
		{"y x", "approve or reject what waits for a person, a swap or a step of one: the plan as it was shown, then the button"},
		{"r s a", "retry, skip, abort: where a swap waits for a person"},
		{"q ctrl+c", "leave; what was asked goes on"},
		{"", ""},
		{"", "On the plan:"},
		{"v t h", "another kind of swap, another target, another hold of a drill"},
		{"1 … 9", "set that refusal aside, where a person may"},
		{"g", "ask for the plan anew"},
		{"enter", "begin to arm: type the group's name, then enter"},
		{"SPACE", "when armed, held for 1.5 s: fire. A terminal tells of keys that go down only, so holding is seen by the key's repeats; without " +
			"repeats tap it quickly (more than 2 a second). Any other key disarms, and so does half a minute"},
		{"", ""},
		{"", "A word and a shape say every state; colours repeat it. NO_COLOR=1 leaves them out."},
		{"", "If the clock above does not go on, the connection to this screen hangs: nothing on it is so any more."},
	} {
		out = append(out, hanging(row(t(strong, " "+k[0])), 11, plain, k[1], w)...)
	}
	return out
}
