package demo

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"sync/atomic"
	"syscall"
	"time"
)

// How a site behaves, as it was told on /mode/<mode>.
const (
	modeWell = "well"
	modeSlow = "slow"
	modeCut  = "cut"
	// slowBy is longer than the check waits.
	slowBy = 400 * time.Millisecond
)

// ServeSite is the body of one site's process: a small real HTTP server. It ends with ctx.
func ServeSite(ctx context.Context, name, addr string) error {
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	var mode atomic.Value
	mode.Store(modeWell)
	// behave holds an answer back as the mode says; false: it never leaves.
	behave := func(r *http.Request) bool {
		limit := time.Duration(0)
		switch mode.Load() {
		case modeSlow:
			limit = slowBy
		case modeCut:
			limit = time.Hour
		}
		if limit == 0 {
			return true
		}
		wait := time.NewTimer(limit)
		defer wait.Stop()
		select {
		case <-wait.C:
			return true
		case <-r.Context().Done():
			return false
		}
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /mode/{mode}", func(_ http.ResponseWriter, r *http.Request) { mode.Store(r.PathValue("mode")) })
	mux.HandleFunc("GET /alive", func(w http.ResponseWriter, r *http.Request) {
		if behave(r) {
			fmt.Fprintln(w, "alive")
		}
	})
	mux.HandleFunc("GET /", func(w http.ResponseWriter, r *http.Request) {
		if behave(r) {
			w.Header().Set("x-site", name)
			fmt.Fprintf(w, "hello from site %s\n", name)
		}
	})
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 2 * time.Second}
	context.AfterFunc(ctx, func() { _ = server.Close() }) // the demo's clients are its own: nothing to drain for
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// process is a child of the demo. It dies with the demo, however that ends.
type process struct {
	name string
	cmd  *exec.Cmd
	gone chan struct{}
}

// spawn starts a child that the kernel kills when this process dies.
func spawn(name, program string, args ...string) (*process, error) {
	cmd := exec.Command(program, args...)
	cmd.Stderr = os.Stderr
	// Its own group, so that Ctrl-C reaches the demo alone and the order of the end is ours.
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	p := &process{name: name, cmd: cmd, gone: make(chan struct{})}
	go func() {
		_ = cmd.Wait() // how it ended is seen by those who watch it
		close(p.gone)
	}()
	return p, nil
}

func (p *process) pid() int { return p.cmd.Process.Pid }

// kill is kill -9, and waits until the process is gone.
func (p *process) kill() {
	_ = p.cmd.Process.Kill() // gone already is what is wanted
	<-p.gone
}

// startSite runs a site as a real process of its own and returns when it answers.
func startSite(ctx context.Context, program, name, addr string) (*process, error) {
	p, err := spawn("site "+name, program, "demo-site", name, addr)
	if err != nil {
		return nil, err
	}
	if err := answers(ctx, p, "http://"+addr+"/alive"); err != nil {
		p.kill()
		return nil, err
	}
	return p, nil
}

// answers waits until url answers, the process is gone, or ctx ends.
func answers(ctx context.Context, p *process, url string) error {
	client := &http.Client{Timeout: 200 * time.Millisecond, Transport: &http.Transport{DisableKeepAlives: true}}
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		resp, err := client.Get(url)
		if err == nil {
			resp.Body.Close()
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s does not answer at %s: %w", p.name, url, err)
		case <-p.gone:
			return fmt.Errorf("%s ended before it answered at %s", p.name, url)
		case <-tick.C:
		}
	}
}

// freeAddr is a loopback address with a port that was free a moment ago.
func freeAddr() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}
