package python

import (
	"encoding/json"
	"math"
	"math/rand"
	"strconv"
	"strings"
	"testing"
)

func TestObjectsArePythons(t *testing.T) {
	object := Append([]byte("before ")).Text("a\"", "é€😀\n\x00\x7f/").Int("b", -1).Float("c", 31).JSON("d", "null").End()
	if got := string(object); got != `before {"a\"": "\u00e9\u20ac\ud83d\ude00\n\u0000\u007f/", "b": -1, "c": 31.0, "d": null}` {
		t.Error(got)
	}
	if got := string(Append(nil).End()); got != "{}" {
		t.Error(got)
	}
}

// The texts are CPython's.
func TestFloatsArePythons(t *testing.T) {
	for text, number := range map[string]float64{
		"30.0": 30, "30.01": 30.01, "-0.0": math.Copysign(0, -1), "0.30000000000000004": 0.1 + 0.2 - 5e-17, "0.0001": 0.0001,
		"1e-05": 0.00001, "1.5e-07": 1.5e-7, "1000000000000000.0": 1e15, "1e+16": 1e16, "1e+100": 1e100, "5e-324": 5e-324,
		"1.7976931348623157e+308": math.MaxFloat64, "123456789012345.0": 123456789012345, "1125899906842624.2": 1125899906842624.25,
		"2.9802322387695312e-08": 1. / (1 << 25), "5.684341886080802e-14": 1. / (1 << 44), "0.001": 0.001, "-10.125": -10.125,
	} {
		if strings.HasPrefix(text, "0.3") {
			number, _ = strconv.ParseFloat(text, 64)
		}
		if got := string(AppendFloat(nil, number)); got != text {
			t.Errorf("%s, not %s", got, text)
		}
	}
}

func TestFewDigitsAreThoseOfTheGeneralAlgorithm(t *testing.T) {
	random := rand.New(rand.NewSource(1))
	for range 200_000 {
		number := math.Round(random.NormFloat64()*1e7) / math.Pow10(random.Intn(8))
		general := strconv.FormatFloat(number, 'f', -1, 64)
		if !strings.Contains(general, ".") {
			general += ".0"
		}
		if got := string(AppendFloat(nil, number)); got != general && !strings.Contains(got, "e") {
			t.Fatalf("%s, not %s", got, general)
		}
	}
}

func TestRespacedJSONMeansTheSame(t *testing.T) {
	for text, expected := range map[string]string{
		`{"a":1,"b":[1,{}]}`:              `{"a": 1, "b": [1, {}]}`,
		"{ \"a\"\n:\t[ 1 , 2 ]\r}":        `{"a": [1, 2]}`,
		`{"a,b:c \" d":"e , f\\"}`:        `{"a,b:c \" d": "e , f\\"}`,
		`{"a": 1, "b": "c", "d": [1, 2]}`: `{"a": 1, "b": "c", "d": [1, 2]}`,
	} {
		if got := Respace(text); got != expected || !json.Valid([]byte(got)) {
			t.Errorf("%s, not %s", got, expected)
		}
	}
}
