package wire

// Type is a column's type; the numbers are those of the contract's enum `column-type`.
type Type uint8

// The types of Postgres that a column or a placeholder may have.
const (
	Boolean Type = iota
	Int2
	Int4
	Int8
	Float4
	Float8
	Numeric
	Text
	Varchar
	Bytea
	Timestamptz
	Timestamp
	Date
	UUID
	JSON
	JSONB
)

// Data says which of a column's slices holds its values; the numbers are those of the contract's variant `column-data`.
type Data uint8

// What may hold the values of a column.
const (
	Booleans Data = iota
	Int16s
	Int32s
	Int64s
	Float32s
	Float64s
	PackedData
)

// Data is what holds the values of a type.
func (t Type) Data() Data {
	switch t {
	case Boolean:
		return Booleans
	case Int2:
		return Int16s
	case Int4, Date:
		return Int32s
	case Int8, Timestamptz, Timestamp:
		return Int64s
	case Float4:
		return Float32s
	case Float8:
		return Float64s
	}
	return PackedData
}

// Column is the values of one column, one per row: in the slice that its type's Data names.
type Column struct {
	Type     Type
	Validity Validity
	Booleans []bool
	Int16s   []int16
	Int32s   []int32
	Int64s   []int64
	Float32s []float32
	Float64s []float64
	Packed   Packed
}

// PushNull adds the value that stands for a null, which the bitmap marks as one.
func (c *Column) PushNull() {
	switch c.Type.Data() {
	case Booleans:
		c.Booleans = append(c.Booleans, false)
	case Int16s:
		c.Int16s = append(c.Int16s, 0)
	case Int32s:
		c.Int32s = append(c.Int32s, 0)
	case Int64s:
		c.Int64s = append(c.Int64s, 0)
	case Float32s:
		c.Float32s = append(c.Float32s, 0)
	case Float64s:
		c.Float64s = append(c.Float64s, 0)
	case PackedData:
		c.Packed.Push(nil)
	}
}

// Reset empties it and keeps its memory.
func (c *Column) Reset() {
	c.Validity = c.Validity[:0]
	c.Booleans, c.Int16s, c.Int32s, c.Int64s = c.Booleans[:0], c.Int16s[:0], c.Int32s[:0], c.Int64s[:0]
	c.Float32s, c.Float64s = c.Float32s[:0], c.Float64s[:0]
	c.Packed.Reset()
}
