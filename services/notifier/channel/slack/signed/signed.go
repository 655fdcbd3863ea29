// Package signed takes what Slack sends as requests, and nothing that Slack did not send: see "Verifying requests from Slack",
// https://docs.slack.dev/authentication/verifying-requests-from-slack
package signed

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"

	"github.com/slack-go/slack"
)

const (
	// Window is how old a request may be, and how far ahead of this clock.
	Window = 5 * time.Minute
	// maxBody bounds a request: a press comes with the message that it is under.
	maxBody = 512 << 10
	// maxSeen bounds how many requests are remembered within the window. More than that are refused, not forgotten.
	maxSeen = 20_000
)

// ErrBusy says that more was pressed than can be taken now.
var ErrBusy = errors.New("more was pressed than can be taken now")

// Options of a gate. All are required.
type Options struct {
	// Secret is the app's signing secret. It is asked at each request, as a secret may change.
	Secret func() (string, error)
	// Take takes what was pressed, without waiting for what comes of it: Slack wants its answer within 3 s.
	Take func(*slack.InteractionCallback) error
	Log  *slog.Logger
	Now  func() time.Time
}

// Gate is an http.Handler that lets Slack's own requests through, once each. Safe for concurrent use.
type Gate struct {
	o    Options
	mu   sync.Mutex
	seen map[[sha256.Size]byte]time.Time // until when
}

// New makes a gate.
func New(o Options) *Gate {
	return &Gate{o: o, seen: map[[sha256.Size]byte]time.Time{}}
}

// errors that a request is refused with. None says more to a stranger than that.
var (
	errUnsigned = errors.New("the request is not signed")
	errOld      = errors.New("the request's time is more than 5 minutes from this clock's")
	errForged   = errors.New("the signature is not that of this request")
	errSeen     = errors.New("the request was taken before")
	errFull     = errors.New("too many requests within 5 minutes")
)

// ServeHTTP answers 200 once the press is taken; what comes of it is said in Slack.
func (g *Gate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	if r.Method != http.MethodPost {
		h.Set("Allow", http.MethodPost)
		http.Error(w, "POST alone", http.StatusMethodNotAllowed)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		g.o.Log.Warn("a request to the chat's door was refused", "from", r.RemoteAddr, "why", "its body is too long, or broke off")
		http.Error(w, "too long", http.StatusRequestEntityTooLarge)
		return
	}
	if err := g.admit(r.Header, body); err != nil {
		g.o.Log.Warn("a request to the chat's door was refused", "from", r.RemoteAddr, "why", err)
		status := http.StatusUnauthorized
		if errors.Is(err, errFull) {
			status = http.StatusServiceUnavailable
		}
		http.Error(w, "refused", status)
		return
	}
	c, err := read(r.Header, body)
	if err != nil {
		g.o.Log.Warn("a signed request of Slack was not understood", "error", err)
		http.Error(w, "not understood", http.StatusBadRequest)
		return
	}
	if c == nil { // Slack looks whether somebody is there
		return
	}
	if err := g.o.Take(c); err != nil {
		g.o.Log.Warn("a press was not taken", "user", c.User.ID, "error", err)
		http.Error(w, "busy", http.StatusServiceUnavailable)
	}
}

// admit says whether the request is Slack's, is of now, and came for the first time. The signature is looked at first: a stranger learns nothing of the
// rest, and fills no memory.
func (g *Gate) admit(h http.Header, body []byte) error {
	secret, err := g.o.Secret()
	if err != nil {
		return err
	}
	stamp, sent := h.Get("X-Slack-Request-Timestamp"), h.Get("X-Slack-Signature")
	at, err := strconv.ParseInt(stamp, 10, 64)
	if err != nil || sent == "" {
		return errUnsigned
	}
	want := Sign(secret, stamp, body)
	if !hmac.Equal([]byte(sent), []byte(want)) {
		return errForged
	}
	now := g.o.Now()
	if age := now.Sub(time.Unix(at, 0)); age > Window || age < -Window {
		return errOld
	}
	return g.first(sha256.Sum256([]byte(want)), now, time.Unix(at, 0).Add(Window))
}

// first says whether the signature comes for the first time, and remembers it for as long as it would be admitted.
func (g *Gate) first(signature [sha256.Size]byte, now, until time.Time) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if _, known := g.seen[signature]; known {
		return errSeen
	}
	if len(g.seen) >= maxSeen {
		for s, u := range g.seen {
			if u.Before(now) {
				delete(g.seen, s)
			}
		}
		if len(g.seen) >= maxSeen {
			return errFull
		}
	}
	g.seen[signature] = until
	return nil
}

// Sign is the signature of a request, version v0.
func Sign(secret, stamp string, body []byte) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte("v0:" + stamp + ":"))
	mac.Write(body)
	return "v0=" + hex.EncodeToString(mac.Sum(nil))
}

// read takes the press out of a form; nil where Slack only looks.
func read(h http.Header, body []byte) (*slack.InteractionCallback, error) {
	if kind, _, err := mime.ParseMediaType(h.Get("Content-Type")); err != nil || kind != "application/x-www-form-urlencoded" {
		return nil, errors.New("it is no form")
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, errors.New("it is no form")
	}
	if form.Get("ssl_check") == "1" {
		return nil, nil
	}
	c := new(slack.InteractionCallback)
	if form.Get("payload") == "" || json.Unmarshal([]byte(form.Get("payload")), c) != nil {
		return nil, errors.New("its payload is no JSON that Slack sends")
	}
	return c, nil
}
