package file

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/isacloud/ha-manager/pkg/message"
)

// The forms that several keys share, as the reference and the errors name them.
const (
	formName     = "a name"
	limitsName   = "1 to 63 letters, digits, '-' or '_'"
	formNames    = "a list of names"
	formDuration = "a duration with a unit (ms, s, m, h)"
	formNumber   = "a whole number"
	formFlag     = "true or false"
)

func duration[T any](name string, def, least, most time.Duration, means string, get func(*T) *time.Duration) key[T] {
	k := key[T]{
		name: name, form: formDuration, limits: show(least) + " to " + show(most), means: means,
		read: func(c cursor, into *T) { c.duration(least, most, example(def, least), get(into)) },
	}
	if def > 0 {
		k.def = show(def)
		k.fill = func(into *T) { *get(into) = def }
	}
	return k
}

// show writes d without parts that are zero: "1m", not "1m0s".
func show(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

func example(def, least time.Duration) string { return show(max(def, least, 300*time.Millisecond)) }

func (c cursor) duration(least, most time.Duration, such string, into *time.Duration) {
	if !c.scalar() {
		c.want(formDuration + ", such as " + such)
		return
	}
	d, err := time.ParseDuration(c.node.Value)
	if err != nil || (c.node.Value == "0" && c.node.ShortTag() == "!!int") {
		c.want(formDuration + ", such as " + such)
		return
	}
	if d < least || d > most {
		c.want(fmt.Sprintf("%s to %s", show(least), show(most)))
		return
	}
	*into = d
}

func number[T any](name string, def, least, most int, means string, get func(*T) *int) key[T] {
	return key[T]{
		name: name, form: formNumber, limits: fmt.Sprintf("%d to %d", least, most), def: strconv.Itoa(def), means: means,
		read: func(c cursor, into *T) { c.number(least, most, get(into)) },
		fill: func(into *T) { *get(into) = def },
	}
}

func (c cursor) number(least, most int, into *int) {
	n, err := strconv.Atoi(c.node.Value)
	if !c.scalar() || err != nil || n < least || n > most {
		c.want(fmt.Sprintf("%s from %d to %d", formNumber, least, most))
		return
	}
	*into = n
}

func flagKey[T any](name, means string, get func(*T) *bool) key[T] {
	return key[T]{
		name: name, form: formFlag, def: "false", means: means,
		read: func(c cursor, into *T) { c.flag(get(into)) },
	}
}

func (c cursor) flag(into *bool) {
	switch {
	case c.scalar() && c.node.Value == "true":
		*into = true
	case c.scalar() && c.node.Value == "false":
		*into = false
	default:
		c.want(formFlag)
	}
}

func choice[T any, S ~string](name string, def S, options []S, means string, get func(*T) *S) key[T] {
	return key[T]{
		name: name, form: "one of " + joined(options), def: string(def), means: means,
		read: func(c cursor, into *T) { readChoice(c, options, get(into)) },
		fill: func(into *T) { *get(into) = def },
	}
}

func readChoice[S ~string](c cursor, options []S, into *S) {
	if !c.scalar() || !slices.Contains(options, S(c.node.Value)) {
		c.want("one of " + joined(options))
		return
	}
	*into = S(c.node.Value)
}

func joined[S ~string](options []S) string {
	words := make([]string, len(options))
	for i, o := range options {
		words[i] = string(o)
	}
	return strings.Join(words, ", ")
}

func nameKey[T any](name, means string, get func(*T) *string) key[T] {
	return key[T]{
		name: name, form: formName, limits: limitsName, means: means,
		read: func(c cursor, into *T) { c.name(get(into)) },
	}
}

func (c cursor) name(into *string) {
	if !c.scalar() || !message.IsName(c.node.Value) {
		c.want(formName + ": " + limitsName)
		return
	}
	*into = c.node.Value
}

func nameList[T any](name, means string, get func(*T) *[]string) key[T] {
	return key[T]{
		name: name, form: formNames, means: means,
		read: func(c cursor, into *T) { c.names(get(into)) },
	}
}

// names reads a list of names, each once.
func (c cursor) names(into *[]string) {
	c.list(formNames, true, func(item cursor) {
		var s string
		if item.name(&s); s == "" {
			return
		}
		if slices.Contains(*into, s) {
			item.fail("%s stands in the list twice: keep one of them", s)
			return
		}
		*into = append(*into, s)
	})
}

const maxText = 4096

func textKey[T any](name, form, means string, get func(*T) *string) key[T] {
	return key[T]{
		name: name, form: form, means: means,
		read: func(c cursor, into *T) { c.text(form, get(into)) },
	}
}

func (c cursor) text(form string, into *string) {
	switch {
	case !c.scalar() || c.node.Value == "":
		c.want(form)
	case len(c.node.Value) > maxText:
		c.fail("has %d bytes, want at most %d", len(c.node.Value), maxText)
	case strings.ContainsRune(c.node.Value, 0):
		c.want(form + " without a NUL character")
	default:
		*into = c.node.Value
	}
}

func (c cursor) pattern(into **regexp.Regexp) {
	var s string
	if c.text("a regular expression", &s); s == "" {
		return
	}
	re, err := regexp.Compile(s)
	if err != nil {
		c.fail("got %s, %s", c.got(), badPattern(s))
		return
	}
	*into = re
}

func badPattern(s string) string {
	if _, err := regexp.Compile(s); err != nil {
		return "want a regular expression as Go has it: " + strings.TrimPrefix(err.Error(), "error parsing regexp: ")
	}
	return ""
}
