package message

import "net/url"

// LinkThread is what a link leads to: where people talk about the incident.
const LinkThread = "thread"

// Link says where else something of an incident is. It stands among the events; it is no event itself, and is told to nobody.
type Link struct {
	// ID is the same for the same place.
	ID       string `json:"id" validate:"required,max=192,id"`
	Group    string `json:"group" validate:"required,name"`
	Incident string `json:"incident" validate:"required,max=128"`
	// What it leads to; Name is whose it is: the channel's.
	What   string `json:"what" validate:"required,oneof=thread"`
	Name   string `json:"name" validate:"required,name"`
	URL    string `json:"url" validate:"required,max=2048,place"`
	Writer string `json:"writer" validate:"required,name"`
	At     int64  `json:"at_us" validate:"min=0"`
}

// isPlace holds a link to what a page may show: it leads to a place on the web, names nobody, and runs nothing.
func isPlace(s string) bool {
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != "" && u.User == nil
}

func (m *Link) MessageID() string    { return m.ID }
func (m *Link) MessageGroup() string { return m.Group }
