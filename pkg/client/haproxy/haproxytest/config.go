package haproxytest

import (
	_ "embed"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"text/template"

	"github.com/isacloud/ha-manager/pkg/client/haproxy"
	"github.com/isacloud/ha-manager/pkg/porttest"
)

// recommended is the configuration that the documentation shows for a pair of servers.
//
//go:embed recommended.cfg
var recommended string

// Pair returns the recommended configuration for a pair of servers, s1 and s2 of the backend "web", both "disabled": they serve nobody until
// told. It has a frontend "front" and two runtime sockets of level admin, "admin" (Unix) and "admin-tcp". The addresses are host:port.
func Pair(s1, s2 string) string { return PairWith("disabled", s1, s2) }

// PairWith is Pair with other words at the end of both server lines, such as "check inter 100ms fall 2 rise 1".
func PairWith(words, s1, s2 string) string {
	return strings.NewReplacer("192.0.2.10:8080", s1, "198.51.100.10:8080", s2, "disabled", words,
		"/run/haproxy/admin.sock", `{{unix "admin"}}`, "127.0.0.1:9999", `{{addr "admin-tcp"}}`,
		":8000", `{{addr "front"}}`).Replace(uncommented(recommended))
}

// uncommented drops comments, so that their words are never replaced.
func uncommented(config string) string {
	var b strings.Builder
	for line := range strings.Lines(config) {
		code, _, _ := strings.Cut(line, "#")
		if code = strings.TrimRight(code, " \t\n"); code != "" {
			b.WriteString(code + "\n")
		}
	}
	return b.String()
}

// places remembers the sockets that a configuration asked for by name.
type places struct {
	dir     string
	addrs   map[string]string // name -> host:port
	runtime map[string]string // name -> address for haproxy.New
	first   string            // a name in runtime
}

// render fills in the configuration: {{addr "name"}} is a free host:port, {{unix "name"}} the path of a socket.
func (p *places) render(t testing.TB, config string) (string, error) {
	parsed, err := template.New("haproxy.cfg").Funcs(template.FuncMap{
		"addr": func(name string) string {
			if p.addrs[name] == "" {
				p.addrs[name] = porttest.HoldReusePort(t)
				p.runtime[name] = "tcp://" + p.addrs[name]
			}
			return p.addrs[name]
		},
		"unix": func(name string) (string, error) {
			path := filepath.Join(p.dir, name+".sock")
			if _, err := haproxy.ParseAddress(path); err != nil {
				return "", err
			}
			p.runtime[name] = "unix://" + path
			if p.first == "" {
				p.first = name
			}
			return path, nil
		},
	}).Parse(config)
	if err != nil {
		return "", fmt.Errorf("parse the configuration: %w", err)
	}
	var b strings.Builder
	if err := parsed.Execute(&b, nil); err != nil {
		return "", fmt.Errorf("fill in the configuration: %w", err)
	}
	if p.first == "" {
		return "", fmt.Errorf(`the configuration has no runtime socket: add "stats socket {{unix \"admin\"}} level admin" to its section global`)
	}
	return b.String(), nil
}
