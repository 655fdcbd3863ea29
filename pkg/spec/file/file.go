package file

import (
	"fmt"
	"slices"

	"github.com/isacloud/ha-manager/pkg/spec"
)

// File is what one file declares.
type File struct {
	Name   string
	Groups []Group // in the order of the file
	// Process is nil where the file sets up no process.
	Process *spec.Process

	secrets []secretUse // in the order of the file
}

// Group is one group of a file with its own text.
type Group struct {
	*spec.Group
	// GroupText is the document as it was written, comments included: what apply stores.
	GroupText string
	// Expanded is the group as YAML with what its preset gives; empty where it uses none.
	Expanded string
	// Of is the group whose resource it is made of; empty: it is declared by itself.
	Of string `json:",omitempty"`
	// Line is where the document begins in the file, from 1.
	Line int
}

// Group returns the group of that name.
func (f *File) Group(name string) (Group, bool) {
	i := slices.IndexFunc(f.Groups, func(g Group) bool { return g.Name == name })
	if i < 0 {
		return Group{}, false
	}
	return f.Groups[i], true
}

// secretUse is one reference to a secret, and where it stands.
type secretUse struct {
	at         place
	kind, name string // env NAME, file /path
}

// CheckSecrets looks up every reference to a secret once and returns nil, or an [Errors] with each use of those that
// cannot be read here. It keeps nothing of what it reads. Only the machine that uses a secret can tell: see [spec.LookupSecret].
func (f *File) CheckSecrets(look spec.Lookup) error {
	type ref struct{ kind, name string }
	seen := map[ref]error{}
	var errs Errors
	for _, s := range f.secrets {
		r := ref{s.kind, s.name}
		if _, known := seen[r]; !known {
			_, seen[r] = look(s.kind, s.name)
		}
		if err := seen[r]; err != nil {
			errs = append(errs, s.at.error(fmt.Sprintf("the secret ${%s:%s} cannot be read on this machine: %v", s.kind, s.name, err)))
		}
	}
	return errs.orNil()
}
