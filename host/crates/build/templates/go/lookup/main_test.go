package main

import (
	"slices"
	"testing"

	"pelton/job/jobtest"
)

var sites = jobtest.Set{"sites": `{"4": "Hall 1"}`}

func TestAReadingGetsItsSite(t *testing.T) {
	values := jobtest.Values(
		`{"sensor_id": 4, "message": {"temperature": 27.5}}`,
		`{"sensor_id": 5, "message": {"temperature": 27.5}}`,
	)
	run, err := jobtest.Run(readings, sites, values...)
	if err != nil {
		t.Fatal(err)
	}
	messages := run.Messages(located)
	if len(messages) != 1 || string(messages[0].Value) != `{"sensor_id":4,"site":"Hall 1","temperature":27.5}` {
		t.Errorf("messages are %v", messages)
	}
	if rejects := []jobtest.Reject{{Index: 1, Reason: "sensor 5 has no site"}}; !slices.Equal(run.Rejects, rejects) {
		t.Errorf("rejects are %v", run.Rejects)
	}
}

func TestSitesThatAreNoneRefuseTheSubmit(t *testing.T) {
	for _, sites := range []string{"{", `{"four": "Hall 1"}`} {
		if _, err := jobtest.Run(readings, jobtest.Set{"sites": sites}); err == nil {
			t.Errorf("%s was accepted", sites)
		}
	}
}
