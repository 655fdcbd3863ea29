// Package server runs the one PostgreSQL cluster that lies on this machine: its processes and its data directory. What can be asked in
// SQL is asked by package postgres.
//
// What it promises:
//
//   - A cluster starts as a standby only with standby.signal on disk ([Server.StartStandby]), and as a primary only through
//     [Server.StartPrimary], which refuses where that file is. Nothing else here starts a server that takes connections.
//   - [Server.Kill] returns when no process of the cluster is left: not only the postmaster, but its backends too, which outlive a killed
//     postmaster by some 150 ms and may acknowledge writes in that time. Processes are held by pidfd (pidfd_open(2)), so that a number
//     that was given to another process meanwhile harms nobody. It ends whatever else this package is doing to the cluster.
//   - [Server.Rewind] and [Server.BaseBackup] change the data directory. They refuse while a process of the cluster lives. A rewind that
//     did not come to its end leaves a mark beside the data directory, and the cluster does not start until a base backup has replaced
//     it. A base backup is taken beside the old cluster, and takes its place in one step when it is complete.
//   - Passwords stand in no command line and in no setting: they are in a file of the server's user, and libpq reads them there.
//
// What ham keeps for a cluster lies beside the data directory, in <data>.ham: the password file, the settings while the data directory
// is replaced, the base backup in progress, the marks. It must be on the same file system, so the data directory cannot be a mount
// point itself; one below a mount point is right.
//
// Settings that ham makes (primary_conninfo and its like) stand in postgresql.auto.conf: the server reads it last and in every layout,
// Debian's included; ALTER SYSTEM writes it while the server runs, this package while it does not. No file of the operator is changed.
package server
