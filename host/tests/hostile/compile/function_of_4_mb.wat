;; One function of two million instructions.
(func $long (param i32) (result i32) local.get 0 {{500000:i32.const 7 i32.mul i32.const # i32.xor
}})
