package main

import (
	"context"
	"fmt"
	"runtime"
	"time"

	"github.com/isacloud/ha-manager/pkg/words"
)

// measureWords: a long sentence of the decider's, another one each time, said in Portuguese.
func measureWords(ctx context.Context, b *bench) ([]figure, error) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	const per = 2000
	speaker := words.Of(words.Portuguese)
	spent := figure{What: "processor time for a sentence of 150 bytes that was not said before, in Portuguese", Unit: "µs", Goal: atMost("median", 20, "µs"),
		Note: fmt.Sprintf("one thread; each value is the mean of %d; a sentence that was said before is looked up", per)}
	took := figure{What: "the same by the clock", Unit: "µs"}
	said := 0
	for range b.runs(50, 5) {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		began, before := time.Now(), processorTime()
		for range per {
			said++
			speaker.Say(fmt.Sprintf("b takes over from a: a is down: 2 of 3 seeing vantages say so by check alive, rj and sp (connection refused); the quorum is 2; wit%d is silent", said))
		}
		spent.Values = append(spent.Values, float64((processorTime()-before).Microseconds())/per)
		took.Values = append(took.Values, float64(time.Since(began).Microseconds())/per)
	}
	const last = "b takes over from a: a is silent"
	if missing := speaker.Missing(last); len(missing) > 0 {
		return nil, fmt.Errorf("%q is not translated", missing)
	}
	return []figure{spent, took}, nil
}
