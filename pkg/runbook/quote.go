package runbook

import (
	"regexp"
	"strings"
)

// plain is what no shell takes for anything but itself.
var plain = regexp.MustCompile(`^[A-Za-z0-9_./:@%+=,-]+$`)

// literal writes a word for a POSIX shell.
func literal(s string) string {
	if plain.MatchString(s) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// word writes a text that may hold references to secrets: what the shell makes of it is what ham makes of it.
func word(s string) string {
	if !strings.Contains(s, "${") {
		return literal(s)
	}
	var out strings.Builder
	for {
		before, after, found := strings.Cut(s, "${")
		ref, rest, closed := strings.Cut(after, "}")
		kind, name, named := strings.Cut(ref, ":")
		if !found || !closed || !named || kind != "file" && !(kind == "env" && variable.MatchString(name)) {
			if s != "" || out.Len() == 0 {
				out.WriteString(literal(s))
			}
			return out.String()
		}
		if before != "" {
			out.WriteString(literal(before))
		}
		if kind == "file" {
			out.WriteString(`"$(cat ` + literal(name) + `)"`)
		} else {
			out.WriteString(`"${` + name + `}"`)
		}
		if s = rest; s == "" {
			return out.String()
		}
	}
}

var variable = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// words writes an argv.
func words(argv []string) string {
	out := make([]string, len(argv))
	for i, a := range argv {
		out[i] = word(a)
	}
	return strings.Join(out, " ")
}

// line makes one line of what an operator wrote, for the prose around commands.
func line(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	return strings.NewReplacer("`", "'", "<", "‹", ">", "›", "[", "(", "]", ")", "*", "·").Replace(s)
}
