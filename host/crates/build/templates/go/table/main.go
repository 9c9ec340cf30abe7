// Writes each reading to a table of Postgres.
package main

import "pelton/job"

var table = job.Table("readings",
	job.Column("message_id", job.Text),
	job.Column("sensor_id", job.Int4),
	job.Column("temperature", job.Float8),
	job.Column("message", job.JSONB),
	job.Column("timestamp", job.Timestamptz),
).OnConflictIgnore("message_id")

var fields = job.NewFields("message_id", "sensor_id", "message.temperature", "message", "timestamp")

var readings = &job.Job{
	Name: "{{name}}", Version: "0.1.0", Description: "{{description}}",
	Sources: []job.Source{{Topic: "sensors"}},
	Sinks:   []*job.Sink{table},
	New: func(*job.Parameters) (job.Process, error) {
		return func(record job.Record, out *job.Outputs) error {
			var (
				id      string
				sensor  int32
				celsius float64
				message job.Object
				time    job.Micros
			)
			if err := fields.Scan(record, &id, &sensor, &celsius, &message, &time); err != nil {
				return err
			}
			out.Row(table, id, sensor, celsius, message, time)
			return nil
		}, nil
	},
}

func init() { job.Export(readings) }

func main() {}
