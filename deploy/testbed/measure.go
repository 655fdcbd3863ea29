//go:build linux

package main

import (
	"slices"
	"time"
)

// gaps are the longest time between two acknowledgements of one client that ends after the fault, and the one during which the fault came.
func gaps(acks []ack, fault time.Duration) (longest, at time.Duration) {
	for i := 1; i < len(acks); i++ {
		if acks[i].at <= fault {
			continue
		}
		d := acks[i].at - acks[i-1].at
		longest = max(longest, d)
		if acks[i-1].at <= fault {
			at = d
		}
	}
	return longest, at
}

// overlap is for how long the old node still acknowledged after the first acknowledgement of another one since the fault; 0: never. What the old one
// acknowledges after the last of the other is no overlap: the role went back.
func overlap(all []ack, old string, fault time.Duration) time.Duration {
	first, last := time.Duration(-1), time.Duration(-1)
	for _, a := range all {
		if a.node != old && a.at > fault {
			if first < 0 || a.at < first {
				first = a.at
			}
			last = max(last, a.at)
		}
	}
	var worst time.Duration
	for _, a := range all {
		if a.node == old && first >= 0 && a.at > first && a.at < last {
			worst = max(worst, a.at-first)
		}
	}
	return worst
}

// flicker is the shortest time for which one node acknowledged between two acknowledgements of another one, where that is below limit: no swap and
// swap back can be so quick, so two acknowledged at once. 0: none.
func flicker(all []ack, limit time.Duration) time.Duration {
	all = inOrder(all)
	type run struct {
		node     string
		from, to time.Duration
	}
	var runs []run
	for _, a := range all {
		if n := len(runs); n > 0 && runs[n-1].node == a.node {
			runs[n-1].to = a.at
		} else {
			runs = append(runs, run{a.node, a.at, a.at})
		}
	}
	var found time.Duration
	for i := 1; i+1 < len(runs); i++ {
		if between := runs[i+1].from - runs[i-1].to; between < limit && runs[i-1].node == runs[i+1].node && (found == 0 || between < found) {
			found = between
		}
	}
	return found
}

// spread is minimum, median and maximum.
func spread(v []float64) (low, mid, high float64) {
	if len(v) == 0 {
		return 0, 0, 0
	}
	v = slices.Sorted(slices.Values(v))
	n := len(v)
	mid = v[n/2]
	if n%2 == 0 {
		mid = (v[n/2-1] + v[n/2]) / 2
	}
	return v[0], mid, v[n-1]
}

// inOrder sorts the acknowledgements of several clients by time.
func inOrder(acks []ack) []ack {
	acks = slices.Clone(acks)
	slices.SortStableFunc(acks, func(a, b ack) int { return int(a.at - b.at) })
	return acks
}
