package words

// portugueseTexts are the texts of reports and pages by their English.
var portugueseTexts = map[string]string{
	"met (%s)": "cumprido (%s)",
	"%d swap":  "%d troca",
	"%d swaps": "%d trocas",
}
