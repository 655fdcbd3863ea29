package watch

import (
	"context"
	"io"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/creack/pty"
	"github.com/stretchr/testify/require"
	"golang.org/x/term"
)

// terminal is a pseudo terminal, and what was written to it.
type terminal struct {
	t         *testing.T
	ours, its *os.File
	mu        sync.Mutex
	written   strings.Builder
	more      chan struct{}
}

func newTerminal(t *testing.T) *terminal {
	ours, its, err := pty.Open()
	require.NoError(t, err)
	require.NoError(t, pty.Setsize(its, &pty.Winsize{Rows: 24, Cols: 80}))
	k := &terminal{t: t, ours: ours, its: its, more: make(chan struct{}, 1)}
	read := make(chan struct{})
	go func() {
		defer close(read)
		buf := make([]byte, 4096)
		for {
			n, err := ours.Read(buf)
			k.mu.Lock()
			k.written.Write(buf[:n])
			k.mu.Unlock()
			select {
			case k.more <- struct{}{}:
			default:
			}
			if err != nil {
				return
			}
		}
	}()
	t.Cleanup(func() { its.Close(); ours.Close(); <-read })
	return k
}

func (k *terminal) text() string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.written.String()
}

func (k *terminal) await(what string) {
	k.t.Helper()
	patience := time.After(30 * time.Second)
	for !strings.Contains(k.text(), what) {
		select {
		case <-k.more:
		case <-patience:
			require.Fail(k.t, "not on the terminal: "+what, "%q", k.text())
		}
	}
}

func (k *terminal) types(s string) {
	_, err := io.WriteString(k.ours, s)
	require.NoError(k.t, err)
}

// The terminal is left as it was found: when one leaves, when the process is told to end, and when the screen breaks.
func TestTheTerminalIsPutBack(t *testing.T) {
	const alternate, back, cursor = "\x1b[?1049h", "\x1b[?1049l", "\x1b[?25h"
	for name, c := range map[string]struct {
		breaks bool
		end    func(k *terminal, cancel func())
		wrong  bool
	}{
		"q":       {end: func(k *terminal, _ func()) { k.types("q") }},
		"ctrl+c":  {end: func(k *terminal, _ func()) { k.types("\x03") }},
		"SIGTERM": {end: func(_ *terminal, cancel func()) { cancel() }},
		"a panic": {breaks: true, wrong: true, end: func(k *terminal, _ func()) { k.types("m") }},
	} {
		t.Run(name, func(t *testing.T) {
			k := newTerminal(t)
			before, err := term.GetState(int(k.its.Fd()))
			require.NoError(t, err)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			newID := func() string { return "rq-1" }
			if c.breaks {
				newID = func() string { panic("it broke") }
			}
			s := &shell{ctx: ctx, o: Options{In: k.its, Out: k.its, Env: func(string) string { return "" }}, model: NewModel("ana", nil, false, newID)}
			p := s.program()
			ended := make(chan error, 1)
			go func() {
				defer context.AfterFunc(ctx, p.Quit)()
				ended <- s.draw(p)
			}()
			k.await(alternate)
			k.await("reading what is declared")
			p.Send(all(time.Now(), known(web(), time.Now())))
			k.await("Covered")
			c.end(k, cancel)
			select {
			case err = <-ended:
			case <-time.After(30 * time.Second):
				require.Fail(t, "it did not end")
			}
			require.Equal(t, c.wrong, err != nil, "%v", err)
			if c.wrong {
				require.ErrorContains(t, err, "the screen broke: it broke")
			}
			k.await(back)
			k.await(cursor)
			after, err := term.GetState(int(k.its.Fd()))
			require.NoError(t, err)
			require.Equal(t, before, after, "modes of the terminal")
			require.Less(t, strings.LastIndex(k.text(), alternate), strings.LastIndex(k.text(), back))
		})
	}
}
