package main

import "time"

// rows lists every row, in the order of the table.
func rows() []row {
	return []row{
		{"request", "a request on the bus: how soon does the first step begin?", 10 * time.Minute, measureRequest},
		{"kill", "the primary HTTP server is killed behind a real HAProxy: how long are clients not served?", 15 * time.Minute, measureKill},
		{"silent", "the host of the primary HTTP server falls silent: how long are clients not served?", 10 * time.Minute, measureSilent},
		{"roll", "four servers behind a real HAProxy are rolled under 500 requests a second: how many requests fail?", 5 * time.Minute, measureRoll},
		{"core", "the decider's core alone, on one thread: how many heartbeats does it take?", 2 * time.Minute, measureCore},
		{"heartbeats", "how many heartbeats go through the bus into the decider's core?", 3 * time.Minute, measureHeartbeats},
		{"replay", "how many recorded heartbeats are decided again in a second?", 5 * time.Minute, measureReplay},
		{"chat", "how soon after it happened does the chat hear of an event?", 3 * time.Minute, measureChat},
		{"prober", "one prober with 5 000 checks at 1 s: what does it need, and is it on time?", 5 * time.Minute, measureProber},
		{"idle", "ham up with 10 groups while nothing happens: what does it need?", 5 * time.Minute, measureIdle},
		{"what-if", "every single fault of 100 groups: how long does it take to play them?", 2 * time.Minute, measureWhatIf},
		{"words", "how long does it take to say a sentence in Portuguese?", time.Minute, measureWords},
		{"desk", "the console in a real browser: how soon is it there, does it follow, does it fire; and what does it hold?", 5 * time.Minute, measureDesk},
		{"care", "a proxy is reloaded, a plan is asked for: how soon is it right, how soon is it there?", 5 * time.Minute, measureCare},
		{"demo", "the scripted demo: how long does it take?", 5 * time.Minute, measureDemo},
	}
}
