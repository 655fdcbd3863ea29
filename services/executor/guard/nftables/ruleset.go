package nftables

import (
	"fmt"
	"strings"
)

// Ruleset is the shut guard as a file for the nft program, to be loaded at boot before the network is up: it replaces what is there
// of this group's table and touches nothing else. Prepare takes over what it loads. Loaded on a serving primary it shuts the guard.
func Ruleset(o Options) (string, error) {
	o, err := o.check()
	if err != nil {
		return "", err
	}
	var b strings.Builder
	table := o.table()
	fmt.Fprintf(&b, `# Keeps clients from group %s until its executor has the lease. Load it at boot, before the network: nft -f THIS-FILE
table inet %s
delete table inet %s
table inet %s {
	set lease { type inet_proto; flags timeout; }
	set ticket { type inet_proto; flags timeout; }
	chain in {
		type filter hook input priority filter; policy accept;
`, o.Group, table, table, table)
	for _, p := range o.Ports {
		fmt.Fprintf(&b, "\t\ttcp dport %d goto in-guarded\n", p)
	}
	b.WriteString("\t}\n\tchain out {\n\t\ttype filter hook output priority filter; policy accept;\n")
	for _, p := range o.Ports {
		fmt.Fprintf(&b, "\t\ttcp sport %d goto out-guarded\n", p)
	}
	b.WriteString("\t}\n")
	for _, c := range []struct{ name, addr, end string }{
		{"in", "saddr", "\t\tmeta l4proto tcp counter reject with tcp reset\n"},
		{"out", "daddr", "\t\ttcp flags & rst != 0 accept\n\t\tcounter drop\n"},
	} {
		fmt.Fprintf(&b, "\tchain %s-guarded {\n\t\tmeta l4proto @lease accept\n", c.name)
		for _, p := range o.Allow {
			family := "ip6"
			if p.Addr().Is4() {
				family = "ip"
			}
			fmt.Fprintf(&b, "\t\t%s %s %s accept\n", family, c.addr, p)
		}
		b.WriteString(c.end + "\t}\n")
	}
	b.WriteString("}\n")
	return b.String(), nil
}
