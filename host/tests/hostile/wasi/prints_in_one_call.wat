;; Prints 60 MB in one call.
(import "wasi:cli/stdout@0.2.0" "get-stdout" (func $stdout (result i32)))
(import "wasi:io/streams@0.2.0" "[method]output-stream.write" (func $write (param i32 i32 i32 i32)))
(func $process (param $batch i32) (result i32)
  (call $write (call $stdout) (call $text (i32.const 60000000)) (i32.const 60000000) (i32.const 4096))
  (call $forward_all (local.get $batch)))
