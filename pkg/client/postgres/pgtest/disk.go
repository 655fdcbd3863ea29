package pgtest

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// Disk is a small file system of its own, to be filled. It needs root.
type Disk struct {
	// Dir is where it is mounted; the servers' user may write there.
	Dir string
	t   testing.TB
}

// NewDisk mounts one of that many bytes, in memory. Without root the test is skipped, or, with HAM_REQUIRE=1, failed.
func NewDisk(t testing.TB, bytes int) *Disk {
	t.Helper()
	p := Require(t)
	if os.Geteuid() != 0 {
		const missing = "this test mounts a small file system, which only root may"
		if os.Getenv("HAM_REQUIRE") == "1" {
			t.Fatalf("%s, and HAM_REQUIRE=1 is set", missing)
		}
		t.Skip(missing)
	}
	dir, err := newFolder(p)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	d := &Disk{Dir: filepath.Join(dir, "data"), t: t}
	if err := os.Mkdir(d.Dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := mountMemory(d.Dir, bytes); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unmount(d.Dir); err != nil {
			t.Errorf("unmount %s: %v", d.Dir, err)
		}
	})
	return d
}

// Fill takes all the space that is left; Free gives it back.
func (d *Disk) Fill() {
	d.t.Helper()
	f, err := os.OpenFile(d.ballast(), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		d.t.Fatal(err)
	}
	defer f.Close()
	for size := 1 << 20; size > 0; { // smaller pieces at the end
		n, err := f.Write(make([]byte, size))
		switch {
		case errors.Is(err, syscall.ENOSPC):
			if n == 0 {
				size /= 2
			}
		case err != nil:
			d.t.Fatal(err)
		}
	}
}

// Free gives back what Fill took.
func (d *Disk) Free() {
	d.t.Helper()
	if err := os.Remove(d.ballast()); err != nil {
		d.t.Fatal(err)
	}
}

func (d *Disk) ballast() string { return filepath.Join(d.Dir, "ballast") }
