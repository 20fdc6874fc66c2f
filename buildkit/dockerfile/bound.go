package dockerfile

import (
	"bytes"
	"strings"
	"unicode/utf8"

	"github.com/moby/buildkit/frontend/dockerfile/command"
	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	gateway "github.com/moby/buildkit/frontend/gateway/client"
)

const (
	// The frontend runs in this process up to these bounds. A Dockerfile of 50 instructions has about 1 MB in a dry run
	// and, with what a base image may add, 6 MB in a build.
	smallDryCost   = 32 << 20
	smallBuildCost = 128 << 20

	// namedCost is the bound from which on an instruction is not named any more: the earlier ones take enough.
	namedCost = 4 << 30

	// hugeCost stands for what has no bound that is worth computing.
	hugeCost = 1 << 40

	lineCost        = 512      // of each line, blank ones too
	instructionCost = 6 << 10  // of each instruction, whatever it says
	textCost        = 32       // of each byte of an expanded instruction: it is copied, marshaled, hashed and sent
	assignCost      = 256      // of each earlier assignment, each time that the environment is looked at
	operandCost     = 1 << 10  // of each source of COPY and ADD, and of each mount
	portRangeCost   = 28 << 20 // of EXPOSE 1-65535
	patternCost     = 256      // of each byte of a pattern that becomes a regular expression
)

// bound is an upper bound of the bytes that the frontend allocates for a Dockerfile, which also bounds its time.
type bound struct {
	cost  int64
	limit int64 // up to which it is small
	line  int   // the instruction that takes the most, which errors name; 0 when there is none
	text  string
}

func (b bound) isSmall() bool { return b.cost <= b.limit }

// boundOf computes the bound of a run of the frontend. A text that the frontend cannot parse has the cost of parsing
// it.
//
// The stages are not told apart: each variable has the length of the longest value that it could have in any stage so
// far, which is at least what a base image could give it. The frontend expands each $ of the text a constant number of
// times.
func boundOf(s Source, opts gateway.BuildOpts) bound {
	w := newWeigher(s, opts)
	if !utf8.Valid(s.Text) { // values would grow, and the frontend writes to stderr
		w.sum.cost = hugeCost
		return w.sum
	}
	parsed, err := parser.Parse(bytes.NewReader(s.Text))
	if err != nil {
		return w.sum
	}
	for _, node := range parsed.AST.Children {
		w.addInstruction(node)
	}
	return w.sum
}

// weigher goes through the instructions of a Dockerfile and adds up what they cost.
type weigher struct {
	sum     bound
	highest int64 // cost of one instruction
	names   variables

	platforms    int64
	ignore       int64 // bytes of the ignore file
	instructions int64
	assigns      int64
	env          int64 // bytes of an environment
	options      int64 // bytes of options that go into each step
	workDir      int64 // bytes of the working directory
	user, shell  int64
}

func newWeigher(s Source, opts gateway.BuildOpts) *weigher {
	base, w := baseOf(s.Dry), &weigher{platforms: 1, ignore: int64(len(s.Ignore))}
	w.sum.limit = smallBuildCost
	if s.Dry {
		w.sum.limit = smallDryCost
	}
	w.names = newVariables(s.Text, base.bytes)
	w.assigns, w.env, w.workDir, w.user, w.shell = base.variables, base.bytes, base.bytes, base.bytes, base.bytes
	for name, value := range opts.Opts {
		size := int64(len(name) + len(value))
		if arg, ok := strings.CutPrefix(name, "build-arg:"); ok {
			w.assign(arg, expansion{all: int64(len(value)), own: int64(len(value))})
		}
		w.options += size
	}
	w.platforms += int64(strings.Count(opts.Opts["platform"], ","))
	w.env += w.names.sentinels
	lines := int64(bytes.Count(s.Text, []byte("\n")))
	w.sum.cost = saturate(w.platforms,
		textCost*int64(len(s.Text))+lineCost*lines+patternCost*w.ignore+textCost*w.options)
	return w
}

// add adds the cost of the instruction at node.
func (w *weigher) add(node *parser.Node, cost int64) {
	cost = saturate(cost, w.platforms)
	over := w.sum.cost > namedCost
	w.sum.cost = min(hugeCost, w.sum.cost+cost)
	if cost > w.highest && !over {
		w.highest, w.sum.line, w.sum.text = cost, node.StartLine, node.Original
	}
}

func (w *weigher) addInstruction(node *parser.Node) {
	text := expandedText(node)
	x := w.names.expand(text)
	name := strings.ToLower(node.Value)
	cost := instructionCost + textCost*x.all + x.patterns + textCost*heredocBytes(node) +
		saturate(x.refs, w.environmentCost()) + saturate(x.nameBytes, w.env)/4
	switch name {
	case command.From:
		cost += 8*w.environmentCost() + 4*(w.workDir+w.user+w.shell) + saturate(w.instructions, 512)
	case command.Env, command.Arg:
		cost += w.addAssignments(node)
	case command.Run:
		cost += w.stepCost(x) + saturate(int64(strings.Count(text, "--mount")), w.sourceCost(x))
	case command.Copy, command.Add:
		cost += w.stepCost(x) + saturate(int64(len(strings.Fields(text))), w.sourceCost(x)+w.ignore)
	case command.Workdir:
		w.workDir = min(hugeCost, w.workDir+x.all+1)
		cost += w.stepCost(x)
	case command.User:
		w.user = max(w.user, x.all)
	case command.Shell:
		w.shell = max(w.shell, x.all)
	case command.Cmd, command.Entrypoint:
		cost += textCost * w.shell
	case command.Expose:
		cost += exposeCost(text, x)
	case command.Onbuild:
		cost = hugeCost // it runs in other stages, at other times
	}
	w.instructions++
	w.add(node, cost)
}

// environmentCost returns the cost of looking at the environment once.
func (w *weigher) environmentCost() int64 { return saturate(w.assigns, assignCost) + w.env }

// stepCost returns the cost of an operation of LLB: it repeats the environment, the working directory, the user, the
// shell and the options.
func (w *weigher) stepCost(x expansion) int64 {
	return min(hugeCost, 4*w.environmentCost()+textCost/2*(w.env+w.workDir+w.user+w.shell+w.options)+textCost*x.all)
}

// sourceCost returns the cost of a source or a mount: it repeats its destination, and with it the working directory.
func (w *weigher) sourceCost(x expansion) int64 {
	return min(hugeCost, operandCost+4*(w.workDir+w.user+x.all))
}

// addAssignments makes the values of an ENV or ARG known, and returns what it costs to judge them.
func (w *weigher) addAssignments(node *parser.Node) int64 {
	parsed, err := instructions.ParseInstruction(node)
	if err != nil {
		return 0 // the frontend parses all of the text before it expands any
	}
	switch c := parsed.(type) {
	case *instructions.EnvCommand:
		for _, pair := range c.Env {
			if !isPlain(pair.Key) {
				return hugeCost // the name is an expansion of its own
			}
			w.assign(pair.Key, w.names.expand(pair.Value))
		}
	case *instructions.ArgCommand:
		for _, pair := range c.Args {
			x := w.names.value(pair.Key) // without a value, the one of a global argument
			if pair.Value != nil {
				x = w.names.expand(*pair.Value)
			}
			w.assign(pair.Key, x)
		}
	}
	return 0
}

func (w *weigher) assign(name string, x expansion) {
	w.names.raise(name, x)
	w.assigns++
	w.env = min(hugeCost, w.env+int64(len(name))+x.all)
}

// exposeCost returns the cost of the ports of an EXPOSE. A base image whose variables could be ranges of ports is not
// ordinary.
func exposeCost(text string, x expansion) int64 {
	if !strings.ContainsAny(text, "-$") {
		return 0
	}
	const shortest = int64(len("1-65535 "))
	return saturate(max(1, x.own/shortest), portRangeCost)
}

// expandedText returns the part of an instruction that is expanded. Of the inline files of RUN that is the first line,
// which goes into the name of the step.
func expandedText(node *parser.Node) string {
	var text strings.Builder
	text.WriteString(node.Original)
	for _, doc := range node.Heredocs {
		content := doc.Content
		if strings.EqualFold(node.Value, command.Run) {
			content, _, _ = strings.Cut(strings.TrimSpace(content), "\n")
		}
		text.WriteString("\n")
		text.WriteString(content)
	}
	return text.String()
}

func heredocBytes(node *parser.Node) (sum int64) {
	for _, doc := range node.Heredocs {
		sum += int64(len(doc.Content))
	}
	return sum
}

// saturate returns the product of a and b, or hugeCost when that is smaller.
func saturate(a, b int64) int64 {
	if a > 0 && b > hugeCost/a {
		return hugeCost
	}
	return a * b
}
