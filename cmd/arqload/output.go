package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/term"

	"arqload/analysis"
	"arqload/analysis/observation"
	"arqload/reports"
	"arqload/reports/bundle"
	"arqload/scenarios"
)

// formats is a parsed --format: where each form of the report goes, "-" for stdout.
type formats struct{ text, json string }

// parseFormats reads "text,json=FILE", given once or several times.
func parseFormats(values []string) (formats, error) {
	var f formats
	for _, v := range values {
		for _, item := range strings.Split(v, ",") {
			name, file, has := strings.Cut(strings.TrimSpace(item), "=")
			if has && file == "" {
				return f, fmt.Errorf("--format %s: write %s=FILE, or %s alone for stdout", item, name, name)
			}
			if !has {
				file = "-"
			}
			var to *string
			switch name {
			case "text":
				to = &f.text
			case "json":
				to = &f.json
			default:
				return f, fmt.Errorf("--format %s: there is no such form here; write text or json=FILE", item)
			}
			if *to != "" {
				return f, fmt.Errorf("--format: %s is given twice", name)
			}
			*to = file
		}
	}
	if f.text == "-" && f.json == "-" {
		return f, fmt.Errorf("--format: text and json cannot both go to stdout; write json=FILE")
	}
	for _, file := range []string{f.text, f.json} {
		if file == "" || file == "-" {
			continue
		}
		// Before the run, not after it: a typed error must not cost an hour's load.
		if info, err := os.Stat(filepath.Dir(file)); err != nil || !info.IsDir() {
			return f, fmt.Errorf("--format: the folder of %s does not exist", file)
		}
		if info, err := os.Stat(file); err == nil && info.IsDir() {
			return f, fmt.Errorf("--format: %s is a folder: write a file's name", file)
		}
	}
	return f, nil
}

// judged is a run with its verdict.
type judged struct {
	verdict analysis.Verdict
	report  *reports.Report
}

func judge(run *observation.Run, objectives []scenarios.Objective) judged {
	s := analysis.Summarize(run)
	v := analysis.Judge(s, objectives)
	return judged{verdict: v, report: reports.New(s, v, objectives)}
}

// write sends the report where the formats say.
func (j judged) write(f formats, stdout io.Writer) error {
	for _, form := range []struct {
		to    string
		write func(io.Writer) error
	}{
		{f.text, func(w io.Writer) error { return j.report.WriteText(w, textOptions(w)) }},
		{f.json, j.report.WriteJSON},
	} {
		switch form.to {
		case "":
		case "-":
			if err := form.write(stdout); err != nil {
				return err
			}
		default:
			var b bytes.Buffer
			if err := form.write(&b); err != nil {
				return err
			}
			if err := writeReport(form.to, b.Bytes()); err != nil {
				return fmt.Errorf("writing the report: %w", err)
			}
		}
	}
	return nil
}

// writeReport replaces a file as a whole. What is no regular file (a pipe, /dev/stderr)
// cannot be replaced and is written to.
func writeReport(path string, content []byte) error {
	if info, err := os.Stat(path); err != nil || info.Mode().IsRegular() {
		return bundle.WriteFile(path, content)
	}
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	return errors.Join(err, f.Close())
}

// keep writes both forms into the bundle.
func (j judged) keep(dir string) error {
	return j.write(formats{text: filepath.Join(dir, bundle.ReportText), json: filepath.Join(dir, bundle.ReportJSON)}, nil)
}

// textOptions fits the terminal report to where it goes: a file and a pipe get 100
// columns and no colour.
func textOptions(w io.Writer) reports.TextOptions {
	f, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return reports.TextOptions{}
	}
	o := reports.TextOptions{Color: colored()}
	if width, _, err := term.GetSize(int(f.Fd())); err == nil {
		o.Width = min(max(width, 80), 120)
	}
	return o
}

// colored follows no-color.org and dumb terminals.
func colored() bool { return os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb" }
