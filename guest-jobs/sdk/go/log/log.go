// Package log writes lines to the job's log. The host cuts lines over 4 KiB and drops what goes beyond 100 a second, so
// log what an operator needs, not every record.
//
// What a job prints to standard output or standard error comes out in the job's log too.
package log

import "pelton/job/internal/host"

// Error: something failed, and an operator must act.
func Error(message string) { host.Log(4, message) }

// Warn: something is off, and the job goes on.
func Warn(message string) { host.Log(3, message) }

// Info: something worth knowing happened.
func Info(message string) { host.Log(2, message) }

// Debug: something that helps to find a fault.
func Debug(message string) { host.Log(1, message) }

// Trace: every step.
func Trace(message string) { host.Log(0, message) }
