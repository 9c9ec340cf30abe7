//go:build wasip1

package host

// A collection may start inside cabi_realloc, where a component may call nobody, and reads the clock. So the host's
// adapter for WASI lets the job's clocks stand still, but for a microsecond a reading, until it is told to look again.

//go:wasmimport wasi_snapshot_preview1 adapter_monotonic_clock_set_paused
func setPaused(paused int32)

// UpdateClock sets the job's clocks to the host's. Time stands still from one call to the next.
//
//go:wasmimport wasi_snapshot_preview1 adapter_clock_update
func UpdateClock()

func init() { setPaused(1) }
