package expiry

import (
	"context"
	"fmt"
	"slices"
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

// Forget is after how long without a word a process counts as gone. Each looks every hour.
const Forget = 24 * time.Hour

// Living are what the processes know that are still there: whose last word is younger than [Forget]. The certificates of one that was taken away are used
// by nobody any more.
func Living(all []message.Expiries, now time.Time) []message.Expiries {
	return slices.DeleteFunc(slices.Clone(all), func(m message.Expiries) bool { return now.Sub(time.UnixMicro(m.At)) >= Forget })
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
