// Package golden compares with files under testdata, and writes them anew with: go test ./… -args -rewrite
package golden

import (
	"flag"
	"os"
	"path/filepath"
	"testing"
)

var rewrite = flag.Bool("rewrite", false, "write the golden files anew; review the difference")

// Check compares got with testdata/<name>.
func Check(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *rewrite {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v (write it with -args -rewrite)", err)
	}
	if string(want) != string(got) {
		t.Errorf("%s differs.\n--- want\n%s\n--- got\n%s", path, want, got)
	}
}
