package signed_test

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/slack-go/slack"

	"github.com/isacloud/ha-manager/services/notifier/channel/slack/signed"
	"github.com/isacloud/ha-manager/services/notifier/channel/slack/slacktest"
)

// gate is a gate with a clock of its own, and what it let through.
type gate struct {
	*signed.Gate
	now   time.Time
	taken []string
	busy  error
}

func newGate() *gate {
	g := &gate{now: time.Unix(1_800_000_000, 0)}
	g.Gate = signed.New(signed.Options{
		Secret: func() (string, error) { return slacktest.SigningSecret, nil },
		Take: func(c *slack.InteractionCallback) error {
			if g.busy == nil {
				g.taken = append(g.taken, c.User.ID)
			}
			return g.busy
		},
		Log: slog.New(slog.DiscardHandler), Now: func() time.Time { return g.now },
	})
	return g
}

const payload = `{"type":"block_actions","user":{"id":"U1"},"actions":[{"type":"button","action_id":"a","value":"v"}]}`

// request is one that Slack signs at the gate's time, shifted.
func (g *gate) request(t *testing.T, secret string, shift time.Duration) *http.Request {
	t.Helper()
	r, err := slacktest.SignedRequest(t.Context(), "http://ham.test/slack", secret, []byte(payload), g.now.Add(shift))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func (g *gate) serve(r *http.Request) int {
	w := httptest.NewRecorder()
	g.ServeHTTP(w, r)
	return w.Code
}

// Slack's own example: the signature of its documentation.
func TestSignature(t *testing.T) {
	t.Parallel()
	body := "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&" +
		"command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&" +
		"trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"
	const want = "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"
	if got := signed.Sign("8f742231b10e8888abcd99yyyzzz85a5", "1531420618", []byte(body)); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestSlacksRequestIsTaken(t *testing.T) {
	t.Parallel()
	g := newGate()
	for _, shift := range []time.Duration{0, -signed.Window, signed.Window, -time.Minute} {
		if code := g.serve(g.request(t, slacktest.SigningSecret, shift)); code != http.StatusOK {
			t.Errorf("sent %s from now: %d", shift, code)
		}
	}
	if len(g.taken) != 4 || g.taken[0] != "U1" {
		t.Errorf("taken: %v", g.taken)
	}
	check, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://ham.test/slack", strings.NewReader("ssl_check=1"))
	if err != nil {
		t.Fatal(err)
	}
	check.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if code := g.serve(check); code != http.StatusUnauthorized {
		t.Errorf("an unsigned look is answered %d", code)
	}
}

// What Slack did not sign changes nothing.
func TestForgedSignatureIsRefused(t *testing.T) {
	t.Parallel()
	g := newGate()
	for name, forge := range map[string]func(*http.Request){
		"another secret":      func(r *http.Request) { *r = *g.request(t, "another", 0) },
		"no signature":        func(r *http.Request) { r.Header.Del("X-Slack-Signature") },
		"no time":             func(r *http.Request) { r.Header.Del("X-Slack-Request-Timestamp") },
		"a time that is none": func(r *http.Request) { r.Header.Set("X-Slack-Request-Timestamp", "soon") },
		"another time":        func(r *http.Request) { r.Header.Set("X-Slack-Request-Timestamp", "1800000001") },
		"another body":        func(r *http.Request) { r.Body = http.NoBody },
		"another version": func(r *http.Request) {
			r.Header.Set("X-Slack-Signature", strings.Replace(r.Header.Get("X-Slack-Signature"), "v0", "v1", 1))
		},
		"half of the signature": func(r *http.Request) { r.Header.Set("X-Slack-Signature", r.Header.Get("X-Slack-Signature")[:30]) },
		"the signature, uppercase": func(r *http.Request) {
			r.Header.Set("X-Slack-Signature", strings.ToUpper(r.Header.Get("X-Slack-Signature")))
		},
	} {
		r := g.request(t, slacktest.SigningSecret, 0)
		forge(r)
		if code := g.serve(r); code != http.StatusUnauthorized {
			t.Errorf("%s: %d", name, code)
		}
	}
	if len(g.taken) > 0 {
		t.Errorf("taken: %v", g.taken)
	}
}

// A request that somebody kept is of no use later.
func TestOldRequestIsRefused(t *testing.T) {
	t.Parallel()
	g := newGate()
	for _, shift := range []time.Duration{-signed.Window - time.Second, signed.Window + time.Second, -24 * time.Hour} {
		if code := g.serve(g.request(t, slacktest.SigningSecret, shift)); code != http.StatusUnauthorized {
			t.Errorf("sent %s from now: %d", shift, code)
		}
	}
	if len(g.taken) > 0 {
		t.Errorf("taken: %v", g.taken)
	}
}

// The same request is taken once, for as long as its time would let it through.
func TestReplayedRequestIsRefused(t *testing.T) {
	t.Parallel()
	g := newGate()
	ahead := g.request(t, slacktest.SigningSecret, signed.Window)
	again := ahead.Clone(t.Context())
	again.Body, _ = ahead.GetBody()
	last := ahead.Clone(t.Context())
	last.Body, _ = ahead.GetBody()
	if code := g.serve(ahead); code != http.StatusOK {
		t.Fatalf("the first: %d", code)
	}
	if code := g.serve(again); code != http.StatusUnauthorized {
		t.Errorf("the second: %d", code)
	}
	g.now = g.now.Add(2 * signed.Window) // the last moment at which its time is let through
	if code := g.serve(last); code != http.StatusUnauthorized {
		t.Errorf("ten minutes later: %d", code)
	}
	if len(g.taken) != 1 {
		t.Errorf("taken: %v", g.taken)
	}
}

func TestWhatIsNoPressIsRefused(t *testing.T) {
	t.Parallel()
	g := newGate()
	send := func(method, kind, body string) int {
		r, err := http.NewRequestWithContext(t.Context(), method, "http://ham.test/slack", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", kind)
		r.Header.Set("X-Slack-Request-Timestamp", "1800000000")
		r.Header.Set("X-Slack-Signature", signed.Sign(slacktest.SigningSecret, "1800000000", []byte(body)))
		return g.serve(r)
	}
	const form = "application/x-www-form-urlencoded"
	for _, c := range []struct {
		method, kind, body string
		want               int
	}{
		{http.MethodGet, form, "payload={}", http.StatusMethodNotAllowed}, {http.MethodPost, "application/json", payload, http.StatusBadRequest},
		{http.MethodPost, form, "payload={", http.StatusBadRequest}, {http.MethodPost, form, "nothing", http.StatusBadRequest}, {http.MethodPost, form, "a=%zz", http.StatusBadRequest},
		{http.MethodPost, form, "payload=" + strings.Repeat("x", 600<<10), http.StatusRequestEntityTooLarge}, {http.MethodPost, form, "ssl_check=1", http.StatusOK},
	} {
		if got := send(c.method, c.kind, c.body); got != c.want {
			t.Errorf("%s %s %.20s: %d, want %d", c.method, c.kind, c.body, got, c.want)
		}
	}
	g.busy = signed.ErrBusy
	if code := g.serve(g.request(t, slacktest.SigningSecret, 0)); code != http.StatusServiceUnavailable {
		t.Errorf("busy: %d", code)
	}
	if len(g.taken) > 0 {
		t.Errorf("taken: %v", g.taken)
	}
}
