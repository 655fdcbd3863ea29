package message

import "strconv"

func (m *Heartbeat) MessageID() string {
	return m.Vantage + "." + m.Boot + "." + m.Member + "." + m.Check + "." + strconv.FormatUint(m.Seq, 10) + "." + m.Group
}
func (m *Heartbeat) MessageGroup() string   { return m.Group }
func (m *Request) MessageID() string        { return m.ID }
func (m *Request) MessageGroup() string     { return m.Group }
func (m *Outcome) MessageID() string        { return "outcome." + m.Request }
func (m *Outcome) MessageGroup() string     { return m.Group }
func (m *Command) MessageID() string        { return m.ID }
func (m *Command) MessageGroup() string     { return m.Group }
func (m *Held) MessageID() string           { return m.ID }
func (m *Held) MessageGroup() string        { return m.Group }
func (m *Mark) MessageID() string           { return m.ID }
func (m *Mark) MessageGroup() string        { return m.Group }
func (m *DrillEnd) MessageID() string       { return m.ID }
func (m *DrillEnd) MessageGroup() string    { return m.Group }
func (m *Approval) MessageID() string       { return m.ID }
func (m *Approval) MessageGroup() string    { return m.Group }
func (m *Planned) MessageID() string        { return m.ID }
func (m *Planned) MessageGroup() string     { return m.Group }
func (m *Maintenance) MessageID() string    { return m.ID }
func (m *Maintenance) MessageGroup() string { return m.Group }
func (m *StepResult) MessageID() string     { return m.ID }
func (m *StepResult) MessageGroup() string  { return m.Group }
func (m *RunResult) MessageID() string      { return m.ID }
func (m *RunResult) MessageGroup() string   { return m.Group }
func (m *Instruction) MessageID() string    { return m.ID }
func (m *Instruction) MessageGroup() string { return m.Group }
func (m *Event) MessageID() string          { return m.ID }
func (m *Event) MessageGroup() string       { return m.Group }
func (m *Fenced) MessageID() string         { return m.ID }
func (m *Fenced) MessageGroup() string      { return m.Group }
func (m *Replication) MessageID() string    { return m.ID }
func (m *Replication) MessageGroup() string { return m.Group }
func (m *DeadLetter) MessageID() string     { return m.ID }
func (m *DeadLetter) MessageGroup() string  { return "" }
func (m *Spec) MessageID() string           { return "spec." + m.Group + "." + strconv.FormatInt(m.At, 10) }
func (m *Spec) MessageGroup() string        { return m.Group }
func (m *Incident) MessageID() string {
	return IncidentID(m.Group, m.N) + "." + strconv.FormatBool(m.Open)
}
func (m *Incident) MessageGroup() string { return m.Group }

// Requests and answers of leases are not stored, so their ids only say what they are about.

func (m *LeaseRequest) MessageID() string {
	return "lease." + m.Group + "." + m.Member + "." + epoch(m.Epoch)
}
func (m *LeaseRequest) MessageGroup() string { return m.Group }
func (m *LeaseAnswer) MessageID() string {
	return "lease." + m.Group + "." + m.Decider + "." + epoch(m.Epoch)
}
func (m *LeaseAnswer) MessageGroup() string { return m.Group }

func epoch(n uint64) string { return strconv.FormatUint(n, 10) }

// IncidentID is the id that people say and type: "web-14".
func IncidentID(group string, n uint64) string { return group + "-" + strconv.FormatUint(n, 10) }
