//go:build !linux

package porttest

import "net"

const reuseAddr, reusePort = 0, 0

func bind(int) (addr string, release func(), err error) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	return l.Addr().String(), func() {}, l.Close()
}
