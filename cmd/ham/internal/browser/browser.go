// Package browser drives a real Chromium that can reach this machine and nothing else: for the tests of the console's pages, for their figures,
// and for the pictures in the docs.
//
// It promises:
//
//   - A browser has a profile of its own, knows no other host, and tells each address that it asked for.
//   - After Close no process of it is left, and none either after this process died.
//   - Nothing here waits for time to pass: what is awaited is a state of the page, looked for when the page changes.
//
// A Browser and its tabs are for one goroutine.
package browser

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/chromedp/chromedp"
)

// ErrMissing says that there is no Chromium on this machine.
var ErrMissing = errors.New("no chromium on PATH (apt-get install chromium)")

// Find returns the path of the browser, or [ErrMissing].
func Find() (string, error) {
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", ErrMissing
}

// Options of Start.
type Options struct {
	// Profile is a folder for the browser alone. It is made, and left to who named it to be taken away. Required.
	Profile string
	// Lang is what it asks pages for; default en.
	Lang string
	// NoScript keeps pages from running any.
	NoScript bool
}

// Browser is a process of its own, with its children.
type Browser struct {
	ctx     context.Context
	cancel  context.CancelFunc
	profile string
	pid     int
	first   *Tab

	mu    sync.Mutex
	asked []string // addresses, as the browser's own network told them
	said  []string // errors of scripts, and what the page's policy forbade
}

// startWithin bounds the start: a busy machine needs its time.
const startWithin = 2 * time.Minute

// Start starts a browser. Close ends it; so does the end of ctx.
func Start(ctx context.Context, o Options) (_ *Browser, err error) {
	program, err := Find()
	if err != nil {
		return nil, err
	}
	if o.Profile, err = filepath.Abs(o.Profile); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(o.Profile, 0o700); err != nil {
		return nil, err
	}
	b := &Browser{profile: o.Profile}
	lang := cmp.Or(o.Lang, "en")
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(program), chromedp.UserDataDir(o.Profile), chromedp.DisableGPU,
		// Whatever is not on this machine does not exist, and no proxy of the surroundings is used.
		chromedp.Flag("host-resolver-rules", "MAP * ~NOTFOUND , EXCLUDE 127.0.0.1 , EXCLUDE localhost"), chromedp.Flag("no-proxy-server", true),
		chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-domain-reliability", true), chromedp.Flag("no-pings", true),
		chromedp.Flag("disable-crash-reporter", true), chromedp.Flag("hide-scrollbars", true), chromedp.Flag("font-render-hinting", "none"),
		chromedp.Flag("lang", lang), chromedp.Flag("accept-lang", lang),
		chromedp.Env("HOME="+o.Profile, "XDG_CONFIG_HOME="+o.Profile, "XDG_CACHE_HOME="+o.Profile, "TZ=UTC"),
		chromedp.ModifyCmdFunc(func(cmd *exec.Cmd) { cmd.SysProcAttr = childAttributes() }),
	)
	if o.NoScript {
		options = append(options, chromedp.Flag("blink-settings", "scriptEnabled=false"))
	}
	alloc, stop := chromedp.NewExecAllocator(ctx, options...)
	// What chromedp cannot read of a newer browser is no news here.
	quiet := func(string, ...any) {}
	root, end := chromedp.NewContext(alloc, chromedp.WithLogf(quiet), chromedp.WithErrorf(quiet), chromedp.WithListener(b.hear))
	b.ctx, b.cancel = root, func() { end(); stop() }
	started := make(chan error, 1)
	go func() { started <- chromedp.Do(root) }() // the first run's context is the browser's: it takes no deadline
	select {
	case err = <-started:
	case <-time.After(startWithin):
		err = fmt.Errorf("%s did not start within %s", program, startWithin)
	}
	if err == nil {
		b.pid = chromedp.FromContext(root).Browser.Process().Pid
		b.first = &Tab{Browser: b, ctx: root}
		err = b.first.prepare()
	}
	if err != nil {
		return nil, errors.Join(err, b.Close())
	}
	return b, nil
}

// Close ends the browser and each process that it started, and fails if one of them stays.
func (b *Browser) Close() error {
	b.cancel()
	if b.pid > 0 {
		_ = syscall.Kill(-b.pid, syscall.SIGKILL) // what is gone is as good
	}
	for end := time.Now().Add(startWithin); ; time.Sleep(10 * time.Millisecond) { // the kernel tells nobody but a parent
		left := b.processes()
		if len(left) == 0 {
			return nil
		}
		if time.Now().After(end) {
			return fmt.Errorf("processes %v of the browser are still there", left)
		}
		for _, pid := range left {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	}
}

// processes are those of this browser: their command lines name its profile, which nobody else has.
func (b *Browser) processes() (pids []int) {
	all, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		return nil
	}
	for _, path := range all {
		line, err := os.ReadFile(path)
		if err == nil && bytes.Contains(line, []byte(b.profile)) {
			if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path))); err == nil && pid != os.Getpid() {
				pids = append(pids, pid)
			}
		}
	}
	return pids
}

// First is the tab that the browser began with.
func (b *Browser) First() *Tab { return b.first }

// Tab opens another one.
func (b *Browser) Tab() (*Tab, error) {
	ctx, cancel := chromedp.NewContext(b.ctx, chromedp.WithListener(b.hear))
	t := &Tab{Browser: b, ctx: ctx, close: cancel}
	if err := t.prepare(); err != nil {
		cancel()
		return nil, err
	}
	return t, nil
}

// Strangers are the addresses that were asked for and are not on this machine.
func (b *Browser) Strangers() (out []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, text := range b.asked {
		u, err := url.Parse(text)
		if err == nil && (u.Scheme == "data" || u.Scheme == "about" || u.Scheme == "blob" || u.Scheme == "file" || u.Hostname() == "127.0.0.1" || u.Hostname() == "localhost") {
			continue
		}
		out = append(out, text)
	}
	return out
}

// Asked counts the requests that the browser made.
func (b *Browser) Asked() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.asked)
}

// Complaints are the errors of scripts, and what the pages' own policy forbade.
func (b *Browser) Complaints() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]string(nil), b.said...)
}
