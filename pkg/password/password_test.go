package password_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/isacloud/ha-manager/pkg/password"
)

func TestNewHashMatchesItsPasswordAlone(t *testing.T) {
	h, err := password.New("three plain words")
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(h.String(), "$argon2id$v=19$m=65536,t=3,p=4$"), h.String())
	again, err := password.Parse(h.String())
	require.NoError(t, err)
	require.Equal(t, h, again)
	require.True(t, again.Matches("three plain words"))
	require.False(t, again.Matches("three plain word"))
	require.False(t, again.Matches(""))
	require.False(t, again.Decoy().Matches("three plain words"))
	require.False(t, password.Hash{}.Matches(""), "no hash at all")
	other, err := password.New("three plain words")
	require.NoError(t, err)
	require.NotEqual(t, h.String(), other.String(), "each has a salt of its own")
}

// TestForeignHash: what the reference program of argon2 makes is read: echo -n "correct horse" | argon2 saltsaltsalt -id -t 2 -k 19456 -p 1 -l 32 -e
func TestForeignHash(t *testing.T) {
	h, err := password.Parse("$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0$sDq4SJydHwxWnLTlXqq5ZzNDfmXrJUlaeTohxQaFrio")
	require.NoError(t, err)
	require.True(t, h.Matches("correct horse"))
	require.False(t, h.Matches("correct house"))
}

func TestDecoyCostsTheSame(t *testing.T) {
	h, err := password.Parse("$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(h.Decoy().String(), "$argon2id$v=19$m=19456,t=2,p=1$"))
	require.Len(t, h.Decoy().String(), len(h.String()))
}

func TestPasswordsOutOfBounds(t *testing.T) {
	_, err := password.New("short")
	require.EqualError(t, err, "the password has 5 bytes, want at least 12: a few words will do")
	_, err = password.New(strings.Repeat("a", 1025))
	require.EqualError(t, err, "the password has 1025 bytes, want at most 1024")
}

func TestParseRefuses(t *testing.T) {
	const salt, sum = "c2FsdHNhbHRzYWx0", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
	for line, want := range map[string]string{
		"":                              "is no argon2id hash",
		"hunter2":                       "is no argon2id hash",
		"$2b$12$abcdefghijklmnopqrstuv": "is no argon2id hash",
		"$argon2i$v=19$m=65536,t=3,p=4$" + salt + "$" + sum:        "is no argon2id hash",
		"$argon2id$v=16$m=65536,t=3,p=4$" + salt + "$" + sum:       "is no argon2id hash",
		"$argon2id$v=19$m=65536,t=3$" + salt + "$" + sum:           "does not say what it costs",
		"$argon2id$v=19$m=1024,t=3,p=4$" + salt + "$" + sum:        "has m=1024, want 7168 to 262144",
		"$argon2id$v=19$m=9999999,t=3,p=4$" + salt + "$" + sum:     "has m=9999999, want 7168 to 262144",
		"$argon2id$v=19$m=065536,t=3,p=4$" + salt + "$" + sum:      "has no number m",
		"$argon2id$v=19$m=65536,t=0,p=4$" + salt + "$" + sum:       "has t=0, want 1 to 16",
		"$argon2id$v=19$m=65536,t=3,p=256$" + salt + "$" + sum:     "has p=256, want 1 to 16",
		"$argon2id$v=19$m=65536,p=4,t=3$" + salt + "$" + sum:       "has no number t",
		"$argon2id$v=19$m=65536,t=3,p=4$" + salt + "==$" + sum:     "has a salt that is no base64",
		"$argon2id$v=19$m=65536,t=3,p=4$c2FsdA$" + sum:             "has a salt of 4 bytes, want 8 to 64",
		"$argon2id$v=19$m=65536,t=3,p=4$" + salt + "$AAAA":         "has a sum of 3 bytes, want 16 to 64",
		"$argon2id$v=19$m=65536,t=3,p=4$" + salt + "$" + sum + "$": "is no argon2id hash",
	} {
		_, err := password.Parse(line)
		require.ErrorContains(t, err, want, line)
		require.NotContains(t, err.Error(), "hunter2")
	}
}

func FuzzParse(f *testing.F) {
	f.Add("$argon2id$v=19$m=65536,t=3,p=4$c2FsdHNhbHRzYWx0$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")
	f.Add("$argon2id$v=19$m=65536,t=3,p=4$$")
	f.Fuzz(func(t *testing.T, line string) {
		if h, err := password.Parse(line); err == nil {
			require.Equal(t, line, h.String())
		}
	})
}
