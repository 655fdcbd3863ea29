package demo

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
)

// story prints what happens, one line at a time, with the time since the demo began. Safe for concurrent use.
type story struct {
	mu    sync.Mutex
	out   io.Writer
	began time.Time
	color bool
}

const (
	bold   = "\x1b[1m"
	dim    = "\x1b[2m"
	red    = "\x1b[31m"
	green  = "\x1b[32m"
	yellow = "\x1b[33m"
	blue   = "\x1b[36m"
)

func (s *story) paint(color, text string) string {
	if !s.color {
		return text
	}
	return color + text + "\x1b[0m"
}

// chapter begins a new part.
func (s *story) chapter(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fmt.Fprintf(s.out, "\n%s\n", s.paint(bold, fmt.Sprintf(format, args...)))
}

// say prints one line: who, and what.
func (s *story) say(color, who, format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	at := time.Since(s.began).Seconds()
	fmt.Fprintf(s.out, "%s  %s %s\n", s.paint(dim, fmt.Sprintf("%7.3f", at)), s.paint(color, fmt.Sprintf("%-9s", who)), fmt.Sprintf(format, args...))
}

// plain prints a line without time and teller.
func (s *story) plain(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fmt.Fprintf(s.out, format+"\n", args...)
}

// chat is the writer of the demo's chat channel: each line that the notifier posts is shown as it would appear.
func (s *story) chat() *chat { return &chat{story: s} }

type chat struct {
	story *story
	mu    sync.Mutex
	rest  []byte
	posts int
}

// Write implements io.Writer; whole lines are shown, a part of one waits for the rest.
func (c *chat) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.rest = append(c.rest, p...)
	for {
		line, rest, found := bytes.Cut(c.rest, []byte("\n"))
		if !found {
			return len(p), nil
		}
		c.rest = rest
		if text := strings.TrimRight(string(line), " "); text != "" {
			c.posts++
			c.story.say(blue, "chat", "%s", text)
		}
	}
}

func (c *chat) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.posts
}
