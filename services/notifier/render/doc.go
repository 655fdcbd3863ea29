// Package render says an event in words for a person at three in the morning: what happened, why, what was seen,
// what to do. It is pure: the same event always gives the same words.
//
// What an event quotes (sentences, evidence, output of scripts) was written by others. [Clean] takes from it what could
// act on a reader's screen; each channel adds the escaping of its own notation.
package render
