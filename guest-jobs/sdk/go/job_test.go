package job_test

import (
	"errors"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pelton/job"
	"pelton/job/jobtest"
	"pelton/job/log"
	"pelton/job/metrics"
)

var (
	topic = job.Topic("out")
	table = job.Table("table", job.Column("n", job.Int4), job.Column("id", job.UUID).Nullable())
	types = job.Table("types",
		job.Column("a", job.Boolean), job.Column("b", job.Int2), job.Column("c", job.Int4), job.Column("d", job.Int8),
		job.Column("e", job.Float4), job.Column("f", job.Float8), job.Column("g", job.Numeric), job.Column("h", job.Bytea),
		job.Column("i", job.Timestamptz), job.Column("j", job.Date), job.Column("k", job.JSONB))
	note = job.Statement("note", "INSERT INTO notes VALUES (?)", job.Text)
)

func of(process job.Process) *job.Job {
	return &job.Job{
		Name: "test", Version: "1.0.0", Sources: []job.Source{{Topic: "in", Headers: true}},
		Sinks: []*job.Sink{topic, table, types, note},
		New:   func(*job.Parameters) (job.Process, error) { return process, nil },
	}
}

func run(t *testing.T, process job.Process, records ...jobtest.Record) *jobtest.Outcome {
	t.Helper()
	outcome, err := jobtest.Run(of(process), nil, records...)
	if err != nil {
		t.Fatal(err)
	}
	return outcome
}

func equal(t *testing.T, got, expected any) {
	t.Helper()
	if !reflect.DeepEqual(got, expected) {
		t.Errorf("got %#v, expected %#v", got, expected)
	}
}

func TestARecordIsWhatItIs(t *testing.T) {
	headers := []job.Header{{Name: "a", Value: []byte("1")}, {Name: "a"}, {Name: "é", Value: []byte{}}}
	records := []jobtest.Record{
		{},
		{Key: []byte("k"), Value: []byte("v"), Headers: headers, Timestamp: 7},
		{Key: []byte{}, Value: []byte{}},
	}
	var seen []jobtest.Record
	var offsets []int64
	run(t, func(record job.Record, _ *job.Outputs) error {
		timestamp, ok := record.Timestamp()
		if !ok {
			timestamp = 0
		}
		seen = append(seen, jobtest.Record{
			Key: record.Key(), Value: record.Value(), Headers: append([]job.Header(nil), record.Headers()...), Timestamp: timestamp,
		})
		offsets = append(offsets, record.Offset())
		return nil
	}, records...)
	equal(t, seen, records)
	equal(t, offsets, []int64{0, 1, 2})
}

func TestTextSaysWhatIsNone(t *testing.T) {
	outcome := run(t, func(record job.Record, _ *job.Outputs) error {
		_, err := record.Text()
		return err
	}, append([]jobtest.Record{{}}, jobtest.Values("", "é", "a\xe9", "\xff", "\ufffd\xff")...)...)
	equal(t, outcome.Rejects, []jobtest.Reject{
		{Index: 0, Reason: "value is null (a tombstone)"}, {Index: 1, Reason: "value is empty"}, {Index: 3, Reason: "value is not UTF-8: invalid at byte 1"},
		{Index: 4, Reason: "value is not UTF-8: invalid at byte 0"}, {Index: 5, Reason: "value is not UTF-8: invalid at byte 3"},
	})
}

func TestAKeyIsTextOrAReject(t *testing.T) {
	var texts []any
	outcome := run(t, func(record job.Record, _ *job.Outputs) error {
		text, ok, err := record.KeyText()
		texts = append(texts, text, ok)
		return err
	}, jobtest.Record{}, jobtest.Record{Key: []byte{}}, jobtest.Record{Key: []byte("é")}, jobtest.Record{Key: []byte("a\xff")})
	equal(t, texts, []any{"", false, "", true, "é", true, "", false})
	equal(t, outcome.Rejects, []jobtest.Reject{{Index: 3, Reason: "key is not UTF-8: invalid at byte 1"}})
}

func TestTextOfARowIsUTF8(t *testing.T) {
	for _, value := range []any{"a\xff", []byte("\xff")} {
		_, err := jobtest.Run(of(func(_ job.Record, out *job.Outputs) error {
			out.Row(note, value)
			return nil
		}), nil, jobtest.Values("")...)
		if err == nil || err.Error() != "sink `note`: placeholder 1 is text and takes a string, not what is not UTF-8 (at offset 0)" {
			t.Error(err)
		}
	}
}

func TestOutputsKeepTheirOrderAndOrigin(t *testing.T) {
	outcome := run(t, func(record job.Record, out *job.Outputs) error {
		switch string(record.Value()) {
		case "forward":
			out.Forward(topic)
		case "plain":
			out.Send(topic, nil, []byte{})
		case "headers":
			out.Send(topic, []byte("k"), nil, job.Header{Name: "n"}, job.Header{Name: "m", Value: []byte("v")})
		}
		return nil
	}, jobtest.Values("forward", "plain", "none", "headers", "forward", "plain")...)
	equal(t, outcome.Forwards(topic), []int{0, 4})
	equal(t, outcome.Messages(topic), []jobtest.Message{
		{Origin: 1, Value: []byte{}},
		{Origin: 3, Key: []byte("k"), Headers: []job.Header{{Name: "n"}, {Name: "m", Value: []byte("v")}}},
		{Origin: 5, Value: []byte{}},
	})
}

func TestManyNullsAreNulls(t *testing.T) {
	outcome := run(t, func(record job.Record, out *job.Outputs) error {
		if record.Offset()%3 == 0 {
			out.Row(note, nil)
		} else {
			out.Row(note, record.Value())
		}
		return nil
	}, jobtest.Values(strings.Split("abcdefghijklmnopqrstuvwxyz", "")...)...)
	rows := outcome.Rows(note)
	equal(t, len(rows), 26)
	for i, row := range rows {
		var expected any = string(rune('a' + i))
		if i%3 == 0 {
			expected = nil
		}
		equal(t, row, jobtest.Row{Origin: i, Values: []any{expected}})
	}
}

func TestEveryTypeTakesItsValues(t *testing.T) {
	outcome := run(t, func(_ job.Record, out *job.Outputs) error {
		out.Row(types, true, int16(-3), 4, int32(5), float32(1.5), float32(2.5), "-12.50", []byte{0, 255}, int64(6), int8(7), []byte("{}"))
		return nil
	}, jobtest.Values("x")...)
	expected := []any{true, int16(-3), int32(4), int64(5), float32(1.5), 2.5, "-12.50", []byte{0, 255}, int64(6), int32(7), "{}"}
	equal(t, outcome.Rows(types)[0].Values, expected)
}

type named string

func TestMistakesSaySinkColumnAndValue(t *testing.T) {
	other := job.Topic("other")
	cases := map[string]func(*job.Outputs){
		"sink `other`: not among the sinks of the job":                              func(out *job.Outputs) { out.Forward(other) },
		"sink `out`: a topic takes no rows":                                         func(out *job.Outputs) { out.Row(topic) },
		"sink `table`: a table or statement takes rows, not messages":               func(out *job.Outputs) { out.Forward(table) },
		"sink `table`: a row has 2 values, not 1":                                   func(out *job.Outputs) { out.Row(table, 1) },
		"sink `table`: column `n` is int4 and takes an int32, not a string":         func(out *job.Outputs) { out.Row(table, "1", nil) },
		"sink `table`: column `n` is int4 and takes an int32, not 2147483648":       func(out *job.Outputs) { out.Row(table, math.MaxInt32+1, nil) },
		"sink `table`: column `n` is int4 and takes an int32, not a job_test.named": func(out *job.Outputs) { out.Row(table, named("1"), nil) },
		"sink `table`: column `n` is int4 and takes an int32, not a float64":        func(out *job.Outputs) { out.Row(table, 1.0, nil) },
		"sink `table`: column `id` is uuid and takes 16 bytes, not 3":               func(out *job.Outputs) { out.Row(table, 1, []byte("abc")) },
		"sink `table`: column `id` is uuid and takes 16 bytes, not a string":        func(out *job.Outputs) { out.Row(table, 1, "0011223344556677") },
		"sink `note`: placeholder 1 is text and takes a string, not an int":         func(out *job.Outputs) { out.Row(note, 1) },
	}
	for expected, emit := range cases {
		_, err := jobtest.Run(of(func(record job.Record, out *job.Outputs) error {
			if record.Offset() == 1 {
				emit(out)
			}
			return nil
		}), nil, jobtest.Values("x", "y", "z")...)
		if err == nil || err.Error() != expected+" (at offset 1)" {
			t.Errorf("%v, not %s", err, expected)
		}
	}
}

func TestAPanicSaysWhatAndWhere(t *testing.T) {
	causes := map[string]func(){
		"panic: on purpose\n":       func() { panic("on purpose") },
		"panic: an error\n":         func() { panic(errors.New("an error")) },
		"panic: 7\n":                func() { panic(7) },
		"panic: a job_test.named\n": func() { panic(named("x")) },
		"panic: runtime error: index out of range [3] with length 0\n":        func() { _ = []int{}[len("abc")] },
		"panic: runtime error: invalid memory address or nil pointer derefer": func() { var none *jobtest.Record; none.Timestamp++ },
		"panic: " + strings.Repeat("x", 4000):                                 func() { panic(strings.Repeat("x", 9000)) },
	}
	for expected, cause := range causes {
		_, err := jobtest.Run(of(func(record job.Record, out *job.Outputs) error {
			out.Forward(topic)
			if record.Offset() == 2 {
				cause()
			}
			return nil
		}), nil, jobtest.Values("x", "y", "z")...)
		if err == nil || !strings.HasPrefix(err.Error(), "record at partition 0 offset 2: "+expected) || len(err.Error()) > 4096 {
			t.Errorf("%v, not %s", err, expected)
		} else if len(expected) < 1000 && (!strings.Contains(err.Error(), "job_test.go:") || strings.Contains(err.Error(), "instance.go")) {
			t.Errorf("the stack is not the job's: %v", err)
		}
	}
}

func TestParametersAreReadByType(t *testing.T) {
	type values struct {
		text    string
		integer int64
		number  float64
		flag    bool
	}
	var got values
	of := func(name string) *job.Job {
		return &job.Job{
			Parameters: []job.Parameter{
				{Name: "text"}, {Name: "integer", Default: "-7"}, {Name: "number", Default: "1e3"}, {Name: "flag", Required: true},
			},
			New: func(parameters *job.Parameters) (job.Process, error) {
				var failed [5]error
				got.text, failed[0] = parameters.String("text")
				got.integer, failed[1] = parameters.Int("integer")
				got.number, failed[2] = parameters.Float("number")
				got.flag, failed[3] = parameters.Bool("flag")
				_, failed[4] = parameters.String(name)
				return nil, errors.Join(failed[:]...)
			},
		}
	}
	if _, err := jobtest.Run(of("text"), jobtest.Set{"flag": "true", "text": "é"}); err != nil {
		t.Fatal(err)
	}
	equal(t, got, values{"é", -7, 1000, true})
	for expected, set := range map[string]jobtest.Set{
		"parameter `flag` is not set":                                        {},
		"the job has no parameter `other`":                                   {"flag": "true", "other": ""},
		"parameter `flag`: cannot read `maybe` as true or false":             {"flag": "maybe"},
		"parameter `integer`: cannot read `many` as an integer: invalid":     {"flag": "true", "integer": "many"},
		"parameter `number`: cannot read `1e999` as a number: value out of ": {"flag": "true", "number": "1e999"},
	} {
		if _, err := jobtest.Run(of("text"), set); err == nil || !strings.HasPrefix(err.Error(), expected) {
			t.Errorf("%v, not %s", err, expected)
		}
	}
	_, err := jobtest.Run(of("unheard"), jobtest.Set{"flag": "true"})
	if err == nil || err.Error() != "the job reads parameter `unheard`, which it does not declare" {
		t.Error(err)
	}
}

func TestLinesAndMetricsReachTheHost(t *testing.T) {
	outcome := run(t, func(job.Record, *job.Outputs) error {
		log.Trace("a")
		log.Error("b")
		metrics.Count("n", 2)
		metrics.Gauge("g", 0.5)
		return nil
	}, jobtest.Values("x", "y")...)
	if !slices.Equal(outcome.Log, []string{"trace: a", "error: b", "trace: a", "error: b"}) {
		t.Error(outcome.Log)
	}
	equal(t, outcome.Counts, map[string]uint64{"n": 4})
	equal(t, outcome.Gauges, map[string]float64{"g": 0.5})
}
