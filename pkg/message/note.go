package message

import "strings"

// What a note says of an action item.
const (
	ItemTodo = "todo"
	ItemDone = "done"
)

// Item is an action item of an incident: that it is to be done, or that it is done. The newest word about it counts.
type Item struct {
	// ID is "<incident>.<id of the request that added it>".
	ID    string `json:"id" validate:"required,max=256,id"`
	State string `json:"state" validate:"required,oneof=todo done"`
	// Text is what is to be done, or what was, in the person's words.
	Text string `json:"text" validate:"required,max=1024"`
}

// NoteOf takes apart what a note is about: an incident, or an item of one ("" where it is the incident itself).
func NoteOf(of string) (incident, item string) {
	incident, item, _ = strings.Cut(of, ".")
	return incident, item
}

// ItemID is the id of the item that a request adds to an incident.
func ItemID(incident, request string) string { return incident + "." + request }
