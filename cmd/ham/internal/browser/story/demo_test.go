package story_test

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/isacloud/ha-manager/cmd/ham/internal/browser"
)

var screens = flag.Bool("screenshots", false, "take the pictures of the docs anew, where they look different")

// picture takes the picture of that name for the docs, if that was asked for.
func (p *pageOf) picture(name string) {
	p.t.Helper()
	if !*screens {
		return
	}
	p.must(p.Eval("document.fonts.ready", nil))
	taken, err := p.Picture()
	p.must(err)
	small, err := browser.Small(taken)
	p.must(err)
	require.Less(p.t, len(small), 150_000, "%s is too large for the docs", name)
	path := filepath.Join("..", "..", "..", "..", "..", "docs", "screens", name+".png")
	if old, err := os.ReadFile(path); err == nil && browser.Alike(old, small) {
		return
	}
	require.NoError(p.t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(p.t, os.WriteFile(path, small, 0o644))
}

// demo runs `ham demo` until the test ends, and returns the address of its page once it stays up.
func demo(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	program := filepath.Join(dir, "ham")
	out, err := exec.Command("go", "build", "-o", program, "github.com/isacloud/ha-manager/cmd/ham").CombinedOutput()
	require.NoError(t, err, "%s", out)
	cmd := exec.Command(program, "demo", "--listen", "127.0.0.1:0")
	scratch := filepath.Join(dir, "scratch")
	require.NoError(t, os.Mkdir(scratch, 0o700))
	cmd.Env = append(os.Environ(), "HOME="+dir, "TMPDIR="+scratch, "NO_COLOR=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	pipe, err := cmd.StdoutPipe()
	require.NoError(t, err)
	cmd.Stderr = cmd.Stdout
	require.NoError(t, cmd.Start())
	type said struct {
		page string
		all  string
	}
	up, ended := make(chan said, 1), make(chan string, 1)
	go func() {
		s := said{}
		opens := regexp.MustCompile(`open (http://127\.0\.0\.1:\d+)/ `)
		for lines := bufio.NewScanner(pipe); lines.Scan(); {
			s.all += lines.Text() + "\n"
			if m := opens.FindStringSubmatch(lines.Text()); m != nil {
				s.page = m[1]
			}
			if strings.Contains(lines.Text(), "It stays up.") {
				up <- s
			}
		}
		ended <- s.all
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		all := <-ended
		if err := cmd.Wait(); err != nil || t.Failed() {
			t.Errorf("ham demo ended with %v:\n%s", err, all)
		}
	})
	select {
	case s := <-up:
		require.NotEmpty(t, s.page, s.all)
		return s.page
	case all := <-ended:
		ended <- all
		require.Fail(t, "ham demo did not stay up", all)
	case <-time.After(patience):
		require.Fail(t, "ham demo never said that it stays up")
	}
	return ""
}

// sees says whether the expression comes true while somebody looks for a little while.
func (p *pageOf) sees(expression string) bool {
	ctx, cancel := context.WithTimeout(context.Background(), 15*time.Second)
	defer cancel()
	return p.Until(ctx, expression) == nil
}

// The walk of the README: the demo's page, a failure, the button, the swap, the post-mortem, a drill for tomorrow. Its checks are as quick as the
// demo's are, so on a busy machine something else may happen meanwhile: then the plan is read again, as a person would.
func TestTheWalkOfTheReadme(t *testing.T) {
	p := sit(t, demo(t), browser.Options{})
	p.must(p.Screen(1040, 780, false))
	const primary = "document.querySelector('#g-web .members .primary .name')?.textContent"
	covered := "document.querySelector('#g-web .mark')?.textContent.includes('Covered')"
	p.open("/")
	p.reads("Break something")
	p.so(covered)
	p.picture("overview")

	t.Log("a failure")
	old := p.value(primary)
	p.leads("form[action='/fault/kill-" + old + "'] button")
	p.so(primary + " !== " + browser.JS(old) + " && document.querySelector('#g-web').innerText.includes('down')")
	p.open("/g/web")
	p.reads("Would it move by itself?", "failover", "down")
	p.picture("failure")
	p.open("/")
	p.leads("form[action='/fault/mend-" + old + "'] button")
	p.so(covered)

	t.Log("the button")
	var epoch string
	for swapped := false; !swapped; {
		p.open("/g/web/swap?verb=switchover")
		epoch = p.value("document.querySelector('#fire input[name=epoch]')?.value")
		if !p.sees("document.querySelector('#arm:not(:disabled)')") || p.Click("#arm") != nil || !p.sees(armed) {
			require.NoError(t, t.Context().Err())
			continue
		}
		p.picture("armed")
		if p.Down("#red") != nil || !p.sees("document.querySelector('#red.full')") || p.Up("#red") != nil {
			continue
		}
		swapped = p.sees("location.pathname === '/g/web' && document.body.innerText.includes('accepted, epoch')")
	}
	p.so("document.querySelector('#g-run .steps')")
	p.reads("done")
	p.picture("swap")
	t.Logf("moved on from epoch %s", epoch)

	t.Log("what came of it")
	p.open("/incidents")
	p.leads("main .rows a[href^='/i/']")
	p.reads("Timeline", "detect", "execute")
	incident := p.value("location.pathname")
	p.picture("incident")
	p.must(p.Go(p.base + incident + "/postmortem.html"))
	p.must(p.Eval("document.title", nil))
	text, err := p.Text()
	p.must(err)
	require.Contains(t, text, strings.TrimPrefix(incident, "/i/"))
	p.picture("postmortem")

	t.Log("a drill for tomorrow")
	p.open("/g/web/swap?verb=drill")
	tomorrow := time.Now().UTC().AddDate(0, 0, 1).Format("2006-01-02") + "T10:00"
	p.so("document.querySelector('#when')")
	p.must(p.Eval(fmt.Sprintf("document.querySelector('#when').value = %s", browser.JS(tomorrow)), nil))
	p.leads("form:has(#when) button")
	p.so("document.querySelector('#drillnext .plainlist')")
	p.reads("What comes next")
	p.picture("drills")

	t.Log("the same on a phone, in the dark")
	p.must(p.Screen(390, 780, true))
	p.must(p.Theme("dark"))
	p.open("/")
	p.reads("web")
	p.picture("phone-dark")
	p.fits("the demo's first page")
}
