package jobs

import "os"

// report prints each budget with what was reached.
func (b *bed) report(title string) {
	if b.river != nil {
		title += "\n\n" + b.river.settings
	}
	b.Print(os.Stdout, title)
}
