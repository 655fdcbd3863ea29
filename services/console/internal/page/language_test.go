package page

import (
	"strings"
	"testing"

	"github.com/isacloud/ha-manager/pkg/words/wordstest"
)

// Whoever writes a text of a page writes its Portuguese, in pkg/words.
func TestEveryTextOfThePagesIsInPortuguese(t *testing.T) {
	wordstest.Templates(t, files, "templates/*.html", "ham", "· ham", "Markdown")
	wordstest.Sources(t, ".", func(literal, function string) bool {
		return function == "HandleFunc" || function == "Set" || function == "Format" || function == "send" || strings.HasSuffix(literal, "; charset=utf-8")
	})
	wordstest.Sources(t, "../act", func(_, function string) bool { return function == "HandleFunc" })
	wordstest.Sources(t, "../board", nil)
	wordstest.Sources(t, "../plot", nil)
}
