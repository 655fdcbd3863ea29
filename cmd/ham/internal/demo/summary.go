package demo

// Summary is what the scripted demo prints as JSON. OK only if every part happened.
type Summary struct {
	OK     bool   `json:"ok"`
	Group  string `json:"group"`
	Router string `json:"router"`
	Parts  []Part `json:"parts"`
	Swaps  []Swap `json:"swaps"`
	// ChatLines is how many lines were posted to the chat channel.
	ChatLines int     `json:"chat_lines"`
	TookMS    float64 `json:"took_ms"`
}

// Part is one part of the story.
type Part struct {
	Name    string  `json:"name"`
	OK      bool    `json:"ok"`
	TookMS  float64 `json:"took_ms"`
	Problem string  `json:"problem,omitempty"`
}

// Swap is one swap of roles, and what clients noticed of it.
type Swap struct {
	How      string   `json:"how"`
	Group    string   `json:"group"`
	Epoch    uint64   `json:"epoch"`
	Kind     string   `json:"kind"`
	From     string   `json:"from"`
	To       string   `json:"to"`
	Rule     string   `json:"rule"`
	Sentence string   `json:"sentence"`
	Steps    []string `json:"steps"`
	// Times in milliseconds. Detect and decide are zero for a swap that was asked for.
	DetectMS  float64 `json:"detect_ms"`
	DecideMS  float64 `json:"decide_ms"`
	ExecuteMS float64 `json:"execute_ms"`
	VerifyMS  float64 `json:"verify_ms"`
	// Requests of the clients around the swap, those that failed, and the longest time between two answers.
	Requests       int     `json:"requests"`
	RequestsFailed int     `json:"requests_failed"`
	GapMS          float64 `json:"gap_ms"`
}
