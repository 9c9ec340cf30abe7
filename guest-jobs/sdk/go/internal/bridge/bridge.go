// Package bridge lets package jobtest run a job through what a component runs, without making it part of the SDK's face.
package bridge

import "pelton/job/internal/wire"

// Instance is a configured job.
type Instance interface {
	// Process handles one batch. The outcome is valid until the next call.
	Process(*wire.Batch) (*wire.Outcome, error)
}

// NewInstance configures a *job.Job. Package job sets it.
var NewInstance func(job any, parameters [][2]string) (Instance, error)
