package engine

import "fmt"

// Figures are what a status says of data and cache.
type Figures struct {
	// Counts of the origins' files and bytes; nil while they aren't known.
	Counts *Counts
	Info   *MasterInfo
}

// Figures are those that are known by now.
func (o *Observed) Figures() Figures {
	figures := Figures{Info: o.Info}
	if attempt, ok := o.Attempts[JobCount]; ok {
		if counts, unread := attempt.counts(); unread == nil {
			figures.Counts = &counts
		}
	}
	return figures
}

// cacheStates are the figures of the cache under Fluid's names, in Fluid's form.
func cacheStates(figures Figures) map[string]string {
	info := figures.Info
	metric := func(name string) int64 { return info.Metrics["Cluster."+name] }
	local, remote, ufs := metric("BytesReadLocal"), metric("BytesReadRemote"), metric("BytesReadUfsAll")
	all := local + remote + ufs
	localRate, remoteRate, ufsRate := metric("BytesReadLocalThroughput"), metric("BytesReadRemoteThroughput"), metric("BytesReadUfsThroughput")
	rates := localRate + remoteRate + ufsRate
	states := map[string]string{
		"cacheCapacity":         humanBytes(info.Capacity.Total),
		"cached":                humanBytes(info.Capacity.Used),
		"cachedPercentage":      calculating,
		"cacheHitRatio":         percentage(local+remote, all),
		"localHitRatio":         percentage(local, all),
		"remoteHitRatio":        percentage(remote, all),
		"cacheThroughputRatio":  percentage(localRate+remoteRate, rates),
		"localThroughputRatio":  percentage(localRate, rates),
		"remoteThroughputRatio": percentage(remoteRate, rates),
	}
	if figures.Counts != nil {
		states["cachedPercentage"] = percentage(info.Capacity.Used, figures.Counts.Bytes)
	}
	return states
}

// percentage is part of whole with one decimal, never more than 100%.
func percentage(part, whole int64) string {
	if whole <= 0 {
		return "0.0%"
	}
	return fmt.Sprintf("%.1f%%", min(100, 100*float64(part)/float64(whole)))
}

// humanBytes writes a size as Fluid does: 0.00B, 6.00B, 1.00GiB.
func humanBytes(bytes int64) string {
	size, unit := float64(bytes), "B"
	for _, larger := range []string{"KiB", "MiB", "GiB", "TiB", "PiB"} {
		if size < 1024 {
			break
		}
		size, unit = size/1024, larger
	}
	return fmt.Sprintf("%.2f%s", size, unit)
}
