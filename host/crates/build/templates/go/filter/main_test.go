package main

import (
	"slices"
	"testing"

	"pelton/job/jobtest"
)

func TestHotReadingsPass(t *testing.T) {
	values := jobtest.Values(`{"message": {"temperature": 30}}`, `{"message": {"temperature": 30.1}}`, `{"message": {}}`)
	run, err := jobtest.Run(readings, nil, values...)
	if err != nil {
		t.Fatal(err)
	}
	if forwards := run.Forwards(hot); !slices.Equal(forwards, []int{1}) {
		t.Errorf("forwards are %v", forwards)
	}
	rejects := []jobtest.Reject{{Index: 2, Reason: "missing field `temperature` in `message`"}}
	if !slices.Equal(run.Rejects, rejects) {
		t.Errorf("rejects are %v", run.Rejects)
	}
}

func TestTheTemperatureIsAParameter(t *testing.T) {
	run, err := jobtest.Run(readings, jobtest.Set{"above": "26.5"}, jobtest.Values(`{"message": {"temperature": 27}}`)...)
	if err != nil {
		t.Fatal(err)
	}
	if forwards := run.Forwards(hot); !slices.Equal(forwards, []int{0}) {
		t.Errorf("forwards are %v", forwards)
	}
	if _, err := jobtest.Run(readings, jobtest.Set{"above": "warm"}); err == nil {
		t.Error("a temperature that is no number was accepted")
	}
}
