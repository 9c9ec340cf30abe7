;; Traps when it is asked what it declares.
(func $describe (result i32) (unreachable))
