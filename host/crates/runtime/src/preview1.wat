;; WASI preview 1 for jobs: what compilers of Go, C and Rust import becomes a handful of imports that Pelton offers.
;;
;; - No arguments, no environment, no files, no sockets: nothing to open, so every other descriptor is a bad one.
;; - Standard output and standard error go to the host, which makes lines of the job's log of them. Standard input is
;;   at its end.
;; - Randomness is the host's.
;; - Clocks are the host's, coarse. A sleep ends at once and moves the job's clocks ahead by as much: it never blocks.
;;
;; A component may call no import while the host puts arguments into its memory (`cabi_realloc`), and Go collects
;; garbage then, reading its clocks. Whoever imports `adapter_monotonic_clock_set_paused`, as Go's bindings do, gets
;; clocks that stand still from the first call of it, but for a microsecond a reading, until the module asks for the
;; time with `adapter_clock_update`, which it must do where it may call imports: at the start of a batch.
;;
;; Nothing here allocates. An answer of the host that needs memory is put over 16 bytes of the module's own memory,
;; which are put back before the module sees them.
(module
  (import "wasi:clocks/monotonic-clock@0.2.0" "now" (func $monotonic (result i64)))
  (import "wasi:clocks/wall-clock@0.2.0" "now" (func $wall (param i32)))
  (import "wasi:random/random@0.2.0" "get-random-u64" (func $random (result i64)))
  (import "wasi:cli/stdout@0.2.0" "get-stdout" (func $get_stdout (result i32)))
  (import "wasi:cli/stderr@0.2.0" "get-stderr" (func $get_stderr (result i32)))
  (import "wasi:io/streams@0.2.0" "[method]output-stream.blocking-write-and-flush"
    (func $write (param $stream i32) (param $bytes i32) (param $length i32) (param $result i32)))
  (import "env" "memory" (memory 0))

  ;; Handles; 0 is none.
  (global $stdout (mut i32) (i32.const 0))
  (global $stderr (mut i32) (i32.const 0))
  ;; Nanoseconds: the last readings, and what is to be added for sleeps.
  (global $monotonic_read (mut i64) (i64.const 0))
  (global $wall_read (mut i64) (i64.const 0))
  (global $ahead (mut i64) (i64.const 0))
  ;; Whether the clocks are read only when the module says so.
  (global $on_demand (mut i32) (i32.const 0))

  ;; errno: 0 success, 8 badf, 21 fault, 28 inval, 29 io, 52 nosys, 70 spipe.

  ;; --- arguments and environment: none

  (func $none (param $count i32) (param $size i32) (result i32)
    (i32.store (local.get $count) (i32.const 0))
    (i32.store (local.get $size) (i32.const 0))
    (i32.const 0))
  (export "args_sizes_get" (func $none))
  (export "environ_sizes_get" (func $none))
  (func $nothing (param i32 i32) (result i32) (i32.const 0))
  (export "args_get" (func $nothing))
  (export "environ_get" (func $nothing))

  ;; --- clocks: 0 is the wall clock, 1 the monotonic one; 2 and 3, of processor time, are taken for the latter

  (func $read_clocks
    (local $first i64) (local $second i64)
    (global.set $monotonic_read (call $monotonic))
    (local.set $first (i64.load (i32.const 8)))
    (local.set $second (i64.load (i32.const 16)))
    ;; At 8: seconds in 64 bits, nanoseconds in 32.
    (call $wall (i32.const 8))
    (global.set $wall_read
      (i64.add (i64.mul (i64.load (i32.const 8)) (i64.const 1000000000)) (i64.load32_u (i32.const 16))))
    (i64.store (i32.const 8) (local.get $first))
    (i64.store (i32.const 16) (local.get $second)))

  (func $time (param $clock i32) (result i64)
    (if (global.get $on_demand)
      (then (global.set $ahead (i64.add (global.get $ahead) (i64.const 1000))))
      (else (call $read_clocks)))
    (i64.add
      (select (global.get $monotonic_read) (global.get $wall_read) (local.get $clock))
      (global.get $ahead)))

  (func (export "clock_res_get") (param $clock i32) (param $resolution i32) (result i32)
    (if (i32.gt_u (local.get $clock) (i32.const 3)) (then (return (i32.const 28))))
    (i64.store (local.get $resolution) (i64.const 1000000))
    (i32.const 0))

  (func (export "clock_time_get") (param $clock i32) (param i64) (param $time i32) (result i32)
    (if (i32.gt_u (local.get $clock) (i32.const 3)) (then (return (i32.const 28))))
    (i64.store (local.get $time) (call $time (local.get $clock)))
    (i32.const 0))

  (func (export "adapter_monotonic_clock_set_paused") (param i32)
    (global.set $on_demand (i32.const 1)))

  ;; Never steps back: where the clocks ran ahead of the host's, they wait for it.
  (func (export "adapter_clock_update")
    (local $before i64)
    (local.set $before (i64.add (global.get $monotonic_read) (global.get $ahead)))
    (call $read_clocks)
    (global.set $ahead (i64.sub (local.get $before) (global.get $monotonic_read)))
    (if (i64.lt_s (global.get $ahead) (i64.const 0)) (then (global.set $ahead (i64.const 0)))))

  ;; --- randomness

  (func (export "random_get") (param $at i32) (param $length i32) (result i32)
    (local $bits i64)
    (loop $words
      (if (i32.ge_u (local.get $length) (i32.const 8)) (then
        (i64.store (local.get $at) (call $random))
        (local.set $at (i32.add (local.get $at) (i32.const 8)))
        (local.set $length (i32.sub (local.get $length) (i32.const 8)))
        (br $words))))
    (if (local.get $length) (then
      (local.set $bits (call $random))
      (loop $bytes
        (i64.store8 (local.get $at) (local.get $bits))
        (local.set $bits (i64.shr_u (local.get $bits) (i64.const 8)))
        (local.set $at (i32.add (local.get $at) (i32.const 1)))
        (br_if $bytes (local.tee $length (i32.sub (local.get $length) (i32.const 1)))))))
    (i32.const 0))

  ;; --- the standard streams

  (func $is_standard (param $fd i32) (result i32) (i32.lt_u (local.get $fd) (i32.const 3)))

  ;; Character devices without rights that a library would ask about.
  (func (export "fd_fdstat_get") (param $fd i32) (param $stat i32) (result i32)
    (if (i32.eqz (call $is_standard (local.get $fd))) (then (return (i32.const 8))))
    (i64.store (local.get $stat) (i64.const 2))
    ;; Bit 1 is the right to read, bit 6 the one to write.
    (i64.store offset=8 (local.get $stat) (select (i64.const 64) (i64.const 2) (local.get $fd)))
    (i64.store offset=16 (local.get $stat) (i64.const 0))
    (i32.const 0))

  (func (export "fd_seek") (param $fd i32) (param i64 i32 i32) (result i32)
    (select (i32.const 70) (i32.const 8) (call $is_standard (local.get $fd))))

  (func (export "fd_read") (param $fd i32) (param i32 i32) (param $count i32) (result i32)
    (if (local.get $fd) (then (return (i32.const 8))))
    (i32.store (local.get $count) (i32.const 0))
    (i32.const 0))

  (func $stream (param $fd i32) (result i32)
    (if (i32.eq (local.get $fd) (i32.const 1)) (then
      (if (i32.eqz (global.get $stdout)) (then (global.set $stdout (call $get_stdout))))
      (return (global.get $stdout))))
    (if (i32.eqz (global.get $stderr)) (then (global.set $stderr (call $get_stderr))))
    (global.get $stderr))

  ;; Writes 4,096 bytes a call, the most that the interface allows. Returns whether that failed.
  (func $write_all (param $stream i32) (param $at i32) (param $length i32) (result i32)
    (local $first i64) (local $second i64) (local $part i32) (local $failed i32)
    (loop $parts
      (if (local.get $length) (then
        (local.set $part
          (select (local.get $length) (i32.const 4096) (i32.lt_u (local.get $length) (i32.const 4096))))
        (local.set $first (i64.load (i32.const 8)))
        (local.set $second (i64.load (i32.const 16)))
        ;; At 8: a byte that says whether it failed; 12 bytes in all.
        (call $write (local.get $stream) (local.get $at) (local.get $part) (i32.const 8))
        (local.set $failed (i32.load8_u (i32.const 8)))
        (i64.store (i32.const 8) (local.get $first))
        (i64.store (i32.const 16) (local.get $second))
        (if (local.get $failed) (then (return (i32.const 1))))
        (local.set $at (i32.add (local.get $at) (local.get $part)))
        (local.set $length (i32.sub (local.get $length) (local.get $part)))
        (br $parts))))
    (i32.const 0))

  (func (export "fd_write") (param $fd i32) (param $buffers i32) (param $left i32) (param $count i32) (result i32)
    (local $stream i32) (local $length i32) (local $written i32)
    (if (i32.gt_u (i32.sub (local.get $fd) (i32.const 1)) (i32.const 1)) (then (return (i32.const 8))))
    (local.set $stream (call $stream (local.get $fd)))
    (loop $each
      (if (local.get $left) (then
        (local.set $length (i32.load offset=4 (local.get $buffers)))
        (if (call $write_all (local.get $stream) (i32.load (local.get $buffers)) (local.get $length))
          (then (return (i32.const 29))))
        (local.set $written (i32.add (local.get $written) (local.get $length)))
        (local.set $buffers (i32.add (local.get $buffers) (i32.const 8)))
        (local.set $left (i32.sub (local.get $left) (i32.const 1)))
        (br $each))))
    (i32.store (local.get $count) (local.get $written))
    (i32.const 0))

  ;; --- waiting

  ;; Answers what comes first. A subscription is 48 bytes: 8 of user data, a tag at 8 (0 clock, 1 read, 2 write); of a
  ;; clock: its id at 16, the time at 24, a flag at 40 that says whether the time is absolute. An event is 32: user data,
  ;; errno at 8, the tag at 10. Descriptors are ready, or bad ones, at once; else the earliest clocks end, and time
  ;; goes on to where they do.
  (func (export "poll_oneoff") (param $in i32) (param $out i32) (param $n i32) (param $count i32) (result i32)
    (local $end i32) (local $at i32) (local $events i32) (local $wait i64) (local $least i64)
    (if (i32.eqz (local.get $n)) (then (return (i32.const 28))))
    (local.set $end (i32.add (local.get $in) (i32.mul (local.get $n) (i32.const 48))))
    (local.set $least (i64.const 0x7fffffffffffffff))
    (local.set $at (local.get $in))
    (loop $look
      (local.set $wait (call $wait (local.get $at)))
      (if (i64.lt_s (local.get $wait) (local.get $least)) (then (local.set $least (local.get $wait))))
      (local.set $at (i32.add (local.get $at) (i32.const 48)))
      (br_if $look (i32.lt_u (local.get $at) (local.get $end))))
    ;; Waits don't get longer from one look to the next, so the least is among these.
    (local.set $at (local.get $in))
    (loop $answer
      (if (i64.le_s (call $wait (local.get $at)) (local.get $least)) (then
        (i64.store (local.get $out) (i64.load (local.get $at)))
        (i64.store offset=8 (local.get $out) (i64.const 0))
        (i64.store offset=16 (local.get $out) (i64.const 0))
        (i64.store offset=24 (local.get $out) (i64.const 0))
        (i32.store8 offset=10 (local.get $out) (i32.load8_u offset=8 (local.get $at)))
        (if (i32.load8_u offset=8 (local.get $at)) (then
          (if (i32.eqz (call $is_standard (i32.load offset=16 (local.get $at))))
            (then (i32.store16 offset=8 (local.get $out) (i32.const 8))))))
        (local.set $out (i32.add (local.get $out) (i32.const 32)))
        (local.set $events (i32.add (local.get $events) (i32.const 1)))))
      (local.set $at (i32.add (local.get $at) (i32.const 48)))
      (br_if $answer (i32.lt_u (local.get $at) (local.get $end))))
    (global.set $ahead (i64.add (global.get $ahead) (local.get $least)))
    (i32.store (local.get $count) (local.get $events))
    (i32.const 0))

  ;; Nanoseconds that a subscription has to wait; for a descriptor none.
  (func $wait (param $at i32) (result i64)
    (local $wait i64)
    (if (i32.load8_u offset=8 (local.get $at)) (then (return (i64.const 0))))
    (local.set $wait (i64.load offset=24 (local.get $at)))
    (if (i32.and (i32.load16_u offset=40 (local.get $at)) (i32.const 1)) (then
      (local.set $wait (i64.sub (local.get $wait) (call $time (i32.load offset=16 (local.get $at)))))
      ;; Passed already.
      (if (i64.lt_s (local.get $wait) (i64.const 0)) (then (local.set $wait (i64.const 0))))))
    ;; At most 39 hours at a time: a longer sleep wakes early, and sleeps on.
    (select (local.get $wait) (i64.const 0x7fffffffffff) (i64.lt_u (local.get $wait) (i64.const 0x7fffffffffff))))

  ;; --- the process

  (func (export "sched_yield") (result i32) (i32.const 0))
  (func (export "proc_exit") (param i32) (unreachable))
  (func (export "proc_raise") (param i32) (result i32) (unreachable))

  ;; --- files: none

  (func (export "fd_advise") (param i32 i64 i64 i32) (result i32) (i32.const 8))
  (func (export "fd_allocate") (param i32 i64 i64) (result i32) (i32.const 8))
  (func (export "fd_close") (param i32) (result i32) (i32.const 8))
  (func (export "fd_datasync") (param i32) (result i32) (i32.const 8))
  (func (export "fd_fdstat_set_flags") (param i32 i32) (result i32) (i32.const 8))
  (func (export "fd_fdstat_set_rights") (param i32 i64 i64) (result i32) (i32.const 8))
  (func (export "fd_filestat_get") (param i32 i32) (result i32) (i32.const 8))
  (func (export "fd_filestat_set_size") (param i32 i64) (result i32) (i32.const 8))
  (func (export "fd_filestat_set_times") (param i32 i64 i64 i32) (result i32) (i32.const 8))
  (func (export "fd_pread") (param i32 i32 i32 i64 i32) (result i32) (i32.const 8))
  (func (export "fd_prestat_get") (param i32 i32) (result i32) (i32.const 8))
  (func (export "fd_prestat_dir_name") (param i32 i32 i32) (result i32) (i32.const 8))
  (func (export "fd_pwrite") (param i32 i32 i32 i64 i32) (result i32) (i32.const 8))
  (func (export "fd_readdir") (param i32 i32 i32 i64 i32) (result i32) (i32.const 8))
  (func (export "fd_renumber") (param i32 i32) (result i32) (i32.const 8))
  (func (export "fd_sync") (param i32) (result i32) (i32.const 8))
  (func (export "fd_tell") (param i32 i32) (result i32) (i32.const 8))
  (func (export "path_create_directory") (param i32 i32 i32) (result i32) (i32.const 8))
  (func (export "path_filestat_get") (param i32 i32 i32 i32 i32) (result i32) (i32.const 8))
  (func (export "path_filestat_set_times") (param i32 i32 i32 i32 i64 i64 i32) (result i32) (i32.const 8))
  (func (export "path_link") (param i32 i32 i32 i32 i32 i32 i32) (result i32) (i32.const 8))
  (func (export "path_open") (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32) (i32.const 8))
  (func (export "path_readlink") (param i32 i32 i32 i32 i32 i32) (result i32) (i32.const 8))
  (func (export "path_remove_directory") (param i32 i32 i32) (result i32) (i32.const 8))
  (func (export "path_rename") (param i32 i32 i32 i32 i32 i32) (result i32) (i32.const 8))
  (func (export "path_symlink") (param i32 i32 i32 i32 i32) (result i32) (i32.const 8))
  (func (export "path_unlink_file") (param i32 i32 i32) (result i32) (i32.const 8))

  ;; --- sockets: none

  (func (export "sock_accept") (param i32 i32 i32) (result i32) (i32.const 8))
  (func (export "sock_recv") (param i32 i32 i32 i32 i32 i32) (result i32) (i32.const 8))
  (func (export "sock_send") (param i32 i32 i32 i32 i32) (result i32) (i32.const 8))
  (func (export "sock_shutdown") (param i32 i32) (result i32) (i32.const 8))
)
