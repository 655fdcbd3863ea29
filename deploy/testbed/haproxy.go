//go:build linux

package main

import (
	"context"
	"fmt"
	"net"
	"time"
)

const (
	proxyPort   = 5000
	runtimePort = 9999
)

// haproxyConfig is one proxy on the router. With words each server has them: how it is checked; "disabled" where a manager says whom it serves.
func haproxyConfig(b *bed, check, words string) string {
	return fmt.Sprintf(`global
    stats socket ipv4@%[1]s:%[2]d level admin
    stats maxconn 50
    maxconn 1000
defaults
    mode tcp
    retries 0
    timeout connect 300ms
    timeout client 30m
    timeout server 30m
frontend clients
    bind %[1]s:%[3]d
    default_backend pair
backend pair
%[4]s    default-server on-marked-down shutdown-sessions %[5]s
    server sp %[6]s:%[8]d
    server rj %[7]s:%[8]d
`, b.router.addr, runtimePort, proxyPort, check, words, b.sp.addr, b.rj.addr, b.db.port())
}

// startHAProxy runs it on the router until the bed ends.
func startHAProxy(ctx context.Context, b *bed, config string) error {
	at, err := b.router.write("haproxy.cfg", config, "", 0o644)
	if err != nil {
		return err
	}
	if _, err := b.router.start(command{argv: []string{"haproxy", "-db", "-f", at}, log: "haproxy.log"}); err != nil {
		return err
	}
	return reachable(ctx, b.router, fmt.Sprintf("%s:%d", b.router.addr, proxyPort))
}

// reachable waits until something listens at addr, as the host sees it.
func reachable(ctx context.Context, h *host, addr string) error {
	return until(ctx, 15*time.Second, addr+" is open", func() error {
		try, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		c, err := h.dial(try, "tcp", addr)
		if err != nil {
			return err
		}
		return c.(*net.TCPConn).Close()
	})
}
