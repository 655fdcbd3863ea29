package main

import (
	"context"
	"fmt"
	"time"

	"github.com/isacloud/ha-manager/pkg/spec"
	"github.com/isacloud/ha-manager/pkg/spec/file"
	"github.com/isacloud/ha-manager/services/decider/whatif"
)

// measureWhatIf: every single fault of 100 groups, of which every tenth is a leased PostgreSQL pair.
func measureWhatIf(ctx context.Context, b *bench) ([]figure, error) {
	groups, err := whatIfGroups(100)
	if err != nil {
		return nil, err
	}
	took := figure{What: "ham what-if of 100 groups", Unit: "s", Goal: atMost("max", 5, "s")}
	spent := figure{What: "the same: processor time, all threads", Unit: "s"}
	for range b.runs(10, 3) {
		began, before := time.Now(), processorTime()
		r, err := whatif.Run(ctx, groups, whatif.Options{})
		if err != nil {
			return nil, err
		}
		took.Values = append(took.Values, time.Since(began).Seconds())
		spent.Values = append(spent.Values, (processorTime() - before).Seconds())
		faults := 0
		for i := range r.Groups {
			faults += len(r.Groups[i].Rows)
		}
		took.Note = fmt.Sprintf("%d faults, each played from a healthy beginning in the decider's core; 3 vantages, 2 members, 1 to 3 checks a group, every tenth with a lease", faults)
	}
	return []figure{took, spent}, nil
}

// whatIfGroups are pairs of web servers, and every tenth a pair of databases.
func whatIfGroups(n int) ([]*spec.Group, error) {
	var out []*spec.Group
	for i := range n {
		text := fmt.Sprintf(`group: web-%[1]d
mode: auto
objectives: {rto: 5s}
members:
  a: {site: sp, url: "http://192.0.2.%[1]d:8080"}
  b: {site: rj, url: "http://198.51.100.%[1]d:8080"}
adopt: a
checks:
  alive: {http: /alive, every: 1s, timeout: 300ms, from: [sp, rj, witness]}
  deep: {http: /ready, every: 5s, timeout: 2s, effect: ready, from: [sp, rj, witness]}
routes:
  front: {haproxy: ["tcp://192.0.2.2:9999", "tcp://198.51.100.2:9999"], backend: web, servers: {a: s1, b: s2}}
policy: {quorum: 2}
`, i)
		if i%10 == 9 {
			text = fmt.Sprintf(`group: db-%[1]d
mode: auto
use: postgres-pair
with:
  members:
    a: {site: sp, host: 192.0.2.%[1]d}
    b: {site: rj, host: 198.51.100.%[1]d}
  witness: {site: mg, host: 203.0.113.5}
  service: systemd:postgresql@15-main
  durability: never-lose
  route: {haproxy: "tcp://203.0.113.20:9999", backend: orders}
adopt: a
`, i)
		}
		f, err := file.Parse("groups.yaml", []byte(text))
		if err != nil {
			return nil, err
		}
		out = append(out, f.Groups[0].Group)
	}
	return out, nil
}
