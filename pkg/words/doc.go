// Package words says in Brazilian Portuguese what ham says in English, for whoever reads it on a page, in a chat or in a post-mortem.
//
// The record stays English: events, commands and outcomes are stored as the services made them, so that a rule's sentence is one text
// everywhere and for ever. Translation happens where a sentence is shown. [Speaker.Say] finds the format that a sentence was made with and fills
// the other language's format with the same names; what it does not know it leaves in English. Texts of pages and reports, which are not
// in the record, go through [Speaker.T].
//
// Whoever adds a sentence to a service adds its format to the catalog here. Tests of the services hold that none is forgotten: they
// walk the scripts, the golden files and the literals of the sources and ask [Speaker.Missing].
//
// What other programs and people said (evidence, reasons, names, addresses, commands to type) is never translated, and nothing is escaped:
// the text is as hostile as it was, and whoever shows it escapes it for the place where it stands.
//
// # Glossary
//
// The words are those that people who keep services up in Brazil use among each other. English stays where they say it in English.
//
//	failover, switchover, failback, lease, spec     the same (o failover, o switchover, o lease, a spec)
//	primary, standby, replica                       primário, standby, réplica
//	group, member, route, site                      grupo, membro, rota, site
//	vantage                                         observador
//	up, down, suspect, disputed, unknown            no ar, fora do ar, suspeito, contestado, desconhecido
//	silent, blind                                   em silêncio, cego
//	epoch; to hold an epoch; held                   época; assumir a época; firmada
//	swap; to take over                              troca; assumir (no lugar de)
//	fenced; guard; armed, not armed                 isolado; guarda; armado, desarmado
//	promotable, ready                               promovível, pronto
//	to refuse, refusal; to override, set aside      recusar, recusa; pôr de lado
//	drill; hold                                     ensaio; permanência
//	dry run                                         simulação
//	step, plan, run                                 passo, plano, execução
//	evidence; to look                               evidência; olhar
//	detect, decide, execute, verify                 detectar, decidir, executar, verificar
//	recovery, loss; objective met, missed           recuperação, perda; objetivo cumprido, não cumprido
//	bus, record, incident                           barramento, registro, incidente
package words
