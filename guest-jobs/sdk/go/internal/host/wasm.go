//go:build wasip1

// Package host is what a job may call of its host: a line for the log, a counter, a gauge.
package host

import "strings"

// Level is how much a line of the log matters; the numbers are those of the contract's enum `level`.
type Level int32

//go:wasmimport pelton:job/log@0.1.0 log
func log(level Level, message string)

//go:wasmimport pelton:job/metrics@0.1.0 count
func count(name string, increment uint64)

//go:wasmimport pelton:job/metrics@0.1.0 gauge
func gauge(name string, value float64)

// Log writes a line.
func Log(level Level, message string) { log(level, valid(message)) }

// Count adds to a counter.
func Count(name string, increment uint64) { count(valid(name), increment) }

// Gauge sets a gauge.
func Gauge(name string, value float64) { gauge(valid(name), value) }

// valid makes a text UTF-8: the host traps on what isn't.
func valid(text string) string { return strings.ToValidUTF8(text, "\uFFFD") }
