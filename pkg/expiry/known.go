package expiry

import (
	"context"
	"fmt"
	"time"

	"github.com/isacloud/ha-manager/pkg/bus"
	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec"
	"github.com/isacloud/ha-manager/pkg/subject"
)

// Key is where a process keeps what it knows.
func Key(writer string) string { return "expiry." + writer }

// Read returns what every process knows. One that cannot be read is left out.
func Read(ctx context.Context, b *bus.Bus) ([]message.Expiries, error) {
	var out []message.Expiries
	err := b.Table(subject.BucketThreshold).Range(ctx, Key("*"), func(r bus.Record) {
		var m message.Expiries
		if r.Into(&m) == nil {
			out = append(out, m)
		}
	})
	return out, err
}

// Says is how long a certificate is still valid, in words.
func Says(c message.Certificate, now time.Time) string {
	end := time.UnixMicro(c.NotAfter)
	head := fmt.Sprintf("%s (%s, %s)", c.What, c.Name, c.Where)
	on := end.UTC().Format("2006-01-02 15:04") + " UTC"
	if !end.After(now) {
		return head + " has ended on " + on
	}
	return fmt.Sprintf("%s ends in %s, on %s", head, spec.Days.Show(end.Sub(now).Hours()/24), on)
}
