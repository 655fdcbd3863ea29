package postgres

import (
	"context"
	"fmt"
	"strings"
)

// Tell runs one query in a transaction that may only read, and returns its rows as people read them: name=value, a line a row, NULL left out. It is for
// evidence alone.
func (c *Conn) Tell(ctx context.Context, query string) (text string, err error) {
	err = c.call(ctx, func() error {
		results, err := c.pg.PgConn().Exec(ctx, "BEGIN READ ONLY; "+query+"; ROLLBACK").ReadAll()
		if err != nil {
			if !c.pg.IsClosed() {
				_ = c.pg.PgConn().Exec(ctx, "ROLLBACK").Close() // the connection is of no use if that fails
			}
			return err
		}
		var b strings.Builder
		for _, r := range results {
			for _, row := range r.Rows {
				words := make([]string, 0, len(row))
				for i, v := range row {
					if v != nil {
						words = append(words, r.FieldDescriptions[i].Name+"="+word(string(v)))
					}
				}
				b.WriteString(strings.Join(words, " ") + "\n")
			}
		}
		text = b.String()
		return nil
	})
	return text, err
}

// word is v as it can stand in a line of words.
func word(v string) string {
	if v == "" || strings.ContainsAny(v, " \t\n\"=") {
		return fmt.Sprintf("%q", v)
	}
	return v
}
