// Package wire holds what crosses between a job and its host: the data of wit/job.wit as Go slices. Writers append to
// slices that are kept from batch to batch, so that a steady stream of batches allocates nothing.
package wire

// Packed is byte strings laid end to end: item i is Bytes[Ends[i-1]:Ends[i]], and item 0 starts at 0.
type Packed struct {
	Ends  []uint32
	Bytes []byte
}

// Push adds an item.
func (p *Packed) Push(item []byte) {
	p.Bytes = append(p.Bytes, item...)
	p.Ends = append(p.Ends, uint32(len(p.Bytes)))
}

// PushString adds an item.
func (p *Packed) PushString(item string) {
	p.Bytes = append(p.Bytes, item...)
	p.Ends = append(p.Ends, uint32(len(p.Bytes)))
}

// Get is item i, which can't be appended to in place.
func (p *Packed) Get(i int) []byte {
	start, end := Range(p.Ends, i)
	return p.Bytes[start:end:end]
}

// Reset empties it and keeps its memory.
func (p *Packed) Reset() {
	p.Ends, p.Bytes = p.Ends[:0], p.Bytes[:0]
}

// Range is where item i lies in what ends divides.
func Range(ends []uint32, i int) (start, end uint32) {
	if i > 0 {
		start = ends[i-1]
	}
	return start, ends[i]
}

// Validity is Arrow's bitmap: bit i%8 of byte i/8, the least significant first, is 1 where item i is not null. Empty
// where no item is null.
type Validity []byte

// Push says whether the item behind the first n is valid.
func (v Validity) Push(n int, valid bool) Validity {
	if len(v) == 0 {
		if valid {
			return v
		}
		for range n / 8 {
			v = append(v, 0xff)
		}
		if n%8 != 0 {
			v = append(v, 1<<(n%8)-1)
		}
	}
	if n%8 == 0 {
		v = append(v, 0)
	}
	if valid {
		v[n/8] |= 1 << (n % 8)
	}
	return v
}

// IsValid tells whether item i is not null.
func (v Validity) IsValid(i int) bool {
	return len(v) == 0 || v[i/8]>>(i%8)&1 == 1
}

// Nullable is byte strings of which some may be null. A null item also takes up zero bytes in Items.
type Nullable struct {
	Validity Validity
	Items    Packed
}

// Push adds an item, null where it is nil.
func (n *Nullable) Push(item []byte) {
	n.Validity = n.Validity.Push(len(n.Items.Ends), item != nil)
	n.Items.Push(item)
}

// Get is item i: nil where it is null, and only there.
func (n *Nullable) Get(i int) []byte {
	if !n.Validity.IsValid(i) {
		return nil
	}
	if item := n.Items.Get(i); item != nil {
		return item
	}
	return []byte{}
}

// Reset empties it and keeps its memory.
func (n *Nullable) Reset() {
	n.Validity = n.Validity[:0]
	n.Items.Reset()
}

// Headers is the headers of records or messages, flattened: item i has those from Ends[i-1] to Ends[i].
type Headers struct {
	Ends   []uint32
	Names  Packed
	Values Nullable
}

// Push adds a header to the item that the next End ends.
func (h *Headers) Push(name string, value []byte) {
	h.Names.PushString(name)
	h.Values.Push(value)
}

// End ends an item.
func (h *Headers) End() {
	h.Ends = append(h.Ends, uint32(len(h.Names.Ends)))
}

// Reset empties it and keeps its memory.
func (h *Headers) Reset() {
	h.Ends = h.Ends[:0]
	h.Names.Reset()
	h.Values.Reset()
}

// Batch is consecutive records of one partition.
type Batch struct {
	Source     uint32
	Partition  int32
	Offsets    []int64
	Timestamps []int64
	Keys       Nullable
	Values     Nullable
	// Nil where the source was declared without headers.
	Headers *Headers
}

// Kind says which of the contract's outputs one is.
type Kind uint8

// The numbers are those of the contract's variant `output`, and one for what holds nothing.
const (
	Forward Kind = iota
	Messages
	Rows
	Nothing
)

// Output is what a batch became for one sink.
type Output struct {
	Kind   Kind
	Sink   uint32
	Origin []uint32
	// Of messages. HasHeaders is false where no message has any.
	Keys, Values Nullable
	Headers      Headers
	HasHeaders   bool
	// Of rows.
	Columns []Column
}

// Reset makes it hold nothing and keeps its memory.
func (o *Output) Reset() {
	o.Kind, o.Origin, o.HasHeaders = Nothing, o.Origin[:0], false
	o.Keys.Reset()
	o.Values.Reset()
	o.Headers.Reset()
	for i := range o.Columns {
		o.Columns[i].Reset()
	}
}

// Reject is a verdict on one record.
type Reject struct {
	Index  uint32
	Reason string
}

// Outcome is the answer to a batch. It is valid until the job's next batch.
type Outcome struct {
	Outputs []Output
	Rejects []Reject
}
