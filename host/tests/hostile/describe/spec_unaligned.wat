;; Says that its declaration lies at an odd address.
(func $describe (result i32) (i32.const 1025))
