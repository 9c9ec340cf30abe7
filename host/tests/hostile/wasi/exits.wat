;; Ends its process.
(import "wasi:cli/exit@0.2.0" "exit" (func $exit (param i32)))
(func $process (param $batch i32) (result i32) (call $exit (i32.const 0)) (call $forward_all (local.get $batch)))
