package story_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/isacloud/ha-manager/cmd/ham/internal/browser"
	"github.com/isacloud/ha-manager/pkg/message"
)

// off says in the page that the button cannot be pressed, nor armed.
const off = "document.querySelector('#red').getAttribute('aria-disabled') === 'true' && document.querySelector('#arm').disabled && !document.querySelector('#arm').checked"

// What was read is no longer what would be done: the button goes off by itself and says why, and the plan that is there now can be read.
func TestThePlanChangesWhileItIsRead(t *testing.T) {
	t.Parallel()
	w := begin(t, options{})
	p := sit(t, w.base, browser.Options{})
	p.open("/g/web/swap")
	p.arm()
	w.mode("manual")
	p.reads("It has changed since you looked", "mode manual")
	p.so(off)
	p.must(p.Click("#red"))
	p.must(p.Click("#arm"))
	p.so(off)
	require.Empty(t, w.requests(message.VerbSwitchover))

	p.leads("#changed a")
	p.lacks("It has changed since you looked")
	p.arm()
	p.hold()
	p.reads("accepted, epoch 2", "epoch 2, b is primary")
}

// Nobody can say for a while whether the plan still holds. Once it does, it can be armed again, and is not by itself.
func TestNobodyCanSayForAWhile(t *testing.T) {
	t.Parallel()
	w := begin(t, options{})
	p := sit(t, w.base, browser.Options{})
	p.open("/g/web/swap")
	p.arm()
	w.bus.Stop()
	p.reads("Nobody can say now whether this still holds")
	p.so(off)
	w.bus.Start()
	p.so("!document.querySelector('#changed *') && !document.querySelector('#arm').disabled && !document.querySelector('#arm').checked")
	require.Equal(t, "true", p.value("document.querySelector('#red').getAttribute('aria-disabled')"))
	p.arm()
	p.hold()
	p.reads("accepted, epoch 2", "epoch 2, b is primary")
}
