package main

import (
	"reflect"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/subject"
)

// What is used here of AsyncAPI 3.0.
type (
	document struct {
		AsyncAPI    string    `yaml:"asyncapi"`
		Info        info      `yaml:"info"`
		ContentType string    `yaml:"defaultContentType"`
		Channels    yaml.Node `yaml:"channels"`
		Operations  yaml.Node `yaml:"operations"`
		Components  yaml.Node `yaml:"components"`
	}
	info struct {
		Title       string `yaml:"title"`
		Version     string `yaml:"version"`
		Description string `yaml:"description"`
	}
	ref struct {
		Ref string `yaml:"$ref"`
	}
	parameter struct {
		Description string   `yaml:"description"`
		Enum        []string `yaml:"enum,omitempty"`
		Examples    []string `yaml:"examples,omitempty"`
	}
	operation struct {
		Action   string `yaml:"action"`
		Channel  ref    `yaml:"channel"`
		Summary  string `yaml:"summary"`
		Messages []ref  `yaml:"messages"`
		Reply    *reply `yaml:"reply,omitempty"`
	}
	reply struct {
		Channel  ref   `yaml:"channel"`
		Messages []ref `yaml:"messages"`
	}
)

const intro = `The messages of isaCloud HA Manager on NATS, in CloudEvents binary mode: the body is JSON, the headers say what it is.
Fields that a reader does not know are ignored; a type or version that it does not know goes to the dead letters.
Actions are those of ham itself: it sends what it writes and receives what others may write.`

// asyncAPI is the document.
func asyncAPI(c comments) document {
	channelNodes, operations := mapping(), mapping()
	for _, ch := range channels {
		put(&channelNodes, ch.name, ch.node())
		put(&operations, ch.verb(), ch.operation())
		if len(ch.reply) > 0 {
			// A reply goes to the asker's inbox, which has no name of its own.
			put(&channelNodes, ch.name+"Reply", replyChannel(ch))
		}
	}
	messages, params := mapping(), mapping()
	for _, m := range used() {
		put(&messages, message.NameOf(m), messageNode(m, c))
	}
	known := parameters()
	for _, ch := range channels {
		for _, p := range ch.params {
			put(&params, p, known[p])
		}
	}
	components := mapping()
	put(&components, "messages", messages)
	put(&components, "parameters", params)
	return document{
		AsyncAPI: "3.0.0", ContentType: "application/json",
		Info:     info{Title: "isaCloud HA Manager", Version: strings.TrimPrefix(subject.Root, "ham."), Description: intro},
		Channels: channelNodes, Operations: operations, Components: components,
	}
}

func (c channel) node() yaml.Node {
	n := mapping()
	put(&n, "address", c.address())
	put(&n, "description", c.says)
	params := mapping()
	for _, p := range c.params {
		put(&params, p, ref{"#/components/parameters/" + p})
	}
	put(&n, "parameters", params)
	put(&n, "messages", messageRefs(c.messages))
	if c.stream != "" {
		put(&n, "x-stream", c.stream)
	}
	return n
}

func replyChannel(c channel) yaml.Node {
	n := mapping()
	put(&n, "address", nil)
	put(&n, "description", "The inbox of whoever sent on "+c.name+".")
	put(&n, "messages", messageRefs(c.reply))
	return n
}

func messageRefs(all []message.Message) yaml.Node {
	n := mapping()
	for _, m := range all {
		put(&n, message.NameOf(m), ref{"#/components/messages/" + message.NameOf(m)})
	}
	return n
}

// verb names the channel's operation.
func (c channel) verb() string {
	if c.sends {
		return "send-" + c.name
	}
	return "receive-" + c.name
}

func (c channel) operation() operation {
	o := operation{Action: "receive", Channel: ref{"#/channels/" + c.name}, Summary: c.says, Messages: channelRefs(c.name, c.messages)}
	if c.sends {
		o.Action = "send"
	}
	if len(c.reply) > 0 {
		o.Reply = &reply{
			Channel:  ref{"#/channels/" + c.name + "Reply"},
			Messages: channelRefs(c.name+"Reply", c.reply),
		}
	}
	return o
}

func channelRefs(channel string, all []message.Message) []ref {
	var out []ref
	for _, m := range all {
		out = append(out, ref{"#/channels/" + channel + "/messages/" + message.NameOf(m)})
	}
	return out
}

func messageNode(m message.Message, c comments) yaml.Node {
	n := mapping()
	put(&n, "name", message.TypeOf(m))
	put(&n, "summary", c[reflect.TypeOf(m).Elem().Name()])
	put(&n, "contentType", "application/json")
	put(&n, "headers", headersNode(m))
	put(&n, "payload", ref{"./" + fileOf(m)})
	return n
}

// headersNode is the CloudEvents attributes of one type. Stock clients may leave them out of requests.
func headersNode(m message.Message) yaml.Node {
	text := func(description string) yaml.Node {
		n := mapping()
		put(&n, "type", "string")
		put(&n, "description", description)
		return n
	}
	fixed := func(value string) yaml.Node {
		n := mapping()
		put(&n, "type", "string")
		put(&n, "const", value)
		return n
	}
	props := mapping()
	put(&props, message.HeaderSpecVersion, fixed("1.0"))
	put(&props, message.HeaderType, fixed(message.TypeOf(m)))
	put(&props, message.HeaderSource, text("/ham/<service>/<instance>"))
	put(&props, message.HeaderID, text("The message's id."))
	put(&props, message.HeaderTime, text("When it was written, RFC 3339, by the writer's wall clock."))
	put(&props, message.HeaderSubject, text("The group."))
	put(&props, message.HeaderContentType, fixed("application/json"))
	put(&props, message.HeaderMsgID, text("The message's id again: the stream keeps one copy."))
	n := mapping()
	put(&n, "type", "object")
	put(&n, "properties", props)
	if _, asked := m.(*message.Request); !asked {
		put(&n, "required", []string{message.HeaderType})
	}
	return n
}

func mapping() yaml.Node { return yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"} }

// put adds a key to a mapping unless it is there, keeping the order in which they come.
func put(n *yaml.Node, key string, value any) {
	for i := 0; i < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return
		}
	}
	v := new(yaml.Node)
	switch x := value.(type) {
	case yaml.Node:
		*v = x
	default:
		if err := v.Encode(value); err != nil {
			panic(err) // a struct of this file that YAML cannot hold: a mistake in the program
		}
	}
	n.Content = append(n.Content, &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: key}, v)
}
