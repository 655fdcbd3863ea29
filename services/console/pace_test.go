package console_test

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/isacloud/ha-manager/pkg/message"
)

// weightLimit is what a page may weigh with everything that it loads.
const weightLimit = 150 << 10

func many(n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = fmt.Sprintf("group-%03d", i)
	}
	return out
}

// Two hundred groups stand on one page that is quickly there, also on a bad line: with everything it weighs at most 150 kB.
func TestTwoHundredGroups(t *testing.T) {
	w := begin(t, false, many(200)...)
	p := w.until("/", "All is well: 200 groups.")
	total := len(p.body)
	for _, m := range regexp.MustCompile(`"(/assets/[^"]*)"`).FindAllStringSubmatch(p.body, -1) {
		total += len(w.get(m[1]).body)
	}
	require.LessOrEqual(t, total, weightLimit, "bytes of the page and what it loads")
	began := time.Now()
	w.get("/")
	t.Logf("%d bytes with everything; the page alone %d, made and read in %s", total, len(p.body), time.Since(began))

	// Every group is loud, and says at length why.
	w.set(func() {
		w.status = func(g string) *message.GroupStatus {
			s := healthy(g)
			s.Sentence = "If a died now: nobody takes over, because " + strings.Repeat("of this and that, ", 45) + "and so on."
			s.Refusals = []message.Reason{{Code: "R322", Sentence: s.Sentence}}
			return s
		}
	})
	loud := w.until("/", "would not be moved by themselves.", "nobody takes over, because of this")
	require.LessOrEqual(t, len(loud.body)+total-len(p.body), weightLimit)
	w.set(func() { w.status = healthy })
	w.until("/", "All is well: 200 groups.")

	// The worst: nobody answers any more, and every group is loud.
	w.decider.Stop()
	w.clock.Add(int64(time.Minute))
	p = w.until("/", "Nothing is known of")
	require.LessOrEqual(t, len(p.body), weightLimit)
}

// What happens is in the page soon after it is on the bus, at fifty events a second. The figure is told; the limit leaves room for a busy machine.
func TestEventsReachThePageSoon(t *testing.T) {
	w := begin(t, false, "web")
	w.until("/g/web", "Covered")
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	type put struct {
		html string
		at   time.Time
	}
	puts := make(chan put, 4096)
	w.stream(ctx, "/g/web", func(id, html string) {
		if id == "g-lines" {
			puts <- put{html, time.Now()}
		}
	})
	const n = 100
	sent := make([]time.Time, n)
	go func() {
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for i := range n {
			<-tick.C
			sent[i] = time.Now()
			w.tell(&message.Event{ID: fmt.Sprintf("e%d", i), Group: "web", Kind: message.EventNote, Sentence: fmt.Sprintf("this is event no. %d.", i), Actor: "ana"})
		}
	}()
	var took []time.Duration
	next := 0
	for end := time.After(patience); next < n; {
		select {
		case p := <-puts:
			for next < n && strings.Contains(p.html, fmt.Sprintf("no. %d.", next)) {
				took = append(took, p.at.Sub(sent[next]))
				next++
			}
		case <-end:
			t.Fatalf("event %d never came", next)
		}
	}
	slices.Sort(took)
	p99 := took[len(took)*99/100]
	t.Logf("event on the bus to page: median %s, p99 %s", took[len(took)/2], p99)
	require.Less(t, p99, 5*time.Second)
}

// BenchmarkOverview makes the page of 200 groups.
func BenchmarkOverview(b *testing.B) {
	w := begin(b, false, many(200)...)
	w.until("/", "All is well: 200 groups.")
	for b.Loop() {
		w.get("/")
	}
}

// BenchmarkPress is from the button's release to the deciders' answer: the form, the question whether it would undo a swap, the request.
func BenchmarkPress(b *testing.B) {
	w := begin(b, false, "web")
	w.until("/g/web", "Covered")
	f := w.form("/g/web/swap")
	i := 0
	for b.Loop() {
		i++
		f.Set("rq", fmt.Sprintf("rq-benchmark%d", i))
		if p := w.post("/g/web/fire", url.Values(f)); p.code != http.StatusSeeOther {
			b.Fatal(p.body)
		}
	}
}
