package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"text/tabwriter"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run is the whole command: the table goes to stdout, progress and the reasons of bad verdicts to stderr.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("mutate", flag.ContinueOnError)
	flags.SetOutput(stderr)
	root := flags.String("C", ".", "`folder` of the tree: patches are read from its mutants/, go test runs in it")
	choose := flags.String("run", "", "judge only mutants whose name matches `regexp`")
	leave := flags.String("skip", "", "leave out mutants whose name matches `regexp`")
	quick := flags.Bool("quick", false, "leave out mutants that say Slow: why")
	share := flags.String("share", "", "judge only the `k/n`th part of the mutants, k from 0 to n-1: every nth of them by name")
	workers := flags.Int("j", runtime.NumCPU(), "how many mutants are judged at once")
	timeout := flags.Duration("timeout", 3*time.Minute, "time limit of one test run; a test that hangs is red")
	list := flags.String("list", "", "judge nothing; write a Markdown list of the mutants to `file`")
	keep := flags.Bool("keep", false, "keep the overlays and say how to run a mutant by hand")
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		return 0
	} else if err != nil {
		return 2
	}
	chosen, err := regexp.Compile(*choose)
	left, leftErr := regexp.Compile(*leave)
	part, parts, shareErr := parseShare(*share)
	switch {
	case shareErr != nil:
		return wrongUse(stderr, "-share: %v", shareErr)
	case err != nil:
		return wrongUse(stderr, "-run: %v", err)
	case leftErr != nil:
		return wrongUse(stderr, "-skip: %v", leftErr)
	case flags.NArg() > 0:
		return wrongUse(stderr, "unexpected argument %q", flags.Arg(0))
	case *workers < 1:
		return wrongUse(stderr, "-j %d: expected at least 1", *workers)
	}
	j := judge{workers: *workers, timeout: *timeout}
	if j.root, err = filepath.Abs(*root); err != nil {
		return wrongUse(stderr, "-C: %v", err)
	}
	if *list != "" {
		if err := writeList(filepath.Join(j.root, "mutants"), *list); err != nil {
			return wrongUse(stderr, "-list: %v", err)
		}
		return 0
	}
	if j.scratch, err = os.MkdirTemp("", "mutants-"); err != nil {
		return wrongUse(stderr, "%v", err)
	}
	if *keep {
		defer fmt.Fprintf(stderr, "overlays kept below %s; one by hand: go test -overlay %s/<name>/overlay.json <package> -run <regexp>\n",
			j.scratch, j.scratch)
	} else {
		defer os.RemoveAll(j.scratch)
	}

	slow := 0
	mutants, results, err := readAll(filepath.Join(j.root, "mutants"), func(name string) bool {
		return chosen.MatchString(name) && (*leave == "" || !left.MatchString(name))
	})
	if err != nil {
		return wrongUse(stderr, "%v", err)
	}
	if *quick {
		all := len(mutants)
		mutants = slices.DeleteFunc(mutants, func(m mutant) bool { return m.slow != "" })
		slow = all - len(mutants)
	}
	if parts > 1 {
		all := len(mutants)
		mutants = everyNth(mutants, part, parts)
		fmt.Fprintf(stderr, "part %d of %d: %d of %d mutants\n", part, parts, len(mutants), all)
	}
	if slow > 0 {
		fmt.Fprintf(stderr, "%d slow ones are left out; without -quick they are judged too\n", slow)
	}
	fmt.Fprintf(stderr, "%d mutants: first their tests without any patch\n", len(mutants)+len(results))
	bad := j.baseline(ctx, mutants)
	var progress sync.Mutex // over done and stderr
	done := 0
	results = append(results, inParallel(j.workers, mutants, func(m mutant) result {
		r, ok := bad[m.name]
		if !ok {
			r = j.try(ctx, m)
		}
		progress.Lock()
		defer progress.Unlock()
		done++
		fmt.Fprintf(stderr, "[%d/%d] %s: %s\n", done, len(mutants), m.name, r.verdict)
		return r
	})...)
	return report(results, stdout, stderr)
}

// parseShare reads "k/n", the kth of n parts; "" is all of one part.
func parseShare(s string) (k, n int, err error) {
	if s == "" {
		return 0, 1, nil
	}
	if _, err := fmt.Sscanf(s, "%d/%d", &k, &n); err != nil || fmt.Sprintf("%d/%d", k, n) != s || k < 0 || k >= n {
		return 0, 0, fmt.Errorf("got %q, want k/n with k from 0 to n-1, such as 0/3", s)
	}
	return k, n, nil
}

// everyNth returns the kth, (k+n)th, … of the mutants.
func everyNth(mutants []mutant, k, n int) []mutant {
	var out []mutant
	for i := k; i < len(mutants); i += n {
		out = append(out, mutants[i])
	}
	return out
}

func wrongUse(stderr io.Writer, format string, args ...any) int {
	fmt.Fprintf(stderr, "mutate: "+format+"\n", args...)
	return 2
}

// readAll reads the chosen patches of a folder; those that cannot be read come back as results.
func readAll(dir string, chosen func(name string) bool) (mutants []mutant, bad []result, err error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.patch"))
	if err != nil {
		return nil, nil, err
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".patch")
		if !chosen(name) {
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, nil, err
		}
		m, err := parseMutant(name, string(text))
		if err != nil {
			bad = append(bad, result{mutant: m, verdict: malformed, detail: err.Error()})
			continue
		}
		mutants = append(mutants, m)
	}
	if len(mutants)+len(bad) == 0 {
		return nil, nil, fmt.Errorf("no patch in %s is chosen: a gate without mutants proves nothing", dir)
	}
	return mutants, bad, nil
}

// report prints the table and the reasons, and returns the exit code.
func report(results []result, stdout, stderr io.Writer) int {
	alive := 0
	table := tabwriter.NewWriter(stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "MUTANT\tVERDICT\tSECONDS\tTEST\tRULE")
	for _, r := range results {
		fmt.Fprintf(table, "%s\t%s\t%.1f\t%s\t%s\n", r.mutant.name, r.verdict, r.took.Seconds(), r.mutant.test, r.mutant.rule)
		if r.verdict != killed {
			alive++
			fmt.Fprintf(stderr, "\n%s: %s\n%s\n", r.mutant.name, r.verdict, r.detail)
		}
	}
	table.Flush()
	fmt.Fprintf(stdout, "%d of %d mutants killed\n", len(results)-alive, len(results))
	if alive > 0 {
		return 1
	}
	return 0
}
