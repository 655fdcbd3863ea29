package story_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/isacloud/ha-manager/cmd/ham/internal/browser"
	"github.com/isacloud/ha-manager/pkg/spec"
)

// Nothing is shown before sign-in; a viewer sees everything and presses nothing; who signs out is out in every tab.
func TestSignInAndOut(t *testing.T) {
	t.Parallel()
	w := begin(t, options{users: []spec.ConsoleUser{user(t, "eve", "viewer")}})
	p := sit(t, w.base, browser.Options{})
	p.open("/g/web")
	p.reads("Sign in")
	p.lacks("web is")
	p.so("document.querySelector('input[name=password]')")

	t.Log("a wrong password, then the right one")
	p.click("input[name=name]")
	p.must(p.Type("eve"))
	p.click("input[name=password]")
	p.must(p.Type("three other words"))
	p.leads("form button")
	require.True(t, p.has("input[name=password]"))
	p.signIn("eve")
	p.reads("All is well.", "eve")

	t.Log("a viewer: no button, whichever way they come")
	p.open("/g/web")
	p.reads("You may look at this group. Moving it takes the role of an operator.")
	require.False(t, p.has(".redlink"))
	require.False(t, p.has("form[action='/g/web/do']"))
	p.open("/g/web/swap")
	p.reads("You may look at this group. Moving it takes the role of an operator.")
	require.False(t, p.has("#red"))
	require.False(t, p.has("#fire"))
	var code int
	p.must(p.Eval(`fetch('/g/web/do', {method: 'POST', body: new URLSearchParams({verb: 'pause', csrf: document.querySelector('input[name=csrf]').value})}).then((r) => r.status)`, &code))
	require.Equal(t, 403, code, "pressed past the page")
	require.False(t, w.status().Paused)

	t.Log("signed out: also in the other tab, whose live page ends")
	tab, err := p.Tab.Tab()
	require.NoError(t, err)
	other := &pageOf{Tab: tab, t: t, base: w.base}
	other.open("/g/web")
	other.reads("Covered")
	p.open("/")
	p.leads("form[action='/sign-out'] button")
	p.reads("Sign in")
	other.reads("This page is out of date.")
	other.open("/g/web")
	other.reads("Sign in")
	other.lacks("Covered")
}
