// Exercises every part of the contract: the value of a record says what to do with it.
package main

import (
	"strconv"

	"pelton/job"
	"pelton/job/log"
	"pelton/job/metrics"
)

var (
	out  = job.Topic("conformance_out").Named("out")
	rows = job.Table("conformance_rows",
		job.Column("boolean", job.Boolean).Nullable(),
		job.Column("int2", job.Int2).Nullable(),
		job.Column("int4", job.Int4).Nullable(),
		job.Column("int8", job.Int8).Nullable(),
		job.Column("float4", job.Float4).Nullable(),
		job.Column("float8", job.Float8).Nullable(),
		job.Column("numeric", job.Numeric).Nullable(),
		job.Column("text", job.Text).Nullable(),
		job.Column("varchar", job.Varchar).Nullable(),
		job.Column("bytea", job.Bytea).Nullable(),
		job.Column("timestamptz", job.Timestamptz).Nullable(),
		job.Column("timestamp", job.Timestamp).Nullable(),
		job.Column("date", job.Date).Nullable(),
		job.Column("uuid", job.UUID).Nullable(),
		job.Column("json", job.JSON).Nullable(),
		job.Column("jsonb", job.JSONB).Nullable(),
	).Named("rows")
	note = job.Statement("note", "INSERT INTO notes (id, note) VALUES (?, ?)", job.Int8, job.Text)
)

var conformance = &job.Job{
	Name: "conformance", Version: "0.1.0", Description: "Exercises every part of the contract",
	Sources: []job.Source{{Topic: "conformance", Headers: true}},
	Sinks:   []*job.Sink{out, rows, note},
	Parameters: []job.Parameter{
		{Name: "prefix", Description: "text before each echo", Default: ""},
		{Name: "limit", Description: "records after which the job stops echoing", Default: "1000000"},
	},
	New: func(parameters *job.Parameters) (job.Process, error) {
		prefix, err := parameters.String("prefix")
		if err != nil {
			return nil, err
		}
		limit, err := parameters.Int("limit")
		if err != nil {
			return nil, err
		}
		records := int64(0)
		return func(record job.Record, to *job.Outputs) error {
			records++
			if record.Value() == nil {
				to.Send(out, record.Key(), []byte("null"))
				return nil
			}
			command, err := record.Text()
			if err != nil {
				return err
			}
			if command == "echo" {
				if records <= limit {
					echo(prefix, record, to)
				}
				return nil
			}
			return obey(command, record, to)
		}, nil
	},
}

var row = []any{
	true, -32768, -2147483648, -9223372036854775808, float32(1.5), 0.1, "-12.50", "é😀", "", []byte{0x00, 0xff},
	1714644672123456, -1, -719162, []byte("\x00\x11\x22\x33\x44\x55\x66\x77\x88\x99\xaa\xbb\xcc\xdd\xee\xff"),
	`{"a": 1}`, `[]`,
}

// many makes more outputs of one record than a byte has bits: a batch that is halved can't hide a mistake in them.
func many(to *job.Outputs) {
	for n := range 20 {
		some := func(wanted bool) []byte {
			if !wanted {
				return nil
			}
			return strconv.AppendInt(nil, int64(n), 10)
		}
		var headers []job.Header
		if n >= 10 {
			headers = []job.Header{{Name: "n", Value: some(n%2 == 0)}}
		}
		to.Send(out, some(n%3 != 0), some(n < 9 || n >= 18), headers...)
		to.Row(note, n, some(n%4 != 1))
		if n == 9 || n == 16 {
			to.Row(rows, make([]any, len(row))...)
		} else {
			to.Row(rows, row...)
		}
	}
	to.Forward(out)
	to.Forward(out)
	for range 9 {
		to.Send(out, nil, nil)
	}
}

// echo sends the record's key, coordinates and headers.
func echo(prefix string, record job.Record, to *job.Outputs) {
	timestamp := "-"
	if milliseconds, ok := record.Timestamp(); ok {
		timestamp = strconv.FormatInt(milliseconds, 10)
	}
	value := prefix + strconv.Itoa(int(record.Partition())) + "/" + strconv.FormatInt(record.Offset(), 10) + "@" + timestamp
	source := job.Header{Name: "source", Value: strconv.AppendInt(nil, int64(record.Source()), 10)}
	to.Send(out, record.Key(), []byte(value), append(record.Headers(), source)...)
}

// obey does what needs nothing but the record.
func obey(command string, record job.Record, to *job.Outputs) error {
	switch command {
	case "forward":
		to.Forward(out)
	case "tombstone":
		to.Send(out, record.Key(), nil)
	case "row":
		to.Row(rows, row...)
	case "nulls":
		to.Row(rows, make([]any, len(row))...)
	case "many":
		many(to)
	case "statement":
		key, ok, err := record.KeyText()
		switch {
		case err != nil:
			return err
		case ok:
			to.Row(note, record.Offset(), key)
		default:
			to.Row(note, record.Offset(), nil)
		}
	case "reject":
		return job.Reject("asked to")
	case "log":
		log.Trace("a trace line")
		log.Debug("a debug line")
		log.Info("an info line")
		log.Warn("a warn line")
		log.Error("an error line")
	case "metrics":
		metrics.Count("conformance_count", 2)
		metrics.Gauge("conformance_gauge", 0.5)
	case "raise":
		panic("raised on purpose")
	}
	return nil
}

func init() { job.Export(conformance) }

func main() {}
