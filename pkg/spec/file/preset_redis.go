package file

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec"
)

var redisPair = preset{
	name: "redis-pair", with: sectionOf(&redisPairObject), member: sectionOf(&redisMemberObject),
	expand: expandRedisPair,
}

var redisPairObject = object[pair]{
	title: "redis-pair",
	means: "What stands below with where a group says use: redis-pair. Redis tells its client that a write is done before a standby has it: its durability is never-stop.",
	keys: append(pairKeys(&redisMemberObject), []key[pair]{
		secretKey("password", "The servers' password (requirepass and masterauth).", true, func(p *pair) *spec.Secret { return &p.password }),
		defaulting(redisService(func(p *pair) *string { return &p.service }), "none: ham sends the servers commands and starts nothing"),
	}...),
}

var redisMemberObject = object[pairMember]{
	title: "member of a redis-pair",
	means: "One server of the pair.",
	keys:  append(pairMemberKeys(6379), defaulting(redisService(func(m *pairMember) *string { return &m.service }), "that of the pair")),
}

func expandRedisPair(c cursor) string {
	p := pair{durability: message.NeverStop}
	redisPairObject.read(c, &p)
	p.complete(c)
	var b strings.Builder
	b.WriteString("objectives: {rto: 5s}\nmembers:\n")
	for _, m := range p.members {
		fmt.Fprintf(&b, "  %s:\n    site: %s\n    executor: %s\n    peer: %s\n    ports: [%d]\n    allow: %s\n    redis:\n      address: %s\n", word(m.name), word(m.site), word(m.executor), quoted(m.peer), m.port,
			p.allowed(), quoted(hostPort(m.host, fmt.Sprint(m.port))))
		if p.password != "" {
			fmt.Fprintf(&b, "      password: %s\n", quoted(string(p.password)))
		}
		if service := cmp.Or(m.service, p.service); service != "" {
			fmt.Fprintf(&b, "      service: %s\n", quoted(service))
		}
	}
	return b.String() + p.common("redis")
}
