package sensors

import (
	"strconv"
	"strings"
	"unicode/utf16"
)

// JSON as Python's json.dumps prints it, so that alerts and rows equal the article's to the byte.

const hexDigits = "0123456789abcdef"

// appendString prints a string: quoted, with everything but printable ASCII escaped.
func appendString(to []byte, text string) []byte {
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
	return append(to, '\\', 'u', hexDigits[unit>>12&15], hexDigits[unit>>8&15], hexDigits[unit>>4&15], hexDigits[unit&15])
}

func isPlain(text string) bool {
	for i := range len(text) {
		if text[i] < ' ' || text[i] > '~' || text[i] == '"' || text[i] == '\\' {
			return false
		}
	}
	return true
}

// appendFloat prints a number, given as it stands in JSON and as it reads, as repr(float) does: the fewest digits that
// read back as the same number, `30.0`, `1e-05`, `1e+16`.
func appendFloat(to []byte, text string, number float64) []byte {
	if isRepr(text) {
		return append(to, text...)
	}
	if number != 0 && (number < 1e-4 && number > -1e-4 || number >= 1e16 || number <= -1e16) {
		return strconv.AppendFloat(to, number, 'e', -1, 64)
	}
	start := len(to)
	to = strconv.AppendFloat(to, number, 'f', -1, 64)
	if strings.IndexByte(string(to[start:]), '.') < 0 {
		to = append(to, ".0"...)
	}
	return to
}

// isRepr tells whether a number of JSON is plainly printed as Python would: up to 15 digits are always kept, so none of
// them may be a zero too many, and the number is not so small that it gets an exponent. Most are such, and printing
// costs more than looking.
func isRepr(text string) bool {
	digits := strings.TrimPrefix(text, "-")
	point := strings.IndexByte(digits, '.')
	if point < 0 || len(digits) > 16 {
		return false
	}
	whole, fraction := digits[:point], digits[point+1:]
	for i := range len(fraction) {
		if fraction[i]-'0' > 9 {
			return false
		}
	}
	return (whole != "0" || !strings.HasPrefix(fraction, "000")) && (fraction == "0" || !strings.HasSuffix(fraction, "0"))
}

// respace gives valid JSON the spacing of json.dumps: one blank after each comma and colon, no other outside strings.
// Strings and numbers stay as they are written.
func respace(json string) string {
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

// hasEscapedNUL tells whether valid JSON holds the escape of the NUL character.
func hasEscapedNUL(json string) bool {
	for {
		at := strings.IndexByte(json, '\\')
		if at < 0 {
			return false
		}
		if strings.HasPrefix(json[at+1:], "u0000") {
			return true
		}
		json = json[at+2:]
	}
}
