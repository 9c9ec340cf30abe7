//go:build !wasip1

// Package host is what a job may call of its host: a line for the log, a counter, a gauge. In a component the host
// answers; in native tests package jobtest does, and without it lines go to standard error.
package host

import (
	"os"
	"sync"
)

// Level is how much a line of the log matters; the numbers are those of the contract's enum `level`.
type Level int32

// Fake takes the calls of native tests.
type Fake interface {
	Log(level Level, message string)
	Count(name string, increment uint64)
	Gauge(name string, value float64)
}

var (
	mutex sync.Mutex
	fake  Fake
)

// With runs f with a fake in the host's place. Tests that run side by side take turns.
func With(with Fake, f func()) {
	mutex.Lock()
	defer mutex.Unlock()
	fake = with
	defer func() { fake = nil }()
	f()
}

// Log writes a line.
func Log(level Level, message string) {
	if fake != nil {
		fake.Log(level, message)
		return
	}
	os.Stderr.WriteString(message + "\n")
}

// Count adds to a counter.
func Count(name string, increment uint64) {
	if fake != nil {
		fake.Count(name, increment)
	}
}

// Gauge sets a gauge.
func Gauge(name string, value float64) {
	if fake != nil {
		fake.Gauge(name, value)
	}
}
