package job

import (
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"pelton/job/internal/wire"
)

// takes is each type's name and what it takes, for messages.
var takes = [...]string{
	Boolean:     "boolean and takes a bool",
	Int2:        "int2 and takes an int16",
	Int4:        "int4 and takes an int32",
	Int8:        "int8 and takes an int64",
	Float4:      "float4 and takes a float32",
	Float8:      "float8 and takes a float64",
	Numeric:     "numeric and takes a string (a decimal number)",
	Text:        "text and takes a string",
	Varchar:     "varchar and takes a string",
	Bytea:       "bytea and takes a []byte",
	Timestamptz: "timestamptz and takes an int64 (microseconds since 1970 UTC)",
	Timestamp:   "timestamp and takes an int64 (microseconds since 1970)",
	Date:        "date and takes an int32 (days since 1970-01-01)",
	UUID:        "uuid and takes 16 bytes",
	JSON:        "json and takes a string",
	JSONB:       "jsonb and takes a string",
}

// push adds a value to a column that has so many rows. It gives back what is wrong, or nothing. The value doesn't
// escape, so that a job's values stay on its stack.
func push(c *wire.Column, row int, value any) string {
	valid, problem := true, ""
	switch value := value.(type) {
	case string:
		if c.Type.Data() != wire.PackedData || c.Type == Bytea || c.Type == UUID {
			problem = "a string"
			break
		}
		if !utf8.ValidString(value) {
			problem = notUTF8
			break
		}
		c.Packed.PushString(value)
	case Object:
		if c.Type.Data() != wire.PackedData || c.Type == Bytea || c.Type == UUID {
			problem = "an Object"
			break
		}
		c.Packed.PushString(string(value))
	case []byte:
		switch {
		case value == nil:
			c.PushNull()
			valid = false
		case c.Type.Data() != wire.PackedData:
			problem = "a []byte"
		case c.Type == UUID && len(value) != 16:
			problem = strconv.Itoa(len(value))
		case c.Type != UUID && c.Type != Bytea && !utf8.Valid(value):
			problem = notUTF8
		default:
			c.Packed.Push(value)
		}
	case int:
		problem = pushInteger(c, int64(value), "an int")
	case int64:
		problem = pushInteger(c, value, "an int64")
	case Micros:
		problem = pushInteger(c, int64(value), "a Micros")
	case int32:
		problem = pushInteger(c, int64(value), "an int32")
	case int16:
		problem = pushInteger(c, int64(value), "an int16")
	case int8:
		problem = pushInteger(c, int64(value), "an int8")
	case float64:
		if c.Type != Float8 {
			problem = "a float64"
			break
		}
		c.Float64s = append(c.Float64s, value)
	case float32:
		switch c.Type {
		case Float4:
			c.Float32s = append(c.Float32s, value)
		case Float8:
			c.Float64s = append(c.Float64s, float64(value))
		default:
			problem = "a float32"
		}
	case bool:
		if c.Type != Boolean {
			problem = "a bool"
			break
		}
		c.Booleans = append(c.Booleans, value)
	case nil:
		c.PushNull()
		valid = false
	default:
		problem = "a " + typeName(value)
	}
	if problem != "" {
		return takes[c.Type] + ", not " + problem
	}
	c.Validity = c.Validity.Push(row, valid)
	return ""
}

const notUTF8 = "what is not UTF-8"

func pushInteger(c *wire.Column, value int64, name string) string {
	switch c.Type.Data() {
	case wire.Int64s:
		c.Int64s = append(c.Int64s, value)
	case wire.Int32s:
		if value < math.MinInt32 || value > math.MaxInt32 {
			return strconv.FormatInt(value, 10)
		}
		c.Int32s = append(c.Int32s, int32(value))
	case wire.Int16s:
		if value < math.MinInt16 || value > math.MaxInt16 {
			return strconv.FormatInt(value, 10)
		}
		c.Int16s = append(c.Int16s, int16(value))
	default:
		return name
	}
	return ""
}

// typeName is the name of a value's type. Package reflect would say it too, and add a tenth to every component; the
// runtime says it in the error of a failed type assertion.
func typeName(value any) (name string) {
	defer func() {
		name = "value of another type"
		if err, ok := recover().(error); ok {
			_, text, _ := strings.Cut(err.Error(), "interface conversion: ")
			if found, _, ok := strings.Cut(text, " is not "); ok {
				name = found
			}
		}
	}()
	_ = value.(interface{ methodThatNoTypeHas() })
	return ""
}
