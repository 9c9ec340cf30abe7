;; Calls itself until the stack is full.
(func $describe (result i32) (call $describe))
