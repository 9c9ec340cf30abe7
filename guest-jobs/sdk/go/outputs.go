package job

import (
	"strconv"

	"pelton/job/internal/wire"
)

// Outputs takes what a job emits. Each output is tied to the record at hand, and copied: what was given may be changed
// afterwards.
//
// To emit to a sink that the job doesn't declare, or a row that doesn't fit its sink, is a mistake of the job: the batch
// fails with a reason that says what was wrong.
type Outputs struct {
	sinks []sinkState
	// Outputs that were closed because another kind for the same sink came behind them.
	closed  []wire.Output
	record  uint32
	mistake string
}

// sinkState is a sink, and its output in the making, whose memory is kept from batch to batch.
type sinkState struct {
	sink *Sink
	open wire.Output
}

func newOutputs(sinks []*Sink) *Outputs {
	out := &Outputs{sinks: make([]sinkState, len(sinks))}
	for i, sink := range sinks {
		state := &out.sinks[i]
		state.sink = sink
		state.open = emptyOutput(sink, uint32(i))
	}
	return out
}

func emptyOutput(sink *Sink, index uint32) wire.Output {
	output := wire.Output{Kind: wire.Nothing, Sink: index, Columns: make([]wire.Column, len(sink.columns))}
	for i, column := range sink.columns {
		output.Columns[i].Type = column.kind
	}
	return output
}

// Forward passes the record on to a topic unchanged: key, value and headers. Costs next to nothing.
func (o *Outputs) Forward(sink *Sink) {
	if output := o.open(sink, wire.Forward); output != nil {
		output.Origin = append(output.Origin, o.record)
	}
}

// Send sends a message to a topic. A nil key or value is null.
func (o *Outputs) Send(sink *Sink, key, value []byte, headers ...Header) {
	output := o.open(sink, wire.Messages)
	if output == nil {
		return
	}
	if len(headers) > 0 && !output.HasHeaders {
		output.HasHeaders = true
		for range output.Origin {
			output.Headers.End()
		}
	}
	if output.HasHeaders {
		for _, header := range headers {
			output.Headers.Push(header.Name, header.Value)
		}
		output.Headers.End()
	}
	output.Origin = append(output.Origin, o.record)
	output.Keys.Push(key)
	output.Values.Push(value)
}

// Row writes a row to a table, or runs a statement: one value for each declared column or placeholder, in their order.
//
//   - boolean takes a bool;
//   - int2, int4, int8, date (days since 1970-01-01), timestamptz and timestamp (microseconds since 1970-01-01 00:00:00)
//     take any signed integer that is in range, among them [Micros];
//   - float4 takes a float32, float8 a float32 or float64;
//   - numeric, text, varchar, json and jsonb take a string, an [Object], or a []byte holding UTF-8;
//   - bytea takes a []byte, uuid one of 16 bytes.
//
// nil, a nil []byte among them, is NULL.
func (o *Outputs) Row(sink *Sink, values ...any) {
	output := o.open(sink, wire.Rows)
	if output == nil {
		return
	}
	if len(values) != len(output.Columns) {
		o.fail(sink, "a row has "+strconv.Itoa(len(output.Columns))+" values, not "+strconv.Itoa(len(values)))
		return
	}
	row := len(output.Origin)
	output.Origin = append(output.Origin, o.record)
	for i, value := range values {
		if problem := push(&output.Columns[i], row, value); problem != "" {
			o.fail(sink, sink.value(i)+" is "+problem)
			return
		}
	}
}

// open gives the sink's output in the making, of this kind; nil where that is a mistake.
func (o *Outputs) open(sink *Sink, kind wire.Kind) *wire.Output {
	for i := range o.sinks {
		if o.sinks[i].sink == sink {
			output := &o.sinks[i].open
			if output.Kind != kind {
				return o.turn(sink, output, kind)
			}
			return output
		}
	}
	o.fail(sink, "not among the sinks of the job")
	return nil
}

// turn makes the sink's output one of another kind. What it held is closed, so that the sink gets its outputs in the
// order in which the job emitted them.
func (o *Outputs) turn(sink *Sink, output *wire.Output, kind wire.Kind) *wire.Output {
	switch isTopic := sink.kind == topicSink; {
	case isTopic && kind == wire.Rows:
		o.fail(sink, "a topic takes no rows")
		return nil
	case !isTopic && kind != wire.Rows:
		o.fail(sink, "a table or statement takes rows, not messages")
		return nil
	}
	if output.Kind != wire.Nothing {
		o.closed = append(o.closed, *output)
		*output = emptyOutput(sink, output.Sink)
	}
	output.Kind = kind
	return output
}

func (o *Outputs) fail(sink *Sink, reason string) {
	if o.mistake == "" {
		o.mistake = "sink `" + sink.name + "`: " + reason
	}
}

// reset forgets the outputs of the batch before.
func (o *Outputs) reset() {
	clear(o.closed)
	o.closed, o.mistake = o.closed[:0], ""
	for i := range o.sinks {
		o.sinks[i].open.Reset()
	}
}

// finish adds the batch's outputs to a list. They share their memory with o, until the next reset.
func (o *Outputs) finish(list []wire.Output) []wire.Output {
	list = append(list, o.closed...)
	for i := range o.sinks {
		if open := &o.sinks[i].open; open.Kind != wire.Nothing {
			list = append(list, *open)
		}
	}
	return list
}
