// Passes on the readings above a temperature.
package main

import "pelton/job"

var hot = job.Topic("hot")

var fields = job.NewFields("message.temperature")

var readings = &job.Job{
	Name: "{{name}}", Version: "0.1.0", Description: "{{description}}",
	Sources:    []job.Source{{Topic: "sensors"}},
	Sinks:      []*job.Sink{hot},
	Parameters: []job.Parameter{{Name: "above", Description: "degrees Celsius", Default: "30"}},
	New: func(parameters *job.Parameters) (job.Process, error) {
		above, err := parameters.Float("above")
		if err != nil {
			return nil, err
		}
		return func(record job.Record, out *job.Outputs) error {
			var celsius float64
			if err := fields.Scan(record, &celsius); err != nil {
				return err
			}
			if celsius > above {
				out.Forward(hot)
			}
			return nil
		}, nil
	},
}

func init() { job.Export(readings) }

func main() {}
