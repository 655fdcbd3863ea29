package gather

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/isacloud/ha-manager/services/executor/driver/process"
)

// tail is the end of a file, of at most n bytes and in whole lines. It takes regular files alone, and does not wait for what opens only when somebody
// writes.
func tail(path string, n int64) (string, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|nonBlocking, 0)
	if err != nil {
		return "", err
	}
	defer f.Close()
	is, err := f.Stat()
	if err != nil {
		return "", err
	}
	if !is.Mode().IsRegular() {
		return "", fmt.Errorf("%s is no file that can be read from its end", path)
	}
	from := max(0, is.Size()-n)
	text, err := io.ReadAll(io.NewSectionReader(f, from, n))
	if err != nil {
		return "", err
	}
	return whole(string(text), from > 0), nil
}

// whole leaves out the first line of a text whose beginning is missing: half a secret would not be recognised.
func whole(text string, begun bool) string {
	if !begun {
		return text
	}
	if _, rest, found := strings.Cut(text, "\n"); found {
		return rest
	}
	return ""
}

// newestFile is the one that was written to last.
func newestFile(paths []string) (string, error) {
	var newest string
	var at time.Time
	var errs []error
	for _, p := range paths {
		is, err := os.Stat(p)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if newest == "" || is.ModTime().After(at) {
			newest, at = p, is.ModTime()
		}
	}
	if newest == "" {
		return "", errors.Join(append([]error{errors.New("it is not known where it logs to")}, errs...)...)
	}
	return newest, nil
}

// run runs a command as the exec driver does: no shell, a process group of its own that ends with ctx; everything else goes first.
func run(ctx context.Context, dir string, env []string, argv ...string) (string, error) {
	r, err := process.Run(ctx, process.Command{Argv: argv, Env: env, Dir: dir, Keep: rawMost, Low: true})
	text := whole(r.Output, r.LeftOut > 0)
	switch {
	case err != nil:
		return text, err
	case r.Cut:
		return text, context.Cause(ctx)
	case r.Code != 0:
		return text, fmt.Errorf("exit code %d", r.Code)
	}
	return text, nil
}

// unitOf is the unit of a service, "" where systemd does not run it.
func unitOf(service string) string {
	if unit, ok := strings.CutPrefix(service, "systemd:"); ok {
		return unit
	}
	if version, name, ok := strings.Cut(strings.TrimPrefix(service, "cluster:"), "/"); ok && strings.HasPrefix(service, "cluster:") {
		return "postgresql@" + version + "-" + name
	}
	return ""
}

func unitClue(unit string) Clue {
	argv := []string{"systemctl", "show", "--no-pager",
		"--property=Id,LoadState,ActiveState,SubState,Result,UnitFileState,MainPID,ExecMainCode,ExecMainStatus,ActiveEnterTimestamp,InactiveEnterTimestamp,NRestarts,MemoryCurrent,TasksCurrent",
		"--", unit}
	return Clue{Name: "unit " + unit, What: "systemctl show", Look: func(ctx context.Context) (string, error) { return run(ctx, "/", nil, argv...) }}
}

func journalClue(unit string) Clue {
	argv := []string{"journalctl", "--no-pager", "--output=short-iso", "--lines=200", "--unit=" + unit}
	return Clue{Name: "journal of " + unit, What: "journalctl, the last 200 lines", Look: func(ctx context.Context) (string, error) { return run(ctx, "/", nil, argv...) }}
}
