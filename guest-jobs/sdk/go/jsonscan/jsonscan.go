// Package jsonscan reads JSON in one pass and hands out what it reads as pieces of the text. It allocates nothing and
// uses no reflection, which makes it several times faster in a component than encoding/json; it is as strict as that
// package is.
//
//	in := jsonscan.New(text)
//	if in.Object() {
//		for in.Next() {
//			if in.Name() == "temperature" {
//				temperature = in.Value()
//			}
//		}
//	}
//	if err := in.End(); err != nil {
//		return err
//	}
//	degrees, err := strconv.ParseFloat(temperature, 64)
//
// Errors stay: after the first one nothing more is read, and [Scanner.End] gives it back. The text must be UTF-8, as
// that of a record is.
package jsonscan

import "strconv"

// Arrays and objects may lie in each other so deep.
const maxDepth = 128

// Scanner is at the start of a value or behind it. Copy none that was used.
type Scanner struct {
	text string
	at   int
	// The arrays and objects around it; a bit of isObject for each.
	depth    int
	isObject [maxDepth/64 + 1]uint64
	// Whether it is at the start of the innermost of them.
	isFirst bool
	// Whether Next moved to a value that was not read yet.
	isUnread bool
	// Of the member that Next moved to, with its quotes.
	name      string
	isEscaped bool
	problem   string
}

// New is a scanner at the start of a text's one value.
func New(text string) Scanner {
	s := Scanner{text: text}
	s.blanks()
	return s
}

// Object enters the next value if it is an object; else it leaves the value to be read.
func (s *Scanner) Object() bool { return s.enter('{') }

// Array enters the next value if it is an array; else it leaves the value to be read.
func (s *Scanner) Array() bool { return s.enter('[') }

// Next moves to the next member of the object, or item of the array, that was entered last, and passes over
// the value of the one before if it was not read. Behind the last one it leaves the object or array and is false.
func (s *Scanner) Next() bool {
	if s.isUnread {
		s.value()
	}
	if s.problem != "" || s.depth == 0 {
		return false
	}
	isObject := s.inObject()
	closing := byte(']')
	if isObject {
		closing = '}'
	}
	s.blanks()
	next := s.peek()
	switch {
	case next == closing:
		s.at++
		s.depth--
		s.isFirst = false
		return false
	case s.isFirst:
		s.isFirst = false
	case next == ',':
		s.at++
		s.blanks()
	default:
		return s.expected("`,` or `" + string(rune(closing)) + "`")
	}
	if isObject {
		start := s.at
		s.isEscaped = false
		if !s.string() {
			return false
		}
		s.name = s.text[start:s.at]
		s.blanks()
		if s.peek() != ':' {
			return s.expected("`:`")
		}
		s.at++
		s.blanks()
	}
	s.isUnread = true
	return true
}

// Name is the name of the member that Next moved to.
func (s *Scanner) Name() string {
	if len(s.name) < 2 {
		return ""
	}
	if s.isEscaped {
		name, _ := Unquote(s.name)
		return name
	}
	return s.name[1 : len(s.name)-1]
}

// Value reads any value, and gives its text as it stands: a string with its quotes (see [Unquote]), a number as
// strconv takes it, an object or array whole.
func (s *Scanner) Value() string {
	start := s.at
	if s.problem != "" || !s.value() {
		return ""
	}
	return s.text[start:s.at]
}

// Position is where in the text it is, in bytes.
func (s *Scanner) Position() int { return s.at }

// End says what was not JSON, with line and column, both from 1, the column in bytes. Nothing but blanks may follow what
// was read.
func (s *Scanner) End() error {
	if s.problem == "" {
		s.blanks()
		if s.at < len(s.text) || s.depth > 0 {
			s.expected("nothing more")
		}
	}
	if s.problem == "" {
		return nil
	}
	line, column := 1, 1
	for _, character := range []byte(s.text[:s.at]) {
		column++
		if character == '\n' {
			line, column = line+1, 1
		}
	}
	return syntaxError("expected " + s.problem + " at line " + strconv.Itoa(line) + " column " + strconv.Itoa(column))
}

type syntaxError string

func (e syntaxError) Error() string { return string(e) }

func (s *Scanner) enter(opening byte) bool {
	if s.problem != "" || s.peek() != opening {
		return false
	}
	return s.push(opening)
}

func (s *Scanner) push(opening byte) bool {
	s.at++
	s.isUnread = false
	if s.depth == maxDepth {
		return s.expected("no deeper nesting")
	}
	bit := uint64(1) << (s.depth % 64)
	if opening == '{' {
		s.isObject[s.depth/64] |= bit
	} else {
		s.isObject[s.depth/64] &^= bit
	}
	s.depth++
	s.isFirst = true
	return true
}

func (s *Scanner) inObject() bool {
	innermost := s.depth - 1
	return s.isObject[innermost/64]>>(innermost%64)&1 == 1
}

// value passes over a value. It doesn't call itself, so that deep nesting needs no stack.
func (s *Scanner) value() bool {
	outer := s.depth
	for {
		s.isUnread = false
		switch next := s.peek(); next {
		case '"':
			s.string()
		case '-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9':
			s.number()
		case '{', '[':
			s.push(next)
		case 't':
			s.word("true")
		case 'f':
			s.word("false")
		case 'n':
			s.word("null")
		default:
			s.expected("a value")
		}
		for s.depth > outer && !s.Next() {
			if s.problem != "" {
				return false
			}
		}
		if s.depth == outer || s.problem != "" {
			return s.problem == ""
		}
	}
}

// string passes over a string.
func (s *Scanner) string() bool {
	if s.peek() != '"' {
		return s.expected("a string")
	}
	s.at++
	for {
		s.at = plainBytes(s.text, s.at)
		switch s.peek() {
		case '"':
			s.at++
			return true
		case '\\':
			if !s.escape() {
				return false
			}
		default:
			return s.expected("the end of the string, and no control character in it")
		}
	}
}

func (s *Scanner) escape() bool {
	s.at++
	s.isEscaped = true
	switch s.peek() {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		s.at++
		return true
	case 'u':
		if _, ok := hex4(s.text[s.at+1:]); ok {
			s.at += 5
			return true
		}
	}
	return s.expected("an escape")
}

func (s *Scanner) number() bool {
	text, at := s.text, s.at
	if text[at] == '-' {
		at++
	}
	start := at
	at = digits(text, at)
	whole := at - start
	if whole > 1 && text[start] == '0' {
		// A number ends behind a leading zero, and what follows belongs to nothing.
		s.at = start + 1
		return true
	}
	s.at = at
	if whole == 0 {
		return s.expected("a digit")
	}
	if at < len(text) && text[at] == '.' {
		s.at = digits(text, at+1)
		if s.at == at+1 {
			return s.expected("a digit")
		}
		at = s.at
	}
	if at < len(text) && text[at]|0x20 == 'e' {
		at++
		if at < len(text) && (text[at] == '+' || text[at] == '-') {
			at++
		}
		s.at = digits(text, at)
		if s.at == at {
			return s.expected("a digit")
		}
	}
	return true
}

// digits is where the digits from there on end.
func digits(text string, at int) int {
	for at < len(text) && text[at]-'0' <= 9 {
		at++
	}
	return at
}

func (s *Scanner) word(word string) bool {
	if len(s.text)-s.at < len(word) || s.text[s.at:s.at+len(word)] != word {
		return s.expected("a value")
	}
	s.at += len(word)
	return true
}

func (s *Scanner) blanks() {
	for s.at < len(s.text) {
		switch s.text[s.at] {
		case ' ', '\n', '\r', '\t':
			s.at++
		default:
			return
		}
	}
}

// peek is the next byte; at the end of the text it is NUL, which begins nothing in JSON.
func (s *Scanner) peek() byte {
	if s.at < len(s.text) {
		return s.text[s.at]
	}
	return 0
}

func (s *Scanner) expected(problem string) bool {
	s.problem = problem
	return false
}
