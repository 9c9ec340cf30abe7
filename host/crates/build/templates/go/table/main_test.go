package main

import (
	"reflect"
	"strings"
	"testing"

	"pelton/job/jobtest"
)

const reading = `{"message_id": "a", "sensor_id": 4, "message": {"temperature": 27.5}, "timestamp": "1970-01-01T01:00:02+01:00"}`

func TestAReadingIsARow(t *testing.T) {
	run, err := jobtest.Run(readings, nil, jobtest.Values(reading)...)
	if err != nil {
		t.Fatal(err)
	}
	rows := []jobtest.Row{{Origin: 0, Values: []any{"a", int32(4), 27.5, `{"temperature": 27.5}`, int64(2_000_000)}}}
	if !reflect.DeepEqual(run.Rows(table), rows) {
		t.Errorf("rows are %v", run.Rows(table))
	}
}

func TestWhatHasNoPlaceInTheTableIsRejected(t *testing.T) {
	values := jobtest.Values(
		strings.Replace(reading, "4", `"four"`, 1),
		strings.Replace(reading, `"message_id": "a", `, "", 1),
	)
	run, err := jobtest.Run(readings, nil, values...)
	if err != nil {
		t.Fatal(err)
	}
	rejects := []jobtest.Reject{
		{Index: 0, Reason: "`sensor_id` is not an integer: \"four\""},
		{Index: 1, Reason: "missing field `message_id` in value"},
	}
	if !reflect.DeepEqual(run.Rejects, rejects) || len(run.Rows(table)) > 0 {
		t.Errorf("rejects are %v, rows %v", run.Rejects, run.Rows(table))
	}
}
