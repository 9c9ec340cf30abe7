package job

import "strconv"

// Parameters is the settings of a job, every declared one with its value. To ask for one that the job doesn't declare
// is an error.
type Parameters struct {
	values [][2]string
}

// String is the value of a parameter.
func (p *Parameters) String(name string) (string, error) {
	for _, parameter := range p.values {
		if parameter[0] == name {
			return parameter[1], nil
		}
	}
	return "", Reject("the job reads parameter `" + name + "`, which it does not declare")
}

// Int is the value of a parameter as a decimal integer.
func (p *Parameters) Int(name string) (int64, error) {
	return read(p, name, "an integer", func(value string) (int64, error) { return strconv.ParseInt(value, 10, 64) })
}

// Float is the value of a parameter as a number.
func (p *Parameters) Float(name string) (float64, error) {
	return read(p, name, "a number", func(value string) (float64, error) { return strconv.ParseFloat(value, 64) })
}

// Bool is the value of a parameter as `true` or `false`.
func (p *Parameters) Bool(name string) (bool, error) {
	return read(p, name, "true or false", strconv.ParseBool)
}

func read[T any](p *Parameters, name, wanted string, parse func(string) (T, error)) (T, error) {
	var none T
	text, err := p.String(name)
	if err != nil {
		return none, err
	}
	value, err := parse(text)
	if err == nil {
		return value, nil
	}
	reason := "parameter `" + name + "`: cannot read `" + text + "` as " + wanted
	// The error of strconv repeats the text before its reason.
	if detail, ok := err.(*strconv.NumError); ok {
		reason += ": " + detail.Err.Error()
	}
	return none, Reject(reason)
}
