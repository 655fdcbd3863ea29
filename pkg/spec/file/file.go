package file

import (
	"github.com/isacloud/ha-manager/pkg/spec"
)

// File is what one file declares.
type File struct {
	Name    string
	Groups  []Group
	Process *spec.Process // nil: the file sets up no process
}

// Group is one group of a file with its own text.
type Group struct {
	*spec.Group
	// Text is the YAML document as it was written, comments included: what apply stores.
	Text string
	// Line is where the document begins in the file, from 1.
	Line int
}
