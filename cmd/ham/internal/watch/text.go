package watch

import (
	"strings"

	"charm.land/lipgloss/v2"
	"github.com/charmbracelet/x/ansi"

	"github.com/isacloud/ha-manager/pkg/legible"
)

// tone is how loud a text is. Every state has a word and a shape too: without colours nothing is lost.
type tone int

const (
	plain tone = iota
	ok
	warn
	bad
	info
	off
	strong
	bar  // the row that says where one is
	loud // what must not be overlooked
)

var styles = map[tone]lipgloss.Style{
	ok:     lipgloss.NewStyle().Foreground(lipgloss.Green),
	warn:   lipgloss.NewStyle().Foreground(lipgloss.Yellow),
	bad:    lipgloss.NewStyle().Foreground(lipgloss.Red).Bold(true),
	info:   lipgloss.NewStyle().Foreground(lipgloss.Cyan),
	off:    lipgloss.NewStyle().Faint(true),
	strong: lipgloss.NewStyle().Bold(true),
	bar:    lipgloss.NewStyle().Reverse(true),
	loud:   lipgloss.NewStyle().Foreground(lipgloss.Red).Bold(true).Reverse(true),
}

// span is a text in one tone, line a row of the screen.
type (
	span struct {
		tone tone
		text string
	}
	line []span
)

func t(tn tone, text string) span { return span{tn, text} }
func row(spans ...span) line      { return spans }

// clean makes one line of a text, without what a terminal would obey or a reader be misled by.
func clean(s string) string { return legible.Line(s) }

// plainLetters writes what an old terminal cannot, in the letters that it has.
var plainLetters = map[rune]string{
	'✓': "+", '✗': "x", '⇄': "~", '‖': "=", '◌': "o", '·': ".", '•': "*", '→': "->", '↷': "/", '–': "-", '—': "-", '…': "...", '≤': "<=", 'µ': "u",
	'»': ">", '█': "#", '░': ".", '─': "-", '↑': "up", '↓': "down", '“': "\"", '”': "\"", '’': "'",
}

func inPlainLetters(s string) string {
	var b strings.Builder
	for _, r := range s {
		switch to, known := plainLetters[r]; {
		case r < 0x80:
			b.WriteRune(r)
		case known:
			b.WriteString(to)
		default:
			b.WriteByte('?')
		}
	}
	return b.String()
}

// render writes a row into exactly width cells. It is the only way of a text to the terminal.
func (l line) render(width int, ascii bool) string {
	var b strings.Builder
	left, last := width, plain
	for _, s := range l {
		text := clean(s.text)
		if ascii {
			text = inPlainLetters(text)
		}
		if w := ansi.StringWidth(text); w > left {
			tail := "…"
			if ascii {
				tail = "~"
			}
			text = ansi.Truncate(text, left, tail)
		}
		left -= ansi.StringWidth(text)
		last = s.tone
		b.WriteString(paint(s.tone, text))
		if left <= 0 {
			break
		}
	}
	if left > 0 && (last == bar || last == loud) {
		b.WriteString(paint(last, strings.Repeat(" ", left)))
	}
	return b.String()
}

func paint(tn tone, text string) string {
	if style, styled := styles[tn]; styled && text != "" {
		return style.Render(text)
	}
	return text
}

// paragraph breaks a text into rows of at most width cells, each behind the indent.
func paragraph(tn tone, indent, text string, width int) []line {
	room := max(10, width-ansi.StringWidth(indent))
	var out []line
	for _, s := range strings.Split(ansi.Wrap(clean(text), room, ""), "\n") {
		out = append(out, row(t(plain, indent), t(tn, s)))
	}
	return out
}

// hanging is a paragraph whose first row begins with a head instead of the indent.
func hanging(head line, indent int, tn tone, text string, width int) []line {
	out := paragraph(tn, strings.Repeat(" ", indent), text, width)
	out[0] = append(pad(head, indent), out[0][1:]...)
	return out
}

// pad fills a row with blanks up to the column; at least one separates it from what follows.
func pad(l line, column int) line {
	w := 0
	for _, s := range l {
		w += ansi.StringWidth(clean(s.text))
	}
	return append(append(line{}, l...), t(plain, strings.Repeat(" ", max(1, column-w))))
}

// cell is a text in exactly width cells.
func cell(tn tone, text string, width int) span {
	text = clean(text)
	if ansi.StringWidth(text) > width-1 {
		text = ansi.Truncate(text, width-1, "…")
	}
	return t(tn, text+strings.Repeat(" ", max(0, width-ansi.StringWidth(text))))
}
