package file

import (
	"bytes"
	"encoding/json"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

// preset is a form of group that needs few words: what is written below `with` expands to the keys of a whole group. Each is a file of
// its own and a line of [presets].
type preset struct {
	name string
	// with and member are its tables in the reference.
	with, member section
	// expand reads what stands below with, and gives the group as YAML, without its name. "": a mistake was told.
	expand func(with cursor) string
}

// presets are all presets.
func presets() []preset { return []preset{postgresPair, redisPair} }

func presetNames() []string {
	var names []string
	for _, p := range presets() {
		names = append(names, p.name)
	}
	return names
}

// presetKeys stand in the reference; a group that has them is expanded before it is read.
func presetKeys[T any]() []key[T] {
	return []key[T]{
		{
			name: "use", form: "one of " + strings.Join(presetNames(), ", "), means: "A preset, which gives what stands below with the keys of a whole group. Keys beside it are laid over what it gives.",
			read: func(cursor, *T) {},
		},
		{
			name: "with", form: "a mapping", means: "What the preset is made of: see [postgres-pair](#postgres-pair) and [redis-pair](#redis-pair).",
			read: func(c cursor, _ *T) {
				c.fail("has no meaning without use: <preset>, one of %s", strings.Join(presetNames(), ", "))
			},
		},
	}
}

// expanded is the group that a preset and what stands beside it amount to, and its text; the root itself where it uses no preset.
// False: a mistake was told.
func (p *parser) expanded(c cursor) (root *yaml.Node, text string, ok bool) {
	use := value(c.node, "use")
	if use == nil {
		return c.node, "", true
	}
	u := c.child("use", use)
	i := slices.IndexFunc(presets(), func(p preset) bool { return u.scalar() && p.name == u.node.Value })
	if i < 0 {
		if near := nearest(u.node.Value, presetNames()); u.scalar() && near != "" {
			u.fail("unknown preset %s, did you mean %s?", u.got(), near)
		} else {
			u.want("one of " + strings.Join(presetNames(), ", "))
		}
		return nil, "", false
	}
	with := value(c.node, "with")
	if with == nil {
		c.fail("uses %s without saying with what, want with: and below it a mapping", u.node.Value)
		return nil, "", false
	}
	w := c.child("with", with)
	before := len(c.r.errs)
	given := presets()[i].expand(w)
	if len(c.r.errs) > before || c.r.full {
		return nil, "", false
	}
	var doc yaml.Node
	if err := yaml.Unmarshal([]byte(given), &doc); err != nil || len(doc.Content) == 0 {
		u.fail("cannot be expanded: %v", err) // a mistake in the program
		return nil, "", false
	}
	root = doc.Content[0]
	c.r.settle(root, "", w.place())
	own := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map", Line: c.node.Line, Column: c.node.Column}
	for k := 0; k+1 < len(c.node.Content); k += 2 {
		if name := c.node.Content[k].Value; name != "use" && name != "with" {
			own.Content = append(own.Content, c.node.Content[k], c.node.Content[k+1])
		}
	}
	root = lay(own, root)
	root.Line, root.Column = c.node.Line, c.node.Column
	return root, render(root), true
}

// settle places generated nodes in the file: at what is written below with that they come from, as far as that has the same name.
func (r *reader) settle(n *yaml.Node, path string, at place) {
	if where, ok := r.at["with."+path]; ok && path != "" {
		at = where
	}
	n.Line, n.Column = at.line, at.column
	switch n.Kind {
	case yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			n.Content[i].Line, n.Content[i].Column = at.line, at.column
			r.settle(n.Content[i+1], strings.TrimPrefix(path+"."+n.Content[i].Value, "."), at)
		}
	case yaml.SequenceNode:
		for _, item := range n.Content {
			r.settle(item, path, at)
		}
	}
}

// lay gives what over holds, and what it leaves out as under has it: mapping by mapping, key by key. The order is that of under.
func lay(over, under *yaml.Node) *yaml.Node {
	for hops := 0; over.Kind == yaml.AliasNode && over.Alias != nil && hops < 8; hops++ {
		over = over.Alias
	}
	if over.Kind != yaml.MappingNode || under.Kind != yaml.MappingNode {
		return over
	}
	out := *over
	out.Content, out.Anchor = nil, ""
	out.Style = under.Style
	add := func(k, v *yaml.Node) { out.Content = append(out.Content, k, v) }
	if name := value(over, "group"); name != nil {
		add(&yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: "group", Line: over.Line, Column: over.Column}, name)
	}
	for i := 0; i+1 < len(under.Content); i += 2 {
		k, v := under.Content[i], under.Content[i+1]
		if o := value(over, k.Value); o != nil {
			v = lay(o, v)
		}
		add(k, v)
	}
	for i := 0; i+1 < len(over.Content); i += 2 {
		if k := over.Content[i]; k.Value != "group" && value(under, k.Value) == nil {
			add(k, over.Content[i+1])
		}
	}
	return &out
}

// render writes a document out, aliases replaced by what they stand for.
func render(root *yaml.Node) string {
	var b bytes.Buffer
	left := maxNodes
	d, err := yaml.NewDumper(&b, yaml.WithIndent(2), yaml.WithLineWidth(-1))
	if err == nil {
		err = d.Dump(plain(root, &left))
	}
	if err == nil {
		err = d.Close()
	}
	if err != nil || left < 0 {
		return ""
	}
	return b.String()
}

// plain is n without aliases and anchors; left bounds how many nodes it has.
func plain(n *yaml.Node, left *int) *yaml.Node {
	for hops := 0; n.Kind == yaml.AliasNode && n.Alias != nil && hops < 8; hops++ {
		n = n.Alias
	}
	out := *n
	out.Anchor, out.Alias, out.Content = "", nil, nil
	for _, child := range n.Content {
		if *left--; *left < 0 {
			return &out
		}
		out.Content = append(out.Content, plain(child, left))
	}
	return &out
}

// quoted is s as YAML and JSON both read it.
func quoted(s string) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(s) // a text can be encoded
	return strings.TrimRight(b.String(), "\n")
}

// word is s, in quotes where YAML could read something else than a text.
func word(s string) string {
	if plainWord.MatchString(s) && !contains([]string{"true", "false", "yes", "no", "on", "off", "null", "y", "n"}, strings.ToLower(s)) {
		return s
	}
	return quoted(s)
}

var plainWord = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.-]*$`)

// inList is a list in one line.
func inList(all []string) string {
	out := make([]string, len(all))
	for i, s := range all {
		out[i] = word(s)
	}
	return "[" + strings.Join(out, ", ") + "]"
}
