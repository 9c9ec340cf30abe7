;; Takes its parameters when it is tried at submit, then by chance: half of its instances do not start.
(import "wasi:random/random@0.2.0" "get-random-u64" (func $random (result i64)))
(func $configure (param i32 i32) (result i32)
  (if (i32.wrap_i64 (i64.and (call $random) (i64.const 1))) (then (unreachable)))
  (i32.const 2048))
(func $process (param $batch i32) (result i32) (unreachable))
