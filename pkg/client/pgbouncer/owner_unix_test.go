//go:build unix

package pgbouncer_test

import (
	"fmt"
	"io/fs"
	"syscall"
)

func owner(info fs.FileInfo) string {
	s, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return "nobody knows"
	}
	return fmt.Sprint(s.Uid, ":", s.Gid)
}
