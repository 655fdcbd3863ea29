package haproxy_test

import (
	"context"
	"io"
	"net"
	"strings"
	"time"
)

// scripted is a connection to a peer that has already said all it will say.
type scripted struct {
	said io.Reader
	sent io.Writer
}

func (s *scripted) Read(p []byte) (int, error)     { return s.said.Read(p) }
func (s *scripted) Write(p []byte) (int, error)    { return s.sent.Write(p) }
func (*scripted) Close() error                     { return nil }
func (*scripted) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (*scripted) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (*scripted) SetDeadline(time.Time) error      { return nil }
func (*scripted) SetReadDeadline(time.Time) error  { return nil }
func (*scripted) SetWriteDeadline(time.Time) error { return nil }

func peerThatSays(text string) func(context.Context, string, string) (net.Conn, error) {
	return func(context.Context, string, string) (net.Conn, error) {
		return &scripted{strings.NewReader(text), io.Discard}, nil
	}
}

func peerThatRecords(sent *strings.Builder) func(context.Context, string, string) (net.Conn, error) {
	return func(context.Context, string, string) (net.Conn, error) {
		return &scripted{strings.NewReader(""), sent}, nil
	}
}
