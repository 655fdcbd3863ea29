package http

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec"
	"github.com/isacloud/ha-manager/services/prober/check"
	"github.com/isacloud/ha-manager/services/prober/check/checktest"
)

func TestMain(m *testing.M) {
	checktest.Main(m, map[string]checktest.Role{"site": func(l net.Listener) {
		_ = http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "alive") }))
	}})
}

const ample = 20 * time.Second

// quiet takes what net/http says of clients that hang up.
var quiet = log.New(io.Discard, "", 0)

func page(url string, edit ...func(*spec.HTTPCheck)) spec.Check {
	h := &spec.HTTPCheck{URL: url}
	for _, f := range edit {
		f(h)
	}
	return spec.Check{Name: "alive", Timeout: ample, HTTP: h}
}

func token(value spec.Secret) func(*spec.HTTPCheck) {
	return func(h *spec.HTTPCheck) { h.Headers = map[string]spec.Secret{"Authorization": "Bearer " + value} }
}

func body(expr string) func(*spec.HTTPCheck) {
	return func(h *spec.HTTPCheck) { h.Body = regexp.MustCompile(expr) }
}

// server answers with f until the test ends.
func server(t *testing.T, f http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(f)
	t.Cleanup(s.Close)
	return s.URL
}

func status(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
}

// raw answers each request with what say returns for its header lines.
func raw(t *testing.T, say func(request []string, c net.Conn)) string {
	t.Helper()
	return "http://" + checktest.Listen(t, func(c net.Conn) {
		r := bufio.NewReader(c)
		for {
			var request []string
			for {
				line, err := r.ReadString('\n')
				if err != nil {
					return
				}
				if line = strings.TrimSpace(line); line == "" {
					break
				}
				request = append(request, line)
			}
			say(request, c)
		}
	})
}

func TestSuite(t *testing.T) {
	checktest.Run(t, checktest.Suite{
		Kind:   Kind,
		Up:     func(t *testing.T) spec.Check { return page(server(t, status(200)) + "/alive") },
		SaysNo: func(t *testing.T) spec.Check { return page(server(t, status(503))) },
		CannotAsk: func(t *testing.T) spec.Check {
			return page("https://"+checktest.Silent(t), func(h *spec.HTTPCheck) { h.TLS.CAFile = "/nonexistent/ca.pem" })
		},
		Hangs: func(t *testing.T) spec.Check { return page("http://" + checktest.Silent(t)) },
		Gone:  func(t *testing.T) spec.Check { return page("http://" + checktest.Nobody(t)) },
		Floods: func(t *testing.T) spec.Check {
			return page(raw(t, func(_ []string, c net.Conn) {
				_, err := io.WriteString(c, "HTTP/1.1 200 OK\r\n")
				for err == nil {
					_, err = io.WriteString(c, "X-More: "+strings.Repeat("x", 4000)+"\r\n")
				}
			}))
		},
		Echoes: func(t *testing.T) spec.Check {
			return page(raw(t, func(request []string, c net.Conn) {
				for _, line := range request {
					if told, ok := strings.CutPrefix(line, "Authorization: "); ok {
						fmt.Fprintf(c, "HTTP/1.1 302 no entry with %s\r\nLocation: /%s\r\nContent-Length: 0\r\n\r\n", told, url.PathEscape(told))
					}
				}
			}), token(checktest.Secret))
		},
		Unresolved: func(t *testing.T) spec.Check { return page(server(t, status(200)), token(checktest.Missing)) },
	})
}

// looking opens c; woken receives each wake.
func looking(t *testing.T, c spec.Check, secrets spec.Lookup) (look func() check.Result, woken <-chan struct{}) {
	t.Helper()
	wakes := make(chan struct{}, 64)
	l, err := Kind.Open(check.Target{Check: c, Secrets: secrets, Wake: func() { wakes <- struct{}{} }})
	require.NoError(t, err)
	t.Cleanup(l.Close)
	return func() check.Result {
		ctx, cancel := context.WithTimeout(t.Context(), c.Timeout)
		defer cancel()
		return l.Look(ctx)
	}, wakes
}

func TestEvidenceSaysWhatWasWanted(t *testing.T) {
	t.Parallel()
	url := server(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/503":
			w.WriteHeader(503)
		case "/moved":
			http.Redirect(w, r, "/503?token=geheim", http.StatusFound)
		default:
			fmt.Fprint(w, "all is well")
		}
	})
	withAuth := strings.Replace(url, "http://", "http://ana:geheim@", 1)
	for _, c := range []struct {
		check    spec.Check
		answer   message.Answer
		evidence string
	}{
		{page(url + "/503"), message.Down, "GET " + url + "/503: 503 Service Unavailable, want 200-299"},
		{page(withAuth + "/503?key=geheim"), message.Down, "GET " + url + "/503?…: 503 Service Unavailable, want 200-299"},
		{page(url+"/503", func(h *spec.HTTPCheck) { h.Status = []spec.StatusRange{{From: 503, To: 503}} }), message.Up, ""},
		{page(url+"/", func(h *spec.HTTPCheck) { h.Status = []spec.StatusRange{{From: 204, To: 204}, {From: 300, To: 302}} }), message.Down, "GET " + url + "/: 200 OK, want 204, 300-302"},
		{page(url+"/", body("well$")), message.Up, ""},
		{page(url+"/", body("ill")), message.Down, "GET " + url + "/: 200 OK, but the body (11 bytes looked at) does not match ill"},
		{page(url + "/moved"), message.Down, "GET " + url + "/moved: 302 Found to " + url + "/503?…, want 200-299"},
		{page(url+"/moved", func(h *spec.HTTPCheck) { h.Redirects = 1 }), message.Down, "GET " + url + "/moved → " + url + "/503?…: 503 Service Unavailable, want 200-299"},
		{page(url+"/", func(h *spec.HTTPCheck) { h.Method = http.MethodHead }), message.Up, ""},
	} {
		look, _ := looking(t, c.check, nil)
		r := look()
		require.Equal(t, c.answer, r.Answer, c.check.HTTP.URL)
		require.Equal(t, c.evidence, r.Evidence)
	}
	nobody := checktest.Nobody(t)
	look, _ := looking(t, page("http://"+nobody+"/alive"), nil)
	require.Equal(t, check.Result{Answer: message.Down, Hard: true, Evidence: "GET http://" + nobody + "/alive: connect " + nobody + ": connection refused"}, look())
}

func TestURLThatCannotBeAskedIsRefusedWithoutItsSecrets(t *testing.T) {
	t.Parallel()
	for _, url := range []string{"", "/alive", "ftp://host/", "http://", "http://ana:geheim@ho st/", "ldap://ana:geheim@host/?geheim"} {
		_, err := Kind.Open(check.Target{Check: page(url), Wake: func() {}})
		require.ErrorContains(t, err, "want http://host:port/path", url)
		require.NotContains(t, err.Error(), "geheim")
	}
}

func TestBodyIsLookedAtUpTo64KiB(t *testing.T) {
	t.Parallel()
	url := server(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, strings.Repeat("x", 64<<10)+"needle")
	})
	look, _ := looking(t, page(url, body("needle")), nil)
	r := look()
	require.Equal(t, message.Down, r.Answer)
	require.Contains(t, r.Evidence, "65536 bytes looked at")
	look, _ = looking(t, page(url, body("^x{100}")), nil)
	require.Equal(t, message.Up, look().Answer)
}

// Where the body is not looked at, one that never ends must not hold the look up.
func TestStreamingAnswerIsUpByItsStatus(t *testing.T) {
	t.Parallel()
	url := server(t, func(w http.ResponseWriter, r *http.Request) {
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	})
	look, _ := looking(t, page(url), nil)
	began := time.Now()
	require.Equal(t, message.Up, look().Answer)
	require.Less(t, time.Since(began), ample/2)
}

func TestInformationalAnswersArePassedOver(t *testing.T) {
	t.Parallel()
	url := raw(t, func(_ []string, c net.Conn) {
		_, _ = io.WriteString(c, "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
	})
	look, _ := looking(t, page(url, body("^ok$")), nil)
	for range 3 {
		require.Equal(t, message.Up, look().Answer)
	}
}

func TestSlowAnswerIsDegraded(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	url := server(t, func(http.ResponseWriter, *http.Request) { <-release })
	look, _ := looking(t, page(url, func(h *spec.HTTPCheck) { h.SlowerThan = 50 * time.Millisecond }), nil)
	time.AfterFunc(60*time.Millisecond, func() { close(release) }) // the passing of time is what is tested
	r := look()
	require.Equal(t, message.Degraded, r.Answer)
	require.Contains(t, r.Evidence, "slower than 50ms")
}

func TestRedirectsAreFollowedOnlyAsDeclared(t *testing.T) {
	t.Parallel()
	url := server(t, func(w http.ResponseWriter, r *http.Request) {
		if n := strings.TrimPrefix(r.URL.Path, "/"); n != "" {
			http.Redirect(w, r, "/"+n[1:], http.StatusFound) // one step less each time
		}
	})
	for _, c := range []struct {
		hops, follow int
		want         message.Answer
	}{{1, 0, message.Down}, {1, 1, message.Up}, {3, 2, message.Down}, {3, 3, message.Up}} {
		look, _ := looking(t, page(url+"/"+strings.Repeat("x", c.hops), func(h *spec.HTTPCheck) { h.Redirects = c.follow }), nil)
		r := look()
		require.Equal(t, c.want, r.Answer, r.Evidence)
	}
	look, _ := looking(t, page(raw(t, func(_ []string, c net.Conn) {
		_, _ = io.WriteString(c, "HTTP/1.1 302 Found\r\nLocation: gopher://x/\r\nContent-Length: 0\r\n\r\n")
	}), func(h *spec.HTTPCheck) { h.Redirects = 5 }), nil)
	r := look()
	require.Equal(t, message.Down, r.Answer)
	require.Contains(t, r.Evidence, "gopher://x/, which is no http address")
}

// A redirect to somebody else must not fetch the member's secrets.
func TestRedirectToAnotherOriginGetsNoSecrets(t *testing.T) {
	t.Parallel()
	heard := make(chan http.Header, 4)
	other := server(t, func(_ http.ResponseWriter, r *http.Request) { heard <- r.Header })
	own := server(t, func(w http.ResponseWriter, r *http.Request) {
		heard <- r.Header
		switch r.URL.Path {
		case "/out":
			http.Redirect(w, r, other+"/", http.StatusTemporaryRedirect)
		case "/in":
			http.Redirect(w, r, "/", http.StatusTemporaryRedirect)
		}
	})
	headers := func(h *spec.HTTPCheck) {
		h.Redirects = 3
		h.Headers = map[string]spec.Secret{"X-Api-Key": "${env:KEY}", "User-Agent": "${env:KEY}", "Host": "site.example"}
	}
	key := func(string, string) (string, error) { return "geheim", nil }
	look, _ := looking(t, page(own+"/out", headers), key)
	require.Equal(t, message.Up, look().Answer)
	require.Equal(t, "geheim", (<-heard).Get("X-Api-Key"))
	require.NotContains(t, fmt.Sprint(<-heard), "geheim")

	look, _ = looking(t, page(own+"/in", headers), key)
	require.Equal(t, message.Up, look().Answer)
	require.Equal(t, "geheim", (<-heard).Get("X-Api-Key"))
	require.Equal(t, "geheim", (<-heard).Get("X-Api-Key"), "the same origin gets what is declared")
}

func TestRotatedSecretIsTakenWithoutRestart(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "token")
	heard := make(chan string, 1)
	url := server(t, func(_ http.ResponseWriter, r *http.Request) { heard <- r.Header.Get("Authorization") })
	look, _ := looking(t, page(url, token(spec.Secret("${file:"+file+"}"))), spec.LookupSecret)
	for _, secret := range []string{"one", "two"} {
		require.NoError(t, os.WriteFile(file, []byte(secret+"\n"), 0o600))
		require.Equal(t, message.Up, look().Answer)
		require.Equal(t, "Bearer "+secret, <-heard)
	}
}
