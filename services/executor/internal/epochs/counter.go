package epochs

import (
	"bytes"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
)

// counter is a file with one number that only grows, of two slots in disk blocks of their own. The older slot is written over, so
// that a crash in the middle leaves the newer one whole; and no file is made or renamed, which costs ten times as much as the write.
//
// A slot is a line that a person can read: "web 17 6f1d0c2e", the last word its checksum.
type counter struct {
	file  *os.File
	name  string
	value uint64
	next  int64 // the slot to be written
}

const slotSize = 4096

// makeCounter makes the file with the number 0, so that it is there as a whole or not at all.
func makeCounter(path, name string) (*counter, error) {
	fresh := path + ".new"
	if err := write(fresh, append(slot(name, 0), slot(name, 0)...)); err != nil {
		return nil, fmt.Errorf("executor state: %w", err)
	}
	if err := os.Rename(fresh, path); err != nil {
		return nil, fmt.Errorf("executor state: %w", err)
	}
	if err := syncDir(filepath.Dir(path)); err != nil {
		return nil, fmt.Errorf("executor state: %w", err)
	}
	return openCounter(path, name)
}

func openCounter(path, name string) (*counter, error) {
	f, err := os.OpenFile(path, os.O_RDWR|syncFlag, 0o600)
	if err != nil {
		return nil, fmt.Errorf("executor state: %w", err)
	}
	c := &counter{file: f, name: name}
	found := false
	for i := range int64(2) {
		line := make([]byte, slotSize)
		if _, err := f.ReadAt(line, i*slotSize); err != nil {
			continue // a slot that is not there is like one that was torn
		}
		if v, ok := readSlot(line, name); ok && (!found || v >= c.value) {
			c.value, c.next, found = v, 1-i, true
		}
	}
	if !found {
		_ = f.Close()
		return nil, fmt.Errorf("executor state: %s holds no whole line \"%s <number> <checksum>\": put it back from a backup, or stop all executors and write the number by removing the file and starting anew, knowing that epochs must never go back", path, name)
	}
	return c, nil
}

// set writes the number and returns once it is on disk.
func (c *counter) set(v uint64) error {
	if _, err := c.file.WriteAt(slot(c.name, v), c.next*slotSize); err != nil {
		return fmt.Errorf("executor state: %w", err)
	}
	c.value, c.next = v, 1-c.next
	return nil
}

func slot(name string, v uint64) []byte {
	text := fmt.Sprintf("%s %d", name, v)
	line := fmt.Appendf(nil, "%s %08x\n", text, crc32.ChecksumIEEE([]byte(text)))
	return append(line, bytes.Repeat([]byte(" "), slotSize-len(line))...)
}

func readSlot(line []byte, name string) (uint64, bool) {
	var got string
	var v uint64
	var sum uint32
	if _, err := fmt.Sscanf(string(line), "%s %d %x\n", &got, &v, &sum); err != nil || got != name {
		return 0, false
	}
	return v, sum == crc32.ChecksumIEEE(fmt.Appendf(nil, "%s %d", name, v))
}

func write(path string, b []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	if _, err = f.Write(b); err == nil {
		err = f.Sync()
	}
	if closed := f.Close(); err == nil {
		err = closed
	}
	return err
}

// syncDir makes a rename last.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
