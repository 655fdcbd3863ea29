package bus

import (
	"fmt"
	"strconv"
	"time"

	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/subject"
)

// Delivery is a valid message that came in. What is invalid never becomes one: it goes to the dead letters.
type Delivery struct {
	Subject string // as it was published, also of a republished copy
	Parts   subject.Parts
	Stream  string    // "" where it was only heard
	Seq     uint64    // its sequence in the stream; 0 where it was heard before it was stored
	Time    time.Time // when the stream stored it; zero where it was only heard
	Header  message.Header
	Message message.Message
	// Heard says that it came by core subscription: at most once, and (unless Parts.Stored) perhaps never stored.
	Heard bool
	// Attempt counts the deliveries of a work queue from 1.
	Attempt int
}

// decode turns what came in on subj into a valid message whose content agrees with the subject: permissions
// hold the subject, so that nobody can speak in another's name.
func decode(subj string, h message.Header, body []byte, seq uint64, at time.Time) (message.Message, subject.Parts, error) {
	parts, err := subject.Parse(subj)
	if err != nil {
		return nil, parts, err
	}
	if parts.What == "request" || parts.What == "ask" {
		fresh := ""
		if seq > 0 {
			fresh = FreshRequestID(seq, at)
		}
		m, err := DecodeRequest(parts, h, body, fresh)
		if err != nil {
			return nil, parts, err
		}
		return m, parts, nil
	}
	m, err := message.Decode(h, body)
	if err != nil {
		return nil, parts, err
	}
	return m, parts, agrees(parts, m)
}

// agrees says whether m may stand on a subject with these parts.
func agrees(p subject.Parts, m message.Message) error {
	name := message.NameOf(m)
	field := func(field, got, want string) error {
		if got == want {
			return nil
		}
		return &message.Invalid{Type: name, Field: field, Got: strconv.Quote(got), Want: strconv.Quote(want) + ", as the subject says"}
	}
	if p.What != "deadletter" {
		if err := field("group", m.MessageGroup(), p.Group); err != nil {
			return err
		}
	}
	switch m := m.(type) {
	case *message.Heartbeat:
		if p.What == "heartbeat" {
			if err := field("member", m.Member, p.Member); err != nil {
				return err
			}
			return field("vantage", m.Vantage, p.Writer)
		}
	case *message.Command, *message.Held, *message.Mark, *message.DrillEnd, *message.Approval, *message.Planned, *message.Maintenance:
		if p.What == "command" {
			return nil
		}
	case *message.StepResult:
		if p.What == "safety" {
			if err := field("executor", m.Executor, p.Writer); err != nil {
				return err
			}
			return kindIs(name, p.Kind, subject.SafetyStep)
		}
	case *message.RunResult:
		if p.What == "safety" {
			if err := field("executor", m.Executor, p.Writer); err != nil {
				return err
			}
			return kindIs(name, p.Kind, subject.SafetyRun)
		}
	case *message.Instruction:
		if p.What == "safety" {
			if err := field("decider", m.Decider, p.Writer); err != nil {
				return err
			}
			return kindIs(name, p.Kind, subject.SafetyInstruction)
		}
	case *message.Fenced:
		if p.What == "safety" {
			if err := field("executor", m.Executor, p.Writer); err != nil {
				return err
			}
			return kindIs(name, p.Kind, subject.SafetyFenced)
		}
	case *message.Replication:
		if p.What == "safety" {
			if err := field("executor", m.Executor, p.Writer); err != nil {
				return err
			}
			return kindIs(name, p.Kind, subject.SafetyReplication)
		}
	case *message.Evaluation:
		if p.What == "safety" {
			if err := field("executor", m.Executor, p.Writer); err != nil {
				return err
			}
			return kindIs(name, p.Kind, subject.SafetyEvaluation)
		}
	case *message.Event:
		if p.What == "event" {
			if err := field("kind", string(m.Kind), p.Kind); err != nil {
				return err
			}
			return field("writer", m.Writer, p.Writer)
		}
	case *message.Gathered:
		if p.What == "gathered" {
			return field("executor", m.Executor, p.Writer)
		}
	case *message.Link:
		if p.What == "event" {
			if err := kindIs(name, p.Kind, subject.KindLink); err != nil {
				return err
			}
			return field("writer", m.Writer, p.Writer)
		}
	case *message.DeadLetter:
		if p.What == "deadletter" {
			return field("writer", m.Writer, p.Writer)
		}
	}
	return &message.Invalid{Type: name, Got: "it on a subject of kind " + p.What, Want: "a message that belongs there"}
}

func kindIs(name, got, want string) error {
	if got == want {
		return nil
	}
	return &message.Invalid{Type: name, Got: "it on a subject of kind " + got, Want: "kind " + want}
}

// FreshRequestID is the id of a stored request that names none itself.
func FreshRequestID(seq uint64, at time.Time) string {
	return "rq-" + strconv.FormatUint(seq, 10) + "-" + strconv.FormatInt(at.UnixMilli(), 36)
}

// DecodeRequest reads a request from either subject. An empty body is valid; what the body leaves out is taken from the
// subject, and what it says must agree with it. The id is the body's, else the header's, else fresh.
func DecodeRequest(p subject.Parts, h message.Header, body []byte, fresh string) (*message.Request, error) {
	if p.What != "request" && p.What != "ask" {
		return nil, fmt.Errorf("a subject of kind %s carries no requests", p.What)
	}
	return message.DecodeRequest(h, body, message.Request{Group: p.Group, Verb: message.Verb(p.Verb), Actor: p.Writer}, fresh)
}
