;; Asks for 1 GiB of random bytes.
(import "wasi:random/random@0.2.0" "get-random-bytes" (func $random (param i64 i32)))
(func $process (param $batch i32) (result i32) (call $random (i64.const 1073741824) (i32.const 4096)) (call $forward_all (local.get $batch)))
