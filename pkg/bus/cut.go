package bus

import (
	"strings"

	"github.com/isacloud/ha-manager/pkg/message"
)

// cut shortens s to at most n bytes of valid UTF-8.
func cut(s string, n int) string {
	s = strings.ToValidUTF8(s, "?")
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n-len("…")], "") + "…"
}

// maxDeadHeaders bounds the headers kept in a dead letter, in bytes.
const maxDeadHeaders = 32 << 10

func cutHeader(h message.Header) map[string][]string {
	out, size := map[string][]string{}, 0
	for k, vs := range h {
		for _, v := range vs {
			if size += len(k) + len(v); size > maxDeadHeaders {
				return out
			}
			out[cut(k, 256)] = append(out[cut(k, 256)], cut(v, 4096))
		}
	}
	return out
}
