//go:build !unix

package pgbouncer_test

import "io/fs"

func owner(fs.FileInfo) string { return "" }
