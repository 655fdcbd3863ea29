package file

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec"
)

var postgresPair = preset{
	name: "postgres-pair", with: sectionOf(&postgresPairObject), member: sectionOf(&postgresMemberObject),
	expand: expandPostgresPair,
}

var postgresPairObject = object[pair]{
	title: "postgres-pair",
	means: "What stands below with where a group says use: postgres-pair. `ham validate --expanded FILE` shows what it amounts to.",
	keys: append(pairKeys(&postgresMemberObject), []key[pair]{
		required(choice("durability", "", []string{message.NeverLose, message.NeverStop}, "What gives way when the standby is gone: see [group](#group).",
			func(p *pair) *string { return &p.durability })),
		addressKey("service", "pg_ctl, systemd:<unit> or cluster:<version>/<name>", "Who runs the servers: see [postgres](#postgres). A member may have its own.", badService, func(p *pair) *string { return &p.service }),
		pathKey("data", "The data directory.", func(p *pair) *string { return &p.data }),
		pathKey("bin", "The directory of pg_ctl and its like.", func(p *pair) *string { return &p.bin }),
		addressKey("run_as", "a user", "The user who owns data and runs the server.", badUser, func(p *pair) *string { return &p.runAs }),
		defaulting(pathKey("socket", "The directory of the servers' unix socket.", func(p *pair) *string { return &p.socket }), "/var/run/postgresql"),
		defaulting(textKey("user", "a role", "The role that probers and looks log in as.", func(p *pair) *string { return &p.user }), "ham"),
		secretKey("password", "Its password, without ' and \\. Left out: the server asks for none.", true, func(p *pair) *spec.Secret { return &p.password }),
		defaulting(textKey("local_user", "a role", "The role that the executor beside a server logs in as, by the unix socket and without a password.", func(p *pair) *string { return &p.localUser }), "ham_local"),
		defaulting(textKey("database", "a name", "The database that ham logs in to.", func(p *pair) *string { return &p.database }), "postgres"),
		defaulting(textKey("replication_user", "a role", "The role that standbys stream as.", func(p *pair) *string { return &p.replicationUser }), "ham_replication"),
		secretKey("replication_password", "Its password, without ' and \\.", true, func(p *pair) *spec.Secret { return &p.replicationPassword }),
	}...),
	also: func(_ cursor, _ map[string]bool, p *pair) {
		p.socket, p.user, p.localUser = cmp.Or(p.socket, "/var/run/postgresql"), cmp.Or(p.user, "ham"), cmp.Or(p.localUser, "ham_local")
		p.database, p.replicationUser = cmp.Or(p.database, "postgres"), cmp.Or(p.replicationUser, "ham_replication")
	},
}

var postgresMemberObject = object[pairMember]{
	title: "member of a postgres-pair",
	means: "One server of the pair.",
	keys: append(pairMemberKeys(5432), []key[pairMember]{
		defaulting(dsnKey("dsn", "How ham reaches it over the network.", func(m *pairMember) *spec.Secret { return &m.dsn }), "made of host, port, user, database and password"),
		defaulting(addressKey("service", "pg_ctl, systemd:<unit> or cluster:<version>/<name>", "Who runs this server.", badService, func(m *pairMember) *string { return &m.service }), "that of the pair"),
		defaulting(pathKey("data", "Its data directory.", func(m *pairMember) *string { return &m.data }), "that of the pair"),
		defaulting(pathKey("bin", "Its directory of pg_ctl and its like.", func(m *pairMember) *string { return &m.bin }), "that of the pair"),
		defaulting(addressKey("run_as", "a user", "The user who owns its data.", badUser, func(m *pairMember) *string { return &m.runAs }), "that of the pair"),
	}...),
}

func expandPostgresPair(c cursor) string {
	var p pair
	postgresPairObject.read(c, &p)
	p.complete(c)
	var b strings.Builder
	if p.durability == message.NeverLose {
		b.WriteString("objectives: {rto: 5s, rpo: 0s}\n")
	} else {
		b.WriteString("objectives: {rto: 5s}\n")
	}
	b.WriteString("members:\n")
	for _, m := range p.members {
		service := cmp.Or(m.service, p.service)
		if service == "" {
			c.r.failAt("with.service", "is missing, want who runs the servers: pg_ctl, systemd:<unit> such as systemd:postgresql@15-main, or cluster:<version>/<name>")
			return ""
		}
		fmt.Fprintf(&b, "  %s:\n    site: %s\n    executor: %s\n    peer: %s\n    ports: [%d]\n    allow: %s\n    postgres:\n", word(m.name), word(m.site), word(m.executor), quoted(m.peer), m.port, p.allowed())
		dsn := string(m.dsn)
		if dsn == "" {
			dsn = pairs("host", m.host, "port", fmt.Sprint(m.port), "user", p.user, "dbname", p.database, "password", string(p.password))
		}
		fmt.Fprintf(&b, "      dsn: %s\n", quoted(dsn))
		fmt.Fprintf(&b, "      local: %s\n", quoted(pairs("host", p.socket, "port", fmt.Sprint(m.port), "user", p.localUser, "dbname", p.database)))
		fmt.Fprintf(&b, "      upstream: %s\n", quoted(pairs("host", m.host, "port", fmt.Sprint(m.port), "user", p.replicationUser, "password", string(p.replicationPassword))))
		fmt.Fprintf(&b, "      service: %s\n", quoted(service))
		for _, more := range []struct{ key, value string }{{"data", cmp.Or(m.data, p.data)}, {"bin", cmp.Or(m.bin, p.bin)}, {"run_as", cmp.Or(m.runAs, p.runAs)}} {
			if more.value != "" {
				fmt.Fprintf(&b, "      %s: %s\n", more.key, quoted(more.value))
			}
		}
	}
	return b.String() + p.common("postgres")
}

// pairs writes a DSN as key=value; what is empty is left out. What a reference stands for is put between the quotes as it is.
func pairs(kv ...string) string {
	var out []string
	for i := 0; i+1 < len(kv); i += 2 {
		v := kv[i+1]
		if v == "" {
			continue
		}
		switch {
		case len(spec.Refs(v)) > 0:
			v = "'" + v + "'"
		case strings.ContainsAny(v, ` '\`):
			v = "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(v) + "'"
		}
		out = append(out, kv[i]+"="+v)
	}
	return strings.Join(out, " ")
}
