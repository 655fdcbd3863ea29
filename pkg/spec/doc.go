// Package spec is the model of what an operator declares: groups with their members, checks, routes, policy and
// plan, and how one process of ham is set up.
//
// The model knows no file format and no clock; spec/file reads it from YAML and points at the line of what is
// wrong. [Compile] turns a group and a swap into the plan that a command carries. References to secrets stay
// references here (see [Secret]); whoever uses one resolves it, on its own machine, at the moment of use.
package spec
