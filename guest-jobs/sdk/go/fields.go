package job

import (
	"math/bits"
	"strconv"
	"strings"

	"pelton/job/jsonscan"
	"pelton/job/python"
)

// Fields are paths to fields of a record's JSON object: see [NewFields].
type Fields struct {
	paths []string
	// Of each path the length of its first name, and the paths that begin with the same, a bit for each.
	first []int
	alike []uint64
	// The text of each field of the record at hand; empty where there is none.
	found []string
}

// NewFields are the fields at these paths: names, or several joined by dots that lead into objects. A name with a dot in
// it can't be reached. A path may be named twice, to be read as two kinds. At most 64. Make them once, as a package
// variable; a record whose names stand in their order is read quickest.
//
//	var fields = job.NewFields("id", "inner.celsius")
//
//	var id string
//	var celsius float64
//	if err := fields.Scan(record, &id, &celsius); err != nil {
//		return err
//	}
func NewFields(paths ...string) *Fields {
	if len(paths) > maxFields {
		panic("job.NewFields: at most " + strconv.Itoa(maxFields) + " paths")
	}
	f := &Fields{paths: paths, found: make([]string, len(paths))}
	for _, path := range paths {
		name, _, _ := strings.Cut(path, ".")
		alike := uint64(0)
		for n, other := range paths {
			if otherName, _, _ := strings.Cut(other, "."); otherName == name {
				alike |= 1 << n
			}
		}
		f.first = append(f.first, len(name))
		f.alike = append(f.alike, alike)
	}
	return f
}

// Object is the text of a JSON object, its strings and numbers as they are written, spaced as Python's json.dumps spaces
// it. It holds no NUL character, not even escaped: Postgres refuses that in JSON.
type Object string

// Micros is a time in microseconds since 1970-01-01 00:00:00 UTC, as a column of type [Timestamptz] takes it.
type Micros int64

// Raw is the text of any JSON value as it is written; empty where there is none.
type Raw string

const maxFields = 64

// Scan reads the fields of the record's value in one pass, and puts each where the pointer in its place says:
//
//   - *string takes a string without what Postgres refuses in text: NUL, half of a surrogate pair;
//   - *int32 and *int64 take an integer in their range, written without point or exponent;
//   - *float64 takes a number that a double can hold;
//   - *bool takes true or false;
//   - *Object takes an object;
//   - *Micros takes a string that is a time with an offset, as RFC 3339 writes it: see [Microseconds];
//   - *Raw takes anything, and nothing.
//
// Of a name that comes twice the last one counts. The error, made to be returned, says that the value is no JSON (with
// line and column in bytes, from 1) or no object, or names the first field that is missing or of another kind, with the
// beginning of what is there. Another number of pointers than of paths is a panic.
func (f *Fields) Scan(record Record, values ...any) error {
	if len(values) != len(f.paths) {
		panic("job.Fields: " + strconv.Itoa(len(f.paths)) + " paths and " + strconv.Itoa(len(values)) + " values")
	}
	text, err := record.Text()
	if err != nil {
		return err
	}
	clear(f.found)
	in := jsonscan.New(text)
	isObject := in.Object()
	if isObject {
		f.outermost(&in, text)
	} else {
		in.Value()
	}
	if err := in.End(); err != nil {
		return Reject("value is not JSON: " + err.Error())
	}
	if !isObject {
		return Reject("value is not a JSON object")
	}
	for n, value := range values {
		if problem := put(value, f.found[n]); problem != "" {
			return f.reject(n, problem, f.found[n])
		}
	}
	return nil
}

func (f *Fields) begins(n int, name string) bool {
	return f.first[n] == len(name) && f.paths[n][:len(name)] == name
}

// outermost reads the record's object.
func (f *Fields) outermost(in *jsonscan.Scanner, text string) {
	// The one that is due next, where the record's names stand in the order of the paths.
	next := 0
	for in.Next() {
		name, n := in.Name(), next
		if n >= len(f.paths) || !f.begins(n, name) {
			for n = 0; n < len(f.paths) && !f.begins(n, name); {
				n++
			}
			if n == len(f.paths) {
				continue
			}
		}
		next = bits.Len64(f.alike[n])
		f.member(in, text, f.alike[n], len(name))
	}
}

// inner reads an object that the first bytes of those paths lead to whose bit is set.
func (f *Fields) inner(in *jsonscan.Scanner, text string, paths uint64, passed int) {
	for in.Next() {
		name := in.Name()
		end, alike := passed+len(name), uint64(0)
		for rest := paths; rest != 0; rest &= rest - 1 {
			n := bits.TrailingZeros64(rest)
			path := f.paths[n]
			if (len(path) == end || len(path) > end && path[end] == '.') && path[passed:end] == name {
				alike |= 1 << n
			}
		}
		if alike != 0 {
			f.member(in, text, alike, end)
		}
	}
}

// member reads the value that the first bytes of those paths lead to.
func (f *Fields) member(in *jsonscan.Scanner, text string, paths uint64, passed int) {
	within := uint64(0)
	for rest := paths; rest != 0; rest &= rest - 1 {
		n := bits.TrailingZeros64(rest)
		f.found[n] = ""
		if len(f.paths[n]) > passed {
			within |= 1 << n
		}
	}
	var value string
	if start := in.Position(); within != 0 && in.Object() {
		f.inner(in, text, within, passed+1)
		value = text[start:in.Position()]
	} else {
		value = in.Value()
	}
	for rest := paths &^ within; rest != 0; rest &= rest - 1 {
		f.found[bits.TrailingZeros64(rest)] = value
	}
}

const missing = "missing"

// put reads a field as the kind that the pointer takes. It gives back what the field is not, or nothing.
func put(value any, field string) string {
	if raw, ok := value.(*Raw); ok {
		*raw = Raw(field)
		return ""
	}
	if field == "" {
		return missing
	}
	switch value := value.(type) {
	case *string:
		return putText(value, field)
	case *int32:
		number, err := strconv.ParseInt(field, 10, 32)
		*value = int32(number)
		return integerProblem(err, field, "beyond the range of INT")
	case *int64:
		number, err := strconv.ParseInt(field, 10, 64)
		*value = number
		return integerProblem(err, field, "beyond the range of BIGINT")
	case *float64:
		if number, ok := shortNumber(field); ok {
			*value = number
			return ""
		}
		// No JSON value but a number reads as one: `NaN` and `Infinity` are not JSON.
		number, err := strconv.ParseFloat(field, 64)
		*value = number
		return numberProblem(err, "not a number", "beyond the range of a double")
	case *bool:
		*value = field == "true"
		if field != "true" && field != "false" {
			return "not a boolean"
		}
	case *Object:
		if field[0] != '{' {
			return "not a JSON object"
		}
		if hasEscapedNUL(field) {
			return holdsNUL
		}
		*value = Object(python.Respace(field))
	case *Micros:
		var time string
		if problem := putText(&time, field); problem != "" {
			return problem
		}
		micros, ok := Microseconds(time)
		if !ok {
			return "not a time with offset (RFC 3339)"
		}
		*value = Micros(micros)
	default:
		panic("job.Fields: a pointer to what no field is read as; see Scan")
	}
	return ""
}

var powersOfTen = [...]float64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15}

// shortNumber reads a number of up to 15 digits without exponent: a double holds the digits and the power of ten exactly,
// so that one division gives the nearest. Most are such, and the general way takes longer.
func shortNumber(text string) (float64, bool) {
	digits, isNegative := text, text[0] == '-'
	if isNegative {
		digits = text[1:]
	}
	if len(digits) > 16 {
		return 0, false
	}
	number, point := uint64(0), len(digits)-1
	for n := range len(digits) {
		switch digit := digits[n] - '0'; {
		case digit <= 9:
			number = number*10 + uint64(digit)
		case digits[n] == '.' && point == len(digits)-1:
			point = n
		default:
			return 0, false
		}
	}
	if number >= 1e15 {
		return 0, false
	}
	value := float64(number) / powersOfTen[len(digits)-1-point]
	if isNegative {
		value = -value
	}
	return value, true
}

const holdsNUL = "holds a NUL character"

func putText(to *string, field string) string {
	if field[0] != '"' {
		return "not a string"
	}
	text, ok := jsonscan.Unquote(field)
	if !ok {
		return "not valid Unicode"
	}
	// Only what was escaped can be one: JSON has no bare control characters.
	if len(text) != len(field)-2 && strings.IndexByte(text, 0) >= 0 {
		return holdsNUL
	}
	*to = text
	return ""
}

// integerProblem says of what ended beyond the range before a point or an exponent that it is no integer.
func integerProblem(err error, field, beyond string) string {
	if err != nil && strings.ContainsAny(field, ".eE") {
		return "not an integer"
	}
	return numberProblem(err, "not an integer", beyond)
}

func numberProblem(err error, not, beyond string) string {
	switch {
	case err == nil:
		return ""
	case err.(*strconv.NumError).Err == strconv.ErrRange:
		return beyond
	default:
		return not
	}
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

// reject names the field, and shows the first 60 characters of what it is.
func (f *Fields) reject(n int, problem, field string) error {
	const shown = 60
	place, name := "value", f.paths[n]
	if dot := strings.LastIndexByte(name, '.'); dot >= 0 {
		place, name = "`"+name[:dot]+"`", name[dot+1:]
	}
	switch problem {
	case missing:
		return Reject("missing field `" + name + "` in " + place)
	case holdsNUL:
		return Reject("`" + name + "` " + problem)
	}
	characters := 0
	for end := range field {
		if characters == shown {
			field = field[:end] + "…"
			break
		}
		characters++
	}
	return Reject("`" + name + "` is " + problem + ": " + field)
}
