package jsonscan

import (
	"encoding/binary"
	"math/bits"
	"unicode/utf8"
	"unsafe"
)

// Unquote is what a string of JSON, given with its quotes, says. It is false for what is no string, and for a string
// whose escapes are no Unicode, such as a lone surrogate.
func Unquote(quoted string) (string, bool) {
	if len(quoted) < 2 || quoted[0] != '"' || quoted[len(quoted)-1] != '"' {
		return "", false
	}
	inner := quoted[1 : len(quoted)-1]
	at := plainBytes(inner, 0)
	if at == len(inner) {
		return inner, true
	}
	text := append(make([]byte, 0, len(inner)), inner[:at]...)
	for at < len(inner) {
		if inner[at] != '\\' || at+1 == len(inner) {
			return "", false
		}
		escape := inner[at+1]
		at += 2
		switch escape {
		case '"', '\\', '/':
			text = append(text, escape)
		case 'b':
			text = append(text, '\b')
		case 'f':
			text = append(text, '\f')
		case 'n':
			text = append(text, '\n')
		case 'r':
			text = append(text, '\r')
		case 't':
			text = append(text, '\t')
		case 'u':
			character, length := unicode(inner[at:])
			if length == 0 {
				return "", false
			}
			text = utf8.AppendRune(text, character)
			at += length
		default:
			return "", false
		}
		next := plainBytes(inner, at)
		text = append(text, inner[at:next]...)
		at = next
	}
	return string(text), true
}

// unicode is the character that `\u` in front of the text begins, and the bytes that it takes; none for what is none.
func unicode(text string) (rune, int) {
	first, ok := hex4(text)
	switch {
	case !ok || first >= 0xDC00 && first <= 0xDFFF:
		return 0, 0
	case first < 0xD800 || first > 0xDFFF:
		return first, 4
	}
	if len(text) < 10 || text[4] != '\\' || text[5] != 'u' {
		return 0, 0
	}
	second, ok := hex4(text[6:])
	if !ok || second < 0xDC00 || second > 0xDFFF {
		return 0, 0
	}
	return (first-0xD800)<<10 + (second - 0xDC00) + 0x10000, 10
}

func hex4(text string) (rune, bool) {
	if len(text) < 4 {
		return 0, false
	}
	var number rune
	for _, digit := range []byte(text[:4]) {
		switch {
		case digit-'0' <= 9:
			number = number<<4 | rune(digit-'0')
		case digit|0x20 >= 'a' && digit|0x20 <= 'f':
			number = number<<4 | rune(digit|0x20-'a'+10)
		default:
			return 0, false
		}
	}
	return number, true
}

// plainBytes is where the bytes from there on end that are no quote, no backslash and no control character. It looks at
// eight at a time.
func plainBytes(text string, at int) int {
	const ones = 0x0101010101010101
	const highs = ones << 7
	start := unsafe.Pointer(unsafe.StringData(text))
	for ; at+8 <= len(text); at += 8 {
		word := binary.LittleEndian.Uint64((*[8]byte)(unsafe.Add(start, at))[:])
		quote := word ^ ones*'"'
		backslash := word ^ ones*'\\'
		// The lowest byte that is zero, or below a blank, gets its high bit set; what is above it may be wrong.
		found := (quote-ones)&^quote | (backslash-ones)&^backslash | (word-ones*' ')&^word
		if found &= highs; found != 0 {
			return at + bits.TrailingZeros64(found)/8
		}
	}
	for at < len(text) && text[at] >= ' ' && text[at] != '"' && text[at] != '\\' {
		at++
	}
	return at
}
