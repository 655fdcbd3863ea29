package file

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/isacloud/ha-manager/pkg/spec"
)

// Limits of what is read, in bytes: a file, and one group's text as a message can carry it.
const (
	maxFile  = 4 << 20
	maxGroup = 256 << 10
)

// Parse reads a file of one or more YAML documents. The error, if any, is an [Errors] with every mistake in the order of the file.
// Name is what errors call the file. It never panics, whatever the bytes.
func Parse(name string, text []byte) (*File, error) {
	p := parser{file: &File{Name: name}, lines: splitLines(text)}
	if len(text) > maxFile {
		return nil, Errors{{File: name, Problem: fmt.Sprintf("has %d bytes, want at most %d", len(text), maxFile)}}
	}
	p.documents(text)
	p.moves()
	p.across()
	if err := p.errs.orNil(); err != nil {
		return nil, err
	}
	return p.file, nil
}

// ParseGroup reads text that declares exactly one group, as the bucket holds it. The error, if any, is an [Errors]. Name is what
// errors call the text.
func ParseGroup(name, text string) (*spec.Group, error) {
	f, err := Parse(name, []byte(text))
	if err != nil {
		return nil, err
	}
	// Groups that resources are made of have texts of their own.
	own := slices.DeleteFunc(slices.Clone(f.Groups), func(g Group) bool { return g.Of != "" })
	if len(own) != 1 || f.Process != nil {
		found := plural(len(own), "group")
		if f.Process != nil {
			found += " and a process"
		}
		return nil, Errors{{File: name, Problem: "declares " + found + ", want exactly one group"}}
	}
	return own[0].Group, nil
}

type parser struct {
	file  *File
	lines []string // with their line ends
	errs  Errors
	// groupAt and process say where each was declared.
	groupAt map[string]place
	// resourceAt says where the resources stand, by group and name.
	resourceAt map[string]place
	process    place
	channel    []channelUse
}

// documents reads one document after the other. A mistake of YAML itself ends it: what follows cannot be told apart.
func (p *parser) documents(text []byte) {
	loader, err := yaml.NewLoader(bytes.NewReader(text), yaml.WithUniqueKeys(false))
	if err != nil {
		p.errs = append(p.errs, &Error{File: p.file.Name, Problem: err.Error()})
		return
	}
	var pending *yaml.Node
	count := 0
	for {
		n := new(yaml.Node)
		err := loader.Load(n)
		if err != nil {
			if pending != nil {
				p.document(count, pending, 0)
			}
			if !errors.Is(err, io.EOF) {
				p.errs = append(p.errs, p.syntax(err))
			} else if count == 0 {
				p.errs = append(p.errs, &Error{File: p.file.Name, Problem: "is empty, want group: <name> or ham: …"})
			}
			return
		}
		if pending != nil {
			p.document(count, pending, n.Line)
		}
		if pending = n; !empty(n) {
			count++
		}
	}
}

// empty is a document of nothing but comments.
func empty(n *yaml.Node) bool {
	return len(n.Content) == 0 || len(n.Content) == 1 && n.Content[0].Kind == yaml.ScalarNode && n.Content[0].ShortTag() == "!!null"
}

// syntax says what YAML itself has against the text.
func (p *parser) syntax(err error) *Error {
	e := &Error{File: p.file.Name, Problem: "is no YAML: " + err.Error()}
	var le *yaml.LoadError
	if !errors.As(err, &le) {
		return e
	}
	e.Line, e.Column = le.Mark.Line, le.Mark.Column
	e.Problem = "is no YAML: " + le.Message
	if le.Mark.Line > 0 && le.Mark.Line <= len(p.lines) {
		line := p.lines[le.Mark.Line-1]
		switch {
		case strings.HasPrefix(strings.TrimLeft(line, " "), "\t"), strings.HasPrefix(line, "\t"):
			e.Problem = "is no YAML: a tab stands where the line is indented, want spaces"
		case strings.Contains(line, "${"):
			e.Problem += `; within { } and [ ] a text with ${…} stands in quotes: "${env:NAME}"`
		}
	}
	return e
}

// document reads one document; next is the line where the one after it begins, or 0.
func (p *parser) document(count int, n *yaml.Node, next int) {
	if empty(n) {
		return
	}
	root := n.Content[0]
	r := &reader{file: p.file.Name, document: fmt.Sprintf("document %d", count), at: map[string]place{}}
	defer func() { p.errs = append(p.errs, r.errs...) }()
	isGroup, isProcess := has(root, "group"), has(root, "ham")
	c := r.root(root)
	switch {
	case root.Kind != yaml.MappingNode || len(root.Content) == 0:
		c.want("a mapping that begins with group: <name> or ham:")
	case isGroup && isProcess:
		c.fail("declares a group and a process: put a line \"---\" between them")
	case isGroup:
		text, line := p.text(n, next)
		p.read(c, text, line, "")
	case isProcess:
		p.readProcess(c)
	default:
		known := append(groupObject.list(), "ham")
		if contains(known, root.Content[0].Value) {
			c.fail("is no group without its name, want group: <name> first")
			return
		}
		if near := nearest(root.Content[0].Value, known); near != "" && root.Content[0].Kind == yaml.ScalarNode {
			cursor{r: r, node: root.Content[0]}.unknownKey(known)
			return
		}
		c.fail("does not say what it is, want group: <name> or ham: first")
	}
}

func has(n *yaml.Node, key string) bool { return value(n, key) != nil }

func value(n *yaml.Node, key string) *yaml.Node {
	if n.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return n.Content[i+1]
		}
	}
	return nil
}

// read reads one group. Of is the group whose resource it is made of, "" for a document of its own.
func (p *parser) read(c cursor, text string, line int, of string) {
	g := new(spec.Group)
	if name := value(c.node, "group"); name.Kind == yaml.ScalarNode && name.Value != "" && len(name.Value) <= 63 {
		c.r.document = "group " + shorten(name.Value)
		c.r.at[""] = c.place()
	}
	if len(text) > maxGroup {
		c.fail("has %d bytes, want at most %d", len(text), maxGroup)
		return
	}
	root, expanded, ok := p.expanded(c)
	if !ok {
		return
	}
	c.node = root
	groupObject.read(c, g)
	if c.r.full {
		return
	}
	c.r.acrossGroup(g)
	if g.Name == "" {
		return
	}
	at := c.r.at["group"]
	if first, twice := p.groupAt[g.Name]; twice {
		c.r.failAt("group", "group %s is declared twice, first in line %d: give one of them another name", g.Name, first.line)
		return
	}
	if p.groupAt == nil {
		p.groupAt = map[string]place{}
	}
	p.groupAt[g.Name] = at
	p.file.Groups = append(p.file.Groups, Group{Group: g, GroupText: text, Line: line, Expanded: expanded, Of: of})
	p.file.secrets = append(p.file.secrets, c.r.secrets...)
	for i, n := range g.Notify {
		p.channel = append(p.channel, channelUse{at: c.r.at[fmt.Sprintf("notify[%d].to", i)], to: n.To})
	}
	for _, res := range g.Resources {
		if p.resourceAt == nil {
			p.resourceAt = map[string]place{}
		}
		p.resourceAt[g.Name+" "+res.Name] = c.r.at["resources."+res.Name]
	}
	p.inline(c, g.Name)
}

// text is the document as it was written, without the line "---" before it.
func (p *parser) text(doc *yaml.Node, next int) (string, int) {
	from, to := max(doc.Line, 1), len(p.lines)
	if next > 0 {
		to = min(to, next-1)
	}
	if len(p.file.Groups) == 0 && p.process.line == 0 {
		from = 1 // comments before the first document
	}
	for from < to && strings.TrimSpace(p.lines[from-1]) == "---" {
		from++
	}
	if from > to {
		return "", from
	}
	return strings.Join(p.lines[from-1:to], ""), from
}

func splitLines(text []byte) []string {
	if len(text) > maxFile {
		return nil
	}
	return strings.SplitAfter(string(text), "\n")
}

func (p *parser) readProcess(c cursor) {
	c.r.document = "ham"
	if p.process.line > 0 {
		c.fail("the process is set up twice, first in line %d: keep one", p.process.line)
		return
	}
	process := new(spec.Process)
	c.entries("one key, ham", func(k, v cursor) {
		if k.node.Value != "ham" {
			k.fail("got %s beside ham, want it below ham, indented", k.got())
			return
		}
		p.process = k.place()
		v.path = "" // the document's name says ham already
		if v.null() {
			for _, key := range processObject.keys {
				if key.fill != nil {
					key.fill(process)
				}
			}
			return
		}
		processObject.read(v, process)
	})
	p.file.Process = process
	p.file.secrets = append(p.file.secrets, c.r.secrets...)
}

type channelUse struct {
	at place
	to string
}

// channelOf is the channel that a rule names.
func channelOf(to string) string {
	name, _, _ := strings.Cut(to, ":")
	return name
}

// across checks what concerns several documents: where the process is set up in the same file, rules name its channels.
func (p *parser) across() {
	if p.file.Process == nil {
		return
	}
	p.besideProcess()
	known := []string{"console", "log"}
	for _, ch := range p.file.Process.Channels {
		known = append(known, ch.Name)
	}
	for _, use := range p.channel {
		name := channelOf(use.to)
		if use.to == "" || contains(known, name) {
			continue
		}
		hint := "want one of " + strings.Join(known, ", ") + ", or declare it below ham.channels"
		if near := nearest(name, known); near != "" {
			hint = "did you mean " + near + "?"
		}
		p.errs = append(p.errs, use.at.error(fmt.Sprintf("unknown channel %s, %s", name, hint)))
	}
}
