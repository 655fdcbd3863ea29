package story_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/isacloud/ha-manager/cmd/ham/internal/browser"
)

// The bus is away: no page shows anything as if it were so now, and each says so in words. Then it is back, and they say how it is.
func TestTheBusIsAway(t *testing.T) {
	t.Parallel()
	w := begin(t, options{})
	overview := sit(t, w.base, browser.Options{})
	overview.open("/")
	overview.reads("All is well.", "Covered")
	tab, err := overview.Tab.Tab()
	require.NoError(t, err)
	group := &pageOf{Tab: tab, t: t, base: w.base}
	group.open("/g/web")
	group.reads("Covered", "Yes: nothing stands against it.")

	w.bus.Stop()
	overview.reads("Nothing is known now: the bus is away.", "This is not how it is, but how it was.", "Not known", "was up")
	overview.lacks("Covered")
	overview.lacks("All is well.")
	group.reads("This is not how it is, but how it was.", "Not known: nobody has said so of late.", "was up")
	group.lacks("Covered")
	group.open("/g/web/swap")
	group.reads("The bus is away, so nothing can be asked.")
	require.False(t, group.has("#red"))

	w.bus.Start()
	overview.reads("All is well.", "Covered")
	overview.lacks("how it was")
	group.open("/g/web")
	group.reads("Covered", "Yes: nothing stands against it.")
}

// The console itself is gone: the page covers itself, in grey, and the button goes off. It goes on by itself once the console is there again.
func TestTheConsoleIsGone(t *testing.T) {
	t.Parallel()
	w := begin(t, options{})
	p := sit(t, w.base, browser.Options{})
	p.open("/g/web/swap")
	p.arm()
	w.stop()
	p.reads("This page is out of date.", "What it shows is how it was then.")
	p.so(off)
	p.so("getComputedStyle(document.querySelector('main')).filter.includes('grayscale')")

	w.run(options{})
	p.so("document.querySelector('#lost').hidden && !document.querySelector('#arm').disabled")
	p.lacks("This page is out of date.")
	require.Equal(t, "false", p.value("document.querySelector('#arm').checked"))
}
