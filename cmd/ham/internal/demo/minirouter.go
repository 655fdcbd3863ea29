package demo

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"time"
)

// ServeRouter is the body of the demo's own router, for machines without HAProxy: a reverse proxy whose servers are set
// through the part of HAProxy's runtime API that a swap needs. It stands in for HAProxy in the demo alone and says so there;
// every test of ham's routes runs on the real one.
func ServeRouter(ctx context.Context, addr, admin string, servers map[string]string) error {
	r := &miniRouter{servers: map[string]*miniServer{}, began: time.Now()}
	for name, target := range servers {
		r.servers[name] = &miniServer{
			target: target, state: "maint", // boots shut, as the HAProxy of the demo does
			proxy: &httputil.ReverseProxy{
				Rewrite: func(p *httputil.ProxyRequest) { p.SetURL(&url.URL{Scheme: "http", Host: target}) },
				Transport: &http.Transport{
					DialContext: (&net.Dialer{Timeout: 100 * time.Millisecond}).DialContext, MaxIdleConnsPerHost: 16, ResponseHeaderTimeout: 2 * time.Second,
				},
				ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) },
			},
		}
	}
	public, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	api, err := net.Listen("tcp", admin)
	if err != nil {
		return errors.Join(err, public.Close())
	}
	server := &http.Server{Handler: r, ReadHeaderTimeout: 2 * time.Second}
	context.AfterFunc(ctx, func() { _, _ = server.Close(), api.Close() })
	go r.serveAPI(api)
	if err := server.Serve(public); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

type miniRouter struct {
	mu      sync.Mutex
	servers map[string]*miniServer
	began   time.Time
}

type miniServer struct {
	target, state string
	proxy         *httputil.ReverseProxy
	sessions      int
	cut           []context.CancelFunc
}

func (r *miniRouter) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	ctx, cancel := context.WithCancel(req.Context())
	defer cancel()
	s := r.begin(cancel)
	if s == nil {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	defer r.end(s)
	s.proxy.ServeHTTP(w, req.WithContext(ctx))
}

func (r *miniRouter) begin(cancel context.CancelFunc) *miniServer {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range r.servers {
		if s.state == "ready" {
			s.sessions++
			s.cut = append(s.cut, cancel)
			return s
		}
	}
	return nil
}

func (r *miniRouter) end(s *miniServer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if s.sessions--; s.sessions == 0 {
		s.cut = nil
	}
}

func (r *miniRouter) serveAPI(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go r.converse(c)
	}
}

// converse answers as HAProxy does: each answer ends in an empty line; after "prompt" the connection stays.
func (r *miniRouter) converse(c net.Conn) {
	defer c.Close()
	in := bufio.NewScanner(c)
	interactive, severity := false, ""
	for in.Scan() {
		var out strings.Builder
		for _, command := range strings.Split(in.Text(), ";") {
			words := strings.Fields(command)
			answer := ""
			switch {
			case slices.Equal(words, []string{"prompt"}):
				interactive = true
			case len(words) == 3 && words[0] == "set" && words[1] == "severity-output":
				severity = words[2]
			default:
				answer = r.answer(words, severity)
			}
			out.WriteString(answer + "\n")
			if interactive {
				out.WriteString("> ")
			}
		}
		if _, err := io.WriteString(c, out.String()); err != nil || !interactive {
			return
		}
	}
}

func (r *miniRouter) answer(words []string, severity string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	problem := func(text string) string {
		if severity == "number" {
			return "[3]: " + text + "\n"
		}
		return text + "\n"
	}
	server := func(word string) *miniServer {
		backend, name, _ := strings.Cut(word, "/")
		if backend != "web" {
			return nil
		}
		return r.servers[name]
	}
	switch {
	case len(words) == 4 && words[0] == "set" && words[1] == "timeout":
		return ""
	case len(words) == 2 && words[0] == "show" && words[1] == "info":
		return fmt.Sprintf("Name: demo-router\nVersion: 0-demo\nPid: %d\nUptime_sec: %d\nStart_time_sec: %d\nStopping: 0\nCurrConns: 0\nnode: demo\n",
			os.Getpid(), int(time.Since(r.began).Seconds()), r.began.Unix())
	case len(words) == 4 && words[0] == "show" && words[1] == "servers" && words[2] == "state":
		if words[3] != "web" {
			return problem("Can't find backend.")
		}
		return r.serversState()
	case len(words) >= 3 && words[0] == "show" && words[1] == "stat":
		return r.stat()
	case len(words) == 5 && words[0] == "set" && words[1] == "server" && words[3] == "state":
		s := server(words[2])
		if s == nil {
			return problem("No such server.")
		}
		s.state = words[4]
		return ""
	case len(words) == 4 && words[0] == "shutdown" && words[1] == "sessions" && words[2] == "server":
		s := server(words[3])
		if s == nil {
			return problem("No such server.")
		}
		for _, cut := range s.cut {
			cut()
		}
		return ""
	}
	return problem("Unknown command: the demo's router knows what a swap needs, and no more")
}

func (r *miniRouter) names() []string {
	var names []string
	for n := range r.servers {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}

func (r *miniRouter) serversState() string {
	var out strings.Builder
	out.WriteString("1\n# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight srv_iweight srv_time_since_last_change srv_check_status srv_check_result srv_check_health srv_check_state srv_agent_state bk_f_forced_id srv_f_forced_id srv_fqdn srv_port srvrecord\n")
	for i, name := range r.names() {
		s := r.servers[name]
		host, port, _ := net.SplitHostPort(s.target)
		oper, admin := 2, 0
		switch s.state {
		case "maint":
			oper, admin = 0, 1
		case "drain":
			admin = 8
		}
		fmt.Fprintf(&out, "1 web %d %s %s %d %d 1 1 0 1 0 0 0 0 0 0 - %s -\n", i+1, name, host, oper, admin, port)
	}
	return out.String()
}

func (r *miniRouter) stat() string {
	var out strings.Builder
	out.WriteString("# pxname,svname,qcur,scur,stot,status,weight,act,bck,type,\n")
	total := 0
	for _, name := range r.names() {
		s := r.servers[name]
		total += s.sessions
		fmt.Fprintf(&out, "web,%s,0,%d,0,%s,1,1,0,2,\n", name, s.sessions, strings.ToUpper(s.state))
	}
	fmt.Fprintf(&out, "web,BACKEND,0,%d,0,UP,1,1,0,1,\n", total)
	return out.String()
}
