// Package pages holds docs/sdk/go.md and the template of `pelton new` to their word: what they show builds and passes.
package pages

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestThePage(t *testing.T) {
	page, err := os.ReadFile("../../../docs/sdk/go.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := strings.Split(string(page), "```")
	var code []string
	for _, block := range blocks {
		if text, ok := strings.CutPrefix(block, "go\n"); ok {
			code = append(code, text)
		}
	}
	if len(code) != 2 {
		t.Fatalf("the page has %d blocks of Go, not a job and its test", len(code))
	}
	if lines := strings.Count(code[0], "\n"); lines >= 40 {
		t.Errorf("the page's job has %d lines, not under 40", lines)
	}
	check(t, map[string]string{
		"main.go": code[0], "main_test.go": code[1],
		"go.mod": "module page\n\ngo 1.24\n\nrequire pelton/job v0.0.0\n\nreplace pelton/job => ./sdk\n",
	})
}

func TestTheTemplate(t *testing.T) {
	files := map[string]string{}
	for _, name := range []string{"words/main.go", "words/main_test.go", "common/go.mod"} {
		text, err := os.ReadFile(filepath.Join("../../../host/crates/build/templates/go", name))
		if err != nil {
			t.Fatal(err)
		}
		files[filepath.Base(name)] = strings.ReplaceAll(string(text), "{{name}}", "the-name_1")
	}
	check(t, files)
}

// check vets a project, builds it for both targets, and runs its tests.
func check(t *testing.T, files map[string]string) {
	t.Helper()
	folder := t.TempDir()
	sdk, err := filepath.Abs("../../sdk/go")
	if err != nil {
		t.Fatal(err)
	}
	files["go.mod"] = strings.Replace(files["go.mod"], "./sdk", sdk, 1)
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	run(t, folder, nil, "vet", ".")
	run(t, folder, []string{"GOOS=wasip1", "GOARCH=wasm"}, "build", "-buildmode=c-shared", "-o", "core.wasm", ".")
	run(t, folder, nil, "test", ".")
}

func run(t *testing.T, folder string, environment []string, arguments ...string) {
	t.Helper()
	command := exec.Command("go", arguments...)
	command.Dir = folder
	command.Env = append(append(os.Environ(), "GOFLAGS=-mod=mod"), environment...)
	if output, err := command.CombinedOutput(); err != nil {
		t.Fatalf("go %s: %v\n%s", strings.Join(arguments, " "), err, output)
	}
}
