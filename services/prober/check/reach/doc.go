// Package reach reaches a target over the network and says what it means when that fails: the part that the http and
// tcp kinds share.
//
// # What a failure means
//
//	refused, or reset on a new connection      down, hard: somebody there says that nobody is there
//	no answer before the deadline              down, silent
//	unreachable, though this host has a route  down, silent: a router or the neighbour discovery says so
//	closed, garbage, a certificate not trusted down: it answers, and not as it should
//	no address for the name                    unknown: a name server's trouble is not the target's
//	no route, no permission, no descriptors    unknown: this host's own trouble
//	the target refuses our certificate         unknown: our own configuration
//
// A name that was resolved once keeps its addresses for as long as the resolver fails: the loss of a site
// often takes its name server with it, and that is no time to lose sight. Only "no such name" ends that.
package reach
