package words

// cliTexts are those of the command line. Commands to type and what programs read stay English.
var cliTexts = map[string]string{
	"a pool: %d of %d serve, the minimum is %d": "um pool: %d de %d atendem, o mínimo é %d", "active": "ativo", "drained": "tirado", "backup": "reserva",
	"(may be overridden: --override %s --reason …)":                                              "(pode ser posto de lado: --override %s --reason …)",
	"No group is declared. `ham apply FILE` declares one; `ham validate FILE` checks it before.": "Nenhum grupo está declarado. `ham apply FILE` declara um; `ham validate FILE` confere antes.",
	"paused by %s": "pausado por %s", "epoch %d, %s is primary": "época %d, %s é primário", "epoch %d, %s is becoming primary": "época %d, %s está virando primário",
	"STREAM": "STREAM", "HOLDS": "GUARDA", "A DAY": "POR DIA", "AT MOST": "NO MÁXIMO", "KEEPS": "POR QUANTO TEMPO", "no bound": "sem limite", "%d days": "%d dias",
	"The streams hold %s, take %s a day as measured, and may come to hold %s.": "Os streams guardam %s, gastam %s por dia, pelo que se mediu, e podem chegar a guardar %s.",
	"MEMBER": "MEMBRO", "SITE": "SITE", "ROLE": "PAPEL", "VERDICT": "VEREDITO", "READY": "PRONTO", "SEEN BY": "VISTO POR", "yes": "sim", "no": "não", "nobody yet": "ninguém ainda",
	"RESOURCE": "RECURSO", "WHAT": "O QUE É", "AFTER": "DEPOIS DE", "IS": "ESTADO",
	"serves %s": "serve %s", "cannot be reached:": "inalcançável:", "  route %s on %s %s": "  rota %s em %s %s", "    `ham approve %s %s`, or `ham reject %[1]s %[2]s`": "    `ham approve %s %s`, ou `ham reject %[1]s %[2]s`",
	"nobody holds it, by this decider": "ninguém o tem, segundo este decider", "%s holds it at epoch %d": "%s o tem na época %d", "not armed: no guard is in force": "desarmado: nenhum guarda em vigor",
	"  lease of %s by %s: %s%s": "  lease de %s por %s: %s%s", ", %d bytes behind": ", %d bytes de atraso", "  standby %s  %s": "  standby %s  %s", "  %s of epoch %d to %s is %s:": "  %s da época %d para %s: %s:",
	"(DRY RUN: it would only be rehearsed)": "(SIMULAÇÃO: só seria ensaiado)", "%s of %s: %s → %s, epoch %d%s": "%s de %s: %s → %s, época %d%s", "It would be refused now:": "Seria recusado agora:",
	"  no executor answered what the steps would find now: without one nothing is carried out": "  nenhum executor respondeu o que os passos encontrariam agora: sem um, nada é executado",
	"  %s looked what they would find now:":                                                    "  %s olhou o que encontrariam agora:", "%s, from past swaps": "%s, pelas trocas passadas", "  predicted recovery time: %s": "  tempo de recuperação previsto: %s",
	"  the way back: %s": "  a volta: %s", "  plan %s; fire exactly this one with `ham %s %s --plan %s`": "  plano %s; dispare exatamente este com `ham %s %s --plan %s`",
	"Nothing stands against an automatic swap if %s dies.": "Nada está contra uma troca automática se %s morrer.", "Nobody is primary, and none is adopted by itself:": "Ninguém é primário, e nenhum é adotado automaticamente:",
	"%s is down, and no automatic swap happens:": "%s está fora do ar, e nenhuma troca automática acontece:", "If %s died now, no automatic swap would happen:": "Se %s morresse agora, nenhuma troca automática aconteceria:",
	"%s is %s:": "%s está %s:", "hard evidence": "evidência certa", "%d in a row": "%d seguidos", "%d ms ago": "há %d ms", "  nobody has looked yet": "  ninguém olhou ainda", "  it is not ready to take over:": "  não está pronto para assumir:",
	"The last drill that went there and back ended %s ago.": "O último ensaio que foi e voltou terminou há %s.", "No drill of %s ever went there and back.": "Nenhum ensaio de %s jamais foi e voltou.",
	"deleted": "apagada", "in force": "em vigor", "  the oldest that is kept, %d lines": "  a mais antiga que se guarda, %d linhas", "No context is named. `ham context set NAME --server tls://… --creds FILE --as YOU` names one.": "Nenhum contexto tem nome. `ham context set NOME --server tls://… --creds ARQUIVO --as VOCÊ` dá nome a um.", "CONTEXT": "CONTEXTO", "SERVER": "SERVIDOR", "AS": "COMO", "BY": "POR", "next    ": "próximo ", "Nothing is planned, and no time is blocked: %s.": "Nada está agendado, e nenhum horário está bloqueado: %s.", ", planned by %s": ", planejado por %s", " to %s": " para %s", ", hold %s": ", permanência de %s", ", blocked: %s": ", bloqueado: %s", "           would be refused now: %s  %s": "           seria recusado agora: %s  %s",
	"  blocked  %s to %s UTC: %s": "  bloqueado %s até %s UTC: %s", ", missed the objective of %s": ", não cumpriu o objetivo de %s", ", over %s UTC": ", terminou em %s UTC",
	"by %s: %s": "por %s: %s", "should have swapped, and did not": "deveria ter trocado, e não trocou", "Nothing stands in the shadow ledger of %s.": "Não há nada no livro de simulações de %s.", "miss": "faltou",
	"  drill %s of %s: ": "  ensaio %s de %s: ", "%s is taking over from %s, for %s": "%s está assumindo no lugar de %s, por %s", "%s is primary until %s, for another %s, then %s again": "%s é primário até %s, por mais %s, depois %s de novo",
	"%s is taking back over from %s": "%s está reassumindo no lugar de %s", "    at once with `ham drill %s --back`, not at all with `--stay`": "    já com `ham drill %s --back`, de modo nenhum com `--stay`",
}
