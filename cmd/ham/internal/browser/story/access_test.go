package story_test

import (
	"bytes"
	"compress/gzip"
	_ "embed"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/isacloud/ha-manager/cmd/ham/internal/browser"
	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec"
)

//go:embed testdata/axe/axe.min.js.gz
var axePacked []byte

var axe = sync.OnceValues(func() (string, error) {
	r, err := gzip.NewReader(bytes.NewReader(axePacked))
	if err != nil {
		return "", err
	}
	text, err := io.ReadAll(r)
	return string(text), err
})

// accessible fails for each finding of axe that keeps somebody out: serious or critical, targets that a finger misses among them.
func (p *pageOf) accessible(where string) {
	p.t.Helper()
	script, err := axe()
	p.must(err)
	p.must(p.Eval(script+"; void 0", nil))
	var found []struct {
		ID, Impact, Help string
		Nodes            []struct{ HTML, FailureSummary string }
	}
	p.must(p.Eval(`axe.run(document, {resultTypes: ['violations'], rules: {'target-size': {enabled: true}}}).then((r) => r.violations.map((v) =>
		({ID: v.id, Impact: v.impact, Help: v.help, Nodes: v.nodes.map((n) => ({HTML: n.html.slice(0, 200), FailureSummary: n.failureSummary}))})))`, &found))
	for _, f := range found {
		if f.Impact != "serious" && f.Impact != "critical" {
			continue
		}
		for _, n := range f.Nodes {
			p.t.Errorf("%s: %s, %s (%s): %s\n%s", where, f.Impact, f.Help, f.ID, n.HTML, n.FailureSummary)
		}
	}
}

// fits fails where the page is wider than the screen, or a button too small for a finger.
func (p *pageOf) fits(where string) {
	p.t.Helper()
	var wide, small []string
	p.must(p.Eval(`document.documentElement.scrollWidth <= innerWidth ? [] : [...document.querySelectorAll('body *')].filter((e) => {
		for (let s = e.parentElement; s; s = s.parentElement) if (['auto', 'scroll', 'hidden'].includes(getComputedStyle(s).overflowX)) return false;
		return e.getBoundingClientRect().right > innerWidth + 1;
	}).map((e) => e.outerHTML.slice(0, 120)).concat('it is ' + document.documentElement.scrollWidth + ' wide')`, &wide))
	if len(wide) > 0 {
		p.t.Errorf("%s: wider than %s: %s", where, p.value("innerWidth"), strings.Join(wide[:min(len(wide), 4)], "\n"))
	}
	p.must(p.Eval(`[...document.querySelectorAll('button:not(.link), .redlink, .plain, select, textarea, input:not([type=checkbox]):not([type=hidden])')].filter((e) => {
		const r = e.getBoundingClientRect();
		return r.height > 0 && r.height < 43.5 || r.width > 0 && r.width < 43.5;
	}).map((e) => e.outerHTML.slice(0, 120) + ' ' + e.getBoundingClientRect().height)`, &small))
	if len(small) > 0 {
		p.t.Errorf("%s: too small for a finger: %s", where, strings.Join(small, "\n"))
	}
}

// poolAndSite are a pool, and a group with everything beside its roles. Nothing is changed by them.
const poolAndSite = `group: shop
mode: dry-run
members:
  w1: {site: sp, url: "http://%[1]s"}
  w2: {site: sp, url: "http://%[2]s"}
  spare: {site: sp, url: "http://%[1]s", backup: true}
pool: {minimum: 1}
checks:
  alive: {http: /alive, every: 2s, timeout: 1800ms, from: [sp]}
routes:
  front: {haproxy: "tcp://127.0.0.1:1", backend: web, servers: {w1: s1, w2: s2, spare: s3}}
---
group: site
mode: dry-run
members:
  a: {site: sp, url: "http://%[1]s", executor: sp1}
  b: {site: rj, url: "http://%[2]s", executor: sp1}
adopt: b
checks:
  alive: {http: /alive, every: 2s, timeout: 1800ms, from: [sp]}
  backlog: {members: [a], queue: {redis: "127.0.0.1:1", list: jobs, max: 10}, every: 5s, timeout: 2s, from: [sp]}
resources:
  main: {run: {start: ["true"], stop: ["true"], running: ["true"]}, check: {http: /alive, every: 2s, timeout: 1800ms, from: [sp]}}
  worker: {run: {start: ["true"], stop: ["true"], running: ["true"]}, after: main}
down_when: any of [main]
verify: {http: "http://%[2]s/", from: sp1}
canary: {http: "http://%[2]s/", every: 2s, timeout: 1800ms, from: [sp]}
remedy:
  - {exec: {command: ["true"], done: ["true"]}, times: 2, wait: 20s, for: [main]}
freeze:
  - {from: 2000-01-01T00:00:00Z, until: 2100-01-01T00:00:00Z, why: month end}
`

// Every page, light and dark, wide and on a phone: nobody is kept out, and nothing has to be pushed sideways.
func TestEverybodyCanUseEveryPage(t *testing.T) {
	t.Parallel()
	w := begin(t, options{users: []spec.ConsoleUser{user(t, "ana", "admin")}})
	p := sit(t, w.base, browser.Options{})
	themes := []string{"light", "dark"}
	look := func(path string, sure ...string) {
		t.Helper()
		for _, screen := range []struct {
			width, height int64
			phone         bool
		}{{1280, 900, false}, {360, 740, true}} {
			p.must(p.Screen(screen.width, screen.height, screen.phone))
			for _, theme := range themes {
				p.must(p.Theme(theme))
				if path != "" {
					p.open(path)
				}
				p.reads(sure...)
				where := fmt.Sprintf("%s at %d, %s", path, screen.width, theme)
				p.must(p.Eval("document.querySelectorAll('details').forEach((d) => { d.open = true; })", nil))
				p.accessible(where)
				if screen.phone {
					p.fits(where)
				}
			}
		}
		p.must(p.Screen(1280, 900, false))
	}
	look("/", "Sign in")
	p.signIn("ana")

	w.a.kill()
	w.until("b has taken over", func(s *message.GroupStatus) bool { return s.Primary == "b" && s.Held && s.Swap == nil })
	look("/", "b is primary")
	look("/g/web", "Members", "b is primary")
	look("/g/web/swap?verb=switchover", "It is refused now")
	w.also(poolAndSite)
	themes = []string{"dark"} // the colours are those of the other pages
	look("/g/shop", "the minimum is 1", "Somebody takes out one too many")
	look("/g/site", "Resources", "What is tried first", "What clients get", "What is measured")
	look("/g/site/runbook", "By hand: site", "Part A")
	themes = []string{"light", "dark"}
	look("/incidents", "web-1")
	look("/drills", "Drills")
	look("/i/web-1", "Timeline", "detect")
	p.open("/i/web-1")
	var report string
	p.must(p.Eval("fetch('/i/web-1/postmortem.html').then((r) => r.text())", &report))
	saved := filepath.Join(t.TempDir(), "postmortem.html") // as somebody keeps it, or mails it: on its own page no script runs, not even that of the checks
	require.NoError(t, os.WriteFile(saved, []byte(report), 0o600))
	look("file://"+saved, "web-1")
	look("/nothing", "There is no such page")
	w.a.start()
	w.until("a is up again", func(s *message.GroupStatus) bool { return len(s.Refusals) == 0 })
	look("/g/web/swap", "Not armed.")
	p.arm()
	p.must(p.Theme("dark"))
	p.accessible("the armed button, dark")
	p.must(p.Theme("light"))
	p.accessible("the armed button, light")
	w.mode("dry-run")
	look("/", "Dry run")
	look("/g/web/swap", "Hold to rehearse")
	p.open("/")
	p.reads("Dry run")
	w.bus.Stop()
	p.so("document.querySelector('#g-web.stale')")
	look("", "Nothing is known now", "This is not how it is, but how it was.")
}
