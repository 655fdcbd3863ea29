// Package control is how a person on the host itself speaks to the executor when there is no bus: a unix socket in its state directory, which
// only its own user and root may use.
package control

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

// Socket is the path in a state directory.
func Socket(stateDir string) string { return filepath.Join(stateDir, "control.sock") }

// Promote asks to promote the executor's own member of a group on a person's word. Without Words it only asks which they are.
type Promote struct {
	Group string `json:"group"`
	Words string `json:"words,omitempty"`
	Actor string `json:"actor,omitempty"`
}

// Promoted answers.
type Promoted struct {
	// Want are the words that must be said, exactly.
	Want string `json:"want,omitempty"`
	Done bool   `json:"done"`
	// Problem says why it was not done.
	Problem string `json:"problem,omitempty"`
}

const (
	path    = "/v1/promote"
	maxBody = 16 << 10
	// limit bounds a promotion with all its replay, and its undoing; answerIn what an executor that lives takes to answer beyond that.
	limit    = 2 * time.Minute
	answerIn = 10 * time.Second
)

// Serve answers at the socket until ctx ends. A promotion that is under way then is cut short, and waited for.
func Serve(ctx context.Context, stateDir string, promote func(context.Context, Promote) Promoted) error {
	l, err := listen(Socket(stateDir))
	if err != nil {
		return fmt.Errorf("control socket: %w", err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+path, func(w http.ResponseWriter, r *http.Request) {
		var p Promote
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
		if err == nil {
			err = json.Unmarshal(body, &p)
		}
		if err != nil {
			http.Error(w, fmt.Sprintf("the question cannot be read: %v; want JSON such as {\"group\": \"orders\"}, at most %d bytes", err, maxBody), http.StatusBadRequest)
			return
		}
		// Whoever asked may go away: what was begun is brought to its end, unless the executor ends.
		ctx, cancel := context.WithTimeout(ctx, limit)
		defer cancel()
		_ = json.NewEncoder(w).Encode(promote(ctx, p))
	})
	server := &http.Server{Handler: mux, ReadTimeout: answerIn, IdleTimeout: answerIn}
	ended := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(ended)
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), answerIn)
		defer cancel()
		if server.Shutdown(last) != nil {
			_ = server.Close()
		}
	})
	err = server.Serve(l)
	if !stop() {
		<-ended
	}
	if !errors.Is(err, http.ErrServerClosed) || ctx.Err() == nil {
		return fmt.Errorf("control socket: %w", err)
	}
	return nil
}

// mostPath is what a unix socket's path may have in bytes (sun_path, unix(7)), less what the name of one being made has more.
const mostPath = 100

// reach gives a path to the socket that is short enough: a long one goes by the open directory.
func reach(socket string) (path string, done func(), err error) {
	if len(socket) <= mostPath {
		return socket, func() {}, nil
	}
	dir, err := os.Open(filepath.Dir(socket))
	if err != nil {
		return "", nil, err
	}
	return fmt.Sprintf("/proc/self/fd/%d/%s", dir.Fd(), filepath.Base(socket)), func() { _ = dir.Close() }, nil
}

// listen makes the socket beside its place and moves it there once only its own user may use it. What an earlier life left is replaced.
func listen(socket string) (net.Listener, error) {
	socket, done, err := reach(socket)
	if err != nil {
		return nil, err
	}
	defer done()
	fresh := socket + ".new"
	if err := os.Remove(fresh); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	l, err := net.Listen("unix", fresh)
	if err != nil {
		return nil, err
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false) // its name is not its place
	if err := errors.Join(os.Chmod(fresh, 0o600), os.Rename(fresh, socket)); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

// ErrNobody says that no executor answers at the socket.
var ErrNobody = errors.New("no executor of this host answers")

// Ask asks the executor with that state directory. It returns at the latest when a promotion may have taken its whole time, and soon where only the words
// are asked for.
func Ask(ctx context.Context, stateDir string, p Promote) (Promoted, error) {
	patience := answerIn
	if p.Words != "" {
		patience += limit
	}
	ctx, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("it took the question and gave no answer within %s; ask again what it did", patience))
	defer cancel()
	var out Promoted
	body, err := json.Marshal(p)
	if err != nil {
		return out, err
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		socket, done, err := reach(Socket(stateDir))
		if err != nil {
			return nil, err
		}
		defer done()
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}}}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://executor"+path, bytes.NewReader(body))
	if err != nil {
		return out, err
	}
	resp, err := client.Do(r)
	if err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return out, fmt.Errorf("%w at %s: %w; run this on the host of the member, as the executor's user or root", ErrNobody, Socket(stateDir), err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, maxBody))
		return out, fmt.Errorf("the executor refuses: %s", bytes.TrimSpace(text))
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxBody)).Decode(&out); err != nil {
		return out, fmt.Errorf("the executor's answer cannot be read: %w", err)
	}
	return out, nil
}
