package gather

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// nonBlocking keeps an open from waiting for a writer.
const nonBlocking = unix.O_NONBLOCK | unix.O_CLOEXEC

// memoryKeys are the lines of /proc/meminfo that say whether there is enough.
var memoryKeys = []string{"MemTotal", "MemAvailable", "SwapTotal", "SwapFree", "Dirty", "Writeback", "HugePages_Free"}

// system writes how the host is, as the kernel tells it: https://www.kernel.org/doc/html/latest/filesystems/proc.html. What is not there is left out.
func system(to io.Writer) error {
	var errs []error
	read := func(path string) string {
		b, err := os.ReadFile(path)
		if err != nil && !errors.Is(err, os.ErrNotExist) && !errors.Is(err, unix.EOPNOTSUPP) {
			errs = append(errs, err)
		}
		return strings.TrimSpace(string(b))
	}
	if name, err := os.Hostname(); err == nil {
		fmt.Fprintf(to, "name: %s\n", name)
	}
	fmt.Fprintf(to, "kernel: %s\nup for: %s\n", read("/proc/sys/kernel/osrelease"), up(read("/proc/uptime")))
	fmt.Fprintf(to, "load: %s\n", read("/proc/loadavg"))
	for line := range strings.Lines(read("/proc/meminfo")) {
		if key, _, ok := strings.Cut(line, ":"); ok && slices.Contains(memoryKeys, key) {
			fmt.Fprintf(to, "%s\n", strings.TrimSpace(line))
		}
	}
	for _, what := range []string{"cpu", "memory", "io"} {
		for line := range strings.Lines(read("/proc/pressure/" + what)) {
			fmt.Fprintf(to, "pressure of %s: %s\n", what, strings.TrimSpace(line))
		}
	}
	var t unix.Timex
	if state, err := unix.Adjtimex(&t); err == nil { // reads alone: no mode is set
		fmt.Fprintf(to, "clock by the kernel: synchronised %t, error at most %s, rate off by %.1f ppm\n",
			state != unix.TIME_ERROR && t.Status&unix.STA_UNSYNC == 0, time.Duration(t.Maxerror)*time.Microsecond, float64(t.Freq)/65536)
	}
	return errors.Join(errs...)
}

// up makes of the kernel's seconds a time.
func up(s string) string {
	d, err := time.ParseDuration(strings.SplitN(s+" ", " ", 2)[0] + "s")
	if err != nil {
		return s
	}
	return ago(d)
}

// disk says how full the file system of a path is.
func disk(path string) (string, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(path, &s); err != nil {
		return "", err
	}
	size, free := s.Blocks*uint64(s.Bsize), s.Bavail*uint64(s.Bsize)
	inodes := ""
	if s.Files > 0 {
		inodes = fmt.Sprintf(", %d %% of the inodes used", 100*(s.Files-s.Ffree)/s.Files)
	}
	readOnly := ""
	if s.Flags&unix.ST_RDONLY != 0 {
		readOnly = ", read-only"
	}
	return fmt.Sprintf("%d MiB free of %d MiB%s%s", free>>20, size>>20, inodes, readOnly), nil
}
