;; Ends its process as programs of WASI preview 1 do.
(import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
(func $process (param $batch i32) (result i32) (call $exit (i32.const 3)) (call $forward_all (local.get $batch)))
