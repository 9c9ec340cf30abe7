// Adds to each reading the site of its sensor, which a parameter says.
package main

import (
	"encoding/json"
	"fmt"

	"pelton/job"
)

var located = job.Topic("located")

var fields = job.NewFields("sensor_id", "message.temperature")

type reading struct {
	Sensor      int32   `json:"sensor_id"`
	Site        string  `json:"site"`
	Temperature float64 `json:"temperature"`
}

var readings = &job.Job{
	Name: "{{name}}", Version: "0.1.0", Description: "{{description}}",
	Sources: []job.Source{{Topic: "sensors"}},
	Sinks:   []*job.Sink{located},
	Parameters: []job.Parameter{
		{Name: "sites", Description: "a JSON object: the site of each sensor", Required: true},
	},
	New: func(parameters *job.Parameters) (job.Process, error) {
		text, err := parameters.String("sites")
		if err != nil {
			return nil, err
		}
		var sites map[int32]string
		if err := json.Unmarshal([]byte(text), &sites); err != nil {
			return nil, fmt.Errorf("parameter `sites`: %w", err)
		}
		return func(record job.Record, out *job.Outputs) error {
			var found reading
			if err := fields.Scan(record, &found.Sensor, &found.Temperature); err != nil {
				return err
			}
			site, ok := sites[found.Sensor]
			if !ok {
				return job.Reject(fmt.Sprintf("sensor %d has no site", found.Sensor))
			}
			found.Site = site
			value, err := json.Marshal(found)
			if err != nil {
				return err
			}
			out.Send(located, record.Key(), value)
			return nil
		}, nil
	},
}

func init() { job.Export(readings) }

func main() {}
