package main

import "testing"

func TestPattern(t *testing.T) {
	for _, c := range []struct {
		run, test string
		want      bool
	}{
		{"^TestA$", "TestA", true},
		{"^TestA$", "TestAB", false},
		{"TestA", "TestAB", true},
		{"^TestA$", "TestA/sub", true},
		{"^TestA$/^sub$", "TestA/sub", true},
		{"^TestA$/^sub$", "TestA/sub/deeper", true},
		{"^TestA$/^sub$", "TestA", false},
		{"^TestA$/^sub$", "TestA/other", false},
		{"^TestA$/^two words$", "TestA/two_words", true},
		{"^TestA$|^TestB$/^sub$", "TestA", true},
		{"^TestA$|^TestB$/^sub$", "TestB/sub", true},
		{"^TestA$|^TestB$/^sub$", "TestB", false},
		{"^Test(A|B)$", "TestB", true},
		{"^TestA$/a[/|]b", "TestA/other", false},
		{`^TestA$/a\/b`, "TestA/a", false},
	} {
		p, err := parsePattern(c.run)
		if err != nil {
			t.Fatal(err)
		}
		if got := p.matches(c.test); got != c.want {
			t.Errorf("%s chooses %s: %t, want %t", c.run, c.test, got, c.want)
		}
	}
	if _, err := parsePattern("("); err == nil {
		t.Error("an invalid expression was accepted")
	}
}
