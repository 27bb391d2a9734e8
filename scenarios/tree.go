package scenarios

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// kind is what a node is, in the words of an error message.
type kind string

const (
	null    kind = "nothing"
	str     kind = "text"
	number  kind = "a number"
	boolean kind = "true or false"
	list    kind = "a list"
	mapping kind = "a mapping"
	refused kind = "something refused" // already among the problems: ask nothing more of it
)

// node is a YAML value with its place in the file: what is left of the syntax tree once
// quoting and style are gone.
type node struct {
	kind         kind
	line, column int
	text         string // of a scalar, without quotes, before interpolation
	items        []*node
	fields       []field
}

// field is one key of a mapping with its value. Each key occurs once.
type field struct {
	key          string
	line, column int
	value        *node
}

// scalar reports whether n is a single value that may be read as text.
func (n *node) scalar() bool { return n.kind == str || n.kind == number || n.kind == boolean }

// What the YAML parser is given is bounded, because it recurses, and takes memory by the
// square of the nesting and time by the square of the length: 100 kB of "- - - " would
// take more memory than a machine has. No plan comes near the bounds.
const (
	maxSource = 128 << 10 // bytes
	maxIndent = 256       // characters before a line's first word
	maxFlow   = 500       // open [ and {
)

// parseTree reads src as one YAML document. ok is false where there is nothing to read
// on with; the reason is among r's problems.
func (r *reader) parseTree(src []byte) (root *node, ok bool) {
	if len(src) > maxSource {
		r.problemAt(1, 1, "", "the file has %d bytes: a plan has at most %d", len(src), maxSource)
		return nil, false
	}
	if i := badByte(src); i >= 0 {
		line := 1 + bytes.Count(src[:i], []byte("\n"))
		r.problemAt(line, 1, "", "byte %d of the file is no text: save the plan as UTF-8", i)
		return nil, false
	}
	if line := tooDeep(src); line > 0 {
		r.problemAt(line, 1, "", "nested too deeply: indent a line by at most %d characters, and open at most %d [ or {", maxIndent, maxFlow)
		return nil, false
	}
	file, err := parseYAML(src)
	if err != nil {
		r.syntaxError(src, err)
		return nil, false
	}
	var body ast.Node
	for _, doc := range file.Docs {
		if doc.Body == nil {
			continue
		}
		if body != nil {
			line, column := position(doc.Body)
			r.problemAt(line, column, "", "a second YAML document begins here: a plan is one document, write the other one to a file of its own")
			return nil, false
		}
		body = doc.Body
	}
	if body == nil {
		r.problemAt(1, 1, "", "the plan is empty: begin with version: 1")
		return nil, false
	}
	return r.node(body, ""), true
}

// badByte returns the place of the first byte that is not UTF-8 or that YAML forbids, or -1.
func badByte(src []byte) int {
	for i := 0; i < len(src); {
		c, size := utf8.DecodeRune(src[i:])
		if c == utf8.RuneError && size == 1 || c < ' ' && c != '\t' && c != '\n' && c != '\r' || c == 0x7f {
			return i
		}
		i += size
	}
	return -1
}

// tooDeep returns the line from which src is nested too deeply, or 0. It does not know
// quotes and so counts the brackets of texts too; theirs close again.
func tooDeep(src []byte) (line int) {
	flow := 0
	for i, text := range bytes.Split(src, []byte("\n")) {
		if len(text)-len(bytes.TrimLeft(text, " \t-?:")) > maxIndent {
			return i + 1
		}
		for _, c := range text {
			switch c {
			case '[', '{':
				flow++
			case ']', '}':
				flow = max(0, flow-1)
			}
		}
		if flow > maxFlow {
			return i + 1
		}
	}
	return 0
}

// parseYAML parses src. The parser has panicked on malformed input before, and a plan may
// come from anywhere: its panic is a syntax error of the plan, not a crash of the caller.
func parseYAML(src []byte) (f *ast.File, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the YAML parser gave up: %v", p)
		}
	}()
	return parser.ParseBytes(src, 0, parser.AllowDuplicateMapKey())
}

// syntaxError reports the YAML error err. The usual one in a plan is a bare ${X} or {{x}},
// whose brace YAML takes for its own.
func (r *reader) syntaxError(src []byte, err error) {
	line, column, message := 1, 1, err.Error()
	var ye yaml.Error
	if errors.As(err, &ye) {
		message = ye.GetMessage()
		if tk := ye.GetToken(); tk != nil && tk.Position != nil {
			line, column = max(1, tk.Position.Line), max(1, tk.Position.Column)
		}
	}
	message, _, _ = strings.Cut(message, "\n")
	hint := ": check the indentation of this line and the one before, and that every key has a colon and a space after it"
	if strings.Contains(message, "'\t'") {
		hint = ": indent with spaces, not tabs"
	}
	if lines := strings.Split(string(src), "\n"); line <= len(lines) && (strings.Contains(lines[line-1], "${") || strings.Contains(lines[line-1], "{{")) {
		hint = `: put values with ${ or {{ in quotes, as in "{{token}}"`
	}
	r.problemAt(line, column, "", "YAML: %s%s", message, hint)
}

// jsonNumber is a number as JSON writes it. YAML's parser reads some of them, 1e3, as text.
var jsonNumber = regexp.MustCompile(`^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?$`)

// node converts n, which stands at path.
func (r *reader) node(n ast.Node, path string) *node {
	line, column := position(n)
	out := &node{kind: null, line: line, column: column}
	switch n := n.(type) {
	case nil, *ast.NullNode:
	case *ast.StringNode:
		out.kind, out.text = str, n.Value
		if n.GetToken().Type == token.StringType && jsonNumber.MatchString(n.Value) {
			out.kind = number
		}
	case *ast.LiteralNode:
		out.kind, out.text = str, n.Value.Value
	case *ast.IntegerNode, *ast.FloatNode, *ast.InfinityNode, *ast.NanNode:
		out.kind, out.text = number, n.GetToken().Value
	case *ast.BoolNode:
		out.kind, out.text = boolean, n.GetToken().Value
	case *ast.SequenceNode:
		out.kind = list
		for i, v := range n.Values {
			out.items = append(out.items, r.node(v, fmt.Sprintf("%s[%d]", path, i)))
		}
	case *ast.MappingNode:
		r.mappingNode(out, n.Values, path)
	case *ast.MappingValueNode:
		r.mappingNode(out, []*ast.MappingValueNode{n}, path)
	case *ast.AnchorNode, *ast.AliasNode:
		out.kind = refused
		r.problemAt(line, column, path, "anchors and aliases (&x, *x) are not used in plans: write the value out, in quotes if it is text")
	case *ast.TagNode:
		out.kind = refused
		r.problemAt(line, column, path, "tags (!x) are not used in plans: write the value alone, in quotes if it is text")
	default:
		out.kind = refused
		r.problemAt(line, column, path, "this YAML construct is not used in plans: write plain keys and values")
	}
	return out
}

func (r *reader) mappingNode(out *node, values []*ast.MappingValueNode, path string) {
	out.kind = mapping
	seen := make(map[string]int)
	for _, v := range values {
		line, column := position(v.Key)
		var key string
		switch k := v.Key.(type) {
		case *ast.StringNode:
			key = k.Value
		case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.NullNode, *ast.InfinityNode, *ast.NanNode:
			key = k.GetToken().Value
		case *ast.MergeKeyNode:
			r.problemAt(line, column, path, "merge keys (<<) are not used in plans: write the keys out")
			continue
		default:
			r.problemAt(line, column, path, "a key is plain text in plans: write key: value")
			continue
		}
		field := field{key: key, line: line, column: column, value: r.node(v.Value, join(path, key))}
		if first, ok := seen[key]; ok {
			r.problemAt(line, column, join(path, key), "given twice, first in line %d: remove one of the two", first)
			continue
		}
		seen[key] = line
		out.fields = append(out.fields, field)
	}
}

// position returns where n begins. The parser's own answer for a mapping without braces is
// its first colon.
func position(n ast.Node) (line, column int) {
	switch m := n.(type) {
	case *ast.MappingNode:
		if !m.IsFlowStyle && len(m.Values) > 0 {
			n = m.Values[0].Key
		}
	case *ast.MappingValueNode:
		n = m.Key
	}
	if n == nil || n.GetToken() == nil || n.GetToken().Position == nil {
		return 1, 1
	}
	p := n.GetToken().Position
	return max(1, p.Line), max(1, p.Column)
}

// join appends a key to a field path.
func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}
