// Passes each reading on to the topic that its temperature says.
package main

import "pelton/job"

var (
	hot  = job.Topic("hot")
	mild = job.Topic("mild")
	cold = job.Topic("cold")
)

var fields = job.NewFields("message.temperature")

var readings = &job.Job{
	Name: "{{name}}", Version: "0.1.0", Description: "{{description}}",
	Sources: []job.Source{{Topic: "sensors"}},
	Sinks:   []*job.Sink{hot, mild, cold},
	Parameters: []job.Parameter{
		{Name: "hot", Description: "degrees Celsius above which a reading is hot", Default: "30"},
		{Name: "cold", Description: "degrees Celsius below which it is cold", Default: "10"},
	},
	New: func(parameters *job.Parameters) (job.Process, error) {
		above, err := parameters.Float("hot")
		if err != nil {
			return nil, err
		}
		below, err := parameters.Float("cold")
		if err != nil {
			return nil, err
		}
		if below > above {
			return nil, job.Reject("`cold` is above `hot`")
		}
		return func(record job.Record, out *job.Outputs) error {
			var celsius float64
			if err := fields.Scan(record, &celsius); err != nil {
				return err
			}
			switch {
			case celsius > above:
				out.Forward(hot)
			case celsius < below:
				out.Forward(cold)
			default:
				out.Forward(mild)
			}
			return nil
		}, nil
	},
}

func init() { job.Export(readings) }

func main() {}
