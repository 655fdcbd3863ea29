package story_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/isacloud/ha-manager/cmd/ham/internal/browser"
	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec"
	"github.com/isacloud/ha-manager/pkg/words"
)

// Where two have to agree, one asks and another approves, each in a browser of their own. The one who asked is shown that it may not be they, and
// cannot do it past the page either.
func TestTwoPeople(t *testing.T) {
	t.Parallel()
	w := begin(t, options{
		policy: "{quorum: 1, fall: 5, rise: 1, stable_for: 0s, cooldown: 0s, undo_window: 0s, budget: 100 per 1h, two_person: true}",
		users:  []spec.ConsoleUser{user(t, "ana", "admin"), user(t, "ben", "operator")},
	})
	ana, ben := sit(t, w.base, browser.Options{}), sit(t, w.base, browser.Options{})
	ana.signIn("ana")
	ben.signIn("ben")
	ana.open("/g/web/swap")
	ana.reads("it waits for a second person then")
	hash := ana.value("document.querySelector('#fire input[name=plan]').value")
	ana.click("#reason")
	ana.must(ana.Type("b is patched"))
	ana.arm()
	ana.hold()
	ana.reads("waits for a second person", "a is primary")
	require.Equal(t, uint64(1), w.status().Epoch, "nothing has moved")
	ana.open("/g/web")
	ana.reads("Waits for a second person", "You asked for it: another person has to approve it. You may withdraw it.")
	require.False(t, ana.has("#g-waiting button[value=approve]"))
	request := w.requests(message.VerbSwitchover)[0].ID
	ana.must(ana.Eval(`fetch('/g/web/do', {method: 'POST', body: new URLSearchParams({verb: 'approve', armed: 'yes', of: `+browser.JS(request)+`, csrf: document.querySelector('input[name=csrf]').value})})`, nil))
	require.Equal(t, uint64(1), w.status().Epoch, "who asked has approved it past the page")

	t.Log("another one sees it, reads it, and approves")
	ben.open("/g/web")
	ben.reads("Waits for a second person", "asked by ana", "b is patched", hash)
	ben.click("#g-waiting input[name=armed]")
	ben.leads("#g-waiting button[value=approve]")
	ben.reads("epoch 2, b is primary")
	ben.so("!document.querySelector('#g-waiting *')")
	ana.reads("epoch 2, b is primary")
	approved := w.requests(message.VerbApprove)
	require.Equal(t, "ben", approved[len(approved)-1].Actor)
	require.Equal(t, request, approved[len(approved)-1].Of)

	t.Log("the other way: the second one rejects, and nothing moves")
	w.until("the swap is over", func(s *message.GroupStatus) bool { return s.Swap == nil && s.Held })
	ben.open("/g/web/swap")
	ben.arm()
	ben.hold()
	ana.open("/g/web")
	ana.reads("asked by ben")
	ana.click("#g-waiting input[name=reason]")
	ana.must(ana.Type("not before midnight"))
	ana.leads("#g-waiting button[value=reject]")
	ana.reads("not before midnight")
	ana.so("!document.querySelector('#g-waiting *')")
	require.Equal(t, uint64(2), w.status().Epoch)
}

// Who reads Portuguese is shown Portuguese from the sign-in to the post-mortem, and may choose otherwise on every page.
func TestBothLanguages(t *testing.T) {
	t.Parallel()
	w := begin(t, options{users: []spec.ConsoleUser{user(t, "ana", "admin")}})
	p := sit(t, w.base, browser.Options{Lang: "pt-BR"})
	p.open("/")
	portuguese := "document.documentElement.lang === 'pt-BR'"
	p.so(portuguese + " && document.querySelector('input[name=password]')")
	p.lacks("Sign in")
	p.click("input[name=name]")
	p.must(p.Type("ana"))
	p.click("input[name=password]")
	p.must(p.Type(secretPassword))
	p.leads("form button")
	p.so(portuguese)
	pt := words.Of(words.Portuguese)
	p.reads(pt.Say("All is well."), pt.T("Covered"))
	p.open("/g/web/swap")
	p.reads(pt.T("Not armed."))
	p.lacks("Hold to")
	p.arm()
	p.full(func() error { return p.Down("#red") }, func() error { return p.Up("#red") })
	p.reads(pt.T("Let go to fire"))
	p.must(p.Key("down", "Escape"))
	p.must(p.Key("up", "Escape"))
	p.must(p.Up("#red"))
	p.lacks("Called off")
	p.arm()
	p.hold()
	p.reads(pt.T("epoch")+" 2", pt.T("%s is primary", "b"))
	w.bus.Stop()
	p.reads(pt.T("This is not how it is, but how it was."))
	w.bus.Start()
	p.open("/i/web-1")
	p.so(portuguese + " && document.querySelector('.timeline')")

	t.Log("English, by the switch of the page; it stays so")
	p.leads(".tongue a[lang=en]")
	p.reads("Incident web-1", "Timeline")
	p.open("/g/web")
	p.reads("Covered", "Would it move by itself?")
	require.Equal(t, "en", p.value("document.documentElement.lang"))
}
