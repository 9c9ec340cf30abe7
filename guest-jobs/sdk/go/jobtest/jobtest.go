//go:build !wasip1

// Package jobtest runs a job natively over records given in a test, through the same packing as in a component. The host
// is a fake, which keeps the lines and metrics of the job.
//
//	func TestLongRecordsPass(t *testing.T) {
//		run, err := jobtest.Run(filter, jobtest.Set{"bytes": "4"}, jobtest.Values("no", "longer")...)
//		if err != nil {
//			t.Fatal(err)
//		}
//		if forwards := run.Forwards(loud); !slices.Equal(forwards, []int{1}) {
//			t.Error(forwards)
//		}
//	}
package jobtest

import (
	"fmt"

	"pelton/job"
	"pelton/job/internal/bridge"
	"pelton/job/internal/host"
	"pelton/job/internal/wire"
)

// Set is parameters with their values. Those that aren't given have their defaults.
type Set map[string]string

// Record is a record to give to a job.
type Record struct {
	// Nil is null.
	Key, Value []byte
	// Given to the job if its source asks for them.
	Headers []job.Header
	// Milliseconds since the Unix epoch; 0 is none.
	Timestamp int64
}

// Values is records with these values and nothing else.
func Values(values ...string) []Record {
	var records []Record
	for _, value := range values {
		records = append(records, Record{Value: []byte(value)})
	}
	return records
}

// Message is a message that a job sent. Origin is the index of the record that it was made from.
type Message struct {
	Origin     int
	Key, Value []byte
	Headers    []job.Header
}

// Row is a row that a job wrote. Origin is the index of the record that it was made from. Values are as the column
// holds them: nil, bool, int16, int32, int64, float32, float64, string, or []byte for bytea and uuid.
type Row struct {
	Origin int
	Values []any
}

// Reject is a record that a job can't use.
type Reject struct {
	Index  int
	Reason string
}

// Outcome is what a job made of the records.
type Outcome struct {
	// The rejects, in order.
	Rejects []Reject
	// The lines for the log, each as "info: text", in order.
	Log []string
	// The sum of each counter, and the last value of each gauge.
	Counts map[string]uint64
	Gauges map[string]float64

	sinks   []*job.Sink
	outputs []wire.Output
}

// Run configures a job and hands it one batch of its first source: partition 0, offsets from 0. The error is what the
// host would show: of New, of a parameter that is required and not given, or isn't declared, of a mistake of the job in
// its outputs, or of a panic.
func Run(j *job.Job, set Set, records ...Record) (*Outcome, error) {
	parameters, err := settings(j, set)
	if err != nil {
		return nil, err
	}
	run := &Outcome{Counts: map[string]uint64{}, Gauges: map[string]float64{}, sinks: j.Sinks}
	host.With(fake{run}, func() { err = run.process(j, parameters, records) })
	if err != nil {
		return nil, err
	}
	return run, nil
}

func settings(j *job.Job, set Set) ([][2]string, error) {
	declared := map[string]bool{}
	var parameters [][2]string
	for _, parameter := range j.Parameters {
		value, given := set[parameter.Name]
		if !given {
			value = parameter.Default
		}
		if parameter.Required && !given {
			return nil, fmt.Errorf("parameter `%s` is not set", parameter.Name)
		}
		declared[parameter.Name] = true
		parameters = append(parameters, [2]string{parameter.Name, value})
	}
	for name := range set {
		if !declared[name] {
			return nil, fmt.Errorf("the job has no parameter `%s`", name)
		}
	}
	return parameters, nil
}

func (o *Outcome) process(j *job.Job, parameters [][2]string, records []Record) error {
	instance, err := bridge.NewInstance(j, parameters)
	if err != nil {
		return err
	}
	outcome, err := instance.Process(batch(j, records))
	if err != nil {
		return err
	}
	o.outputs = outcome.Outputs
	for _, reject := range outcome.Rejects {
		o.Rejects = append(o.Rejects, Reject{int(reject.Index), reject.Reason})
	}
	return nil
}

// batch is records as they cross.
func batch(j *job.Job, records []Record) *wire.Batch {
	batch := &wire.Batch{}
	if len(j.Sources) > 0 && j.Sources[0].Headers {
		batch.Headers = &wire.Headers{}
	}
	for offset, record := range records {
		timestamp := record.Timestamp
		if timestamp == 0 {
			timestamp = -1
		}
		batch.Offsets = append(batch.Offsets, int64(offset))
		batch.Timestamps = append(batch.Timestamps, timestamp)
		batch.Keys.Push(record.Key)
		batch.Values.Push(record.Value)
		if batch.Headers != nil {
			for _, header := range record.Headers {
				batch.Headers.Push(header.Name, header.Value)
			}
			batch.Headers.End()
		}
	}
	return batch
}

// Forwards is the indices of the records that were forwarded to a sink, in order.
func (o *Outcome) Forwards(sink *job.Sink) []int {
	var forwards []int
	for _, output := range o.of(sink, wire.Forward) {
		for _, origin := range output.Origin {
			forwards = append(forwards, int(origin))
		}
	}
	return forwards
}

// Messages is what was sent to a sink, in order.
func (o *Outcome) Messages(sink *job.Sink) []Message {
	var messages []Message
	for _, output := range o.of(sink, wire.Messages) {
		for n, origin := range output.Origin {
			message := Message{Origin: int(origin), Key: output.Keys.Get(n), Value: output.Values.Get(n)}
			if output.HasHeaders {
				start, end := wire.Range(output.Headers.Ends, n)
				for i := int(start); i < int(end); i++ {
					header := job.Header{Name: string(output.Headers.Names.Get(i)), Value: output.Headers.Values.Get(i)}
					message.Headers = append(message.Headers, header)
				}
			}
			messages = append(messages, message)
		}
	}
	return messages
}

// Rows is what was written to a sink, in order.
func (o *Outcome) Rows(sink *job.Sink) []Row {
	var rows []Row
	for _, output := range o.of(sink, wire.Rows) {
		for n, origin := range output.Origin {
			row := Row{Origin: int(origin)}
			for i := range output.Columns {
				row.Values = append(row.Values, value(&output.Columns[i], n))
			}
			rows = append(rows, row)
		}
	}
	return rows
}

func (o *Outcome) of(sink *job.Sink, kind wire.Kind) []*wire.Output {
	var outputs []*wire.Output
	for i := range o.outputs {
		if output := &o.outputs[i]; output.Kind == kind && o.sinks[output.Sink] == sink {
			outputs = append(outputs, output)
		}
	}
	return outputs
}

func value(column *wire.Column, row int) any {
	if !column.Validity.IsValid(row) {
		return nil
	}
	switch column.Type.Data() {
	case wire.Booleans:
		return column.Booleans[row]
	case wire.Int16s:
		return column.Int16s[row]
	case wire.Int32s:
		return column.Int32s[row]
	case wire.Int64s:
		return column.Int64s[row]
	case wire.Float32s:
		return column.Float32s[row]
	case wire.Float64s:
		return column.Float64s[row]
	}
	if column.Type == wire.Bytea || column.Type == wire.UUID {
		return column.Packed.Get(row)
	}
	return string(column.Packed.Get(row))
}

// fake is the host of a run.
type fake struct{ run *Outcome }

func (f fake) Log(level host.Level, message string) {
	levels := [...]string{"trace", "debug", "info", "warn", "error"}
	f.run.Log = append(f.run.Log, levels[level]+": "+message)
}

func (f fake) Count(name string, increment uint64) { f.run.Counts[name] += increment }

func (f fake) Gauge(name string, value float64) { f.run.Gauges[name] = value }
