package file

import (
	"fmt"
	"slices"
	"strings"
)

// object is one kind of mapping: its keys, how each is read, and what the reference says of it.
type object[T any] struct {
	title string // of its section in the reference
	means string
	// short is the key that a plain value stands for where a mapping is not needed; empty: none.
	short string
	keys  []key[T]
	// also looks at the mapping as a whole, once its keys are read; it may be nil.
	also func(c cursor, written map[string]bool, into *T)
}

// key is one key of a mapping.
type key[T any] struct {
	name string
	// form is what is written, in words: "a duration"; limits and def complete it. They stand in the reference.
	form, limits, def string
	means             string
	required          bool
	read              func(value cursor, into *T)
	// fill sets the default; it may be nil.
	fill func(into *T)
	// section is the title of the object that the value is made of, if it is one.
	section string
}

// read fills into from the mapping at c: defaults first, then what is written. It says which keys are written.
func (o *object[T]) read(c cursor, into *T) map[string]bool {
	for _, k := range o.keys {
		if k.fill != nil {
			k.fill(into)
		}
	}
	written := map[string]bool{}
	if o.short != "" && !isMapping(c) {
		i := slices.IndexFunc(o.keys, func(k key[T]) bool { return k.name == o.short })
		o.keys[i].read(c, into)
		written[o.short] = true
		return written
	}
	c.entries("a mapping with "+o.names(), func(name, value cursor) {
		i := slices.IndexFunc(o.keys, func(k key[T]) bool { return k.name == name.node.Value })
		if i < 0 {
			name.unknownKey(o.list())
			return
		}
		k := o.keys[i]
		written[k.name] = true
		if value.null() {
			value.fail("has no value, want %s, or leave the key out", k.wants())
			return
		}
		k.read(value, into)
	})
	if c.r.full || !isMapping(c) {
		return written
	}
	for _, k := range o.keys {
		if k.required && !written[k.name] {
			path := k.name
			if c.path != "" {
				path = c.path + "." + k.name
			}
			c.r.failAt(path, "is missing, want %s", k.wants())
		}
	}
	if o.also != nil {
		o.also(c, written, into)
	}
	return written
}

func (k key[T]) wants() string {
	if k.limits == "" {
		return k.form
	}
	return k.form + ", " + k.limits
}

func (o *object[T]) list() []string {
	all := make([]string, len(o.keys))
	for i, k := range o.keys {
		all[i] = k.name
	}
	return all
}

func (o *object[T]) names() string { return strings.Join(o.list(), ", ") }

// unknownKey names the nearest known key, or all of them.
func (c cursor) unknownKey(known []string) {
	name := c.got()
	at := c
	if near := nearest(c.node.Value, known); near != "" {
		at.fail("unknown key %s, did you mean %s?", name, near)
		return
	}
	at.fail("unknown key %s, want one of %s", name, strings.Join(known, ", "))
}

// nested is a key whose value is a mapping of its own.
func nested[T, U any](name string, o *object[U], means string, get func(*T) *U) key[T] {
	return key[T]{
		name: name, form: "a mapping with " + o.names(), def: "those of its keys", means: means, section: o.title,
		read: func(c cursor, into *T) { o.read(c, get(into)) },
		fill: func(into *T) {
			for _, k := range o.keys {
				if k.fill != nil {
					k.fill(get(into))
				}
			}
		},
	}
}

func plural(n int, one string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %ss", n, one)
}
