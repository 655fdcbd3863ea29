package roll

import (
	"os"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/isacloud/ha-manager/pkg/words"
)

// Whoever writes a text of a roll writes its Portuguese, in pkg/words.
func TestEveryTextIsInPortuguese(t *testing.T) {
	n := 0
	for _, name := range []string{"roll.go", "healthy.go"} {
		source, err := os.ReadFile(name)
		require.NoError(t, err)
		for _, m := range regexp.MustCompile(`(?m)\b(?:say|r\.tell|r\.fail|r\.leave)\([^"\n]*("(?:[^"\\]|\\.)*")`).FindAllSubmatch(source, -1) {
			text, err := strconv.Unquote(string(m[1]))
			require.NoError(t, err)
			require.True(t, words.Of(words.Portuguese).Known(text), "no Portuguese in pkg/words for %q", text)
			n++
		}
	}
	require.Greater(t, n, 40, "texts are said in another way now")
}

// TestTextsWithinTexts: each part is said in the same language.
func TestTextsWithinTexts(t *testing.T) {
	e := Event{said: say("%s: %s; nothing was run there, %s", "w1", say("it could not be taken out within %s: %s", 90*time.Second, say("nobody has told of it yet")), say("it is put back"))}
	require.Equal(t, "w1: it could not be taken out within 1m30s: nobody has told of it yet; nothing was run there, it is put back", e.said.String())
	require.Equal(t, "w1: não pôde ser tirado em 1m30s: ninguém falou dele ainda; nada foi executado lá, é posto de volta", e.In(words.Of(words.Portuguese)))
}
