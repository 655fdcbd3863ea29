package cli_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/isacloud/ha-manager/cmd/ham/internal/cli"
	"github.com/isacloud/ha-manager/pkg/client/postgres/pgtest"
)

func run(args ...string) (code int, out, errs string) {
	var stdout, stderr bytes.Buffer
	code = cli.Main(context.Background(), args, cli.IO{In: strings.NewReader(""), Out: &stdout, Err: &stderr, Env: func(string) string { return "" }})
	return code, stdout.String(), stderr.String()
}

// TestInitWritesOnce: a directory for a pair, over nothing that is there; and what it writes is a spec that is right.
func TestInitWritesOnce(t *testing.T) {
	a := pgtest.Start(t, pgtest.Options{})
	b := pgtest.Standby(t, a, pgtest.StandbyOptions{Name: "b", Options: pgtest.Options{
		Settings: map[string]string{"listen_addresses": "127.0.0.1,127.0.0.2"}, HBA: []string{"host all all 127.0.0.0/8 scram-sha-256"},
	}})
	dir := filepath.Join(t.TempDir(), "orders")
	t.Setenv("HAM_TEST_PASSWORD", strings.ReplaceAll(pgtest.SuperPassword, "'", `\'`))
	dsn := "host=127.0.0.1 port=" + port(a) + " user=" + pgtest.Super + " password='${env:HAM_TEST_PASSWORD}' dbname=postgres sslmode=disable"
	args := []string{"init", "postgres", dsn, strings.Replace(b.DSN(pgtest.Super), "127.0.0.1", "127.0.0.2", 1), "--group", "orders", "--dir", dir}
	code, out, errs := run(args...)
	require.Equal(t, 0, code, errs)
	require.Contains(t, out, "a  PostgreSQL 15")
	require.Contains(t, out, ", primary, data in "+a.Data)
	require.Contains(t, out, "bad   a: fsync is off")
	require.Contains(t, out, "nothing was changed on the servers")
	require.NotContains(t, out, pgtest.SuperPassword)

	code, out, errs = run("validate", "--expanded", filepath.Join(dir, "orders.yaml"))
	require.Equal(t, 0, code, errs)
	require.Contains(t, out, "lease: {ttl: 1.5s, deciders: [a, b, witness], guard: nftables}")

	before, err := os.ReadFile(filepath.Join(dir, "orders.yaml"))
	require.NoError(t, err)
	code, _, errs = run(args...)
	require.Equal(t, 2, code)
	require.Contains(t, errs, "orders.yaml is there already: name another directory by --dir, or take it away")
	after, err := os.ReadFile(filepath.Join(dir, "orders.yaml"))
	require.NoError(t, err)
	require.Equal(t, before, after)
}

func port(s *pgtest.Server) string { _, p, _ := strings.Cut(s.Addr(), ":"); return p }

// TestInitSaysWhatIsWrong: each in one sentence, with the exit code of wrong use, or of a failure, and without a password.
func TestInitSaysWhatIsWrong(t *testing.T) {
	const dead = "postgres://x:hunter2@127.0.0.1:1/"
	for _, c := range []struct {
		code int
		want string
		args []string
	}{
		{2, "accepts 2 arg(s), received 1", []string{dead}},
		{2, `--names is "a,a", want two different names`, []string{dead, dead, "--names", "a,a"}},
		{2, `--names is "a,witness", want two different names`, []string{dead, dead, "--names", "a,witness"}},
		{2, `group "a b": want 1 to 63`, []string{dead, dead, "--group", "a b"}},
		{2, `--witness is "w.example", want the address of a host, such as 203.0.113.5`, []string{dead, dead, "--witness", "w.example"}},
		{2, `--sites is "sp,rj", want three names, such as sp,rj,mia: the sites of a, of b and of the witness`, []string{dead, dead, "--sites", "sp,rj"}},
		{2, `--secrets is "etc", want an absolute path`, []string{dead, dead, "--secrets", "etc"}},
		{2, "server a: reference ${env:HAM_NOT_THERE}: the environment variable is not set", []string{"postgres://x:${env:HAM_NOT_THERE}@127.0.0.1:1/", dead}},
		{1, "server a at 127.0.0.1:1: dial error: dial tcp 127.0.0.1:1: connect: connection refused\n", []string{dead, dead}},
		{1, "server a: the DSN cannot be read", []string{"host=127.0.0.1 hunter2", dead}},
	} {
		code, out, errs := run(append([]string{"init", "postgres"}, c.args...)...)
		require.Equal(t, c.code, code, errs)
		require.Contains(t, errs, c.want)
		require.NotContains(t, out+errs, "hunter2")
	}
}
