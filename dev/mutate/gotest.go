package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// outcome is what one run of go test said.
type outcome struct {
	passed, skipped, failed []string // tests and subtests by full name
	buildFailed             bool     // the package, its test or something they import does not compile
	exit                    error    // nil: go test is content
	output                  string   // everything it printed, as a person would see it
}

// goTest runs one package's tests in root. overlay may be empty; timeout bounds the test binary, and with a
// generous share for building the whole run. On return nothing that it started is left.
func goTest(ctx context.Context, root, overlay string, timeout time.Duration, test namedTest) (outcome, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout+buildTime)
	defer cancel()

	// vet has its own place in the checks; here a mutant must be caught by its test.
	args := append([]string{"test", "-json", "-vet=off", "-timeout=" + timeout.String(), "-run=" + test.run}, test.options...)
	cmd := exec.CommandContext(ctx, "go", append(args, test.pkg)...)
	cmd.Dir = root
	cmd.Env = os.Environ()
	if overlay != "" {
		cmd.Env = append(cmd.Env, "GOFLAGS="+strings.TrimSpace(os.Getenv("GOFLAGS")+" '-overlay="+overlay+"'"))
	}
	// A group of its own, so that an interrupted run ends the test binary and its children too.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 5 * time.Second
	out, err := cmd.CombinedOutput()
	if ctx.Err() != nil {
		return outcome{}, fmt.Errorf("go test %s: %w", test, context.Cause(ctx))
	}
	if cmd.ProcessState == nil {
		return outcome{}, fmt.Errorf("start go test: %w", err)
	}
	o := readEvents(out)
	o.exit = err
	return o, nil
}

const buildTime = 10 * time.Minute

// readEvents reads the output of go test -json (see go doc test2json). Lines that are no event are kept as output.
func readEvents(out []byte) outcome {
	var o outcome
	var text strings.Builder
	lines := bufio.NewScanner(bytes.NewReader(out))
	lines.Buffer(nil, len(out)+1)
	for lines.Scan() {
		var e struct{ Action, Test, Output, FailedBuild string }
		if json.Unmarshal(lines.Bytes(), &e) != nil {
			text.Write(lines.Bytes())
			text.WriteByte('\n')
			continue
		}
		text.WriteString(e.Output)
		switch {
		case e.Action == "build-fail" || e.FailedBuild != "":
			o.buildFailed = true
		case e.Test == "":
		case e.Action == "pass":
			o.passed = append(o.passed, e.Test)
		case e.Action == "skip":
			o.skipped = append(o.skipped, e.Test)
		case e.Action == "fail":
			o.failed = append(o.failed, e.Test)
		}
	}
	o.output = text.String()
	return o
}
