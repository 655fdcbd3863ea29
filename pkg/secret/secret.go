// Package secret reads what references in a spec refer to, on this machine, at the moment of use: a rotated
// file is taken without a restart.
package secret

import (
	"errors"
	"fmt"
	"os"
	"strings"
)

// maxFile is the largest secret file that is read, in bytes.
const maxFile = 64 << 10

// Lookup reads an environment variable or a file; it has the form of spec.Lookup. One newline at the end of a file does not
// count. Errors name the reference, never the content.
func Lookup(kind, name string) (string, error) {
	switch kind {
	case "env":
		if v, ok := os.LookupEnv(name); ok {
			return v, nil
		}
		return "", fmt.Errorf("the environment variable %s is not set", name)
	case "file":
		info, err := os.Stat(name)
		if err != nil {
			return "", plain(err)
		}
		if !info.Mode().IsRegular() || info.Size() > maxFile {
			return "", fmt.Errorf("want a regular file of at most %d bytes", maxFile)
		}
		b, err := os.ReadFile(name)
		if err != nil {
			return "", plain(err)
		}
		return strings.TrimSuffix(strings.TrimSuffix(string(b), "\n"), "\r"), nil
	}
	return "", fmt.Errorf("%q is no kind of secret: want env or file", kind)
}

// plain leaves out the path, which the reference names already.
func plain(err error) error {
	var p *os.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}
