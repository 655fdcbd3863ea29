package nftables

import (
	"encoding/binary"
	"net"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// stream is an established connection on which both sides send all the time, and are read with the time at which the kernel received it: this
// measures the filter, not how busy the machine is.
type stream struct {
	s              *site
	client, server *net.TCPConn
	all            sync.WaitGroup
	out, in        arrivals
	offset         time.Duration // from the wall clock, which the kernel stamps with, to the test's
}

// arrivals is what one side received.
type arrivals struct {
	last  time.Duration
	count int
	came  chan struct{} // closed when some have come
	over  chan struct{} // closed when nothing can come any more
}

const streamPort = 6432

// connect connects from the client's host to the address, through an open guard, and gives both ends.
func (s *site) connect(addr string) (client, server net.Conn) {
	s.t.Helper()
	l := s.member.Listen(net.JoinHostPort(addr, strconv.Itoa(streamPort)))
	defer l.Close()
	accepted := make(chan net.Conn, 1)
	go func() {
		defer close(accepted)
		if c, err := l.Accept(); err == nil {
			accepted <- c
		}
	}()
	client, err := s.client.Dial(l.Addr().String(), patient)
	if err != nil {
		s.t.Fatal(err)
	}
	server, ok := <-accepted
	if !ok {
		s.t.Fatal("no connection came")
	}
	s.t.Cleanup(func() { server.Close() })
	return client, server
}

// flow connects, and waits until bytes flow both ways.
func (s *site) flow(addr string) *stream {
	s.t.Helper()
	client, server := s.connect(addr)
	st := &stream{s: s, client: client.(*net.TCPConn), server: server.(*net.TCPConn), offset: offset()}
	for _, side := range []struct {
		conn  *net.TCPConn
		got   *arrivals
		every time.Duration
	}{{st.server, &st.in, time.Millisecond}, {st.client, &st.out, 3 * time.Millisecond}} {
		side.got.came, side.got.over = make(chan struct{}), make(chan struct{})
		if err := side.conn.SetDeadline(time.Now().Add(60 * time.Second)); err != nil {
			s.t.Fatal(err)
		}
		st.all.Go(func() { send(side.conn, side.every) })
		st.all.Go(func() { defer close(side.got.over); st.read(side.conn, side.got) })
	}
	<-st.in.came
	<-st.out.came
	return st
}

// send writes a byte now and then until it fails.
func send(c *net.TCPConn, every time.Duration) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for range tick.C {
		if _, err := c.Write([]byte("x")); err != nil {
			return
		}
	}
}

// offset is what to add to a wall clock's reading.
func offset() time.Duration {
	var best, least time.Duration = 0, time.Hour
	for range 20 {
		before := clock()
		wall := time.Duration(time.Now().UnixNano())
		after := clock()
		if after-before < least {
			least, best = after-before, before-wall
		}
	}
	return best
}

// read reads until the connection ends and keeps when the last byte came.
func (st *stream) read(c *net.TCPConn, got *arrivals) {
	raw, err := c.SyscallConn()
	if err != nil {
		st.s.t.Error(err)
		return
	}
	if err := raw.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1) }); err != nil {
		st.s.t.Error(err)
		return
	}
	buffer, control := make([]byte, 4096), make([]byte, 256)
	for {
		var n, controls int
		var failed error
		err := raw.Read(func(fd uintptr) bool {
			n, controls, _, _, failed = unix.Recvmsg(int(fd), buffer, control, unix.MSG_DONTWAIT)
			return failed != unix.EAGAIN
		})
		if err != nil || failed != nil || n == 0 {
			return
		}
		messages, err := unix.ParseSocketControlMessage(control[:controls])
		if err != nil {
			st.s.t.Error(err)
			return
		}
		for _, m := range messages {
			if m.Header.Level != unix.SOL_SOCKET || m.Header.Type != unix.SO_TIMESTAMPNS || len(m.Data) < 16 {
				continue
			}
			wall := time.Duration(binary.NativeEndian.Uint64(m.Data))*time.Second + time.Duration(binary.NativeEndian.Uint64(m.Data[8:]))
			got.last = wall + st.offset
			if got.count++; got.count == 5 {
				close(got.came)
			}
		}
	}
}

// ended waits until the guard has ended the connection, and says when the last byte got out to the client and in to the server.
func (st *stream) ended() (out, in time.Duration) {
	st.s.t.Helper()
	<-st.out.over // the client sends on, and a shut guard answers with a reset
	if err := st.server.SetReadDeadline(time.Now().Add(100 * time.Millisecond)); err != nil {
		st.s.t.Fatal(err)
	}
	<-st.in.over // what came before is read by then
	st.close()
	st.all.Wait()
	if drift := offset() - st.offset; drift.Abs() > 2*time.Millisecond {
		st.s.t.Fatalf("somebody set the wall clock by %v meanwhile: nothing was measured", -drift)
	}
	return st.out.last, st.in.last
}

func (st *stream) close() {
	st.client.Close()
	st.server.Close()
}
