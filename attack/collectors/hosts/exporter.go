package hosts

import (
	"context"
	"fmt"

	"arqload/analysis/observation"
	"arqload/attack/collectors/promtext"
)

// exporter reads a machine by its node exporter, of version 0.16 or later.
func exporter(ctx context.Context, c *promtext.Client, url string) (observation.Host, error) {
	f, err := c.Read(ctx, url)
	if err != nil {
		return observation.Host{}, err
	}
	h := hostOf(f)
	if len(h.Missing) == 3 {
		return observation.Host{}, fmt.Errorf("%s: it tells neither node_cpu_seconds_total, node_memory_MemAvailable_bytes nor node_disk_io_time_seconds_total: is this a node exporter?", url)
	}
	return h, nil
}

func hostOf(f promtext.Families) observation.Host {
	var h observation.Host
	var busy, all float64
	cpus := map[string]bool{}
	f.Each("node_cpu_seconds_total", func(s promtext.Series) {
		cpus[s.Labels["cpu"]] = true
		all += s.Value
		if mode := s.Labels["mode"]; mode != "idle" && mode != "iowait" {
			busy += s.Value
		}
	})
	if h.CPUs = len(cpus); h.CPUs > 0 {
		h.CPUBusy, h.CPUAll = seconds(busy), seconds(all)
	} else {
		h.Missing = append(h.Missing, "cpu")
	}
	h.BootTime, _ = one(f, "node_boot_time_seconds")
	total, okTotal := one(f, "node_memory_MemTotal_bytes")
	available, ok := one(f, "node_memory_MemAvailable_bytes")
	if ok && okTotal {
		h.MemoryTotal, h.MemoryAvailable = int64(total), int64(available)
	} else {
		h.Missing = append(h.Missing, "memory")
	}
	if h.Disks = whole(disks(f)); len(h.Disks) == 0 {
		h.Missing = append(h.Missing, "disk")
	}
	return h
}

// one is the value of a metric without labels.
func one(f promtext.Families, name string) (v float64, ok bool) {
	f.Each(name, func(s promtext.Series) { v, ok = s.Value, true })
	return v, ok
}

func disks(f promtext.Families) []observation.Disk {
	var list []observation.Disk
	at := map[string]int{}
	f.Each("node_disk_io_time_seconds_total", func(s promtext.Series) {
		at[s.Labels["device"]] = len(list)
		list = append(list, observation.Disk{Name: s.Labels["device"], Busy: seconds(s.Value)})
	})
	moved := func(name string, set func(d *observation.Disk, bytes int64)) {
		f.Each(name, func(s promtext.Series) {
			if i, ok := at[s.Labels["device"]]; ok {
				set(&list[i], int64(s.Value))
			}
		})
	}
	moved("node_disk_read_bytes_total", func(d *observation.Disk, n int64) { d.ReadBytes = n })
	moved("node_disk_written_bytes_total", func(d *observation.Disk, n int64) { d.WrittenBytes = n })
	return list
}
