// Package storetest tests pkg/spec/store on a real server. It stands in this module because pkg does not depend on the server.
package storetest
