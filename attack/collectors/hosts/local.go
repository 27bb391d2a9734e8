package hosts

import (
	"fmt"
	"math"

	"github.com/prometheus/procfs"
	"github.com/prometheus/procfs/blockdevice"

	"arqload/analysis/observation"
)

// sector is the unit of /proc/diskstats, whatever the disk's own (the kernel's
// Documentation/admin-guide/iostats.rst).
const sector = 512

// machine reads a Linux machine by where its proc and sys are mounted.
type machine struct{ proc, sys string }

func (m machine) read() (observation.Host, error) {
	fs, err := procfs.NewFS(m.proc)
	if err != nil {
		return observation.Host{}, fmt.Errorf("local: this machine has no %s to read, as Linux has: name a node exporter instead: %w", m.proc, err)
	}
	var h observation.Host
	if s, err := fs.Stat(); err == nil && len(s.CPU) > 0 {
		c := s.CPUTotal // a guest's time is already in user and nice (proc(5))
		busy := c.User + c.Nice + c.System + c.IRQ + c.SoftIRQ + c.Steal
		h.CPUs, h.BootTime = len(s.CPU), float64(s.BootTime)
		h.CPUBusy, h.CPUAll = seconds(busy), seconds(busy+c.Idle+c.Iowait)
	} else {
		h.Missing = append(h.Missing, "cpu")
	}
	if mem, err := fs.Meminfo(); err == nil && mem.MemTotalBytes != nil && mem.MemAvailableBytes != nil {
		h.MemoryTotal, h.MemoryAvailable = int64(*mem.MemTotalBytes), int64(*mem.MemAvailableBytes)
	} else {
		h.Missing = append(h.Missing, "memory")
	}
	if h.Disks = whole(m.disks()); len(h.Disks) == 0 {
		h.Missing = append(h.Missing, "disk")
	}
	if len(h.Missing) == 3 {
		return observation.Host{}, fmt.Errorf("local: nothing of %s/stat, meminfo and diskstats can be read", m.proc)
	}
	return h, nil
}

func (m machine) disks() []observation.Disk {
	fs, err := blockdevice.NewFS(m.proc, m.sys)
	if err != nil {
		return nil
	}
	stats, err := fs.ProcDiskstats()
	if err != nil {
		return nil
	}
	var disks []observation.Disk
	for _, d := range stats {
		disks = append(disks, observation.Disk{
			Name: d.DeviceName, ReadBytes: int64(d.ReadSectors) * sector, WrittenBytes: int64(d.WriteSectors) * sector,
			Busy: seconds(float64(d.IOsTotalTicks) / 1000),
		})
	}
	return disks
}

// seconds rounds: cut off, the busy part of an interval could be more than all of it.
func seconds(s float64) observation.Seconds { return observation.Seconds(math.Round(s * 1e9)) }
