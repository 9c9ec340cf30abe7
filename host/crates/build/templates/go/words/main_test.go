package main

import (
	"slices"
	"testing"

	"pelton/job/jobtest"
)

func TestLongWordsPass(t *testing.T) {
	run, err := jobtest.Run(words, nil, jobtest.Values("four", "longer", "two words", "")...)
	if err != nil {
		t.Fatal(err)
	}
	if forwards := run.Forwards(longWords); !slices.Equal(forwards, []int{1}) {
		t.Errorf("forwards are %v", forwards)
	}
	rejects := []jobtest.Reject{{Index: 2, Reason: "more than one word"}, {Index: 3, Reason: "value is empty"}}
	if !slices.Equal(run.Rejects, rejects) {
		t.Errorf("rejects are %v", run.Rejects)
	}
}

func TestTheLengthIsAParameter(t *testing.T) {
	run, err := jobtest.Run(words, jobtest.Set{"longest": "6"}, jobtest.Values("longer")...)
	if err != nil {
		t.Fatal(err)
	}
	if forwards := run.Forwards(longWords); len(forwards) > 0 {
		t.Errorf("forwards are %v", forwards)
	}
	if _, err := jobtest.Run(words, jobtest.Set{"longest": "many"}); err == nil {
		t.Error("a length that is no number was accepted")
	}
}
