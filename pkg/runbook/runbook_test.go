package runbook

import (
	"context"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/isacloud/ha-manager/pkg/client/haproxy/haproxytest"
	"github.com/isacloud/ha-manager/pkg/client/postgres/pgtest"
	"github.com/isacloud/ha-manager/pkg/client/redis/redistest"
	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec"
	"github.com/isacloud/ha-manager/pkg/spec/file"
)

// patience bounds each wait: a busy machine is no failure.
const patience = 30 * time.Second

// sh types commands into a shell, and returns what it prints, errors too.
func sh(t *testing.T, commands string, env ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	c := exec.CommandContext(ctx, "sh", "-c", commands)
	c.Env = append(os.Environ(), env...)
	out, _ := c.CombinedOutput() // what a person sees is what counts
	require.NoError(t, ctx.Err(), "%s hangs", commands)
	return string(out)
}

func need(t *testing.T, programs ...string) {
	t.Helper()
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			if os.Getenv("HAM_REQUIRE") == "1" {
				t.Fatalf("this test needs the program %s in PATH, and HAM_REQUIRE=1 is set", p)
			}
			t.Skipf("this test needs the program %s in PATH", p)
		}
	}
}

var fenced = regexp.MustCompile("(?s)```sh\n(.*?)\n```")

// typed are the commands of a page.
func typed(page string) (out []string) {
	for _, m := range fenced.FindAllStringSubmatch(page, -1) {
		out = append(out, m[1])
	}
	return out
}

// part cuts a direction out of a page.
func part(t *testing.T, page, letter string) string {
	t.Helper()
	_, after, found := strings.Cut(page, "## Part "+letter)
	require.True(t, found)
	before, _, _ := strings.Cut(after, "\n## ")
	return before
}

// TestEveryExampleHasItsRunbook: each is written, each of its commands parses, and the page begins with the old primary.
func TestEveryExampleHasItsRunbook(t *testing.T) {
	var paths []string
	for _, pattern := range []string{"../../deploy/examples/*.yaml", "../spec/testdata/*.yaml"} {
		found, err := filepath.Glob(pattern)
		require.NoError(t, err)
		paths = append(paths, found...)
	}
	pages := 0
	var script strings.Builder
	for _, path := range paths {
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		f, err := file.Parse(path, text)
		require.NoError(t, err)
		for _, g := range f.Groups {
			page, err := Write(g.Group)
			require.NoError(t, err, path)
			if g.Pool != nil {
				require.Contains(t, page, "Take a server out")
				for _, c := range typed(page) {
					script.WriteString("if false; then\n" + c + "\nfi\n")
				}
				continue
			}
			again, err := Write(g.Group)
			require.NoError(t, err)
			require.Equal(t, page, again)
			pages++
			commands := typed(page)
			require.NotEmpty(t, commands)
			for _, c := range commands {
				script.WriteString("if false; then\n" + c + "\nfi\n")
			}
			a := part(t, page, "A")
			first, second := strings.Index(a, "### First: be sure that"), strings.Index(a, "### Then: make")
			require.Greater(t, first, 0)
			require.Greater(t, second, first)
			if g.Lease != nil {
				require.Less(t, strings.Index(a, " stop"), second, "%s: nobody stops the old server", path)
			}
			for _, changes := range []string{"pg_promote", "REPLICAOF", "state ready", "address replace", "/usr/local/lib/ham/promote"} {
				if i := strings.Index(a, changes); i >= 0 {
					require.Greater(t, i, second, "%s: %s before the old primary is dealt with", path, changes)
				}
			}
			for _, c := range commands {
				require.NotContains(t, c, "${file:", path)
				require.NotContains(t, c, "${env:", path)
			}
		}
	}
	require.Greater(t, pages, 8)
	for _, shell := range []string{"sh", "bash"} {
		need(t, shell)
		c := exec.CommandContext(t.Context(), shell, "-n")
		c.Stdin = strings.NewReader(script.String())
		out, err := c.CombinedOutput()
		require.NoError(t, err, "%s", out)
	}
}

// TestQuoting: whatever an operator writes reaches the program as it was written, and references as what they refer to.
func TestQuoting(t *testing.T) {
	need(t, "sh")
	secret := filepath.Join(t.TempDir(), "it's a secret")
	require.NoError(t, os.WriteFile(secret, []byte("pa$$ w'\"`ord*\n"), 0o600))
	look := func(kind, name string) (string, error) {
		if kind == "env" {
			return "from the $(environment)", nil
		}
		return spec.LookupSecret(kind, name)
	}
	all := []string{"", " ", "a b", "'", `"`, `\`, "$HOME", "$(id)", "`id`", "a;b&c|d>e<f", "*", "~", "-n", "#", "!x", "{a,b}", "a\nb", "é", "${nothing", "$", "${", "}",
		"${file:" + secret + "}", "x${file:" + secret + "}y'${env:TOKEN}", "${env:TOKEN}", "postgres://ham:${file:" + secret + "}@h/db?x=1"}
	for i := range 200 {
		if text := rapid.StringMatching(`[ -~\n]{0,12}`).Example(i); !strings.Contains(text, "${") {
			all = append(all, text)
		}
	}
	script, want := "", []string{}
	for _, s := range all {
		resolved := s
		if refs := spec.Secret(s).References(); len(refs) > 0 || !strings.Contains(s, "${") {
			var err error
			resolved, err = spec.Secret(s).Resolve(look)
			require.NoError(t, err)
		}
		script += "printf '%s\\0' " + word(s) + "\n"
		want = append(want, resolved)
	}
	got := strings.Split(strings.TrimSuffix(sh(t, script, "TOKEN=from the $(environment)"), "\x00"), "\x00")
	require.Equal(t, want, got)
}

// web is a pair behind an HAProxy.
const web = `group: web
members:
  a: {site: sp, url: "http://A"}
  b: {site: rj, url: "http://B"}
adopt: a
checks: {alive: {http: /alive, timeout: 900ms, from: [sp, rj]}}
routes:
  front: {haproxy: ["PROXY", "tcp://127.0.0.1:1"], backend: web, servers: {a: s1, b: s2}}
`

// TestTypedIntoAShell: the primary is dead and ham is gone. A person types what the page says, and clients are served by the other.
func TestTypedIntoAShell(t *testing.T) {
	t.Parallel()
	need(t, "socat", "awk", "curl")
	haproxytest.Require(t)
	for _, socket := range []string{"admin", "admin-tcp"} {
		t.Run(socket, func(t *testing.T) {
			t.Parallel()
			a, b := haproxytest.NewSite(t, "a"), haproxytest.NewSite(t, "b")
			proxy := haproxytest.Start(t, haproxytest.PairWith("", a.Addr(), b.Addr()))
			declared := strings.NewReplacer("//A", "//"+a.Addr(), "//B", "//"+b.Addr(), "PROXY", proxy.Runtime(socket)).Replace(web)
			f, err := file.Parse("web.yaml", []byte(declared))
			require.NoError(t, err)
			page, err := Write(f.Groups[0].Group)
			require.NoError(t, err)
			a.Kill()

			commands := slices.DeleteFunc(typed(part(t, page, "A")), func(c string) bool { return strings.Contains(c, "systemctl") })
			var printed []string
			for _, c := range commands {
				printed = append(printed, sh(t, c))
			}
			require.Len(t, printed, 4, "look, lead, see, verify: %v", commands)
			require.Contains(t, printed[0], "000", "the old one answers nobody")
			require.NotContains(t, printed[1], "No such", printed[1])
			require.NotContains(t, printed[1], "Unknown", printed[1])
			require.Contains(t, printed[1], "refused", "the proxy that is away says so, and the other is led all the same")
			require.Contains(t, printed[2], "s1 MAINT")
			require.Regexp(t, `s2 (UP|no check)`, printed[2])
			require.Equal(t, "200\n", printed[3])
			r, err := http.Get(proxy.URL("front") + "/") //nolint:noctx // its own proxy, a moment ago it answered
			require.NoError(t, err)
			require.NoError(t, r.Body.Close())
			require.Equal(t, http.StatusOK, r.StatusCode)
		})
	}
}

// steps returns the commands of a leased pair's failover whose text holds one of these.
func steps(t *testing.T, g *spec.Group, of ...string) (out []string) {
	t.Helper()
	page, err := Write(g)
	require.NoError(t, err)
	for _, c := range typed(part(t, page, "A")) {
		if slices.ContainsFunc(of, func(s string) bool { return strings.Contains(c, s) }) {
			out = append(out, c)
		}
	}
	return out
}

// TestARedisPairByHand: a replica whose master is gone is made one that takes writes.
func TestARedisPairByHand(t *testing.T) {
	t.Parallel()
	redistest.Require(t)
	need(t, "redis-cli", "timeout")
	primary := redistest.Start(t, redistest.Options{Password: "it's one"})
	standby := redistest.Start(t, redistest.Options{Password: "it's one", ReplicaOf: primary})
	standby.AwaitLink()
	standby.Do("CONFIG", "SET", "min-replicas-to-write", "1000000000") // as ham bars a standby
	secret := filepath.Join(t.TempDir(), "password")
	require.NoError(t, os.WriteFile(secret, []byte("it's one\n"), 0o600))
	member := func(name, addr string) spec.Member {
		return spec.Member{Name: name, Site: name, Executor: name, Redis: &spec.Redis{Address: addr, Password: spec.Secret("${file:" + secret + "}")}}
	}
	g := &spec.Group{Name: "cache", Members: []spec.Member{member("a", primary.Addr), member("b", standby.Addr)}, Lease: &spec.Lease{TTL: spec.DefaultTTL, Guard: spec.GuardNone},
		Durability: message.NeverStop, Policy: spec.DefaultPolicy()}
	primary.Kill()
	var printed []string
	for _, c := range steps(t, g, "PING", "INFO", "REPLICAOF", "CONFIG", "SET") {
		printed = append(printed, strings.TrimSpace(sh(t, c)))
	}
	require.Len(t, printed, 5)
	require.Contains(t, printed[0], "Could not connect")
	require.Contains(t, printed[1], "role:slave")
	require.Equal(t, []string{"OK", "OK", "OK"}, printed[2:])
	require.True(t, standby.Info().Master)
}

// TestAPostgreSQLPairByHand: a standby that writes waited for, and whose primary is gone, is made one that takes them.
func TestAPostgreSQLPairByHand(t *testing.T) {
	t.Parallel()
	pgtest.Require(t)
	need(t, "psql", "pg_isready", "runuser")
	if os.Getuid() != 0 {
		t.Skip("the page is typed as root")
	}
	primary := pgtest.Start(t, pgtest.Options{})
	standby := pgtest.Standby(t, primary, pgtest.StandbyOptions{Name: "b", Options: pgtest.Options{Settings: map[string]string{"synchronous_standby_names": "FIRST 1 (a)"}}})
	member := func(name string, s *pgtest.Server) spec.Member {
		return spec.Member{Name: name, Site: name, Executor: name, Postgres: &spec.Postgres{
			DSN: spec.Secret(s.DSN(pgtest.Ham)), Local: spec.Secret(s.LocalDSN(pgtest.Ham)), Service: "pg_ctl", Data: s.Data, Bin: s.Bin,
		}}
	}
	g := &spec.Group{Name: "orders", Members: []spec.Member{member("a", primary), member("b", standby)}, Lease: &spec.Lease{TTL: spec.DefaultTTL, Guard: spec.GuardNone},
		Durability: message.NeverLose, Policy: spec.DefaultPolicy()}
	var printed []string
	for _, c := range steps(t, g, "stop", "pg_isready", "psql") {
		if !strings.Contains(c, "systemctl") {
			printed = append(printed, strings.TrimSpace(sh(t, c)))
		}
	}
	require.Len(t, printed, 6)
	require.Contains(t, printed[0], "server stopped")
	require.Contains(t, printed[1], "no response")
	require.Regexp(t, `^t\|`, printed[2])
	require.Equal(t, "t", printed[3])
	require.Equal(t, "ALTER SYSTEM\nt", printed[4])
	require.Equal(t, "CREATE TABLE\nDROP TABLE", printed[5])
	require.False(t, primary.Running())
}

// TestThePoolerIsPointed: the entry is changed, and nothing else in the file.
func TestThePoolerIsPointed(t *testing.T) {
	need(t, "sed", "grep")
	path := filepath.Join(t.TempDir(), "databases.ini")
	require.NoError(t, os.WriteFile(path, []byte("[databases]\norders = host=192.0.2.10 port=5432 dbname=orders\nordersX = host=192.0.2.10 port=5432\n"), 0o600))
	with := `{"route": "front", "admins": ["postgres://ham@127.0.0.1:6432/pgbouncer"], "database": "orders", "action": "resume", "server": "198.51.100.10:5433", "file": ` + strconv.Quote(path) + `, "timeout_ns": 1000000000}`
	actions, err := Step(&spec.Group{Name: "orders"}, "a", "b", &message.Step{Name: "route-front", Driver: "pgbouncer", On: "executor:p1", With: []byte(with)})
	require.NoError(t, err)
	require.Equal(t, "orders = host=198.51.100.10 port=5433 dbname=orders\n", sh(t, actions[0].Run))
	now, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, "[databases]\norders = host=198.51.100.10 port=5433 dbname=orders\nordersX = host=192.0.2.10 port=5432\n", string(now))
}

// TestAnUnknownDriver: a step that nobody wrote words for is an error, never left out.
func TestAnUnknownDriver(t *testing.T) {
	_, err := Step(&spec.Group{Name: "g"}, "a", "b", &message.Step{Name: "x", Driver: "moon"})
	require.ErrorContains(t, err, `"moon"`)
	_, err = Step(&spec.Group{Name: "g"}, "a", "b", &message.Step{Name: "x", Driver: "postgres", With: []byte(`{"action": "dance"}`)})
	require.ErrorContains(t, err, `"dance"`)
}

// TestTheLadderComesFirst: what ham would try before anybody takes over stands before that.
func TestTheLadderComesFirst(t *testing.T) {
	f, err := file.Parse("web.yaml", []byte(strings.NewReplacer("//A", "//192.0.2.10", "//B", "//198.51.100.10", "PROXY", "tcp://192.0.2.2:9999", "{site: ", "{executor: sp1, site: ").Replace(web)+"remedy: [{restart: systemd:app, times: 2, wait: 5s}, {restart: docker:app, times: 1, wait: 5s}]\n"))
	require.NoError(t, err)
	page, err := Write(f.Groups[0].Group)
	require.NoError(t, err)
	a := part(t, page, "A")
	require.Less(t, strings.Index(a, "systemctl restart app"), strings.Index(a, "### First: be sure"))
	require.Contains(t, a, "docker restart app")
}

// TestAPersonIsAsked: an approval step is in the page, too.
func TestAPersonIsAsked(t *testing.T) {
	f, err := file.Parse("web.yaml", []byte(strings.NewReplacer("//A", "//192.0.2.10", "//B", "//198.51.100.10", "PROXY", "tcp://192.0.2.2:9999").Replace(web)+
		"steps: [{name: sure, approve: \"is the backup there\", when: always, within: 30m}]\n"))
	require.NoError(t, err)
	page, err := Write(f.Groups[0].Group)
	require.NoError(t, err)
	require.Contains(t, part(t, page, "A"), "Have somebody else say yes: is the backup there")
}

// TestALookAtAPort: as a person makes it.
func TestALookAtAPort(t *testing.T) {
	need(t, "socat")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s := scene{group: &spec.Group{Name: "g"}}
	look := spec.LookArgs{TCP: l.Addr().String(), Timeout: time.Second, Want: "up"}
	require.Equal(t, "open\n", sh(t, s.look(&message.Step{}, look, "")[0].Run))
	require.NoError(t, l.Close())
	require.Contains(t, sh(t, s.look(&message.Step{}, look, "")[0].Run), "closed\n")
}
