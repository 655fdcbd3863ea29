package route

import (
	"crypto/sha256"
	"encoding/base32"
	"strings"
)

// Key names a target in keys and queues: readable, and different for different targets ("slack-ops-c4k2m7xq").
func Key(t Target) string {
	sum := sha256.Sum256([]byte(t.Channel + "\x00" + t.To))
	id := strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(sum[:5]))
	var name strings.Builder
	for _, r := range t.Channel + "-" + t.To {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '-', r == '_':
			name.WriteRune(r)
		}
		if name.Len() >= 32 {
			break
		}
	}
	return strings.Trim(name.String(), "-") + "-" + id
}
