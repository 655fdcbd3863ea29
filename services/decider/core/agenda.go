package core

import (
	"github.com/isacloud/ha-manager/pkg/message"
)

func (s *State) scheduled(r *message.Request) bool { return false }
