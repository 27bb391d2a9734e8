package hosts

import (
	"regexp"
	"slices"
	"strings"

	"arqload/analysis/observation"
)

// notDisks are devices whose work is none or is that of another device once more: RAM,
// files, device mapper (LVM, encryption), RAID, optical and floppy drives.
var notDisks = regexp.MustCompile(`^(loop|ram|zram|dm-|md|sr|fd|nbd)[0-9]`)

// whole leaves the disks themselves: a partition's work is its disk's too.
func whole(disks []observation.Disk) []observation.Disk {
	var out []observation.Disk
	for _, d := range disks {
		partition := slices.ContainsFunc(disks, func(of observation.Disk) bool { return isPartition(d.Name, of.Name) })
		if !partition && !notDisks.MatchString(d.Name) {
			out = append(out, d)
		}
	}
	slices.SortFunc(out, func(a, b observation.Disk) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// isPartition says whether a device is a part of another: sda1 of sda, nvme0n1p1 of
// nvme0n1, mmcblk0boot0 of mmcblk0. A disk that only looks like one, as xvda1 without an
// xvda does, is whole.
func isPartition(device, disk string) bool {
	rest, ok := strings.CutPrefix(device, disk)
	if !ok || rest == "" || disk == "" {
		return false
	}
	if last := disk[len(disk)-1]; last >= '0' && last <= '9' {
		rest, ok = strings.CutPrefix(rest, "p")
		if boot, isBoot := strings.CutPrefix(rest, "boot"); !ok && isBoot {
			rest, ok = boot, true
		}
	}
	return ok && rest != "" && strings.Trim(rest, "0123456789") == ""
}
