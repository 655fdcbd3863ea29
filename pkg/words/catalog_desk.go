package words

// deskTexts are those of the console's pages about drills, the shadow ledger and what waits for a second person.
var deskTexts = map[string]string{
	"Abort the swap": "Abortar a troca", "Approve or reject": "Aprovar ou rejeitar", "Approve: do it": "Aprovar: fazer", "Approving it takes the role of an operator.": "Para aprovar é preciso o papel de operador.",
	"What people wrote down": "O que as pessoas anotaram", "What was asked for, and by whom": "O que foi pedido, e por quem", "who": "quem", "what": "o quê", "answer": "resposta", "Download it": "Baixar", "accepted": "aceito",
	"What is to be done": "O que fazer", "Nobody wrote an action item down yet.": "Ninguém anotou uma ação ainda.", "It is done": "Está feito", "What is to be done, by whom, until when": "O que fazer, quem, até quando", "Add it": "Acrescentar", "done": "feito",
	"Stop it": "Parar", "Before it takes effect the old primary stays; after that the new one does, without the steps that are left.": "Antes de valer, fica o primário antigo; depois, o novo, sem os passos que restam.",
	"Or plan it for later": "Ou planejar para depois", "Once, at that time: what holds then decides. It is told where it is refused, and it is not made up for.": "Uma vez, nessa hora: decide o que valer então. Se for recusado, isso é dito, e não é compensado depois.",
	"When, by UTC": "Quando, em UTC", "Plan the drill": "Planejar o ensaio", "take it back": "retirar", "now it would be refused": "agora seria recusado",
	"I have read what would happen. Exactly the plan that was asked for is fired, or none.": "Li o que aconteceria. Dispara-se exatamente o plano pedido, ou nenhum.",
	"It should have swapped, and did not.":                                                  "Deveria ter trocado, e não trocou.", "It would have been right": "Teria sido certo", "It would have been wrong": "Teria sido errado", "Judge it anew": "Julgar de novo", "Judge it": "Julgar",
	"Nothing is planned.": "Nada planejado.", "No group rehearses: each swaps by itself, or by hand, and wants no proof of it.": "Nenhum grupo simula: cada um troca sozinho, ou à mão, e não pede prova disso.",
	"None ever went there and back": "Nenhum jamais foi e voltou", "Nothing would have been swapped so far.": "Até agora nada teria sido trocado.", "Planned, and not begun": "Planejados, e não começados", "Reject": "Rejeitar",
	"See what would be done": "Ver o que seria feito", "Shadow ledger": "Livro de simulações", "Shadow": "Simulações", "The last one that went there and back was %s ago": "O último que foi e voltou foi há %s", "There should have been one, and there was none": "Deveria ter havido uma, e não houve",
	"Waits for a second person": "Espera por uma segunda pessoa", "What comes next": "O que vem a seguir", "What was rehearsed": "O que foi ensaiado",
	"What would have been swapped by itself, had it been allowed. Whoever was there says whether it would have been right: that earns the trust that mode auto takes.": "O que teria sido trocado sozinho, se fosse permitido. Quem estava lá diz se teria sido certo: é assim que se ganha a confiança que o modo auto exige.",
	"When, and why": "Quando, e por quê", "Withdraw it": "Retirar", "You asked for it: another person has to approve it. You may withdraw it.": "Foi você quem pediu: outra pessoa tem de aprovar. Você pode retirar o pedido.",
	"until %s, another %s": "até %s, mais %s", "until %s": "até %s", "asked by %s": "pedido por %s", "blocked": "bloqueado", "by": "por", "calendar and history": "calendário e histórico", "group": "grupo", "hold %s": "permanência de %s", "in %s": "em %s", "is": "está", "it may be at most %s": "pode ter no máximo %s", "it will be refused:": "será recusado:",
	"judged by %s": "julgado por %s", "how long each swap took; the dashed line is the objective, hollow dots were drills": "quanto levou cada troca; a linha tracejada é o objetivo, os pontos vazados foram ensaios",
	"swap missed": "troca que faltou", "swaps missed": "trocas que faltaram", "not judged": "sem julgamento", "now": "agora", "objective": "objetivo", "of those that there should have been, the share that there was": "das que deveria ter havido, a parte que houve", "of those that were judged, the share that would have been right": "das julgadas, a parte que teria sido certa",
	"outcome": "resultado", "plan": "plano", "precision": "precisão", "recall": "cobertura", "right": "certo", "see and judge": "ver e julgar", "something is blocked or frozen on that day": "algo está bloqueado ou congelado nesse dia", "changes are frozen": "mudanças congeladas",
	"the month after": "o mês seguinte", "the month before": "o mês anterior", "%d to judge": "%d a julgar", "to swap by itself": "para trocar sozinho", "today": "hoje", "wanted": "pedido", "wrong": "errado",
	"met": "cumprido", "lacks": "falta", "swaps judged": "trocas julgadas", "share of them right": "parte delas certa", "age of the last drill": "idade do último ensaio", "never": "nunca", "planned": "planejado", "planned, blocked": "planejado, bloqueado", "not begun": "não começado",
	"pending": "em curso", "succeeded": "bem-sucedido", "succeeded, too slow": "bem-sucedido, lento demais", "failed": "falhou", "interrupted": "interrompido",
	"a person left the roles as they were": "uma pessoa deixou os papéis como estavam", "the way back was not possible for too long": "a volta não foi possível por tempo demais",
	"something unhealthy showed, so it went back before its time": "algo não saudável apareceu, e por isso voltou antes da hora", "somebody or something else moved roles": "alguém ou outra coisa moveu papéis",
	"%d without a plan": "%d sem plano",
}
