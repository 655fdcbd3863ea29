//go:build linux

package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func at(millis ...int) []ack {
	var out []ack
	for _, m := range millis {
		out = append(out, ack{at: time.Duration(m) * time.Millisecond})
	}
	return out
}

func by(node string, acks []ack) []ack {
	for i := range acks {
		acks[i].node = node
	}
	return acks
}

func TestGaps(t *testing.T) {
	const fault = 100 * time.Millisecond
	for name, x := range map[string]struct {
		acks            []ack
		longest, during int
	}{
		"the gap that the fault made":                                      {at(90, 95, 300, 305), 205, 205},
		"what is before the fault does not count":                          {at(0, 90, 102, 107), 12, 12},
		"backends that outlive the fault for a moment do not hide the gap": {at(95, 101, 400), 299, 6},
		"a gap at the fault itself":                                        {at(100, 180), 80, 80},
		"none after":                                                       {at(90, 95), 0, 0},
		"nothing":                                                          {nil, 0, 0},
	} {
		longest, during := gaps(x.acks, fault)
		require.Equal(t, time.Duration(x.longest)*time.Millisecond, longest, name)
		require.Equal(t, time.Duration(x.during)*time.Millisecond, during, name)
	}
}

func TestOverlap(t *testing.T) {
	const fault = 100 * time.Millisecond
	for name, x := range map[string]struct {
		old, other []ack
		want       int
	}{
		"one after the other":          {at(90, 95), at(200, 300), 0},
		"both at once":                 {at(90, 250), at(200, 300), 50},
		"the role went back":           {at(90, 400, 410), at(200, 300), 0},
		"both, then it went back":      {at(90, 250, 400), at(200, 300), 50},
		"the other before the fault":   {at(90, 150), at(80), 0},
		"nobody else":                  {at(90, 150), nil, 0},
		"the old one stopped for good": {nil, at(200), 0},
	} {
		all := append(by("sp", x.old), by("rj", x.other)...)
		require.Equal(t, time.Duration(x.want)*time.Millisecond, overlap(all, "sp", fault), name)
	}
}

func TestFlicker(t *testing.T) {
	sp, rj := by("sp", at(0, 10, 20)), by("rj", at(500, 510))
	require.Zero(t, flicker(append(sp, rj...), 300*time.Millisecond))
	back := append(append(sp, rj...), by("sp", at(900))...)
	require.Zero(t, flicker(back, 300*time.Millisecond), "a swap and a swap back take longer")
	twice := append(back, by("rj", at(950))...)
	require.Equal(t, 440*time.Millisecond, flicker(twice, 500*time.Millisecond))
}

func TestSpread(t *testing.T) {
	low, mid, high := spread([]float64{3, 1, 2, 10})
	require.Equal(t, []float64{1, 2.5, 10}, []float64{low, mid, high})
	low, mid, high = spread([]float64{7})
	require.Equal(t, []float64{7, 7, 7}, []float64{low, mid, high})
}
