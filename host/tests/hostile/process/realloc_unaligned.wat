;; Has the records put at odd addresses.
(func $realloc (param i32 i32 i32) (param $size i32) (result i32)
  (i32.add (call $new (i32.add (local.get $size) (i32.const 1))) (i32.const 1)))
