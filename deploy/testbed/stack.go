//go:build linux

package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

// stack is a manager as it stands on the bed: what keeps the pair available.
type stack interface {
	// setUp puts the running pair under the manager, and returns when clients can write through the endpoint and the standby may take over.
	setUp(ctx context.Context, b *bed) error
	// endpoint is where clients on the router write.
	endpoint() string
	// boot starts on a host what its init system would after a power cut.
	boot(ctx context.Context, h *host) error
	killAgent(h *host) error
	startAgent(ctx context.Context, h *host) error
	// switchover is the manager's own, ended when its command has.
	switchover(ctx context.Context, from, to *host) error
	// busPorts are those through which the managers agree.
	busPorts() []int
	// diagnosis is what the manager says of itself, for the logs of a run that went wrong.
	diagnosis(ctx context.Context) string
	// ready is nil when a swap would be done now.
	ready(ctx context.Context, primary *host) error
}

// setting is a stack with one set of its settings.
type setting struct {
	stack, name string
	means       string
	make        func() stack
	// db is what the pair is; nil: PostgreSQL.
	db database
	// loses: what was acknowledged may be lost when the primary is lost without a word. A planned swap loses nothing all the same.
	loses bool
	// byName: it is meant only where it is named in full.
	byName bool
}

// ours: the manager is this project's.
func (s setting) ours() bool { return s.stack == "ham" || s.stack == "redis" }

func (s setting) database() database {
	if s.db == nil {
		return postgres{}
	}
	return s.db
}

// meets says whether the setting can be put under the fault.
func (s setting) meets(x fault) bool {
	switch {
	case x.name == "drill":
		return s.ours() // the others have none
	case x.name == "clock":
		return s.stack == "ham" // libfaketime makes Python's own waits fail: the agent would die of that, and not of the step
	case x.disk != "":
		return s.stack != "redis" // it writes its files now and then, and waits for none of them
	}
	return true
}

// settings are all that the bed knows.
func settings() []setting {
	asDelivered := hamSettings{ttl: 1500 * time.Millisecond, durability: "never-lose"}
	tight := asDelivered
	tight.ttl = 600 * time.Millisecond
	async := asDelivered
	async.durability = "never-stop"
	long := asDelivered
	long.ttl = 6 * time.Second
	bouncer := asDelivered
	bouncer.bouncer = true
	cache, cacheTight := hamSettings{ttl: asDelivered.ttl, redis: true}, hamSettings{ttl: tight.ttl, redis: true}
	return []setting{
		{stack: "ham", name: "default", means: "as delivered: never-lose, a lease of 1.5 s; HAProxy by its runtime API", make: func() stack { return newHam(asDelivered) }},
		{stack: "ham", name: "tight", means: "never-lose, the shortest lease (600 ms)", make: func() stack { return newHam(tight) }},
		{stack: "ham", name: "async", means: "never-stop, else as default", make: func() stack { return newHam(async) }, loses: true},
		{stack: "ham", name: "bouncer", means: "as default, clients through PgBouncer, which a planned swap pauses", make: func() stack { return newHam(bouncer) }},
		{
			stack: "ham", name: "long", means: "as default, a lease of 6 s: a lost primary is noticed long before its lease has run out", byName: true,
			make: func() stack { return newHam(long) },
		},
		{
			stack: "redis", name: "default", means: "ham with a Redis pair as delivered: a lease of 1.5 s; HAProxy by its runtime API; clients SET", db: redisPair{}, loses: true,
			make: func() stack { return newHam(cache) },
		},
		{stack: "redis", name: "wait", means: "the same; clients SET, then WAIT 1", db: redisPair{wait: true}, make: func() stack { return newHam(cache) }},
		{
			stack: "redis", name: "restarts", means: "as default, and a server that ended is started again by its init system after 100 ms (Restart=always)", db: redisPair{again: true},
			loses: true, byName: true, make: func() stack { return newHam(cache) },
		},
		{stack: "redis", name: "tight", means: "as default, the shortest lease (600 ms)", db: redisPair{}, loses: true, make: func() stack { return newHam(cacheTight) }},
		{stack: "patroni", name: "default", means: "ttl 30, loop_wait 10, retry_timeout 10; HAProxy asks every 3 s, fall 3 rise 2", make: func() stack { return newPatroni(30, 10, 10, "3s", 3, 2) }},
		{stack: "patroni", name: "tuned", means: "ttl 20, loop_wait 1, retry_timeout 3, the documented minima; HAProxy asks every 100 ms, fall 2 rise 1", make: func() stack { return newPatroni(20, 1, 3, "100ms", 2, 1) }},
		{stack: "patroni", name: "aggr", means: "ttl 7, loop_wait 1, retry_timeout 3, the least that works; HAProxy as in tuned", make: func() stack { return newPatroni(7, 1, 3, "100ms", 2, 1) }},
	}
}

// choose finds the settings that a list names: "ham", "patroni:tuned".
func choose(list string) ([]setting, error) {
	all := settings()
	var out []setting
	for _, want := range strings.Split(list, ",") {
		n := len(out)
		for _, s := range all {
			if want == s.stack && !s.byName || want == s.stack+":"+s.name {
				out = append(out, s)
			}
		}
		if len(out) == n {
			var names []string
			for _, s := range all {
				names = append(names, s.stack+":"+s.name)
			}
			slices.Sort(names)
			return nil, fmt.Errorf("%q is no stack, want one of %s", want, strings.Join(names, ", "))
		}
	}
	return out, nil
}
