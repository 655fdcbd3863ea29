package door

import (
	"embed"
	"html/template"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/isacloud/ha-manager/pkg/spec"
	"github.com/isacloud/ha-manager/pkg/words"
	"github.com/isacloud/ha-manager/services/console/internal/tongue"
)

//go:embed pages/*.html
var files embed.FS

var pages = func() map[words.Lang]*template.Template {
	all, err := tongue.Templates(func(t *template.Template) (*template.Template, error) { return t.ParseFS(files, "pages/*.html") })
	if err != nil {
		panic(err) // the pages are embedded: any test finds it
	}
	return all
}()

// policy is what a browser may do with the pages of this console: nothing of another host, nothing that stands in the page itself.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"

// headers are on every answer. What is behind the door may set its own.
func (d *Door) headers(h http.Header) {
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "same-origin") // with no-referrer a browser would not say in Origin where a form stood
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
	h.Set("Cache-Control", "no-store")
	if d.secure {
		h.Set("Strict-Transport-Security", "max-age="+strconv.Itoa(int(180*24*time.Hour/time.Second)))
	}
}

// view is what a page of the door shows.
type view struct {
	Style      string
	Icon       string
	Name, Site string
	Siblings   []spec.Sibling
	As         string // the name that was typed, to be kept where the password was wrong
	Title      string
	Sentence   string // why somebody stands here again
	Do         string
	Next       string // a path of this console
	Link       template.URL
	Passwords  bool
	Shown      string // the certificate's owner; empty: none was shown
	Provider   string // the host of the identity provider; empty: none
	Others     []tongue.Choice
}

func (d *Door) show(w http.ResponseWriter, r *http.Request, page string, status int, v view) {
	v.Style, v.Icon, v.Name, v.Site, v.Siblings = d.o.Style, d.o.Icon, d.o.Name, d.o.Site, d.o.Console.Siblings
	keep := url.Values{}
	if v.Next != "" {
		keep.Set("next", v.Next)
	}
	v.Others = tongue.Choices(r, keep)
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_ = pages[tongue.Of(r)].ExecuteTemplate(w, page, v) // who has gone sees no page
}

// refuse says why a request goes no further: to a person on a page, to a script in a line.
func (d *Door) refuse(w http.ResponseWriter, r *http.Request, no *refusal) {
	if no.wait > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(no.wait/time.Second)))
	}
	if no.status == http.StatusMethodNotAllowed {
		w.Header().Set("Allow", "GET, HEAD, POST")
	}
	if no.status == http.StatusRequestTimeout || no.status == http.StatusRequestEntityTooLarge {
		w.Header().Set("Connection", "close") // what is still on its way is not waited for
	}
	if !wantsPage(r) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.WriteHeader(no.status)
		_, _ = w.Write([]byte(no.why + ". " + no.do + "\n"))
		return
	}
	d.show(w, r, "refused.html", no.status, view{Title: no.title, Sentence: no.why, Do: no.do})
}

// signInFirst answers who has no session: with the way to the sign-in page, or, to a script, with 401.
func (d *Door) signInFirst(w http.ResponseWriter, r *http.Request) {
	if changes(r) || !wantsPage(r) {
		d.refuse(w, r, &refusal{status: http.StatusUnauthorized, title: "Not signed in", why: "your session has ended, or there was none, and nothing was done", do: "Sign in and do it again."})
		return
	}
	target := r.URL.RequestURI()
	// From a link in a chat the browser does not send the session's cookie, as it must not where another site sends it here. From a page of
	// our own it does: so a page of our own goes there once more.
	if r.Header.Get("Sec-Fetch-Site") == "cross-site" && next(target) == target {
		d.onward(w, r, target)
		return
	}
	to := pathSignIn
	if target = next(target); target != "/" {
		to += "?next=" + url.QueryEscape(target)
	}
	http.Redirect(w, r, to, http.StatusSeeOther)
}

// onward is a page that goes to target by itself. Target is a page of this console.
func (d *Door) onward(w http.ResponseWriter, r *http.Request, target string) {
	d.show(w, r, "onward.html", http.StatusOK, view{Title: "One moment", Next: next(target)})
}

func (d *Door) signInPage(w http.ResponseWriter, r *http.Request) {
	d.showSignIn(w, r, http.StatusOK, next(r.URL.Query().Get("next")), "")
}

func (d *Door) showSignIn(w http.ResponseWriter, r *http.Request, status int, target, sentence string) {
	v := view{Title: "Sign in", Sentence: sentence, Next: target, As: clip(r.PostForm.Get("name")), Passwords: d.users.passwords()}
	if leaf := leafOf(r); leaf != nil {
		v.Shown = clip(leaf.Subject.CommonName)
		if u, err := d.users.named(leaf); err == nil {
			v.Shown = u.Name
		}
	}
	if d.oidc != nil {
		v.Provider = d.oidc.host
		v.Link = template.URL(pathOIDC + "?next=" + url.QueryEscape(target))
	}
	d.show(w, r, "sign-in.html", status, v)
}
