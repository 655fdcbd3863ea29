// Package postgres keeps the PostgreSQL server of a member in the role that the chain gives it.
//
// As a primary it has a replication slot for each standby, and waits for those that the role names (synchronous_standby_names): for never fewer,
// and for others as soon as they follow closely. As a standby it follows whoever acts as primary, without a restart where that can be. A former
// primary that went its own way is rewound to it (pg_rewind), and what cannot be rewound is replaced by a base backup.
//
// # What always holds
//
//   - Nothing here promotes, and nothing here starts a server as a primary: only the driver does, for a step of the plan that holds the lease.
//   - The data directory is changed only while no process of the server lives, the member's guard is shut, the role says that another member is
//     the primary, and that member was seen to act as one in the same cluster (by its system identifier).
//   - A standby is called synchronous only when that was shown: see prove.
//   - Each step may break off at any point, also with this process, and is taken up by the next Settle.
package postgres
