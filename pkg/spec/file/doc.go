// Package file reads what an operator declares from YAML: strict, and pointing at the line of what is wrong.
//
// One file holds one or more documents, separated by a line "---": groups (`group: web …`), and at most one that sets up
// the process (`ham: …`). Every mistake of a file is found in one go and reported in the order of the file, each as one
// sentence that names the file, line, column, group and field, what was found, and what would be right.
//
// What can be written stands in tables (object and key): the reader, the errors about unknown keys and the
// reference in docs/spec.md all come from them. The text of a group is kept as it was written.
//
// Secrets are never read here. Whoever uses one resolves it, on its own machine, at the moment of use;
// [File.CheckSecrets] only asks whether that would succeed.
package file
