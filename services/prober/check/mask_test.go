package check

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/isacloud/ha-manager/pkg/spec"
)

func env(values map[string]string) spec.Lookup {
	return func(_, name string) (string, error) {
		if v, ok := values[name]; ok {
			return v, nil
		}
		return "", errors.New("not set")
	}
}

func TestMaskHidesWhatItResolved(t *testing.T) {
	t.Parallel()
	const secret = "pä ss/\"w\"\nsecond line"
	var m Mask
	v, err := m.Resolve("Bearer ${env:A}${env:B}", env(map[string]string{"A": secret, "B": "pä"}))
	require.NoError(t, err)
	require.Equal(t, "Bearer "+secret+"pä", v)
	path := url.URL{Path: "/" + secret}
	for _, said := range []string{
		secret, fmt.Sprintf("%q", secret), url.QueryEscape(secret), url.PathEscape(secret), path.String(), "only the second line of it", "pä alone",
	} {
		clean := m.Clean("x " + said + " y")
		require.Contains(t, clean, "***", said)
		for _, piece := range []string{"ss/", "second line", "pä"} {
			require.NotContains(t, clean, piece, said)
		}
	}
}

func TestMaskErrorNamesTheReference(t *testing.T) {
	t.Parallel()
	var m Mask
	_, err := m.Resolve("Bearer ${env:TOKEN}", env(nil))
	require.EqualError(t, err, "reference ${env:TOKEN}: not set")
	_, err = m.Resolve("${env:TOKEN}", nil)
	require.ErrorContains(t, err, "without access to secrets")
}

// Cutting first would leave the beginning of a secret that lies across the cut.
func TestCleanHidesBeforeItCuts(t *testing.T) {
	t.Parallel()
	for at := MaxEvidence - 12; at <= MaxEvidence; at++ {
		var m Mask
		m.Hide("topsecret")
		clean := m.Clean(strings.Repeat("x", at) + "topsecret")
		require.NotContains(t, clean, "to")
		require.LessOrEqual(t, len(clean), MaxEvidence)
	}
	var m Mask
	m.Hide("topsecret")
	require.NotContains(t, m.Short("xxxxtopsecret", 8), "to")
}

func TestCleanMakesOneLine(t *testing.T) {
	t.Parallel()
	var m Mask
	require.Equal(t, "a b c \uFFFD d", m.Clean(" a\tb\x00\r\nc \xff\x1b d\n"))
	require.True(t, utf8.ValidString(m.Clean(strings.Repeat("ä", MaxEvidence))))
}

func TestEmptySecretHidesNothing(t *testing.T) {
	t.Parallel()
	var m Mask
	m.Hide("")
	m.Hide(" \n")
	require.Equal(t, "all is well", m.Clean("all is well"))
	require.Zero(t, m.Longest())
}

func TestUnableAnswersUnknown(t *testing.T) {
	t.Parallel()
	r := Unable("no such kind").Look(t.Context())
	require.Equal(t, Result{Answer: "unknown", Evidence: "no such kind"}, r)
}
