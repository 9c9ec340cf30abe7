package jsonscan

import (
	"encoding/json"
	"strings"
	"testing"
)

func read(text string) error {
	in := New(text)
	in.Value()
	return in.End()
}

func TestMembersAndItems(t *testing.T) {
	in := New(` { "a" : 1.5e3, "skipped": [1, {"b": []}], "li\u0073t": [true , {"c": null}, []], "z": "" } `)
	var seen []string
	for in.Object(); in.Next(); {
		switch in.Name() {
		case "a", "z":
			seen = append(seen, in.Name()+"="+in.Value())
		case "list":
			for in.Array(); in.Next(); {
				seen = append(seen, "item="+in.Value())
			}
		}
	}
	if err := in.End(); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(seen, " "); got != `a=1.5e3 item=true item={"c": null} item=[] z=""` {
		t.Error(got)
	}
}

func TestErrorsSayWhere(t *testing.T) {
	for text, expected := range map[string]string{
		"":                        "expected a value at line 1 column 1",
		"{\"a\": 1,\n \"b\" 2}":   "expected `:` at line 2 column 6",
		"[1 2]":                   "expected `,` or `]` at line 1 column 4",
		"1 1":                     "expected nothing more at line 1 column 3",
		"{\"a\": NaN}":            "expected a value at line 1 column 7",
		"\"a\x00\"":               "expected the end of the string, and no control character in it at line 1 column 3",
		"\ufeff1":                 "expected a value at line 1 column 1",
		strings.Repeat("[", 1e6):  "expected no deeper nesting at line 1 column 130",
		`{"a": ` + "\"\\ud8zz\"}": "expected an escape at line 1 column 9",
	} {
		if err := read(text); err == nil || err.Error() != expected {
			t.Errorf("%.40q: %v, not %s", text, err, expected)
		}
	}
	if err := read(strings.Repeat("[", 128) + strings.Repeat("]", 128)); err != nil {
		t.Error(err)
	}
	in := New(`{"a": 1`)
	for in.Object(); in.Next(); {
		in.Value()
	}
	if in.End() == nil {
		t.Error("an object without end passed")
	}
}

const seed = `{"a": [1, -2.5e+3, "x\u00e9\n\ud83d\ude00", 0.10E-2, 0], "bc": {"d": null, "e": true, "": false}}`

// agree holds the package to encoding/json: what is JSON, and what strings say.
func agree(t *testing.T, text string) {
	if got, expected := read(text) == nil, json.Valid([]byte(text)); got != expected {
		t.Errorf("%q: %v, not %v", text, got, expected)
	}
	if !json.Valid([]byte(text)) || text[0] != '"' {
		return
	}
	var expected string
	if err := json.Unmarshal([]byte(text), &expected); err != nil {
		t.Fatal(err)
	}
	// That package puts U+FFFD in the place of a lone surrogate.
	if got, ok := Unquote(text); ok && got != expected || !ok && !strings.Contains(expected, "\ufffd") {
		t.Errorf("%q says %q, not %q", text, got, expected)
	}
}

func TestEveryChangedByteIsJudgedAsByTheStandardLibrary(t *testing.T) {
	for at := range len(seed) {
		agree(t, seed[:at])
		for character := range byte(128) {
			agree(t, seed[:at]+string(rune(character))+seed[at+1:])
			agree(t, seed[:at]+string(rune(character))+seed[at:])
		}
	}
}

func TestStringsSayWhatTheyDo(t *testing.T) {
	for _, text := range []string{
		`""`, `"plain"`, `"é😀"`, `"\"\\\/\b\f\n\r\t"`, `"\u00e9\ud83d\ude00\u0000"`, `"a\ud800"`, `"\ud800\ud800\udc00"`,
		`"\udc00"`, `"\ud83dx"`, `"\ud83d\n"`, `"0123456789abcdef\\"`,
	} {
		agree(t, text)
	}
	for _, text := range []string{"", `"`, "1", "abc"} {
		if _, ok := Unquote(text); ok {
			t.Errorf("%q is no string", text)
		}
	}
}

func FuzzAgree(f *testing.F) {
	f.Add(seed)
	f.Add(`"\ud83d\ude00"`)
	f.Fuzz(func(t *testing.T, text string) {
		// The depth at which this package gives up is its own, and it is given UTF-8.
		if strings.Count(text, "[")+strings.Count(text, "{") <= maxDepth && text == strings.ToValidUTF8(text, "") {
			agree(t, text)
		}
	})
}
