// The article's postgres_sink.py: every reading becomes a row of raw_sensors_data, readings above a temperature become
// alerts too.
package main

import (
	"pelton/job"
	"pelton/job/python"
)

var alerts = job.Topic("alerts")

var readings = job.Table("raw_sensors_data",
	job.Column("message_id", job.Varchar),
	job.Column("sensor_id", job.Int4),
	job.Column("message", job.Text),
	job.Column("timestamp", job.Timestamptz),
).OnConflictIgnore("message_id")

var fields = job.NewFields("message_id", "sensor_id", "message", "message.temperature", "timestamp", "timestamp")

var sensorPipeline = &job.Job{
	Name: "sensor_pipeline", Version: "0.1.0",
	Description: "every reading to raw_sensors_data, alerts on readings above a temperature",
	Sources:     []job.Source{{Topic: "sensors"}},
	Sinks:       []*job.Sink{readings, alerts},
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
			if err != nil {
				return err
			}
			out.Row(readings, id, sensor, message, at)
			if temperature > threshold {
				alert = python.Append(alert[:0]).Text("message_id", id).Int("sensor_id", int64(sensor)).
					Float("temperature", temperature).Text("alert", "High temperature detected").
					Text("timestamp", timestamp).End()
				out.Send(alerts, record.Key(), alert)
			}
			return nil
		}, err
	},
}

func init() { job.Export(sensorPipeline) }

func main() {}
