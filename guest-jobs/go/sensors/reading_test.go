package sensors

import (
	"strings"
	"testing"
)

const good = `{"message_id": "0a1b", "sensor_id": 7, "message": {"temperature": 30.5, "pressure": 1000.12, "vibration": 0.3}, "timestamp": "2024-05-02T10:11:12.123456+00:00"}`

func alert(t *testing.T, value string) string {
	t.Helper()
	reading, err := Parse(value)
	if err != nil {
		t.Fatalf("%s: %v", value, err)
	}
	return string(reading.AppendAlert(nil))
}

func TestTheArticlesReading(t *testing.T) {
	reading, err := Parse(good)
	expected := Reading{
		MessageID: "0a1b", SensorID: 7, Message: `{"temperature": 30.5, "pressure": 1000.12, "vibration": 0.3}`,
		Temperature: 30.5, Timestamp: "2024-05-02T10:11:12.123456+00:00", Microseconds: 1714644672123456,
		sensorIDText: "7", temperatureText: "30.5",
	}
	if err != nil || reading != expected {
		t.Errorf("%+v %v", reading, err)
	}
	if got := alert(t, good); got != `{"message_id": "0a1b", "sensor_id": 7, "temperature": 30.5, "alert": "High temperature detected", "timestamp": "2024-05-02T10:11:12.123456+00:00"}` {
		t.Error(got)
	}
}

func TestUnusualButValid(t *testing.T) {
	for _, c := range []struct{ from, to, part string }{
		{"30.5", "31", `"temperature": 31.0, `},
		{"30.5", "1e16", `"temperature": 1e+16, `},
		{"30.5", "0.00001", `"temperature": 1e-05, `},
		{"30.5", "123456789012345", `"temperature": 123456789012345.0, `},
		{"30.5", "-0.0", `"temperature": -0.0, `},
		{"7,", "-0,", `"sensor_id": 0, `},
		{".123456", "", `"timestamp": "2024-05-02T10:11:12+00:00"}`},
		{"0a1b", `\u00e9é\n😀`, `"message_id": "\u00e9\u00e9\n\ud83d\ude00"`},
		{"pressure", "temperature", `"temperature": 1000.12, `},
	} {
		if got := alert(t, strings.Replace(good, c.from, c.to, 1)); !strings.Contains(got, c.part) {
			t.Errorf("%s lacks %s", got, c.part)
		}
	}
	tight := strings.NewReplacer(": ", ":", ", ", " ,").Replace(good)
	extra := strings.Replace(good, `"sensor_id"`, `"extra": [1, {"a": null}], "sensor_id"`, 1)
	for _, same := range []string{tight, extra} {
		if got, err := Parse(same); err != nil || got.Message != `{"temperature": 30.5, "pressure": 1000.12, "vibration": 0.3}` || alert(t, same) != alert(t, good) {
			t.Errorf("%s: %+v %v", same, got, err)
		}
	}
}

func TestEveryBadValueSaysWhy(t *testing.T) {
	swap := func(from, to string) string { return strings.Replace(good, from, to, 1) }
	for value, expected := range map[string]string{
		"hello":                       "value is not JSON: expected a value at line 1 column 1",
		good[:40]:                     "value is not JSON: expected the end of the string, and no control character in it at line 1 column 41",
		swap("30.5", "NaN"):           "value is not JSON: expected a value at line 1 column 67",
		good + " x":                   "value is not JSON: expected nothing more at line 1 column 162",
		"[]":                          "value is not a JSON object",
		"null":                        "value is not a JSON object",
		"{}":                          "missing field `message_id` in value",
		swap("sensor_id", "sensor"):   "missing field `sensor_id` in value",
		swap("temperature", "heat"):   "missing field `temperature` in `message`",
		swap(`"0a1b"`, "12"):          "`message_id` is not a string: 12",
		swap("0a1b", `\ud800`):        "`message_id` is not valid Unicode: \"\\ud800\"",
		swap("0a1b", `0\u0000`):       "`message_id` holds a NUL character",
		swap("1000.12", `"\\\u0000"`): "`message` holds a NUL character",
		swap("7,", "7.5,"):            "`sensor_id` is not an integer: 7.5",
		swap("7,", `"7",`):            "`sensor_id` is not an integer: \"7\"",
		swap("7,", "2147483648,"):     "`sensor_id` is beyond the range of INT: 2147483648",
		swap("30.5", `"30.5"`):        "`temperature` is not a number: \"30.5\"",
		swap("30.5", "1e999"):         "`temperature` is beyond the range of a double: 1e999",
		swap("2024", "soon"):          "`timestamp` is not a time with offset (RFC 3339): \"soon-05-02T10:11:12.123456+00:00\"",
		swap("+00:00", ""):            "`timestamp` is not a time with offset (RFC 3339): \"2024-05-02T10:11:12.123456\"",
		swap("05-02", "02-30"):        "`timestamp` is not a time with offset (RFC 3339): \"2024-02-30T10:11:12.123456+00:00\"",
		strings.Replace(good, `{"temperature": 30.5, "pressure": 1000.12, "vibration": 0.3}`, "[30.5]", 1): "`message` is not a JSON object: [30.5]",
		swap("7,", `"`+strings.Repeat("é", 1000)+`",`):                                                     "`sensor_id` is not an integer: \"" + strings.Repeat("é", 59) + "…",
	} {
		if _, err := Parse(value); err == nil || err.Error() != expected {
			t.Errorf("%.80s: %v, not %s", value, err, expected)
		}
	}
	if _, err := Parse(swap("1000.12", `"\\u0000"`)); err != nil {
		t.Error(err)
	}
}

func TestTimes(t *testing.T) {
	for text, expected := range map[string]int64{
		"2024-05-02T10:11:12Z": 1714644672000000, "2024-05-02T10:11:12.5-02:30": 1714653672500000, "1970-01-01t00:00:00z": 0,
		"1969-12-31 23:59:59.9999999+00:00": -1, "2016-12-31T23:59:60Z": 1483228800000000, "0001-01-01T00:00:00Z": -62135596800000000,
	} {
		if got, ok := Microseconds(text); !ok || got != expected {
			t.Errorf("%s: %d", text, got)
		}
	}
	for _, text := range []string{
		"", "2024-05-02T10:11:12", "2024-05-02T10:11:12.Z", "2024-05-02T10:11:12Z ", "2024-05-02T10:11:12+0000",
		"2024-05-02T10:11:12+24:00", "2024-05-02T24:00:00Z", "2024-13-02T10:11:12Z", "2023-02-29T10:11:12Z", "1900-02-29T10:11:12Z",
		"0000-01-01T00:00:00Z", "2024-5-2T10:11:12.123Z",
	} {
		if _, ok := Microseconds(text); ok {
			t.Errorf("%s is a time", text)
		}
	}
}
