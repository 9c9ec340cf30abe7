package job

import (
	"strconv"
	"strings"

	"pelton/job/jsonscan"
	"pelton/job/python"
)

// Fields are paths to fields of a record's JSON object: names, or several joined by dots that lead into objects. A name
// with a dot in it can't be reached. A path may be named twice, to be read as two kinds. At most 32.
//
//	var reading = job.Fields{"id", "inner.celsius"}
//
//	var id string
//	var celsius float64
//	if err := reading.Scan(record, &id, &celsius); err != nil {
//		return err
//	}
type Fields []string

// Object is the text of a JSON object, its strings and numbers as they are written, spaced as Python's json.dumps spaces
// it. It holds no NUL character, not even escaped: Postgres refuses that in JSON.
type Object string

// Micros is a time in microseconds since 1970-01-01 00:00:00 UTC, as a column of type [Timestamptz] takes it.
type Micros int64

// Raw is the text of any JSON value as it is written; empty where there is none.
type Raw string

const maxFields = 32

// found is the text of each field; empty where there is none.
type found [maxFields]string

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
func (f Fields) Scan(record Record, values ...any) error {
	if len(values) != len(f) || len(f) > maxFields {
		panic("job.Fields: " + strconv.Itoa(len(f)) + " paths and " + strconv.Itoa(len(values)) + " values; at most 32")
	}
	text, err := record.Text()
	if err != nil {
		return err
	}
	in := jsonscan.New(text)
	var found found
	isObject := in.Object()
	if isObject {
		f.find(&in, text, &found, 1<<len(f)-1, 0)
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
		if problem := put(value, found[n]); problem != "" {
			return f.reject(n, problem, found[n])
		}
	}
	return nil
}

// find reads the object that the first bytes of those paths lead to whose bit is set.
func (f Fields) find(in *jsonscan.Scanner, text string, found *found, paths uint64, passed int) {
	for in.Next() {
		name := in.Name()
		var here, inside uint64
		for n, path := range f {
			if paths>>n&1 == 0 || len(path) < passed+len(name) || path[passed:passed+len(name)] != name {
				continue
			}
			if end := passed + len(name); end == len(path) {
				here |= 1 << n
			} else if path[end] == '.' {
				inside |= 1 << n
				found[n] = ""
			}
		}
		if here|inside == 0 {
			continue
		}
		start := in.Position()
		if inside != 0 && in.Object() {
			f.find(in, text, found, inside, passed+len(name)+1)
		} else {
			in.Value()
		}
		for n := 0; here != 0; n, here = n+1, here>>1 {
			if here&1 == 1 {
				found[n] = text[start:in.Position()]
			}
		}
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
		return numberProblem(err, "not an integer", "beyond the range of INT")
	case *int64:
		number, err := strconv.ParseInt(field, 10, 64)
		*value = number
		return numberProblem(err, "not an integer", "beyond the range of BIGINT")
	case *float64:
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
func (f Fields) reject(n int, problem, field string) error {
	const shown = 60
	place, name := "value", f[n]
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
