package demo

import "fmt"

// spec is the one file of the demo: what a user would write for two servers behind one proxy, but for the short times,
// which let a person watch it all in half a minute.
func specText(siteA, siteB, admin string) string {
	return fmt.Sprintf(`group: web
mode: auto
objectives: {rto: 1s}
members:
  a: {site: sp, url: "http://%s"}
  b: {site: rj, url: "http://%s"}
adopt: a
checks:
  alive: {http: /alive, every: 250ms, timeout: 150ms, from: [sp, rj, witness]}
routes:
  front: {haproxy: ["%s"], backend: web, servers: {a: s1, b: s2}, drain: 1s}
policy: {quorum: 2, fall: 3, rise: 2, stable_for: 1s, cooldown: 2s, budget: 100 per 24h, undo_window: 3s}
notify:
  - {to: chat, from: notice}
---
ham:
  name: demo
  site: sp
  prober: {vantages: [sp, rj, witness]}
  channels:
    - {name: chat, kind: log}
`, siteA, siteB, admin)
}
