package pgbouncer_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/isacloud/ha-manager/pkg/client/pgbouncer"
)

const config = `; the pools of the shop
%include /etc/pgbouncer/more.ini
[databases]
# orders = host=198.51.100.1
orders = host=192.0.2.10 port=5432 dbname=shop user=app password='it''s = secret' pool_size=20
stock=dbname=stock   host=192.0.2.10
"two words" = port = 6000 host = 'a host'
socket = dbname=x

[pgbouncer]
orders = host=203.0.113.1
listen_port = 6432
`

func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "pgbouncer.ini")
	if err := os.WriteFile(path, []byte(text), 0o640); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestSetServer(t *testing.T) {
	for _, c := range []struct{ database, server, was, line, now string }{
		{"orders", "198.51.100.10:5433", "192.0.2.10:5432", `orders = host=192.0.2.10 port=5432 dbname=shop user=app password='it''s = secret' pool_size=20`,
			`orders = host=198.51.100.10 port=5433 dbname=shop user=app password='it''s = secret' pool_size=20`},
		{"stock", "[2001:db8::1]:5432", "192.0.2.10:5432", `stock=dbname=stock   host=192.0.2.10`, `stock= port=5432 dbname=stock host=2001:db8::1`},
		{"two words", "b:1", "a host:6000", `"two words" = port = 6000 host = 'a host'`, `"two words" = port=1 host=b`},
		{"socket", "b:1", ":5432", `socket = dbname=x`, `socket = host=b port=1 dbname=x`},
	} {
		t.Run(c.database, func(t *testing.T) {
			path := write(t, config)
			if got, err := pgbouncer.ServerIn(path, c.database); err != nil || got != c.was {
				t.Errorf("it leads to %q, %v; want %q", got, err, c.was)
			}
			changed, err := pgbouncer.SetServer(path, c.database, c.server)
			if err != nil || !changed {
				t.Fatalf("changed %t, %v", changed, err)
			}
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if want := strings.Replace(config, c.line, c.now, 1); string(b) != want {
				t.Errorf("got\n%s\nwant\n%s", b, want)
			}
			if got, err := pgbouncer.ServerIn(path, c.database); err != nil || got != c.server {
				t.Errorf("it leads to %q, %v; want %q", got, err, c.server)
			}
			if changed, err := pgbouncer.SetServer(path, c.database, c.server); err != nil || changed {
				t.Errorf("again: changed %t, %v", changed, err)
			}
		})
	}
}

func TestSetServerKeepsModeAndLink(t *testing.T) {
	path := write(t, config)
	if err := os.Chmod(path, 0o604); err != nil {
		t.Fatal(err)
	}
	if os.Geteuid() == 0 {
		if err := os.Chown(path, 4711, 4712); err != nil {
			t.Fatal(err)
		}
	}
	link := filepath.Join(t.TempDir(), "link.ini")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	before, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := pgbouncer.SetServer(link, "orders", "b:1"); err != nil {
		t.Fatal(err)
	}
	after, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if before.Mode() != after.Mode() || owner(before) != owner(after) {
		t.Errorf("mode %s, owner %s; was %s, %s", after.Mode(), owner(after), before.Mode(), owner(before))
	}
	if info, err := os.Lstat(link); err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link is one no more: %v, %v", info, err)
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(path), ".*")); len(left) > 0 {
		t.Errorf("left behind: %s", left)
	}
}

func TestSetServerRefuses(t *testing.T) {
	for name, c := range map[string]struct{ text, database, server, says string }{
		"no entry":        {config, "nowhere", "b:1", "add nowhere = host"},
		"other section":   {"[pgbouncer]\norders = host=a", "orders", "b:1", "no entry"},
		"no port":         {config, "orders", "b", "want host:port"},
		"an open quote":   {"[databases]\norders = host='a", "orders", "b:1", ":2: the entry of orders cannot be read"},
		"no value":        {"[databases]\norders = host", "orders", "b:1", "cannot be read"},
		"more than a key": {"[databases]\norders = host=a b c=d", "orders", "b:1", "cannot be read"},
	} {
		t.Run(name, func(t *testing.T) {
			path := write(t, c.text)
			_, err := pgbouncer.SetServer(path, c.database, c.server)
			if err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v, want %q", err, c.says)
			}
			if b, _ := os.ReadFile(path); string(b) != c.text {
				t.Errorf("the file was changed:\n%s", b)
			}
		})
	}
	if _, err := pgbouncer.SetServer(filepath.Join(t.TempDir(), "none"), "a", "b:1"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v", err)
	}
}

// What was written is read back, whatever stands in the file.
func FuzzSetServer(f *testing.F) {
	f.Add(config, "orders")
	f.Add("[databases]\nx = host='", "x")
	f.Add("[databases]\r\nx = host=a\r\n", "x")
	f.Fuzz(func(t *testing.T, text, database string) {
		path := write(t, text)
		if _, err := pgbouncer.SetServer(path, database, "192.0.2.1:7"); err != nil {
			return
		}
		if got, err := pgbouncer.ServerIn(path, database); err != nil || got != "192.0.2.1:7" {
			b, _ := os.ReadFile(path)
			t.Errorf("%q became %q and leads to %q, %v", text, b, got, err)
		}
	})
}
