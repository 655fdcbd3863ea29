package words_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/isacloud/ha-manager/pkg/words"
)

var pt = words.Of(words.Portuguese)

func TestSaysWholeSentencesAndThoseWithinThem(t *testing.T) {
	for english, want := range map[string]string{
		"b takes over from a: a is down: 2 of 3 seeing vantages say so by check alive, rj and sp (connection refused); the quorum is 2; wit is silent": "b assume no lugar de a: a está fora do ar: " +
			"2 de 3 observadores que enxergam dizem isso pelo check alive, rj e sp (conexão recusada); o quórum é 2; wit está em silêncio",
		"If a died now: b takes over, losing nothing, within about 4.2s, 1.2s of it to be sure if it only falls silent (median of the last 3).": "Se a morresse agora: b assume, " +
			"sem perder nada, em cerca de 4,2s, dos quais 1,2s para ter certeza se ele só ficar em silêncio (mediana dos últimos 3).",
		"a stays primary: the failover of web from a to b was aborted: by ana":              "a segue primário: foi abortado o failover de web de a para b: by ana",
		"refused: b is not ready: b is suspect; web has no standby: declare another member": "recusado: b não está pronto: b está suspeito; web não tem standby: declare outro membro",
		"1 of 3 serve; none may be taken out: w2 is down: 2 of 3 seeing vantages say so by check alive, rj and sp (connection refused); the quorum is 2.": "1 de 3 atendem; nenhum pode ser tirado: " +
			"w2 está fora do ar: 2 de 3 observadores que enxergam dizem isso pelo check alive, rj e sp (conexão recusada); o quórum é 2.", // a figure before the stop
		"ana paused web for 1h30m (kernel update, with reboot)": "ana pausou web por 1h30m (kernel update, with reboot)",
	} {
		require.Equal(t, want, pt.Say(english))
		require.Equal(t, english, words.Of(words.English).Say(english))
	}
}

// What nobody translated is shown in English, and a test can tell.
func TestAMissingTranslationIsShownAndNoticed(t *testing.T) {
	const odd = "the moon is in the way"
	require.Equal(t, odd, pt.Say(odd))
	require.Equal(t, []string{odd}, pt.Missing(odd))
	require.Equal(t, []string{odd}, pt.Missing("b takes over from a: "+odd), "also within a sentence that is known")
	require.Equal(t, "b assume no lugar de a: "+odd, pt.Say("b takes over from a: "+odd))
	require.Empty(t, words.Of(words.English).Missing(odd))
}

// What others wrote passes as it is: nothing of it is taken for a format, and nothing is lost.
func TestWhatOthersWroteIsKept(t *testing.T) {
	for _, hostile := range []string{"<script>alert(1)</script>", "{actor} %s %d $1", "a\nb\x1b[31m", "; ham failover web; ", "(unbalanced", strings.Repeat("é", 900)} {
		require.Contains(t, pt.Say("ana notes: "+hostile), hostile)
		require.Contains(t, pt.Say("a is down: 2 of 2 seeing vantages say so by check alive, rj and sp ("+hostile+"); the quorum is 2"), hostile)
	}
}

// A sentence that is made to be looked at for long costs little all the same.
func TestHostileTextCostsLittle(t *testing.T) {
	began := time.Now()
	for i := range 10 {
		pt.Say(fmt.Sprint(i) + strings.Repeat("a is down; b takes over from a: refused: ", 95))
		pt.Say(fmt.Sprint(i) + strings.Repeat("; ", 1900) + " and is and ")
		pt.Say(fmt.Sprint(i) + strings.Repeat("a: ", 1300))
		pt.Say(fmt.Sprint(i) + strings.Repeat("x", 1<<20))
	}
	require.Less(t, time.Since(began), 2*time.Minute)
}

func TestLanguagesByTag(t *testing.T) {
	for tag, want := range map[string]words.Lang{"": "en", "C": "en", "POSIX": "en", "en_US.UTF-8": "en", "pt": "pt-BR", "pt_BR.UTF-8": "pt-BR", "PT-br": "pt-BR"} {
		got, err := words.Parse(tag)
		require.NoError(t, err, tag)
		require.Equal(t, want, got, tag)
	}
	for _, odd := range []string{".", "../x", "-", "_BR", "e", "ptx", " pt"} {
		_, err := words.Parse(odd)
		require.Error(t, err, odd)
	}
	_, err := words.Parse("tlh")
	require.EqualError(t, err, `ham does not speak "tlh": want en or pt-BR`)
	require.Equal(t, words.English, words.Of("tlh").Lang())
}

func TestAcceptTakesWhatIsAskedForMost(t *testing.T) {
	for header, want := range map[string]words.Lang{
		"": "en", "*": "en", "pt-BR,pt;q=0.9,en;q=0.8": "pt-BR", "en;q=0.8, pt;q=0.9": "pt-BR", "fr, en;q=0.3, pt;q=0.2": "en", "de": "en",
		"pt;q=0": "en", "pt;q=2, en": "en", "pt;q=NaN": "en", strings.Repeat("x,", 5000) + "pt": "en", ";;;q=,": "en",
	} {
		require.Equal(t, want, words.Accept(header), "%.60s", header)
	}
}

func TestFiguresAndTimes(t *testing.T) {
	en := words.Of(words.English)
	at := time.Date(2026, 3, 4, 3, 11, 7, 9e6, time.UTC)
	zone, err := time.LoadLocation("America/Sao_Paulo")
	require.NoError(t, err)
	require.Equal(t, "2026-03-04 03:11:07.009 UTC", en.Time(at, nil))
	require.Equal(t, "04/03/2026 03:11:07,009 UTC", pt.Time(at, nil))
	require.Equal(t, "04/03/2026 00:11:07,009 -03", pt.Time(at, zone))
	require.Equal(t, "00:11:07.009", en.Clock(at, zone), "the zone is not the language's affair")
	require.Equal(t, "1m0,004s", pt.Duration(time.Minute+4*time.Millisecond))
	require.Equal(t, "7.8ms", en.Duration(7810*time.Microsecond))
	require.Equal(t, "12,50", pt.Number(12.5, 2))
	require.Equal(t, "1 swap", en.N(1, "%d swap", "%d swaps"))
	require.Equal(t, "0 trocas", pt.N(0, "%d swap", "%d swaps"))
	require.Equal(t, "cumprido (1,5s)", pt.T("met (%s)", 1500*time.Millisecond))
	require.Equal(t, "no such text 1,5", pt.T("no such text %v", 1.5))
}

// Both sides of a format say the same: no hole is lost on the way.
func TestNoHoleIsLost(t *testing.T) { require.Empty(t, pt.Lost()) }

func BenchmarkSay(b *testing.B) {
	for i := range b.N {
		pt.Say(fmt.Sprintf("b takes over from a: a is down: 2 of 3 seeing vantages say so by check alive, rj and sp (connection refused); the quorum is 2; wit%d is silent", i))
	}
}

// Whatever comes, nothing panics, no sign that could be markup or a format is lost or made, and what is said does not grow beyond measure.
func FuzzSay(f *testing.F) {
	for _, s := range pt.Formats() {
		f.Add(s)
	}
	for _, s := range []string{"ana notes: <script>alert(1)</script>", "a is down: 2 of 2 seeing vantages say so by check alive, rj (\xff\xfe); the quorum is 2", "All is well: 2 groups.", "\x00", "É"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, in := range []string{s, "ana notes: " + s, "b takes over from a: a is down: 2 of 3 seeing vantages say so by check alive, rj and sp (" + s + "); the quorum is 2"} {
			out := pt.Say(in)
			if len(out) > 20*len(in)+2000 {
				t.Errorf("%d bytes became %d", len(in), len(out))
			}
			for _, sign := range "<>&{}$`\x00\x1b" {
				if is, was := strings.Count(out, string(sign)), strings.Count(in, string(sign)); is < was || was == 0 && is > 0 {
					t.Errorf("%q was there %d times and is there %d times: %q became %q", sign, was, is, in, out)
				}
			}
			if missing := pt.Missing(in); len(missing) == 1 && missing[0] == in && out != in {
				t.Errorf("nothing of %q is known, and it became %q", in, out)
			}
		}
		for _, out := range []string{pt.Figure(s), pt.Day(s), pt.T(s)} {
			if strings.Count(out, "<") != strings.Count(s, "<") {
				t.Errorf("%q became %q", s, out)
			}
		}
	})
}
