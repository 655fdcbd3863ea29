package file

import (
	"errors"

	"github.com/isacloud/ha-manager/pkg/spec"
)

// Parse reads a file of one or more YAML documents. The error, if any, is an [Errors] with every mistake in the order of the file.
func Parse(name string, text []byte) (*File, error) { return nil, errors.New("spec/file is being written") }

// ParseGroup reads text that declares exactly one group, as the bucket holds it. Name stands in errors.
func ParseGroup(name, text string) (*spec.Group, error) { return nil, errors.New("spec/file is being written") }
