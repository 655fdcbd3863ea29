package evidence

import "regexp"

// secrets are the forms in which a secret is written down where a reference should stand: as the password of an address, and as the value
// of a key that is called so.
var secrets = []*regexp.Regexp{
	regexp.MustCompile(`(://[^/\s:@"\\]*:)([^@\s"\\]+)(@)`),
	regexp.MustCompile(`(?i)((?:password|passwd|passphrase|secret|token|api_?key|private_?key)(?:\\?["'])?\s*[:=]\s*(?:\\?["'])?)([^\s"'\\,;&{}]+)()`),
	regexp.MustCompile(`(?i)(\b(?:bearer|basic)\s+)([A-Za-z0-9+/=._~-]{8,})()`),
}

// Mask replaces by *** what looks like a secret that stands there itself. References such as ${file:/etc/ham/token} are kept: they tell
// nothing. It returns body itself where there is nothing to replace.
func Mask(body []byte) (masked []byte, found bool) {
	for _, re := range secrets {
		body = re.ReplaceAllFunc(body, func(m []byte) []byte {
			part := re.FindSubmatch(m)
			if value := string(part[2]); value == "***" || value[0] == '$' || value == "null" || value == "true" || value == "false" {
				return m
			}
			found = true
			return []byte(string(part[1]) + "***" + string(part[3]))
		})
	}
	return body, found
}
