package words

// notifierTexts frame what is told in chat and by mail, by their English.
var notifierTexts = map[string]string{
	"perhaps a repetition: it is unknown whether the first attempt arrived": "talvez uma repetição: não se sabe se a primeira tentativa chegou",
	"%d events, told together; the worst: %s":                               "%d eventos, contados juntos; o pior: %s", "%d events, told together:": "%d eventos, contados juntos:", "%d events, told together": "%d eventos, contados juntos",
	"%d events from %s to %s UTC, told together": "%d eventos de %s a %s UTC, contados juntos", "the thread has every event": "a thread tem todos os eventos",
	"do": "ação", "Why": "Motivo", "Seen": "Visto", "Info": "Informações", "What to do": "O que fazer", "Now": "Agora", "Began": "Começo", "State": "Estado", "Group": "Grupo", "Epoch": "Época", "Rule": "Regra",
	"epoch %d": "época %d", "%d in a row": "%d seguidos", "%s before": "%s antes", "since %s": "desde %s", ", over after %s": ", encerrado após %s", ", because: %s": ", porque: %s", "… and %d more": "… e mais %d",
	"%d times since %s": "%d vezes desde %s", "%d times since %s; the newest, at %s: %s": "%d vezes desde %s; o mais recente, às %s: %s",
	"asked by %s%s": "pedido por %s%s", "set aside by name: %s %s": "posto de lado por nome: %s %s", "from %s: %s of %s says %s (%s)%s": "de %s: %s de %s diz %s (%s)%s",
	"%s is %s": "%s está %s", "%s is not ready": "%s não está pronto", "%s is ready": "%s está pronto", "a standby": "um standby",
	"a member's verdict changed": "o veredito de um membro mudou", "incident opened": "incidente aberto", "incident closed": "incidente encerrado",
	"%s decided (epoch %d)": "%s decidido (época %d)", "%s would have been decided (epoch %d)": "%s teria sido decidido (época %d)", "a swap was decided": "uma troca foi decidida", "a swap would have been decided": "uma troca teria sido decidida",
	"%s asked by %s: %s": "%s pedido por %s: %s", "a request was answered": "um pedido foi respondido", "no automatic swap": "nenhuma troca automática",
	"step %s %s (epoch %d)": "passo %s %s (época %d)", "a step changed": "um passo mudou", "%s %s (epoch %d)": "%s %s (época %d)", "a swap changed": "uma troca mudou",
	"a proxy of route %s cannot be reached": "um proxy da rota %s não é alcançado", "route %s serves %s": "a rota %s serve %s", "a route changed": "uma rota mudou",
	"roles or routes against the record": "papéis ou rotas contra o registro", "pause or mode changed": "pausa ou modo mudou", "spec applied": "spec aplicada",
	"a message was put to the dead letters": "uma mensagem foi para as cartas mortas", "service %s": "serviço %s", "note by %s": "nota de %s",
	"a channel has trouble": "um canal tem problemas", "a channel is back": "um canal voltou", "what was held back": "o que foi retido", "what repeated itself": "o que se repetiu", "the digest": "o resumo", "the daily line": "a linha do dia",
	"adoption of %s as primary": "adoção de %s como primário", "return to %s": "volta para %s", "change of the group, primary %s": "mudança do grupo, primário %s", "%s to %s": "%s para %s",
	"a drill changed": "um ensaio mudou", "drill begins: %s for %s, then %s again": "o ensaio começa: %s por %s, depois %s de novo", "drill holds: %s is primary for %s": "o ensaio permanece: %s é primário por %s",
	"drill waits to go back to %s": "o ensaio espera para voltar para %s", "drill goes back to %s": "o ensaio volta para %s", "drill done: %s is primary again": "ensaio feito: %s é primário de novo", "drill ended: %s stays primary": "ensaio encerrado: %s segue primário",
	"drill given up: it did not go back to %s": "ensaio abandonado: não voltou para %s", "drill interrupted: nothing goes back by itself": "ensaio interrompido: nada volta sozinho",
	"waits for a person": "espera por uma pessoa", "begun": "começou", "holds: from here it only goes forward": "firmada: daqui só segue adiante", "ended, nothing was applied": "encerrado, nada foi aplicado", "superseded by a newer command": "superado por um comando mais novo",
	"expected to take": "deve levar", "found": "encontrado", "problem": "problema", "applied": "aplicado", "nothing, it was done already": "nada, já estava feito",
	"this attempt": "esta tentativa", "for": "por", "recovery objective": "objetivo de recuperação", "loss objective": "objetivo de perda", "MISSED": "NÃO CUMPRIDO", "%s of %s, %s": "%s de %s, %s", "proxy": "proxy",
	"open, no automatic swap": "aberto, nenhuma troca automática", "open, a swap would have happened": "aberto, uma troca teria acontecido", "swapping": "trocando", "swap stopped": "troca parada", "swapped": "trocado", "closed": "encerrado",
	"what is wrong, and what to do": "o que está errado, e o que fazer", "how all groups are": "como estão todos os grupos", "what is known, and why it swaps or does not": "o que se sabe, e por que troca ou não",
	"who is primary, who is ready": "quem é primário, quem está pronto", "how the swap stands": "como está a troca", "the steps it would take": "os passos que daria", "the record so far: set mode: auto in the spec once you trust it": "o registro até aqui: ponha mode: auto na spec quando confiar",
	"what is known, and why it does not go back": "o que se sabe, e por que não volta", "end it: the roles stay as they are": "encerrar: os papéis ficam como estão", "bring it back at once": "trazer de volta já", "try the step again": "tentar o passo de novo",
	"go on without it": "seguir sem ele", "end the swap here": "encerrar a troca aqui", "the whole record": "o registro inteiro", "bring it back before the hold is over": "trazer de volta antes do fim da permanência",
	"swap back once the old primary is healthy": "trocar de volta quando o primário antigo estiver saudável", "do it all the same; the loss is yours to judge": "fazer mesmo assim; a perda é você quem avalia",
}

// notifier are the sentences of the notifier.
var notifier = [][2]string{
	{"Held back here while a silence was in force, from {a:text} to {b:text}: events {n:n}, the worst of them {s}. The silence said: {why:text}", "Retido aqui enquanto um silêncio vigorava, de {a} a {b}: eventos {n}, o pior deles {s}. O silêncio dizia: {why}"},
	{"Since {a:text}: {n:n} events {what:text}, the last at {b:text}, and none for {d:span}. The last said: {said:try}", "Desde {a}: {n} eventos {what}, o último em {b}, e nenhum por {d}. O último dizia: {said}"},
	{"The week from {a:text} to {b:text}: incidents {i:n}, swaps {s:n}, refused or would-be swaps {r:n}, not told somewhere {u:n}, dead letters {l:n}.", "A semana de {a} a {b}: incidentes {i}, trocas {s}, trocas recusadas ou que teriam havido {r}, não contados em algum lugar {u}, cartas mortas {l}."},
	{"{g}: {n:n} near misses that recovered by themselves, the last at {b:text}: {said:try}", "{g}: {n} quase incidentes que se recuperaram sozinhos, o último em {b}: {said}"},
	{"{g}: no drill ever went there and back", "{g}: nenhum ensaio foi e voltou até hoje"},
	{"{g}: the last drill that went there and back was {n:n} days ago", "{g}: o último ensaio que foi e voltou foi há {n} dias"},
	{"{g} is paused by {who} until {a:text}", "{g} está pausado por {who} até {a}"},
	{"{g} is paused by {who} until somebody resumes it: is that meant?", "{g} está pausado por {who} até alguém retomar: é isso mesmo?"},
	{"not told: {said:try}", "não contado: {said}"},
	{"{n:n} groups, as the deciders say at {a:text}.", "{n} grupos, como dizem os deciders em {a}."},
	{"{g}: nobody answers for it", "{g}: ninguém responde por ele"},
}
