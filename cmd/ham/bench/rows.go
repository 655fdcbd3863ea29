package main

import "time"

// rows lists every row, in the order of the table.
func rows() []row {
	return []row{
		{"kill", "the primary HTTP server is killed behind a real HAProxy: how long are clients not served?", 15 * time.Minute, measureKill},
		{"silent", "the host of the primary HTTP server falls silent: how long are clients not served?", 10 * time.Minute, measureSilent},
	}
}
