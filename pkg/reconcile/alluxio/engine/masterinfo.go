package engine

// MasterInfo is what a master says of itself and its workers (GET /api/v1/master/info, Alluxio 2.9). It says more.
type MasterInfo struct {
	Capacity     Space                 `json:"capacity"`
	TierCapacity map[string]Space      `json:"tierCapacity"`
	Metrics      map[string]int64      `json:"metrics"`
	MountPoints  map[string]MountPoint `json:"mountPoints"`
	Workers      []WorkerInfo          `json:"workers"`
	LostWorkers  []WorkerInfo          `json:"lostWorkers"`
	StartTimeMs  int64                 `json:"startTimeMs"`
	Version      string                `json:"version"`
}

// Space is in bytes.
type Space struct {
	Total int64 `json:"total"`
	Used  int64 `json:"used"`
}

// MountPoint is one mount as a master has it. Values of options that are credentials are masked by Alluxio.
type MountPoint struct {
	UfsURI     string            `json:"ufsUri"`
	ReadOnly   bool              `json:"readOnly"`
	Properties map[string]string `json:"properties"`
}

// WorkerInfo is one worker as a master knows it.
type WorkerInfo struct {
	Address struct {
		Host string `json:"host"`
	} `json:"address"`
	State         string `json:"state"`
	CapacityBytes int64  `json:"capacityBytes"`
	UsedBytes     int64  `json:"usedBytes"`
}
