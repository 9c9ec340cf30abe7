//go:build wasip1

package abi

import (
	"unsafe"

	"pelton/job/internal/wire"
)

type packed struct{ ends, bytes list }

type nullable struct {
	validity list
	items    packed
}

type headers struct {
	ends   list
	names  packed
	values nullable
}

// batch is the contract's, as the parameters of `process` lie in memory: it is too long to be passed flat.
type batch struct {
	source     uint32
	partition  int32
	offsets    list
	timestamps list
	keys       nullable
	values     nullable
	hasHeaders uint8
	_          [3]uint8
	headers    headers
}

func (p packed) lift() wire.Packed {
	return wire.Packed{Ends: liftNumbers[uint32](p.ends), Bytes: lift[byte](p.bytes)}
}

func (n nullable) lift() wire.Nullable {
	return wire.Nullable{Validity: lift[byte](n.validity), Items: n.items.lift()}
}

// LiftBatch is the batch that the host put there.
func LiftBatch(at unsafe.Pointer) *wire.Batch {
	forget()
	from := (*batch)(at)
	batch := &wire.Batch{
		Source:     from.source,
		Partition:  from.partition,
		Offsets:    liftNumbers[int64](from.offsets),
		Timestamps: liftNumbers[int64](from.timestamps),
		Keys:       from.keys.lift(),
		Values:     from.values.lift(),
	}
	if from.hasHeaders != 0 {
		batch.Headers = &wire.Headers{
			Ends:   liftNumbers[uint32](from.headers.ends),
			Names:  from.headers.names.lift(),
			Values: from.headers.values.lift(),
		}
	}
	full = nil
	return batch
}

// LiftParameters is a list of pairs of strings. They are copied: they live as long as the job.
func LiftParameters(pointer, length uint32) [][2]string {
	forget()
	var parameters [][2]string
	for _, pair := range lift[[2]list](list{pointer, length}) {
		name, value := lift[byte](pair[0]), lift[byte](pair[1])
		parameters = append(parameters, [2]string{string(name), string(value)})
	}
	full = nil
	return parameters
}
