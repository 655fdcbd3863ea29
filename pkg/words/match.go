package words

import (
	"cmp"
	"regexp"
	"slices"
	"strings"
)

// effort bounds the steps of one comparison of a sentence with a format. What comes from ham takes a few dozen.
const effort = 20000

// match returns what fills the holes, nil where the sentence was not made with this format. Steps is what it took.
func (e *entry) match(in string) (values []string, steps int) {
	m := matcher{in: in, pieces: e.pieces, values: make([]string, len(e.holes))}
	if !m.from(0, 0) {
		return nil, m.steps
	}
	for i, h := range e.holes {
		for j := range i {
			if e.holes[j].name == h.name && m.values[j] != m.values[i] {
				return nil, m.steps
			}
		}
	}
	return m.values, m.steps
}

// kind is what a hole takes.
type kind struct {
	most     func(rest string) int // of a kind that takes as much as it can: no more than so many bytes
	fits     func(value string) bool
	without  string // bytes that free text does not hold
	begins   string // of a kind that may be missing: how it begins
	least    int    // bytes of free text
	optional bool   // of a kind that takes as much as it can
}

func (k *kind) is(value string) bool { return k.fits == nil || k.fits(value) }

// kinds of holes, as written behind a colon: {why:say}. A plain {name} is a name: it has no blanks.
var kinds = map[string]kind{
	"":      {most: upTo("\t\n\f\r ;,()"), fits: func(v string) bool { return !strings.ContainsRune(":.", rune(v[len(v)-1])) }},                          // a name, also with dots and colons in it: an address
	"n":     {most: of("-0123456789"), fits: func(v string) bool { return v != "-" && strings.LastIndexByte(v, '-') <= 0 }},                              // a whole number
	"span":  {most: of("-0123456789.hmsnµ"), fits: form(`-?[0-9][0-9.]*(?:[hmnµ]?s|h|m)[0-9hms.]*`)},                                                     // a time as Go writes it
	"took":  {most: short, fits: form(`–|[-+]?[0-9]+(?:\.[0-9]+)?(?: (?:µs|ms|s|min|h|days?|B|kB|MB|GB|TB)(?: [0-9]+ (?:s|min))?|[hmsnµ][hmsnµ0-9.]*)`)}, // a figure as pages write it
	"size":  {most: short, fits: form(`[0-9.]+ (?:B|KiB|MiB|GiB)`)},
	"stamp": {most: short, fits: form(`[0-9-]+ [0-9:.]+ UTC`)},
	"code":  {most: short, fits: form(`[A-Z][0-9]{3}`)}, // of a rule
	"list":  {least: 1, without: ";:()"},                // names: a, b and c
	"word":  {least: 1},                                 // a text of the other kind: of one word or so
	"text":  {least: 1},                                 // what others wrote: kept
	"say":   {least: 1},                                 // a sentence of ham's
	"try":   {least: 1},                                 // a sentence of ham's, or of others
	"more":  {},                                         // anything or nothing: kept
	"tail":  {begins: "; "},                             // nothing, or further sentences
	"then":  {begins: ", "},                             // nothing, or a further clause
	// nothing, or what others wrote or ham said, in brackets
	"aside": {most: func(rest string) int { return len(rest) }, fits: func(v string) bool { return strings.HasPrefix(v, " (") && strings.HasSuffix(v, ")") && len(v) > 2 }, optional: true},
}

func upTo(stop string) func(string) int {
	return func(rest string) int {
		if i := strings.IndexAny(rest, stop); i >= 0 {
			return i
		}
		return len(rest)
	}
}

func of(set string) func(string) int {
	return func(rest string) int {
		return len(rest) - len(strings.TrimLeft(rest, set))
	}
}

// short is for figures: none is longer.
func short(rest string) int { return min(len(rest), 32) }

func form(re string) func(string) bool { return regexp.MustCompile(`^(?:` + re + `)$`).MatchString }

// matcher compares one sentence with one format.
type matcher struct {
	in     string
	pieces []piece
	values []string
	steps  int
}

// from says whether the sentence from at on fits the pieces from i on. A name or a figure takes as much as it can, free text as little.
func (m *matcher) from(i, at int) bool {
	if m.steps++; m.steps > effort {
		return false
	}
	if i == len(m.pieces) {
		return at == len(m.in)
	}
	p := m.pieces[i]
	if !strings.HasPrefix(m.in[at:], p.literal) {
		return false
	}
	if at += len(p.literal); p.hole == "" {
		return m.from(i+1, at)
	}
	next := "" // the literal behind the hole; where there is none the hole goes on to another hole, or to the end
	if i+1 < len(m.pieces) {
		next = m.pieces[i+1].literal
	}
	last := i+1 == len(m.pieces)
	rest := m.in[at:]
	fits := func(end int) bool {
		m.values[i] = rest[:end]
		return m.from(i+1, at+end)
	}
	if p.kind.most != nil { // greedy
		for end := p.kind.most(rest); end > 0; end-- {
			if m.steps++; m.steps > effort {
				return false
			}
			if (last && at+end == len(m.in) || !last && strings.HasPrefix(rest[end:], next)) && p.kind.is(rest[:end]) && fits(end) {
				return true
			}
		}
		return p.kind.optional && fits(0)
	}
	if p.kind.begins != "" { // optional, and it shows by how it begins
		if strings.HasPrefix(rest, p.kind.begins) {
			if m.lazily(rest, next, last, len(p.kind.begins)+1, p.kind, fits) {
				return true
			}
		}
		return fits(0)
	}
	return m.lazily(rest, next, last, p.kind.least, p.kind, fits)
}

// lazily tries each end of free text, the nearest first.
func (m *matcher) lazily(rest, next string, last bool, least int, k kind, fits func(int) bool) bool {
	limit := len(rest)
	if k.without != "" {
		if i := strings.IndexAny(rest, k.without); i >= 0 {
			limit = i
		}
	}
	if last {
		return limit == len(rest) && limit >= least && k.is(rest) && fits(limit)
	}
	for end := least; end <= limit; end++ {
		if m.steps++; m.steps > effort {
			return false
		}
		i := strings.Index(rest[end:], next)
		if i < 0 || end+i > limit {
			return false
		}
		if end += i; k.is(rest[:end]) && fits(end) {
			return true
		}
	}
	return false
}

// index finds the formats that a sentence may have been made with, without comparing it with all of them: each format stands under the one of
// its words that fewest formats have.
type index struct {
	byWord map[string][]*entry
	any    []*entry // have no word that must stand in the sentence
}

func newIndex(entries []*entry) index {
	count := map[string]int{}
	for _, e := range entries {
		for _, w := range e.words() {
			count[w]++
		}
	}
	x := index{byWord: map[string][]*entry{}}
	for _, e := range entries {
		all := e.words()
		if len(all) == 0 {
			x.any = append(x.any, e)
			continue
		}
		w := slices.MinFunc(all, func(a, b string) int { return cmp.Or(count[a]-count[b], len(b)-len(a)) })
		x.byWord[w] = append(x.byWord[w], e)
	}
	return x
}

// candidates are in the order in which formats are tried.
func (x *index) candidates(in string) []*entry {
	out := slices.Clone(x.any)
	for rest, more := in, true; more; {
		var word string
		word, rest, more = strings.Cut(rest, " ")
		for _, e := range x.byWord[word] {
			if strings.Contains(in, e.anchor) {
				out = append(out, e)
			}
		}
	}
	slices.SortFunc(out, func(a, b *entry) int { return a.rank - b.rank })
	return slices.Compact(out)
}

// words are those of the format's own that stand in every sentence made with it, each between blanks.
func (e *entry) words() []string {
	var out []string
	for i, p := range e.pieces {
		text := p.literal
		if i > 0 { // the piece before ended in a hole: what stands at its end belongs to that word
			_, text, _ = strings.Cut(text, " ")
			if !strings.Contains(p.literal, " ") {
				continue
			}
		}
		if p.hole != "" {
			j := strings.LastIndexByte(text, ' ')
			if j < 0 {
				continue
			}
			text = text[:j]
		}
		for w := range strings.FieldsSeq(text) {
			out = append(out, w)
		}
	}
	return out
}
