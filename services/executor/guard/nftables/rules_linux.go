package nftables

import (
	"encoding/binary"
	"net/netip"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// What the rules are, in the words of nft, is what Ruleset prints; this is the same as the kernel takes it.

// tcp is the element in the sets, and what packets are looked up by: all of them are TCP by then.
const tcp = unix.IPPROTO_TCP

// Verdicts, as linux/netfilter.h has them.
const drop, accept = 0, 1

// install makes the table, or makes the rules of the one that is there anew. Its sets stay as they are: an open guard stays open.
func (o Options) install() []request {
	t := o.table()
	batch := []request{
		{unix.NFT_MSG_NEWTABLE, netlink.Create, table(t)},
		{unix.NFT_MSG_NEWSET, netlink.Create, set(t, "lease", 1)},
		{unix.NFT_MSG_NEWSET, netlink.Create, set(t, "ticket", 2)},
	}
	chain := func(name string, hook int) {
		batch = append(batch, request{unix.NFT_MSG_NEWCHAIN, netlink.Create, func(a *netlink.AttributeEncoder) {
			a.String(unix.NFTA_CHAIN_TABLE, t)
			a.String(unix.NFTA_CHAIN_NAME, name)
			if hook >= 0 {
				nested(a, unix.NFTA_CHAIN_HOOK, func(a *netlink.AttributeEncoder) {
					a.Uint32(unix.NFTA_HOOK_HOOKNUM, uint32(hook))
					a.Uint32(unix.NFTA_HOOK_PRIORITY, 0)
				})
				a.Uint32(unix.NFTA_CHAIN_POLICY, accept)
				a.String(unix.NFTA_CHAIN_TYPE, "filter")
			}
		}})
	}
	const regular = -1
	chain("in-guarded", regular)
	chain("out-guarded", regular)
	chain("in", unix.NF_INET_LOCAL_IN)
	chain("out", unix.NF_INET_LOCAL_OUT)

	// All rules of the table go before the new ones come: packets see either the old ones or the new.
	batch = append(batch, request{unix.NFT_MSG_DELRULE, 0, func(a *netlink.AttributeEncoder) { a.String(unix.NFTA_RULE_TABLE, t) }})
	rule := func(chain string, exprs ...expr) {
		batch = append(batch, request{unix.NFT_MSG_NEWRULE, netlink.Create | netlink.Append, func(a *netlink.AttributeEncoder) {
			a.String(unix.NFTA_RULE_TABLE, t)
			a.String(unix.NFTA_RULE_CHAIN, chain)
			nested(a, unix.NFTA_RULE_EXPRESSIONS, func(a *netlink.AttributeEncoder) {
				for _, e := range exprs {
					nested(a, unix.NFTA_LIST_ELEM, func(a *netlink.AttributeEncoder) {
						a.String(unix.NFTA_EXPR_NAME, e.name)
						nested(a, unix.NFTA_EXPR_DATA, e.data)
					})
				}
			})
		}})
	}
	const (
		sport, dport = 0, 2 // in the header of TCP
		flags        = 13
		rst          = 0x04
	)
	for _, p := range o.Ports {
		port := binary.BigEndian.AppendUint16(nil, uint16(p))
		rule("in", meta(unix.NFT_META_L4PROTO), equal(tcp), payload(unix.NFT_PAYLOAD_TRANSPORT_HEADER, dport, 2), equal(port...), goTo("in-guarded"))
		rule("out", meta(unix.NFT_META_L4PROTO), equal(tcp), payload(unix.NFT_PAYLOAD_TRANSPORT_HEADER, sport, 2), equal(port...), goTo("out-guarded"))
	}
	for _, chain := range []string{"in-guarded", "out-guarded"} {
		rule(chain, meta(unix.NFT_META_L4PROTO), lookup("lease"), verdict(accept))
		for _, p := range o.Allow {
			rule(chain, append(from(p, chain == "out-guarded"), verdict(accept))...)
		}
	}
	// A reset tells the client to turn elsewhere now instead of waiting for its own patience, and acknowledges nothing.
	rule("in-guarded", meta(unix.NFT_META_L4PROTO), equal(tcp), counter(), reset())
	rule("out-guarded", meta(unix.NFT_META_L4PROTO), equal(tcp), payload(unix.NFT_PAYLOAD_TRANSPORT_HEADER, flags, 1), mask(rst), differs(0), verdict(accept))
	rule("out-guarded", counter(), verdict(drop))
	return batch
}

func table(name string) func(*netlink.AttributeEncoder) {
	return func(a *netlink.AttributeEncoder) {
		a.String(unix.NFTA_TABLE_NAME, name)
		a.Uint32(unix.NFTA_TABLE_FLAGS, 0)
	}
}

// set is one of protocols with time-outs. The id is only for the batch.
func set(table, name string, id uint32) func(*netlink.AttributeEncoder) {
	const inetProto = 12 // the number of nft's type of that name, so that nft prints "tcp"
	return func(a *netlink.AttributeEncoder) {
		a.String(unix.NFTA_SET_TABLE, table)
		a.String(unix.NFTA_SET_NAME, name)
		a.Uint32(unix.NFTA_SET_FLAGS, unix.NFT_SET_TIMEOUT)
		a.Uint32(unix.NFTA_SET_KEY_TYPE, inetProto)
		a.Uint32(unix.NFTA_SET_KEY_LEN, 1)
		a.Uint32(unix.NFTA_SET_ID, id)
	}
}

// expr is one expression of a rule. All of them work on register 1.
type expr struct {
	name string
	data func(*netlink.AttributeEncoder)
}

const register = unix.NFT_REG_1

func meta(key uint32) expr {
	return expr{"meta", func(a *netlink.AttributeEncoder) {
		a.Uint32(unix.NFTA_META_DREG, register)
		a.Uint32(unix.NFTA_META_KEY, key)
	}}
}

func payload(header, offset, length uint32) expr {
	return expr{"payload", func(a *netlink.AttributeEncoder) {
		a.Uint32(unix.NFTA_PAYLOAD_DREG, register)
		a.Uint32(unix.NFTA_PAYLOAD_BASE, header)
		a.Uint32(unix.NFTA_PAYLOAD_OFFSET, offset)
		a.Uint32(unix.NFTA_PAYLOAD_LEN, length)
	}}
}

func equal(value ...byte) expr   { return compare(unix.NFT_CMP_EQ, value) }
func differs(value ...byte) expr { return compare(unix.NFT_CMP_NEQ, value) }

func compare(op uint32, value []byte) expr {
	return expr{"cmp", func(a *netlink.AttributeEncoder) {
		a.Uint32(unix.NFTA_CMP_SREG, register)
		a.Uint32(unix.NFTA_CMP_OP, op)
		data(a, unix.NFTA_CMP_DATA, value)
	}}
}

// mask keeps only these bits.
func mask(bits ...byte) expr {
	return expr{"bitwise", func(a *netlink.AttributeEncoder) {
		a.Uint32(unix.NFTA_BITWISE_SREG, register)
		a.Uint32(unix.NFTA_BITWISE_DREG, register)
		a.Uint32(unix.NFTA_BITWISE_LEN, uint32(len(bits)))
		data(a, unix.NFTA_BITWISE_MASK, bits)
		data(a, unix.NFTA_BITWISE_XOR, make([]byte, len(bits)))
	}}
}

func lookup(set string) expr {
	return expr{"lookup", func(a *netlink.AttributeEncoder) {
		a.String(unix.NFTA_LOOKUP_SET, set)
		a.Uint32(unix.NFTA_LOOKUP_SREG, register)
	}}
}

func counter() expr { return expr{"counter", func(*netlink.AttributeEncoder) {}} }

func reset() expr {
	return expr{"reject", func(a *netlink.AttributeEncoder) {
		a.Uint32(unix.NFTA_REJECT_TYPE, unix.NFT_REJECT_TCP_RST)
		a.Uint8(unix.NFTA_REJECT_ICMP_CODE, 0)
	}}
}

func verdict(code int32) expr { return judge(code, "") }

func goTo(chain string) expr { return judge(unix.NFT_GOTO, chain) }

func judge(code int32, chain string) expr {
	return expr{"immediate", func(a *netlink.AttributeEncoder) {
		a.Uint32(unix.NFTA_IMMEDIATE_DREG, unix.NFT_REG_VERDICT)
		nested(a, unix.NFTA_IMMEDIATE_DATA, func(a *netlink.AttributeEncoder) {
			nested(a, unix.NFTA_DATA_VERDICT, func(a *netlink.AttributeEncoder) {
				a.Int32(unix.NFTA_VERDICT_CODE, code)
				if chain != "" {
					a.String(unix.NFTA_VERDICT_CHAIN, chain)
				}
			})
		})
	}}
}

// from matches packets that come from the prefix, or with to those that go there.
func from(p netip.Prefix, to bool) []expr {
	family, offset := byte(unix.NFPROTO_IPV6), uint32(8)
	if p.Addr().Is4() {
		family, offset = unix.NFPROTO_IPV4, 12
	}
	address := p.Addr().AsSlice()
	length := uint32(len(address))
	if to {
		offset += length // the destination stands right after the source
	}
	bits := make([]byte, length)
	for i := range p.Bits() {
		bits[i/8] |= 0x80 >> (i % 8)
	}
	return []expr{meta(unix.NFT_META_NFPROTO), equal(family), payload(unix.NFT_PAYLOAD_NETWORK_HEADER, offset, length), mask(bits...), equal(address...)}
}

func data(a *netlink.AttributeEncoder, typ uint16, value []byte) {
	nested(a, typ, func(a *netlink.AttributeEncoder) { a.Bytes(unix.NFTA_DATA_VALUE, value) })
}
