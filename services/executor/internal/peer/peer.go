// Package peer carries what the executors beside the members of a group say to each other directly, so that it arrives when the bus is gone.
//
// A question is a POST of JSON to /v1/promise. With a secret both ways are signed by HMAC-SHA256 (RFC 2104): the question's signature covers
// its body, the answer's the question's nonce too, so that no answer can be made up or used twice. Without a secret a server
// listens on loopback only.
package peer

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/isacloud/ha-manager/services/executor/internal/keeper"
)

// ErrOpen says that a server without a secret would listen beyond this machine.
var ErrOpen = errors.New("without a peer secret executors answer each other on loopback only")

const (
	path      = "/v1/promise"
	signature = "Ham-Signature"
	maxBody   = 4096
	// idleTime is how long a connection is kept without a question: longer than the pause between two, so that none waits for a handshake.
	idleTime = 2 * time.Minute
)

// question is what travels.
type question struct {
	Nonce string `json:"nonce"`
	keeper.Wish
}

// Client asks. Safe for concurrent use.
type Client struct {
	http   *http.Client
	secret []byte
}

// NewClient makes a client with the secret that all executors share; empty: nothing is signed.
func NewClient(secret string) *Client {
	return &Client{secret: []byte(secret), http: &http.Client{Transport: &http.Transport{
		MaxIdleConnsPerHost: 2, IdleConnTimeout: idleTime, DisableCompression: true,
		DialContext: (&net.Dialer{KeepAlive: 15 * time.Second}).DialContext,
	}}}
}

// Ask asks the executor at the address. It returns when ctx ends.
func (c *Client) Ask(ctx context.Context, address string, w keeper.Wish) (keeper.Answer, error) {
	var a keeper.Answer
	q := question{Nonce: rand.Text(), Wish: w}
	body, err := json.Marshal(q)
	if err != nil {
		return a, err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+address+path, bytes.NewReader(body))
	if err != nil {
		return a, err
	}
	r.Header.Set(signature, sign(c.secret, body))
	resp, err := c.http.Do(r)
	if err != nil {
		return a, err
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(io.LimitReader(resp.Body, maxBody))
	if err != nil {
		return a, err
	}
	if resp.StatusCode != http.StatusOK {
		return a, fmt.Errorf("peer %s: %s: %s", address, resp.Status, bytes.TrimSpace(got))
	}
	if !hmac.Equal([]byte(resp.Header.Get(signature)), []byte(sign(c.secret, append([]byte(q.Nonce), got...)))) {
		return a, fmt.Errorf("peer %s: its answer is not signed with our peer secret", address)
	}
	if err := json.Unmarshal(got, &a); err != nil {
		return a, fmt.Errorf("peer %s: %w", address, err)
	}
	return a, nil
}

// Close ends the connections that are kept.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Listen opens the address at which the executors of other members are answered.
func Listen(address, secret string) (net.Listener, error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("ham.executor.peer: listen on %s: %w", address, err)
	}
	if a, ok := l.Addr().(*net.TCPAddr); secret == "" && (!ok || !a.IP.IsLoopback()) {
		_ = l.Close()
		return nil, fmt.Errorf("ham.executor.peer: %s: %w: set ham.executor.peer_secret", address, ErrOpen)
	}
	return l, nil
}

// Serve answers on l until ctx ends, and closes it. answer must not block; false: this executor keeps no member of the group.
func Serve(ctx context.Context, l net.Listener, secret string, answer func(keeper.Wish) (keeper.Answer, bool)) error {
	key := []byte(secret)
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+path, func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
		if err != nil {
			http.Error(w, "a question of at most 4096 bytes is wanted", http.StatusRequestEntityTooLarge)
			return
		}
		if !hmac.Equal([]byte(r.Header.Get(signature)), []byte(sign(key, body))) {
			http.Error(w, "the question is not signed with our peer secret", http.StatusUnauthorized)
			return
		}
		var q question
		if err := json.Unmarshal(body, &q); err != nil || q.Group == "" || q.Member == "" {
			http.Error(w, "a question in JSON with group and member is wanted", http.StatusBadRequest)
			return
		}
		a, ok := answer(q.Wish)
		if !ok {
			http.Error(w, "no member of group "+q.Group+" is kept here", http.StatusNotFound)
			return
		}
		out, err := json.Marshal(a)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.Header().Set(signature, sign(key, append([]byte(q.Nonce), out...)))
		_, _ = w.Write(out)
	})
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: 10 * time.Second, IdleTimeout: idleTime}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) || ctx.Err() == nil {
		return fmt.Errorf("peers: %w", err)
	}
	return nil
}

// sign is "" where nothing is signed.
func sign(secret, body []byte) string {
	if len(secret) == 0 {
		return ""
	}
	m := hmac.New(sha256.New, secret)
	m.Write(body)
	return hex.EncodeToString(m.Sum(nil))
}
