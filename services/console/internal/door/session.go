package door

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/isacloud/ha-manager/pkg/who"
)

// Bounds of what is kept: where one is reached, the session that was used least recently ends.
const (
	mostSessions  = 1000
	mostOfOne     = 20
	secretBytes   = 32
	mostCookieLen = 64
)

// fingerprint is the hash of a session's secret, or of a certificate: what is kept in its place.
type fingerprint [sha256.Size]byte

// sessions are those of one console. They live in memory alone.
type sessions struct {
	idle, max time.Duration

	mu sync.Mutex
	by map[fingerprint]*session
}

// session is one sign-in.
type session struct {
	all    *sessions
	key    fingerprint
	person who.Person // without From, which each request has of its own
	// certificate that must be shown with each request, until certEnds; zero: none.
	certificate fingerprint
	born        time.Time
	ends        time.Time // at the latest
	ctx         context.Context
	cancel      context.CancelCauseFunc
	timer       *time.Timer

	mu   sync.Mutex
	seen time.Time
}

func newSessions(idle, max time.Duration) *sessions {
	return &sessions{idle: idle, max: max, by: map[fingerprint]*session{}}
}

var errEnded = errors.New("the session has ended")

// secret is 256 random bits as a cookie or a form can carry them.
func secret() string {
	b := make([]byte, secretBytes)
	_, _ = rand.Read(b) // it does not fail: the program ends instead
	return base64.RawURLEncoding.EncodeToString(b)
}

// begin makes a session, and its secret, which is known to nobody yet.
func (s *sessions) begin(p who.Person, certificate fingerprint, until time.Time) (token string) {
	now := time.Now()
	token = secret()
	p.CSRF, p.Session = secret(), strings.ToLower(rand.Text()[:12])
	n := &session{all: s, key: sha256.Sum256([]byte(token)), person: p, certificate: certificate, born: now, ends: now.Add(s.max), seen: now}
	if !until.IsZero() && until.Before(n.ends) {
		n.ends = until
	}
	n.ctx, n.cancel = context.WithCancelCause(context.Background())
	s.mu.Lock()
	defer s.mu.Unlock()
	s.makeRoom(p.Name)
	s.by[n.key] = n
	n.timer = time.AfterFunc(n.left(now), n.expire)
	return token
}

// makeRoom ends the sessions used least recently where there are too many: of this person, or at all.
func (s *sessions) makeRoom(name string) {
	for {
		var oldest, own *session
		of := 0
		for _, x := range s.by {
			if oldest == nil || x.lastSeen().Before(oldest.lastSeen()) {
				oldest = x
			}
			if x.person.Name == name {
				of++
				if own == nil || x.lastSeen().Before(own.lastSeen()) {
					own = x
				}
			}
		}
		switch {
		case of >= mostOfOne:
			s.drop(own)
		case len(s.by) >= mostSessions:
			s.drop(oldest)
		default:
			return
		}
	}
}

// find returns the session that a secret opens, if it has not ended; nil: none.
func (s *sessions) find(token string) *session {
	if token == "" || len(token) > mostCookieLen {
		return nil
	}
	s.mu.Lock()
	x := s.by[sha256.Sum256([]byte(token))]
	s.mu.Unlock()
	if x == nil || x.left(time.Now()) <= 0 {
		return nil
	}
	return x
}

// end ends the session that a secret opens, and what is open in it.
func (s *sessions) end(token string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if x := s.by[sha256.Sum256([]byte(token))]; x != nil {
		s.drop(x)
	}
}

// drop takes a session out; s.mu is held.
func (s *sessions) drop(x *session) {
	delete(s.by, x.key)
	if x.timer != nil {
		x.timer.Stop()
	}
	x.cancel(errEnded)
}

// count says how many there are.
func (s *sessions) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.by)
}

// expire ends the session if its time is over, and waits on where somebody used it meanwhile.
func (x *session) expire() {
	x.all.mu.Lock()
	defer x.all.mu.Unlock()
	if x.all.by[x.key] != x {
		return
	}
	if left := x.left(time.Now()); left > 0 {
		x.timer.Reset(left)
		return
	}
	x.all.drop(x)
}

// left is how long the session lives on if nobody uses it.
func (x *session) left(now time.Time) time.Duration {
	return min(x.lastSeen().Add(x.all.idle).Sub(now), x.ends.Sub(now))
}

func (x *session) lastSeen() time.Time {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.seen
}

func (x *session) touch() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.seen = time.Now()
}

// bind ends ctx with the session. Call done when the request is over.
func (x *session) bind(ctx context.Context) (_ context.Context, done func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(x.ctx, func() { cancel(errEnded) })
	return ctx, func() {
		stop()
		cancel(nil)
	}
}

// session is the one that a request belongs to; nil: none. One that a certificate opened needs that certificate in each request.
func (d *Door) session(r *http.Request) *session {
	s := d.sessions.find(d.cookieOf(r))
	if s == nil {
		return nil
	}
	if s.certificate != (fingerprint{}) && s.certificate != fingerprintOf(r) {
		return nil
	}
	return s
}

// enter signs a person in: whatever session the browser came with ends, and a new one begins under a secret of its own. So nobody who
// knew the old one, or had planted it, is in.
func (d *Door) enter(w http.ResponseWriter, r *http.Request, p who.Person, certificate fingerprint, until time.Time) {
	d.sessions.end(d.cookieOf(r))
	d.put(w, d.cookie, d.sessions.begin(p, certificate, until), http.SameSiteStrictMode, 0)
	d.tell(Event{What: SignedIn, Name: p.Name, Via: p.Via, From: fromOf(r.Context()).String()})
}

func (d *Door) cookieOf(r *http.Request) string {
	c, err := r.Cookie(d.cookie)
	if err != nil {
		return ""
	}
	return c.Value
}

// put sets a cookie that no script reads. It goes over TLS alone where people speak TLS; on loopback in the clear nobody listens.
func (d *Door) put(w http.ResponseWriter, name, value string, site http.SameSite, age time.Duration) {
	http.SetCookie(w, &http.Cookie{Name: name, Value: value, Path: "/", MaxAge: int(age / time.Second), Secure: d.secure, HttpOnly: true, SameSite: site})
}

func (d *Door) drop(w http.ResponseWriter, name string) {
	http.SetCookie(w, &http.Cookie{Name: name, Path: "/", MaxAge: -1, Secure: d.secure, HttpOnly: true, SameSite: http.SameSiteStrictMode})
}
