package cli_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// What a guard puts into the kernel is printed, for the member that is named; where there is none, that is said.
func TestGuardIsPrinted(t *testing.T) {
	path := filepath.Join(t.TempDir(), "orders.yaml")
	text := `group: orders
use: postgres-pair
with:
  members: {a: {site: sp, host: 192.0.2.10}, b: {site: rj, host: 198.51.100.10}}
  witness: {host: 203.0.113.5}
  service: cluster:99/none
  durability: never-lose
  route: {haproxy: "tcp://203.0.113.20:9999", backend: orders}
---
group: web
members:
  a: {site: sp, url: "http://192.0.2.10:8080"}
  b: {site: rj, url: "http://198.51.100.10:8080"}
adopt: a
checks:
  alive: {http: /alive, from: [sp, rj]}
policy: {quorum: 2}
`
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	code, out, errs := run("guard", "orders", "--file", path, "--member", "a")
	require.Equal(t, 0, code, errs)
	require.Contains(t, out, "table inet ham-orders {")
	require.Contains(t, out, "tcp dport 5432 goto in-guarded")
	require.Contains(t, out, "ip saddr 198.51.100.10/32 accept")
	require.NotContains(t, out, "203.0.113.20", "the proxy passes")
	switch nft, err := exec.LookPath("nft"); {
	case err == nil && os.Geteuid() == 0:
		check := exec.Command("unshare", "--net", nft, "--check", "--file", "-") // in a network of its own, and nothing is loaded there either
		check.Stdin = strings.NewReader(out)
		said, err := check.CombinedOutput()
		require.NoError(t, err, "%s", said)
	case os.Getenv("HAM_REQUIRE") == "1":
		t.Fatalf("HAM_REQUIRE=1 is set, and to have the kernel's own program read the rules takes root and nft in PATH: %v", err)
	default:
		t.Log("the kernel's own program does not read the rules: that takes root and nft in PATH")
	}
	for want, args := range map[string][]string{
		"group orders has no member c: want one of a, b":                      {"orders", "--file", path, "--member", "c"},
		"no member of orders stands on this host: name one by --member: a, b": {"orders", "--file", path},
		"group web has no lease, and so no guard":                             {"web", "--file", path, "--member", "a"},
		"declares no group other":                                             {"other", "--file", path},
	} {
		code, out, errs := run(append([]string{"guard"}, args...)...)
		require.NotEqual(t, 0, code)
		require.Empty(t, out)
		require.Contains(t, errs, want)
	}
}
