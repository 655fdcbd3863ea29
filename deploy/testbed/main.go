//go:build linux

package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

const usage = `testbed breaks a pair of PostgreSQL or Redis servers under a manager, on hosts made of network namespaces, and measures what its clients saw.

  testbed short                  a few faults, one run each: never two that acknowledge, nothing lost, served again
  testbed bench [flags]          the whole table; runs that are kept already are not made again
  testbed table                  print the table of the runs that are kept
  testbed random [flags]         random sequences of faults, and whether the clients' histories are linearizable
  testbed judge                  hold the records of the sequences that are kept to the laws as they are now
  testbed down [-all]            take away what a crashed testbed left; -all: also what a living one uses
  testbed list                   the faults and the managers that it knows

testbed <command> -h tells the flags. It needs root, and the servers that README.md lists.
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := dispatch(ctx, os.Args[1:])
	var skip skipped
	switch {
	case errors.As(err, &skip):
		fmt.Printf("LEFT OUT: the test bed. Reason: %s\n", skip.why)
		if os.Getenv("HAM_REQUIRE") == "1" {
			os.Exit(1)
		}
	case errors.Is(err, flag.ErrHelp):
		os.Exit(2)
	case err != nil:
		fmt.Fprintf(os.Stderr, "testbed: %v\n", err)
		os.Exit(1)
	}
}

// skipped says that the bed cannot be made here.
type skipped struct{ why string }

func (s skipped) Error() string { return s.why }

func dispatch(ctx context.Context, args []string) error {
	if len(args) == 0 {
		fmt.Fprint(os.Stderr, usage)
		return flag.ErrHelp
	}
	f := flag.NewFlagSet("testbed "+args[0], flag.ContinueOnError)
	dir := f.String("results", "deploy/testbed/results", "`directory` of raw results and logs")
	switch args[0] {
	case "short":
		stacks := f.String("stacks", "ham:default", "which managers, by `list`: see testbed list")
		list := f.String("faults", "kill,host,part,freeze,switch", "which faults, by `list`")
		if err := f.Parse(args[1:]); err != nil {
			return err
		}
		return short(ctx, *stacks, *list, *dir)
	case "bench":
		o := benchOptions{dir: *dir}
		f.StringVar(&o.stacks, "stacks", "ham,patroni:default,patroni:tuned,patroni:aggr", "which managers, by `list`: see testbed list")
		f.StringVar(&o.faults, "faults", "kill,host,part,freeze,switch,idle", "which faults, by `list`, or all")
		f.IntVar(&o.hamRuns, "n", 10, "`runs` a cell for ham")
		f.IntVar(&o.peerRuns, "peers", 3, "`runs` a cell for the others")
		f.DurationVar(&o.hold, "hold", 30*time.Second, "how long a partition or a freeze lasts; half as long again for Patroni's default settings")
		f.DurationVar(&o.limit, "limit", 0, "begin no run after this `time`; 0: as long as it takes")
		f.BoolVar(&o.again, "again", false, "make runs again that are kept already")
		f.BoolVar(&o.quiet, "quiet", false, "a line a run only")
		if err := f.Parse(args[1:]); err != nil {
			return err
		}
		o.dir = *dir
		return bench(ctx, o)
	case "random":
		o := randomOptions{dir: *dir}
		f.Uint64Var(&o.seed, "seed", 1, "the first `seed`")
		f.IntVar(&o.count, "count", 10, "how many `seeds` from there on")
		f.DurationVar(&o.length, "for", 30*time.Second, "how long a sequence of faults lasts")
		f.StringVar(&o.stack, "stack", "ham:default", "which setting of ham")
		f.BoolVar(&o.again, "again", false, "run seeds again whose results are kept already")
		f.BoolVar(&o.keep, "keep", false, "keep the logs of sequences that held, too")
		f.IntVar(&o.beds, "beds", 1, "how many `beds` side by side")
		f.IntVar(&o.reuse, "reuse", 8, "how many `sequences` a bed may see that is whole again after each")
		f.DurationVar(&o.limit, "limit", 0, "begin no sequence after this `time`; 0: as long as it takes")
		if err := f.Parse(args[1:]); err != nil {
			return err
		}
		o.dir = *dir
		return random(ctx, o)
	case "judge":
		if err := f.Parse(args[1:]); err != nil {
			return err
		}
		return judgeKept(filepath.Join(*dir, "random"))
	case "table":
		if err := f.Parse(args[1:]); err != nil {
			return err
		}
		all, err := results(*dir)
		if err != nil {
			return err
		}
		printTable(os.Stdout, all)
		return nil
	case "down":
		all := f.Bool("all", false, "also what a living testbed uses")
		if err := f.Parse(args[1:]); err != nil {
			return err
		}
		n, err := down(*all)
		fmt.Printf("beds taken away: %d\n", n)
		return err
	case "list":
		for _, x := range faults {
			fmt.Printf("%-10s %s\n", x.name, x.means)
		}
		fmt.Println()
		for _, s := range settings() {
			fmt.Printf("%-18s %s\n", s.stack+":"+s.name, s.means)
		}
		return nil
	}
	fmt.Fprint(os.Stderr, usage)
	return fmt.Errorf("unknown command %q", args[0])
}

// able says why the bed cannot be made here.
func able(stacks []setting) error {
	if os.Geteuid() != 0 {
		return skipped{"only root may make network namespaces"}
	}
	need := map[string]string{
		pgBin + "/postgres": "postgresql-15", "haproxy": "haproxy", "nft": "nftables", "ip": "iproute2", "mkfs.ext4": "e2fsprogs", "fsfreeze": "util-linux",
	}
	for _, s := range stacks {
		if s.stack == "redis" {
			need["redis-server"] = "redis-server"
		}
		if s.stack == "patroni" {
			need["patroni"], need["etcd"] = "patroni", "etcd-server"
		}
	}
	if err := os.Setenv("PATH", path+":"+os.Getenv("PATH")); err != nil {
		return err
	}
	var missing []string
	for command, pkg := range need {
		if _, err := exec.LookPath(command); err != nil {
			missing = append(missing, pkg)
		}
	}
	if len(missing) > 0 {
		slices.Sort(missing)
		return skipped{"missing: apt-get install " + strings.Join(slices.Compact(missing), " ")}
	}
	if out, err := printed(exec.Command("unshare", "--net", "true")); err != nil {
		return skipped{fmt.Sprintf("the kernel makes no network namespace: %v: %s", err, tail(out, 200))}
	}
	if err := adoptOrphans(); err != nil {
		return err
	}
	// What a crashed run left would only be in the way.
	n, err := down(false)
	if n > 0 {
		fmt.Printf("took away %d beds that a testbed left behind\n", n)
	}
	return err
}

func findFaults(list string) ([]fault, error) {
	if list == "all" {
		return faults, nil
	}
	var out []fault
	for _, name := range strings.Split(list, ",") {
		x, ok := findFault(name)
		if !ok {
			return nil, fmt.Errorf("%q is no fault: see testbed list", name)
		}
		out = append(out, x)
	}
	return out, nil
}

type benchOptions struct {
	stacks, faults, dir string
	hamRuns, peerRuns   int
	hold, limit         time.Duration
	again, quiet        bool
}

// bench makes the runs that are not kept yet: the first of every cell, then the second of every cell, so that a table that was cut short is thin
// everywhere instead of missing rows. Then it prints the table.
func bench(ctx context.Context, o benchOptions) error {
	stacks, err := choose(o.stacks)
	if err != nil {
		return err
	}
	breaks, err := findFaults(o.faults)
	if err != nil {
		return err
	}
	if err := able(stacks); err != nil {
		return err
	}
	if err := os.MkdirAll(o.dir, 0o755); err != nil {
		return err
	}
	began := time.Now()
	for n := 1; n <= max(o.hamRuns, o.peerRuns); n++ {
		for _, x := range breaks {
			for _, s := range stacks {
				c := cell{s, x, o.hold}
				runs := o.peerRuns
				if s.ours() {
					runs = o.hamRuns
				} else if s.name == "default" {
					c.hold += c.hold / 2
				}
				if !s.meets(x) {
					continue
				}
				if n > runs || !o.again && kept(o.dir, c, n) {
					continue
				}
				if o.limit > 0 && time.Since(began) > o.limit {
					fmt.Printf("the time is up; the same command goes on from here\n")
					return show(o.dir)
				}
				if err := one(ctx, c, n, o.dir, o.quiet); err != nil {
					return err
				}
			}
		}
	}
	return show(o.dir)
}

func show(dir string) error {
	all, err := results(dir)
	if err == nil {
		fmt.Println()
		printTable(os.Stdout, all)
	}
	return err
}

// kept: a run that failed is made again.
func kept(dir string, c cell, n int) bool {
	all, err := results(filepath.Clean(dir))
	return err == nil && slices.ContainsFunc(all, func(r result) bool {
		return r.Stack == c.setting.stack && r.Setting == c.setting.name && r.Fault == c.fault.name && r.Run == n && r.Failed == ""
	})
}

// one makes one run and keeps it.
func one(ctx context.Context, c cell, n int, dir string, quiet bool) error {
	fmt.Printf("%s, run %d\n", c, n)
	say := func(format string, args ...any) {
		if !quiet {
			fmt.Printf(format+"\n", args...)
		}
	}
	r, err := c.run(ctx, n, dir, say)
	if ctx.Err() != nil {
		return cut(ctx, err)
	}
	if err != nil {
		return fmt.Errorf("%s, run %d: %w", c, n, err)
	}
	if r.Failed != "" {
		fmt.Printf("  FAILED: %s\n", r.Failed)
	} else if r.Fault == "idle" {
		fmt.Printf("  %.1f %% of a core, %.0f MiB\n", r.CPU, r.RSS)
	} else {
		fmt.Printf("  gap %.0f ms (at the fault %.0f), errors %d, longest wait %.0f ms, lost %d of %d, overlap %.0f ms, moved %t, back in line %.1f s\n",
			r.Gap, r.AtFault, r.Errors, r.LongestWait, r.Lost, r.Acked-r.Alone, r.Overlap, r.Moved, r.Rejoin/1000)
	}
	return r.save(dir)
}

// cut is the error of a run that was interrupted: why, and what could not be taken away.
func cut(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); !errors.Is(err, cause) {
		return errors.Join(cause, err)
	}
	return err
}

// short makes one run of each fault and holds it to what is promised.
func short(ctx context.Context, list, breaks, dir string) error {
	stacks, err := choose(list)
	if err != nil {
		return err
	}
	xs, err := findFaults(breaks)
	if err != nil {
		return err
	}
	if err := able(stacks); err != nil {
		return err
	}
	dir = filepath.Join(dir, "short")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	var broken []string
	for _, s := range stacks {
		for _, x := range xs {
			if !s.meets(x) {
				return fmt.Errorf("%s:%s cannot be put under %s", s.stack, s.name, x.name)
			}
			c := cell{s, x, shortHold}
			if err := one(ctx, c, 1, dir, false); err != nil {
				return err
			}
			text, err := lastResult(dir, c)
			if err != nil {
				return err
			}
			for _, p := range text.broken(s, x) {
				broken = append(broken, fmt.Sprintf("%s: %s", c, p))
			}
		}
	}
	if len(broken) > 0 {
		return fmt.Errorf("promises broken (logs and raw results in %s):\n  %s", dir, strings.Join(broken, "\n  "))
	}
	fmt.Println("every promise held")
	return nil
}

func lastResult(dir string, c cell) (result, error) {
	all, err := results(dir)
	if err != nil {
		return result{}, err
	}
	for _, r := range all {
		if r.Stack == c.setting.stack && r.Setting == c.setting.name && r.Fault == c.fault.name {
			return r, nil
		}
	}
	return result{}, fmt.Errorf("%s: no result was kept", c)
}

// broken names each promise that the run broke.
func (r result) broken(s setting, x fault) []string {
	var out []string
	bad := func(is bool, format string, args ...any) {
		if is {
			out = append(out, fmt.Sprintf(format, args...))
		}
	}
	if r.Failed != "" {
		return []string{r.Failed}
	}
	bad(r.Overlap > 0, "two acknowledged for %.0f ms", r.Overlap)
	bad(r.TwoWritable, "two are writable at the end")
	bad(r.Lost > 0 && (!s.loses || x.planned), "%d acknowledged writes are lost: %v", r.Lost, r.LostIDs)
	bad(!r.Recovered, "clients are not served again")
	bad(x.moves && !r.Moved, "the primary did not move")
	bad(x.returns && r.Moved, "the primary did not come back")
	bad(r.Rejoin < 0, "the old primary did not come back in line")
	return out
}
