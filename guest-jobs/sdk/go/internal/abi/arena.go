//go:build wasip1

// Package abi is the Component Model's canonical ABI for the one contract of wit/job.wit: it lifts a batch from where
// the host put it and lowers what a job answers, without a copy and without an allocation for each record. It is written
// by hand, because generated bindings take every list apart into Go values and need a generator.
//
// On wasm a Go struct whose fields are uint32, uint8 and arrays of them lies in memory as the same record of the
// contract does; so those structs are the layout.
package abi

import "unsafe"

const (
	// A chunk is at least this long, so that a small batch seldom needs one.
	leastChunk = 64 << 10
	// And no longer ahead of its use: what is kept for batches that may never come counts as the instance's memory.
	mostAhead = 2 << 20
)

// The arena is where the host puts batches. Chunks are Go's and never written again, so records may be kept: the
// collector frees a chunk when nobody refers to it any more.
//
// A collection inside cabi_realloc would run while the host may not be called. Ahead makes room after each batch, so
// that in a steady stream Realloc allocates nothing. Where a batch is much larger than the one before, it does, and a
// collection may start: then the clock that it reads is the adapter's, which stands still (see package host), and
// nothing else in it leaves the component.
var (
	free []byte
	// Chunks that were left behind while a call's data arrived: until it is lifted, only numbers refer to them.
	full [][]byte
	used int
)

// Realloc is cabi_realloc.
//
//go:wasmexport cabi_realloc
func Realloc(old unsafe.Pointer, oldSize, align, size uint32) unsafe.Pointer {
	if size == 0 {
		return unsafe.Add(nil, align)
	}
	// No alignment of the contract is above 8.
	length := (int(size) + 7) &^ 7
	if length > len(free) {
		if len(free) > 0 {
			full = append(full, free)
		}
		free = make([]byte, max(length, leastChunk))
	}
	place := free[:length:length]
	free = free[length:]
	used += length
	if oldSize > 0 {
		copy(place, unsafe.Slice((*byte)(old), oldSize))
	}
	return unsafe.Pointer(&place[0])
}

// Ahead makes room for another batch like the last one.
func Ahead() {
	if wanted := used + used/4; wanted > len(free) {
		free = make([]byte, max(min(wanted, mostAhead), leastChunk))
	}
	used = 0
}

// number is what lies end to end in the contract's buffers. A bool is one byte, 0 or 1.
type number interface {
	bool | uint32 | int16 | int32 | int64 | float32 | float64
}

// list is a list, or a string, as it crosses.
type list struct{ pointer, length uint32 }

// lift is a list that the host put into the arena.
func lift[T any](l list) []T {
	if l.length == 0 {
		return nil
	}
	return unsafe.Slice((*T)(unsafe.Add(nil, l.pointer)), l.length)
}

// kept holds on to what was lowered, to which only numbers refer until the host has read it.
var kept []unsafe.Pointer

// forget lets go of what the host has read.
func forget() {
	clear(kept)
	kept = kept[:0]
}

func lower[T any](items []T) list {
	if len(items) == 0 {
		return list{pointer: uint32(unsafe.Alignof(*new(T)))}
	}
	return list{pointer: Address(unsafe.SliceData(items)), length: uint32(len(items))}
}

// liftNumbers is numbers that the host put into the arena as bytes. Realloc aligns them, and they are little-endian as
// the machine is; so they are a slice of numbers where they lie. A part of a number at the end is left out.
func liftNumbers[T number](l list) []T {
	return lift[T](list{l.pointer, l.length / uint32(unsafe.Sizeof(*new(T)))})
}

// lowerNumbers is numbers as bytes.
func lowerNumbers[T number](numbers []T) list {
	l := lower(numbers)
	l.length *= uint32(unsafe.Sizeof(*new(T)))
	return l
}

func lowerString(text string) list {
	return lower(unsafe.Slice(unsafe.StringData(text), len(text)))
}

// Address is a pointer as it crosses. What it points to stays until the next call of the host.
func Address[T any](pointer *T) uint32 {
	kept = append(kept, unsafe.Pointer(pointer))
	return uint32(uintptr(unsafe.Pointer(pointer)))
}
