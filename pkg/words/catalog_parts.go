package words

// partTexts and parts are what the pages say of pools, resources, ladders, clients, and of the runbook.
var partTexts = map[string]string{
	"Calendar": "Calendário", "Drills and plans": "Ensaios e planos", "Planned": "Planejado", "It would be refused then:": "Seria recusado nessa hora:",
	"Changes are frozen until %s:": "Mudanças congeladas até %s:",

	"What is tried first": "O que se tenta antes",
	"A member that is down is mended where it is. Only what this does not mend leads to a swap.": "Um membro fora do ar é consertado onde está. Só o que isso não conserta leva a uma troca.",
	"up to %d times": "até %d vezes", "once": "uma vez", "waits %s after it": "espera %s depois", "%d of %d tries used": "%d de %d tentativas usadas", "counted anew from": "recontadas a partir de",
	"Tries are counted anew %s after the last one.": "As tentativas são recontadas %s após a última.", "its ladder:": "sua escada:",

	"What is measured": "O que se mede", "It warns, and never moves anything.": "Avisa, e nunca move nada.", "warns": "avisa", "beyond, not for long": "além, há pouco", "well": "bem",

	"What clients get": "O que os clientes recebem", "Asked every %s, as clients do:": "Perguntado a cada %s, como fazem os clientes:", "What they lost": "O que perderam", "%s long": "durante %s",
	"%d of %d looks failed": "%d de %d olhares falharam", "seen from": "visto de", "nobody saw its end": "ninguém viu o fim", "since": "desde",
	"They lost nothing that the deciders know of.": "Não perderam nada de que os deciders saibam.",

	"Resources": "Recursos", "They come up in this order, and go down in the reverse.": "Sobem nesta ordem e descem na inversa.", "order": "ordem", "resource": "recurso", "comes up after": "sobe depois de",
	"how it is": "como está", "when it fails": "quando falha", "no check of its own looks at it": "nenhuma checagem própria olha para ele", "After a swap this has to answer:": "Depois de uma troca isto tem de responder:",
	"moves nothing by itself": "sozinho não move nada", "its member is down": "seu membro está fora do ar",
	"its member is down, together with the others marked so": "seu membro está fora do ar, junto com os outros assim marcados",

	"SERVES": "ATENDE", "if nobody else does": "se ninguém mais atender",
	"they serve": "atendem", "at least": "ao menos", "may be taken out": "podem ser tirados", "%d of %d": "%d de %d",

	"When ham itself is gone": "Quando o próprio ham se foi", "The runbook": "O roteiro manual", "By hand: %s": "À mão: %s", "Download it": "Baixar",
	"The same by hand: commands that a person types, step by step. Keep a copy where you find it without this page.": "O mesmo à mão: comandos que uma pessoa digita, passo a passo. Guarde uma cópia onde a encontre sem esta página.",
	"Made of the spec in force, revision %d. It holds no secret: the commands read them where ham does.":             "Feito da spec em vigor, revisão %d. Não contém segredo: os comandos os leem onde o ham os lê.",
	"This console has not read the spec of this group yet.":                                                          "Este console ainda não leu a spec deste grupo.",

	"Being mended": "Em conserto", "Clients not served": "Clientes sem atendimento", "a try runs now": "uma tentativa está em curso", "was tried, may yet help": "foi tentado, ainda pode ajudar", "was tried": "foi tentado",
	"is over": "acabou", "was not needed": "não foi preciso", "not served": "não atendidos", "served": "atendidos", "nobody can say": "ninguém sabe dizer",
	"serves, as nobody else does": "atende, porque ninguém mais atende",

	"The primary's process dies, freezes or falls silent":                                                                     "O processo do primário morre, congela ou se cala",
	"It is mended where it is, as often as the ladder says. The standby takes over when that did not help, or made it worse.": "É consertado onde está, tantas vezes quanto a escada diz. O standby assume quando isso não ajudou, ou piorou.",
	"What is tried makes it worse": "O que se tenta piora as coisas", "The ladder ends at once: nothing more is tried.": "A escada acaba na hora: nada mais se tenta.",
	"A member dies": "Um membro morre", "HAProxy leads nobody to it, by its own checks, with ham or without. ham tells it.": "O HAProxy não leva ninguém a ele, por suas próprias checagens, com o ham ou sem. O ham avisa.",
	"Somebody takes out one too many": "Alguém tira um a mais", "It is refused below the minimum, also where two ask at once.": "É recusado abaixo do mínimo, também quando dois pedem ao mesmo tempo.",
	"Pause: no proxy is touched, and nobody is taken out or put back.": "Pausa: nenhum proxy é tocado, e ninguém é tirado ou posto de volta.",
	"It is paused, or in dry run":                                      "Está pausado, ou em simulação", "No proxy is touched.": "Nenhum proxy é tocado.",
	"A proxy is restarted or reloaded": "Um proxy é reiniciado ou recarregado", "Who was taken out is taken out there again within moments.": "Quem foi tirado é tirado ali de novo em instantes.",
	"That HAProxy's own configuration balances, checks and falls back is not looked after here: whoever runs it vouches for it.": "Que a própria configuração do HAProxy equilibra, checa e recorre à reserva não é cuidado aqui: quem o opera responde por isso.",
}

var parts = [][2]string{
	{"{member} is {verdict:word} in {group}", "{member} está {verdict} em {group}"},
	{"{member} is primary of {group} (epoch {n:n})", "{member} é primário de {group} (época {n})"},
	{"{program:text}: exit code {n:n} and no output", "{program}: código de saída {n} e nenhuma saída"},
	{"{names:list} is being mended.", "{names} está em conserto."},
	{"{names:list} are being mended.", "{names} estão em conserto."},
	{"{names:list} is not as it should be.", "{names} não está como deveria."},
	{"{names:list} are not as they should be.", "{names} não estão como deveriam."},
	{"All is well, with maintenance in {names:list}.", "Está tudo bem, com manutenção em {names}."},
}
