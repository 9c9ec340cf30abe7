package main

import (
	"strings"
	"testing"

	"pelton/job/jobtest"
)

func TestCommands(t *testing.T) {
	commands := jobtest.Values("forward", "echo", "tombstone", "row", "nulls", "statement", "reject", "log", "metrics", "other")
	run, err := jobtest.Run(conformance, jobtest.Set{"prefix": "> "}, commands...)
	if err != nil {
		t.Fatal(err)
	}
	messages := run.Messages(out)
	if len(run.Forwards(out)) != 1 || len(messages) != 2 || string(messages[0].Value) != "> 0/1@-" || messages[1].Value != nil {
		t.Errorf("%v %v", run.Forwards(out), messages)
	}
	if len(run.Rows(rows)) != 2 || len(run.Rows(note)) != 1 || len(run.Log) != 5 || run.Counts["conformance_count"] != 2 {
		t.Errorf("%v %v %v %v", run.Rows(rows), run.Rows(note), run.Log, run.Counts)
	}
	if len(run.Rejects) != 1 || run.Rejects[0].Reason != "asked to" {
		t.Errorf("%v", run.Rejects)
	}
}

func TestARaiseFailsTheBatch(t *testing.T) {
	_, err := jobtest.Run(conformance, nil, jobtest.Values("other", "raise")...)
	if err == nil || !strings.HasPrefix(err.Error(), "record at partition 0 offset 1: panic: raised on purpose\n") || !strings.Contains(err.Error(), "main.go:") {
		t.Error(err)
	}
}
