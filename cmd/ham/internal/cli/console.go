package cli

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/isacloud/ha-manager/pkg/password"
)

// consoleCommands are what stands below `ham console`.
func (a *app) consoleCommands() []*cobra.Command { return []*cobra.Command{a.consoleHash()} }

func (a *app) consoleHash() *cobra.Command {
	c := &cobra.Command{
		Use: "hash", Short: "Make the hash of a password, for a user of the console", Args: cobra.NoArgs,
		Long: "hash asks for a password twice, or reads it as one line from a pipe, and prints the argon2id hash of it: what stands as\n" +
			"password of a user below ham.console, or in the file that it refers to. The password itself is kept nowhere.",
		Example: "  ham console hash > /etc/ham/ana.hash && chmod 600 /etc/ham/ana.hash",
		RunE: func(*cobra.Command, []string) error {
			text, err := a.readPassword()
			if err != nil {
				return err
			}
			h, err := password.New(text)
			if err != nil {
				return usageError{err}
			}
			fmt.Fprintln(a.Out, h)
			return nil
		},
	}
	return c
}

// readPassword asks twice where a person types, without showing it; else it reads one line.
func (a *app) readPassword() (string, error) {
	in, ok := a.In.(*os.File)
	if !ok || !term.IsTerminal(int(in.Fd())) {
		line, err := bufio.NewReader(io.LimitReader(a.In, password.Most+3)).ReadString('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return "", fmt.Errorf("read the password: %w", err)
		}
		return strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r"), nil
	}
	var typed [2]string
	for i, prompt := range []string{"Password: ", "Once more: "} {
		fmt.Fprint(a.Err, prompt) // Out may be a file
		b, err := term.ReadPassword(int(in.Fd()))
		fmt.Fprintln(a.Err)
		if err != nil {
			return "", fmt.Errorf("read the password: %w", err)
		}
		typed[i] = string(b)
	}
	if typed[0] != typed[1] {
		return "", usagef("the two are not the same: nothing was made")
	}
	return typed[0], nil
}
