package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"go.yaml.in/yaml/v4"

	"github.com/isacloud/ha-manager/pkg/message"
)

// messageSource is where the comments are read from, relative to this folder.
const messageSource = "../../pkg/message"

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: schema FOLDER")
		os.Exit(2)
	}
	if err := write(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "schema:", err)
		os.Exit(1)
	}
}

// write makes the folder hold exactly what is generated, beside files that are not its own.
func write(folder string) error {
	files, err := generate(messageSource)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	old, err := filepath.Glob(filepath.Join(folder, "*.schema.json"))
	if err != nil {
		return err
	}
	for _, path := range old {
		if _, stays := files[filepath.Base(path)]; !stays {
			if err := os.Remove(path); err != nil {
				return err
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if err := os.WriteFile(filepath.Join(folder, name), files[name], 0o644); err != nil {
			return err
		}
	}
	return nil
}

// generate returns all files by name.
func generate(source string) (map[string][]byte, error) {
	comments, err := readComments(source)
	if err != nil {
		return nil, err
	}
	files := map[string][]byte{}
	for _, m := range message.All() {
		s, err := schemaOf(m, comments)
		if err != nil {
			return nil, err
		}
		var b bytes.Buffer
		enc := json.NewEncoder(&b)
		enc.SetEscapeHTML(false)
		enc.SetIndent("", "  ")
		if err := enc.Encode(s); err != nil {
			return nil, err
		}
		files[fileOf(m)] = b.Bytes()
	}
	var b bytes.Buffer
	b.WriteString("# Written by go generate from pkg/message and pkg/subject, not by hand.\n")
	d, err := yaml.NewDumper(&b, yaml.WithIndent(2))
	if err != nil {
		return nil, err
	}
	if err := d.Dump(asyncAPI(comments)); err != nil {
		return nil, err
	}
	if err := d.Close(); err != nil {
		return nil, err
	}
	files["asyncapi.yaml"] = b.Bytes()
	return files, nil
}

func fileOf(m message.Message) string { return message.NameOf(m) + ".schema.json" }
