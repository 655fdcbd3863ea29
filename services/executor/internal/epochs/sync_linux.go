package epochs

import "syscall"

// syncFlag makes each write return once its data is on disk.
const syncFlag = syscall.O_DSYNC
