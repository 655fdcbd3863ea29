package story_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/isacloud/ha-manager/cmd/ham/internal/browser"
	"github.com/isacloud/ha-manager/pkg/message"
)

// tap presses a key and lets go.
func (p *pageOf) tap(key string) {
	p.t.Helper()
	p.must(p.Key("down", key))
	p.must(p.Key("up", key))
}

// tabTo goes on with Tab until the keyboard stands on what the selector names. What it stands on must be seen to be stood on.
func (p *pageOf) tabTo(selector string) {
	p.t.Helper()
	for range 100 {
		p.tap("Tab")
		if p.value("document.activeElement.matches("+browser.JS(selector)+")") == "true" {
			require.NotEqual(p.t, "none", p.value("getComputedStyle(document.activeElement).outlineStyle"), "%s: nobody sees that the keyboard stands there", selector)
			return
		}
	}
	require.Fail(p.t, "the keyboard never comes to "+selector)
}

// follows does what leads to another page, and waits for it.
func (p *pageOf) follows(do func()) {
	p.t.Helper()
	p.must(p.Eval("window.before = true", nil))
	do()
	p.so("!window.before && document.readyState === 'complete'")
}

// From the first page to the swap without a mouse.
func TestKeyboardAlone(t *testing.T) {
	t.Parallel()
	w := begin(t, options{})
	p := sit(t, w.base, browser.Options{})
	p.open("/")
	p.reads("Covered")
	p.tap("Tab")
	require.Equal(t, "To the content", p.value("document.activeElement.textContent"), "the first stop leads past the menu")
	p.tabTo("#a-web")
	p.follows(func() { p.tap("Enter") })
	p.tabTo(".redlink")
	p.follows(func() { p.tap("Enter") })
	p.reads("Not armed.")
	p.tabTo("#reason")
	p.must(p.Type("by keys"))
	p.tap("Enter") // in a field it presses nothing
	p.tabTo("#arm")
	p.tap(" ")
	p.so(armed)
	p.tabTo("#red")

	down := func() error {
		if err := p.Eval("document.querySelector('#red').focus()", nil); err != nil { // where it was armed anew by the mouse
			return err
		}
		return p.Key("down", " ")
	}
	up := func() error { return p.Key("up", " ") }

	t.Log("called off by Escape, and by leaving it")
	for _, key := range []string{"Escape", "Tab"} {
		p.full(down, up)
		p.tap(key)
		p.so("!document.querySelector('#red.full')")
		p.must(up())
	}
	require.Empty(t, w.requests(message.VerbSwitchover))

	t.Log("held, and let go")
	p.follows(func() {
		p.full(down, up)
		p.must(up())
	})
	p.reads("accepted, epoch 2", "epoch 2, b is primary")
	require.Equal(t, "by keys", w.requests(message.VerbSwitchover)[0].Reason)
}
