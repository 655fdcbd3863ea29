package file

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"
)

// maxNodes bounds what one document may hold, aliases counted each time they are used.
const maxNodes = 100_000

// reader reads one document. It collects every mistake and goes on.
type reader struct {
	file     string
	document string
	errs     Errors
	// templates are judged at the end; secrets are the references found then.
	templates []template
	secrets   []secretUse
	// at remembers where each field stands, so that checks across fields can point at it.
	at map[string]place
	// memberKeys are the members' names as written, also those that are none.
	memberKeys []string
	// resources are those of the group, as they are written.
	resources []*resourceText
	nodes     int
	full      bool // maxNodes was passed; told once
}

// cursor is one node of the document and the path to it.
type cursor struct {
	r    *reader
	node *yaml.Node
	path string
}

// root is the whole document.
func (r *reader) root(n *yaml.Node) cursor { return cursor{r: r}.to("", n) }

// to moves to node n under path, through aliases.
func (c cursor) to(path string, n *yaml.Node) cursor {
	next := cursor{r: c.r, node: n, path: path}
	for hops := 0; next.node.Kind == yaml.AliasNode && next.node.Alias != nil && hops < 8; hops++ {
		next.node = next.node.Alias
	}
	c.r.nodes++
	if c.r.nodes > maxNodes && !c.r.full {
		c.r.full = true
		next.fail("the document has more than %d values, counting each use of an alias: split it", maxNodes)
	}
	c.r.at[path] = next.place()
	return next
}

func (c cursor) child(key string, n *yaml.Node) cursor {
	path := key
	if c.path != "" {
		path = c.path + "." + key
	}
	return c.to(path, n)
}

// item is the cursor of a list's item; one with a name is called by it.
func (c cursor) item(i int, n *yaml.Node) cursor {
	next := cursor{r: c.r, node: n}
	name := ""
	if next.node.Kind == yaml.MappingNode {
		for k := 0; k+1 < len(n.Content); k += 2 {
			if n.Content[k].Value == "name" && n.Content[k+1].Kind == yaml.ScalarNode && len(n.Content[k+1].Value) < 64 {
				name = n.Content[k+1].Value
			}
		}
	}
	path := fmt.Sprintf("%s[%d]", c.path, i)
	if _, taken := c.r.at[c.path+"."+name]; name != "" && !taken {
		path = c.path + "." + name
	}
	return c.to(path, n)
}

func (c cursor) place() place {
	return place{file: c.r.file, document: c.r.document, line: c.node.Line, column: c.node.Column, path: c.path}
}

// fail records a mistake at the cursor.
func (c cursor) fail(format string, args ...any) {
	c.r.errs = append(c.r.errs, c.place().error(fmt.Sprintf(format, args...)))
}

// want records that something else stands here than what is described.
func (c cursor) want(what string) { c.fail("got %s, want %s", c.got(), what) }

// failAt records a mistake about a field, where it stands; where it was left out, at what would hold it.
func (r *reader) failAt(path, format string, args ...any) {
	for p := path; ; {
		if where, ok := r.at[p]; ok {
			where.path = path
			r.errs = append(r.errs, where.error(fmt.Sprintf(format, args...)))
			return
		}
		i := strings.LastIndexByte(p, '.')
		p = p[:max(i, 0)]
	}
}

// userinfo is what may stand before the host of an address: often a password.
var userinfo = regexp.MustCompile(`://[^/\s]*@`)

// got describes what stands at the cursor, in a few words and without passwords.
func (c cursor) got() string {
	switch c.node.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	case yaml.ScalarNode:
		if c.null() {
			return "nothing"
		}
	default:
		return "nothing"
	}
	s := shorten(c.node.Value)
	if s == "" || strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r == '"' || !strconv.IsPrint(r) }) {
		return strconv.Quote(s)
	}
	return s
}

func (c cursor) null() bool {
	return c.node.Kind == yaml.ScalarNode && c.node.ShortTag() == "!!null"
}

func (c cursor) scalar() bool { return c.node.Kind == yaml.ScalarNode && !c.null() }

// list calls f for each item, of which there must be one at least. A single value stands for a list of one where one is true.
func (c cursor) list(what string, one bool, f func(cursor)) {
	switch {
	case c.r.full:
	case c.node.Kind == yaml.SequenceNode && len(c.node.Content) == 0:
		c.fail("the list is empty: name at least one, or leave the key out")
	case c.node.Kind == yaml.SequenceNode:
		for i, n := range c.node.Content {
			f(c.item(i, n))
		}
	case one && c.scalar():
		f(c)
	default:
		c.want(what)
	}
}

// entries calls f for each key of a mapping, in the order of the file. Keys are scalars, each once.
func (c cursor) entries(what string, f func(key, value cursor)) {
	if c.node.Kind != yaml.MappingNode {
		c.want(what)
		return
	}
	seen := map[string]int{}
	for i := 0; i+1 < len(c.node.Content) && !c.r.full; i += 2 {
		k := cursor{r: c.r, node: c.node.Content[i], path: c.path}
		if k.node.Kind != yaml.ScalarNode {
			k.fail("got %s as a key, want a name", k.got())
			continue
		}
		name := k.node.Value
		if line, twice := seen[name]; twice {
			if k.twice(name, line) {
				return
			}
			continue
		}
		seen[name] = k.node.Line
		if name == "<<" {
			k.fail("merge keys (<<) are not read here: write the keys out")
			continue
		}
		f(k, c.child(name, c.node.Content[i+1]))
	}
}

// twice tells of a key's repetition, and says whether another document begins there.
func (c cursor) twice(name string, line int) bool {
	if c.path == "" && (name == "group" || name == "ham") {
		c.fail("%s stands here a second time (first in line %d): put a line \"---\" before the next document", name, line)
		return true
	}
	c.fail("key %s stands here a second time (first in line %d): keep one of them", name, line)
	return false
}

func shorten(s string) string {
	s = userinfo.ReplaceAllString(s, "://***@")
	if len(s) > 60 {
		s = strings.ToValidUTF8(s[:60], "") + "…"
	}
	return s
}

func isMapping(c cursor) bool { return c.node.Kind == yaml.MappingNode }
