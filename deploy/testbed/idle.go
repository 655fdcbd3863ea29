//go:build linux

package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

const idleFor = 30 * time.Second

// idle measures what the manager costs when nothing happens: every process of all hosts but the databases.
func idle(ctx context.Context, b *bed, r *result) error {
	if err := wait(ctx, 10*time.Second); err != nil { // what setting up left to do
		return err
	}
	before := map[int]float64{}
	var pids []int
	for _, h := range b.hosts {
		for _, pid := range h.pids() {
			if !b.db.owns(pid) {
				pids = append(pids, pid)
				before[pid] = cpuSeconds(pid)
			}
		}
	}
	began := time.Now()
	if err := wait(ctx, idleFor); err != nil {
		return err
	}
	took := time.Since(began).Seconds()
	byName := map[string]*part{}
	for _, pid := range pids {
		cpu, rss := cpuSeconds(pid)-before[pid], rssMiB(pid)
		if rss == 0 {
			continue // it has ended
		}
		name := programOf(pid)
		p := byName[name]
		if p == nil {
			p = &part{Name: name}
			byName[name] = p
		}
		p.CPU += 100 * cpu / took
		p.RSS += rss
		r.CPU += 100 * cpu / took
		r.RSS += rss
	}
	for _, p := range byName {
		r.Parts = append(r.Parts, *p)
	}
	slices.SortFunc(r.Parts, func(a, b part) int { return strings.Compare(a.Name, b.Name) })
	return nil
}

// ticksPerSecond of /proc: the same on every Linux that Go runs on.
const ticksPerSecond = 100

func cpuSeconds(pid int) float64 {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	f := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	if len(f) < 13 {
		return 0
	}
	user, _ := strconv.ParseFloat(f[11], 64)
	system, _ := strconv.ParseFloat(f[12], 64)
	return (user + system) / ticksPerSecond
}

func rssMiB(pid int) float64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	for l := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(l, "VmRSS:"); ok {
			kib, _ := strconv.ParseFloat(strings.Fields(rest)[0], 64)
			return kib / 1024
		}
	}
	return 0
}

// programOf is a process's name; of an interpreter, that of its script.
func programOf(pid int) string {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if err != nil {
		return "?"
	}
	argv := strings.Split(string(text), "\x00")
	name := filepath.Base(argv[0])
	if strings.HasPrefix(name, "python") && len(argv) > 1 {
		name = filepath.Base(argv[1])
	}
	return name
}
