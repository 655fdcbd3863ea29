package core

import (
	"slices"
	"testing"
	"time"

	"github.com/isacloud/ha-manager/pkg/message"
)

// TestEachProposalExpectsWhatWasReadLast, in worlds in which much is proposed.
func TestEachProposalExpectsWhatWasReadLast(t *testing.T) {
	n := 0
	for seed := range uint64(4) {
		simulateWith(seed, pair(), func(w *world) {
			w.out = func(d *decider, o Output) {
				if p, ok := o.(Propose); ok {
					n++
					if p.After != d.s.chain.seq {
						t.Errorf("seed %d: %s proposes after %d, and has read up to %d", seed, d.name, p.After, d.s.chain.seq)
					}
					after := slices.IndexFunc(w.chain, func(e entry) bool { return e.seq == p.After })
					if p.After != 0 && after < 0 {
						t.Fatalf("seed %d: %s proposes after %d, which never was", seed, d.name, p.After)
					}
				}
			}
		})
	}
	if n < 20 {
		t.Fatalf("only %d proposals", n)
	}
}

func TestHeldOfAnotherCommandIsRejected(t *testing.T) {
	w := newWorld(pair())
	d := w.start("d1")
	w.route("front", "tcp://192.0.2.2:9999", "a")
	w.exec.mode = "off"
	w.run(5 * time.Second)
	c := w.chain[0].m.(*message.Command)
	held := func(epoch uint64, command, primary string) []Output {
		w.seq++
		return d.s.Step(d.time(), ChainRead{Entry: &message.Held{ID: "h" + command, Group: "web", Epoch: epoch, Command: command, Primary: primary, Executor: "x"}, Seq: w.seq, Stored: w.stream(), InOrder: true})
	}
	rejected := func(outs []Output) bool {
		return slices.ContainsFunc(outs, func(o Output) bool { _, ok := o.(Reject); return ok })
	}
	for _, bad := range [][]Output{held(2, c.ID, "a"), held(1, "another", "a"), held(1, c.ID, "b")} {
		if !rejected(bad) || d.s.chain.held {
			t.Errorf("it was taken: %v", bad)
		}
	}
	if rejected(held(1, c.ID, "a")) || !d.s.chain.held {
		t.Error("the right one was not taken")
	}
	if !rejected(held(1, c.ID, "a")) {
		t.Error("it was taken twice")
	}
}
