package logging_test

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/isacloud/ha-manager/pkg/logging"
)

func TestJSONWhereNoTerminalIs(t *testing.T) {
	var out bytes.Buffer
	log, err := logging.New(&out, logging.Options{Format: "auto", Level: "info"})
	require.NoError(t, err)
	log.Debug("not wanted")
	log.Info("group is in force", "group", "web")
	var line map[string]any
	require.NoError(t, json.Unmarshal(out.Bytes(), &line))
	require.Equal(t, "group is in force", line["msg"])
	require.Equal(t, "web", line["group"])
	require.Regexp(t, `Z$`, line["time"], "times are UTC")
}

func TestTextWithoutColoursElsewhere(t *testing.T) {
	var out bytes.Buffer
	log, err := logging.New(&out, logging.Options{Format: "text", Level: "warn"})
	require.NoError(t, err)
	log.Warn("bus is away", "server", "a")
	require.Contains(t, out.String(), "bus is away server=a")
	require.NotContains(t, out.String(), "\x1b")
}

func TestAWrongOptionNamesWhatIsRight(t *testing.T) {
	_, err := logging.New(nil, logging.Options{Level: "loud"})
	require.EqualError(t, err, `log level "loud": want debug, info, warn or error`)
	_, err = logging.New(nil, logging.Options{Level: "info", Format: "xml"})
	require.EqualError(t, err, `log format "xml": want auto, text or json`)
}
