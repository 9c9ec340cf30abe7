package main

import (
	"fmt"
	"testing"

	"pelton/job/jobtest"
)

func reading(temperature string) jobtest.Record {
	const form = `{"message_id": "id", "sensor_id": 1, "message": {"temperature": %s}, "timestamp": "2024-05-02T10:11:12+00:00"}`
	return jobtest.Record{Key: []byte("k"), Value: fmt.Appendf(nil, form, temperature)}
}

func TestOnlyReadingsAboveTheThresholdAreAlerts(t *testing.T) {
	for threshold, expected := range map[string][]int{"30": {0, 3}, "-50": {0, 1, 2, 3}, "40.5": nil} {
		run, err := jobtest.Run(sensorAlerts, jobtest.Set{"threshold": threshold},
			reading("30.01"), reading("30.0"), reading("-40.5"), reading("34.99"), jobtest.Record{})
		if err != nil {
			t.Fatal(err)
		}
		var origins []int
		for _, message := range run.Messages(alerts) {
			origins = append(origins, message.Origin)
			if string(message.Key) != "k" {
				t.Errorf("the key is %q", message.Key)
			}
		}
		if fmt.Sprint(origins) != fmt.Sprint(expected) {
			t.Errorf("above %s are %v, not %v", threshold, origins, expected)
		}
		if len(run.Rejects) != 1 || run.Rejects[0].Reason != "value is null (a tombstone)" {
			t.Errorf("rejects are %v", run.Rejects)
		}
	}
}

func TestAThresholdIsANumber(t *testing.T) {
	_, err := jobtest.Run(sensorAlerts, jobtest.Set{"threshold": "hot"})
	if err == nil || err.Error() != "parameter `threshold`: cannot read `hot` as a number: invalid syntax" {
		t.Error(err)
	}
}
