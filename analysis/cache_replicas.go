package analysis

import (
	"fmt"
	"slices"

	"arqload/analysis/observation"
)

// offsetLag is how many bytes the slowest online replica of a master has not acknowledged.
func offsetLag(n *observation.RedisNode) (float64, bool) {
	lag, any := int64(0), false
	for _, r := range n.Replicas {
		if r.State == "online" {
			lag, any = max(lag, n.MasterOffset-r.Offset), true
		}
	}
	return float64(lag), any
}

// lag is the most that a replica lacked.
func lag(lines []*timeline, stretches []stretch, partial string, series []Series) Measure {
	if !slices.ContainsFunc(lines, func(l *timeline) bool {
		return slices.ContainsFunc(l.read, func(i int) bool { return len(l.readings[i].Replicas) > 0 })
	}) {
		return noMeasure("no node has a replica")
	}
	return highest(stretches, partial, series...)
}

// lostReplicas says which replicas were without their master in the judged time, each way
// in which it shows once. A master forgets a replica whose connection is lost: neither its
// offset nor the probes, which wait for the others, tell of it any longer. One that is being
// filled is behind by all.
func lostReplicas(lines []*timeline, stretches []stretch) []string {
	var lost []string
	for _, l := range lines {
		var listed []string           // in a sample so far, in their order
		told := map[string]struct{}{} // what was said of which replica
		tell := func(what, replica, text string) {
			if _, ok := told[what+replica]; !ok {
				told[what+replica] = struct{}{}
				lost = append(lost, text)
			}
		}
		for _, i := range l.read {
			n, at := l.readings[i], duration(l.at[i])
			if !sampled(stretches, l.at[i]) { // one that was lost before is not back
				for _, r := range n.Replicas {
					if !slices.Contains(listed, r.Address) {
						listed = append(listed, r.Address)
					}
				}
				continue
			}
			if n.Role == "slave" && n.MasterLink != "up" {
				tell("link", l.address, fmt.Sprintf("the replica %s had no link to its master %s at %s (%s)", l.address, n.Master, at, orUnknown(n.MasterLink)))
			}
			for _, r := range n.Replicas {
				if r.State != "online" {
					tell("state", r.Address, fmt.Sprintf("the replica %s was in state %s at its master %s at %s", r.Address, r.State, l.address, at))
				}
			}
			for _, address := range listed {
				if !slices.ContainsFunc(n.Replicas, func(r observation.RedisReplica) bool { return r.Address == address }) {
					tell("missing", address, fmt.Sprintf("the replica %s is missing at its master %s at %s", address, l.address, at))
				}
			}
			for _, r := range n.Replicas {
				if !slices.Contains(listed, r.Address) {
					listed = append(listed, r.Address)
				}
			}
		}
	}
	return lost
}

func orUnknown(status string) string {
	if status == "" {
		return "its status is not told"
	}
	return status
}
