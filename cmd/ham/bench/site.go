package main

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"time"
)

// serveSite is the body of a site's process: a small real HTTP server that says who it is. With a link it first waits for a line on its standard
// input, which says that the link is there, and takes its address on it.
func serveSite(ctx context.Context, name, addr, link string) error {
	if link != "" {
		if _, err := bufio.NewReader(os.Stdin).ReadString('\n'); err != nil {
			return fmt.Errorf("wait for link %s: %w", link, err)
		}
		host, _, err := net.SplitHostPort(addr)
		if err != nil {
			return err
		}
		for _, args := range [][]string{
			{"link", "set", "lo", "up"}, {"addr", "add", host + "/24", "dev", link}, {"link", "set", link, "up"},
		} {
			if err := ip(ctx, args...); err != nil {
				return err
			}
		}
	}
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /alive", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "alive") })
	mux.HandleFunc("GET /", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Site", name)
		fmt.Fprintf(w, "hello from %s\n", name)
	})
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	context.AfterFunc(ctx, func() { _ = server.Close() })
	fmt.Println("listening")
	return server.Serve(listener)
}

// ip runs the tool of iproute2 in bounded time.
func ip(ctx context.Context, args ...string) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, "ip", args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("ip %v: %w: %s", args, err, out)
	}
	return nil
}
