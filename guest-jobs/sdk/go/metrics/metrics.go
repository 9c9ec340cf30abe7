// Package metrics sets a job's own metrics, shown on the host's /metrics with the job's name. Names match
// [a-zA-Z_][a-zA-Z0-9_]*. Each call crosses into the host: count per event that matters, not per record.
package metrics

import "pelton/job/internal/host"

// Count adds to a counter.
func Count(name string, increment uint64) { host.Count(name, increment) }

// Gauge sets a gauge.
func Gauge(name string, value float64) { host.Gauge(name, value) }
