package message

// ClientsMember is the name under which a canary's heartbeats travel: it looks at no member, but at what clients follow. No member's name begins
// with '_'.
const ClientsMember = "_clients"

// ClientsCheck is the name of the canary's one check.
const ClientsCheck = "canary"

// ClientsOutage is a time in which a canary, which asks as clients do, was not served. It is measured from outside and decides nothing.
//
// Times are in Unix microseconds of the stream's clock. An outage is over when every vantage that lost requests has been served again for a while; it
// ended with the first of those answers.
type ClientsOutage struct {
	ID string `json:"id" validate:"required,max=160,id"`
	// Target is what is asked, without secrets.
	Target string `json:"target" validate:"required,max=512"`
	// From is when the first look began that failed, Until when the first one began that was served again from everywhere; 0: it lasts.
	From  int64 `json:"from_us" validate:"min=0"`
	Until int64 `json:"until_us,omitempty" validate:"min=0"`
	// Unseen says that nobody saw its end: Until is then the end of the last look that failed.
	Unseen bool `json:"unseen,omitempty"`
	// Vantages are those that lost requests, sorted.
	Vantages []ClientsLoss `json:"vantages" validate:"min=1,max=64,dive"`
}

// ClientsLoss is what one vantage lost in an outage.
type ClientsLoss struct {
	Vantage string `json:"vantage" validate:"required,name"`
	From    int64  `json:"from_us" validate:"min=0"`
	Until   int64  `json:"until_us,omitempty" validate:"min=0"`
	// Looks are those from the first that failed to the last that failed, Failed how many of them did. What was no evidence (blind, late) is in neither.
	Looks  int `json:"looks" validate:"min=0"`
	Failed int `json:"failed" validate:"min=0"`
	// Missed are looks that were made meanwhile and that the decider did not hear of.
	Missed int `json:"missed,omitempty" validate:"min=0"`
	// Boot and Seq are those of the first look that failed: see [Heartbeat].
	Boot string `json:"boot" validate:"required,max=32,id"`
	Seq  uint64 `json:"seq" validate:"min=1"`
	// Evidence is that of the first look that failed.
	Evidence string `json:"evidence,omitempty" validate:"max=512"`
}

// Lasted is how long the outage lasted, as of now (Unix microseconds of the stream's clock) where it is not over. It is never negative.
func (o *ClientsOutage) Lasted(now int64) Duration {
	until := o.Until
	if until == 0 {
		until = now
	}
	return Duration(max(0, until-o.From) * 1000)
}

// Count is how many looks failed, of how many, from all vantages together.
func (o *ClientsOutage) Count() (failed, looks int) {
	for _, v := range o.Vantages {
		failed, looks = failed+v.Failed, looks+v.Looks
	}
	return failed, looks
}

// Places are the vantages that lost requests, sorted.
func (o *ClientsOutage) Places() []string {
	names := make([]string, len(o.Vantages))
	for i, v := range o.Vantages {
		names[i] = v.Vantage
	}
	return names
}

// ClientsStatus is what a canary sees.
type ClientsStatus struct {
	Target string   `json:"target" validate:"required,max=512"`
	Every  Duration `json:"every" validate:"min=0"`
	Views  []View   `json:"views" validate:"dive"`
	// Outage is the one that lasts; nil: clients are served, as far as anybody sees.
	Outage *ClientsOutage `json:"outage,omitempty"`
	// Past are the newest that are over, the newest first.
	Past []ClientsOutage `json:"past,omitempty" validate:"dive"`
	// Sentence says it for people.
	Sentence string `json:"sentence" validate:"required,max=1024"`
}
