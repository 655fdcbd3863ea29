package epochs_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/isacloud/ha-manager/services/executor/internal/epochs"
)

func open(t *testing.T, dir string) *epochs.Store {
	t.Helper()
	s, err := epochs.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func saw(t *testing.T, s *epochs.Store, group string, epoch uint64, want bool) {
	t.Helper()
	if ok, err := s.Saw(group, epoch); err != nil || ok != want {
		t.Errorf("epoch %d of %s: %t, %v; want %t", epoch, group, ok, err, want)
	}
}

// A lower epoch is refused, also after a restart that found no bus.
func TestStaleEpochIsRefusedAfterRestart(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	saw(t, s, "web", 6, true)
	saw(t, s, "web", 5, false)
	saw(t, s, "web", 6, true)
	saw(t, s, "db", 1, true)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir)
	defer s.Close()
	if s.Newest("web") != 6 || s.Newest("db") != 1 || s.Newest("none") != 0 {
		t.Errorf("web %d, db %d", s.Newest("web"), s.Newest("db"))
	}
	saw(t, s, "web", 5, false)
	saw(t, s, "web", 7, true)
}

func TestEachStartCounts(t *testing.T) {
	dir := t.TempDir()
	for want := uint64(1); want <= 3; want++ {
		s := open(t, dir)
		if s.Boot() != want {
			t.Errorf("start %d counts as %d", want, s.Boot())
		}
		_ = s.Close()
	}
}

func TestOneProcessAtATime(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	if _, err := epochs.Open(dir); !errors.Is(err, epochs.ErrLocked) {
		t.Errorf("a second one: %v", err)
	}
	_ = s.Close()
	_ = open(t, dir).Close()
}

// What cannot be read is never taken for "no epoch seen".
func TestBrokenStateIsAnError(t *testing.T) {
	for name, content := range map[string]string{"epoch-web": "", "epoch-db": "web 17 6f1d0c2e\n", "boot": "boot 3 00000000\n"} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if s, err := epochs.Open(dir); err == nil {
			_ = s.Close()
			t.Errorf("%s with %q is taken", name, content)
		}
	}
}

// A disk that does not take the epoch: it is not seen, and nothing may be done with it.
func TestDiskRefuses(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	defer s.Close()
	// A folder stands where the new file would be written: that fails for root too.
	if err := os.Mkdir(filepath.Join(dir, "epoch-web.new"), 0o700); err != nil {
		t.Fatal(err)
	}
	if ok, err := s.Saw("web", 3); ok || err == nil {
		t.Errorf("%t, %v", ok, err)
	}
	if s.Newest("web") != 0 {
		t.Error("it counts as seen")
	}
	if err := os.Remove(filepath.Join(dir, "epoch-web.new")); err != nil {
		t.Fatal(err)
	}
	saw(t, s, "web", 3, true)
}

// A write that a crash tore leaves the number before it.
func TestTornWrite(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	saw(t, s, "web", 8, true)
	saw(t, s, "web", 9, true)
	_ = s.Close()
	path := filepath.Join(dir, "epoch-web")
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	at := bytes.Index(whole, []byte("web 9 "))
	torn := append(bytes.Clone(whole[:at]), append([]byte("web 10 "), whole[at+7:]...)...)
	if err := os.WriteFile(path, torn, 0o600); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir)
	defer s.Close()
	if s.Newest("web") != 8 {
		t.Errorf("after a torn write of 10 over 9 it says %d, want the whole slot: 8", s.Newest("web"))
	}
	saw(t, s, "web", 10, true)
}

func BenchmarkSaw(b *testing.B) {
	s, err := epochs.Open(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	for i := range b.N {
		if _, err := s.Saw("web", uint64(i+1)); err != nil {
			b.Fatal(err)
		}
	}
}

// What a member is fenced up to, took, acts at, and whether it is guarded outlives the executor, and none of it goes back.
func TestWhatIsKeptOfAMemberOutlivesTheExecutor(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	for _, err := range []error{
		s.PrepareMember("db"), s.Fence("db", 4), s.Fence("db", 3), s.Take("db", 6), s.Act("db", 5), s.Guard("db", 5, true), s.Guard("db", 4, false),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	_ = s.Close()
	s = open(t, dir)
	defer s.Close()
	if s.Fenced("db") != 4 || s.Taken("db") != 6 || s.Acting("db") != 5 || !s.Guarded("db") {
		t.Errorf("fenced %d, taken %d, acting %d, guarded %t", s.Fenced("db"), s.Taken("db"), s.Acting("db"), s.Guarded("db"))
	}
	if s.Fenced("web") != 0 || s.Guarded("web") {
		t.Error("another group has something of it")
	}
	if err := s.Guard("db", 6, false); err != nil || s.Guarded("db") {
		t.Errorf("still guarded, %v", err)
	}
}
