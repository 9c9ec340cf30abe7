;; Prints to standard output until its time is over.
(import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
(func $process (param $batch i32) (result i32)
  (i32.store (i32.const 4096) (call $text (i32.const 1000000)))
  (i32.store (i32.const 4100) (i32.const 1000000))
  (loop $for_ever (drop (call $write (i32.const 1) (i32.const 4096) (i32.const 1) (i32.const 4104))) (br $for_ever))
  (unreachable))
