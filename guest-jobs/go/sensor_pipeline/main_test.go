package main

import (
	"reflect"
	"testing"

	"pelton/job/jobtest"
)

const (
	hot  = `{"message_id": "hot", "sensor_id": 34, "message": {"temperature": 30.5, "pressure": 950.0}, "timestamp": "2024-05-02T10:11:12.5+00:00"}`
	cold = `{"message_id":"cold","sensor_id":1,"message":{"temperature":15},"timestamp":"2024-05-02T12:11:12+02:00"}`
)

func TestEveryReadingIsARowAndHotOnesAreAlerts(t *testing.T) {
	run, err := jobtest.Run(sensorPipeline, nil, jobtest.Values(cold, "{}", hot)...)
	if err != nil {
		t.Fatal(err)
	}
	rows := []jobtest.Row{
		{Origin: 0, Values: []any{"cold", int32(1), `{"temperature": 15}`, int64(1714644672000000)}},
		{Origin: 2, Values: []any{"hot", int32(34), `{"temperature": 30.5, "pressure": 950.0}`, int64(1714644672500000)}},
	}
	if got := run.Rows(readings); !reflect.DeepEqual(got, rows) {
		t.Errorf("rows are %v", got)
	}
	if messages := run.Messages(alerts); len(messages) != 1 || messages[0].Origin != 2 {
		t.Errorf("alerts are %v", messages)
	}
	if len(run.Rejects) != 1 || run.Rejects[0] != (jobtest.Reject{Index: 1, Reason: "missing field `message_id` in value"}) {
		t.Errorf("rejects are %v", run.Rejects)
	}
}
