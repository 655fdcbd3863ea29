package postgres_test

import (
	"strings"
	"testing"

	"github.com/isacloud/ha-manager/pkg/client/postgres"
)

func TestParse(t *testing.T) {
	for name := range map[string]bool{"PGHOST": true, "PGUSER": true, "PGPASSWORD": true, "PGSERVICE": true, "PGSSLMODE": true} {
		t.Setenv(name, "")
	}
	for dsn, want := range map[string]string{
		"postgres://ham:secret@db1.example:5433/app?sslmode=disable":        "postgres://ham@db1.example:5433/app",
		"host=192.0.2.1 user=ham password=secret dbname=app sslmode=prefer": "postgres://ham@192.0.2.1:5432/app",
		"postgres://ham@[2001:db8::1]/app":                                  "postgres://ham@[2001:db8::1]:5432/app",
		"postgres://ham:s%2Fe%40c@db1.example/app?connect_timeout=3":        "postgres://ham@db1.example:5432/app",
	} {
		target, err := postgres.Parse(dsn)
		if err != nil {
			t.Errorf("%s: %v", dsn, err)
			continue
		}
		if got := target.String(); got != want || target.Local() {
			t.Errorf("%s is %s, want %s", dsn, got, want)
		}
	}
	local, err := postgres.Parse("host=/run/postgresql user=ham")
	if err != nil || !local.Local() || local.Addr() != "/run/postgresql/.s.PGSQL.5432" {
		t.Errorf("a unix socket: %v, %v", local, err)
	}
}

// Whatever is wrong with a DSN, no part of its password comes back.
func TestParseErrorsKeepTheSecret(t *testing.T) {
	t.Parallel()
	for dsn, want := range map[string]string{
		"":                                       "is empty",
		"  ":                                     "is empty",
		"db1":                                    "cannot be read",
		"postgres://ham:hun/ter2@db1:5432/app":   "cannot be read",
		"postgres://ham:hun%ter2@db1:5432/app":   "cannot be read",
		"postgres://ham:hunter2@db1:hunter2/app": "cannot be read",
		"postgres://ham:hunter2@db1/app?hunter2=1":                  "cannot be read",
		"postgres://ham:hunter2@db1/app?options=-c%20fsync":         "cannot be read",
		"postgres://ham:hunter2@db1/app?sslmode=hunter2":            "cannot be read",
		"host=db1 user=ham password='hunter2":                       "cannot be read",
		"host=db1 user=ham password=hun ter2":                       "cannot be read",
		"postgres://ham:hunter2@db1,db2/app":                        "several hosts",
		"postgres://ham:hunter2@db1/app?sslrootcert=/nowhere/ca":    "/nowhere/ca: no such file",
		"postgres://ham:hunter2@db1/app?service=hunter2":            "cannot be read",
		"postgres://ham:hunter2@db1/app?target_session_attrs=any":   "cannot be read",
		"host=db1 user=ham password=hunter2 search_path=public":     "cannot be read",
		"mysql://ham:hunter2@db1/app":                               "cannot be read",
		"postgres://ham:hunter2@db1:99999/app":                      "cannot be read",
		"host=db1 user=ham password=hunter2 sslmode=verify-everyth": "cannot be read",
	} {
		target, err := postgres.Parse(dsn)
		if err == nil {
			t.Errorf("%s is taken for %s", dsn, target)
			continue
		}
		for _, piece := range []string{"hunter2", "hun", "ter2"} {
			if strings.Contains(err.Error(), piece) {
				t.Errorf("%s: the error holds %q: %v", dsn, piece, err)
			}
		}
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v; want %q in it", dsn, err, want)
		}
	}
}
