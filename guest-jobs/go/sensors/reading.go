// Package sensors reads what the article's sensors send. Both example jobs agree on what is a reading: a record that one
// of them rejects, the other rejects for the same reason.
package sensors

import (
	"strconv"
	"strings"

	"pelton/job"
	"pelton/job/jsonscan"
)

// Reading is one reading of a sensor, which every sink can take.
type Reading struct {
	// Holds no NUL.
	MessageID string
	// Within the range of Postgres's INT.
	SensorID int32
	// The measured values: a JSON object with the spacing of json.dumps, its strings and numbers as the source wrote
	// them; holds no NUL, not even escaped.
	Message string
	// Degrees Celsius, from Message; finite.
	Temperature float64
	// When, as the source wrote it, and in microseconds since 1970-01-01 00:00:00 UTC.
	Timestamp    string
	Microseconds int64
	// The numbers as the source wrote them: to copy them is quicker than to print them.
	sensorIDText, temperatureText string
}

// fields is the fields as they stand in the text; empty where there is none. Of a field that comes twice the last one
// counts, as in Python.
type fields struct {
	messageID, sensorID, message, temperature, timestamp string
}

// Parse reads the value of a record. Fields that it doesn't know are ignored. The error says where it is no JSON, or
// which field is missing or can't be used.
func Parse(value string) (Reading, error) {
	var found fields
	if err := found.read(value); err != nil {
		return Reading{}, err
	}
	messageID, err := text("message_id", found.messageID)
	switch {
	case err != nil:
		return Reading{}, err
	case strings.IndexByte(messageID, 0) >= 0:
		return Reading{}, job.Reject("`message_id` holds a NUL character")
	case found.message == "":
		return Reading{}, missing("message", "value")
	case found.message[0] != '{':
		return Reading{}, wrong("message", "not a JSON object", found.message)
	case hasEscapedNUL(found.message):
		return Reading{}, job.Reject("`message` holds a NUL character")
	case found.temperature == "":
		return Reading{}, missing("temperature", "`message`")
	}
	timestamp, err := text("timestamp", found.timestamp)
	if err != nil {
		return Reading{}, err
	}
	microseconds, ok := Microseconds(timestamp)
	if !ok {
		return Reading{}, wrong("timestamp", "not a time with offset (RFC 3339)", found.timestamp)
	}
	sensorID, err := integer("sensor_id", found.sensorID)
	if err != nil {
		return Reading{}, err
	}
	temperature, err := number("temperature", found.temperature)
	if err != nil {
		return Reading{}, err
	}
	return Reading{
		MessageID:       messageID,
		SensorID:        sensorID,
		Message:         respace(found.message),
		Temperature:     temperature,
		Timestamp:       timestamp,
		Microseconds:    microseconds,
		sensorIDText:    found.sensorID,
		temperatureText: found.temperature,
	}, nil
}

// AppendAlert appends the alert on this reading, as the article's job writes it: json.dumps of a dictionary.
func (r *Reading) AppendAlert(to []byte) []byte {
	to = append(to, `{"message_id": `...)
	to = appendString(to, r.MessageID)
	to = append(to, `, "sensor_id": `...)
	if r.SensorID == 0 {
		// The one integer of JSON that Python prints otherwise is -0.
		to = append(to, '0')
	} else {
		to = append(to, r.sensorIDText...)
	}
	to = append(to, `, "temperature": `...)
	to = appendFloat(to, r.temperatureText, r.Temperature)
	to = append(to, `, "alert": "High temperature detected", "timestamp": `...)
	to = appendString(to, r.Timestamp)
	return append(to, '}')
}

func (f *fields) read(value string) error {
	in := jsonscan.New(value)
	isObject := in.Object()
	if isObject {
		for in.Next() {
			switch in.Name() {
			case "message_id":
				f.messageID = in.Value()
			case "sensor_id":
				f.sensorID = in.Value()
			case "timestamp":
				f.timestamp = in.Value()
			case "message":
				f.readMessage(&in, value)
			}
		}
	} else {
		in.Value()
	}
	if err := in.End(); err != nil {
		return job.Reject("value is not JSON: " + err.Error())
	}
	if !isObject {
		return job.Reject("value is not a JSON object")
	}
	return nil
}

func (f *fields) readMessage(in *jsonscan.Scanner, value string) {
	start := in.Position()
	f.temperature = ""
	if in.Object() {
		for in.Next() {
			if in.Name() == "temperature" {
				f.temperature = in.Value()
			}
		}
	} else {
		in.Value()
	}
	f.message = value[start:in.Position()]
}

func text(name, field string) (string, error) {
	switch {
	case field == "":
		return "", missing(name, "value")
	case field[0] != '"':
		return "", wrong(name, "not a string", field)
	}
	text, ok := jsonscan.Unquote(field)
	if !ok {
		return "", wrong(name, "not valid Unicode", field)
	}
	return text, nil
}

func integer(name, field string) (int32, error) {
	if field == "" {
		return 0, missing(name, "value")
	}
	number, err := strconv.ParseInt(field, 10, 32)
	switch {
	case err == nil:
		return int32(number), nil
	case err.(*strconv.NumError).Err == strconv.ErrRange:
		return 0, wrong(name, "beyond the range of INT", field)
	default:
		return 0, wrong(name, "not an integer", field)
	}
}

func number(name, field string) (float64, error) {
	// No JSON value but a number reads as one: `NaN` and `Infinity` are not JSON.
	number, err := strconv.ParseFloat(field, 64)
	switch {
	case err == nil:
		return number, nil
	case err.(*strconv.NumError).Err == strconv.ErrRange:
		return 0, wrong(name, "beyond the range of a double", field)
	default:
		return 0, wrong(name, "not a number", field)
	}
}

func missing(name, place string) error {
	return job.Reject("missing field `" + name + "` in " + place)
}

// wrong names the field, and shows the beginning of what it holds.
func wrong(name, what, text string) error {
	const shown = 60
	characters := 0
	for end := range text {
		if characters == shown {
			text = text[:end] + "…"
			break
		}
		characters++
	}
	return job.Reject("`" + name + "` is " + what + ": " + text)
}
