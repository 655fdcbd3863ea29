package words

import (
	"cmp"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"
)

// Speaker says things in one language. It is safe for concurrent use; get it from [Of].
type Speaker struct {
	lang    Lang
	entries []*entry
	index   index
	texts   map[string]string

	mu    sync.Mutex
	known map[string]said
}

// said is a translated sentence: missing holds the parts that nobody has translated.
type said struct {
	text    string
	missing []string
}

var speakers = map[Lang]*Speaker{
	English: {lang: English},
	Portuguese: newSpeaker(Portuguese,
		[]map[string]string{
			notifierTexts,
			reportTexts,
			consoleTexts,
			deskTexts,
			pagesTexts,
			chatTexts,
			cliTexts,
			rollTexts,
			partTexts,
		},
		rules,
		core,
		remedy,
		executor,
		others,
		pages,
		status,
		notifier,
		pool,
		parts,
	),
}

// Of returns the speaker of a language, that of English where there is no such language.
func Of(l Lang) *Speaker {
	if s := speakers[l]; s != nil {
		return s
	}
	return speakers[English]
}

// Lang is the language spoken.
func (s *Speaker) Lang() Lang { return s.lang }

// Say translates a sentence that ham made. What is not known stays as it is in English: a sentence in the wrong language helps,
// one that is missing does not. Names, addresses and what other programs and people said are never translated.
func (s *Speaker) Say(sentence string) string { return s.say(sentence).text }

// Missing returns the parts of a sentence that have no translation; none for English. Tests hold that there are none.
func (s *Speaker) Missing(sentence string) []string { return s.say(sentence).missing }

const (
	longest  = 4 << 10 // a sentence beyond this many bytes is shown as it is
	memory   = 4096    // sentences remembered
	deepest  = 12      // sentences within sentences
	patience = 2 << 20 // bytes that are compared with formats for one sentence, so that hostile text costs little
)

func (s *Speaker) say(sentence string) said {
	if s.lang == English || strings.TrimSpace(sentence) == "" {
		return said{text: sentence}
	}
	if len(sentence) > longest {
		return said{sentence, []string{sentence}}
	}
	s.mu.Lock()
	if have, ok := s.known[sentence]; ok {
		s.mu.Unlock()
		return have
	}
	s.mu.Unlock()
	t := translation{s: s, left: patience, seen: map[string]said{}}
	out := t.say(sentence, 0)
	if c := sentence[0]; len(out.missing) > 0 && 'A' <= c && c <= 'Z' { // a part of a sentence that became one
		if small := t.say(string(c-'A'+'a')+sentence[1:], 0); gap(small) < gap(out) {
			out = said{upper(small.text), small.missing}
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.known == nil || len(s.known) >= memory {
		s.known = map[string]said{}
	}
	s.known[sentence] = out
	return out
}

// upper begins a sentence.
func upper(s string) string {
	r, n := utf8.DecodeRuneInString(s)
	return string(unicode.ToUpper(r)) + s[n:]
}

// translation is the work on one sentence.
type translation struct {
	s    *Speaker
	left int
	seen map[string]said
}

func (t *translation) say(in string, depth int) said {
	if have, ok := t.seen[in]; ok {
		return have
	}
	nothing := said{in, []string{in}}
	if depth > deepest || t.left <= 0 {
		return nothing
	}
	t.seen[in] = nothing // against a sentence that would need itself
	out := t.whole(in, depth)
	if len(out.missing) > 0 {
		if parts := t.parts(in, depth); parts.text != "" && gap(parts) < gap(out) {
			out = parts
		}
	}
	if len(out.missing) > 0 {
		// Many sentences have an "and": only where each part is one of its own was it a list.
		if list := t.list(in, depth); list.text != "" && len(list.missing) == 0 {
			out = list
		}
	}
	// Also where nothing is missing: with the stop, a figure at the end is none, and less of the sentence may be known than without.
	if body, ok := strings.CutSuffix(in, "."); ok && body != "" {
		if without := t.say(body, depth+1); gap(without) <= gap(out) {
			out = said{without.text + ".", without.missing}
		}
	}
	t.seen[in] = out
	return out
}

// gap is how much of a sentence was not translated, in bytes.
func gap(s said) (n int) {
	for _, m := range s.missing {
		n += len(m)
	}
	return n
}

// whole finds the format that the sentence was made with: of those that fit the one that leaves least in English, then the most literal.
func (t *translation) whole(in string, depth int) said {
	best := said{in, []string{in}}
	t.left -= len(in)
	for _, e := range t.s.index.candidates(in) {
		if t.left <= 0 {
			return best
		}
		values, steps := e.match(in)
		if t.left -= len(in) + 16*steps; values == nil {
			continue
		}
		out := t.render(e, values, depth)
		if gap(out) < gap(best) {
			if best = out; len(best.missing) == 0 {
				return best
			}
		}
	}
	return best
}

// parts takes apart what was joined by "; ", as reasons are.
func (t *translation) parts(in string, depth int) said {
	best := said{}
	for i := len(in); ; {
		if i = strings.LastIndex(in[:i], "; "); i <= 0 || t.left <= 0 {
			return best
		}
		left, right := t.whole(in[:i], depth+1), t.say(in[i+2:], depth+1)
		out := said{left.text + "; " + right.text, slices.Concat(left.missing, right.missing)}
		if best.text == "" || gap(out) < gap(best) {
			best = out
		}
		if len(out.missing) == 0 {
			return best
		}
	}
}

func (t *translation) render(e *entry, values []string, depth int) said {
	var out said
	done := make(map[string]string, len(values))
	for i, h := range e.holes {
		if _, ok := done[h.name]; ok {
			continue
		}
		filled := t.fill(h.kind, values[i], depth+1)
		done[h.name] = filled.text
		out.missing = append(out.missing, filled.missing...)
	}
	var b strings.Builder
	for _, p := range e.other {
		if b.WriteString(p.literal); p.hole != "" {
			b.WriteString(done[p.hole])
		}
	}
	out.text = b.String()
	return out
}

func (t *translation) fill(kind, value string, depth int) said {
	switch kind {
	case "span", "size":
		return said{text: strings.ReplaceAll(value, ".", ",")}
	case "took":
		return said{text: t.s.Figure(value)}
	case "word":
		return said{text: t.s.T(value)}
	case "list":
		if value == "nobody" {
			return said{text: "ninguém"}
		}
		if head, last, ok := cutLast(value, " and "); ok && more.MatchString(last) {
			return said{text: head + " e mais " + strings.TrimSuffix(last, " more")}
		}
		if head, last, ok := cutLast(value, " and "); ok {
			value = head + " e " + last
		}
		return said{text: value}
	case "say":
		return t.say(value, depth)
	case "try":
		return said{text: t.say(value, depth).text}
	case "tail":
		return t.after("; ", value, depth)
	case "then":
		return t.after(", ", value, depth)
	case "aside":
		if inner, ok := strings.CutPrefix(value, " ("); ok {
			return said{text: " (" + t.say(strings.TrimSuffix(inner, ")"), depth).text + ")"}
		}
	}
	return said{text: value}
}

// after translates what stands behind a separator, if anything does.
func (t *translation) after(sep, value string, depth int) said {
	rest, ok := strings.CutPrefix(value, sep)
	if !ok {
		return said{text: value}
	}
	out := t.say(rest, depth)
	out.text = sep + out.text
	return out
}

// list translates sentences that were listed: "a is silent, b is late and c is gone".
func (t *translation) list(in string, depth int) said {
	head, last, ok := cutLast(in, " and ")
	if !ok {
		return said{}
	}
	var out said
	all := append(strings.Split(head, ", "), last)
	for i, one := range all {
		switch {
		case i == 0:
		case i == len(all)-1:
			out.text += " e "
		default:
			out.text += ", "
		}
		said := t.whole(one, depth+1)
		out.text += said.text
		out.missing = append(out.missing, said.missing...)
	}
	return out
}

func cutLast(s, sep string) (before, after string, ok bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}

// entry is one format in English and in the other language.
type entry struct {
	english string
	anchor  string // its longest literal part
	weight  int    // literal bytes: the more, the surer a fit
	rank    int    // its place in the order in which formats are tried
	pieces  []piece
	holes   []hole
	other   []piece
}

type hole struct{ name, kind string }

// more is how a list ends that is not told to its end.
var more = regexp.MustCompile(`^[0-9]+ more$`)

// piece is literal text and the hole behind it.
type piece struct {
	literal, hole string
	kind          kind
}

var holeForm = regexp.MustCompile(`\{([a-z_0-9]+)(?::([a-z]*))?\}`)

func newSpeaker(l Lang, texts []map[string]string, catalogs ...[][2]string) *Speaker {
	s := &Speaker{lang: l, texts: map[string]string{}}
	for _, t := range texts {
		for english, other := range t {
			if had, ok := s.texts[english]; ok && had != other {
				panic("words: " + english + " is both " + had + " and " + other + ": two meanings need two English texts")
			}
			s.texts[english] = other
		}
	}
	for _, c := range catalogs {
		for _, pair := range c {
			s.entries = append(s.entries, newEntry(pair[0], pair[1]))
		}
	}
	slices.SortStableFunc(s.entries, func(a, b *entry) int { return cmp.Compare(b.weight, a.weight) })
	for i, e := range s.entries {
		e.rank = i
	}
	s.index = newIndex(s.entries)
	return s
}

// newEntry panics on a catalog that contradicts itself: that is a fault of the program, found by any test.
func newEntry(english, other string) *entry {
	e := &entry{english: english}
	names := map[string]bool{}
	for _, p := range cut(english) {
		e.weight += len(p.literal)
		if len(p.literal) > len(e.anchor) {
			e.anchor = p.literal
		}
		if p.hole != "" {
			name, form, _ := strings.Cut(p.hole, ":")
			k, ok := kinds[form]
			if !ok {
				panic("words: no such kind of hole: " + english)
			}
			p.kind = k
			e.holes = append(e.holes, hole{name, form})
			names[name] = true
		}
		e.pieces = append(e.pieces, p)
	}
	for _, p := range cut(other) {
		if p.hole != "" && !names[p.hole] {
			panic("words: {" + p.hole + "} is not in the English of: " + english)
		}
		delete(names, "-"+p.hole)
		e.other = append(e.other, p)
	}
	return e
}

// cut takes a format apart.
func cut(format string) []piece {
	var out []piece
	at := 0
	for _, m := range holeForm.FindAllStringIndex(format, -1) {
		out = append(out, piece{literal: format[at:m[0]], hole: format[m[0]+1 : m[1]-1]})
		at = m[1]
	}
	if at < len(format) {
		out = append(out, piece{literal: format[at:]})
	}
	return out
}

// Formats returns the English of every format that has a translation; none for English. Tests compare it with what services say.
func (s *Speaker) Formats() []string {
	out := make([]string, len(s.entries))
	for i, e := range s.entries {
		out[i] = e.english
	}
	return out
}

// Texts returns the English of every text that has a translation, sorted; none for English.
func (s *Speaker) Texts() []string { return slices.Sorted(maps.Keys(s.texts)) }

// Lost returns the formats whose other side leaves out something that the English names. Tests hold that there are none.
func (s *Speaker) Lost() []string {
	var out []string
	for _, e := range s.entries {
		for _, h := range e.holes {
			if !slices.ContainsFunc(e.other, func(p piece) bool { return p.hole == h.name }) {
				out = append(out, e.english+": {"+h.name+"}")
			}
		}
	}
	return out
}
