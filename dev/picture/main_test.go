package main

import (
	"strings"
	"testing"
)

func TestColoursBecomeSpansAndTextIsEscaped(t *testing.T) {
	var out strings.Builder
	if err := draw(strings.NewReader("\x1b[31mkill <a>\x1b[0m rest  \n\n"), &out, 80); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`<tspan fill="#ff7b72">kill &lt;a&gt;</tspan><tspan> rest</tspan>`, `viewBox="0 0 129 64"`} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("want %s in\n%s", want, out.String())
		}
	}
}

func TestLongLinesAreCutWithAMark(t *testing.T) {
	var out strings.Builder
	if err := draw(strings.NewReader("\x1b[31mabcdef\x1b[0mghi\n"), &out, 4); err != nil {
		t.Fatal(err)
	}
	if want := `<tspan fill="#ff7b72">abc…</tspan></text>`; !strings.Contains(out.String(), want) {
		t.Errorf("want %s in\n%s", want, out.String())
	}
}
