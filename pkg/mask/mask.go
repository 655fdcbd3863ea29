// Package mask makes text of other programs fit to be kept and shown: what looks like a secret is taken out, and what would act on a terminal or
// turn the order of letters round is made visible. It knows secrets by their form alone; those whose value is known are taken out by whoever knows
// them, before. It rather masks too much.
package mask

import (
	"regexp"
	"strings"

	"github.com/isacloud/ha-manager/pkg/legible"
)

// Masked stands where a secret was.
const Masked = "***"

// named are words that a key ends in whose value is nobody's business.
const named = `(?:pass(?:word|wd|phrase|code)?|pwd|secret|token|api[_-]?key|access[_-]?key|secret[_-]?key|private[_-]?key|credentials?|requirepass|masterauth|authorization|cookie)`

// value is a quoted text, or what there is up to white space or a mark.
const value = `(?:\$\{[^}\s]*\}[^\s"',;&{}]*|'(?:[^'\\]|\\.|'')*'?|"(?:[^"\\]|\\.)*"?|[^\s"',;&{}]+)`

// forms are the forms in which secrets are written down. Of each the first group is kept, the last one too.
var forms = []*regexp.Regexp{
	// scheme://user:password@host, up to the last @ of the word: passwords hold all kinds of marks.
	regexp.MustCompile(`(://[^/\s:@"']*:)[^\s"'<>]+(@)`),
	// An HTTP header of which everything up to the end of the line is secret.
	regexp.MustCompile(`(?im)(\b(?:proxy-)?(?:authorization|(?:set-)?cookie)["']?\s*[:=]\s*)\S.*$()`),
	regexp.MustCompile(`(?i)(\b(?:bearer|basic|digest)\s+)[A-Za-z0-9+/=._~-]{8,}()`),
	// password=…, "db_password": "…", PGPASSWORD: …
	regexp.MustCompile(`(?i)(` + named + `\\?["']?\s*(?:=>|:=|[:=])\s*\\?)` + value + `()`),
	// --password …, requirepass …, ALTER ROLE x PASSWORD '…', IDENTIFIED BY '…'
	regexp.MustCompile(`(?i)(--?[a-z-]*` + named + `\s+)` + value + `()`),
	regexp.MustCompile(`(?i)(\b(?:requirepass|masterauth|auth\s+default)\s+)` + value + `()`),
	regexp.MustCompile(`(?i)(\b(?:password|identified\s+by)\s+)'(?:[^'\\]|\\.|'')*'?()`),
	// What is a secret by its own form: hashes of passwords, web tokens, keys of well-known services, seeds of NATS.
	regexp.MustCompile(`()(?:SCRAM-SHA-(?:1|256)\$\S+|\bmd5[0-9a-f]{32}\b|\$(?:argon2(?:id|i|d)|2[aby]|scrypt|6|5|1)\$\S+)()`),
	regexp.MustCompile(`()\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]*)?()`),
	regexp.MustCompile(`()\b(?:xox[a-z]-[A-Za-z0-9-]{8,}|xapp-[A-Za-z0-9-]{8,}|gh[pousr]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{20,}|AKIA[A-Z0-9]{16}|S[UANOC][A-Z2-7]{56})\b()`),
}

// A block of a private key. Where the text was cut, only its beginning or its end may be left: then it counts up to there.
var (
	wholeKey = regexp.MustCompile(`(?s)-----BEGIN [A-Z0-9 ]*PRIVATE KEY( BLOCK)?-----.*?-----END [A-Z0-9 ]*PRIVATE KEY( BLOCK)?-----`)
	keysEnd  = regexp.MustCompile(`(?s)\A.*-----END [A-Z0-9 ]*PRIVATE KEY( BLOCK)?-----`)
	keyBegun = regexp.MustCompile(`(?s)-----BEGIN [A-Z0-9 ]*PRIVATE KEY( BLOCK)?-----.*\z`)
)

// reference is one that stands alone: it tells nothing.
var reference = regexp.MustCompile(`^["']?\$\{[^}\s]*\}["']?$`)

// Text replaces what looks like a secret by [Masked]. References such as ${file:/etc/ham/token} are kept: they tell nothing.
func Text(s string) string {
	if strings.Contains(s, "PRIVATE KEY") {
		s = wholeKey.ReplaceAllString(s, Masked)
		s = keysEnd.ReplaceAllString(s, Masked)
		s = keyBegun.ReplaceAllString(s, Masked)
	}
	var out strings.Builder
	for len(s) > 0 {
		n, told := part(s)
		if told {
			out.WriteString(masked(s[:n]))
		} else {
			out.WriteString(s[:n])
		}
		s = s[n:]
	}
	return out.String()
}

// telling are words of which one stands beside each secret, in small letters. Most lines of a log have none, and cost nothing more.
var telling = []string{
	"://", "pass", "pwd", "secret", "token", "key", "credential", "masterauth", "authorization", "auth ", "auth\t", "cookie", "bearer", "basic", "digest", "identified", "scram-", "md5", "$", "eyj", "xox", "xapp-",
	"ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "akia",
}

// around is how many lines after a telling one belong to it: a value may stand below its key.
const around = 2

// part is how long the first part of s is that is of one kind: lines that may hold a secret, or lines that do not.
func part(s string) (n int, told bool) {
	left := 0 // lines that still belong to a telling one
	for n < len(s) {
		end := strings.IndexByte(s[n:], '\n') + n + 1
		if end <= n {
			end = len(s)
		}
		switch {
		case tells(s[n:end]):
			if n > 0 && !told {
				return n, false
			}
			told, left = true, around
		case told && left == 0:
			return n, true
		default:
			left--
		}
		n = end
	}
	return n, told
}

func tells(line string) bool {
	small := strings.ToLower(line)
	for _, word := range telling {
		if strings.Contains(small, word) {
			return true
		}
	}
	run := 0 // of what a seed of NATS is written with
	for i := range len(line) {
		if c := line[i]; c >= 'A' && c <= 'Z' || c >= '2' && c <= '7' {
			if run++; run >= 56 {
				return true
			}
			continue
		}
		run = 0
	}
	return false
}

// masked replaces what looks like a secret, by every form.
func masked(s string) string {
	for _, form := range forms {
		s = form.ReplaceAllStringFunc(s, func(found string) string {
			part := form.FindStringSubmatch(found)
			head, tail := part[1], part[len(part)-1]
			if reference.MatchString(found[len(head) : len(found)-len(tail)]) {
				return found
			}
			return head + Masked + tail
		})
	}
	return s
}

// escapes are what a terminal takes for commands: control sequences, and texts for the terminal itself (titles, links, the clipboard).
var escapes = regexp.MustCompile("(?s)\x1b\\[[0-?]*[ -/]*[@-~]|\x1b[\\]PX^_].*?(?:\x07|\x1b\\\\)|\x1b[ -/]*[0-~]|\u009b[0-?]*[ -/]*[@-~]")

// Clean makes s plain text of lines: commands for a terminal are taken out; what else is not seen, or would change the order of what is seen, is
// shown as U+FFFD, and so is what is no UTF-8. Line ends become "\n"; tabs stay.
func Clean(s string) string {
	s = strings.ToValidUTF8(s, "\ufffd")
	if strings.ContainsAny(s, "\x1b\u009b") {
		s = escapes.ReplaceAllString(s, "")
	}
	if strings.Contains(s, "\r") {
		s = strings.ReplaceAll(strings.ReplaceAll(s, "\r\n", "\n"), "\r", "\n")
	}
	return strings.Map(func(r rune) rune {
		switch {
		case legible.Misleads(r):
			return '\ufffd'
		}
		return r
	}, s)
}
