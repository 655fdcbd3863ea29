// Command bench measures what docs/figures.md shows: each figure of ham with its target and, in the same run, what
// others reach or what nothing can beat. Rows run one after the other, everything is on loopback or in networks of its own, and nothing is
// left behind, also after Ctrl-C.
//
// It never fails for being slow: a figure is then "not reached". It fails if a figure could not be measured or came out wrong.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
	"runtime/pprof"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if len(os.Args) > 1 && os.Args[1] == "child" {
		os.Exit(childMain(ctx, os.Args[2:]))
	}
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// report is what -out holds.
type report struct {
	Machine machine  `json:"machine"`
	Quick   bool     `json:"quick,omitempty"`
	Results []result `json:"results"`
}

func run(ctx context.Context, args []string, out, problems io.Writer) int {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(problems)
	only := flags.String("run", "", "measure only the rows whose name matches this `regexp`")
	quick := flags.Bool("quick", false, "fewer repetitions: to see that it works, not to quote")
	file := flags.String("out", "", "write every measured value to this `file`, as JSON")
	md := flags.Bool("md", false, "print Markdown, as docs/figures.md has it")
	program := flags.String("ham", "", "measure this `program` instead of building cmd/ham")
	profile := flags.String("cpuprofile", "", "write a profile of this process's work to this `file`, for go tool pprof")
	list := flags.Bool("list", false, "list the rows and measure nothing")
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		return 2
	case flags.NArg() > 0:
		fmt.Fprintf(problems, "bench: %q is no flag; to choose rows: -run %s\n", flags.Arg(0), flags.Arg(0))
		return 2
	}
	chosen, err := choose(rows(), *only)
	if err != nil {
		fmt.Fprintf(problems, "bench: -run: %v\n", err)
		return 2
	}
	if *list {
		for _, r := range chosen {
			fmt.Fprintf(out, "%-12s %s\n", r.name, r.about)
		}
		return 0
	}
	b, err := newBench(*quick, problems)
	if err != nil {
		fmt.Fprintf(problems, "bench: %v\n", err)
		return 1
	}
	defer b.close()
	b.program = *program
	if *profile != "" {
		f, err := os.Create(*profile)
		if err == nil {
			defer f.Close()
			err = pprof.StartCPUProfile(f)
			defer pprof.StopCPUProfile()
		}
		if err != nil {
			fmt.Fprintf(problems, "bench: -cpuprofile: %v\n", err)
			return 1
		}
	}
	rep := report{Machine: thisMachine(), Quick: *quick}
	failed := false
	for _, r := range chosen {
		if ctx.Err() != nil {
			break
		}
		b.say("%s: %s", r.name, r.about)
		res := r.run(ctx, b)
		rep.Results = append(rep.Results, res)
		if res.Problem != "" {
			failed = true
			b.say("%s: NOT MEASURED: %s", r.name, res.Problem)
		}
	}
	if *md {
		printMarkdown(out, rep.Results)
	} else {
		fmt.Fprintf(out, "%s, %s, %d cores, load %s when it began\n\n", rep.Machine.CPU, rep.Machine.System, rep.Machine.Cores, rep.Machine.Load)
		printTable(out, rep.Results)
	}
	if *file != "" {
		if err := writeJSON(*file, rep); err != nil {
			fmt.Fprintf(problems, "bench: %v\n", err)
			failed = true
		}
	}
	if ctx.Err() != nil {
		fmt.Fprintln(problems, "bench: interrupted")
		return 1
	}
	if failed {
		fmt.Fprintln(problems, "bench: not every row could be measured")
		return 1
	}
	return 0
}

// choose keeps the rows whose name matches, in their order.
func choose(all []row, only string) ([]row, error) {
	re, err := regexp.Compile(only)
	if err != nil {
		return nil, err
	}
	var chosen []row
	names := ""
	for _, r := range all {
		names += " " + r.name
		if re.MatchString(r.name) {
			chosen = append(chosen, r)
		}
	}
	if len(chosen) == 0 {
		return nil, fmt.Errorf("no row matches %q; there are:%s", only, names)
	}
	return chosen, nil
}

func writeJSON(path string, v any) error {
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(text, '\n'), 0o644)
}

// childMain is what this program does as a process of its own beside itself.
func childMain(ctx context.Context, args []string) int {
	if len(args) == 0 {
		fmt.Fprintln(os.Stderr, "bench child: which?")
		return 2
	}
	what, args := args[0], args[1:]
	var err error
	switch {
	case what == "site" && len(args) == 3:
		err = serveSite(ctx, args[0], args[1], args[2])
	case what == "silent" && len(args) >= 2:
		b := &bench{dir: args[1], quick: len(args) > 2, progress: os.Stderr}
		if b.self, err = os.Executable(); err == nil {
			err = json.NewEncoder(os.Stdout).Encode(silentChild(ctx, b, args[0]))
		}
	case what == "bus" && len(args) == 1:
		err = serveBus(ctx, args[0])
	case what == "desk" && len(args) == 2:
		err = serveDeskBus(ctx, args[0], args[1])
	case what == "deploy" && len(args) == 1:
		err = callDeploy(ctx, args[0])
	case what == "bare" && len(args) == 1:
		err = askBare(ctx, args[0])
	default:
		err = fmt.Errorf("%q with %d arguments is nothing", what, len(args))
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "bench child %s: %v\n", what, err)
		return 1
	}
	return 0
}
