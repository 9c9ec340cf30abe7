;; Sleeps for an hour as programs of WASI preview 1 do: they are told that it is over, and go on.
(import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
(func $process (param $batch i32) (result i32)
  (i32.store (i32.const 4112) (i32.const 1))
  (i64.store (i32.const 4120) (i64.const 3600000000000))
  (drop (call $poll (i32.const 4096) (i32.const 4200) (i32.const 1) (i32.const 4300)))
  (call $forward_all (local.get $batch)))
