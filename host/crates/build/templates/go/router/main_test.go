package main

import (
	"reflect"
	"testing"

	"pelton/job/jobtest"
)

var values = jobtest.Values(
	`{"message": {"temperature": 9.9}}`,
	`{"message": {"temperature": 10}}`,
	`{"message": {"temperature": 30}}`,
	`{"message": {"temperature": 30.1}}`,
	`{"message": {}}`,
)

func TestEachReadingGoesToOneTopic(t *testing.T) {
	run, err := jobtest.Run(readings, nil, values...)
	if err != nil {
		t.Fatal(err)
	}
	forwards := [][]int{run.Forwards(cold), run.Forwards(mild), run.Forwards(hot)}
	if !reflect.DeepEqual(forwards, [][]int{{0}, {1, 2}, {3}}) {
		t.Errorf("forwards are %v", forwards)
	}
	rejects := []jobtest.Reject{{Index: 4, Reason: "missing field `temperature` in `message`"}}
	if !reflect.DeepEqual(run.Rejects, rejects) {
		t.Errorf("rejects are %v", run.Rejects)
	}
}

func TestTheBoundsAreParameters(t *testing.T) {
	run, err := jobtest.Run(readings, jobtest.Set{"hot": "9", "cold": "5"}, values...)
	if err != nil {
		t.Fatal(err)
	}
	if forwards := run.Forwards(hot); !reflect.DeepEqual(forwards, []int{0, 1, 2, 3}) {
		t.Errorf("forwards are %v", forwards)
	}
	if _, err := jobtest.Run(readings, jobtest.Set{"cold": "31"}); err == nil {
		t.Error("a `cold` above `hot` was accepted")
	}
}
