package browser

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/heapprofiler"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// Tab is one page of a browser.
type Tab struct {
	*Browser
	ctx   context.Context
	close func()
}

// Close closes a tab that was opened by Tab.
func (t *Tab) Close() {
	if t.close != nil {
		t.close()
	}
}

// callWithin bounds one word with the browser.
const callWithin = time.Minute

// hear keeps what the browser tells of its network and of scripts.
func (b *Browser) hear(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		b.asked = append(b.asked, e.Request.URL)
	case *network.EventWebSocketCreated:
		b.asked = append(b.asked, e.URL)
	case *runtime.EventExceptionThrown:
		text := e.ExceptionDetails.Text
		if e.ExceptionDetails.Exception != nil {
			text += " " + e.ExceptionDetails.Exception.Description
		}
		b.said = append(b.said, text)
	case *log.EventEntryAdded:
		// An answer of 400 and more is shown by the page; that the stream broke when the console went away, too.
		if e.Entry.Level == log.EntryLevelError && e.Entry.Source != log.EntrySourceNetwork {
			b.said = append(b.said, e.Entry.Text)
		}
	}
}

func (t *Tab) bounded() (context.Context, context.CancelFunc) {
	return context.WithTimeout(t.ctx, callWithin)
}

func (t *Tab) prepare() error {
	if err := chromedp.Do(t.ctx); err != nil { // attaches: takes no deadline, like the browser's own start
		return err
	}
	ctx, cancel := t.bounded()
	defer cancel()
	if _, err := chromedp.Call(ctx, network.Enable, network.EnableParams{}); err != nil {
		return err
	}
	_, err := chromedp.Call(ctx, log.Enable, struct{}{})
	return err
}

// Screen sets the size of the page in CSS pixels. phone: it has touch and a viewport as a phone has.
func (t *Tab) Screen(width, height int64, phone bool) error {
	ctx, cancel := t.bounded()
	defer cancel()
	if _, err := chromedp.Call(ctx, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: width, Height: height, DeviceScaleFactor: 1, Mobile: phone}); err != nil {
		return err
	}
	_, err := chromedp.Call(ctx, emulation.SetTouchEmulationEnabled, emulation.SetTouchEmulationEnabledParams{Enabled: phone})
	return err
}

// Theme is "light" or "dark", as a system would ask for it.
func (t *Tab) Theme(name string) error {
	ctx, cancel := t.bounded()
	defer cancel()
	_, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: name}}})
	return err
}

// Go loads an address and returns when it is loaded.
func (t *Tab) Go(address string) error {
	ctx, cancel := t.bounded()
	defer cancel()
	return chromedp.Do(ctx, chromedp.Navigate(address))
}

// Eval runs an expression in the page and decodes its value into out, unless that is nil. A promise is awaited.
func (t *Tab) Eval(expression string, out any) error {
	ctx, cancel := t.bounded()
	defer cancel()
	raw, err := chromedp.Run(ctx, chromedp.Evaluate[[]byte](expression, chromedp.EvalAwaitPromise, chromedp.EvalAsValue))
	if err != nil || out == nil {
		return err
	}
	return json.Unmarshal(raw, out)
}

// lookAgain is a turn of the page's own wait, in milliseconds: then it is asked anew, so that a wait bounded by ctx ends.
const lookAgain = 5000

// Until returns once the expression is true in the page, however often the page is left meanwhile. It is looked at when the page changes, and ten
// times a second for what changes no element. The error names the expression.
func (t *Tab) Until(ctx context.Context, expression string) error {
	turn := fmt.Sprintf(`new Promise((done) => {
		let watch, tick, end;
		const finish = (v) => { watch?.disconnect(); clearInterval(tick); clearTimeout(end); done(v); };
		const look = () => { let v = false; try { v = !!(%s); } catch {} if (v) finish(true); return v; };
		if (look()) return;
		watch = new MutationObserver(look);
		watch.observe(document, { subtree: true, childList: true, attributes: true, characterData: true });
		tick = setInterval(look, 100);
		end = setTimeout(() => finish(false), %d);
	})`, expression, lookAgain)
	for {
		ok := false
		err := t.Eval(turn, &ok)
		switch {
		case ok:
			return nil
		case ctx.Err() != nil:
			return fmt.Errorf("%s: never so in the page: %w", expression, errors.Join(ctx.Err(), err))
		case t.ctx.Err() != nil:
			return fmt.Errorf("the browser is gone: %w", t.ctx.Err())
		}
		// An error is a page that was left in the middle: the next one is asked.
	}
}

// JS is text as a literal of the page's language.
func JS(text string) string {
	b, _ := json.Marshal(text) // a string always encodes
	return string(b)
}

// Text is what a person reads on the page.
func (t *Tab) Text() (text string, err error) {
	return text, t.Eval("document.body.innerText", &text)
}

// spot is the middle of the first element that the selector finds, brought onto the screen. It fails where something else lies over it.
func (t *Tab) spot(selector string) (x, y float64, err error) {
	var at []float64
	err = t.Eval(fmt.Sprintf(`(() => {
		const e = document.querySelector(%s);
		if (!e) throw new Error('there is no ' + %[1]s);
		e.scrollIntoView({ block: 'center', behavior: 'instant' });
		const r = e.getBoundingClientRect(), x = r.left + r.width / 2, y = r.top + r.height / 2, hit = document.elementFromPoint(x, y);
		if (!hit || !(e.contains(hit) || hit.contains(e))) throw new Error(%[1]s + ' lies under ' + (hit ? hit.outerHTML.slice(0, 120) : 'nothing'));
		return [x, y];
	})()`, JS(selector)), &at)
	if err != nil || len(at) != 2 {
		return 0, 0, errors.Join(err, fmt.Errorf("where is %s? %v", selector, at))
	}
	return at[0], at[1], nil
}

// Mouse does one thing with a real mouse at a place: "move", "down", "up".
func (t *Tab) Mouse(what string, x, y float64) error {
	ctx, cancel := t.bounded()
	defer cancel()
	p := input.DispatchMouseEventParams{Type: input.DispatchMouseEventTypeMouseMoved, X: x, Y: y, Button: input.MouseButtonNone}
	switch what {
	case "down":
		p.Type, p.Button, p.ClickCount = input.DispatchMouseEventTypeMousePressed, input.MouseButtonLeft, 1
	case "up":
		p.Type, p.Button, p.ClickCount = input.DispatchMouseEventTypeMouseReleased, input.MouseButtonLeft, 1
	}
	_, err := chromedp.Call(ctx, input.DispatchMouseEvent, p)
	return err
}

// Down moves the mouse to the element and presses. Up lets go there.
func (t *Tab) Down(selector string) error {
	x, y, err := t.spot(selector)
	return errors.Join(err, t.ifSo(err, func() error { return errors.Join(t.Mouse("move", x, y), t.Mouse("down", x, y)) }))
}

// Up lets go of the mouse over the element.
func (t *Tab) Up(selector string) error {
	x, y, err := t.spot(selector)
	return errors.Join(err, t.ifSo(err, func() error { return t.Mouse("up", x, y) }))
}

func (t *Tab) ifSo(err error, f func() error) error {
	if err != nil {
		return nil
	}
	return f()
}

// Click presses and lets go.
func (t *Tab) Click(selector string) error {
	if err := t.Down(selector); err != nil {
		return err
	}
	return t.Up(selector)
}

// Key presses ("down"), or lets go of ("up"), a key by its name on the keyboard: Tab, Enter, Escape, " ".
func (t *Tab) Key(what, name string) error {
	ctx, cancel := t.bounded()
	defer cancel()
	k := keys[name]
	if k.code == "" {
		return fmt.Errorf("no key is named %q", name)
	}
	p := input.DispatchKeyEventParams{Key: name, Code: k.code, WindowsVirtualKeyCode: k.number, NativeVirtualKeyCode: k.number}
	p.Type = input.DispatchKeyEventTypeKeyUp
	if what == "down" {
		p.Type = input.DispatchKeyEventTypeRawKeyDown
		if p.Text = k.text; k.text != "" {
			p.Type = input.DispatchKeyEventTypeKeyDown
		}
	}
	_, err := chromedp.Call(ctx, input.DispatchKeyEvent, p)
	return err
}

var keys = map[string]struct {
	code, text string
	number     int64
}{
	"Tab": {"Tab", "", 9}, "Enter": {"Enter", "\r", 13}, "Escape": {"Escape", "", 27}, " ": {"Space", " ", 32}, "ArrowDown": {"ArrowDown", "", 40},
}

// Type puts text where the keyboard is, as a keyboard would.
func (t *Tab) Type(text string) error {
	ctx, cancel := t.bounded()
	defer cancel()
	_, err := chromedp.Call(ctx, input.InsertText, input.InsertTextParams{Text: text})
	return err
}

// Picture is what the screen shows, as PNG.
func (t *Tab) Picture() ([]byte, error) {
	ctx, cancel := t.bounded()
	defer cancel()
	r, err := chromedp.Call(ctx, page.CaptureScreenshot, page.CaptureScreenshotParams{})
	if err != nil {
		return nil, err
	}
	return r.Data, nil
}

// At is the path and the query that the page was loaded from.
func (t *Tab) At() (at string, err error) {
	err = t.Eval("location.pathname + location.search", &at)
	return strings.TrimSpace(at), err
}

// Forget makes the browser load everything anew each time, as somebody does who comes for the first time.
func (t *Tab) Forget() error {
	ctx, cancel := t.bounded()
	defer cancel()
	_, err := chromedp.Call(ctx, network.SetCacheDisabled, network.SetCacheDisabledParams{CacheDisabled: true})
	return err
}

// Heap is what the page's script holds, in bytes, after what is unused was collected.
func (t *Tab) Heap() (float64, error) {
	ctx, cancel := t.bounded()
	defer cancel()
	if _, err := chromedp.Call(ctx, heapprofiler.CollectGarbage, struct{}{}); err != nil {
		return 0, err
	}
	r, err := chromedp.Call(ctx, runtime.GetHeapUsage, struct{}{})
	if err != nil {
		return 0, err
	}
	return r.UsedSize + r.EmbedderHeapUsedSize, nil
}
