package inputs

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf16"
)

// wide is a text in two or four bytes a character, without a byte order mark.
func wide(text string, size int, order binary.AppendByteOrder) (encoded []byte) {
	if size == 2 {
		for _, unit := range utf16.Encode([]rune(text)) {
			encoded = order.AppendUint16(encoded, unit)
		}
		return encoded
	}
	for _, r := range text {
		encoded = order.AppendUint32(encoded, uint32(r))
	}
	return encoded
}

// The encodings that Windows, editors and iconv write are known, with a mark and without. No text that can work is
// taken for one.
func TestWideEncoding(t *testing.T) {
	t.Parallel()
	orders := map[string]binary.AppendByteOrder{"LE": binary.LittleEndian, "BE": binary.BigEndian}
	for _, text := range []string{
		"FROM x\n",
		"*.pem\n",
		"# syntax=docker/dockerfile:1\r\nFROM scratch AS café\r\nCOPY 中文 /\r\n",
	} {
		for suffix, order := range orders {
			for size, name := range map[int]string{2: "UTF-16", 4: "UTF-32"} {
				for _, mark := range []string{"", "\ufeff"} {
					encoded := wide(mark+text, size, order)
					got := wideEncoding(encoded)
					if got == nil || got.Encoding != name+suffix || got.Mark != (mark != "") {
						t.Errorf("%q in %s%s: %+v", mark+text, name, suffix, got)
					}
					if marked := markedEncoding(encoded); (marked != nil) != (mark != "") {
						t.Errorf("%q in %s%s: mark %+v", mark+text, name, suffix, marked)
					}
				}
			}
		}
	}
	for _, text := range []string{
		"", "a", "\x00", "\x00\x00", "\x00\x00\x00\x00\x00\x00", "FROM x\n", "\ufeffFROM x\n", "FROM caf\xe9\n",
		"RUN a\x00b\n", "\xff", "\xfe",
		strings.Repeat("a\x00\x00b", 9), "COPY <<E /f\n" + strings.Repeat("\x00a", 4) + "\nE\n",
	} {
		if got := wideEncoding([]byte(text)); got != nil {
			t.Errorf("%q: %+v", text, got)
		}
	}
}

// What the parser cannot read is explained by its bytes, whatever instruction they make.
func TestCheckDockerfileNamesTheEncoding(t *testing.T) {
	t.Parallel()
	utf16 := wide("FROM scratch\nCOPY . /\n", 2, binary.LittleEndian)
	for name, c := range map[string]struct{ text, want string }{
		"UTF-16":         {"\xff\xfe" + string(utf16), "line 1: the text is UTF-16LE, and BuildKit reads UTF-8"},
		"UTF-16, bare":   {string(utf16), "line 1: the text is UTF-16LE, and BuildKit reads UTF-8"},
		"UTF-16, marked": {"\xff\xfe", "line 1: the text is UTF-16LE, and BuildKit reads UTF-8"},
		"Latin-1": {
			"FROM scratch\nCAF\xc9 a\n",
			"line 2: the byte 0xc9 is not UTF-8, which BuildKit reads: the text is perhaps Latin-1 or Windows-1252",
		},
		"NUL": {
			"FROM scratch\nRUN\x00 a\n",
			"line 2: it has a NUL byte, which no argument, variable or path can have",
		},
		"elsewhere": {
			"FROM scratch\n# caf\xe9\nRUNN a\n",
			"line 3: unknown instruction: RUNN (did you mean RUN?)",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if err := CheckDockerfile([]byte(c.text), ""); err == nil || err.Error() != c.want {
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
	for _, text := range []string{
		"\ufeffFROM scratch\n",
		"\ufeff# syntax=docker/dockerfile:1\nFROM scratch\n",
		"FROM scratch\n# caf\xe9 \x00\n",
	} {
		if err := CheckDockerfile([]byte(text), ""); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	}
	if _, ok := officialSyntax([]byte("\ufeff# syntax=docker/dockerfile:1\nFROM scratch\n")); !ok {
		t.Error("behind a byte order mark the syntax line is not seen")
	}
}

// Bytes that no daemon can be sent, or no kernel run, are found before a build; those that build stay as they are. X is
// the byte.
func TestLoadFindsWhatCannotBeSent(t *testing.T) {
	t.Parallel()
	const base = "FROM busybox AS base\n"
	both, nul := []string{"\xe9", "\x00"}, []string{"\x00"}
	cases := map[string]struct {
		text  string
		line  int      // of the error
		wrong []string // the bytes that are an error there
	}{
		"comment":            {"# X\nRUN true", 3, nil},
		"comment in between": {"RUN echo \\\n# X\n a", 3, nil},
		"environment":        {"ENV A=X", 3, nil},
		"environment, a step": {
			"ENV A=X\nRUN true", 3, nul,
		},
		"argument, a step":      {"ARG A=X\nRUN echo $A", 3, nul},
		"label":                 {"LABEL a=X", 3, nil},
		"command":               {"CMD echo X", 3, nil},
		"inline file":           {"COPY <<E /f\nX\nE", 3, nil},
		"script":                {"RUN <<E\n#!/bin/sh\necho X\nE", 3, nil},
		"folder":                {"WORKDIR /X", 3, nul},
		"step":                  {"# fine\nRUN echo \\\n# X\n X", 6, both},
		"step, as a list":       {`RUN ["echo", "X"]`, 3, both},
		"steps":                 {"RUN <<E\necho X\nE", 4, both},
		"document":              {"RUN cat <<E >/f\nX\nE", 4, both},
		"stage that is not had": {"FROM base AS other\nRUN echo X\nFROM base", 3, nil},
		"on a machine":          {"FROM base AS x-amd64\nFROM base AS x-arm64\nRUN echo X\nFROM x-$BUILDARCH", 3, nil},
		"much":                  {strings.Repeat("ENV A=$A$A\n", 6) + "RUN echo X", 9, both},
		"long ago":              {"LABEL a=X\nRUN echo X", 3, both},
	}
	for name, c := range cases {
		for _, wrong := range both {
			for _, all := range []bool{false, true} {
				plan := Plan{
					Files: Files{
						Context: t.TempDir(),
						Inline:  []byte(base + "ARG Y\n" + strings.ReplaceAll(c.text, "X", wrong)),
					},
					WatchAll: all,
				}
				_, err := Load(t.Context(), plan)
				e, found := errors.AsType[*EncodingError](err)
				want := len(c.wrong) == 2 || len(c.wrong) == 1 && c.wrong[0] == wrong
				switch {
				case found != want, err != nil && !found:
					t.Errorf("%s with %q: %v", name, wrong, err)
				case found && (e.Line != c.line || e.Byte != wrong[0]):
					t.Errorf("%s with %q: %v, want line %d", name, wrong, e, c.line)
				}
			}
		}
	}
}

// readableIgnoreFileCase is a case of TestIgnoreFilesAreReadable.
type readableIgnoreFileCase struct{ ignore, want, warning string }

// readableIgnoreFileCases returns the cases of TestIgnoreFilesAreReadable, by name.
func readableIgnoreFileCases() map[string]readableIgnoreFileCase {
	utf16 := string(wide("*.pem\n", 2, binary.LittleEndian))
	return map[string]readableIgnoreFileCase{
		"UTF-8 with a mark": {ignore: "\ufeff*.pem\n"},
		"UTF-16": {
			ignore: "\xff\xfe" + utf16,
			want:   "FILE: line 1: the text is UTF-16LE, and BuildKit reads UTF-8",
		},
		"UTF-16, bare": {ignore: utf16, want: "FILE: line 1: the text is UTF-16LE, and BuildKit reads UTF-8"},
		"NUL": {
			ignore: "# \x00\na\n*.p\x00em\n",
			want:   "FILE: line 3: it has a NUL byte, which no argument, variable or path can have",
		},
		"control": {
			ignore: "a\tb\n",
			want:   "FILE: line 1: it has the control character 0x09, which BuildKit cannot send",
		},
		"white space":  {ignore: "\ta\t\r\n!\tb\r\n"},
		"sent encoded": {ignore: "a\tb\ncafé\n"},
		"comment":      {ignore: "# caf\xe9\na\n"},
		"Latin-1": {
			ignore: "# \xe9\na\ncaf\xe9\n",
			warning: "the ignore file FILE: line 3: the byte 0xe9 is not UTF-8, so the pattern leaves out only files " +
				"whose names have the same byte. Save the file as UTF-8",
		},
	}
}

// An ignore file of which BuildKit would understand nothing is an error that names it, if the context is read; a
// pattern in another encoding is a warning.
func TestIgnoreFilesAreReadable(t *testing.T) {
	t.Parallel()
	for name, c := range readableIgnoreFileCases() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, lib := t.TempDir(), t.TempDir()
			files := Files{
				Context: dir,
				Inline:  []byte("FROM scratch\nCOPY . /\nCOPY --from=lib . /\n"),
				Named:   map[string]string{"lib": lib},
			}
			for _, in := range []string{dir, lib} {
				if err := os.WriteFile(filepath.Join(in, ignoreFile), []byte(c.ignore), 0o644); err != nil {
					t.Fatal(err)
				}
				loaded, err := Load(t.Context(), Plan{Files: files})
				path := filepath.Join(in, ignoreFile)
				if got, want := textOf(err), strings.ReplaceAll(c.want, "FILE", path); got != want {
					t.Fatalf("got %q, want %q", got, want)
				}
				if named := new(NamedContextError); err != nil && errors.As(err, &named) != (in == lib) {
					t.Errorf("%v is about a named context", err)
				}
				if err == nil {
					warnings := warningTexts(loaded.Warnings(t.Context(), Plan{Files: files}))
					if want := strings.ReplaceAll(c.warning, "FILE", path); !strings.Contains(warnings, want) ||
						want == "" && warnings != "" {
						t.Errorf("warnings %q, want %q", warnings, want)
					}
				}
				if err := os.Remove(path); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

func textOf(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// A mark before UTF-8 is no part of the first line, and does not change what the others mean.
func TestAMarkIsNoPartOfAPattern(t *testing.T) {
	t.Parallel()
	got, err := ignorePatterns([]byte("\ufeff*.pem\n"), ".", ignoreFile)
	if err != nil || len(got) != 1 || !bytes.Equal([]byte(got[0]), []byte("*.pem")) {
		t.Errorf("%q, %v", got, err)
	}
}
