;; Opens the host's files, and fails with what came of it.
(import "wasi_snapshot_preview1" "path_open"
  (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
(data (i32.const 4096) "/etc/passwd" "error no.     ")
(func $process (param $batch i32) (result i32)
  (local $error i32)
  (local.set $error (call $open (i32.const 3) (i32.const 0) (i32.const 4096) (i32.const 11) (i32.const 0)
    (i64.const -1) (i64.const -1) (i32.const 0) (i32.const 4200)))
  (i32.store8 (i32.const 4117) (i32.add (i32.const 48) (local.get $error)))
  (i32.store8 (i32.const 3072) (i32.const 1))
  (i32.store offset=4 (i32.const 3072) (i32.const 4107))
  (i32.store offset=8 (i32.const 3072) (i32.const 11))
  (i32.const 3072))
