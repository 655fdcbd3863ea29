// Package logging is the one set-up of log/slog for every part: readable lines on a terminal, JSON elsewhere.
package logging

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/lmittmann/tint"
	"github.com/mattn/go-isatty"
)

// Options of New.
type Options struct {
	// Format is "text", "json", or "auto": text where Out is a terminal.
	Format string
	// Level is debug, info, warn or error.
	Level string
	// NoColor writes text without colours, as does the environment's NO_COLOR (https://no-color.org).
	NoColor bool
}

// New returns a logger that writes to out. Its times are UTC. Errors name the option that is wrong.
func New(out io.Writer, o Options) (*slog.Logger, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(o.Level)); err != nil {
		return nil, fmt.Errorf("log level %q: want debug, info, warn or error", o.Level)
	}
	terminal := isTerminal(out)
	switch o.Format {
	case "json":
	case "text":
		return slog.New(text(out, level, o.NoColor || !terminal)), nil
	case "", "auto":
		if terminal {
			return slog.New(text(out, level, o.NoColor)), nil
		}
	default:
		return nil, fmt.Errorf("log format %q: want auto, text or json", o.Format)
	}
	return slog.New(slog.NewJSONHandler(out, &slog.HandlerOptions{Level: level, ReplaceAttr: utc})), nil
}

func text(out io.Writer, level slog.Level, plain bool) slog.Handler {
	return tint.NewTextHandler(out, &tint.Options{
		Level: level, TimeFormat: "15:04:05.000", NoColor: plain || os.Getenv("NO_COLOR") != "", ReplaceAttr: utc,
	})
}

func utc(groups []string, a slog.Attr) slog.Attr {
	if len(groups) == 0 && a.Key == slog.TimeKey && a.Value.Kind() == slog.KindTime {
		a.Value = slog.TimeValue(a.Value.Time().UTC())
	}
	if strings.HasPrefix(a.Key, "took") && a.Value.Kind() == slog.KindDuration {
		a.Value = slog.DurationValue(a.Value.Duration().Round(time.Microsecond))
	}
	return a
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && isatty.IsTerminal(f.Fd())
}
