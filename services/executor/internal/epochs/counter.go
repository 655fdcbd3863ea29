package epochs

import (
	"bytes"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
)

// counter is a file with one number that only grows, of two slots in disk blocks of their own. The older slot is written over, so
// that a crash in the middle leaves the newer one whole; and no file is made or renamed, which costs ten times as much as the write.
//
// A slot is a line that a person can read: "web 17 6f1d0c2e", the last word its checksum.
type counter struct {
	path, name string
	value      atomic.Uint64 // on disk; 0 where there is no file yet

	mu   sync.Mutex // held while it is written, which takes as long as the disk does
	file slots      // nil: there is none yet
	next int64      // the slot to be written
}

// slots is the file: what is written has reached the disk when WriteAt returns.
type slots interface {
	io.WriterAt
	io.Closer
}

const slotSize = 4096

// make makes the file with the number 0, so that it is there as a whole or not at all. Called with c.mu held.
func (c *counter) make() error {
	fresh := c.path + ".new"
	if err := write(fresh, append(slot(c.name, 0), slot(c.name, 0)...)); err != nil {
		return fmt.Errorf("executor state: %w", err)
	}
	if err := os.Rename(fresh, c.path); err != nil {
		return fmt.Errorf("executor state: %w", err)
	}
	if err := syncDir(filepath.Dir(c.path)); err != nil {
		return fmt.Errorf("executor state: %w", err)
	}
	return c.open()
}

// open reads the file. Called with c.mu held, or before anybody else knows the counter.
func (c *counter) open() error {
	f, err := os.OpenFile(c.path, os.O_RDWR|syncFlag, 0o600)
	if err != nil {
		return fmt.Errorf("executor state: %w", err)
	}
	found, value := false, uint64(0)
	for i := range int64(2) {
		line := make([]byte, slotSize)
		if _, err := f.ReadAt(line, i*slotSize); err != nil {
			continue // a slot that is not there is like one that was torn
		}
		if v, ok := readSlot(line, c.name); ok && (!found || v >= value) {
			value, c.next, found = v, 1-i, true
		}
	}
	if !found {
		_ = f.Close()
		return fmt.Errorf("executor state: %s holds no whole line \"%s <number> <checksum>\": put it back from a backup, or stop all executors and write the number by removing the file and starting anew, knowing that epochs must never go back", c.path, c.name)
	}
	c.file = f
	c.value.Store(value)
	return nil
}

// there makes the file if there is none.
func (c *counter) there() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ready()
}

func (c *counter) ready() error {
	if c.file != nil {
		return nil
	}
	return c.make()
}

// grow writes the number if it is higher than the one on disk, and returns once that is so. It returns the number on disk.
//
// Invariant: nobody reads a number before it is on disk.
func (c *counter) grow(to uint64) (uint64, error) {
	if v := c.value.Load(); v >= to && v > 0 { // it need not wait for another's write
		return v, nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.ready(); err != nil {
		return 0, err
	}
	if v := c.value.Load(); v >= to {
		return v, nil
	}
	return to, c.set(to)
}

// set writes the number and returns once it is on disk. Called with c.mu held.
func (c *counter) set(v uint64) error {
	if _, err := c.file.WriteAt(slot(c.name, v), c.next*slotSize); err != nil {
		return fmt.Errorf("executor state: %w", err)
	}
	c.value.Store(v)
	c.next = 1 - c.next
	return nil
}

// close ends it, once what is being written is.
func (c *counter) close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.file == nil {
		return nil
	}
	return c.file.Close()
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
