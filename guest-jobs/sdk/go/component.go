//go:build wasip1

package job

import (
	"unsafe"

	"pelton/job/internal/abi"
	"pelton/job/internal/host"
)

// The exports of the interface `task`. Go runs them on the one goroutine that would have run main.

var configured *instance

//go:wasmexport pelton:job/task@0.1.0#describe
func describe() uint32 {
	job := exported
	if job == nil {
		panic("no job: call job.Export in an init function")
	}
	var sources []abi.Source
	for _, source := range job.Sources {
		sources = append(sources, abi.LowerSource(source.Topic, source.Headers))
	}
	var sinks []abi.Sink
	for _, sink := range job.Sinks {
		sinks = append(sinks, lowerSink(sink))
	}
	var parameters []abi.Parameter
	for _, parameter := range job.declared() {
		parameters = append(parameters,
			abi.LowerParameter(parameter.Name, parameter.Description, parameter.Default, !parameter.Required))
	}
	return abi.LowerSpec(job.Name, job.Version, job.Description, sources, sinks, parameters)
}

func lowerSink(sink *Sink) abi.Sink {
	switch sink.kind {
	case tableSink:
		var columns []abi.Column
		for _, column := range sink.columns {
			columns = append(columns, abi.LowerColumn(column.name, uint8(column.kind), column.nullable))
		}
		return abi.LowerTable(sink.name, sink.target, columns, sink.key, uint8(sink.onConflict))
	case statementSink:
		var placeholders []uint8
		for _, placeholder := range sink.columns {
			placeholders = append(placeholders, uint8(placeholder.kind))
		}
		return abi.LowerStatement(sink.name, sink.target, placeholders)
	default:
		return abi.LowerTopic(sink.name, sink.target)
	}
}

//go:wasmexport pelton:job/task@0.1.0#configure
func configure(pointer, length uint32) uint32 {
	host.UpdateClock()
	parameters := abi.LiftParameters(pointer, length)
	if exported == nil {
		return abi.LowerError("no job: call job.Export in an init function")
	}
	made, err := newInstance(exported, parameters)
	if err != nil {
		return abi.LowerError(cut(err.Error()))
	}
	configured = made
	return abi.LowerNothing()
}

//go:wasmexport pelton:job/task@0.1.0#process
func process(at unsafe.Pointer) uint32 {
	host.UpdateClock()
	batch := abi.LiftBatch(at)
	defer abi.Ahead()
	if configured == nil {
		return abi.LowerError("process was called before configure succeeded")
	}
	outcome, err := configured.Process(batch)
	if err != nil {
		return abi.LowerError(cut(err.Error()))
	}
	return abi.LowerOutcome(outcome)
}
