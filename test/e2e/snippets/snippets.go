// Package snippets finds the fenced blocks in the documentation, for the tests that check them.
package snippets

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Block is the text between two fences.
type Block struct {
	Place    string // page:line
	Language string // what follows the first fence
	Text     string
}

// All returns the blocks of README.md and of the pages in docs/, in order.
func All(root string) ([]Block, error) {
	pages, err := filepath.Glob(filepath.Join(root, "docs", "*.md"))
	if err != nil {
		return nil, err
	}
	return read(append(pages, filepath.Join(root, "README.md")))
}

// Examples returns the blocks of the examples in the schema, in order.
func Examples(root string) ([]Block, error) {
	pages, err := filepath.Glob(filepath.Join(root, "provider", "*_examples.md"))
	if err != nil {
		return nil, err
	}
	return read(pages)
}

// read returns the blocks of pages.
func read(pages []string) (all []Block, err error) {
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			return nil, err
		}
		blocks, err := parse(filepath.Base(page), string(text))
		if err != nil {
			return nil, err
		}
		all = append(all, blocks...)
	}
	return all, nil
}

const fence = "```"

func parse(page, text string) (blocks []Block, err error) {
	var open *Block
	number := 0
	for line := range strings.Lines(text) {
		number++
		marked, isFence := strings.CutPrefix(line, fence)
		switch {
		case isFence && open == nil:
			open = &Block{Place: fmt.Sprintf("%s:%d", page, number), Language: strings.TrimSpace(marked)}
		case isFence:
			blocks, open = append(blocks, *open), nil
		case open != nil:
			open.Text += line
		}
	}
	if open != nil {
		err = fmt.Errorf("%s: the block has no end", open.Place)
	}
	return blocks, err
}
