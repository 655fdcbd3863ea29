// Command ham keeps a service's primary and secondary infrastructure available: it watches both, decides when the
// roles must swap, swaps them step by step, and tells people what happened.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/isacloud/ha-manager/cmd/ham/internal/cli"
)

func main() {
	// A reader that went away (| head) and a closed terminal end it in order too: a demo must leave nothing behind.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	onReaderGone(cancel)
	// A second signal ends the process at once, should an orderly stop hang.
	context.AfterFunc(ctx, stop)
	os.Exit(cli.Main(ctx, os.Args[1:], cli.IO{In: os.Stdin, Out: os.Stdout, Err: os.Stderr, Env: os.Getenv}))
}
