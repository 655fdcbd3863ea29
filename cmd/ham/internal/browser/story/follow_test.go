package story_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/isacloud/ha-manager/cmd/ham/internal/browser"
)

// The page follows by itself, and disturbs nobody: what is pressed, typed, opened or stood upon while it changes stays so.
func TestThePageChangesUnderTheHand(t *testing.T) {
	t.Parallel()
	w := begin(t, options{})
	p := sit(t, w.base, browser.Options{})
	t.Log("a link is pressed, the page changes, and it is let go")
	p.open("/")
	p.reads("Covered")
	p.must(p.Eval("window.card = document.querySelector('#a-web'), window.before = true", nil))
	p.must(p.Down("#a-web"))
	w.mode("manual")
	p.so("document.querySelector('#g-web').innerText.includes('by hand')")
	require.Equal(t, "true", p.value("window.card === document.querySelector('#a-web')"), "the link that is pressed is another one now")
	p.must(p.Up("#a-web"))
	p.so("!window.before && document.readyState === 'complete'")
	p.reads("Would it move by itself?")

	t.Log("typed, opened and stood upon, and the page changes")
	p.click("#note")
	p.must(p.Type("I saw smoke"))
	w.mode("auto")
	p.reads("mode auto")
	require.Equal(t, "I saw smoke", p.value("document.querySelector('#note').value"))
	require.Equal(t, "note", p.value("document.activeElement.id"))
	p.open("/")
	p.click("#p-web summary")
	p.so("document.querySelector('#p-web').open")
	require.Equal(t, "SUMMARY", p.value("document.activeElement.tagName"))
	w.mode("manual")
	p.so("document.querySelector('#g-web').innerText.includes('by hand')")
	require.Equal(t, "true", p.value("document.querySelector('#p-web').open"))
	require.Equal(t, "SUMMARY", p.value("document.activeElement.tagName"), "who goes by the keyboard has lost the place")
}
