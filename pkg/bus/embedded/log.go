package embedded

import (
	"fmt"
	"log/slog"
	"strings"
	"sync"
)

// logger gives what nats-server says to slog. Notices are many and indented at the start: they go to debug.
type logger struct {
	log *slog.Logger

	mu    sync.Mutex
	fatal string
	dead  chan struct{} // closed at the first fatal
}

func newLogger(l *slog.Logger) *logger { return &logger{log: l, dead: make(chan struct{})} }

func line(format string, v []any) string { return strings.TrimSpace(fmt.Sprintf(format, v...)) }

func (l *logger) Noticef(f string, v ...any) {
	if s := line(f, v); s != "" {
		l.log.Debug(s)
	}
}
func (l *logger) Warnf(f string, v ...any)  { l.log.Warn(line(f, v)) }
func (l *logger) Errorf(f string, v ...any) { l.log.Error(line(f, v)) }
func (l *logger) Debugf(f string, v ...any) { l.log.Debug(line(f, v)) }
func (l *logger) Tracef(f string, v ...any) { l.log.Debug(line(f, v)) }

// Fatalf keeps the first one for Start's error. The server ends the process only through its own logger.
func (l *logger) Fatalf(f string, v ...any) {
	s := line(f, v)
	l.log.Error(s)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.fatal == "" {
		l.fatal = s
		close(l.dead)
	}
}

func (l *logger) reason() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.fatal
}
