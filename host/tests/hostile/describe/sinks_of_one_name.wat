;; Two sinks of one name.
(func $describe (result i32)
  (memory.copy (i32.const 1144) (i32.const 1104) (i32.const 40))
  (i32.store (i32.const 1060) (i32.const 2))
  (i32.const 1024))
