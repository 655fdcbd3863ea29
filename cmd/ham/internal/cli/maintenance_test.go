package cli_test

import (
	"strings"
	"testing"
)

// A time that is over is refused by the flag's own name, before any bus is asked.
func TestDrainForATimeThatIsOver(t *testing.T) {
	code, _, errs := run("drain", "web", "w1", "--for", "-1h", "--server", "nats://127.0.0.1:1")
	if code != 2 || !strings.Contains(errs, "--for is -1h0m0s, want a time to come, such as 2h") {
		t.Fatalf("exit code %d, %q: want 2 and the flag's name", code, errs)
	}
}
