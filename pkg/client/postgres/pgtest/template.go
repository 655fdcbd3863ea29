package pgtest

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
)

// Passwords of the roles that every server has. With characters that URLs and quotes change, so that nobody gets away without escaping.
const (
	SuperPassword = `sup3r "p/w"`
	ReplPassword  = `r3pl 'p@w'`
)

// Roles that every server has: a superuser, and one that may stream.
const (
	Super = "postgres"
	Repl  = "replicator"
)

// template is a data directory as initdb left it, kept in memory: nothing has to be removed when the test's process ends.
type template struct {
	folders []string
	files   map[string]content // by path inside the data directory
}

// content is a file without the zeros at its end; most of a fresh server's WAL is zeros.
type content struct {
	data []byte
	size int64
}

var initialized = sync.OnceValues(initialize)

func initialize() (*template, error) {
	p, err := find()
	if err != nil {
		return nil, err
	}
	dir, err := newFolder(p)
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	password := filepath.Join(dir, "password")
	if err := os.WriteFile(password, []byte(SuperPassword+"\n"), 0o644); err != nil {
		return nil, err
	}
	data := filepath.Join(dir, "data")
	cmd := p.Command("initdb", "--pgdata="+data, "--username="+Super, "--pwfile="+password, "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C",
		"--no-sync", "--no-instructions")
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("initdb: %w\n%s", err, out)
	}
	single := p.Command("postgres", "--single", "-D", data, "-c", "fsync=off", "-c", "dynamic_shared_memory_type=mmap", "postgres")
	single.Stdin = strings.NewReader("CREATE ROLE " + Repl + " LOGIN REPLICATION PASSWORD '" + strings.ReplaceAll(ReplPassword, "'", "''") + "'\n")
	if out, err := single.CombinedOutput(); err != nil || bytes.Contains(out, []byte("ERROR")) {
		return nil, fmt.Errorf("make the role %s: %v\n%s", Repl, err, out)
	}
	return readTemplate(data)
}

func readTemplate(data string) (*template, error) {
	tp := &template{files: map[string]content{}}
	err := filepath.WalkDir(data, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(data, path)
		if err != nil {
			return err
		}
		if d.IsDir() {
			tp.folders = append(tp.folders, name)
			return nil
		}
		whole, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		tp.files[name] = content{bytes.Clone(bytes.TrimRight(whole, "\x00")), int64(len(whole))}
		return nil
	})
	return tp, err
}

// write makes data a copy.
func (tp *template) write(p Programs, data string) error {
	for _, name := range tp.folders {
		path := filepath.Join(data, name)
		if err := os.MkdirAll(path, 0o700); err != nil {
			return err
		}
		if err := p.give(path); err != nil {
			return err
		}
	}
	for name, c := range tp.files {
		path := filepath.Join(data, name)
		if err := os.WriteFile(path, c.data, 0o600); err != nil {
			return err
		}
		if err := os.Truncate(path, c.size); err != nil {
			return err
		}
		if err := p.give(path); err != nil {
			return err
		}
	}
	return nil
}
