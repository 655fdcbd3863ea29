// Package evidence keeps what happened in one file that cannot be changed unnoticed: the raw messages of an incident, as the streams held
// them, each line chained to the one before by SHA-256 and the whole signed with ed25519.
//
// # The file
//
// Text, a line each, fields parted by tabs. Every line begins with its hash, in hex:
//
//	hash(line) = SHA-256(hash of the line before, 32 bytes; 32 zero bytes before the first | everything after the line's first tab)
//
// The second field says what the line is:
//
//	pack  <Head as JSON>                                              the first line
//	msg   <stream> <sequence> <Unix nanoseconds> <subject> <headers as JSON> <body>
//	mask  the same, where a secret in it was replaced by ***          see [Mask]
//	end   <End as JSON>                                               the last line
//
// In subject, headers and body a backslash, tab, line feed and carriage return are written as \\ \t \n \r; all other bytes stand as they are. The signature
// is of the text "ham evidence 1\n" and the 32 bytes of the hash of the line before the last. Messages stand in the order in which they were stored.
//
// # What it says, and what not
//
// An intact file says that whoever holds the key has written these lines, and that none was changed, added or taken out since. That the key is
// whose it is said to be, the reader has to know from elsewhere. That the writer left nothing out is not said.
//
// Writing and reading take a line at a time: memory does not grow with the file. Writer and Reader belong to one goroutine each.
package evidence
