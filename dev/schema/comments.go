package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"strings"
)

// comments holds what the source says of "Type" and of "Type.Field".
type comments map[string]string

// readComments reads the comments of all struct types in a folder.
func readComments(folder string) (comments, error) {
	paths, err := filepath.Glob(filepath.Join(folder, "*.go"))
	if err != nil {
		return nil, err
	}
	c := comments{}
	for _, path := range paths {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ParseComments)
		if err != nil {
			return nil, err
		}
		for _, d := range f.Decls {
			if g, ok := d.(*ast.GenDecl); ok && g.Tok == token.TYPE {
				c.types(g)
			}
		}
	}
	return c, nil
}

func (c comments) types(g *ast.GenDecl) {
	for _, s := range g.Specs {
		t := s.(*ast.TypeSpec)
		doc := t.Doc
		if doc == nil {
			doc = g.Doc
		}
		c[t.Name.Name] = plain(doc)
		fields, ok := t.Type.(*ast.StructType)
		if !ok {
			continue
		}
		for _, f := range fields.Fields.List {
			text := strings.TrimSpace(plain(f.Doc) + " " + plain(f.Comment))
			for _, name := range f.Names {
				c[t.Name.Name+"."+name.Name] = text
			}
		}
	}
}

var docLink = regexp.MustCompile(`\[(\*?[A-Za-z.]+)\]`)

// plain is a comment as one line of text, without the marks of Go's documentation.
func plain(g *ast.CommentGroup) string {
	if g == nil {
		return ""
	}
	return docLink.ReplaceAllString(strings.Join(strings.Fields(g.Text()), " "), "$1")
}
