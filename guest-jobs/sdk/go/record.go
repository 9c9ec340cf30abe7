package job

import (
	"strconv"
	"unicode/utf8"
	"unsafe"

	"pelton/job/internal/wire"
)

// Record is one record of a source: a view into the batch, which copies nothing. The bytes that it hands out must not
// be changed. Whatever a job keeps of them stays valid, and keeps the memory of the whole batch: keep a clone of what is
// to live long.
type Record struct {
	batch *wire.Batch
	index int
}

// Header is a header of a record or a message. A nil value is null.
type Header struct {
	Name  string
	Value []byte
}

// Key is the key; nil where it is null, and only there.
func (r Record) Key() []byte { return r.batch.Keys.Get(r.index) }

// KeyText is the key as text; false where it is null. One that isn't UTF-8 is an error, made to be returned.
func (r Record) KeyText() (text string, ok bool, err error) {
	key := r.Key()
	if !utf8.Valid(key) {
		return "", false, Reject("key is not UTF-8: invalid at byte " + strconv.Itoa(validUpTo(key)))
	}
	// The SDK never writes to the memory of a batch again.
	return unsafe.String(unsafe.SliceData(key), len(key)), key != nil, nil
}

// Value is the value; nil where it is null, which makes the record a tombstone, and only there.
func (r Record) Value() []byte { return r.batch.Values.Get(r.index) }

// Text is the value as text. A tombstone, an empty value or one that isn't UTF-8 is an error, made to be returned.
func (r Record) Text() (string, error) {
	value := r.Value()
	switch {
	case value == nil:
		return "", Reject("value is null (a tombstone)")
	case len(value) == 0:
		return "", Reject("value is empty")
	case !utf8.Valid(value):
		return "", Reject("value is not UTF-8: invalid at byte " + strconv.Itoa(validUpTo(value)))
	}
	// The SDK never writes to the memory of a batch again.
	return unsafe.String(&value[0], len(value)), nil
}

func validUpTo(text []byte) int {
	at := 0
	for at < len(text) {
		character, size := utf8.DecodeRune(text[at:])
		if character == utf8.RuneError && size <= 1 {
			break
		}
		at += size
	}
	return at
}

// Headers is the headers, in order; a name may repeat. None where the source was declared without headers.
func (r Record) Headers() []Header {
	all := r.batch.Headers
	if all == nil {
		return nil
	}
	start, end := wire.Range(all.Ends, r.index)
	headers := make([]Header, 0, end-start)
	for i := int(start); i < int(end); i++ {
		headers = append(headers, Header{Name: string(all.Names.Get(i)), Value: all.Values.Get(i)})
	}
	return headers
}

// Timestamp is the Kafka timestamp, milliseconds since the Unix epoch; false where the record has none.
func (r Record) Timestamp() (milliseconds int64, ok bool) {
	timestamp := r.batch.Timestamps[r.index]
	return timestamp, timestamp != -1
}

// Partition is the Kafka partition number.
func (r Record) Partition() int32 { return r.batch.Partition }

// Offset is the Kafka offset.
func (r Record) Offset() int64 { return r.batch.Offsets[r.index] }

// Source is the index of the record's source among the job's Sources.
func (r Record) Source() int { return int(r.batch.Source) }
