//go:build wasip1

package abi

import "pelton/job/internal/wire"

// The numbers of a result's cases.
const (
	isOK    = 0
	isError = 1
)

// result is `result<outcome, string>`: payload is the outcome's two lists, or the string. It serves
// `result<_, string>` too, of which it begins with the layout.
type result struct {
	tag     uint8
	_       [3]uint8
	payload [2]list
}

type reject struct {
	index  uint32
	reason list
}

// output is the contract's variant; messages are its longest case, and the others begin as they do.
type output struct {
	tag    uint8
	_      [3]uint8
	sink   uint32
	origin list
	// Of messages; of rows the first list is the columns.
	keys       nullable
	values     nullable
	hasHeaders uint8
	_          [3]uint8
	headers    headers
}

// column is the contract's; of its data's cases packed is the longest, and the others are its first list.
type column struct {
	validity list
	tag      uint8
	_        [3]uint8
	data     packed
}

// What is lowered lies in these, from batch to batch.
var (
	answer  result
	outputs []output
	columns []column
	rejects []reject
)

// LowerError is the failure of a call.
func LowerError(reason string) uint32 {
	answer = result{tag: isError}
	answer.payload[0] = lowerString(reason)
	return Address(&answer)
}

// LowerNothing is a success that says no more.
func LowerNothing() uint32 {
	answer = result{tag: isOK}
	return Address(&answer)
}

// LowerOutcome is the answer to a batch.
func LowerOutcome(outcome *wire.Outcome) uint32 {
	outputs, columns, rejects = outputs[:0], columns[:0], rejects[:0]
	for i := range outcome.Outputs {
		outputs = append(outputs, lowerOutput(&outcome.Outputs[i]))
	}
	for _, from := range outcome.Rejects {
		rejects = append(rejects, reject{from.Index, lowerString(from.Reason)})
	}
	answer = result{tag: isOK, payload: [2]list{lower(outputs), lower(rejects)}}
	return Address(&answer)
}

func lowerOutput(from *wire.Output) output {
	to := output{tag: uint8(from.Kind), sink: from.Sink, origin: lowerNumbers(from.Origin)}
	switch from.Kind {
	case wire.Messages:
		to.keys, to.values = lowerNullable(&from.Keys), lowerNullable(&from.Values)
		if from.HasHeaders {
			to.hasHeaders = 1
			to.headers = headers{lowerNumbers(from.Headers.Ends), lowerPacked(&from.Headers.Names), lowerNullable(&from.Headers.Values)}
		}
	case wire.Rows:
		first := len(columns)
		for i := range from.Columns {
			columns = append(columns, lowerColumn(&from.Columns[i]))
		}
		to.keys.validity = lower(columns[first:])
	}
	return to
}

func lowerColumn(from *wire.Column) column {
	to := column{validity: lower(from.Validity), tag: uint8(from.Type.Data())}
	switch from.Type.Data() {
	case wire.Booleans:
		to.data.ends = lowerNumbers(from.Booleans)
	case wire.Int16s:
		to.data.ends = lowerNumbers(from.Int16s)
	case wire.Int32s:
		to.data.ends = lowerNumbers(from.Int32s)
	case wire.Int64s:
		to.data.ends = lowerNumbers(from.Int64s)
	case wire.Float32s:
		to.data.ends = lowerNumbers(from.Float32s)
	case wire.Float64s:
		to.data.ends = lowerNumbers(from.Float64s)
	case wire.PackedData:
		to.data = lowerPacked(&from.Packed)
	}
	return to
}

func lowerPacked(from *wire.Packed) packed {
	return packed{lowerNumbers(from.Ends), lower(from.Bytes)}
}

func lowerNullable(from *wire.Nullable) nullable {
	return nullable{lower(from.Validity), lowerPacked(&from.Items)}
}
