//go:build linux

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/anishathalye/porcupine"
	"golang.org/x/sys/unix"
)

type randomOptions struct {
	seed       uint64
	count      int
	length     time.Duration
	stack, dir string
	again      bool
	beds       int           // side by side
	reuse      int           // sequences that one bed may see
	limit      time.Duration // begin no sequence after it
	keep       bool          // logs, also of sequences that held
}

// sequence is what became of one seed.
type sequence struct {
	Seed       uint64    `json:"seed"`
	Stack      string    `json:"stack"`
	Commit     string    `json:"commit,omitempty"`
	Bed        string    `json:"bed"`     // its id
	Before     int       `json:"before"`  // sequences that the bed had seen
	Primary    string    `json:"primary"` // at the beginning
	Length     float64   `json:"length_s"`
	Began      time.Time `json:"began"`
	Took       float64   `json:"took_s"`
	Operations int       `json:"operations"`
	Unknown    int       `json:"unknown"`
	Served     float64   `json:"served_percent"` // of 100 ms in which a write was acknowledged
	Swaps      int       `json:"swaps"`          // changes of who acknowledges
	Epochs     uint64    `json:"epochs"`
	Whole      float64   `json:"whole_s"` // from when all was healed until the pair was whole
	Broken     []string  `json:"broken,omitempty"`
	Timeline   []moment  `json:"timeline"`
}

// random runs a batch of seeds, on as many beds side by side as are asked for. Seeds that are kept are passed over, so that a batch that was cut
// short goes on.
func random(ctx context.Context, o randomOptions) error {
	stacks, err := choose(o.stack)
	if err != nil {
		return err
	}
	if len(stacks) != 1 || stacks[0].stack != "ham" {
		return errors.New("random is for one setting of ham, such as ham:default")
	}
	if o.beds < 1 || o.beds > 16 || o.reuse < 1 {
		return fmt.Errorf("-beds %d -reuse %d: want 1 to 16 beds, each for at least one sequence", o.beds, o.reuse)
	}
	if err := able(stacks); err != nil {
		return err
	}
	if _, err := hamBinary(); err != nil {
		return err
	}
	dir := filepath.Join(o.dir, "random")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	seeds := make(chan uint64)
	began := time.Now()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	kept := 0
	go func() {
		defer close(seeds)
		for seed := o.seed; seed < o.seed+uint64(o.count); seed++ {
			if !o.again && exists(sequenceFile(dir, stacks[0], seed)) {
				kept++
				continue
			}
			if o.limit > 0 && time.Since(began) > o.limit {
				fmt.Println("the time is up; the same command goes on from here")
				return
			}
			select {
			case seeds <- seed:
			case <-ctx.Done():
				return
			}
		}
	}()
	var mu sync.Mutex
	bad, made := 0, 0
	tell := func(q sequence) {
		mu.Lock()
		defer mu.Unlock()
		made++
		verdict := "ok"
		if len(q.Broken) > 0 {
			bad++
			verdict = "BROKEN: " + strings.Join(q.Broken, "; ")
		}
		fmt.Printf("seed %d: %s (%d operations, %d unknown, served %.0f %%, %d swaps, epoch %d, %.0f s)\n", q.Seed, verdict, q.Operations, q.Unknown, q.Served, q.Swaps, q.Epochs, q.Took)
	}
	var workers sync.WaitGroup
	for range o.beds {
		workers.Go(func() {
			g := &ground{setting: stacks[0], reuse: o.reuse, dir: dir, keep: o.keep}
			defer func() {
				if err := g.close(); err != nil {
					cancel(err)
				}
			}()
			for seed := range seeds {
				q, err := g.play(ctx, seed, o.length)
				if ctx.Err() != nil {
					return
				}
				if err != nil {
					cancel(fmt.Errorf("seed %d: %w", seed, err))
					return
				}
				tell(q)
				if err := q.save(sequenceFile(dir, stacks[0], seed)); err != nil {
					cancel(err)
					return
				}
			}
		})
	}
	workers.Wait()
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	fmt.Printf("sequences made: %d, broken: %d, kept from before: %d\n", made, bad, kept)
	if made > 0 {
		took := time.Since(began).Seconds()
		fmt.Printf("%.0f s, %.0f s a sequence and bed, %.0f %% of a core a bed\n", took, took*float64(min(o.beds, made))/float64(made), 100*cpuOfAll()/took/float64(min(o.beds, made)))
	}
	if bad > 0 {
		return fmt.Errorf("%d sequences broke a promise: raw results in %s, `testbed random -seed N -count 1 -again` runs one again", bad, dir)
	}
	return nil
}

func sequenceFile(dir string, st setting, seed uint64) string {
	return filepath.Join(dir, fmt.Sprintf("%s-%06d.json", st.name, seed))
}

func recordFile(dir string, st setting, seed uint64) string {
	return filepath.Join(dir, fmt.Sprintf("%s-%06d.record.gz", st.name, seed))
}

func (q *sequence) save(file string) error {
	text, err := json.MarshalIndent(q, "", " ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(file+".tmp", text, 0o644); err != nil {
		return err
	}
	return os.Rename(file+".tmp", file)
}

// cpuOfAll is the CPU time in seconds of this program and all that it started and has ended: daemons too, since their orphans are its own.
func cpuOfAll() float64 {
	var sum float64
	for _, who := range []int{unix.RUSAGE_SELF, unix.RUSAGE_CHILDREN} {
		var u unix.Rusage
		if unix.Getrusage(who, &u) == nil {
			sum += float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9
		}
	}
	return sum
}

// commit names what ham was built from: the tree's commit, with a + where the tree differs from it.
var commit = sync.OnceValue(func() string {
	out, err := printed(exec.Command("git", "describe", "--always", "--dirty=+", "--exclude=*"))
	if err == nil {
		return strings.TrimSpace(out)
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				return s.Value
			}
		}
	}
	return ""
})

// ground is where sequences are played one after the other: a bed that is made anew when it has seen enough of them, or one that broke a promise.
type ground struct {
	setting setting
	reuse   int
	dir     string
	keep    bool

	b     *bed
	s     *ham
	seen  int
	since time.Time // when the last sequence was judged
	bad   bool      // its logs are of use
}

// ready makes a bed where there is none.
func (g *ground) ready(ctx context.Context, seed uint64) error {
	logs := filepath.Join(g.dir, "logs-"+strconv.FormatUint(seed, 10))
	if err := os.RemoveAll(logs); err != nil {
		return err
	}
	b, err := newBed(ctx, logs)
	if err != nil {
		return err
	}
	g.b, g.s, g.seen, g.bad, g.since = b, g.setting.make().(*ham), 0, false, time.Time{}
	if err := b.fakeClocks(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, setUpIn)
	defer cancel()
	if err := makePair(ctx, b, "own"); err != nil {
		return err
	}
	if err := g.s.setUp(ctx, b); err != nil {
		b.note(g.s.diagnosis(ctx))
		return notReady{err}
	}
	return nil
}

// notReady: ham did not make the pair ready, which is its fault and not the bed's.
type notReady struct{ error }

// close takes the bed away. Its logs stay where they tell of something.
func (g *ground) close() error {
	if g.b == nil {
		return nil
	}
	err := g.b.Close()
	if err == nil && !g.bad && !g.keep {
		err = os.RemoveAll(g.b.logs)
	}
	g.b = nil
	return err
}

// play runs one sequence.
func (g *ground) play(ctx context.Context, seed uint64, length time.Duration) (q sequence, err error) {
	q = sequence{Seed: seed, Stack: g.setting.stack + ":" + g.setting.name, Commit: commit(), Length: length.Seconds(), Began: time.Now().UTC()}
	defer func() {
		if g.bad = g.bad || err != nil || len(q.Broken) > 0; g.bad || g.seen >= g.reuse {
			err = errors.Join(err, g.close())
		}
		q.Took = time.Since(q.Began).Seconds()
	}()
	if g.b == nil {
		err := g.ready(ctx, seed)
		var not notReady
		if errors.As(err, &not) && ctx.Err() == nil {
			q.Broken = append(q.Broken, "the pair was not ready: "+not.Error())
			return q, nil
		}
		if err != nil {
			return q, err
		}
	}
	b, s := g.b, g.s
	q.Bed, q.Before = b.id, g.seen
	g.seen++
	primary, err := s.finalPrimary(ctx)
	if err != nil {
		return q, err
	}
	q.Primary = primary.name
	table := fmt.Sprintf("kv%d", seed)
	if err := makeRegisters(ctx, primary, table); err != nil {
		return q, err
	}
	acts := schedule(seed, length)
	if primary == b.rj {
		acts = mirrored(acts)
	}
	began := time.Now()
	var mu sync.Mutex
	mark := func(format string, args ...any) {
		mu.Lock()
		defer mu.Unlock()
		q.Timeline = append(q.Timeline, moment{ms(time.Since(began)), fmt.Sprintf(format, args...)})
	}
	clients, stop := context.WithCancel(ctx)
	defer stop()
	var running sync.WaitGroup
	var players []*player
	loopback := fmt.Sprintf("127.0.0.1:%d", pgPort)
	for i, at := range []struct {
		from       *host
		addr, node string
	}{{b.router, s.endpoint(), ""}, {b.router, s.endpoint(), ""}, {b.router, s.endpoint(), ""}, {b.sp, loopback, "sp"}, {b.rj, loopback, "rj"}} {
		p := &player{
			id: i + 1, from: at.from, addr: at.addr, node: at.node, table: table, every: 20 * time.Millisecond, began: began, rng: rand.New(rand.NewPCG(seed, uint64(i))),
		}
		players = append(players, p)
		running.Go(func() { p.run(clients) })
	}
	defer running.Wait()
	c := &chaos{b: b, s: s, name: strconv.FormatUint(seed, 10), on: map[string]int{}, mark: mark}
	defer c.asking.Wait()
	if err := c.run(ctx, acts, length); err != nil {
		return q, err
	}
	healed := time.Now()
	for _, h := range c.unasked {
		q.Broken = append(q.Broken, "ham on "+h+" ended, and nothing of the sequence ended it")
	}
	if err := c.unpause(ctx); err != nil {
		q.Broken = append(q.Broken, err.Error())
	}
	// Every fault is healed: the pair becomes whole by itself, or a person would have to be called.
	whole := until(ctx, 90*time.Second, "the pair is whole after all was healed", func() error {
		st, err := s.status(ctx)
		if err != nil {
			return err
		}
		q.Epochs = st.Epoch
		primary := b.hosts[st.Primary]
		if primary == nil {
			return errors.New("nobody is primary")
		}
		if err := s.ready(ctx, primary); err != nil {
			return err
		}
		if st.Incident != "" {
			return fmt.Errorf("incident %s is open", st.Incident)
		}
		return nil
	})
	q.Whole = time.Since(healed).Seconds()
	mark("whole: %v", whole)
	if whole != nil {
		b.note(s.diagnosis(ctx))
		q.Broken = append(q.Broken, whole.Error())
	}
	if err := wait(ctx, 500*time.Millisecond); err != nil {
		return q, err
	}
	stop()
	running.Wait()
	if ctx.Err() != nil {
		return q, context.Cause(ctx)
	}
	if err := q.judge(ctx, b, s, players, began, length, table, g.dir); err != nil {
		return q, err
	}
	r := &record{Seed: seed, Commit: q.Commit, Since: g.since, Began: began.UTC(), Healed: healed.UTC(), Ended: time.Now().UTC(), Acts: c.deeds, Asked: c.asked}
	for _, p := range players {
		r.Tried = append(r.Tried, p.tried...)
	}
	g.since = r.Ended
	return q, q.judgeRecord(ctx, b, s, r, recordFile(g.dir, g.setting, seed))
}

// judgeRecord reads what the bus holds and holds it to what is promised. What was decided a moment ago may still be on its way to being told: a sequence is
// given some time for that, and the last look counts.
func (q *sequence) judgeRecord(ctx context.Context, b *bed, s *ham, r *record, file string) (err error) {
	var breaches []string
	began := time.Now()
	for deadline := began.Add(tellIn); ; {
		if r.Entries, err = s.entries(ctx); err != nil {
			if time.Since(began) > readIn {
				q.Broken = append(q.Broken, "the record cannot be read: "+err.Error())
				return ctx.Err()
			}
		} else {
			if r.Crashes, err = b.crashes(); err != nil {
				return err
			}
			if breaches = r.breaches(); len(breaches) == 0 || time.Now().After(deadline) {
				break
			}
		}
		if err := wait(ctx, time.Second); err != nil {
			return err
		}
	}
	q.Broken = append(q.Broken, breaches...)
	return r.save(file)
}

// tellIn is how long after everything is whole something may still be told for the first time.
const tellIn = 10 * time.Second

// readIn is how long reading the record may take, with all tries: the machine may be busy.
const readIn = time.Minute

// judge holds what the clients saw to what is promised.
func (q *sequence) judge(ctx context.Context, b *bed, s *ham, players []*player, began time.Time, length time.Duration, table, dir string) error {
	var ops []porcupine.Operation
	var acks []ack
	for _, p := range players {
		ops = append(ops, p.ops...)
		acks = append(acks, p.acks...)
	}
	for _, op := range ops {
		if op.Output.(output).unknown {
			q.Unknown++
		}
	}
	q.Operations = len(ops)
	q.Served, q.Swaps = share(acks, length), changes(acks)
	if f := flicker(acks, 300*time.Millisecond); f > 0 {
		q.Broken = append(q.Broken, fmt.Sprintf("two acknowledged within %.0f ms", ms(f)))
	}
	// The last word of every register, as the final primary has it.
	final, err := s.finalPrimary(ctx)
	if err != nil {
		q.Broken = append(q.Broken, err.Error())
	} else {
		query := "SELECT k, val FROM " + table + " ORDER BY k"
		rows, err := ask(ctx, final, "app", query)
		if err != nil {
			return err
		}
		// Clients have stopped, so the standby comes to the same: one that was joined to a history that is not the primary's would not.
		if err := until(ctx, 15*time.Second, "the standby has what the primary has", func() error {
			has, err := ask(ctx, b.other(final), "app", query)
			if err == nil && !slices.EqualFunc(has, rows, slices.Equal) {
				err = fmt.Errorf("%s has %v, %s %v", b.other(final).name, has, final.name, rows)
			}
			return err
		}); err != nil {
			q.Broken = append(q.Broken, tail(err.Error(), 3000))
		}
		now := time.Since(began).Nanoseconds()
		for _, row := range rows {
			k, err1 := strconv.Atoi(row[0])
			v, err2 := strconv.ParseInt(row[1], 10, 64)
			if err := errors.Join(err1, err2); err != nil {
				return err
			}
			ops = append(ops, porcupine.Operation{ClientId: 0, Input: input{key: k}, Output: output{value: v}, Call: now, Return: now + 1})
		}
	}
	verdict, info := linearizable(ops, time.Minute)
	if verdict != porcupine.Ok {
		what := "the clients' history is not linearizable"
		if verdict == porcupine.Unknown {
			what = "the clients' history could not be judged within a minute"
		}
		picture := filepath.Join(dir, fmt.Sprintf("history-%d.html", q.Seed))
		if err := porcupine.VisualizePath(register, info, picture); err != nil {
			what += " (" + err.Error() + ")"
		}
		q.Broken = append(q.Broken, what+": "+picture)
	}
	return nil
}

// judgeKept holds all records that are kept to the laws, and says how many sequences held.
func judgeKept(dir string) error {
	files, err := filepath.Glob(filepath.Join(dir, "*.record.gz"))
	if err != nil {
		return err
	}
	if len(files) == 0 {
		return fmt.Errorf("no records in %s: `testbed random` makes them", dir)
	}
	type count struct{ held, broken int }
	byCommit := map[string]*count{}
	bad := 0
	for _, file := range files {
		r, err := loadRecord(file)
		if err != nil {
			return err
		}
		var q sequence
		text, err := os.ReadFile(strings.TrimSuffix(file, ".record.gz") + ".json")
		if err == nil {
			err = json.Unmarshal(text, &q)
		}
		if err != nil {
			return err
		}
		if r.Since.IsZero() && q.Before > 0 {
			r.Since = r.Began
		}
		n := byCommit[r.Commit]
		if n == nil {
			n = &count{}
			byCommit[r.Commit] = n
		}
		broken := r.breaches()
		for _, b := range q.Broken { // what the clients saw is judged when it is played
			if !slices.ContainsFunc(laws, func(l law) bool { return strings.HasPrefix(b, l.name+": ") }) {
				broken = append(broken, b)
			}
		}
		if len(broken) == 0 {
			n.held++
			continue
		}
		n.broken++
		bad++
		fmt.Printf("seed %d (%s): %s\n", r.Seed, r.Commit, strings.Join(broken, "\n    "))
	}
	for _, c := range slices.Sorted(maps.Keys(byCommit)) {
		fmt.Printf("commit %s: %d sequences held, %d did not\n", c, byCommit[c].held, byCommit[c].broken)
	}
	if bad > 0 {
		return fmt.Errorf("%d sequences broke a promise", bad)
	}
	return nil
}

// finalPrimary is the one host whose server takes writes; an error where there is none, or more.
func (s *ham) finalPrimary(ctx context.Context) (*host, error) {
	var found []*host
	for _, h := range []*host{s.b.sp, s.b.rj} {
		if standby, err := inRecovery(ctx, h); err == nil && !standby {
			found = append(found, h)
		}
	}
	if len(found) != 1 {
		return nil, fmt.Errorf("%d servers take writes at the end, want one", len(found))
	}
	return found[0], nil
}

// share is how much of the time somebody was served, in percent of 100 ms each.
func share(acks []ack, length time.Duration) float64 {
	const slot = 100 * time.Millisecond
	served := map[time.Duration]bool{}
	for _, a := range acks {
		if a.at < length {
			served[a.at/slot] = true
		}
	}
	return 100 * float64(len(served)) / float64(max(1, length/slot))
}

// changes is how often another node acknowledged than before.
func changes(acks []ack) int {
	n, last := 0, ""
	for _, a := range inOrder(acks) {
		if last != "" && a.node != last {
			n++
		}
		last = a.node
	}
	return n
}
