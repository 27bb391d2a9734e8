package sandbox

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"syscall"
)

// replicaName is the replica's application_name in the primary's pg_stat_replication.
const replicaName = "replica"

// replicaSettings hold for both servers of a pair.
func replicaSettings() []string {
	return []string{
		"-c", "wal_keep_size=1GB", // what a paused replica has yet to fetch is not recycled
		"-c", "hot_standby=on",
		"-c", "wal_retrieve_retry_interval=100ms", // the replica is back soon after a restart of the primary; the default is 5 s
	}
}

// copyForReplica copies the data folder of a server that is not running, as the servers' user, who must own the copy.
func (s *Sandbox) copyForReplica(ctx context.Context, primary *pgServer) (*pgServer, error) {
	dir, err := s.folder.mkdir("pg-"+replicaName, s.account)
	if err != nil {
		return nil, err
	}
	if _, err := s.run(ctx, "", dir, "cp", "-Rp", primary.dir+"/.", dir); err != nil {
		return nil, err
	}
	return &pgServer{name: "postgres-" + replicaName, bin: primary.bin, dir: dir, settings: primary.settings}, nil
}

// startReplica returns when the replica accepts connections and streams. Its password for the primary stands in a file
// that only the servers' user can read: arguments are visible to everybody.
func (s *Sandbox) startReplica(ctx context.Context, v *pgServer, password string) error {
	conninfo := fmt.Sprintf("host=127.0.0.1 port=%d user=%s password=%s application_name=%s sslmode=disable",
		s.postgres.port, pgName, password, replicaName)
	for name, text := range map[string]string{
		"postgresql.auto.conf": "primary_conninfo = '" + conninfo + "'\n",
		"standby.signal":       "",
	} {
		if _, err := s.folder.writeFile(filepath.Join(filepath.Base(v.dir), name), text, s.account); err != nil {
			return err
		}
	}
	err := onFreePort(func(port int) error {
		v.port = port
		return s.launch(ctx, v)
	})
	if err != nil {
		return err
	}
	s.replica, s.replicaURL = v, pgURL(v.port, password)
	return v.waitReady(ctx, func() bool { return v.logs("started streaming WAL from primary") })
}

// ReplicaURL is the address of the replica, "" if not asked for: the primary's databases, users and passwords, read-only.
// The replica's application_name in the primary's pg_stat_replication is "replica".
func (s *Sandbox) ReplicaURL() string { return s.replicaURL }

// PausePostgresReplica makes the replica fall behind: it answers as before, but receives nothing from the primary, whose
// pg_stat_replication keeps its last word, and loses the row after a minute (wal_sender_timeout). Linux only: elsewhere it
// is an error.
func (s *Sandbox) PausePostgresReplica() error {
	if s.replica == nil || s.replica.process == nil {
		return errors.New("sandbox: pause replica: it is not running")
	}
	if s.resumeReplica != nil {
		return errors.New("sandbox: pause replica: it is paused")
	}
	resume, err := pauseChild(s.replica.cmd.Process.Pid, "walreceiver")
	if err != nil {
		return fmt.Errorf("sandbox: pause replica: %w", err)
	}
	s.resumeReplica = resume
	return nil
}

// ResumePostgresReplica lets a paused replica catch up. One that is not paused is no error.
func (s *Sandbox) ResumePostgresReplica() error {
	if s.resumeReplica == nil {
		return nil
	}
	resume := s.resumeReplica
	s.resumeReplica = nil
	if err := resume(); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("sandbox: resume replica: %w", err)
	}
	return nil
}
