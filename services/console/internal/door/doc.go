// Package door decides who may stand before the console.
//
// What holds, each with its test and, for the rules that all others lean on, a mutant:
//
//   - Nobody reaches a page or a form without a person: a password, a certificate, an identity provider; or, where nobody signs in, a
//     request from this machine to a name of this machine. A page in somebody's browser that had its own name resolved to 127.0.0.1 is
//     neither.
//   - Nothing is changed by a request that another site made the browser send: every method but GET and HEAD carries the session's token, and
//     says by Origin or Sec-Fetch-Site that it comes from here.
//   - A session is made at sign-in and at no other time, under a secret that was not there before. Only the secret's hash is kept. It ends by
//     sign-out, by idleness, by age, and with the process; what it has open (live pages) ends with it.
//   - Who may only look changes nothing, whatever form they send. Which group a person may do what in is asked once more where it is done.
//   - Guessing is slow for each address and for each user, and an unknown user takes as long as a wrong password. Memory is bounded, whatever
//     strangers do.
//   - What a stranger sends is read whole, within bounds of size and time, before anything else happens.
//
// A console has its own sessions, in its own memory: who is signed in at one site is not signed in at another, and neither needs the other, nor
// the bus, to say who somebody is.
//
// Given up: revocation lists of certificates are not read (take the user out of the file instead), and an identity provider is asked at sign-in
// only: who is shut out there stays until their session ends.
package door
