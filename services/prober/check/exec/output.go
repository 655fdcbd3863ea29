package exec

import (
	"sync"

	"github.com/isacloud/ha-manager/services/prober/check"
)

// maxOutput is how much of an output is kept, in bytes. The rest is read and thrown away, so that nobody blocks on it.
const maxOutput = 8 << 10

// output keeps the beginning of what is written. It may be written to after the look has ended, by the copier of a pipe that somebody
// holds open.
type output struct {
	mu   sync.Mutex
	kept []byte
	more bool
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	room := min(len(p), maxOutput-len(o.kept))
	o.kept = append(o.kept, p[:room]...)
	o.more = o.more || room < len(p)
	return len(p), nil
}

// text is what was kept, with secrets hidden. Where the end was cut off, so is what may be the beginning of a secret.
func (o *output) text(mask *check.Mask) string {
	o.mu.Lock()
	defer o.mu.Unlock()
	kept := mask.Text(string(o.kept))
	if o.more {
		kept = kept[:max(0, len(kept)-mask.Longest())]
	}
	return kept
}
