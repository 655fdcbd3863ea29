package cli_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A time that is over is refused by the flag's own name, before any bus is asked.
func TestDrainForATimeThatIsOver(t *testing.T) {
	code, _, errs := run("drain", "web", "w1", "--for", "-1h", "--server", "nats://127.0.0.1:1")
	if code != 2 || !strings.Contains(errs, "--for is -1h0m0s, want a time to come, such as 2h") {
		t.Fatalf("exit code %d, %q: want 2 and the flag's name", code, errs)
	}
}

// A missing or a spare word is wrong use, with how it is said, in commands below commands too.
func TestTheWrongNumberOfWordsIsWrongUse(t *testing.T) {
	for _, args := range [][]string{{"planned", "cancel"}, {"drain", "web"}, {"context", "use"}, {"evidence", "verify"}, {"init", "haproxy"}, {"init", "postgres", "a"}} {
		code, _, errs := run(args...)
		require.Equal(t, 2, code, "%v: %s", args, errs)
		require.Contains(t, errs, "use: ham "+args[0], "%v", args)
		require.Equal(t, 1, strings.Count(errs, "use: "), "%v: %s", args, errs)
	}
}
