package executor

import (
	"encoding/json"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/isacloud/ha-manager/pkg/bus/embedded"
	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec"
)

// BenchmarkFailover measures a failover of a real HAProxy on a bus whose streams are synced, from the command to clients led over and the
// new primary verified:
//
//	entered   command heard to the first step entered in the journal
//	executed  command heard to the last act step done, as the run tells it
//	verified  from there to the last verify step done
func BenchmarkFailover(b *testing.B) {
	p := newPair(b, "auto", func(o *embedded.Options) { o.NoSync = false })
	var heard, entered atomic.Int64
	began := time.Now()
	p.start("x1", func(o *Options) {
		o.TakeOver, o.Every = 0, 0
		o.at = func(point string) {
			now := int64(time.Since(began))
			switch point {
			case "before seen":
				entered.Store(0)
				heard.Store(now)
			case "after store":
				entered.CompareAndSwap(0, now)
			}
		}
	})
	p.swap(b, 1, message.KindAdopt, "", "a")
	p.run("web", 1, message.StateDone)
	var enteredMicros, executed, verified []int64
	members := []string{"a", "b"}
	b.ResetTimer()
	for i := range b.N {
		epoch, from, to := uint64(i+2), members[i%2], members[(i+1)%2]
		plan, err := spec.Compile(p.spec, spec.Swap{Kind: message.KindFailover, From: from, To: to})
		if err != nil {
			b.Fatal(err)
		}
		// Both sites are up: the first step looks at a port where nobody is.
		plan.Steps[0].With = json.RawMessage(`{"that": {"tcp": "127.0.0.1:1", "timeout_ns": 300000000, "want": "down"}, "ends": true}`)
		cmd := p.command("web", epoch)
		cmd.From, cmd.Primary, cmd.Plan = from, to, plan
		p.decide(cmd)
		r := p.run("web", epoch, message.StateDone)
		enteredMicros = append(enteredMicros, (entered.Load()-heard.Load())/1000)
		executed, verified = append(executed, r.ExecuteMicros), append(verified, r.VerifyMicros)
	}
	b.StopTimer()
	for name, values := range map[string][]int64{"entered": enteredMicros, "executed": executed, "verified": verified} {
		slices.Sort(values)
		b.ReportMetric(float64(values[len(values)/2]), name+"-p50-us")
		b.ReportMetric(float64(values[len(values)*99/100]), name+"-p99-us")
	}
}
