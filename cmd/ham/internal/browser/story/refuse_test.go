package story_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/isacloud/ha-manager/cmd/ham/internal/browser"
	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec"
)

// Dry run looks the same and is not to be mistaken for it: on the overview, on the group, on the plan, on the button, and on what came of it.
func TestDryRun(t *testing.T) {
	t.Parallel()
	w := begin(t, options{mode: "dry-run"})
	p := sit(t, w.base, browser.Options{})
	p.open("/")
	p.reads("Dry run")
	p.so("document.querySelector('#g-web.dry')")
	p.leads("#a-web")
	p.reads("Dry run: nothing is applied. What would happen is recorded.")
	p.leads(".redlink")
	p.reads("DRY RUN. Nothing will be changed: this only rehearses.", "Rehearse it", "Hold to rehearse", "as a dry run, nothing would be applied")
	p.so("document.querySelectorAll('.card.dry').length >= 2 && document.querySelector('#red.rehearse')")
	p.arm()
	require.Equal(t, "dashed", p.value("getComputedStyle(document.querySelector('#red')).borderTopStyle"), "also armed it does not look like the one that fires")
	p.hold()
	p.reads("rehearsal", "Dry run: only rehearsed, nothing was changed.")
	require.Equal(t, "a", w.status().Primary)
	require.Len(t, w.requests(message.VerbSwitchover), 1)
}

// What stands against a swap stands on its page. What is about safety has no box, and then there is no button; what is about flapping has one for an
// administrator, who says why.
func TestRefusalAndOverride(t *testing.T) {
	t.Parallel()
	w := begin(t, options{
		policy: "{quorum: 1, fall: 5, rise: 1, stable_for: 10h, cooldown: 0s, undo_window: 0s, budget: 100 per 1h}",
		users:  []spec.ConsoleUser{user(t, "ana", "operator"), user(t, "ben", "admin")},
	})
	ana := sit(t, w.base, browser.Options{})
	ana.signIn("ana")
	ana.open("/g/web/swap?verb=failover")
	ana.reads("It is refused now:", "R330", "Nobody can set this aside.", "The button stays off")
	require.False(t, ana.has("#red"))
	require.False(t, ana.has("#arm"))
	ana.open("/g/web/swap")
	ana.reads("R323", "An administrator may set this aside, with a reason.", "The button stays off")
	require.False(t, ana.has("#red"))

	t.Log("an administrator: the box, the reason, and only then the button")
	ben := sit(t, w.base, browser.Options{})
	ben.signIn("ben")
	ben.open("/g/web/swap")
	ben.reads("R323", "I set this aside.", "(required where something is set aside)")
	ben.so("document.querySelector('#arm:not(:disabled)')")
	disarmed := "document.querySelector('#red').getAttribute('aria-disabled') === 'true'"
	ben.click("#arm")
	ben.so("document.querySelector('#arm').checked && " + disarmed)
	ben.click("input[name=override][value=R323]")
	ben.so("document.querySelector('input[name=override]').checked && " + disarmed)
	ben.click("#reason")
	ben.must(ben.Type("b is steady, I have watched it"))
	ben.so(armed)
	ben.hold()
	ben.reads("accepted, epoch 2", "epoch 2, b is primary")
	asked := w.requests(message.VerbSwitchover)
	require.Len(t, asked, 1)
	require.Equal(t, []string{"R323"}, asked[0].Override)
	require.Equal(t, "ben", asked[0].Actor)
	require.Equal(t, "b is steady, I have watched it", asked[0].Reason)
	ben.open("/i/web-1")
	ben.reads("Set aside:", "R323", "b is steady, I have watched it")
}
