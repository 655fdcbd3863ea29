// Package setup looks at two servers that are to become a protected pair, and writes down what it takes: the spec, the processes of ham,
// the roles and their rights, and the settings. It changes nothing on the servers.
package setup
