//go:build !linux

package epochs

import "os"

const syncFlag = os.O_SYNC
