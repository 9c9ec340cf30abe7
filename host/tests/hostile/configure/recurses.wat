;; Calls itself until the stack is full.
(func $configure (param i32 i32) (result i32) (call $configure (local.get 0) (local.get 1)))
