package haproxytest

import (
	"os"
	"os/exec"
	"testing"
)

// Require returns the path of the haproxy program. Where there is none it skips the test, or, with HAM_REQUIRE=1, fails it.
func Require(t testing.TB) string {
	t.Helper()
	path, err := exec.LookPath("haproxy")
	if err == nil {
		return path
	}
	const missing = `this test needs the program haproxy in PATH (Debian: apt-get install haproxy)`
	if os.Getenv("HAM_REQUIRE") == "1" {
		t.Fatalf("%s, and HAM_REQUIRE=1 is set: %v", missing, err)
	}
	t.Skipf("%s: %v", missing, err)
	return ""
}
