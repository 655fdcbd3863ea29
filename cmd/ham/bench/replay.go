package main

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/isacloud/ha-manager/pkg/bus"
	"github.com/isacloud/ha-manager/pkg/evidence"
	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec/file"
	"github.com/isacloud/ha-manager/pkg/subject"
	"github.com/isacloud/ha-manager/services/decider/core"
	"github.com/isacloud/ha-manager/services/decider/replay"
)

// measureReplay: a signed pack of many heartbeats and two decisions, from the file to the verdict that it is decided the same.
func measureReplay(ctx context.Context, b *bench) ([]figure, error) {
	beats := 1_000_000
	if b.quick {
		beats = 200_000
	}
	path := filepath.Join(b.dir, "replay.evidence")
	if err := writeReplayPack(path, beats); err != nil {
		return nil, err
	}
	defer os.Remove(path)
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	rate := figure{What: "replay of an evidence pack: heartbeats read, held against hashes and signature, validated, decided again", Unit: "/s",
		Goal: atLeast("median", 500_000, "/s"), Note: fmt.Sprintf("one group of 2 members with 3 checks from 3 vantages at 1 s, %d heartbeats, a decision before and one after nearly all of them; the file is read twice", beats)}
	cpu := figure{What: "the same for each second of processor time that it was given", Unit: "/s"}
	for range b.runs(10, 3) {
		src, _, err := replay.FromPack(f)
		if err != nil {
			return nil, err
		}
		used, began := processorTime(), time.Now()
		r, err := replay.Run(ctx, src, replay.Options{})
		if err != nil {
			return nil, err
		}
		took, spent := time.Since(began), processorTime()-used
		if r.Heartbeats != uint64(beats) || len(r.Decisions) != 2 || !r.Same() {
			return nil, fmt.Errorf("%d of %d heartbeats and %d decisions were replayed: %s", r.Heartbeats, beats, len(r.Decisions), r.First())
		}
		rate.Values = append(rate.Values, float64(beats)/took.Seconds())
		cpu.Values = append(cpu.Values, float64(beats)/spent.Seconds())
	}
	return []figure{rate, cpu}, nil
}

// processorTime is what this process has used of the processors.
func processorTime() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// writeReplayPack lets a core live through all the heartbeats, and records what it decides: the adoption of a, and, when the last of them find a
// dead, its failover.
func writeReplayPack(path string, beats int) error {
	out, err := os.Create(path)
	if err != nil {
		return err
	}
	defer out.Close()
	const group = "group-0"
	w, err := evidence.NewWriter(out, ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize)), evidence.Head{Group: group, By: "bench", Made: time.Now()})
	if err != nil {
		return err
	}
	began := time.Unix(1_780_000_000, 0).UnixMicro()
	now := began
	seqs := map[string]uint64{}
	add := func(stream, subj string, m message.Message) error {
		h, body, err := message.Encode(m, "/ham/bench/bench", time.UnixMicro(now))
		if err != nil {
			return err
		}
		header, err := json.Marshal(h)
		if err != nil {
			return err
		}
		seqs[stream]++
		return w.Add(&evidence.Record{Stream: stream, Subject: subj, Seq: seqs[stream], Time: now * 1000, Header: header, Body: body})
	}
	vantages := []string{"sp", "rj", "witness"}
	text := strings.NewReplacer("from: [p1]", "from: ["+strings.Join(vantages, ", ")+"]", "quorum: 1", "quorum: 2").Replace(groupText(group))
	g, err := file.ParseGroup(group, text)
	if err != nil {
		return err
	}
	g.Revision = 1
	if err := add(bus.StreamOf(subject.BucketSpec), bus.SubjectOf(subject.BucketSpec, group), &message.Spec{Group: group, Text: text, Actor: "bench", At: now}); err != nil {
		return err
	}
	state := core.New(group, "bench")
	at := func() core.Time {
		return core.Time{Mono: time.Duration(now-began) * time.Microsecond, Stream: now, Wall: now}
	}
	var chain []message.Message
	step := func(in core.Input) {
		for _, o := range state.Step(at(), in) {
			if p, ok := o.(core.Propose); ok {
				chain = append(chain, p.Entry)
			}
		}
	}
	state.Step(at(), core.SpecChanged{Spec: g})
	state.Step(at(), core.LinkChanged{Up: true})
	looks := newLooks(1)
	every := int64(time.Second/time.Microsecond) / int64(len(vantages)*len(lookMembers)*len(lookChecks))
	var hb *message.Heartbeat
	for n := range beats {
		now += every
		if n%len(vantages) == 0 {
			hb = looks.next()
		}
		hb.Vantage = vantages[n%len(vantages)]
		if n > beats-40 && hb.Member == "a" {
			hb.Answer, hb.Hard = message.Down, true
		} else {
			hb.Answer, hb.Hard = message.Up, false
		}
		if err := add(subject.StreamHeartbeats, subject.Heartbeat(group, hb.Member, hb.Vantage), hb); err != nil {
			return err
		}
		step(&core.HeartbeatSeen{Heartbeat: hb, Seq: uint64(n + 1), Stored: now})
		for len(chain) > 0 { // stored, held, and done, a moment later
			c, ok := chain[0].(*message.Command)
			if chain = chain[1:]; !ok {
				continue
			}
			now++
			held := &message.Held{ID: c.ID + "-held", Group: group, Epoch: c.Epoch, Primary: c.Primary, Command: c.ID, Executor: "bench"}
			for _, m := range []message.Message{c, held} {
				if err := add(subject.StreamCommands, subject.Command(group), m); err != nil {
					return err
				}
				step(core.ChainRead{Entry: m, Seq: seqs[subject.StreamCommands], Stored: now, InOrder: true})
			}
			run := &message.RunResult{ID: c.ID + "-done", Group: group, Epoch: c.Epoch, Command: c.ID, Kind: c.Kind, Primary: c.Primary, State: message.StateDone,
				Executor: "bench", Sentence: "done"}
			if err := add(subject.StreamSafety, subject.Safety(group, subject.SafetyRun, "bench"), run); err != nil {
				return err
			}
			step(core.SafetyRead{Message: run, Seq: seqs[subject.StreamSafety], Stored: now})
		}
	}
	if err := w.Close(); err != nil {
		return err
	}
	return out.Close()
}
