package evidence

import (
	"bytes"
	"regexp"
	"slices"
	"strings"
)

// called are the names of keys whose values are secrets, as the end of a key's name.
const called = `(?:password|passwd|pwd|passphrase|secret|token|api[_-]?key|private[_-]?key)`

// secrets are the forms in which a secret is written down where a reference should stand: as the password of an address, and as the value
// of a key that is called so. Bodies are JSON, whose texts may hold JSON or YAML themselves. What stands in quotes is masked up to the quote
// that ends it, whatever it holds; what stands bare, up to what cannot belong to it.
var secrets = []form{
	{[]string{"@"}, regexp.MustCompile(`(://[^/\s:@"\\]*:)([^@\s"\\]+)(@)`)},
	{[]string{"pass", "pwd", "secret", "token", "key"}, regexp.MustCompile(`(?i)(` + called + `"\s*:\s*")((?:[^"\\]|\\.)+)(")`)},
	{[]string{"pass", "pwd", "secret", "token", "key"}, regexp.MustCompile(`(?i)(` + called + `(?:\\"|')?\s*[:=]\s*\\")((?:[^"\\]|\\[^"\\]|\\\\(?:\\.|[^"\\]))+)(\\")`)},
	{[]string{"pass", "pwd", "secret", "token", "key"}, regexp.MustCompile(`(?i)(` + called + `(?:\\?["'])?\s*[:=]\s*')((?:[^'"\\]|\\.)+)(')`)},
	{[]string{"pass", "pwd", "secret", "token", "key"}, regexp.MustCompile(`(?i)(` + called + `(?:\\?["'])?\s*[:=]\s*)((?:[^\s"'\\;&}]|\\\\)+)()`)},
	{[]string{"bearer", "basic"}, regexp.MustCompile(`(?i)(\b(?:bearer|basic)\s+)([A-Za-z0-9+/=._~-]{8,})()`)},
	{[]string{"private key"}, regexp.MustCompile(`(-----BEGIN [A-Z ]*PRIVATE KEY-----)([^-]+)(-----END)`)},
}

// form is one of them. What holds none of its marks, in small letters, is not searched: that is quick, and searching is not.
type form struct {
	marks []string
	re    *regexp.Regexp
}

func (f *form) likely(lower []byte) bool {
	return slices.ContainsFunc(f.marks, func(mark string) bool { return bytes.Contains(lower, []byte(mark)) })
}

// Mask replaces by *** what looks like a secret that stands there itself. References such as ${file:/etc/ham/token} are kept: they tell
// nothing. What was JSON still is. It returns body itself where there is nothing to replace.
func Mask(body []byte) (masked []byte, found bool) {
	lower := bytes.ToLower(body)
	for i := range secrets {
		f := &secrets[i]
		if !f.likely(lower) {
			continue
		}
		body = f.re.ReplaceAllFunc(body, func(m []byte) []byte {
			part := f.re.FindSubmatch(m)
			value, rest := strings.TrimRight(string(part[2]), ","), ""
			if len(part[3]) == 0 {
				rest = string(part[2][len(value):]) // a comma after it is not part of it
			}
			if value == "" || value == "***" || strings.HasPrefix(value, "${") || value == "null" || value == "true" || value == "false" {
				return m
			}
			found = true
			hidden := "***"
			if key := strings.TrimRight(string(part[1]), " :"); strings.HasSuffix(key, `"`) && !strings.HasSuffix(key, `\"`) && len(part[3]) == 0 {
				hidden = `"***"` // a bare number in JSON
			}
			return []byte(string(part[1]) + hidden + rest + string(part[3]))
		})
	}
	return body, found
}
