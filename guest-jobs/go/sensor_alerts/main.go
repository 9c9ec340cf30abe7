// Alerts on readings above a temperature: the filter of the article's job.
package main

import (
	"pelton/job"
	"pelton/sensors"
)

var alerts = job.Topic("alerts")

var sensorAlerts = &job.Job{
	Name: "sensor_alerts", Version: "0.1.0", Description: "alerts on readings above a temperature",
	Sources: []job.Source{{Topic: "sensors"}},
	Sinks:   []*job.Sink{alerts},
	Parameters: []job.Parameter{
		{Name: "threshold", Description: "degrees Celsius above which a reading is an alert", Default: "30"},
	},
	New: func(parameters *job.Parameters) (job.Process, error) {
		threshold, err := parameters.Float("threshold")
		if err != nil {
			return nil, err
		}
		var alert []byte
		return func(record job.Record, out *job.Outputs) error {
			text, err := record.Text()
			if err != nil {
				return err
			}
			reading, err := sensors.Parse(text)
			if err != nil {
				return err
			}
			if reading.Temperature > threshold {
				alert = reading.AppendAlert(alert[:0])
				out.Send(alerts, record.Key(), alert)
			}
			return nil
		}, nil
	},
}

func init() { job.Export(sensorAlerts) }

func main() {}
