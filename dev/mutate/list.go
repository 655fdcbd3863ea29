package main

import (
	"fmt"
	"os"
	"strings"
)

//go:generate go run . -C ../.. -list ../../docs/mutants.md

// writeList writes the mutants of a folder as a page for people: each rule, and the test that must notice when it is broken.
func writeList(dir, file string) error {
	mutants, bad, err := readAll(dir, func(string) bool { return true })
	if err != nil {
		return err
	}
	if len(bad) > 0 {
		return fmt.Errorf("%s: %s", bad[0].mutant.name, bad[0].detail)
	}
	var out strings.Builder
	fmt.Fprintf(&out, `# Mutants

Each of these %d rules was broken on purpose, once, as a small patch in `+"`mutants/`"+`; the test beside it must go red for that patch.
`+"`go tool task mutants`"+` applies them one by one and fails if a test stays green.

| rule | test | patch |
|---|---|---|
`, len(mutants))
	cell := strings.NewReplacer("|", `\|`)
	for _, m := range mutants {
		fmt.Fprintf(&out, "| %s | `%s` | `%s` |\n", cell.Replace(m.rule), cell.Replace(m.test.String()), m.name)
	}
	return os.WriteFile(file, []byte(out.String()), 0o644)
}
