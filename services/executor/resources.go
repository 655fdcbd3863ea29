package executor

import "github.com/isacloud/ha-manager/services/executor/resource"

// Resources is the list of all kinds of resources: adding one is a folder and a line here.
func Resources() []resource.Kind {
	return []resource.Kind{}
}
