//go:build linux

package main

import "context"

// database is what the two data hosts hold, and how clients speak to it.
type database interface {
	port() int
	// makePair makes a primary on sp and a standby of it on rj, both running, as a person would have them before any manager.
	makePair(ctx context.Context, b *bed, disk string) error
	// connect opens a client's connection from a host, within the client's patience.
	connect(ctx context.Context, from *host, addr string) (session, error)
	// kill ends the host's server by SIGKILL.
	kill(h *host) error
	// owns says whether a process of a data host is the database's, and not the manager's.
	owns(pid int) bool
	// acts says whether the host's server takes writes, whatever stands between it and its clients.
	acts(ctx context.Context, h *host) (bool, error)
	// follows says whether the other server is a synchronous standby of this one; an error unless it streams and is close.
	follows(ctx context.Context, primary *host) (synchronous bool, err error)
	// writes are the ids that the host's server has of those that were written through the endpoint.
	writes(ctx context.Context, h *host) (map[int64]bool, error)
}

// session is a client's connection.
type session interface {
	// write writes an id as a transaction of its own, and says which host acknowledged it. With the name of a host it is that of the client beside this host.
	// Alone: the client was told that nobody else has it yet, and knows that it may be lost.
	write(ctx context.Context, id int64, beside string) (node string, alone bool, err error)
	// good says whether the connection can be used after such an error of a write.
	good(err error) bool
	close()
}
