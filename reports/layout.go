package reports

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/olekukonko/tablewriter"
	"github.com/olekukonko/tablewriter/pkg/twwidth"
	"github.com/olekukonko/tablewriter/renderer"
	"github.com/olekukonko/tablewriter/tw"

	"arqload/scenarios"
)

// text puts a terminal report together. What it is given may come from a server or from a
// file that anybody wrote: nothing of it reaches the terminal but what [Printable] lets
// through, and no line is wider than the terminal.
type text struct {
	r *Report
	o TextOptions
	b strings.Builder
}

// Printable returns s with everything that is not a printable character, a newline or a
// tab written as Go would escape it: \x1b, with which a terminal's commands begin,
// characters that turn the direction of writing, bytes that are no UTF-8.
func Printable(s string) string {
	var b strings.Builder
	for i, c := range s {
		_, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case c == '\n', c == '\t', unicode.IsPrint(c) && (c != utf8.RuneError || n > 1):
			b.WriteRune(c)
		case c == utf8.RuneError && n == 1, c < utf8.RuneSelf:
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case c < 0x10000:
			fmt.Fprintf(&b, `\u%04x`, c)
		default:
			fmt.Fprintf(&b, `\U%08x`, c)
		}
	}
	return b.String()
}

// heading begins a section.
func (t *text) heading(s string) {
	t.b.WriteByte('\n')
	t.paragraph("", s)
}

// entry writes a label and what is said under it.
func (t *text) entry(label, format string, args ...any) {
	t.paragraph(fmt.Sprintf("  %-11s ", label), fmt.Sprintf(format, args...))
}

// paragraph writes text wrapped at the width, each further line under the first word. The
// bullet is ours and written as it is.
func (t *text) paragraph(bullet, s string) {
	indent := twwidth.Width(bullet)
	lines := wrap(s, t.o.Width-indent)
	t.b.WriteString(bullet + strings.Join(lines, "\n"+strings.Repeat(" ", indent)) + "\n")
}

// list writes a section of paragraphs, or nothing where there are none.
func (t *text) list(title string, items []string) {
	if len(items) == 0 {
		return
	}
	t.heading(title)
	for _, i := range items {
		t.paragraph("  - ", i)
	}
}

// wrap breaks text into lines of at most room columns: between words, and within one that
// is longer than a line. A comparison stays with its limit.
func wrap(s string, room int) []string {
	room = max(room, 1)
	lines := []string{""}
	for _, word := range words(s, room) {
		for _, part := range chop(Printable(word), room) {
			last := &lines[len(lines)-1]
			switch {
			case *last == "":
				*last = part
			case twwidth.Width(*last)+1+twwidth.Width(part) <= room:
				*last += " " + part
			default:
				lines = append(lines, part)
			}
		}
	}
	return lines
}

// Wrapped returns plain text with no line wider than the width. What a line goes on with stands
// under what is behind the last gap in it (two spaces or more), as in a list with labels, else
// four columns in from its begin.
func Wrapped(s string, width int) string {
	var b strings.Builder
	for line := range strings.Lines(s) {
		line = strings.TrimSuffix(line, "\n")
		if twwidth.Width(line) <= width {
			b.WriteString(Printable(line) + "\n")
			continue
		}
		text := strings.TrimLeft(line, " ")
		begin, on := line[:len(line)-len(text)], len(line)-len(text)+4
		if gap := strings.LastIndex(text, "  "); gap >= 0 {
			begin, text = begin+text[:gap+2], text[gap+2:]
			on = twwidth.Width(begin)
		}
		b.WriteString(begin + strings.Join(wrap(text, width-on), "\n"+strings.Repeat(" ", on)) + "\n")
	}
	return b.String()
}

// words are those of a text; a comparison and what follows it are one where they fit.
func words(s string, room int) []string {
	var all []string
	for _, word := range strings.Fields(s) {
		if last := len(all) - 1; last >= 0 && comparison(all[last]) && twwidth.Width(all[last]+" "+word) <= room {
			all[last] += " " + word
			continue
		}
		all = append(all, word)
	}
	return all
}

func comparison(word string) bool {
	switch scenarios.Op(word) {
	case scenarios.Less, scenarios.LessEqual, scenarios.Greater, scenarios.GreaterEqual, scenarios.Equal, scenarios.NotEqual:
		return true
	}
	return false
}

// chop cuts a word into parts of at most room columns: behind the last part of a name that
// fits, else wherever the line ends.
func chop(word string, room int) []string {
	var parts []string
	for twwidth.Width(word) > room {
		n := fit(word, room)
		if end := strings.LastIndexAny(word[:n], "._{,/"); end > 0 {
			n = end + 1
		}
		parts = append(parts, word[:n])
		word = word[n:]
	}
	return append(parts, word)
}

// fit returns how many bytes of s take at most room columns: one character at least.
func fit(s string, room int) int {
	for i, c := range s {
		if room -= twwidth.Width(string(c)); room < 0 && i > 0 {
			return i
		}
	}
	return len(s)
}

// cut shortens text to one line of at most room columns.
func cut(s string, room int) string {
	s = Printable(strings.Join(strings.Fields(s), " "))
	if twwidth.Width(s) <= room {
		return s
	}
	return s[:fit(s, room-3)] + "..."
}

const (
	tableIndent = "  "
	columnGap   = "  "
	leastRoom   = 10 // of a column that gives way to the others
)

// table is a borderless table, indented. One of its columns may give way to the others.
type table struct {
	t     *text
	align string
	rows  [][]string // the first is the header
}

// table starts a table; align has a letter for each column: L left, R right, and for the
// one that gives way w (its cells are wrapped) or c (they are cut).
func (t *text) table(align string, header ...string) *table {
	return &table{t: t, align: align, rows: [][]string{header}}
}

func (x *table) row(cells ...string) { x.rows = append(x.rows, cells) }

// shrink makes the column that gives way as narrow as the others need it.
func (x *table) shrink() {
	give := strings.IndexAny(x.align, "wc")
	room := x.t.o.Width - len(tableIndent) - len(columnGap)*(len(x.align)-1)
	for i := range x.align {
		widest := 0
		for _, row := range x.rows {
			if i != give {
				row[i] = cut(row[i], x.t.o.Width)
			}
			widest = max(widest, twwidth.Width(row[i]))
		}
		if i != give {
			room -= widest
		}
	}
	if give < 0 {
		return
	}
	room = max(room, leastRoom)
	for _, row := range x.rows {
		cell := row[give]
		indent := cell[:len(cell)-len(strings.TrimLeft(cell, " "))]
		if x.align[give] == 'c' {
			row[give] = cut(cell, room)
		} else {
			row[give] = indent + strings.Join(wrap(cell, room-len(indent)), "\n"+indent)
		}
	}
}

func (x *table) render() {
	for _, l := range x.lines() {
		x.t.b.WriteString(l)
	}
}

// lines are those of the table, each with its newline: one a row unless a cell is wrapped.
func (x *table) lines() []string {
	x.shrink()
	var perColumn []tw.Align
	for _, a := range x.align {
		align := tw.AlignLeft
		if a == 'R' {
			align = tw.AlignRight
		}
		perColumn = append(perColumn, align)
	}
	cells := tw.CellConfig{
		Formatting: tw.CellFormatting{AutoWrap: tw.WrapNone, AutoFormat: tw.Off},
		Alignment:  tw.CellAlignment{PerColumn: perColumn},
		Padding:    tw.CellPadding{Global: tw.Padding{Left: "", Right: columnGap, Overwrite: true}},
	}
	var out strings.Builder
	tab := tablewriter.NewTable(&out,
		tablewriter.WithRenderer(renderer.NewBlueprint(tw.Rendition{
			Borders:  tw.BorderNone,
			Settings: tw.Settings{Lines: tw.LinesNone, Separators: tw.SeparatorsNone},
		})),
		tablewriter.WithConfig(tablewriter.Config{Header: cells, Row: cells, Behavior: tw.Behavior{TrimSpace: tw.Off}}),
	)
	tab.Header(x.rows[0])
	for _, row := range x.rows[1:] {
		_ = tab.Append(row) // strings cannot fail to convert
	}
	if err := tab.Render(); err != nil {
		return []string{cut(fmt.Sprintf("%s(the table cannot be shown: %v)", tableIndent, err), x.t.o.Width) + "\n"}
	}
	var lines []string
	for l := range strings.Lines(out.String()) {
		lines = append(lines, strings.TrimRight(tableIndent+l, " \n")+"\n")
	}
	return lines
}
