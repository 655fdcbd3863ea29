package gate

import (
	"os"
	"os/exec"
	"testing"
)

func TestPass(t *testing.T) {
	t.Run("older is refused", func(t *testing.T) {
		g := Gate{newest: 5}
		if g.Pass(4) {
			t.Error("4 passed after 5")
		}
	})
	t.Run("same is refused", func(t *testing.T) {
		g := Gate{newest: 5}
		if g.Pass(5) {
			t.Error("5 passed twice")
		}
	})
}

func TestName(t *testing.T) {
	var g Gate
	if g.Name() == "" {
		t.Error("no name")
	}
}

// TestNested asks a test run of its own, as a test that starts the built program does.
func TestNested(t *testing.T) {
	if out, err := exec.Command("go", "test", "-run", "^TestPass$", ".").CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestRedAnyway(t *testing.T) {
	if os.Getenv("NO_SUCH_VARIABLE_IS_EVER_SET") == "" {
		t.Error("red without any patch")
	}
}

func TestSkipped(t *testing.T) {
	t.Skip("needs a server that is never there")
}
