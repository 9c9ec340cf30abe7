// Package python prints JSON as Python's json.dumps does, for jobs that take over from one in Python and must write
// the same bytes.
//
//	text := python.Append(nil).Text("name", "café").Int("seats", 12).Float("rating", 4).End()
//	// {"name": "caf\u00e9", "seats": 12, "rating": 4.0}
package python

import (
	"bytes"
	"encoding/binary"
	"math"
	"strconv"
	"unicode/utf16"
	"unsafe"
)

// Object is an object in the making, as json.dumps prints a dictionary: members in the order in which they are added,
// names and texts in ASCII, a blank after each comma and colon.
type Object struct {
	text  []byte
	start int
}

// Append begins an object behind what a slice holds. [Object.End] gives the slice back.
func Append(to []byte) Object {
	if to == nil {
		to = make([]byte, 0, 256)
	}
	return Object{append(to, '{'), len(to) + 1}
}

// Text adds a text.
func (o Object) Text(name, value string) Object {
	o.text = AppendString(o.member(name), value)
	return o
}

// Int adds an integer.
func (o Object) Int(name string, value int64) Object {
	o.text = strconv.AppendInt(o.member(name), value, 10)
	return o
}

// Float adds a finite number, as Python prints a float: with a point or an exponent, `31.0`.
func (o Object) Float(name string, value float64) Object {
	o.text = AppendFloat(o.member(name), value)
	return o
}

// JSON adds what is JSON already, such as `null` or what [Respace] gives.
func (o Object) JSON(name, value string) Object {
	o.text = append(o.member(name), value...)
	return o
}

// End closes the object.
func (o Object) End() []byte { return append(o.text, '}') }

func (o Object) member(name string) []byte {
	to := o.text
	if len(to) > o.start {
		to = append(to, ',', ' ')
	}
	if !isPlain(name) {
		return append(AppendString(to, name), ':', ' ')
	}
	return append(append(append(to, '"'), name...), '"', ':', ' ')
}

const hexDigits = "0123456789abcdef"

// AppendString appends a string: quoted, with everything but printable ASCII escaped.
func AppendString(to []byte, text string) []byte {
	to = append(to, '"')
	if isPlain(text) {
		to = append(to, text...)
		return append(to, '"')
	}
	for _, character := range text {
		switch {
		case character == '"' || character == '\\':
			to = append(to, '\\', byte(character))
		case character == '\n':
			to = append(to, '\\', 'n')
		case character == '\r':
			to = append(to, '\\', 'r')
		case character == '\t':
			to = append(to, '\\', 't')
		case character == '\b':
			to = append(to, '\\', 'b')
		case character == '\f':
			to = append(to, '\\', 'f')
		case character >= ' ' && character <= '~':
			to = append(to, byte(character))
		case character > 0xffff:
			high, low := utf16.EncodeRune(character)
			to = appendUnit(appendUnit(to, high), low)
		default:
			to = appendUnit(to, character)
		}
	}
	return append(to, '"')
}

func appendUnit(to []byte, unit rune) []byte {
	to = append(to, '\\', 'u', hexDigits[unit>>12&15], hexDigits[unit>>8&15])
	return append(to, hexDigits[unit>>4&15], hexDigits[unit&15])
}

// isPlain looks at eight bytes at a time.
func isPlain(text string) bool {
	const ones = 0x0101010101010101
	start, words := unsafe.Pointer(unsafe.StringData(text)), len(text)&^7
	odd := uint64(0)
	for at := 0; at < words; at += 8 {
		word := binary.LittleEndian.Uint64((*[8]byte)(unsafe.Add(start, at))[:])
		odd |= word | (word - ones*' ') | ((word ^ ones*'"') - ones)
		odd |= ((word ^ ones*'\\') - ones) | ((word ^ ones*0x7f) - ones)
	}
	if odd&(ones<<7) != 0 {
		return false
	}
	for i := words; i < len(text); i++ {
		if text[i] < ' ' || text[i] > '~' || text[i] == '"' || text[i] == '\\' {
			return false
		}
	}
	return true
}

// AppendFloat appends a finite number as repr(float) prints it: the fewest digits that read back as the same number,
// `30.0`, `1e-05`, `1e+16`.
func AppendFloat(to []byte, number float64) []byte {
	size := math.Abs(number)
	if size < 1e12 && (size >= 1e-3 || size == 0) {
		// Of up to 15 digits no two say the same number: where one to three places are enough, these are the digits that
		// the general algorithm finds, which takes much longer.
		unit := 10.0
		for places := 1; places <= 3; places++ {
			if digits := math.Floor(size*unit + 0.5); digits/unit == size {
				return appendDecimal(to, math.Signbit(number), uint64(digits), uint64(unit))
			}
			unit *= 10
		}
	}
	if number != 0 && (size < 1e-4 || size >= 1e16) {
		return strconv.AppendFloat(to, number, 'e', -1, 64)
	}
	start := len(to)
	to = strconv.AppendFloat(to, number, 'f', -1, 64)
	if bytes.IndexByte(to[start:], '.') < 0 {
		to = append(to, ".0"...)
	}
	return to
}

// appendDecimal appends digits/unit, where unit is a power of ten.
func appendDecimal(to []byte, isNegative bool, digits, unit uint64) []byte {
	if isNegative {
		to = append(to, '-')
	}
	to = append(strconv.AppendUint(to, digits/unit, 10), '.')
	for digits %= unit; unit > 1; digits %= unit {
		unit /= 10
		to = append(to, byte('0'+digits/unit))
	}
	return to
}

// Respace gives valid JSON the spacing of json.dumps: one blank after each comma and colon, no other outside strings.
// Strings and numbers stay as they are written.
func Respace(json string) string {
	if isSpaced(json) {
		return json
	}
	spaced := make([]byte, 0, len(json)+16)
	for at := 0; at < len(json); {
		switch character := json[at]; character {
		case ' ', '\n', '\r', '\t':
			at++
		case ',', ':':
			spaced = append(spaced, character, ' ')
			at++
		case '"':
			end := behindString(json, at)
			spaced = append(spaced, json[at:end]...)
			at = end
		default:
			spaced = append(spaced, character)
			at++
		}
	}
	return string(spaced)
}

func isSpaced(json string) bool {
	for at := 0; at < len(json); {
		switch json[at] {
		case ' ', '\n', '\r', '\t':
			return false
		case ',', ':':
			// In valid JSON something follows both.
			if json[at+1] != ' ' {
				return false
			}
			at += 2
		case '"':
			at = behindString(json, at)
		default:
			at++
		}
	}
	return true
}

// behindString is where the string that begins there ends.
func behindString(json string, at int) int {
	for at++; json[at] != '"'; at++ {
		if json[at] == '\\' {
			at++
		}
	}
	return at + 1
}
