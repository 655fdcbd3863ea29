package nftables

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// patience is how long the kernel may take to answer. It answers within the call that sends, so this is for the case that it never does.
const patience = time.Second

// request is one message of a batch; it is acknowledged as a whole.
type request struct {
	kind  uint16
	flags netlink.HeaderFlags
	fill  func(*netlink.AttributeEncoder)
}

// wire is the connection to the kernel. Not safe for concurrent use.
type wire struct {
	namespace int
	conn      *netlink.Conn
}

func (w *wire) open() error {
	if w.conn != nil {
		return nil
	}
	conn, err := netlink.Dial(unix.NETLINK_NETFILTER, &netlink.Config{NetNS: w.namespace})
	if err != nil {
		return fmt.Errorf("reach the kernel's packet filter: %w", err)
	}
	w.conn = conn
	return nil
}

// close ends the connection; the next call makes a new one.
func (w *wire) close() error {
	if w.conn == nil {
		return nil
	}
	conn := w.conn
	w.conn = nil
	return conn.Close()
}

// commit sends the requests as one transaction: all of them are done or none. The error of the first that failed can be asked for
// with errors.Is (unix.ENOENT: what it takes away is not there).
func (w *wire) commit(requests ...request) error {
	if err := w.open(); err != nil {
		return err
	}
	edge := func(kind netlink.HeaderType) netlink.Message {
		return netlink.Message{Header: netlink.Header{Type: kind, Flags: netlink.Request}, Data: header(unix.AF_UNSPEC, unix.NFNL_SUBSYS_NFTABLES)}
	}
	messages := make([]netlink.Message, 0, len(requests)+2)
	messages = append(messages, edge(unix.NFNL_MSG_BATCH_BEGIN))
	for i, r := range requests {
		m, err := r.message()
		if err != nil {
			return err
		}
		if i == len(requests)-1 {
			m.Header.Flags |= netlink.Acknowledge // of the last: the kernel sends it when all are done
		}
		messages = append(messages, m)
	}
	messages = append(messages, edge(unix.NFNL_MSG_BATCH_END))
	return w.talk(func() error {
		if _, err := w.conn.SendMessages(messages); err != nil {
			return err
		}
		_, err := w.conn.Receive()
		return err
	})
}

// get asks for one thing. unix.ENOENT: it is not there.
func (w *wire) get(r request) (netlink.Message, error) {
	if err := w.open(); err != nil {
		return netlink.Message{}, err
	}
	m, err := r.message()
	if err != nil {
		return m, err
	}
	var answers []netlink.Message
	err = w.talk(func() (err error) {
		answers, err = w.conn.Execute(m)
		return err
	})
	if err == nil && (len(answers) != 1 || len(answers[0].Data) < headerLength) {
		err = errors.New("the kernel's packet filter answered with something else")
	}
	if err != nil {
		return netlink.Message{}, err
	}
	return answers[0], nil
}

// talk has the deadline, and what every failure has in common: the connection is given up, since an answer may still be on its way.
func (w *wire) talk(f func() error) error {
	err := w.conn.SetDeadline(time.Now().Add(patience))
	if err == nil {
		err = f()
	}
	if err == nil {
		return nil
	}
	_ = w.close()
	if errors.Is(err, fs.ErrPermission) {
		return ErrNotPermitted
	}
	var failed *netlink.OpError
	if errors.As(err, &failed) {
		err = failed.Err
	}
	return fmt.Errorf("the kernel's packet filter: %w", err)
}

func (r request) message() (netlink.Message, error) {
	a := netlink.NewAttributeEncoder()
	a.ByteOrder = binary.BigEndian
	r.fill(a)
	attributes, err := a.Encode()
	return netlink.Message{
		Header: netlink.Header{Type: netlink.HeaderType(unix.NFNL_SUBSYS_NFTABLES<<8 | r.kind), Flags: netlink.Request | r.flags},
		Data:   append(header(unix.NFPROTO_INET, 0), attributes...),
	}, err
}

const headerLength = 4

// header is struct nfgenmsg: family, version, and a number that says the subsystem in a batch's edges.
func header(family byte, number uint16) []byte {
	return binary.BigEndian.AppendUint16([]byte{family, unix.NFNETLINK_V0}, number)
}

func nested(a *netlink.AttributeEncoder, typ uint16, fill func(*netlink.AttributeEncoder)) {
	a.Nested(typ, func(a *netlink.AttributeEncoder) error {
		a.ByteOrder = binary.BigEndian
		fill(a)
		return nil
	})
}
