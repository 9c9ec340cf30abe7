;; A byte string that says it has 4 GiB less one.
(data (i32.const 4160) "\ff\ff\ff\ff")
(func $process (param $batch i32) (result i32)
  (drop (call $messages (i32.const 1) (i32.const 4096)))
  (i32.store offset=48 (i32.const 3104) (i32.const 4160))
  (i32.const 3072))
