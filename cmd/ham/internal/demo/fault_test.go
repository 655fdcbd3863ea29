package demo

import (
	"context"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A site does what it was told: cut off it hears and nothing of its answer arrives, slow it answers late, and well it answers.
func TestASiteBehavesAsItIsTold(t *testing.T) {
	addr, err := freeAddr()
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- ServeSite(ctx, "a", addr) }()
	defer func() { cancel(); require.NoError(t, <-served) }()
	d := &demo{story: &story{out: io.Discard, began: time.Now()}, addrs: map[string]string{"a": addr}}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	ask := func(patience time.Duration) error {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		_, err := get(ctx, client, "http://"+addr+"/")
		return err
	}
	require.Eventually(t, func() bool { return ask(time.Second) == nil }, 20*time.Second, 10*time.Millisecond)
	require.NoError(t, d.siteMode(modeCut)(ctx, "a"))
	require.ErrorIs(t, ask(slowBy+200*time.Millisecond), context.DeadlineExceeded)
	require.NoError(t, d.siteMode(modeSlow)(ctx, "a"))
	began := time.Now()
	require.NoError(t, ask(20*time.Second))
	require.GreaterOrEqual(t, time.Since(began), slowBy)
	require.NoError(t, d.siteMode(modeWell)(ctx, "a"))
	require.NoError(t, ask(20*time.Second))
}
