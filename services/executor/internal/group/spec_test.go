package group_test

import "github.com/isacloud/ha-manager/pkg/spec"

// minimal is a spec without anything that a desk reads.
var minimal = &spec.Group{Name: "web", Mode: spec.Auto, Members: []spec.Member{{Name: "a", Site: "sp"}, {Name: "b", Site: "rj"}}}
