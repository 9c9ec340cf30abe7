package job

import (
	"slices"
	"testing"
)

func TestWhatAJobRemembersIsDeclaredOnce(t *testing.T) {
	from := Parameter{Name: "from", Description: "the first number", Default: "0"}
	forgetful := &Job{Parameters: []Parameter{from}}
	if declared := forgetful.declared(); !slices.Equal(declared, []Parameter{from}) {
		t.Error(declared)
	}
	counter := &Job{Parameters: []Parameter{from}, Remembers: "the number of records"}
	expected := []Parameter{from, {Name: "pelton.remembers", Description: "the number of records", Default: "true"}}
	for range 2 {
		if declared := counter.declared(); !slices.Equal(declared, expected) {
			t.Error(declared)
		}
	}
	if !slices.Equal(counter.Parameters, []Parameter{from}) {
		t.Errorf("what can be set has changed: %v", counter.Parameters)
	}
}
