package bus

import (
	"maps"
	"slices"
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

// cutHeader keeps as many headers as fit, by name.
func cutHeader(h message.Header) map[string][]string {
	out, size := map[string][]string{}, 0
	for _, k := range slices.Sorted(maps.Keys(h)) {
		for _, v := range h[k] {
			if size += len(k) + len(v); size > maxDeadHeaders {
				return out
			}
			out[cut(k, 256)] = append(out[cut(k, 256)], cut(v, 4096))
		}
	}
	return out
}
