package cli

import "github.com/isacloud/ha-manager/pkg/message"

// showLadders says where each ladder stands that something was tried on: one that nothing was tried on is in the group's own sentence.
func (a *app) showLadders(s *message.GroupStatus) {
	for _, m := range s.Members {
		r := m.Remedy
		if r == nil || r.State == message.RemedyReady {
			continue
		}
		color := green
		if r.State != message.RemedyTried {
			color = yellow
		}
		a.printf("  %s", a.paint(color, a.say("the ladder of "+m.Name+": "+r.Sentence)))
	}
}
