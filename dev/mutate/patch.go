package main

import (
	"errors"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// filePatch is what a unified diff says about one existing file.
type filePatch struct {
	path  string // relative to the root, slashes
	hunks []hunk
}

// hunk is one block of a unified diff: the lines it expects and the lines it leaves, context included.
type hunk struct {
	header   string
	start    int // 0-based line where old is expected
	old, new []string
}

var hunkHeader = regexp.MustCompile(`^@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@`)

// parseDiff reads a unified diff. Only changes of existing files are allowed: a mutant breaks what is there.
func parseDiff(lines []string) ([]filePatch, error) {
	var files []filePatch
	for i := 0; i < len(lines); {
		line := lines[i]
		switch {
		case strings.HasPrefix(line, "--- "):
			if i+1 >= len(lines) || !strings.HasPrefix(lines[i+1], "+++ ") {
				return nil, fmt.Errorf("%q is not followed by a +++ line", line)
			}
			name, err := changedFile(line, lines[i+1])
			if err != nil {
				return nil, err
			}
			files = append(files, filePatch{path: name})
			i += 2
		case strings.HasPrefix(line, "@@ "):
			if len(files) == 0 {
				return nil, fmt.Errorf("hunk %q stands before any --- and +++ lines", line)
			}
			h, used, err := parseHunk(lines[i:])
			if err != nil {
				return nil, err
			}
			last := &files[len(files)-1]
			last.hunks = append(last.hunks, h)
			i += used
		default: // "diff --git", "index", the signature of a mailed patch
			i++
		}
	}
	if len(files) == 0 {
		return nil, errors.New("no diff: expected --- a/file, +++ b/file and at least one @@ block")
	}
	for _, f := range files {
		if len(f.hunks) == 0 {
			return nil, fmt.Errorf("%s: no @@ block", f.path)
		}
	}
	return files, nil
}

func changedFile(oldLine, newLine string) (string, error) {
	name := func(line, side string) string {
		name, _, _ := strings.Cut(line[len("--- "):], "\t") // some diffs add a time after a tab
		return strings.TrimPrefix(strings.TrimSpace(name), side)
	}
	from, to := name(oldLine, "a/"), name(newLine, "b/")
	if from != to {
		return "", fmt.Errorf("%s becomes %s: a mutant changes existing files, it does not add, delete or rename", from, to)
	}
	if path.IsAbs(to) || path.Clean(to) != to || strings.HasPrefix(to, "..") {
		return "", fmt.Errorf("%s: expected a path relative to the root of the tree", to)
	}
	return to, nil
}

// parseHunk reads the hunk that starts at lines[0] and says how many lines it took.
func parseHunk(lines []string) (h hunk, used int, err error) {
	m := hunkHeader.FindStringSubmatch(lines[0])
	if m == nil {
		return hunk{}, 0, fmt.Errorf("%q: expected @@ -line,count +line,count @@", lines[0])
	}
	count := func(s string) int {
		if s == "" {
			return 1
		}
		n, _ := strconv.Atoi(s) // digits only; an overlong one fails the count below
		return n
	}
	start, _ := strconv.Atoi(m[1])
	h = hunk{header: m[0], start: max(start-1, 0)}
	wantOld, wantNew := count(m[2]), count(m[4])
	used = 1
	for used < len(lines) && (len(h.old) < wantOld || len(h.new) < wantNew) {
		line := lines[used]
		switch {
		case line == "": // an editor cut the space of an empty context line
			h.old, h.new = append(h.old, ""), append(h.new, "")
		case line[0] == ' ':
			h.old, h.new = append(h.old, line[1:]), append(h.new, line[1:])
		case line[0] == '-':
			h.old = append(h.old, line[1:])
		case line[0] == '+':
			h.new = append(h.new, line[1:])
		case line[0] == '\\': // "\ No newline at end of file"
		default:
			return hunk{}, 0, fmt.Errorf("%s: line %q starts with none of space, - and +", h.header, line)
		}
		used++
	}
	if len(h.old) != wantOld || len(h.new) != wantNew {
		return hunk{}, 0, fmt.Errorf("%s: the header promises %d old and %d new lines, the block has %d and %d",
			h.header, wantOld, wantNew, len(h.old), len(h.new))
	}
	if len(h.old) == 0 {
		return hunk{}, 0, fmt.Errorf("%s: no context line, so its place cannot be checked", h.header)
	}
	return h, used, nil
}

// apply returns content with all hunks applied. A hunk may have moved, but must match exactly and, away from the
// place it names, only once: a patch that fits two places could break something else than it says.
func (f filePatch) apply(content string) (string, error) {
	lines := strings.Split(content, "\n")
	var out []string
	done := 0  // lines already taken over
	moved := 0 // how far the hunk before was from where it said
	for _, h := range f.hunks {
		at, err := h.find(lines, done, h.start+moved)
		if err != nil {
			return "", fmt.Errorf("%s: %w", f.path, err)
		}
		out = append(out, lines[done:at]...)
		out = append(out, h.new...)
		done = at + len(h.old)
		moved = at - h.start
	}
	out = append(out, lines[done:]...)
	changed := strings.Join(out, "\n")
	if changed == content {
		return "", fmt.Errorf("%s: the patch changes nothing", f.path)
	}
	return changed, nil
}

// find returns the line at which h.old stands, not before from; guess is tried first.
func (h hunk) find(lines []string, from, guess int) (int, error) {
	fits := func(at int) bool {
		return at >= from && at+len(h.old) <= len(lines) && slices.Equal(lines[at:at+len(h.old)], h.old)
	}
	if fits(guess) {
		return guess, nil
	}
	found := -1
	for at := from; at+len(h.old) <= len(lines); at++ {
		if !fits(at) {
			continue
		}
		if found >= 0 {
			return 0, fmt.Errorf("%s: its lines stand at line %d and at line %d: give it more context", h.header, found+1, at+1)
		}
		found = at
	}
	if found < 0 {
		return 0, fmt.Errorf("%s: its lines, beginning with %q, are no longer there: write the patch anew", h.header, h.old[0])
	}
	return found, nil
}
