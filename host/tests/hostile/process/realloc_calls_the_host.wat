;; Calls the host from where the host has it allocate.
(func $realloc (param i32 i32 i32) (param $size i32) (result i32)
  (call $log (i32.const 2) (i32.const 1024) (i32.const 10))
  (call $new (local.get $size)))
