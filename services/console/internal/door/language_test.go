package door

import (
	"strings"
	"testing"

	"github.com/isacloud/ha-manager/pkg/words/wordstest"
)

// inTheLog are told to the record and the log alone.
var inTheLog = map[string]bool{
	string(SignedIn): true, string(SignedOut): true, "too many sign in at once": true, "wrong name or password": true, "the session has ended": true,
	"too many tries with this name": true, "the address is in none of the networks that people may come from": true,
}

// Who cannot come in reads why in their language.
func TestEveryTextOfTheDoorIsInPortuguese(t *testing.T) {
	wordstest.Templates(t, files, "pages/*.html", "ham", "· ham")
	wordstest.Sources(t, ".", func(literal, function string) bool {
		return strings.HasPrefix(literal, "ham.console") || strings.HasPrefix(literal, "the console's name is") || function == "Set" || strings.HasPrefix(literal, "default-src") || inTheLog[literal]
	})
}
