// Package tongue picks the language that a page of the console is made in, and hands templates their words.
//
// What somebody chose on a page counts first (?lang=, remembered in a cookie), then what their browser asks for (Accept-Language). A page says
// its language to the stream that follows it, so that what comes later is in the same one.
package tongue

import (
	"html"
	"html/template"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"time"

	"github.com/isacloud/ha-manager/pkg/words"
)

// Cookie holds the language that somebody chose. It says nothing else of them.
const Cookie = "ham_lang"

// param is the language in an address.
const param = "lang"

// Of is the language for who sent the request. What cannot be read counts as not said.
func Of(r *http.Request) words.Lang {
	if l, ok := asked(r); ok {
		return l
	}
	if c, err := r.Cookie(Cookie); err == nil {
		if l, err := words.Parse(c.Value); err == nil && c.Value != "" {
			return l
		}
	}
	return words.Accept(r.Header.Get("Accept-Language"))
}

func asked(r *http.Request) (words.Lang, bool) {
	tag := r.URL.Query().Get(param)
	if tag == "" {
		return "", false
	}
	l, err := words.Parse(tag)
	return l, err == nil
}

// Remember keeps a language that an address names for the pages after it.
func Remember(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if l, ok := asked(r); ok && r.Method == http.MethodGet && r.Header.Get("Accept") != "text/event-stream" {
			http.SetCookie(w, &http.Cookie{
				Name: Cookie, Value: string(l), Path: "/", MaxAge: 365 * 24 * 60 * 60, HttpOnly: true, Secure: r.TLS != nil,
				SameSite: http.SameSiteLaxMode, // also who comes by a link of a chat is answered in their language
			})
		}
		next.ServeHTTP(w, r)
	})
}

// Choice is a language that a page can be had in instead.
type Choice struct {
	Lang words.Lang
	Name string // as its speakers call it
	URL  string // of the same page in it
}

// Choices are the languages that the page is not in. Query is what of the page's address belongs to it.
func Choices(r *http.Request, query url.Values) []Choice {
	is := Of(r)
	var out []Choice
	for _, l := range words.Langs() {
		if l == is {
			continue
		}
		q, to := url.Values{}, "/"
		if r.Method == http.MethodGet { // the answer to a form is at no address of its own
			q, to = maps.Clone(query), ""
		}
		if q == nil {
			q = url.Values{}
		}
		q.Set(param, string(l))
		out = append(out, Choice{l, map[words.Lang]string{words.English: "English", words.Portuguese: "Português"}[l], to + "?" + q.Encode()})
	}
	return out
}

// Funcs are what templates say things with:
//
//	lang         the language's tag
//	t "Text" …   a text of the page by its English, with the verbs of package fmt; one argument that is no text of the page's is said as say does
//	say .X       a sentence that ham made
//	fig .X       a figure with its unit
//	day .X       the name of a month or of a day
//	moment .X    a moment that was written in UTC; the page's script puts the reader's own time before it
//	drawing .X   an SVG with its texts
func Funcs(l words.Lang) template.FuncMap {
	speaker := words.Of(l)
	return template.FuncMap{
		"lang":    func() string { return string(l) },
		"say":     speaker.Say,
		"fig":     speaker.Figure,
		"day":     speaker.Day,
		"moment":  func(text string) template.HTML { return moment(speaker, text) },
		"drawing": func(svg template.HTML) template.HTML { return drawing(speaker, svg) },
		"t": func(text string, args ...any) string {
			if len(args) == 0 && !speaker.Known(text) {
				return speaker.Say(text)
			}
			return speaker.T(text, args...)
		},
	}
}

// moments are how pages write one.
var moments = []string{"2006-01-02 15:04:05 UTC", "2006-01-02 15:04 UTC", "Mon 2006-01-02 15:04 UTC"}

// Stamp is a moment for a machine: what a <time> says in its datetime.
func Stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

func moment(s *words.Speaker, text string) template.HTML {
	shown := html.EscapeString(s.Day(text))
	for _, layout := range moments {
		if at, err := time.Parse(layout, text); err == nil {
			return template.HTML(`<time datetime="` + Stamp(at) + `" data-local="stamp">` + shown + `</time>`)
		}
	}
	return template.HTML(shown)
}

// inDrawing are the texts of a drawing: what stands between tags, and what it is called.
var inDrawing = regexp.MustCompile(`>[^<>]+<|aria-label="[^"]*"`)

// drawing says the texts of an SVG, which are escaped, in another language, and escapes them again.
func drawing(s *words.Speaker, svg template.HTML) template.HTML {
	if s.Lang() == words.English {
		return svg
	}
	return template.HTML(inDrawing.ReplaceAllStringFunc(string(svg), func(m string) string {
		before, after := ">", "<"
		if m[0] != '>' {
			before, after = `aria-label="`, `"`
		}
		text := html.UnescapeString(m[len(before) : len(m)-len(after)])
		said := s.Figure(s.Day(text))
		if s.Known(text) {
			said = s.T(text)
		} else if said == text {
			said = s.Say(text)
		}
		return before + html.EscapeString(said) + after
	}))
}

// Templates makes one set of templates for each language out of those that parse reads. Parse is handed an empty template that knows the
// names of the functions.
func Templates(parse func(*template.Template) (*template.Template, error)) (map[words.Lang]*template.Template, error) {
	all, err := parse(template.New("").Funcs(Funcs(words.English)))
	if err != nil {
		return nil, err
	}
	out := map[words.Lang]*template.Template{}
	for _, l := range words.Langs() {
		set, err := all.Clone()
		if err != nil {
			return nil, err
		}
		out[l] = set.Funcs(Funcs(l))
	}
	return out, nil
}
