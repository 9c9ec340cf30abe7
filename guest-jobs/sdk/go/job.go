// Package job is the SDK for Pelton jobs in Go.
//
// A job is a [Job] value handed to [Export]; it sees one [Record] at a time, and gives what it makes of it to
// [Outputs]. Batches, packing, null bitmaps and the bookkeeping of which output came from which record are the SDK's
// business.
//
//	var loud = job.Topic("loud")
//
//	var filter = &job.Job{
//		Name: "filter", Version: "1.0.0", Description: "passes on long records",
//		Sources:    []job.Source{{Topic: "words"}},
//		Sinks:      []*job.Sink{loud},
//		Parameters: []job.Parameter{{Name: "bytes", Description: "records up to this long are dropped", Default: "4"}},
//		New: func(parameters *job.Parameters) (job.Process, error) {
//			limit, err := parameters.Int("bytes")
//			return func(record job.Record, out *job.Outputs) error {
//				text, err := record.Text()
//				if err == nil && int64(len(text)) > limit {
//					out.Forward(loud)
//				}
//				return err
//			}, err
//		},
//	}
//
//	func init() { job.Export(filter) }
//	func main() {}
//
// Package jobtest runs a job natively, in `go test`. Lines for the log and metrics are in the packages log and metrics,
// python prints JSON as Python does. [Fields] reads fields of a record's JSON, and jsonscan any
// JSON, several times faster than encoding/json.
//
// Three ways for things to go wrong, each with an end of its own:
//   - a record that the job can't use: return an error, such as a [Reject]; the record goes to the dead-letter topic
//     with the error's text, the rest goes on;
//   - a mistake of the job in its own outputs (an undeclared sink, a value of the wrong type, too few values): the whole
//     batch fails, and the reason names sink, column and record;
//   - a panic: the same, and the reason holds its text and the stack. The host then halves the batch until it has found
//     the record.
//
// A job has one thread. A goroutine must end before the Process that started it returns.
package job

import "pelton/job/internal/bridge"

// Job is what a job says of itself, and how an instance is made.
type Job struct {
	// Lower-case letters, digits, `_` and `-`.
	Name string
	// For people; the host tells versions apart by the component's digest.
	Version     string
	Description string
	// What the job reads. At least one.
	Sources []Source
	// What the job writes to. A sink is a package variable: the job lists it here and names it again where it emits.
	Sinks      []*Sink
	Parameters []Parameter
	// New makes an instance, and is called once for each. An error at submit refuses the job, with its text.
	New func(*Parameters) (Process, error)
	// What the job holds in variables from one record to the next, in words: `the last reading of each sensor`. It ends
	// with the instance, so the host warns and asks before it ends one. Empty for a job that remembers nothing.
	Remembers string
}

// The parameters as the contract has them: what the job remembers is one of a reserved name.
func (j *Job) declared() []Parameter {
	declared := append([]Parameter(nil), j.Parameters...)
	if j.Remembers != "" {
		declared = append(declared, Parameter{Name: "pelton.remembers", Description: j.Remembers, Default: "true"})
	}
	return declared
}

// Process handles one record, in the order of the partition. To filter a record out is to emit nothing. An error
// rejects the record: it goes to the dead-letter topic with the error's text. What was emitted before the error stands,
// so check first and emit after.
type Process func(Record, *Outputs) error

// Source is a topic that a job reads.
type Source struct {
	Topic string
	// Whether the records come with their headers.
	Headers bool
}

// Parameter is a setting of a job, made at submit.
type Parameter struct {
	Name        string
	Description string
	// The value where none is set.
	Default string
	// Whether it must be set at submit; Default then has no meaning.
	Required bool
}

// Reject is a reason why a job can't use a record, or its parameters. Any other error does as well.
type Reject string

// Error is the reason.
func (r Reject) Error() string { return string(r) }

var exported *Job

// Export makes a job the one of the component. Call it once, in an init function: main is not run in a component.
func Export(job *Job) {
	if exported != nil {
		panic("job.Export was called twice: a component is one job")
	}
	exported = job
}

func init() {
	bridge.NewInstance = func(job any, parameters [][2]string) (bridge.Instance, error) {
		return newInstance(job.(*Job), parameters)
	}
}
