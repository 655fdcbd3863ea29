//go:build !unix

package epochs

import "os"

func takeLock(path string) (*os.File, error) { return os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600) }
