package door

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/isacloud/ha-manager/pkg/who"
)

// bubble is a door in a bubble of its own time, and a way to ask it.
func bubble(t *testing.T, f func(t *testing.T, d *Door, ask func(token, accept string) (int, context.Context))) {
	synctest.Test(t, func(t *testing.T) {
		d, err := New(Options{Console: people(), Name: "sp1"})
		require.NoError(t, err)
		defer d.sessions.endAll()
		f(t, d, func(token, accept string) (int, context.Context) {
			var seen context.Context
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			r.AddCookie(&http.Cookie{Name: d.cookie, Value: token})
			r.Header.Set("Accept", accept)
			w := httptest.NewRecorder()
			d.Wrap(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { seen = r.Context() })).ServeHTTP(w, r)
			return w.Code, seen
		})
	})
}

var ana = who.Person{Name: "ana", Via: who.Local, Roles: map[string]who.Role{who.Everywhere: who.Operator}}

// TestSessionsEnd: by idleness, which a page that is left open does not hold off; and by age, however busy somebody is.
func TestSessionsEnd(t *testing.T) {
	bubble(t, func(t *testing.T, d *Door, ask func(string, string) (int, context.Context)) {
		ok := func(token, accept string) bool {
			code, _ := ask(token, accept)
			return code == http.StatusOK
		}
		idle := d.sessions.begin(ana, fingerprint{}, time.Time{})
		time.Sleep(d.sessions.idle - time.Second)
		require.True(t, ok(idle, "text/html"))
		time.Sleep(d.sessions.idle - time.Second)
		require.True(t, ok(idle, "text/event-stream"), "a stream is no sign of a person")
		time.Sleep(2 * time.Second)
		require.False(t, ok(idle, "text/html"))
		synctest.Wait()
		require.Zero(t, d.sessions.count(), "what has ended is not kept")

		busy := d.sessions.begin(ana, fingerprint{}, time.Time{})
		begun := time.Now()
		for time.Since(begun) < d.sessions.max-time.Minute {
			require.True(t, ok(busy, "text/html"))
			time.Sleep(time.Minute)
		}
		require.True(t, ok(busy, "text/html"))
		time.Sleep(time.Minute)
		require.False(t, ok(busy, "text/html"))
		synctest.Wait()
		require.Zero(t, d.sessions.count())

		short := d.sessions.begin(ana, fingerprint{}, time.Now().Add(time.Minute))
		require.True(t, ok(short, "text/html"))
		time.Sleep(time.Minute)
		require.False(t, ok(short, "text/html"), "not longer than the certificate that opened it")
	})
}

// TestStreamsEndWithTheirSession: a live page of somebody whose session is over shows nothing more, be it over by sign-out or by time.
func TestStreamsEndWithTheirSession(t *testing.T) {
	for name, end := range map[string]func(d *Door, token string){
		"sign-out":   func(d *Door, token string) { d.sessions.end(token) },
		"idle":       func(d *Door, _ string) { time.Sleep(d.sessions.idle) },
		"by another": func(d *Door, _ string) { d.sessions.endAll() },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d, err := New(Options{Console: people(), Name: "sp1"})
				require.NoError(t, err)
				token := d.sessions.begin(ana, fingerprint{}, time.Time{})
				r := httptest.NewRequest(http.MethodGet, "/live", nil)
				r.AddCookie(&http.Cookie{Name: d.cookie, Value: token})
				r.Header.Set("Accept", "text/event-stream")
				ended := make(chan struct{})
				open := make(chan struct{})
				go func() {
					defer close(ended)
					d.Wrap(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
						close(open)
						<-r.Context().Done()
					})).ServeHTTP(httptest.NewRecorder(), r)
				}()
				<-open
				synctest.Wait()
				end(d, token)
				<-ended
			})
		})
	}
}

// TestSessionsAreBounded: one person has so many and no more, and so have all together; those used least recently end.
func TestSessionsAreBounded(t *testing.T) {
	bubble(t, func(t *testing.T, d *Door, ask func(string, string) (int, context.Context)) {
		first := d.sessions.begin(ana, fingerprint{}, time.Time{})
		time.Sleep(time.Second)
		var last string
		for range mostOfOne {
			last = d.sessions.begin(ana, fingerprint{}, time.Time{})
		}
		require.Equal(t, mostOfOne, d.sessions.count())
		code, _ := ask(first, "")
		require.Equal(t, http.StatusUnauthorized, code)
		code, _ = ask(last, "")
		require.Equal(t, http.StatusOK, code)
		for i := range mostSessions + 50 {
			d.sessions.begin(who.Person{Name: fmt.Sprintf("user%d", i)}, fingerprint{}, time.Time{})
		}
		require.Equal(t, mostSessions, d.sessions.count())
	})
}

// TestOnlyTheHashIsKept: what lies in memory opens nothing.
func TestOnlyTheHashIsKept(t *testing.T) {
	bubble(t, func(t *testing.T, d *Door, ask func(string, string) (int, context.Context)) {
		token := d.sessions.begin(ana, fingerprint{}, time.Time{})
		for key, s := range d.sessions.by {
			require.Equal(t, fingerprint(sha256.Sum256([]byte(token))), key)
			require.NotContains(t, fmt.Sprintf("%+v", s), token)
			code, _ := ask(s.person.Session, "")
			require.Equal(t, http.StatusUnauthorized, code, "the session's name in the record opens nothing")
			code, _ = ask(base64.RawURLEncoding.EncodeToString(key[:]), "")
			require.Equal(t, http.StatusUnauthorized, code)
		}
		other := d.sessions.begin(ana, fingerprint{}, time.Time{})
		require.NotEqual(t, token, other)
	})
}
