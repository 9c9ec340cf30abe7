// The article's postgres_sink.py: every reading becomes a row of raw_sensors_data, readings above a temperature become
// alerts too.
package main

import (
	"pelton/job"
	"pelton/sensors"
)

var alerts = job.Topic("alerts")

var readings = job.Table("raw_sensors_data",
	job.Column("message_id", job.Varchar),
	job.Column("sensor_id", job.Int4),
	job.Column("message", job.Text),
	job.Column("timestamp", job.Timestamptz),
).OnConflictIgnore("message_id")

var sensorPipeline = &job.Job{
	Name: "sensor_pipeline", Version: "0.1.0", Description: "every reading to raw_sensors_data, alerts on readings above a temperature",
	Sources: []job.Source{{Topic: "sensors"}},
	Sinks:   []*job.Sink{readings, alerts},
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
			out.Row(readings, reading.MessageID, reading.SensorID, reading.Message, reading.Microseconds)
			if reading.Temperature > threshold {
				alert = reading.AppendAlert(alert[:0])
				out.Send(alerts, record.Key(), alert)
			}
			return nil
		}, nil
	},
}

func init() { job.Export(sensorPipeline) }

func main() {}
