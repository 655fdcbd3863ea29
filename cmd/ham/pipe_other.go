//go:build !unix

package main

// onReaderGone does nothing: there is no such signal here.
func onReaderGone(func()) {}
