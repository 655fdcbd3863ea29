package prober

import (
	"net"
	"net/http"
)

// farm answers for thousands of checks.
func farm(l net.Listener) {
	_ = http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ok")) }))
}

func busServer(l net.Listener) {}
