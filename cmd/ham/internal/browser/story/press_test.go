package story_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/isacloud/ha-manager/cmd/ham/internal/browser"
	"github.com/isacloud/ha-manager/pkg/message"
)

// Somebody reads the plan, arms the button, lets go too early, thinks again, and then holds it: that plan is fired, once.
func TestPressAndHold(t *testing.T) {
	t.Parallel()
	w := begin(t, options{})
	p := sit(t, w.base, browser.Options{})
	p.open("/")
	p.reads("All is well.", "Covered", "If a died now: b takes over")
	p.leads("#a-web")
	p.reads("Would it move by itself?", "Yes: nothing stands against it.")
	p.leads(".redlink")
	p.reads("switchover a → b", "What would be done, in this order", "the way back", "Not armed.")
	require.Equal(t, "true", p.value("document.querySelector('#red').getAttribute('aria-disabled')"))
	hash := p.value("document.querySelector('#fire input[name=plan]').value")

	t.Log("pressed before it is armed: nothing")
	p.must(p.Click("#red"))
	p.reads("Not armed.")

	// calledOff does what calls it off; again, where it went off before by itself, because nobody could say for a moment whether the plan holds.
	calledOff := func(do func()) {
		t.Helper()
		for range 20 {
			do()
			p.so("['cancelled', 'off'].some((k) => document.querySelector('#red-how').textContent === document.querySelector('#red-how').dataset[k])")
			if p.value("document.querySelector('#red-how').textContent") == "Called off. Nothing was asked." {
				return
			}
		}
		require.Fail(t, "it was never called off")
	}
	down, up := func() error { return p.Down("#red") }, func() error { return p.Up("#red") }

	t.Log("armed, and let go too early; the bar takes so long here that every machine is early")
	p.must(p.Eval("document.querySelector('#red').dataset.hold = '3600000'", nil))
	calledOff(func() {
		p.arm()
		p.must(down())
		p.so("document.querySelector('#red.holding') || !(" + armed + ")")
		p.must(up())
	})

	t.Log("held until it is full, and called off: by Escape, and by moving away")
	p.must(p.Eval("document.querySelector('#red').dataset.hold = '1200'", nil))
	for _, callOff := range []func() error{
		func() error { return p.Key("down", "Escape") },
		func() error { return p.Mouse("move", 5, 5) },
	} {
		calledOff(func() {
			p.full(down, up)
			p.must(callOff())
		})
		p.must(up())
		p.must(p.Key("up", "Escape"))
	}
	require.Empty(t, w.requests(message.VerbSwitchover))

	t.Log("held, and let go")
	p.click("#reason")
	p.must(p.Type("patching a tonight"))
	p.hold()
	p.reads("accepted, epoch 2", "epoch 2, b is primary", "switchover a → b", "done")
	asked := w.requests(message.VerbSwitchover)
	require.Len(t, asked, 1)
	require.Equal(t, hash, asked[0].PlanHash, "the plan that was shown is the one that is fired")
	require.Equal(t, uint64(1), *asked[0].ExpectEpoch)
	require.Equal(t, "console", asked[0].Via)
	require.Equal(t, "patching a tonight", asked[0].Reason)
	require.Contains(t, asked[0].From, "127.0.0.1")
}
