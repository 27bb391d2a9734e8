package scenarios

import (
	"bytes"
	_ "embed"
	"fmt"
)

// The built-in scenarios and plan, in the form users write.
var (
	//go:embed builtin/auth.yaml
	authYAML []byte
	//go:embed builtin/dialogue.yaml
	dialogueYAML []byte
	//go:embed builtin/message.yaml
	messageYAML []byte
	//go:embed builtin/conversation.yaml
	conversationYAML []byte
	//go:embed builtin/objectives.yaml
	objectivesYAML []byte
	//go:embed builtin/uat.yaml
	uatYAML []byte
)

// UAT returns the plan of ARQ's production acceptance test, as a user would write it. It
// takes the system from the environment: ARQ_BASE_URL, ARQ_USERNAME, ARQ_PASSWORD,
// ARQ_POSTGRES_URL and ARQ_REDIS_URL.
func UAT() []byte { return bytes.Clone(uatYAML) }

// Builtin returns the names of the built-in scenarios.
func Builtin() []string { return []string{"auth", "conversation", "dialogue", "message"} }

// builtinFile is one of the embedded files.
func builtinFile(name string) []byte {
	switch name {
	case "auth":
		return authYAML
	case "conversation":
		return conversationYAML
	case "dialogue":
		return dialogueYAML
	case "message":
		return messageYAML
	}
	return nil
}

// builtinScenarios reads the built-in scenarios with the secrets of the plan that uses
// them, which are left out of a saved scenario wherever they occur.
func (r *reader) builtinScenarios() map[string]*Scenario {
	out := make(map[string]*Scenario)
	for _, name := range Builtin() {
		b := &reader{file: "builtin/" + name + ".yaml", secrets: r.secrets}
		if root, ok := b.parseTree(builtinFile(name)); ok {
			for _, f := range root.fields {
				out[f.key] = b.scenario(f.key, f.value, "scenarios."+f.key)
			}
		}
		// None, by test; were there one, the plan's author would have to know.
		r.problems = append(r.problems, b.problems...)
	}
	return out
}

// defaultObjectives reads the objectives of a plan that names none.
func (r *reader) defaultObjectives() []Objective {
	b := &reader{file: "builtin/objectives.yaml"}
	var out []Objective
	if root, ok := b.parseTree(objectivesYAML); ok {
		for i, n := range root.items {
			if o, ok := b.objective(n, fmt.Sprintf("objectives[%d]", i)); ok {
				out = append(out, o)
			}
		}
	}
	r.problems = append(r.problems, b.problems...)
	return out
}
