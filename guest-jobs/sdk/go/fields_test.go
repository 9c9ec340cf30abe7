package job_test

import (
	"math"
	"strconv"
	"strings"
	"testing"

	"pelton/job"
	"pelton/job/jobtest"
)

const good = `{"message_id": "0a1b", "sensor_id": 7, "message": {"temperature": 30.5, "pressure": 1000.12, "vibration": 0.3}, "timestamp": "2024-05-02T10:11:12.123456+00:00"}`

type reading struct {
	id          string
	sensor      int32
	message     job.Object
	temperature float64
	at          job.Micros
}

// scan reads a record that a job is given; the text is the reject's.
func scan(t *testing.T, value string, fields *job.Fields, values ...any) string {
	t.Helper()
	run, err := jobtest.Run(of(func(record job.Record, _ *job.Outputs) error {
		return fields.Scan(record, values...)
	}), nil, jobtest.Values(value)...)
	if err != nil {
		t.Fatal(err)
	}
	if len(run.Rejects) == 0 {
		return ""
	}
	return run.Rejects[0].Reason
}

func read(t *testing.T, value string) (r reading, problem string) {
	t.Helper()
	fields := job.NewFields("message_id", "sensor_id", "message", "message.temperature", "timestamp")
	problem = scan(t, value, fields, &r.id, &r.sensor, &r.message, &r.temperature, &r.at)
	return r, problem
}

func TestEveryKindIsRead(t *testing.T) {
	got, problem := read(t, good)
	expected := reading{"0a1b", 7, `{"temperature": 30.5, "pressure": 1000.12, "vibration": 0.3}`, 30.5, 1714644672123456}
	if problem != "" || got != expected {
		t.Errorf("%+v %s", got, problem)
	}
	tight := strings.NewReplacer(": ", ":", ", ", " ,").Replace(good)
	extra := strings.Replace(good, `"sensor_id"`, `"extra": [1, {"a": null}], "sensor_id"`, 1)
	escaped := strings.Replace(good, "message_id", `m\u0065ssage_id`, 1)
	for _, same := range []string{tight, extra, escaped} {
		if got, problem := read(t, same); problem != "" || got != expected {
			t.Errorf("%s: %+v %s", same, got, problem)
		}
	}
	var (
		yes         bool
		number      int64
		deep        string
		none, given job.Raw = "before", "before"
	)
	fields := job.NewFields("yes", "n", "a.b.c", "a.b.d", "yes")
	value := `{"yes": true, "a": {"b": {"d": 1}}, "n": -9223372036854775808, "a": {"b": {"c": "\n"}}}`
	if problem := scan(t, value, fields, &yes, &number, &deep, &none, &given); problem != "" {
		t.Error(problem)
	}
	if !yes || number != -1<<63 || deep != "\n" || none != "" || given != "true" {
		t.Error(yes, number, deep, none, given)
	}
	for value, expected := range map[string]string{
		`{"yes": null, "n": 1}`:                     "`yes` is not a boolean: null",
		`{"yes": true, "n": 9223372036854775808}`:   "`n` is beyond the range of BIGINT: 9223372036854775808",
		`{"yes": true, "n": 1, "a": {"b": {}}}`:     "missing field `c` in `a.b`",
		`{"yes": true, "n": 1, "a": [{"b": null}]}`: "missing field `c` in `a.b`",
	} {
		if problem := scan(t, value, fields, &yes, &number, &deep, &none, &given); problem != expected {
			t.Errorf("%s: %s", value, problem)
		}
	}
}

func TestEveryBadValueSaysWhy(t *testing.T) {
	swap := func(from, to string) string { return strings.Replace(good, from, to, 1) }
	for value, expected := range map[string]string{
		"hello":                       "value is not JSON: expected a value at line 1 column 1",
		good[:40]:                     "value is not JSON: expected the end of the string, and no control character in it at line 1 column 41",
		swap("30.5", "NaN"):           "value is not JSON: expected a value at line 1 column 67",
		good + " x":                   "value is not JSON: expected nothing more at line 1 column 162",
		"[]":                          "value is not a JSON object",
		"null":                        "value is not a JSON object",
		"{}":                          "missing field `message_id` in value",
		swap("sensor_id", "sensor"):   "missing field `sensor_id` in value",
		swap("temperature", "heat"):   "missing field `temperature` in `message`",
		swap(`"0a1b"`, "12"):          "`message_id` is not a string: 12",
		swap("0a1b", `\ud800`):        "`message_id` is not valid Unicode: \"\\ud800\"",
		swap("0a1b", `0\u0000`):       "`message_id` holds a NUL character",
		swap("1000.12", `"\\\u0000"`): "`message` holds a NUL character",
		swap("7,", "7.5,"):            "`sensor_id` is not an integer: 7.5",
		swap("7,", `"7",`):            "`sensor_id` is not an integer: \"7\"",
		swap("7,", "2147483648,"):     "`sensor_id` is beyond the range of INT: 2147483648",
		swap("30.5", `"30.5"`):        "`temperature` is not a number: \"30.5\"",
		swap("30.5", "1e999"):         "`temperature` is beyond the range of a double: 1e999",
		swap("2024", "soon"):          "`timestamp` is not a time with offset (RFC 3339): \"soon-05-02T10:11:12.123456+00:00\"",
		swap("+00:00", ""):            "`timestamp` is not a time with offset (RFC 3339): \"2024-05-02T10:11:12.123456\"",
		swap("05-02", "02-30"):        "`timestamp` is not a time with offset (RFC 3339): \"2024-02-30T10:11:12.123456+00:00\"",
		strings.Replace(good, `{"temperature": 30.5, "pressure": 1000.12, "vibration": 0.3}`, "[30.5]", 1): "`message` is not a JSON object: [30.5]",
		swap("7,", `"`+strings.Repeat("é", 1000)+`",`):                                                     "`sensor_id` is not an integer: \"" + strings.Repeat("é", 59) + "…",
	} {
		if _, problem := read(t, value); problem != expected {
			t.Errorf("%.80s: %v, not %s", value, problem, expected)
		}
	}
	if _, problem := read(t, swap("1000.12", `"\\u0000"`)); problem != "" {
		t.Error(problem)
	}
}

func TestNumbersAreTheNearestDoubles(t *testing.T) {
	for _, text := range []string{
		"0", "-0", "-0.0", "7", "30.5", "-12.125", "999999999999999", "1000000000000000", "0.000000000000001", "123456789.0123456",
		"0.1234567890123456", "1e5", "1.5E-7", "12345678901234567890", "3.000",
	} {
		var got float64
		if problem := scan(t, `{"n": `+text+`}`, job.NewFields("n"), &got); problem != "" {
			t.Error(problem)
		}
		if expected, _ := strconv.ParseFloat(text, 64); math.Float64bits(got) != math.Float64bits(expected) {
			t.Errorf("%s is read as %v", text, got)
		}
	}
	var got float64
	for _, text := range []string{`""`, `"7"`, "true", "[]", "null"} {
		if problem := scan(t, `{"n": `+text+`}`, job.NewFields("n"), &got); problem != "`n` is not a number: "+text {
			t.Error(problem)
		}
	}
}

func TestTimes(t *testing.T) {
	for text, expected := range map[string]int64{
		"2024-05-02T10:11:12Z": 1714644672000000, "2024-05-02T10:11:12.5-02:30": 1714653672500000, "1970-01-01t00:00:00z": 0,
		"1969-12-31 23:59:59.9999999+00:00": -1, "2016-12-31T23:59:60Z": 1483228800000000, "0001-01-01T00:00:00Z": -62135596800000000,
	} {
		if got, ok := job.Microseconds(text); !ok || got != expected {
			t.Errorf("%s: %d", text, got)
		}
	}
	for _, text := range []string{
		"", "2024-05-02T10:11:12", "2024-05-02T10:11:12.Z", "2024-05-02T10:11:12Z ", "2024-05-02T10:11:12+0000",
		"2024-05-02T10:11:12+24:00", "2024-05-02T24:00:00Z", "2024-13-02T10:11:12Z", "2023-02-29T10:11:12Z", "1900-02-29T10:11:12Z",
		"0000-01-01T00:00:00Z", "2024-5-2T10:11:12.123Z",
	} {
		if _, ok := job.Microseconds(text); ok {
			t.Errorf("%s is a time", text)
		}
	}
}
