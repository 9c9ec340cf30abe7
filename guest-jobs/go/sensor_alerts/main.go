// Alerts on readings above a temperature: the filter of the article's job. It rejects what sensor_pipeline does.
package main

import (
	"pelton/job"
	"pelton/job/python"
)

var alerts = job.Topic("alerts")
var fields = job.NewFields("message_id", "sensor_id", "message", "message.temperature", "timestamp", "timestamp")

var sensorAlerts = &job.Job{
	Name: "sensor_alerts", Version: "0.1.0", Description: "alerts on readings above a temperature",
	Sources: []job.Source{{Topic: "sensors"}}, Sinks: []*job.Sink{alerts},
	Parameters: []job.Parameter{
		{Name: "threshold", Description: "degrees Celsius above which a reading is an alert", Default: "30"},
	},
	New: func(parameters *job.Parameters) (job.Process, error) {
		var alert []byte
		threshold, err := parameters.Float("threshold")
		return func(record job.Record, out *job.Outputs) error {
			var id, timestamp string
			var sensor int32
			var message job.Object
			var temperature float64
			var at job.Micros
			err := fields.Scan(record, &id, &sensor, &message, &temperature, &timestamp, &at)
			if err == nil && temperature > threshold {
				alert = python.Append(alert[:0]).Text("message_id", id).Int("sensor_id", int64(sensor)).
					Float("temperature", temperature).Text("alert", "High temperature detected").
					Text("timestamp", timestamp).End()
				out.Send(alerts, record.Key(), alert)
			}
			return err
		}, err
	},
}

func init() { job.Export(sensorAlerts) }
func main() {}
