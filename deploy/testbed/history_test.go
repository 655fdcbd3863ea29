//go:build linux

package main

import (
	"slices"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/stretchr/testify/require"
)

// op is one operation from..to in ms. value 0: a read of was.
func op(client, from, to int, value, was int64) porcupine.Operation {
	return porcupine.Operation{
		ClientId: client, Call: int64(from) * 1e6, Return: int64(to) * 1e6, Input: input{key: 3, value: value}, Output: output{value: was},
	}
}

func lost(client, from int, value int64) porcupine.Operation {
	o := op(client, from, 0, value, 0)
	o.Output, o.Return = output{unknown: true}, forever
	return o
}

// TestLinearizable: the check finds what the bed is there to find, and nothing else.
func TestLinearizable(t *testing.T) {
	for name, x := range map[string]struct {
		want porcupine.CheckResult
		ops  []porcupine.Operation
	}{
		"one after the other":                            {porcupine.Ok, []porcupine.Operation{op(1, 0, 1, 101, 0), op(2, 2, 3, 102, 101), op(1, 4, 5, 0, 102)}},
		"an acknowledged write is lost":                  {porcupine.Illegal, []porcupine.Operation{op(1, 0, 1, 101, 0), op(2, 2, 3, 102, 0)}},
		"an acknowledged write is lost, says a read":     {porcupine.Illegal, []porcupine.Operation{op(1, 0, 1, 101, 0), op(2, 2, 3, 0, 0)}},
		"an old primary still answers reads":             {porcupine.Illegal, []porcupine.Operation{op(1, 0, 1, 101, 0), op(1, 2, 3, 102, 101), op(2, 4, 5, 0, 101)}},
		"two acknowledge":                                {porcupine.Illegal, []porcupine.Operation{op(1, 0, 1, 101, 0), op(2, 0, 1, 102, 0)}},
		"a write of unknown outcome was done":            {porcupine.Ok, []porcupine.Operation{lost(1, 0, 101), op(2, 2, 3, 102, 101)}},
		"a write of unknown outcome was not done":        {porcupine.Ok, []porcupine.Operation{lost(1, 0, 101), op(2, 2, 3, 102, 0)}},
		"a write of unknown outcome was done later":      {porcupine.Ok, []porcupine.Operation{lost(1, 0, 101), op(2, 2, 3, 102, 0), op(2, 4, 5, 103, 101), op(2, 6, 7, 0, 103)}},
		"a write of unknown outcome was done, then lost": {porcupine.Illegal, []porcupine.Operation{lost(1, 0, 101), op(2, 2, 3, 0, 101), op(2, 4, 5, 102, 0)}},
	} {
		got, _ := linearizable(x.ops, time.Minute)
		require.Equal(t, x.want, got, name)
	}
}

// TestScheduleIsReproducible: a seed is all that a failed sequence needs to be run again.
func TestScheduleIsReproducible(t *testing.T) {
	const length = 30 * time.Second
	seen := map[string]bool{}
	for seed := range uint64(200) {
		acts := schedule(seed, length)
		require.Equal(t, acts, schedule(seed, length))
		require.Equal(t, acts, mirrored(mirrored(acts)))
		if seed%10 == 0 {
			require.Equal(t, "bus", acts[0].what)
			require.Greater(t, acts[1].at, acts[0].until, "the bus is gone alone")
		}
		require.NotEmpty(t, acts, "seed %d", seed)
		for _, x := range acts {
			seen[x.what] = true
			require.Less(t, x.at, length)
			require.LessOrEqual(t, x.until, length, "what is broken is healed before the end")
			if x.what != "bus" && x.what != "pause" && x.what != "abort" {
				require.NotEmpty(t, x.a)
			}
			require.Equal(t, lasts(x.what), x.until > 0, "%s", x)
		}
	}
	for _, k := range append(slices.Clone(kinds), midway...) {
		require.True(t, seen[k] || k == "swap", k) // which is two acts
	}
}
