package story_test

import (
	"fmt"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/isacloud/ha-manager/cmd/ham/internal/browser"
	"github.com/isacloud/ha-manager/pkg/message"
)

// A step fails, and the swap waits for a person: who mends the cause has it tried again, goes on without it, or aborts the swap.
func TestAStepFails(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	may, did := dir+"/may", dir+"/did"
	command, done := dir+"/announce", dir+"/announced"
	require.NoError(t, os.WriteFile(command, []byte("#!/bin/sh\ntest -e "+may+" || { echo the directory does not answer >&2; exit 1; }\n: > "+did+"\n"), 0o700))
	require.NoError(t, os.WriteFile(done, []byte("#!/bin/sh\ntest -e "+did+"\n"), 0o700))
	w := begin(t, options{steps: fmt.Sprintf(`steps:
  - name: announce
    exec: {command: [%s], done: [%s]}
    on: any
    timeout: 30s
`, command, done)})
	p := sit(t, w.base, browser.Options{})
	press := func() {
		t.Helper()
		for _, path := range []string{may, did} {
			require.NoError(t, os.RemoveAll(path))
		}
		w.until("nothing is under way", func(s *message.GroupStatus) bool { return s.Swap == nil && s.Held && len(s.Refusals) == 0 })
		p.open("/g/web/swap")
		p.reads("announce")
		p.arm()
		p.hold()
		p.reads("It waits for you", "The swap stopped at step announce. Nothing goes on by itself.", "the directory does not answer")
	}
	answer := func(verb, why string) {
		t.Helper()
		p.click("#why-step")
		p.must(p.Type(why))
		p.leads("button[name=verb][value=" + verb + "]")
	}

	t.Log("mended, and tried again")
	press()
	require.NoError(t, os.WriteFile(may, nil, 0o600))
	answer("retry", "the directory is back")
	p.reads("epoch 2, b is primary")
	p.so("!document.querySelector('.stopped')")
	require.FileExists(t, did)
	require.Equal(t, "the directory is back", w.requests(message.VerbRetry)[0].Reason)

	t.Log("gone on without it")
	press()
	answer("skip", "told them by telephone")
	p.reads("epoch 3, a is primary")
	p.so("!document.querySelector('.stopped')")
	require.NoFileExists(t, did)

	t.Log("aborted: the new side has begun, so it is confirmed where it is")
	press()
	answer("abort", "not tonight")
	p.reads("aborted the switchover of web from a to b (not tonight): b is primary", "epoch 5, b is primary")
	p.so("!document.querySelector('.stopped')")
	require.NoFileExists(t, did)
	require.Len(t, w.requests(message.VerbAbort), 1)
}
