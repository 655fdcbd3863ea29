package pgbouncer

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
)

// ErrNoEntry: the file has no line for the database.
var ErrNoEntry = errors.New("no entry")

// maxFile bounds the configuration that is read, in bytes.
const maxFile = 1 << 20

// ServerIn returns host:port of the database's entry in a configuration file. Host is empty where the entry says none (a Unix socket).
func ServerIn(path, database string) (string, error) {
	text, _, err := read(path)
	if err != nil {
		return "", err
	}
	_, e, err := find(path, text, database)
	if err != nil {
		return "", err
	}
	host, port := e.get("host"), e.get("port")
	if port == "" {
		port = "5432"
	}
	return net.JoinHostPort(host, port), nil
}

// SetServer makes the database's entry lead to host:port, and leaves everything else as it is: other keys of the entry, other entries,
// comments. The file is replaced in one step, with the same owner and mode, and is on the disk when SetServer returns. Changed is false where it was so already.
func SetServer(path, database, server string) (changed bool, err error) {
	host, port, err := net.SplitHostPort(server)
	if err != nil || host == "" || port == "" || strings.ContainsAny(server, " \t\r\n") {
		return false, fmt.Errorf("server is %q, want host:port", server)
	}
	text, info, err := read(path)
	if err != nil {
		return false, err
	}
	lines := strings.SplitAfter(text, "\n")
	at, e, err := find(path, text, database)
	if err != nil {
		return false, err
	}
	if e.get("host") == host && (e.get("port") == port || e.get("port") == "" && port == "5432") {
		return false, nil
	}
	e.set("port", port)
	e.set("host", host)
	ending := lines[at][len(strings.TrimRight(lines[at], "\r\n")):]
	lines[at] = e.head + e.String() + ending
	return true, replace(path, strings.Join(lines, ""), info)
}

func read(path string) (string, fs.FileInfo, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > maxFile {
		return "", nil, fmt.Errorf("%s: want a file of at most %d bytes", path, maxFile)
	}
	b, err := os.ReadFile(path)
	return string(b), info, err
}

// entry is one line of [databases]: head is "name = ", the rest its keys and values.
type entry struct {
	head  string
	pairs []pair
}

type pair struct{ key, value string }

func (e *entry) get(key string) string {
	for _, p := range e.pairs {
		if p.key == key {
			return p.value
		}
	}
	return ""
}

// set replaces the value, or puts it in front.
func (e *entry) set(key, value string) {
	for i := range e.pairs {
		if e.pairs[i].key == key {
			e.pairs[i].value = value
			return
		}
	}
	e.pairs = append([]pair{{key, value}}, e.pairs...)
}

func (e *entry) String() string {
	var words []string
	for _, p := range e.pairs {
		v := p.value
		if v == "" || strings.ContainsAny(v, " \t'") {
			v = "'" + strings.ReplaceAll(v, "'", "''") + "'"
		}
		words = append(words, p.key+"="+v)
	}
	return strings.Join(words, " ")
}

// find returns the number of the entry's line. Of several the last counts, as it does for PgBouncer.
func find(path, text, database string) (at int, found *entry, err error) {
	section, at := "", -1
	for i, line := range strings.Split(text, "\n") {
		trimmed := strings.TrimSpace(line)
		switch {
		case trimmed == "" || trimmed[0] == ';' || trimmed[0] == '#':
			continue
		case trimmed[0] == '[':
			section = strings.ToLower(strings.Trim(trimmed, "[] \t"))
			continue
		case section != "databases":
			continue
		}
		name, rest, ok := strings.Cut(line, "=")
		if !ok || strings.Trim(strings.TrimSpace(name), `"`) != database {
			continue
		}
		pairs, ok := parse(rest)
		if !ok {
			return 0, nil, fmt.Errorf("%s:%d: the entry of %s cannot be read, want key=value words", path, i+1, database)
		}
		at, found = i, &entry{head: name + "= ", pairs: pairs}
	}
	if found == nil {
		return 0, nil, fmt.Errorf("%s: %w for %s in section [databases]: add %s = host=… port=…", path, ErrNoEntry, database, database)
	}
	return at, found, nil
}

// parse reads a connection string as PgBouncer does: key = value, values perhaps quoted, a quote within doubled.
func parse(s string) (pairs []pair, ok bool) {
	for {
		s = strings.TrimLeft(s, " \t\r")
		if s == "" {
			return pairs, true
		}
		key, rest, found := strings.Cut(s, "=")
		key = strings.TrimSpace(key)
		if !found || key == "" || strings.ContainsAny(key, " \t'") {
			return nil, false
		}
		rest = strings.TrimLeft(rest, " \t")
		var value strings.Builder
		if !strings.HasPrefix(rest, "'") {
			end := strings.IndexAny(rest, " \t\r")
			if end < 0 {
				end = len(rest)
			}
			value.WriteString(rest[:end])
			s = rest[end:]
		} else {
			s = rest[1:]
			for {
				before, after, closed := strings.Cut(s, "'")
				if !closed {
					return nil, false
				}
				value.WriteString(before)
				s = after
				if !strings.HasPrefix(s, "'") {
					break
				}
				value.WriteByte('\'')
				s = s[1:]
			}
		}
		pairs = append(pairs, pair{key, value.String()})
	}
}

// replace writes beside the file and renames: whoever reads it sees the old or the new one, whole. The name may be a link.
func replace(path, text string, like fs.FileInfo) (err error) {
	if path, err = filepath.EvalSymlinks(path); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return err
	}
	defer func() {
		_ = f.Close() // a second time, where all went well
		if err != nil {
			_ = os.Remove(f.Name())
		}
	}()
	if _, err = f.WriteString(text); err != nil {
		return err
	}
	if err = own(f, like); err != nil {
		return err
	}
	if err = f.Chmod(like.Mode().Perm()); err != nil {
		return err
	}
	if err = f.Sync(); err != nil {
		return err
	}
	if err = f.Close(); err != nil {
		return err
	}
	if err = os.Rename(f.Name(), path); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.Sync()
}
