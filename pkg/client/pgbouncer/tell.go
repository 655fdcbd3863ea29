package pgbouncer

import (
	"context"
	"strings"
)

// Tell asks SHOW what, such as POOLS, and returns the rows as people read them: name=value, a line a row. It is for evidence alone.
func (c *Console) Tell(ctx context.Context, what string) (string, error) {
	results, err := c.conn.Exec(ctx, "SHOW "+what).ReadAll()
	if err != nil {
		return "", c.failure(ctx, "SHOW "+what, err)
	}
	var b strings.Builder
	for _, r := range results {
		for _, row := range r.Rows {
			words := make([]string, 0, len(row))
			for i, v := range row {
				if len(v) > 0 {
					words = append(words, r.FieldDescriptions[i].Name+"="+string(v))
				}
			}
			b.WriteString(strings.Join(words, " ") + "\n")
		}
	}
	return b.String(), nil
}
